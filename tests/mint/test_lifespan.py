"""What the service opens: by its lifespan, or where none is run at the first request."""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from mint.redis_process import RedisProcess
from mint.service import PATH, SESSION, app_for, browser, request_secret
from openai_realtime import RealtimeSessionsClient
from openai_realtime.background import Background
from openai_realtime.errors import ConfigurationError
from openai_realtime.mint import mint_app, mint_endpoint
from openai_realtime.secret_pool import SecretPool
from openai_realtime.testing import MockRealtimeServer, MockResponse

BACKENDS = ["asyncio", "trio"]
POOLED: Any = {
    **SESSION,
    "client_secret": {"expires_after": {"seconds": 60}},
    "size": 2,
    "min_size": 2,
}
SPAN = contextvars.ContextVar("SPAN", default="none")


def run(backend: str, body: Callable[[], Awaitable[None]]) -> None:
    """Run `body` within 20 seconds."""

    async def bounded() -> None:
        with anyio.fail_after(20):
            await body()

    anyio.run(bounded, backend=backend)


def client_of(provider: MockRealtimeServer, **options: Any) -> RealtimeSessionsClient:
    return RealtimeSessionsClient(provider=provider.provider, api_key=provider.api_key, **options)


def asgi_client(app: Any) -> httpx.AsyncClient:
    """Ask an app in this event loop, which runs no lifespan."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://app", headers={"x-user": "ann"}
    )


def mounted(app: Starlette) -> Starlette:
    """Mount the service in another app, which has no lifespan."""
    return Starlette(routes=[Mount("/voice", app)])


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_service_runs_on_asyncio_and_trio(provider: MockRealtimeServer, backend: str) -> None:
    with browser(app_for(provider, limits="2/minute"), backend=backend) as page:
        assert page.get("/readyz").status_code == 200
        assert [request_secret(page).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_lifespan_opens_the_pool_and_closes_it(
    provider: MockRealtimeServer, backend: str
) -> None:
    pool = client_of(provider).secret_pool(**POOLED)
    with browser(app_for(provider, pool=pool), backend=backend) as page:
        assert pool.was_opened
        assert request_secret(page).status_code == 200
    assert pool.stats().wanted == 0, "closed"


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_a_lifespan_the_first_request_opens_the_pool(
    provider: MockRealtimeServer, caplog: pytest.LogCaptureFixture, backend: str
) -> None:
    contexts: list[str] = []
    pools: list[SecretPool] = []

    async def body() -> None:
        client = client_of(provider, on_event=lambda _: contexts.append(SPAN.get()))
        pool = client.secret_pool(**POOLED)
        pools.append(pool)
        app = app_for(provider, pool=pool, limits="100/minute")
        async with asgi_client(mounted(app)) as page:
            assert not pool.was_opened
            ready = await page.get("/voice/readyz")
            assert ready.status_code == 200, ready.text
            SPAN.set("the first request's")
            statuses: list[int] = []

            async def one() -> None:
                statuses.append((await page.post(f"/voice{PATH}", json={})).status_code)

            async with anyio.create_task_group() as crowd:  # all are first: it is opened once
                for _ in range(10):
                    crowd.start_soon(one)
            assert statuses == [200] * 10
        assert pool.stats().hits + pool.stats().misses == 10

    run(backend, body)
    assert pools[0].stats().wanted == 0, "closed with the event loop"
    assert "returned no secret" not in caplog.text
    # It belongs to no request: what it mints is not traced under the span of the first request.
    assert set(contexts) == {"none"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_route_alone_opens_the_pool_too(provider: MockRealtimeServer, backend: str) -> None:
    async def body() -> None:
        client = client_of(provider)
        pool = client.secret_pool(**POOLED)
        options: Any = {"session": SESSION, "authorize": lambda _: "ann", "pool": pool}
        endpoint = mint_endpoint(client, **options)
        await endpoint.open()
        await endpoint.open()
        async with asgi_client(endpoint) as page:
            assert (await page.post("/", json={})).status_code == 200
        assert pool.stats().hits + pool.stats().misses == 1
        await endpoint.aclose()
        await endpoint.aclose()
        assert pool.stats().wanted == 0
        await client.aclose()

    run(backend, body)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_pool_that_its_owner_opens_is_not_closed_by_the_service(
    provider: MockRealtimeServer, backend: str
) -> None:
    async def body() -> None:
        async with client_of(provider) as client:
            pool = client.secret_pool(**POOLED)
            app = app_for(provider, pool=pool)
            async with asgi_client(app) as page, pool:
                assert (await page.post(PATH, json={})).status_code == 200
                async with app.router.lifespan_context(app):
                    pass
                assert (await pool.acquire()).client_secret.value

    run(backend, body)


def test_closing_after_the_event_loop_ended_before_the_pool_was_open(
    provider: MockRealtimeServer,
) -> None:
    """Closing waits for the pool's end, and there is no pool."""
    background = Background(client_of(provider).secret_pool(**POOLED))

    async def begin() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await background.open()

    run("asyncio", begin)
    run("asyncio", background.aclose)


def test_the_error_of_a_pool_is_logged_and_a_secret_is_minted(
    provider: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        async with client_of(provider, max_retries=0) as client:
            pool = client.secret_pool(**{**POOLED, "size": 1, "min_size": 1, "concurrency": 1})
            refused = MockResponse(
                401, json={"error": {"message": "no", "code": "invalid_api_key"}}
            )
            provider.respond_next(refused)
            async with asgi_client(mounted(app_for(provider, pool=pool))) as page:
                assert (await page.post(f"/voice{PATH}", json={})).status_code == 200

    run("asyncio", body)
    [warning] = [each for each in caplog.messages if "returned no secret" in each]
    assert warning.startswith(
        "The pool returned no secret, so one is minted: 401 invalid_api_key: no"
    )


@pytest.mark.redis
def test_without_a_lifespan_the_first_request_opens_redis(
    provider: MockRealtimeServer, redis: RedisProcess
) -> None:
    def app() -> Starlette:
        return mounted(app_for(provider, storage=redis.url, limits="1/minute"))

    async def body() -> None:
        async with asgi_client(app()) as page:
            assert (await page.get("/voice/readyz")).json()["limiter"] == "usable"
            statuses = [(await page.post(f"/voice{PATH}", json={})).status_code for _ in range(2)]
            assert statuses == [200, 429]

    async def on_trio() -> None:
        async with asgi_client(app()) as page:
            ready = await page.get("/voice/readyz")
            assert (ready.status_code, ready.json()["limiter"]) == (503, "unusable")
            assert (await page.post(f"/voice{PATH}", json={})).status_code == 503

    run("asyncio", body)
    run("trio", on_trio)


class Factory:
    """Makes clients of a provider, and counts them."""

    def __init__(self, provider: MockRealtimeServer) -> None:
        self.made: list[RealtimeSessionsClient] = []
        self._provider = provider

    def __call__(self) -> RealtimeSessionsClient:
        self.made.append(client_of(self._provider))
        return self.made[-1]


def test_an_app_is_built_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    options: Any = {"session": SESSION, "authorize": lambda _: "ann"}
    app = mint_app(RealtimeSessionsClient, **options)
    with pytest.raises(ConfigurationError, match="No API key"), browser(app):
        pytest.fail("it must not start without a key")


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_lifespan_makes_the_client_of_a_factory_and_closes_it(
    provider: MockRealtimeServer, backend: str
) -> None:
    factory = Factory(provider)
    app = mint_app(factory, session=SESSION, authorize=lambda _: "ann")  # type: ignore[arg-type]  # a test's plain dict
    assert factory.made == []
    for _ in range(2):  # each start makes one
        with browser(app, backend=backend) as page:
            client = factory.made[-1]
            assert page.get("/readyz").json()["client"] == "open"
            response = request_secret(page).json()
            assert response["connect_url"] == provider.base_url + "/realtime/calls"
            assert not client.is_closed
        assert client.is_closed
    assert len(factory.made) == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_in_a_mounted_app_the_first_request_makes_the_client(
    provider: MockRealtimeServer, backend: str
) -> None:
    factory = Factory(provider)
    options: Any = {"session": SESSION, "authorize": lambda _: "ann", "limits": "99/minute"}

    async def body() -> None:
        endpoint = mint_endpoint(factory, **options)
        outer = FastAPI(routes=[Route("/voice", endpoint)])
        async with asgi_client(outer) as page:
            statuses: list[int] = []

            async def one() -> None:
                statuses.append((await page.post("/voice", json={})).status_code)

            async with anyio.create_task_group() as crowd:
                for _ in range(5):
                    crowd.start_soon(one)
        assert statuses == [200] * 5
        assert len(factory.made) == 1
        await endpoint.aclose()
        assert factory.made[0].is_closed

    run(backend, body)


def test_an_outer_app_passes_the_lifespan_on(provider: MockRealtimeServer) -> None:
    factory = Factory(provider)
    inner = mint_app(factory, session=SESSION, authorize=lambda _: "ann")  # type: ignore[arg-type]  # a test's plain dict
    outer = FastAPI(lifespan=inner.router.lifespan_context)
    outer.mount("/voice", inner)
    with TestClient(outer) as page:
        assert page.post(f"/voice{PATH}", json={}).status_code == 200
    assert [client.is_closed for client in factory.made] == [True]


def test_a_factory_that_fails(
    provider: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    def make() -> RealtimeSessionsClient:
        message = "the vault does not respond"
        raise ConfigurationError(message)

    options: Any = {"session": SESSION, "authorize": lambda _: "ann"}
    page = TestClient(mint_app(make, **options))  # runs no lifespan
    ready = page.get("/readyz")
    assert (ready.status_code, ready.json()["client"]) == (503, "not made")
    assert ready.json()["provider"] == "not checked"
    assert request_secret(page).status_code == 502
    assert "the vault does not respond" in caplog.text
    page = TestClient(mint_app(lambda: "no client", **options))  # type: ignore[arg-type,return-value]  # wrong on purpose
    assert request_secret(page).status_code == 502
    assert "the callable returned a str, not a RealtimeSessionsClient" in caplog.text
