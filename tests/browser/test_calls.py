"""The page of a service that begins the calls, in Chromium: limits, the end in time, a closed tab, a lost network."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from faults.machine_delays import Stopwatch

if TYPE_CHECKING:
    from browser.conftest import Opened, Served, Tab

pytestmark = pytest.mark.browser

MANY = "--limits=1000/minute"
TAKE_TIMES = """() => {
  const original = window.fetch;
  window.fetch = async (url, request) => {
    const response = await original(url, request);
    if (response.status === 201) window.begunAt = performance.now();
    return response;
  };
  new MutationObserver(() => {
    if (document.body.dataset.state === "failed") window.endedAt = performance.now();
  }).observe(document.body, { attributeFilter: ["data-state"] });
}"""
COUNT_HEARTBEATS = """() => {
  window.beats = 0;
  const original = window.fetch;
  window.fetch = (url, request) => {
    if (`${url}`.endsWith("/heartbeat")) window.beats += 1;
    return original(url, request);
  };
}"""


def figures(url: str) -> dict[str, float]:
    """Return the service's metrics of calls."""
    prefix = "openai_realtime_calls_"
    lines = httpx.get(f"{url}metrics", trust_env=False).text.splitlines()
    pairs = [line.removeprefix(prefix).rpartition(" ") for line in lines if line.startswith(prefix)]
    return {name: float(value) for name, _, value in pairs}


def until(url: str, name: str, value: float, seconds: float = 60) -> float:
    """Wait until a metric has a value; return how long that took."""
    began = time.monotonic()
    while figures(url).get(name, 0) < value:
        assert time.monotonic() < began + seconds, figures(url)
        time.sleep(0.05)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def mocked(serve: Served) -> str:
    """The page of a service that begins calls without a limit of its own."""
    return serve("--mock", "--broker", "--metrics", MANY).url


@pytest.fixture(scope="module")
def limited(serve: Served) -> str:
    """The page of a service whose calls take 4 s."""
    return serve("--mock", "--max-duration=4", "--metrics", MANY).url


@pytest.mark.parametrize("view", ["desktop", "phone"])
def test_the_server_ends_a_call_at_its_limit(view: str, limited: str, tab: Opened) -> None:
    ended = figures(limited).get('ended_total{reason="max_duration"}', 0)
    person: Tab = tab(limited, view)
    page = person.page
    before = person.boxes("#call", "#mute", "#elapsed", "#transcript")
    page.evaluate(TAKE_TIMES)
    stopwatch = Stopwatch()
    stopwatch.__enter__()
    with page.expect_response("**/calls") as responded:
        page.click("#call")
    response = responded.value
    assert response.status == 201
    assert "rtc_" not in str(response.headers)
    person.until("connected")
    assert person.boxes("#call", "#mute", "#elapsed", "#transcript") == before
    assert re.fullmatch(r"of 0:0[1-4] at most", page.inner_text("#limit"))
    assert page.inner_text("#left").endswith(" left")
    page.locator("#events .event", has_text="session.created").wait_for()
    assert page.inner_text("#model").startswith("Model: gpt-realtime")
    # No secret was fetched, and nothing says that one was.
    assert not page.locator("#time-secret").is_visible()
    assert page.inner_text("footer") == "Nothing is stored."
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    person.keep(f"{view}-limit")
    assert "time is over." in person.problem()
    stopwatch.__exit__()
    # The page sees the end within a second of the limit.
    seconds = page.evaluate("(endedAt - begunAt) / 1000")
    assert 3.9 < seconds < 5 + stopwatch.delayed_by
    assert page.inner_text("#status") == "Call ended"
    until(limited, 'ended_total{reason="max_duration"}', ended + 1)
    # It may begin again at once.
    person.connect()
    page.click("#call")
    person.until("ended")
    assert person.console_errors == []


def test_a_closed_tab_ends_its_call(mocked: str, tab: Opened) -> None:
    ended = figures(mocked).get('ended_total{reason="page"}', 0)
    leaving: Tab = tab(mocked)
    leaving.connect()
    assert figures(mocked)["running"] == 1
    leaving.page.close(run_before_unload=True)
    until(mocked, 'ended_total{reason="page"}', ended + 1)
    assert figures(mocked)["running"] == 0


def test_a_second_call_is_refused_until_the_first_one_ends(mocked: str, tab: Opened) -> None:
    first: Tab = tab(mocked)
    first.connect()
    second: Tab = tab(mocked, "phone")
    second.page.click("#call")
    problem = second.problem()
    assert "You have a call already." in problem
    assert "Hang up in the other tab" in problem
    second.keep("second-call")
    first.page.click("#call")
    first.until("ended")
    second.connect()
    second.page.click("#call")
    second.until("ended")
    failed = "Failed to load resource"  # Chromium logs this for any status from 400
    assert [text for text in second.console_errors if not text.startswith(failed)] == []
    assert first.console_errors == []


def test_a_second_call_ends_the_oldest(serve: Served, tab: Opened) -> None:
    url = serve("--mock", "--broker", "--at-limit=end_oldest", "--metrics", MANY).url
    first: Tab = tab(url)
    first.connect()
    second: Tab = tab(url, "phone")
    second.connect()
    assert "The server ended the call." in first.problem()
    until(url, 'ended_total{reason="replaced"}', 1)
    assert figures(url)["running"] == 1
    assert second.page.get_attribute("body", "data-state") == "connected"


def cut_network(tab: Tab) -> Any:
    """Cut the page from the network: its requests fail, and so does its media."""
    session = tab.page.context.new_cdp_session(tab.page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
    )
    return session


@pytest.mark.parametrize(
    ("silence", "seconds"),
    [(4, 6), pytest.param(90, 100, marks=[pytest.mark.soak, pytest.mark.timeout(200)])],
)
def test_a_page_without_a_network_does_not_lock_its_user_out(
    silence: int, seconds: int, serve: Served, tab: Opened
) -> None:
    url = serve("--mock", "--broker", f"--heartbeat={silence}", "--metrics", MANY).url
    lost: Tab = tab(url)
    lost.page.evaluate(COUNT_HEARTBEATS)
    lost.connect()
    # Heartbeats keep it, for longer than it may be silent.
    if silence < 90:
        lost.page.wait_for_timeout(silence * 1000 + 1000)
        assert figures(url)["running"] == 1
        assert lost.page.evaluate("window.beats") >= 3
    other: Tab = tab(url)  # before the cut, because a busy machine takes seconds to open a page
    cut_network(lost)
    with Stopwatch() as stopwatch:
        other.page.click("#call")
        assert "You have a call already." in other.problem()
        until(url, 'ended_total{reason="silent"}', 1, seconds + 60)
    stopwatch.assert_within(0, seconds + 5)
    other.connect()
