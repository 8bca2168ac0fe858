"""The asyncio engine step by step: rare orders of events of the loop, the peer and the clock."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from openai_realtime import APIConnectionError, APITimeoutError, Timeout
from openai_realtime.core.deadline import Deadline
from openai_realtime.core.wire import Request, Response
from openai_realtime.transports import asyncio_engine, sockets, trio_engine
from openai_realtime.transports.asyncio_connection import AsyncioConnection
from openai_realtime.transports.connection import Connection
from openai_realtime.transports.sockets import Address, PolledConnection
from openai_realtime.transports.sync_engine import SyncConnection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REQUEST = Request("POST", "http://127.0.0.1/v1", (), b"{}")
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LONG = CHUNKED + b"1\r\nx\r\n" * 4000 + b"0\r\n\r\n"


@asynccontextmanager
async def exchanging() -> AsyncIterator[tuple[Any, socket.socket, asyncio.Task[Response]]]:
    """Yield a connection whose request was sent, its peer, and the call that waits."""
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    with peer:
        connection = AsyncioConnection(Connection(), ours)
        await connection.open(time.monotonic() + 5)
        deadline = Deadline.after(5, time.monotonic)
        call = asyncio.create_task(connection.exchange(REQUEST, Timeout(read=5), deadline))
        await asyncio.sleep(0)
        yield connection, peer, call
        call.cancel()
        connection.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def test_cancelled_while_it_opens() -> None:
    async def body() -> None:
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        with peer:
            opening = asyncio.create_task(
                AsyncioConnection(Connection(), ours).open(time.monotonic() + 5)
            )
            await asyncio.sleep(0)
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            await asyncio.sleep(0)
            assert ours.fileno() == -1

    asyncio.run(body())


@pytest.mark.parametrize(("came", "body_size"), [(WHOLE, 2), (LONG, 4000)])
def test_a_response_that_came_before_the_connection_failed(came: bytes, body_size: int) -> None:
    """A server that refuses a request may respond and reset the connection at once."""

    async def body() -> None:
        async with exchanging() as (connection, peer, call):
            peer.sendall(came)
            connection._transport.abort()
            connection.connection_lost(ConnectionResetError(104, "reset"))
            assert len((await call).body) == body_size

    asyncio.run(body())


def test_a_response_that_was_cut_is_an_error_with_its_cause() -> None:
    async def body() -> None:
        async with exchanging() as (connection, peer, call):
            peer.sendall(WHOLE[:-1])
            reset = ConnectionResetError(104, "reset")
            connection.connection_lost(reset)
            with pytest.raises(APIConnectionError) as caught:
                await call
            assert caught.value.__cause__ is reset
            assert (caught.value.phase, caught.value.possibly_acted) == ("receive", True)

    asyncio.run(body())


def receive(connection: AsyncioConnection, data: bytes) -> None:
    """What the event loop does as the bytes come."""
    connection.get_buffer(-1)[: len(data)] = data
    connection.buffer_updated(len(data))


def test_a_backlog_is_left_when_the_time_is_over() -> None:
    async def body() -> None:
        async with exchanging() as (connection, _, call):
            receive(connection, LONG)
            assert connection.connection.is_backlogged
            connection._end_at = 0.0
            with pytest.raises(APITimeoutError) as caught:
                await call
            assert caught.value.phase == "receive"
            connection._transport.abort()
            connection._go_on()  # it was scheduled before

    asyncio.run(body())


def test_a_backlog_is_parsed_to_its_end_while_other_tasks_run() -> None:
    async def body() -> None:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with exchanging() as (connection, _, call):
            counting = asyncio.create_task(count())
            receive(connection, LONG)
            assert connection.connection.is_backlogged
            assert (await call).body == b"x" * 4000
            assert turns > 3
            assert connection._transport.is_reading()
            counting.cancel()

    asyncio.run(body())


def test_a_thread_leaves_a_backlog_when_the_time_is_over() -> None:
    own, peer = socket.socketpair()
    own.setblocking(False)
    with peer, own:
        connection = SyncConnection(Connection(), own)
        connection.connection.send(REQUEST)
        connection.connection.receive(LONG)
        assert connection.connection.is_backlogged
        with pytest.raises(APITimeoutError) as caught:
            connection._transfer(0.0, 5.0)
        assert (caught.value.phase, caught.value.possibly_acted) == ("receive", True)


def test_what_comes_while_idle_closes_the_connection() -> None:
    async def body() -> None:
        async with exchanging() as (connection, peer, call):
            peer.sendall(WHOLE)
            await call
            receive(connection, b"HTTP/1.1 200 OK\r\n\r\n")
            assert connection.connection.is_closed
            assert connection._transport.is_closing()

    asyncio.run(body())


def test_the_timer_waits_on_while_bytes_go_out() -> None:
    async def body() -> None:
        async with exchanging() as (connection, peer, call):
            connection._unsent = 1  # and by now there is nothing left to send
            connection._heard_at = 0.0
            connection._check_time()
            assert not call.done()
            assert connection._timer is not None
            peer.sendall(WHOLE)
            await call
            connection._check_time()  # nothing waits
            assert connection._timer is None

    asyncio.run(body())


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_of_two_that_connect_at_once_one_is_kept(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine: Any = asyncio_engine if backend == "asyncio" else trio_engine
    made: list[socket.socket] = []

    async def body() -> None:
        both_began = anyio.Event()
        began: list[Address] = []

        async def connect(address: Address) -> socket.socket:
            began.append(address)
            if len(began) == 2:
                both_began.set()
            with anyio.CancelScope(shield=True):
                await both_began.wait()
            made.append(socket.socket())
            return made[-1]

        monkeypatch.setattr(engine, "_connect_to", connect)
        monkeypatch.setattr(engine, "STAGGER_SECONDS", 0)
        addresses = [Address(socket.AF_INET, (f"192.0.2.{number}", 1)) for number in (1, 2)]
        kept = await engine._connect(addresses)
        assert len(made) == 2
        assert [each.fileno() >= 0 for each in made].count(True) == 1
        kept.close()

    anyio.run(body, backend=backend)


class Talkative:
    """A connection that has a reply to everything."""

    is_closed = is_backlogged = False
    may_serve_again = is_open = is_busy = True

    def receive(self, data: bytes) -> bytes:
        return b"reply" * bool(data)

    def receive_eof(self) -> None:
        self.is_closed = True


class Reluctant(socket.socket):
    """A connected socket that has received something, or fails, and sends a part, or fails."""

    def __init__(self, received: bytes | OSError | None, sends: int | OSError) -> None:
        own, self._peer = socket.socketpair()
        super().__init__(fileno=own.detach())
        self.setblocking(False)
        self._sends = sends
        self._fails = received if isinstance(received, OSError) else None
        if received == b"":
            self._peer.close()
        elif received is not None:
            self._peer.sendall(b"x")

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        data = super().recv(bufsize, flags)
        if self._fails is not None:
            raise self._fails
        return data

    def send(self, data: Any, *_: int) -> int:
        if isinstance(self._sends, OSError):
            raise self._sends
        return min(self._sends, len(data))

    def close(self) -> None:
        self._peer.close()
        super().close()


@pytest.mark.parametrize(
    ("received", "sends", "is_usable"),
    [
        (b"x", 5, True),
        (b"x", 2, False),
        (b"x", BrokenPipeError(), False),
        (b"", 5, False),
        (ConnectionResetError(), 5, False),
        (None, 5, True),
    ],
)
def test_a_reply_to_what_came_while_idle_is_sent_whole(
    received: Any, sends: Any, is_usable: bool
) -> None:
    idle: Any = Talkative()
    with Reluctant(received, sends) as own:
        assert PolledConnection(idle, own).is_usable() is is_usable


def test_a_socket_that_fails() -> None:
    busy: Any = Talkative()
    with Reluctant(ConnectionResetError(104, "reset"), BrokenPipeError()) as failed:
        connection = PolledConnection(busy, failed)
        connection.unsent = memoryview(b"request")
        connection.write()
        assert not connection.unsent, "the server may have responded before it hung up"
        with pytest.raises(APIConnectionError) as caught:
            connection.read()
        assert (caught.value.phase, caught.value.possibly_acted) == ("receive", True)
        connection.read()  # nothing has come


def test_a_forked_child_begins_its_look_ups_anew() -> None:
    before = sockets._lookups
    sockets._forget_lookups()
    assert sockets._lookups is not before
