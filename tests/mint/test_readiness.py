"""`/healthz` and `/readyz`."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from mint.service import SESSION, app_for, browser, request_secret, until
from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import mint_app, readiness
from openai_realtime.testing import MockRealtimeServer

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def test_healthz_and_readyz_mint_nothing(provider: MockRealtimeServer) -> None:
    with browser(app_for(provider)) as page:
        assert (page.get("/healthz").status_code, page.get("/healthz").text) == (200, "ok")
        ready = page.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ready",
        "client": "open",
        "descriptors": "available",
        "limiter": "usable",
        "provider": "reachable",
    }
    assert ready.headers["cache-control"] == "no-store"
    assert provider.requests == []


def test_healthy_but_not_ready_without_the_provider(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "_CACHE_SECONDS", 0.0)
    with browser(app_for(provider)) as page:
        assert page.get("/readyz").status_code == 200
        provider.stop()
        response = page.get("/readyz")
        assert page.get("/healthz").status_code == 200
    assert (response.status_code, response.json()["status"]) == (503, "not ready")
    assert (response.json()["provider"], response.json()["limiter"]) == ("unreachable", "usable")


def test_readiness_is_cached_for_a_second(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[object] = []

    async def reachable(client: RealtimeSessionsClient) -> bool:
        checked.append(client)
        return True

    monkeypatch.setattr(readiness, "is_provider_reachable", reachable)
    with browser(app_for(provider)) as page:
        for _ in range(5):
            page.get("/readyz")
    assert len(checked) == 1


def unready(page: TestClient) -> dict[str, str]:
    """Return the parts that `/readyz` reports as failing."""
    response = page.get("/readyz")
    states: dict[str, str] = response.json()
    assert (response.status_code, states.pop("status")) == (503, "not ready")
    return {name: state for name, state in states.items() if state != readiness.READY[name]}


@pytest.mark.parametrize("closing", ["the client", "its http_client"])
def test_not_ready_with_a_closed_client(provider: MockRealtimeServer, closing: str) -> None:
    own = httpx.AsyncClient(trust_env=False)
    given: Any = {"http_client": own} if closing == "its http_client" else {}
    client = RealtimeSessionsClient(base_url=provider.base_url, api_key="sk-x", **given)
    options: Any = {"session": SESSION, "authorize": lambda _: "ann"}
    anyio.run(own.aclose if given else client.aclose)
    with browser(mint_app(client, **options)) as page:
        assert unready(page) == {
            "client": "closed",
            **({"provider": "not checked"} if given else {}),
        }
        assert request_secret(page).status_code == 503


@contextmanager
def few_descriptors() -> Iterator[Callable[[], None]]:
    """Give this process few file descriptors, and the test a function that takes all that are left."""
    resource = pytest.importorskip("resource")  # Windows has no such limit
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.open(os.devnull, os.O_RDONLY)]

    def take_all() -> None:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))

    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 8, before[1]))
        yield take_all
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for descriptor in taken:
            os.close(descriptor)


def test_not_ready_without_a_file_descriptor(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "_CACHE_SECONDS", 0.0)
    with browser(app_for(provider)) as page:
        with few_descriptors() as take_all:

            def is_exhausted() -> bool:
                take_all()  # again: another thread may have closed one
                response = page.get("/readyz")
                return (response.status_code, response.json()) == (
                    503,
                    {
                        **readiness.READY,
                        "status": "not ready",
                        "descriptors": "exhausted",
                        "provider": "not checked",
                    },
                )

            until(is_exhausted)
        assert page.get("/readyz").status_code == 200


@pytest.mark.parametrize("given", ["http_client", "transport"])
def test_the_provider_is_not_asked_with_an_http_client_of_the_user(given: str) -> None:
    """It may know a way that is not known here: a proxy, a Unix socket, a mock."""
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, json={"client_secret": {"value": "ek_of_a_mock"}})
    )
    own: Any = httpx.AsyncClient(transport=transport) if given == "http_client" else transport
    client = RealtimeSessionsClient(
        base_url="https://gateway.invalid/v1", api_key="sk-x", **{given: own}
    )
    options: Any = {"session": SESSION, "authorize": lambda _: "ann"}
    with browser(mint_app(client, **options)) as page:
        assert request_secret(page).json()["value"] == "ek_of_a_mock"
        response = page.get("/readyz")
        assert (response.status_code, response.json()["status"]) == (200, "ready")
        assert response.json()["provider"] == "not checked"
        anyio.run(client.aclose)


def test_a_provider_without_a_tls_handshake_in_time_is_not_reachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "_CONNECT_SECONDS", 0.2)

    async def is_reachable(port: int) -> bool:
        async with RealtimeSessionsClient(
            base_url=f"https://127.0.0.1:{port}", api_key="sk-x"
        ) as client:
            return await readiness.is_provider_reachable(client)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not anyio.run(is_reachable, silent.getsockname()[1])
