from __future__ import annotations

from typing import Any

import anyio
import pytest
from limits.aio.storage import MemoryStorage

from mint.service import app_for, ask, browser
from openai_realtime.mint.limiter import Limiter
from openai_realtime.testing import MockAnswer, MockRealtimeServer


class Clock:
    """The clock that the windows go by."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("limits.aio.storage.memory.time", clock)
    monkeypatch.setattr("openai_realtime.mint.limiter.time", clock)
    return clock


def test_the_sixth_mint_in_a_minute_is_429(provider: MockRealtimeServer, clock: Clock) -> None:
    with browser(app_for(provider)) as page:
        for _ in range(5):
            assert ask(page).status_code == 200
            clock.now += 5
        refused = ask(page)
        told = refused.json()
        assert (refused.status_code, told["error"]) == (429, "too_many_requests")
        assert refused.headers["retry-after"] == "35"
        assert len(provider.requests) == 5
        clock.now += 34.5
        assert ask(page).headers["retry-after"] == "1"
        clock.now += 0.6
        assert ask(page).status_code == 200
        assert ask(page).headers["retry-after"] == "5"


def test_the_fourth_in_ten_seconds_is_429(provider: MockRealtimeServer, clock: Clock) -> None:
    with browser(app_for(provider)) as page:
        for _ in range(3):
            assert ask(page).status_code == 200
        clock.now += 0.2
        # Refusals count against nothing: neither the ten seconds nor the minute get longer by them.
        for _ in range(10):
            refused = ask(page)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        clock.now += 10
        assert ask(page).status_code == 200
        assert ask(page).status_code == 200
        assert ask(page).headers["retry-after"] == "50"


def test_each_principal_has_limits_of_its_own_and_all_have_one(
    provider: MockRealtimeServer, clock: Clock
) -> None:
    with browser(app_for(provider, limits="2/minute", global_limits="5/hour")) as page:
        answers = [
            ask(page, {"x-user": user})
            for user in ("ann", "ann", "ann", "ann", "bob", "bob", "cid")
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 429, 200, 200, 200]
        busy = ask(page, {"x-user": "dan"})
        assert (busy.status_code, busy.json()["error"]) == (429, "busy")
        assert busy.headers["retry-after"] == "3600"
        # What everybody's limit refused did not count against dan's own.
        assert ask(page, {"x-user": "dan"}).status_code == 429
        clock.now += 3601
        assert [ask(page, {"x-user": "dan"}).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize(
    "header", ["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip"]
)
def test_what_a_client_sends_buys_no_more(provider: MockRealtimeServer, header: str) -> None:
    with browser(app_for(provider, limits="2/minute")) as page:
        for number in range(5):
            ask(page, {header: f"203.0.113.{number}", "user-agent": str(number)})
    assert len(provider.requests) == 2


def test_a_mint_that_fails_counts(provider: MockRealtimeServer) -> None:
    provider.respond_next(MockAnswer(400))
    with browser(app_for(provider, limits="2/minute")) as page:
        assert [ask(page).status_code for _ in range(3)] == [502, 200, 429]


async def broken(*args: object) -> Any:
    message = "redis://:password@host is on fire"
    raise ConnectionError(message)


@pytest.mark.parametrize("step", ["get_moving_window", "acquire_entry"])
def test_a_limiter_that_is_down_means_no(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with browser(app_for(provider)) as page:
        with monkeypatch.context() as patch:
            patch.setattr(MemoryStorage, step, broken)
            answer = ask(page)
            assert (answer.status_code, answer.json()["error"]) == (503, "limiter_unavailable")
            assert answer.headers["retry-after"] == "1"
            assert "password" not in answer.text
        assert provider.requests == []
        assert ask(page).status_code == 200


@pytest.mark.parametrize("is_free_again", [True, False])
def test_others_may_be_faster_between_the_look_and_the_count(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch, *, is_free_again: bool
) -> None:
    with browser(app_for(provider)) as page:
        entered = MemoryStorage.acquire_entry

        async def too_late(self: Any, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
            if not is_free_again:
                for _ in range(limit):
                    await entered(self, key, limit, expiry)
            return False

        monkeypatch.setattr(MemoryStorage, "acquire_entry", too_late)
        answer = ask(page)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == ("1" if is_free_again else "60")
    assert provider.requests == []


def test_a_storage_that_does_not_answer_is_not_reachable() -> None:
    limiter = Limiter("redis://127.0.0.1:1/0", "1/minute", "1/minute")
    limiter._seconds = 0.01
    limiter._storage.check = anyio.sleep_forever

    async def body() -> None:
        assert not await limiter.is_reachable()
        await limiter.aclose()

    anyio.run(body)


def test_memory_has_nothing_to_close() -> None:
    limiter = Limiter("memory://", "1/minute", "1/minute")

    async def body() -> None:
        await limiter.aclose()
        assert await limiter.is_reachable()

    anyio.run(body)
