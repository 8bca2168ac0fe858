"""`warm_up`: connections that are open before the first call, and its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from faults.calling import client_of, ends_within, mint, wait_until
from openai_realtime import (
    APIConnectionError,
    APITimeoutError,
    CertificateError,
    ClientClosedError,
    ParameterError,
    Timeout,
)
from openai_realtime.transports.asyncio_connection import AsyncioConnection
from openai_realtime.transports.sync_engine import SyncConnection
from openai_realtime.transports.trio_engine import TrioConnection

if TYPE_CHECKING:
    from backends import Backend

    from faults.server import FaultServer


@pytest.fixture(params=["plain", "secure"])
def server(request: pytest.FixtureRequest) -> FaultServer:
    found: FaultServer = request.getfixturevalue(request.param)
    return found


def test_the_first_calls_find_connections(backend: Backend, server: FaultServer) -> None:
    async def body() -> None:
        async with client_of(backend, server) as client:
            await client.warm_up(3)
            assert wait_until(lambda: len(server.records) == 3)
            assert server.requests == []
            handshakes = 3 if server.base_url.startswith("https") else 0
            assert wait_until(lambda: server.handshakes == handshakes)
            if backend.is_sync:
                await mint(client, server)
            else:
                async with anyio.create_task_group() as group:
                    for _ in range(3):
                        group.start_soon(mint, client, server)
            await client.warm_up(2)
            assert (len(server.records), server.handshakes) == (3, handshakes)
            await client.warm_up(4)
            assert wait_until(lambda: len(server.records) == 4)

    backend.run(body)


def test_a_connection_that_was_closed_meanwhile_causes_no_error(
    backend: Backend, server: FaultServer
) -> None:
    async def body() -> None:
        async with client_of(backend, server, max_retries=0) as client:
            await client.warm_up(2)
            assert wait_until(lambda: server.open_connections == 2)
            server.hang_up()
            session = await mint(client, server)
            assert session.meta.attempts == 1

    backend.run(body)


def test_a_connection_that_cannot_be_opened(backend: Backend, plain: FaultServer) -> None:
    async def body() -> None:
        async with client_of(backend, plain) as client:
            plain.inject("refuse")
            with pytest.raises(APIConnectionError, match="Could not connect") as caught:
                await client.warm_up(2)
            assert caught.value.phase == "connect"
            assert plain.base_url in str(caught.value)
            plain.clear_fault()
            await mint(client, plain)
            with pytest.raises(ParameterError, match="whole number from 1 to 1000"):
                await client.warm_up(0)
        with pytest.raises(ClientClosedError):
            await client.warm_up()

    backend.run(body)


def test_a_certificate_that_is_not_trusted(
    backend: Backend, secure: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")

    async def body() -> None:
        async with client_of(backend, secure) as client:
            with pytest.raises(CertificateError):
                await client.warm_up()

    backend.run(body)


@pytest.mark.parametrize("limits", [Timeout(total=0.3), Timeout(connect=0.3)])
def test_a_handshake_that_stalls(backend: Backend, secure: FaultServer, limits: Timeout) -> None:
    async def body() -> None:
        async with client_of(backend, secure, timeout=limits) as client:
            secure.inject("handshake_stalls")
            with ends_within(backend, 0.3), pytest.raises(APITimeoutError):
                await client.warm_up(2)
            secure.clear_fault()
            await mint(client.with_options(timeout=20), secure)

    backend.run(body)


def test_a_given_http_client_is_not_warmed_up(backend: Backend, plain: FaultServer) -> None:
    async def body() -> None:
        own: Any = httpx.Client() if backend.is_sync else httpx.AsyncClient()
        async with client_of(backend, plain, http_client=own) as client:
            await client.warm_up()
            await mint(client, plain)
            assert len(plain.records) == 1
        await own.aclose() if isinstance(own, httpx.AsyncClient) else own.close()

    backend.run(body)


def test_closed_while_it_warms_up(
    backend: Backend, secure: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection_types = {
        "asyncio": AsyncioConnection,
        "trio": TrioConnection,
        "sync": SyncConnection,
    }
    connection_type: Any = connection_types[backend.name]
    open_normally = connection_type.open

    async def body() -> None:
        client: Any = client_of(backend, secure)

        async def open_and_close(connection: Any, limit: float) -> None:
            await open_normally(connection, limit)
            await client.aclose()

        def open_and_close_blocking(connection: Any, limit: float) -> None:
            open_normally(connection, limit)
            client.wrapped.close()

        is_sync = backend.is_sync
        monkeypatch.setattr(
            connection_type, "open", open_and_close_blocking if is_sync else open_and_close
        )
        await client.warm_up(4)
        assert wait_until(lambda: secure.open_connections == 0)

    backend.run(body)
    assert len(secure.records) == 4
