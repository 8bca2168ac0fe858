from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mint.service import app_for, browser, request_secret
from openai_realtime.mint import limiter
from openai_realtime.mint.limiter import Limiter
from openai_realtime.testing import MockRealtimeServer, MockResponse


class Clock:
    """The clock that the windows go by: without the wall clock, which may be set."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(limiter, "time", clock)
    return clock


def test_the_sixth_mint_in_a_minute_is_429(provider: MockRealtimeServer, clock: Clock) -> None:
    with browser(app_for(provider)) as page:
        for _ in range(5):
            assert request_secret(page).status_code == 200
            clock.now += 5
        refused = request_secret(page)
        content = refused.json()
        assert (refused.status_code, content["error"]) == (429, "too_many_requests")
        assert refused.headers["retry-after"] == "35"
        assert len(provider.requests) == 5
        clock.now += 34.5
        assert request_secret(page).headers["retry-after"] == "1"
        clock.now += 0.6
        assert request_secret(page).status_code == 200
        assert request_secret(page).headers["retry-after"] == "5"


def test_the_fourth_in_ten_seconds_is_429(provider: MockRealtimeServer, clock: Clock) -> None:
    with browser(app_for(provider)) as page:
        for _ in range(3):
            assert request_secret(page).status_code == 200
        clock.now += 0.2
        # Refusals count against nothing: neither the ten seconds nor the minute get longer by them.
        for _ in range(10):
            refused = request_secret(page)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        clock.now += 10
        assert request_secret(page).status_code == 200
        assert request_secret(page).status_code == 200
        assert request_secret(page).headers["retry-after"] == "50"


def test_each_principal_has_limits_of_its_own_and_all_have_one(
    provider: MockRealtimeServer, clock: Clock
) -> None:
    with browser(app_for(provider, limits="2/minute", global_limits="5/hour")) as page:
        responses = [
            request_secret(page, {"x-user": user})
            for user in ("ann", "ann", "ann", "ann", "bob", "bob", "cid")
        ]
        assert [response.status_code for response in responses] == [
            200,
            200,
            429,
            429,
            200,
            200,
            200,
        ]
        busy = request_secret(page, {"x-user": "dan"})
        assert (busy.status_code, busy.json()["error"]) == (429, "busy")
        assert busy.headers["retry-after"] == "3600"
        # A mint that the limit for all refused is not counted for dan.
        assert request_secret(page, {"x-user": "dan"}).status_code == 429
        clock.now += 3601
        assert [request_secret(page, {"x-user": "dan"}).status_code for _ in range(3)] == [
            200,
            200,
            429,
        ]


@pytest.mark.parametrize(
    "header", ["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip"]
)
def test_no_header_of_a_client_changes_its_limit(provider: MockRealtimeServer, header: str) -> None:
    with browser(app_for(provider, limits="2/minute")) as page:
        for number in range(5):
            request_secret(page, {header: f"203.0.113.{number}", "user-agent": str(number)})
    assert len(provider.requests) == 2


def test_a_failed_mint_is_counted(provider: MockRealtimeServer) -> None:
    provider.respond_next(MockResponse(400))
    with browser(app_for(provider, limits="2/minute")) as page:
        assert [request_secret(page).status_code for _ in range(3)] == [502, 200, 429]


def test_memory_storage_never_waits() -> None:
    """No thread, no lock of the event loop's, no other task: the coroutine ends at its first step."""
    memory = Limiter("memory://", "1/minute", "1/minute")
    for is_first in (True, False):
        with pytest.raises(StopIteration) as ended:
            memory.hit("ann").send(None)
        assert (ended.value.value is None) == is_first
    for nothing in (memory.open(), memory.check(), memory.aclose()):
        with pytest.raises(StopIteration):
            nothing.send(None)


def test_threads_share_one_limit() -> None:
    memory = Limiter("memory://", "1000/minute", "500/minute")
    at_once = threading.Barrier(8, timeout=10)

    def insist(_: int) -> int:
        at_once.wait()
        return sum(asyncio.run(hit_all()))

    async def hit_all() -> list[bool]:
        return [await memory.hit("ann") is None for _ in range(200)]

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(insist, range(8))) == 500


def test_the_longest_wait_is_returned(clock: Clock) -> None:
    async def body() -> None:
        memory = Limiter("memory://", "2/minute; 1/second", "2/hour")
        assert await memory.hit("ann") is None
        refused = await memory.hit("ann")
        assert refused is not None
        assert (refused.code.name, refused.retry_after) == ("too_many_requests", 1)
        clock.now += 1
        assert await memory.hit("ann") is None
        busy = await memory.hit("ann")
        assert busy is not None
        assert (busy.code.name, busy.retry_after) == ("busy", 3599)

    asyncio.run(body())
