from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mint.service import SESSION, app_for, browser, request_secret, until
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
    "model": "gpt-realtime-2.1-mini",
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

    def __init__(self, *responses: Any) -> None:
        self.responses = list(responses)
        self.wanted: list[float] = []

    async def acquire(self, *, min_ttl: float = 30) -> Any:
        self.wanted.append(min_ttl)
        response = self.responses.pop()
        if isinstance(response, Exception):
            raise response
        return response


def test_a_secret_comes_from_the_pool_first(provider: MockRealtimeServer) -> None:
    pool = Pool(RealtimeSessionCreateResponse.model_validate(POOLED))
    with browser(app_for(provider, pool=pool)) as page:
        content = request_secret(page).json()
    assert (content["value"], content["expires_at"]) == ("ek_pooled", 1_900_000_000)
    assert content["model"] == "gpt-realtime-2.1-mini"
    assert pool.wanted == [30]
    assert provider.requests == []


def test_a_pooled_secret_must_be_valid_for_half_its_lifetime(provider: MockRealtimeServer) -> None:
    pool = Pool(RealtimeSessionCreateResponse.model_validate(POOLED))
    with browser(app_for(provider, pool=pool, lifetime=20)) as page:
        request_secret(page)
    assert pool.wanted == [10]


def test_without_a_secret_in_the_pool_one_is_minted(provider: MockRealtimeServer) -> None:
    with browser(app_for(provider, pool=Pool(IndexError(), RuntimeError("broken")))) as page:
        assert [request_secret(page).status_code for _ in range(2)] == [200, 200]
    assert len(provider.requests) == 2


def test_a_request_with_choices_gets_a_new_secret(provider: MockRealtimeServer) -> None:
    pool = Pool()
    with browser(app_for(provider, pool=pool, allow={"voice": ["marin"]})) as page:
        assert request_secret(page, json={"voice": "marin"}).status_code == 200
    assert pool.wanted == []
    assert "marin" in str(provider.requests[0].json)


# --- A pool of the SDK's ----------------------------------------------------------------------


@pytest.fixture
def pool(provider: MockRealtimeServer) -> SecretPool:
    client = RealtimeSessionsClient(
        provider=provider.provider, api_key=provider.api_key, retry=RetryPolicy(max_retries=0)
    )
    return client.secret_pool(**LIKE_THE_SERVICE)


def test_the_service_opens_a_secret_pool_and_takes_secrets_from_it(
    provider: MockRealtimeServer, pool: SecretPool
) -> None:
    with browser(app_for(provider, pool=pool)) as page:
        until(lambda: pool.stats().ready == 2)
        contents = [request_secret(page).json() for _ in range(2)]
        assert pool.stats().hits == 2
        assert len({content["value"] for content in contents}) == 2
        until(lambda: pool.stats().ready == 2)
        assert len(provider.requests) == pool.stats().minted == 4, "only the pool's"
    assert pool.stats().wanted == 0, "closed"


def test_when_a_secret_pool_cannot_mint_the_service_does(
    provider: MockRealtimeServer, pool: SecretPool
) -> None:
    refused = MockResponse(401, json={"error": {"message": "no"}})
    provider.respond_next(refused)
    with browser(app_for(provider, pool=pool)) as page:
        until(lambda: pool.stats().failures == 1)
        assert request_secret(page).status_code == 200
        assert pool.stats().misses == 1
        assert pool.stats().minted == 0, "the service's own"


def test_a_secret_pool_that_was_open_stays_open(
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
    ("pooled", "options", "message"),
    [
        ({"voice": "cedar"}, {}, "differ from session in voice:"),
        ({"speed": 1.1, "model": "other"}, {}, "differ from session in model, speed:"),
        (
            {},
            {"session": {**SESSION, "tool_choice": "none"}},
            "differ from session in tool_choice:",
        ),
        ({"extra_body": {"voice": "cedar"}}, {}, "differ from session in voice:"),
        (
            {},
            {"lifetime": 90},
            "secrets are valid for 60 s, and lifetime is 90: pass lifetime=60, or",
        ),
        (
            {"client_secret": {}},
            {},
            "secrets are valid for 600 s, and lifetime is 60: pass lifetime=600",
        ),
        ({}, {"session": {"type": "realtime", "model": "gpt-realtime-2.1"}}, "write session flat"),
    ],
)
def test_a_secret_pool_with_other_sessions_is_refused(
    pooled: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    client = RealtimeSessionsClient(api_key="sk-x")
    pool = client.secret_pool(**{**LIKE_THE_SERVICE, **pooled})
    given: Any = {"session": SESSION, "authorize": lambda _: "ann", "pool": pool, **options}
    with pytest.raises(ConfigurationError, match=message):
        mint_endpoint(client, **given)


def test_a_secret_pool_may_have_other_request_options() -> None:
    client = RealtimeSessionsClient(api_key="sk-x")
    calls = {"timeout": 3, "extra_headers": {"X-Team": "voice"}, "client_secret": {}}
    pool = client.secret_pool(**{**LIKE_THE_SERVICE, **calls})
    given: Any = {"session": SESSION, "lifetime": 600, "authorize": lambda _: "ann"}
    mint_endpoint(client, **given, pool=pool)
