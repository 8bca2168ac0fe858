"""The default engine on real sockets: TLS, limits, processes, event loops."""

import asyncio
import os
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from flavours import ON_EITHER, Flavour, limit_connections

from openai_realtime import (
    APIConnectionError,
    APITimeoutError,
    CertificateError,
    RealtimeSessionsClient,
    SyncRealtimeSessionsClient,
    Timeout,
)
from openai_realtime.testing import MockAnswer, MockRealtimeServer
from openai_realtime.transports import connections
from openai_realtime.transports.tls import trusted_context
from transports.tls_server import TlsServer

FLAVOURS = ON_EITHER


def tls_client(
    flavour: Flavour, host: str, tls: TlsServer, **options: Any
) -> RealtimeSessionsClient:
    return flavour.client(base_url=f"https://{host}:{tls.port}/v1", api_key="sk-x", **options)


@pytest.mark.usefixtures("trusted")
def test_tls_and_one_handshake_for_many_calls(flavour: Flavour, tls: TlsServer) -> None:
    async def body() -> None:
        async with tls_client(flavour, "localhost", tls) as client:
            for _ in range(3):
                assert (await client.sessions.create()).client_secret.value == "ek_tls"

    flavour.run(body)
    assert (tls.connections, tls.requests) == (1, 3)


@pytest.mark.parametrize("why", ["unknown authority", "wrong host"])
def test_a_certificate_that_is_not_trusted(
    flavour: Flavour, tls: TlsServer, why: str, request: pytest.FixtureRequest
) -> None:
    host = "localhost"
    if why == "wrong host":
        request.getfixturevalue("trusted")
        host = "127.0.0.1"

    async def body() -> None:
        async with tls_client(flavour, host, tls) as client:
            with pytest.raises(CertificateError, match="not trusted") as caught:
                await client.sessions.create()
            assert (caught.value.attempts, caught.value.phase) == (1, "connect")

    flavour.run(body)
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


def test_waiting_for_a_free_connection(
    flavour: Flavour, realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_connections(monkeypatch, 1)
    slow = MockAnswer(json={"client_secret": {"value": "ek_slow"}}, delay=0.4)

    async def body() -> None:
        async with flavour.client(timeout=Timeout(pool=0.1)) as client:
            realtime_server.respond_next(slow)
            if flavour.is_sync:
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
            await client.sessions.create()

    flavour.run(body)


@pytest.mark.httpx_only("there are no lanes")
def test_lanes_that_are_dead_or_idled_too_long_are_closed(
    realtime_server: MockRealtimeServer, flavour: Flavour
) -> None:
    async def body() -> None:
        async with flavour.client() as client:
            engine: Any = client.wrapped._engine if flavour.is_sync else client._engine  # type: ignore[attr-defined]  # the sync client inside
            await client.sessions.create()
            (place,) = [engine._here] if flavour.is_sync else engine._places.values()
            (idle,) = place.lanes._idle.values()
            dead, forgotten = _Dead(), _Dead()
            idle.append((dead, time.monotonic()))
            idle.appendleft((forgotten, -1e9))
            await client.sessions.create()
            assert dead.is_closed
            assert forgotten.is_closed

    flavour.run(body)
    assert len({request.connection for request in realtime_server.requests}) == 1


class _CountingLoop(asyncio.SelectorEventLoop):
    turns = 0

    def _run_once(self) -> None:
        self.turns += 1
        super()._run_once()  # type: ignore[misc]  # asyncio's own, not in typeshed


def test_a_call_that_is_alone_waits_for_nobody(
    realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """httpcore's locks give way to other tasks, three times a call: here there are none."""

    async def turns_of_a_call(*, with_locks: bool) -> int:
        if with_locks:
            monkeypatch.setattr(connections, "_unlock", lambda *_: None)
        event_loop: Any = asyncio.get_running_loop()
        async with RealtimeSessionsClient() as client:
            await client.warm_up()
            await client.sessions.create()
            taken: list[int] = []
            for _ in range(5):
                before = event_loop.turns
                await client.sessions.create()
                taken.append(event_loop.turns - before)
        return min(taken)  # an answer may come in two segments

    with asyncio.Runner(loop_factory=_CountingLoop) as runner:
        alone = runner.run(turns_of_a_call(with_locks=False))
        assert runner.run(turns_of_a_call(with_locks=True)) == alone + 3
    assert len({request.connection for request in realtime_server.requests}) == 2


def test_calls_at_once_give_way(
    realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = connections._Turn()
    turn.is_alone = True
    with pytest.raises(StopIteration):
        turn.acquire().send(None)
    turn.is_alone = False
    waiting = turn.acquire()
    assert waiting.send(None) is None
    waiting.close()

    told: list[bool] = []
    handle = connections.AsyncLane.handle

    def handle_and_tell(self: Any, *arguments: Any, is_alone: bool) -> Any:
        told.append(is_alone)
        return handle(self, *arguments, is_alone=is_alone)

    monkeypatch.setattr(connections.AsyncLane, "handle", handle_and_tell)

    async def body() -> None:
        async with RealtimeSessionsClient() as client:
            await client.sessions.create()
            await asyncio.gather(*[client.sessions.create() for _ in range(3)])
            await client.sessions.create()

    asyncio.run(body())
    assert told == [True, True, False, False, True]


def test_what_is_over_before_anything_was_sent_has_not_acted(
    realtime_server: MockRealtimeServer, flavour: Flavour
) -> None:
    is_slow = False

    def api_key() -> str:
        if is_slow:
            time.sleep(0.06)
        return realtime_server.api_key

    async def body() -> None:
        nonlocal is_slow
        timeout = Timeout(total=0.05)
        async with flavour.client(api_key=api_key) as client:
            await client.sessions.create()
            is_slow = True
            with pytest.raises(APITimeoutError) as raised:
                await client.sessions.create(timeout=timeout)
            assert (raised.value.possibly_acted, raised.value.attempts) == (False, 0)
            assert "never sent" in str(raised.value)

    flavour.run(body)
    assert len(realtime_server.requests) == 1


@pytest.mark.httpx_only("there are no lanes")
def test_when_one_lane_is_stale_the_older_ones_are_too(
    realtime_server: MockRealtimeServer, flavour: Flavour
) -> None:
    async def body() -> None:
        async with flavour.client(max_retries=0) as client:
            engine: Any = client.wrapped._engine if flavour.is_sync else client._engine  # type: ignore[attr-defined]  # the sync client inside
            await client.sessions.create()
            (place,) = [engine._here] if flavour.is_sync else engine._places.values()
            (idle,) = place.lanes._idle.values()
            older = _Dead()
            idle.appendleft((older, time.monotonic()))
            realtime_server.respond_next(MockAnswer(drop="before"))
            session = await client.sessions.create()
            assert (session.meta.attempts, session.meta.possible_orphans) == (2, 1)
            assert older.is_closed

    flavour.run(body)


class _Dead:
    is_closed = False

    def has_expired(self) -> bool:
        return True

    def close(self) -> None:
        self.is_closed = True

    async def aclose(self) -> None:
        self.is_closed = True


def test_two_event_loops_in_turn(realtime_server: MockRealtimeServer) -> None:
    client = RealtimeSessionsClient()

    async def mint(*, last: bool) -> str:
        session = await client.sessions.create()
        if last:
            await client.aclose()
        else:
            await client._engine.drain()  # type: ignore[attr-defined]  # the default engine's
        return session.client_secret.value

    first = asyncio.run(mint(last=False))
    second = asyncio.run(mint(last=True))
    assert first != second


@pytest.mark.httpx_only("pyreqwest tells a fork by itself: tests/faults/test_sharing.py forks")
def test_a_forked_child_starts_afresh(
    flavour: Flavour, realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process id is all that tells; the reliability tests fork for real."""

    async def body() -> None:
        async with flavour.client() as client:
            await client.sessions.create()
            with monkeypatch.context() as child:
                process = os.getpid() + 1
                child.setattr(os, "getpid", lambda: process)
                await client.sessions.create()
                parents = realtime_server.requests[0].connection
                assert realtime_server.requests[1].connection != parents
                if not flavour.is_sync:
                    (inherited,) = client._engine._inherited  # type: ignore[attr-defined]  # the default engine's
                    await inherited.drain()  # what a child's garbage collector would do
                    (idle,) = inherited.lanes._idle.values()
                    assert not idle[0][0].has_expired()
                await client.aclose()
            if not flavour.is_sync:  # this process is its own child, so nothing is inherited really
                (inherited,) = client._engine._inherited  # type: ignore[attr-defined]  # the default engine's
                for lane in inherited.lanes.drain():
                    await lane.aclose()

    flavour.run(body)


@pytest.mark.httpx_only("it is about a client of one's own")
@pytest.mark.parametrize("chunk", [b"x" * 65536, b"x" * 2_000_000])
def test_an_oversized_answer_through_a_client_of_ones_own(
    flavour: Flavour, realtime_server: MockRealtimeServer, chunk: bytes
) -> None:
    realtime_server.respond_next(MockAnswer(body=chunk * 40))

    async def body() -> None:
        own: Any = httpx.Client() if flavour.is_sync else httpx.AsyncClient()
        client = flavour.client(http_client=own)
        with pytest.raises(APIConnectionError, match="larger than 1 MiB"):
            await client.sessions.create()
        if flavour.is_sync:
            own.close()
        else:
            await own.aclose()

    flavour.run(body)


def test_an_unencrypted_answer_where_tls_was_asked_for(
    flavour: Flavour, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        base_url = realtime_server.base_url.replace("http:", "https:")
        async with flavour.client(base_url=base_url) as client:
            with pytest.raises(APIConnectionError, match="TLS handshake failed") as caught:
                await client.sessions.create(timeout=5)
        assert caught.value.attempts == 1

    flavour.run(body)


def test_threads_of_a_sync_client_close_cleanly(realtime_server: MockRealtimeServer) -> None:
    client = SyncRealtimeSessionsClient()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.sessions.create(), range(40)))
    client.close()
