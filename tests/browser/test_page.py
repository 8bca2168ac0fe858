"""The browser page with a real Chromium: page, mint service, secret, SDP exchange and media."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from openai_realtime.testing import MockRealtimeServer, MockResponse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from browser.conftest import Opened, Served, Service, Tab

pytestmark = pytest.mark.browser

TOKEN = "a-token-of-sixteen-characters"
HEARD = "One second of sound, which the mock does not understand."
CONTROLS = ("#call", "#mute", "#elapsed", "#transcript", ".figures")


@pytest.fixture
def mock() -> Iterator[MockRealtimeServer]:
    with MockRealtimeServer(webrtc=True) as server:
        yield server


@pytest.fixture(scope="module")
def mocked(serve: Served) -> str:
    """The page of a service with the mock server, for everyone on this machine."""
    return serve("--mock", "--voice=verse", "--limits=1000/minute").url


@pytest.fixture(scope="module")
def guarded(serve: Served) -> str:
    """The page of a service with the mock server, for those who know the token."""
    return serve("--mock", "--limits=1000/minute", OPENAI_REALTIME_SERVE_TOKENS=TOKEN).url


def serve_for(serve: Served, mock: MockRealtimeServer, *arguments: str) -> Service:
    """Serve the page with `mock` as the provider, which the service does not know to be a mock."""
    return serve(
        "--page",
        "--anyone-on-this-machine",
        "--max-retries=0",
        *arguments,
        OPENAI_BASE_URL=mock.base_url,
        OPENAI_API_KEY=mock.api_key,
    )


def a_secret(value: str = "ek_not_minted_here") -> MockResponse:
    secret = {"value": value, "expires_at": int(time.time()) + 60}
    return MockResponse(json={"client_secret": secret, "model": "gpt-realtime-2.1"})


@pytest.mark.parametrize("view", ["desktop", "phone"])
def test_a_person_connects_talks_and_leaves(view: str, mocked: str, tab: Opened) -> None:
    person: Tab = tab(mocked, view)
    page = person.page
    # It says that it is a mock before it speaks.
    assert "This is the mock server." in page.inner_text("header")
    before = person.boxes(*CONTROLS)
    person.connect()
    # The data channel shows the session's first event.
    row = page.locator("#events .event", has_text="session.created")
    row.wait_for()
    row.locator("summary").click()
    assert '"voice": "verse"' in row.locator("pre").inner_text()
    # The transcripts of both speakers, and of the typed message.
    page.get_by_text(HEARD).wait_for()
    page.get_by_text("this is your own voice").wait_for()
    page.fill("#message", "How are you?")
    page.press("#message", "Enter")
    page.get_by_text("You said: How are you?").wait_for()
    assert page.locator("#transcript .user .words").all_inner_texts() == [HEARD, "How are you?"]
    assert "transcribed by gpt-transcribe. A real provider bills this in addition" in (
        page.inner_text("#transcribed")
    )
    # Audio, both ways.
    while min(person.number("bytes-in"), person.number("bytes-out")) < 2000:
        page.wait_for_timeout(50)
    for figure in ("time-secret", "time-sdp", "time-ready", "rtt-ice"):
        assert page.inner_text(f"#{figure}").endswith(" ms")
    assert page.inner_text("#model") == "Model: gpt-realtime-2.1"
    # The call's own time and its limit, and nothing about the secret, which has done its work.
    assert page.inner_text("#elapsed") != "0:00"
    assert page.inner_text("#limit") == "of 1:00:00 at most"
    assert "expired" not in page.inner_text("main")
    # Connecting moved nothing, and the buttons are large enough to touch.
    boxes = person.boxes(*CONTROLS)
    assert boxes == before
    for button in ("#call", "#mute", "#send"):
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
    assert page.inner_text("#mute") == "Mute"
    page.click("#mute")
    assert page.get_attribute("#mute", "aria-pressed") == "false"
    # The largest button ends the call.
    assert page.inner_text("#call") == "Hang up"
    page.click("#call")
    person.until("ended")
    assert page.inner_text("#status") == "Call ended"
    assert page.inner_text("#call") == "Connect again"
    assert person.focused() == "call"
    assert page.inner_text("#left") == ""  # no time is left of a call that has ended
    elapsed = page.inner_text("#elapsed")
    page.wait_for_timeout(1100)
    assert page.inner_text("#elapsed") == elapsed
    page.keyboard.press("Enter")
    person.until("connected")
    page.locator("#events .event", has_text="session.created").wait_for()
    assert person.console_errors == []
    assert not any("ek_" in text for text in person.said)


def states(
    serve: Served, tab: Opened, mock: MockRealtimeServer, guarded: str
) -> Iterator[tuple[str, Tab]]:
    """Yield the page in each of its states, with the state's name."""
    newcomer: Tab = tab(serve_for(serve, mock).url)
    yield "idle", newcomer
    mock.respond_next(MockResponse(401))
    newcomer.page.click("#call")
    newcomer.problem()
    newcomer.page.click("summary")
    yield "error", newcomer
    person: Tab = tab(guarded)
    yield "token", person
    person.page.fill("#token", "wrong")
    person.page.press("#token", "Enter")
    person.until("failed")
    yield "token-refused", person
    person.page.fill("#token", TOKEN)
    person.connect()
    person.page.get_by_text("this is your own voice").wait_for()
    person.page.fill("#message", "How are you? " * 9)
    person.page.press("#message", "Enter")
    person.page.get_by_text("You said: How are you?").wait_for()
    yield "talking", person
    person.page.click("#mute")
    yield "muted", person
    person.page.click("#call")
    person.until("ended")
    yield "ended", person


def test_every_state_fits_a_desktop_and_a_phone(
    serve: Served, tab: Opened, mock: MockRealtimeServer, guarded: str
) -> None:
    for state, person in states(serve, tab, mock, guarded):
        person.look(state)


def test_axe_finds_nothing_in_any_state(
    serve: Served, tab: Opened, mock: MockRealtimeServer, guarded: str, axe: str
) -> None:
    for state, person in states(serve, tab, mock, guarded):
        assert (state, person.axe(axe)) == (state, [])


def test_the_keyboard_is_enough_and_the_focus_is_never_lost(
    serve: Served, tab: Opened, mock: MockRealtimeServer
) -> None:
    person: Tab = tab(serve_for(serve, mock).url)
    page = person.page

    def tab_to(name: str, key: str = "Tab") -> None:
        seen: list[str] = []
        while person.focused() != name:
            page.keyboard.press(key)
            seen.append(person.focused())
            assert len(seen) < 20, seen

    # A failure leaves the focus where it was.
    mock.respond_next(MockResponse(503, headers={"retry-after": "5"}))
    tab_to("call")
    page.keyboard.press("Enter")
    assert "cannot mint" in person.problem()
    assert person.focused() == "call"
    page.keyboard.press("Enter")  # too early: it does nothing
    assert page.get_attribute("body", "data-state") == "failed"
    page.get_by_text("You can try again now").wait_for()
    with page.expect_response("**/realtime/calls") as created:
        page.keyboard.press("Space")
    person.until("connected")
    assert person.focused() == "call"
    tab_to("mute")
    page.keyboard.press("Space")
    assert page.get_attribute("#mute", "aria-pressed") == "true"
    tab_to("message")
    page.keyboard.type("How are you?")
    page.keyboard.press("Enter")
    page.get_by_text("You said: How are you?").wait_for()
    tab_to("events")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("#events pre").first.wait_for()
    # The server hangs up while the person types: the field is disabled, so the button gets the focus.
    tab_to("message", "Shift+Tab")
    hang_up(person, mock, created.value.headers["location"])
    assert "The server ended the call" in person.problem()
    assert person.focused() == "call"
    page.keyboard.press("Enter")
    person.until("connected")
    page.keyboard.press("Enter")
    person.until("ended")
    assert person.focused() == "call"


def hang_up(person: Tab, mock: MockRealtimeServer, location: str) -> None:
    """End the call from the server's side, once its data channel is open."""
    person.page.locator("#events .event", has_text="session.created").wait_for()
    person.page.request.post(
        f"{mock.base_url.removesuffix('/v1')}{location}/hangup",
        headers={"authorization": f"Bearer {mock.api_key}"},
    )


def test_the_names_that_a_screen_reader_says(guarded: str, tab: Opened) -> None:
    person: Tab = tab(guarded)

    def said() -> list[str]:
        lines = person.page.locator("body").aria_snapshot().splitlines()
        return [line.strip().removeprefix("- ").removesuffix(":") for line in lines]

    for name in (
        "status: Not connected",
        'heading "Talk to the model" [level=1]',
        'timer "Call time": 0:00',
        'textbox "Access token"',
        'button "Connect"',
        'button "Mute" [disabled]',
        'log "Transcript"',
        'textbox "Message" [disabled]',
        'button "Send" [disabled]',
        'heading "Connection" [level=2]',
        'heading "Events" [level=2]',
    ):
        assert name in "\n".join(said())
    person.page.fill("#token", TOKEN)
    person.connect()
    person.page.get_by_text("this is your own voice").wait_for()
    person.page.click("#mute")
    names = said()
    for name in (
        "status: Connected",
        'button "Hang up"',
        'button "Mute" [pressed]',
        'textbox "Message"',
        'list "Events"',
    ):
        assert name in names
    # Two elements: the description of the token, and its error.
    described = person.page.get_attribute("#token", "aria-describedby")
    assert described is not None
    assert all(person.page.locator(f"#{each}").count() == 1 for each in described.split())


def test_motion_is_reduced_for_those_who_want_that(mocked: str, tab: Opened) -> None:
    page = tab(mocked).page
    page.evaluate("document.body.dataset.state = 'connecting'")
    assert page.evaluate("document.getAnimations().length > 0")
    page.emulate_media(reduced_motion="reduce")
    assert not page.evaluate("document.getAnimations().length > 0")


def test_every_error_is_shown_in_plain_words(
    serve: Served, tab: Opened, mock: MockRealtimeServer
) -> None:
    service = serve_for(serve, mock, "--limits=12/minute")
    person: Tab = tab(service.url)
    # The provider is not OpenAI, so that it may not know the transcription model.
    assert "input transcription is off" in person.page.inner_text("#not-transcribed")
    busy = MockResponse(429, headers={"retry-after": "2"})
    gone = MockResponse(drop="before")
    for responses, messages in [
        ([MockResponse(401)], ("The API refused", "Status 502, request ")),
        ([MockResponse(503)], ("cannot mint at the moment", "503")),
        ([a_secret()], ("The secret was refused", "401", "Try again")),
        ([a_secret(), MockResponse(403)], ("The secret was refused", "403")),
        ([a_secret(), MockResponse(400)], ("does not take this offer", "400")),
        ([a_secret(), MockResponse(201, body=b"v=0\r\n")], ("response is unusable",)),
        # The service resends once on a reused connection.
        ([a_secret(), gone, gone], ("The API is out of reach",)),
        ([a_secret(), busy], ("limit is reached",)),
    ]:
        mock.respond_next(*responses)
        person.page.click("#call")
        problem = person.problem()
        mock.forget_script()
        assert all(words in problem for words in messages), problem
        # Statuses and request ids are for those who ask for them; nothing was connected yet.
        assert "request" not in person.page.inner_text(".problem").replace("request.", "")
        assert person.page.inner_text("#call") == "Connect"
    assert person.page.inner_text("#wait").startswith("Try again in ")
    assert person.page.get_attribute("#call", "aria-disabled") == "true"
    person.page.get_by_text("You can try again now").wait_for()
    # The server hangs up.
    with person.page.expect_response("**/realtime/calls") as created:
        person.page.click("#call")
    person.until("connected")
    hang_up(person, mock, created.value.headers["location"])
    assert "The server ended the call" in person.problem()
    assert person.page.inner_text("#status") == "Call ended"
    # The service's own limit, and then no service.
    for _ in range(4):
        mock.respond_next(MockResponse(400))
        person.page.click("#call")
        problem = person.problem()
        assert person.page.inner_text("#status") == "Not connected"
    assert "too many secrets were requested" in problem
    service.process.terminate()
    service.process.wait(60)
    # One script, because the countdown disables the button every second.
    person.page.evaluate(
        "const button = document.getElementById('call');"
        "button.removeAttribute('aria-disabled'); button.click()"
    )
    person.page.get_by_text("The service is out of reach").wait_for()
    failed = "Failed to load resource"  # Chromium logs this for any status from 400
    assert [text for text in person.console_errors if not text.startswith(failed)] == []


def test_an_error_of_the_session_is_a_line_of_the_transcript(
    serve: Served, tab: Opened, mock: MockRealtimeServer
) -> None:
    person: Tab = tab(serve_for(serve, mock, "--transcription-model=gpt-live-transcribe").url)
    person.connect()
    person.page.get_by_text("this is your own voice").wait_for()
    assert (
        "transcribed by gpt-live-transcribe. The provider bills this in addition to the session."
        in (person.page.inner_text("#transcribed"))
    )
    # The page hears it from the server when its session differs from what was said before.
    person.page.evaluate(
        """async () => {
          const { TranscriptPanel, showTranscription } = await import("/page/panels.js");
          const panel = new TranscriptPanel();
          panel.show({ type: "error", event_id: "e1", error: { message: "No such tool" } });
          const failed = "conversation.item.input_audio_transcription.failed";
          panel.show({ type: failed, item_id: "i1", error: { message: "too noisy" } });
          showTranscription({ type: "session.updated", session: { audio: { input: { transcription: null } } } });
        }"""
    )
    assert person.page.inner_text("#transcript [role=alert] .words") == "No such tool"
    assert "(not transcribed: too noisy)" in person.page.inner_text("#transcript")
    assert person.page.is_visible("#not-transcribed")
    person.page.evaluate(
        """async () => (await import("/page/panels.js")).showTranscription(
          { session: { audio: { input: { transcription: { model: "gpt-live-transcribe" } } } } })"""
    )
    assert "transcribed by gpt-live-transcribe" in person.page.inner_text("#transcribed")
    assert person.page.is_visible("#transcribed")


def test_the_limit_is_by_the_servers_clock_and_its_end_is_said(mocked: str, tab: Opened) -> None:
    wrong = "const now = Date.now; Date.now = () => now() + 1_800_000;"
    person: Tab = tab(mocked, script=wrong)
    person.connect()
    limit = person.page.locator("#limit", has_text="at most")
    limit.wait_for()
    assert limit.inner_text() == "of 1:00:00 at most"
    person.page.click("#call")
    person.until("ended")
    # A service's own limit, which is earlier.
    shown = person.page.evaluate(
        """async () => {
          const clock = new (await import("/page/panels.js")).CallClock();
          const limit = () => document.getElementById("limit").textContent;
          clock.clear();
          clock.limit(3599);
          clock.start();
          clock.start();
          const shown = [limit()];
          for (const seconds of [7200, 92.5, 60.2]) {
            clock.limit(seconds);
            shown.push(limit());
          }
          while (!limit().startsWith("ends")) await new Promise((resolve) => setTimeout(resolve, 50));
          clock.stop();
          return [...shown, limit()];
        }"""
    )
    assert shown == [
        "of 1:00:00 at most",
        "of 1:00:00 at most",
        "of 1:33 at most",
        "of 1:00 at most",
        "ends in less than a minute",
    ]


def test_the_mock_without_aiortc_says_what_it_needs(serve: Served, tab: Opened) -> None:
    with MockRealtimeServer() as mock:
        person: Tab = tab(serve_for(serve, mock).url)
        person.page.click("#call")
        problem = person.problem()
    assert "The mock server takes no calls yet" in problem
    assert "pip install aiortc" in problem


def test_the_microphone_is_refused_or_missing(mocked: str, tab: Opened) -> None:
    url = mocked
    refused: Tab = tab(url, has_permission=False)
    refused.page.click("#call")
    assert "The microphone was refused" in refused.problem()
    # No attempt has connected, so that there is no "again".
    assert refused.page.inner_text("#call") == "Connect"
    missing: Tab = tab(url)
    missing.page.evaluate(
        """() => {
          navigator.mediaDevices.getUserMedia = () =>
            Promise.reject(new DOMException("", "NotFoundError"));
        }"""
    )
    missing.page.click("#call")
    assert "No microphone was found" in missing.problem()
    assert refused.console_errors == missing.console_errors == []


def test_a_call_can_be_cancelled_before_it_connects(mocked: str, tab: Opened) -> None:
    person: Tab = tab(mocked)
    person.page.evaluate(
        """() => {
          const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
          navigator.mediaDevices.getUserMedia = async (constraints) => {
            await new Promise((resolve) => { window.allow = resolve; });
            return window.opened = await open(constraints);
          };
        }"""
    )
    requests: list[str] = []
    person.page.on("request", lambda request: requests.append(request.url))
    person.page.click("#call")
    person.until("microphone")
    assert person.page.inner_text("#call") == "Cancel"
    person.page.click("#call")
    person.until("idle")
    assert person.focused() == "call"
    # The person allows the microphone too late: it is switched off, and no secret is minted.
    person.page.evaluate(
        """async () => {
          window.allow();
          while (window.opened?.getTracks()[0].readyState !== "ended")
            await new Promise((resolve) => setTimeout(resolve, 20));
        }"""
    )
    assert requests == []
    assert person.page.inner_text("#call") == "Connect"


def test_the_page_asks_for_the_token_first_and_keeps_it_in_memory(
    guarded: str, tab: Opened
) -> None:
    person: Tab = tab(guarded)
    page = person.page
    before = person.boxes("#token", *CONTROLS)
    page.click("#call")
    assert page.inner_text("#token-error") == "Enter the access token first."
    assert (person.focused(), page.get_attribute("body", "data-state")) == ("token", "idle")
    page.fill("#token", "another-token-of-many-characters")
    page.press("#token", "Enter")
    person.until("failed")
    assert page.inner_text("#token-error") == "That token is not accepted."
    assert page.get_attribute("#token", "aria-invalid") == "true"
    assert person.focused() == "token"
    assert page.is_hidden("#notice")
    page.click("summary")
    assert "Status 401, request " in page.inner_text("#details-text")
    page.fill("#token", TOKEN)
    page.press("#token", "Enter")
    person.until("connected")
    assert page.input_value("#token") == ""
    assert TOKEN not in page.content()
    assert page.is_disabled("#token")
    assert person.focused() == "call"
    assert person.boxes("#token", *CONTROLS) == before
    page.click("#call")
    person.connect()


def test_a_service_with_its_own_login_is_asked_before_the_person(
    serve: Served, tab: Opened, mock: MockRealtimeServer, tmp_path: Path
) -> None:
    # `authorize` may know the person by a cookie, so that the page asks for no token at first.
    login = "def authorize(request):\n    return request.headers.get('authorization') and 'ann'\n"
    (tmp_path / "login_of_test_page.py").write_text(login)
    service = serve(
        "--page",
        "--authorize=login_of_test_page:authorize",
        PYTHONPATH=str(tmp_path),
        OPENAI_BASE_URL=mock.base_url,
        OPENAI_API_KEY=mock.api_key,
    )
    person: Tab = tab(service.url)
    assert person.page.is_hidden("#token")
    person.page.click("#call")
    person.until("failed")
    assert person.page.inner_text("#token-error") == "The service does not know you."
    assert person.focused() == "token"
    person.page.fill("#token", TOKEN)
    person.connect()
