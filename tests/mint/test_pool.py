from __future__ import annotations

from typing import Any

from mint.service import app_for, ask, browser
from openai_realtime import RealtimeSessionCreateResponse
from openai_realtime.testing import MockRealtimeServer

POOLED = {
    "model": "gpt-realtime-mini",
    "client_secret": {"value": "ek_pooled", "expires_at": 1_900_000_000},
}


class Pool:
    """What a pool is to the service."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.wanted: list[float] = []

    async def acquire(self, *, min_ttl: float = 30) -> Any:
        self.wanted.append(min_ttl)
        answer = self.answers.pop()
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_the_pool_is_asked_first(provider: MockRealtimeServer) -> None:
    pool = Pool(RealtimeSessionCreateResponse.model_validate(POOLED))
    with browser(app_for(provider, pool=pool)) as page:
        told = ask(page).json()
    assert (told["value"], told["expires_at"]) == ("ek_pooled", 1_900_000_000)
    assert told["model"] == "gpt-realtime-mini"
    assert pool.wanted == [30]
    assert provider.requests == []


def test_what_is_pooled_must_live_half_its_lifetime_at_least(provider: MockRealtimeServer) -> None:
    pool = Pool(RealtimeSessionCreateResponse.model_validate(POOLED))
    with browser(app_for(provider, pool=pool, lifetime=20)) as page:
        ask(page)
    assert pool.wanted == [10]


def test_an_empty_or_broken_pool_is_no_reason_to_refuse(provider: MockRealtimeServer) -> None:
    with browser(app_for(provider, pool=Pool(IndexError(), RuntimeError("broken")))) as page:
        assert [ask(page).status_code for _ in range(2)] == [200, 200]
    assert len(provider.requests) == 2


def test_whoever_chooses_gets_a_fresh_one(provider: MockRealtimeServer) -> None:
    pool = Pool()
    with browser(app_for(provider, pool=pool, allow={"voice": ["marin"]})) as page:
        assert ask(page, json={"voice": "marin"}).status_code == 200
    assert pool.wanted == []
    assert "marin" in str(provider.requests[0].json)
