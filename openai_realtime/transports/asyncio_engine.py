"""The engine for asyncio and uvloop: an asyncio protocol with one timer for each connection."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import sys
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, cast
from weakref import WeakSet, ref

from openai_realtime.errors import APIConnectionError
from openai_realtime.transports import pool as pools
from openai_realtime.transports.exceptions import lost, pool_timed_out, timed_out
from openai_realtime.transports.loop_engine import LoopConnection, LoopEngine, LoopPool, Slots
from openai_realtime.transports.sockets import (
    READ_BYTES,
    STAGGER_SECONDS,
    Address,
    look_up,
    new_socket,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from openai_realtime.core.deadline import Deadline, Timeout
    from openai_realtime.core.wire import Request, Response
    from openai_realtime.errors import Phase
    from openai_realtime.transports.connection import Connection
    from openai_realtime.transports.proxies import Origin

_BUFFER_BYTES = 16 * 1024
_NO_BUFFER = bytearray()


class AsyncioConnection(LoopConnection, asyncio.BufferedProtocol):
    """A connection on an event loop, with one timer."""

    _transport: asyncio.Transport
    _waiter: asyncio.Future[None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _timer_at: float = 0.0
    _end_at: float = 0.0
    _read_timeout: float = 0.0
    _active_at: float = 0.0
    _unsent: int = 0
    _drained: asyncio.Event | None = None
    _buffer: bytearray

    def __init__(self, connection: Connection, connected: socket.socket) -> None:
        super().__init__(connection, connected)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    async def open(self, end_at: float) -> None:
        """Open the connection's layers, until `end_at` on the monotonic clock."""
        try:
            await self._loop.create_connection(lambda: self, sock=self.socket)
        except BaseException:
            self.socket.close()
            raise
        try:
            if not self.connection.is_open:
                left = max(0.0, end_at - monotonic())
                waiter = self._begin_to_wait(left, left)
                self._transport.write(self.connection.start())
                await waiter
        except BaseException:
            self.close()
            raise
        finally:
            self._waiter = None

    async def exchange(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Send a request and return its response; raises `APIConnectionError` if none comes."""
        waiter = self._begin_to_wait(deadline.remaining(), limits.read)
        self._transport.write(self.connection.send(request))
        self._unsent = self.unsent
        try:
            await waiter
        finally:
            self._waiter = None
        if self._unsent and self.unsent:
            self.connection.is_closed = True  # the response came before the whole request was sent
        return self.connection.response()

    async def receive(self, seconds: float) -> None:
        """Receive until a WebSocket has a message or is closed, at most `seconds`."""
        if not self.connection.is_busy:
            return
        if not self._transport.is_reading() and not self._transport.is_closing():
            self._transport.resume_reading()
        waiter = self._begin_to_wait(math.inf, seconds)
        try:
            await waiter
        finally:
            self._waiter = None

    async def write_out(self, data: bytes, seconds: float) -> None:
        """Send bytes; raises `APITimeoutError` if the server does not take them in `seconds`."""
        self._transport.write(data)
        if self._drained is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._drained.wait()
                    return
            raise timed_out("send")

    def pause_writing(self) -> None:
        """Record that the transport holds much that it could not send yet."""
        self._drained = asyncio.Event()

    def resume_writing(self) -> None:
        """Record that the transport has sent most of it."""
        drained, self._drained = self._drained, None
        if drained is not None:
            drained.set()

    @property
    def unsent(self) -> int:
        """How many bytes the transport still has to send."""
        return self._transport.get_write_buffer_size()

    @property
    def phase(self) -> Phase:
        """The current phase of the call."""
        if not self.connection.is_open:
            return "connect"
        return "send" if self.unsent else "receive"

    def close(self) -> None:
        """Close the socket, without waiting for anything."""
        self._stop_timer()
        last = self.connection.close()
        if last:
            self._transport.write(last)
        self._transport.abort()

    def abandon(self) -> None:
        """Do nothing: the parent's event loop still uses the connection."""

    def reading_in(self, thread: int) -> asyncio.Transport | None:
        """Return the transport, if it is reading and belongs to an event loop of this thread."""
        if self._thread != thread or self._transport.is_closing():
            return None
        return self._transport if self._transport.is_reading() else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.Transport", transport)
        _open_connections.add(self)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return a new 16 KiB buffer: for asyncio's own of 256 KiB, every read would map memory."""
        del sizehint
        self._buffer = bytearray(_BUFFER_BYTES)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Pass on received bytes."""
        self._active_at = monotonic()
        data, self._buffer = self._buffer[:nbytes], _NO_BUFFER
        self._pass_on(data)

    def eof_received(self) -> None:
        """Pass on the end of the input; asyncio then closes the transport."""
        try:
            self.connection.receive_eof()
        except APIConnectionError as error:
            self._settle(error)
        else:
            self._update()

    def connection_lost(self, exc: Exception | None) -> None:
        """Read the bytes that came before the connection failed, then end the wait.

        A server that refuses a large request may respond and reset the connection.
        """
        self._stop_timer()
        if exc is not None:
            with suppress(OSError):
                while self._is_waited_for and (data := self.socket.recv(READ_BYTES)):
                    self._pass_on(data)
        while self._is_waited_for and self.connection.is_backlogged:
            self._pass_on(b"")
        self.connection.lose()
        self.resume_writing()
        cause = exc if isinstance(exc, OSError) else None
        error = lost(self.phase, cause)
        error.__cause__ = cause
        self._settle(error)

    def _pass_on(self, data: bytes | bytearray) -> None:
        try:
            reply = self.connection.receive(data)
        except APIConnectionError as error:
            self._settle(error)
            return
        if reply:
            self._transport.write(reply)
        self._update()

    def _update(self) -> None:
        """End the wait, close, or continue with a backlog, as the connection's state requires."""
        connection = self.connection
        if connection.is_backlogged:
            if not self._transport.is_closing():
                self._transport.pause_reading()
                self._loop.call_soon(self._go_on)
        elif self._waiter is None:
            if connection.is_closed:
                self._transport.abort()
            elif connection.is_full:
                self._transport.pause_reading()
        elif connection.is_open and not connection.is_busy:
            self._settle()

    def _go_on(self) -> None:
        """Parse the next slice of a backlog, after other tasks have run."""
        if self._transport.is_closing():
            return
        if self._waiter is not None and monotonic() >= self._end_at:
            self._settle(timed_out("receive"))
            return
        self._pass_on(b"")
        if not self.connection.is_backlogged and not self._transport.is_closing():
            self._transport.resume_reading()

    def _begin_to_wait(self, seconds: float, read_timeout: float) -> asyncio.Future[None]:
        now = self._active_at = monotonic()
        self._end_at, self._read_timeout = now + seconds, read_timeout
        self._waiter = waiter = self._loop.create_future()
        self._start_timer(now)
        return waiter

    @property
    def _is_waited_for(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _settle(self, error: APIConnectionError | None = None) -> None:
        """End the wait for the connection, if there is one."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

    def _start_timer(self, now: float) -> None:
        at = min(self._end_at, self._active_at + self._read_timeout)
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_later(at - now, self._check_time)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_time(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        now = monotonic()
        if self._unsent != self.unsent:
            self._unsent, self._active_at = self.unsent, now
        if now >= min(self._end_at, self._active_at + self._read_timeout):
            self._settle(timed_out(self.phase))
        else:
            self._start_timer(now)


_open_connections: WeakSet[AsyncioConnection] = WeakSet()
_paused: list[asyncio.Transport] = []


def _pause_reading() -> None:
    """Before a fork, pause: an event loop that runs in the child would read the parent's bytes."""
    thread = threading.get_ident()
    for connection in list(_open_connections):
        if transport := connection.reading_in(thread):
            transport.pause_reading()
            _paused.append(transport)


def _resume_reading() -> None:
    while _paused:
        _paused.pop().resume_reading()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(
        before=_pause_reading, after_in_parent=_resume_reading, after_in_child=_paused.clear
    )


class _AsyncioPool(LoopPool[AsyncioConnection]):
    """The connections of one event loop. Only the loop refers to it, so both are freed together."""

    _sweeper: asyncio.TimerHandle | None = None

    def keep(self, origin: Origin, pooled: AsyncioConnection) -> None:
        """Keep a connection for the next call, idle for `KEEP_ALIVE_SECONDS` at most."""
        super().keep(origin, pooled)
        if self._sweeper is None:
            self._sweep_later()

    def _sweep_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(pools.KEEP_ALIVE_SECONDS, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        self.close_idle(longer_than=pools.KEEP_ALIVE_SECONDS)
        if self.has_idle:
            self._sweep_later()

    async def settle(self) -> None:
        """Wait until the sockets of closed connections are closed."""
        if self._sweeper is not None and self.is_closed:
            self._sweeper.cancel()
        await asyncio.sleep(0)


class AsyncioEngine(LoopEngine[asyncio.AbstractEventLoop, AsyncioConnection]):
    """Sends requests on asyncio."""

    # The proactor event loop reads before a connection needs bytes.
    reads_ahead: bool = sys.platform == "win32"

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def _new_pool(self) -> tuple[_AsyncioPool, Callable[[], _AsyncioPool | None]]:
        pool = _AsyncioPool()
        return pool, ref(pool)

    async def _wait_for_slot(self, slots: Slots, limit: float) -> None:
        try:
            async with asyncio.timeout(limit):
                await slots.wait(asyncio.Event())
        except TimeoutError:
            raise pool_timed_out(pools.MAX_CONNECTIONS) from None

    async def _run_together(
        self, work: Callable[[], Coroutine[None, None, None]], count: int
    ) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(count):
                tasks.create_task(work())

    async def _open(
        self, origin: Origin, limit: float, *, is_websocket: bool = False
    ) -> AsyncioConnection:
        end_at = monotonic() + limit
        route = self._rules.route(origin, is_websocket=is_websocket)
        try:
            async with asyncio.timeout(limit):
                lookup = look_up(route.host, route.port)
                if lookup.outcome is None:
                    loop, arrived = asyncio.get_running_loop(), asyncio.Event()

                    def wake() -> None:
                        with suppress(RuntimeError):  # the event loop has been closed
                            loop.call_soon_threadsafe(arrived.set)

                    await lookup.arrive(arrived, wake)
                connected = await _connect(lookup.addresses(loopback_only=origin.loopback_only))
        except TimeoutError:
            raise timed_out("connect") from None
        pooled = AsyncioConnection(route.connection, connected)
        await pooled.open(end_at)
        return pooled


async def _connect(addresses: list[Address]) -> socket.socket:
    """Return a socket that is connected to the first address that accepts (RFC 8305)."""
    if len(addresses) == 1:
        return await _connect_to(addresses[0])
    waiting = addresses[::-1]
    pending: set[asyncio.Task[socket.socket]] = set()
    ended: list[asyncio.Task[socket.socket]] = []
    winner: socket.socket | None = None
    try:
        while winner is None and (waiting or pending):
            if waiting:
                pending.add(asyncio.create_task(_connect_to(waiting.pop())))
            done, pending = await asyncio.wait(
                pending,
                timeout=STAGGER_SECONDS if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            ended += done
            winner = next((task.result() for task in done if task.exception() is None), None)
    finally:
        for task in pending:
            task.cancel()
        outcomes = await asyncio.gather(*ended, *pending, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, socket.socket) and outcome is not winner:
                outcome.close()
    if winner is None:
        return ended[0].result()  # raises the error of the first address
    return winner


async def _connect_to(address: Address) -> socket.socket:
    sock = new_socket(address.family)
    try:
        await asyncio.get_running_loop().sock_connect(sock, address.sockaddr)
    except OSError as error:
        sock.close()
        raise lost("connect", error) from error
    except BaseException:
        sock.close()
        raise
    return sock
