"""The page of a service that begins GPT-Live sessions, in Chromium: what it hears, says, and how a session ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from browser.test_calls import MANY, figures, until

if TYPE_CHECKING:
    from browser.conftest import Opened, Served, Tab

pytestmark = pytest.mark.browser

LIVE = ("--mock", "--broker", "--metrics", MANY, "--model=gpt-live-1.1")
SECRET = "The word is swordfish."
LISTEN = """
window.heard = [];
window.sent = [];
const create = RTCPeerConnection.prototype.createDataChannel;
RTCPeerConnection.prototype.createDataChannel = function (...given) {
  const channel = window.channel = create.apply(this, given);
  channel.addEventListener("message", ({ data }) => window.heard.push(data));
  const send = channel.send.bind(channel);
  channel.send = (data) => { window.sent.push(data); send(data); };
  return channel;
};
"""


def events(person: Tab, name: str) -> list[Any]:
    """Return the events that the page has heard or sent."""
    return [json.loads(text) for text in person.page.evaluate(f"window.{name}")]


def heard(person: Tab, event_type: str) -> Any:
    """Return an event, once the page has heard it."""
    person.page.wait_for_function(
        "(type) => window.heard.some((text) => JSON.parse(text).type === type)",
        arg=event_type,
        timeout=15_000,
    )
    return next(each for each in events(person, "heard") if each["type"] == event_type)


@pytest.fixture(scope="module")
def live(serve: Served) -> str:
    """The page of a service that begins GPT-Live sessions."""
    return serve(*LIVE, f"--instructions={SECRET}").url


def test_a_page_talks_and_sees_no_instructions(live: str, tab: Opened) -> None:
    person: Tab = tab(live, script=LISTEN)
    page = person.page
    with page.expect_response("**/calls") as responded:
        page.click("#call")
    assert responded.value.status == 201
    assert "a=candidate:" in str(responded.value.request.post_data)
    assert "live_" not in str(responded.value.headers)
    person.until("connected")
    assert page.inner_text("#limit") == "of 2:00:00 at most"
    page.locator("#transcript .line.assistant").first.wait_for()
    assert page.inner_text("#model") == "Model: GPT-Live"
    assert "ms" in page.inner_text("#time-ready")
    # It takes no typed message, and there is no other transcription.
    for hidden in ("#composer", "#transcribed", "#not-transcribed", "#time-secret"):
        assert page.locator(hidden).is_hidden()
    assert heard(person, "info")["code"] == "data_channel_permissions"
    page.click("#mute")
    page.click("#mute")
    assert [each["type"] for each in events(person, "sent")] == [
        "session.input_audio.mute",
        "session.input_audio.unmute",
    ]
    # What a page is not allowed to do has no effect.
    for event_type in ("session.update", "session.instructions.append", "response.create"):
        page.evaluate("(type) => channel.send(JSON.stringify({ type, session: {} }))", event_type)
    refused = "session.update", "session.instructions.append", "response.create"
    page.wait_for_function(
        "(count) => heard.filter((each) => each.includes('event_not_allowed')).length === count",
        arg=len(refused),
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    person.keep("desktop-live")
    before_its_end = events(person, "heard")
    assert {each["type"] for each in before_its_end} <= {
        "session.input_transcript.delta",
        "session.output_transcript.delta",
        "error",
        "info",
    }
    assert "swordfish" not in str(before_its_end)
    assert "swordfish" not in page.content()
    ended = figures(live).get('ended_total{reason="page"}', 0)
    page.click("#call")
    person.until("ended")
    until(live, 'ended_total{reason="page"}', ended + 1)
    assert heard(person, "session.closed")["reason"] == "close_requested"
    # It was not the page that closed it: the service did, and so knows it.
    assert "session.close" not in {each["type"] for each in events(person, "sent")}
    assert person.console_errors == []


def test_the_service_ends_a_session_at_its_limit(serve: Served, tab: Opened) -> None:
    """Without `session.closed`, which holds the session, the page sees no instructions at its end."""
    events_seen = (
        'client.data_channel.allowed_server_events=[{"type":"session.output_transcript.delta"}]'
    )
    url = serve(*LIVE, "--max-duration=4", f"--instructions={SECRET}", f"--param={events_seen}").url
    person: Tab = tab(url, "phone", script=LISTEN)
    person.connect()
    person.page.locator("#transcript .line.assistant").first.wait_for()
    person.keep("phone-live")
    assert "time is over." in person.problem()
    assert {each["type"] for each in events(person, "heard")} <= {
        "session.output_transcript.delta",
        "info",
    }
    assert "swordfish" not in str(events(person, "heard"))
    until(url, 'ended_total{reason="max_duration"}', 1)
    person.connect()
    person.page.click("#call")
    person.until("ended")
    assert person.console_errors == []


def test_without_the_service_the_page_closes_the_session_itself(live: str, tab: Opened) -> None:
    person: Tab = tab(live, script=LISTEN)
    person.connect()
    heard(person, "info")
    person.page.route(
        "**/calls/*",
        lambda route: route.abort() if route.request.method == "DELETE" else route.continue_(),
    )
    person.page.click("#call")
    person.until("ended")
    assert heard(person, "session.closed")["reason"] == "close_requested"
    assert events(person, "sent")[-1] == {"type": "session.close"}


def test_words_are_a_line_until_a_pause(live: str, tab: Opened) -> None:
    person: Tab = tab(live)
    said = person.page.evaluate(
        """async () => {
          const panel = new (await import("/page/panels.js")).TranscriptPanel();
          panel.clear();
          const say = (who, event_id, delta, start_ms, end_ms) =>
            panel.show({ type: `session.${who}_transcript.delta`, event_id, delta, start_ms, end_ms });
          say("input", "e1", "Good ", 0, 300);
          say("output", "e2", "Hello ", 200, 500);
          say("input", "e3", "day.", 300, 600);
          say("output", "e4", "there.", 500, 900);
          say("output", "e5", "Are you there?", 9000, 9900);
          panel.show({ type: "toString" });
          return [...document.querySelectorAll("#transcript .line")].map((line) => line.innerText.trim());
        }"""
    )
    assert [text.split("\n")[-1] for text in said] == [
        "Good day.",
        "Hello there.",
        "Are you there?",
    ]
