from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mint.service import SESSION, app_for, ask, browser, until
from openai_realtime import (
    ConfigurationError,
    RealtimeSessionCreateResponse,
    RealtimeSessionsClient,
    RetryPolicy,
)
from openai_realtime.mint import mint_endpoint
from openai_realtime.secret_pool import SecretPool
from openai_realtime.testing import MockRealtimeServer, MockResponse

POOLED = {
    "model": "gpt-realtime-mini",
    "client_secret": {"value": "ek_pooled", "expires_at": 1_900_000_000},
}


LIKE_THE_SERVICE: Any = {
    **SESSION,
    "client_secret": {"expires_after": {"seconds": 60}},
    "size": 2,
    "min_size": 2,
    "concurrency": 1,
    "name": "mint",
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


# --- A pool of the SDK's ----------------------------------------------------------------------


@pytest.fixture
def pool(provider: MockRealtimeServer) -> SecretPool:
    client = RealtimeSessionsClient(
        provider=provider.provider, api_key=provider.api_key, retry=RetryPolicy(max_retries=0)
    )
    return client.secret_pool(**LIKE_THE_SERVICE)


def test_the_service_opens_a_secret_pool_and_answers_from_it(
    provider: MockRealtimeServer, pool: SecretPool
) -> None:
    with browser(app_for(provider, pool=pool)) as page:
        until(lambda: pool.stats().ready == 2)
        told = [ask(page).json() for _ in range(2)]
        assert pool.stats().hits == 2
        assert len({each["value"] for each in told}) == 2
        until(lambda: pool.stats().ready == 2)
        assert len(provider.requests) == pool.stats().minted == 4, "only the pool's"
    assert pool.stats().wanted == 0, "closed"


def test_a_secret_pool_that_cannot_mint_is_fallen_back_from(
    provider: MockRealtimeServer, pool: SecretPool
) -> None:
    refused = MockResponse(401, json={"error": {"message": "no"}})
    provider.respond_next(refused)
    with browser(app_for(provider, pool=pool)) as page:
        until(lambda: pool.stats().failures == 1)
        assert ask(page).status_code == 200
        assert pool.stats().misses == 1
        assert pool.stats().minted == 0, "the service's own"


def test_a_secret_pool_that_is_open_is_its_openers(
    provider: MockRealtimeServer, pool: SecretPool
) -> None:
    async def body() -> None:
        async with pool:
            app = app_for(provider, pool=pool)
            async with app.router.lifespan_context(app):
                assert (await pool.acquire()).client_secret.value
            assert (await pool.acquire()).client_secret.value

    asyncio.run(body())


@pytest.mark.parametrize(
    ("pooled", "options", "told"),
    [
        ({"voice": "cedar"}, {}, "differ from session in voice:"),
        ({"speed": 1.1, "model": "other"}, {}, "differ from session in model, speed:"),
        (
            {},
            {"session": {**SESSION, "tool_choice": "none"}},
            "differ from session in tool_choice:",
        ),
        ({"extra_body": {"voice": "cedar"}}, {}, "differ from session in voice:"),
        ({}, {"lifetime": 90}, "secrets live 60 s, and lifetime is 90: pass lifetime=60, or"),
        ({"client_secret": {}}, {}, "secrets live 600 s, and lifetime is 60: pass lifetime=600"),
        ({}, {"session": {"type": "realtime", "model": "gpt-realtime"}}, "write session flat"),
    ],
)
def test_a_secret_pool_holds_what_the_service_mints(
    pooled: dict[str, Any], options: dict[str, Any], told: str
) -> None:
    client = RealtimeSessionsClient(api_key="sk-x")
    pool = client.secret_pool(**{**LIKE_THE_SERVICE, **pooled})
    given: Any = {"session": SESSION, "authorize": lambda _: "ann", "pool": pool, **options}
    with pytest.raises(ConfigurationError, match=told):
        mint_endpoint(client, **given)


def test_a_secret_pool_may_differ_in_how_it_calls() -> None:
    client = RealtimeSessionsClient(api_key="sk-x")
    calls = {"timeout": 3, "extra_headers": {"X-Team": "voice"}, "client_secret": {}}
    pool = client.secret_pool(**{**LIKE_THE_SERVICE, **calls})
    given: Any = {"session": SESSION, "lifetime": 600, "authorize": lambda _: "ann"}
    mint_endpoint(client, **given, pool=pool)
