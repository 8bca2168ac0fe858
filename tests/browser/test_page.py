"""The browser page with a real Chromium: page, mint service, secret, SDP exchange and media."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from openai_realtime.testing import MockRealtimeServer, MockResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from browser.conftest import Opened, Served, Tab

pytestmark = pytest.mark.browser


@pytest.fixture
def mock() -> Iterator[MockRealtimeServer]:
    with MockRealtimeServer(webrtc=True) as server:
        yield server


def a_secret(value: str = "ek_not_minted_here") -> MockResponse:
    secret = {"value": value, "expires_at": int(time.time()) + 60}
    return MockResponse(json={"client_secret": secret, "model": "gpt-realtime-2.1"})


@pytest.mark.parametrize("view", ["desktop", "phone"])
def test_a_person_connects_talks_and_leaves(view: str, serve: Served, tab: Opened) -> None:
    person: Tab = tab(serve("--mock", "--voice", "verse").url, view)
    page = person.page
    person.keep(f"{view}-before")
    person.connect()
    # The data channel shows the session's first event.
    row = page.locator("#events .event", has_text="session.created")
    row.wait_for()
    row.locator("summary").click()
    assert '"voice": "verse"' in row.locator("pre").inner_text()
    # The transcripts of the speech and of the typed message.
    page.get_by_text("this is your own voice").wait_for()
    page.fill("#message", "How are you?")
    page.press("#message", "Enter")
    page.get_by_text("You said: How are you?").wait_for()
    # Audio, both ways.
    while min(person.number("bytes-in"), person.number("bytes-out")) < 2000:
        page.wait_for_timeout(50)
    for figure in ("time-secret", "time-sdp", "time-ready", "rtt-ice"):
        assert page.inner_text(f"#{figure}").endswith(" ms")
    assert page.inner_text("#life").endswith(" s left")
    assert page.inner_text("#model") == "Model: gpt-realtime-2.1"
    person.keep(f"{view}-connected")
    # The page is as wide as the screen, and its buttons are large enough to touch.
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for button in ("#connect", "#mute", "#disconnect", "#send"):
        box = page.locator(button).bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
    # Nothing keeps the secret.
    assert "ek_" not in page.content()
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [
        0,
        0,
        "",
    ]

    page.click("#mute")
    assert page.get_attribute("#mute", "aria-pressed") == "true"
    page.click("#mute")
    assert page.get_attribute("#mute", "aria-pressed") == "false"
    page.click("#disconnect")
    person.until("ended")
    assert page.inner_text("#status") == "Disconnected"
    assert page.locator("#connect").evaluate("(button) => button === document.activeElement")
    page.keyboard.press("Enter")
    person.until("connected")
    page.locator("#events .event", has_text="session.created").wait_for()
    assert person.console_errors == []
    assert not any("ek_" in text for text in person.said)


def test_every_error_is_shown_in_plain_words(
    serve: Served, tab: Opened, mock: MockRealtimeServer
) -> None:
    service = serve(
        "--page",
        "--anyone-on-this-machine",
        "--max-retries=0",
        "--limits=12/minute",
        OPENAI_BASE_URL=mock.base_url,
        OPENAI_API_KEY=mock.api_key,
    )
    person: Tab = tab(service.url)
    busy = MockResponse(429, headers={"retry-after": "2"})
    gone = MockResponse(drop="before")
    for responses, messages in [
        ([MockResponse(401)], ("The API refused", "502")),
        ([MockResponse(503)], ("cannot mint at the moment", "503")),
        ([a_secret()], ("The secret was refused", "401", "Connect again")),
        ([a_secret(), MockResponse(403)], ("The secret was refused", "403")),
        ([a_secret(), MockResponse(400)], ("does not take this offer", "400")),
        ([a_secret(), MockResponse(201, body=b"v=0\r\n")], ("response is unusable",)),
        # The service resends once on a reused connection.
        ([a_secret(), gone, gone], ("The API is out of reach",)),
        ([a_secret(), busy], ("The API's limit is reached", "Try again in 2 s")),
    ]:
        mock.respond_next(*responses)
        person.page.click("#connect")
        problem = person.problem()
        mock.forget_script()
        assert all(words in problem for words in messages), problem
    person.keep("limit-reached")
    assert person.page.is_disabled("#connect")
    person.page.get_by_text("You can connect again now").wait_for()
    # The server hangs up.
    with person.page.expect_response("**/realtime/calls") as created:
        person.page.click("#connect")
    person.until("connected")
    location = created.value.headers["location"]
    person.page.locator("#events .event", has_text="session.created").wait_for()
    person.page.request.post(
        f"{mock.base_url.removesuffix('/v1')}{location}/hangup",
        headers={"authorization": f"Bearer {mock.api_key}"},
    )
    assert "The server ended the call" in person.problem()
    # The service's own limit, and then no service.
    for _ in range(4):
        mock.respond_next(MockResponse(400))
        person.page.click("#connect")
        problem = person.problem()
    assert "too many secrets were requested" in problem
    assert "Try again in" in problem
    service.process.terminate()
    service.process.wait(15)
    # One script, because the countdown disables the button every second.
    person.page.evaluate(
        "const button = document.getElementById('connect'); button.disabled = false; button.click()"
    )
    person.page.get_by_text("The service is out of reach").wait_for()
    failed = "Failed to load resource"  # Chromium logs this for any status from 400
    assert [text for text in person.console_errors if not text.startswith(failed)] == []


def test_the_microphone_is_refused_or_missing(serve: Served, tab: Opened) -> None:
    url = serve("--mock").url
    refused: Tab = tab(url, has_permission=False)
    refused.page.click("#connect")
    assert "The microphone was refused" in refused.problem()
    refused.keep("microphone-refused")
    missing: Tab = tab(url)
    missing.page.evaluate(
        """() => {
          navigator.mediaDevices.getUserMedia = () =>
            Promise.reject(new DOMException("", "NotFoundError"));
        }"""
    )
    missing.page.click("#connect")
    assert "No microphone was found" in missing.problem()
    assert refused.console_errors == missing.console_errors == []


def test_the_page_requests_a_token_and_keeps_it_in_memory(serve: Served, tab: Opened) -> None:
    token = "a-token-of-sixteen-characters"
    service = serve("--mock", OPENAI_REALTIME_SERVE_TOKENS=token)
    person: Tab = tab(service.url)
    person.page.click("#connect")
    assert "does not know you" in person.problem()
    person.page.fill("#token", token)
    person.page.press("#token", "Enter")
    person.until("connected")
    assert person.page.input_value("#token") == ""
    assert token not in person.page.content()
    person.page.click("#disconnect")
    person.connect()
