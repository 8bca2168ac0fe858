"""The three engines on real sockets: TLS, limits, processes, event loops."""

from __future__ import annotations

import asyncio
import os
import resource
import select
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import certifi
import pytest
from backends import ON_BOTH_PARSERS, Backend, limit_connections

from openai_realtime import (
    APIConnectionError,
    APITimeoutError,
    CertificateError,
    ConfigurationError,
    RealtimeSessionsClient,
    SyncRealtimeSessionsClient,
    Timeout,
)
from openai_realtime.testing import MockRealtimeServer, MockResponse
from openai_realtime.transports import asyncio_connection, asyncio_engine
from openai_realtime.transports.tls import trusted_context
from transports.server_dialogue import served
from transports.tls_server import RESPONSE, TlsServer

if TYPE_CHECKING:
    import trustme

BACKENDS = ON_BOTH_PARSERS


def tls_client(
    backend: Backend, host: str, tls: TlsServer, **options: Any
) -> RealtimeSessionsClient:
    return backend.client(base_url=f"https://{host}:{tls.port}/v1", api_key="sk-x", **options)


@pytest.mark.usefixtures("trusted")
def test_tls_and_one_handshake_for_many_calls(backend: Backend, tls: TlsServer) -> None:
    async def body() -> None:
        async with tls_client(backend, "localhost", tls) as client:
            for _ in range(3):
                assert (await client.sessions.create()).client_secret.value == "ek_tls"

    backend.run(body)
    assert (tls.connections, tls.requests) == (1, 3)


@pytest.mark.parametrize("why", ["unknown authority", "wrong host"])
def test_a_certificate_that_is_not_trusted(
    backend: Backend, tls: TlsServer, why: str, request: pytest.FixtureRequest
) -> None:
    host = "localhost"
    if why == "wrong host":
        request.getfixturevalue("trusted")
        host = "127.0.0.1"

    async def body() -> None:
        async with tls_client(backend, host, tls) as client:
            with pytest.raises(CertificateError, match="not trusted") as caught:
                await client.sessions.create()
            assert (caught.value.attempts, caught.value.phase) == (1, "connect")

    backend.run(body)
    assert (tls.connections, tls.requests) == (1, 0)


def test_tls_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = trusted_context()
    assert context is trusted_context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "absent"))
    fallback = trusted_context()
    assert len(fallback.get_ca_certs()) > 50  # certifi's
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert trusted_context().get_ca_certs() == []


def test_certificates_that_cannot_be_used_are_told(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_certificates = tmp_path / "empty.pem"
    no_certificates.touch()

    async def body() -> None:
        async with backend.client(base_url="https://127.0.0.1:9", api_key="sk-x") as client:
            for named in (str(no_certificates), "x" * 5000):
                monkeypatch.setenv("SSL_CERT_FILE", named)
                with pytest.raises(ConfigurationError, match="SSL_CERT_FILE .* is unusable"):
                    await client.sessions.create()

    backend.run(body)


def test_certificates_that_no_descriptor_is_left_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authorities = tmp_path / "authorities.pem"
    authorities.write_bytes(Path(certifi.where()).read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        with pytest.raises(APIConnectionError, match="Too many open files") as caught:
            trusted_context()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert (caught.value.phase, caught.value.retryable) == ("connect", True)
    assert trusted_context().get_ca_certs()


def test_waiting_for_a_free_connection(
    backend: Backend, realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_connections(monkeypatch, 1)
    slow = MockResponse(json={"client_secret": {"value": "ek_slow"}}, delay=0.4)

    async def body() -> None:
        async with backend.client(timeout=Timeout(pool=0.1)) as client:
            realtime_server.respond_next(slow)
            if backend.is_sync:
                sync: Any = client.wrapped  # type: ignore[attr-defined]  # the sync client inside
                with ThreadPoolExecutor(1) as pool:
                    first = pool.submit(sync.sessions.create)
                    while not realtime_server.requests:
                        await anyio.sleep(0.005)
                    with pytest.raises(APITimeoutError, match="1 are busy") as caught:
                        sync.sessions.create()
                    assert first.result().client_secret.value == "ek_slow"
            else:
                async with anyio.create_task_group() as group:
                    group.start_soon(client.sessions.create)
                    while not realtime_server.requests:
                        await anyio.sleep(0.005)
                    with pytest.raises(APITimeoutError, match="1 are busy") as caught:
                        await client.sessions.create()
                    group.start_soon(client.with_options(timeout=Timeout(5)).sessions.create)
            assert (caught.value.phase, caught.value.attempts) == ("pool", 1)
            assert caught.value.hint == "Make fewer calls at once, or use more processes"
            await client.sessions.create()

    backend.run(body)


def test_what_is_over_before_anything_was_sent_has_not_acted(
    realtime_server: MockRealtimeServer, backend: Backend
) -> None:
    is_slow = False

    def api_key() -> str:
        if is_slow:
            time.sleep(0.06)
        return realtime_server.api_key

    async def body() -> None:
        nonlocal is_slow
        timeout = Timeout(total=0.05)
        async with backend.client(api_key=api_key) as client:
            await client.sessions.create()
            is_slow = True
            with pytest.raises(APITimeoutError) as raised:
                await client.sessions.create(timeout=timeout)
            assert (raised.value.possibly_acted, raised.value.attempts) == (False, 0)
            assert "never sent" in str(raised.value)

    backend.run(body)
    assert len(realtime_server.requests) == 1


def test_when_one_connection_is_stale_the_older_ones_are_too(
    realtime_server: MockRealtimeServer, backend: Backend
) -> None:
    async def body() -> None:
        async with backend.client(max_retries=0) as client:
            await client.warm_up(3)
            realtime_server.respond_next(MockResponse(drop="before"))
            session = await client.sessions.create()
            assert (session.meta.attempts, session.meta.possible_orphans) == (2, 1)
            older, new = {request.connection for request in realtime_server.requests}
            await client.sessions.create()
            assert realtime_server.requests[-1].connection in {older, new}

    backend.run(body)
    assert len({request.connection for request in realtime_server.requests}) == 2


def test_two_event_loops_in_turn(realtime_server: MockRealtimeServer) -> None:
    client = RealtimeSessionsClient()

    async def mint(*, last: bool) -> str:
        session = await client.sessions.create()
        if last:
            await client.aclose()
        else:
            await Backend("asyncio").close_idle(client)
        return session.client_secret.value

    first = asyncio.run(mint(last=False))
    second = asyncio.run(mint(last=True))
    assert first != second


def test_an_unencrypted_answer_where_tls_was_asked_for(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        base_url = realtime_server.base_url.replace("http:", "https:")
        async with backend.client(base_url=base_url) as client:
            with pytest.raises(APIConnectionError, match="TLS handshake failed") as caught:
                await client.sessions.create(timeout=5)
        assert caught.value.attempts == 1

    backend.run(body)


def test_threads_of_a_sync_client_close_cleanly(realtime_server: MockRealtimeServer) -> None:
    client = SyncRealtimeSessionsClient()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.sessions.create(), range(40)))
    client.close()


def test_where_there_is_no_poll(
    realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows has `select` alone."""
    monkeypatch.delattr(select, "poll")
    with SyncRealtimeSessionsClient(max_retries=0) as client:
        for _ in range(2):
            client.sessions.create(instructions="x" * 900_000)
        client.sessions.create(timeout=Timeout(connect=1))
        realtime_server.respond_next(MockResponse(delay=1))
        with pytest.raises(APITimeoutError):
            client.sessions.create(timeout=0.2)
    gone = SyncRealtimeSessionsClient(base_url="http://127.0.0.1:9", max_retries=0)
    with pytest.raises(APIConnectionError, match="Connection refused"):
        gone.sessions.create()


def test_what_the_proactor_event_loop_read_ahead(
    realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows' event loop gets two turns before an idle connection is used."""
    monkeypatch.setattr(asyncio_engine.AsyncioEngine, "reads_ahead", True)

    async def body() -> None:
        async with RealtimeSessionsClient() as client:
            for _ in range(2):
                await client.sessions.create()

    asyncio.run(body())
    assert len({request.connection for request in realtime_server.requests}) == 1


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("is_read", [True, False])
def test_session_tickets_that_come_late_cost_no_connection(
    backend: Backend, authority: trustme.CA, is_read: bool
) -> None:
    """They come while the connection idles, and are read at once, or when it is needed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    accepted: list[socket.socket] = []

    def talk(connection: socket.socket) -> None:
        accepted.append(connection)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            with suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                break
            connection.sendall(outgoing.read())
            incoming.write(connection.recv(65536))
        time.sleep(0.1)
        assert outgoing.pending
        connection.sendall(outgoing.read())
        while data := connection.recv(65536):
            incoming.write(data)
            tls.read(65536)
            tls.write(RESPONSE)
            connection.sendall(outgoing.read())

    async def body() -> None:
        with served(talk) as port:
            base_url = f"https://localhost:{port}/v1"
            async with backend.client(base_url=base_url, api_key="sk-x") as client:
                await client.warm_up()
                if is_read:
                    await anyio.sleep(0.3)
                else:
                    time.sleep(0.3)  # noqa: ASYNC251 - the event loop is not to read them
                for _ in range(2):
                    await client.sessions.create(timeout=5)

    backend.run(body)
    assert len(accepted) == 1


def test_a_forked_child_starts_afresh(
    backend: Backend, realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process id is all that tells; the tests of faults fork for real."""

    async def body() -> None:
        client = backend.client()
        await client.sessions.create()
        parents = backend.engine(client)._pool()
        with monkeypatch.context() as child:
            process = os.getpid() + 1
            child.setattr(os, "getpid", lambda: process)
            for _ in range(2):
                await client.sessions.create()
            await client.aclose()
        first, *others = (request.connection for request in realtime_server.requests)
        assert len({*others}) == 1
        assert first not in others
        # This process is its own child: nothing is really inherited.
        assert parents.has_idle is not backend.is_sync
        parents.close_idle()
        await anyio.lowlevel.checkpoint()

    backend.run(body)


def test_closing_leaves_a_parents_connections_alone(
    backend: Backend, realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        client = backend.client()
        await client.sessions.create()
        parents = backend.engine(client)._pool()
        with monkeypatch.context() as child:
            process = os.getpid() + 1
            child.setattr(os, "getpid", lambda: process)
            await client.aclose()
        assert parents.has_idle
        parents.close_idle()
        await anyio.lowlevel.checkpoint()

    backend.run(body)


def test_nothing_is_read_while_a_process_forks(realtime_server: MockRealtimeServer) -> None:
    """A child that goes on with its parent's event loop shares the selector, but no registration."""

    async def body() -> None:
        async with RealtimeSessionsClient() as client:
            await client.sessions.create()
            (reference,) = asyncio_connection._open_connections
            open_one = reference()
            assert open_one is not None
            transport = open_one._transport
            with ThreadPoolExecutor(1) as pool:
                pool.submit(asyncio_connection._pause_reading).result()
                assert transport.is_reading(), "another thread's event loop is not its to touch"
            asyncio_connection._pause_reading()
            assert not transport.is_reading()
            asyncio_connection._pause_reading()
            asyncio_connection._resume_reading()
            assert transport.is_reading()
            await client.sessions.create()
            open_one.abandon()
            transport.close()
            asyncio_connection._pause_reading()
            await client.sessions.create()

    asyncio.run(body())
    assert len({request.connection for request in realtime_server.requests}) == 2
