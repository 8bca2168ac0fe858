"""A connection on an asyncio event loop: an asyncio protocol with one timer."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, cast
from weakref import ref

from openai_realtime.errors import APIConnectionError
from openai_realtime.transports.exceptions import lost, timed_out
from openai_realtime.transports.loop_engine import LoopConnection
from openai_realtime.transports.sockets import READ_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_realtime.core.deadline import Deadline, Timeout
    from openai_realtime.core.wire import Request, Response
    from openai_realtime.errors import Phase
    from openai_realtime.transports.connection import Connection

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
    _goes_on: bool = False
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
        if self.connection.is_backlogged:
            self._go_on_later()
        elif not self._transport.is_reading() and not self._transport.is_closing():
            self._transport.resume_reading()
        waiter = self._begin_to_wait(math.inf, seconds)
        try:
            await waiter
        finally:
            self._waiter = None

    async def write_out(self, encode: Callable[[], bytes], seconds: float) -> None:
        """Send what `encode` returns, within `seconds`; raises `APIConnectionError` otherwise."""
        data = encode()
        if self._transport.is_closing():  # uvloop's would raise a RuntimeError
            raise lost("send")
        self._transport.write(data)
        if self._drained is not None:
            try:
                async with asyncio.timeout(seconds):
                    await self._drained.wait()
            except TimeoutError:
                raise timed_out("send") from None
            if self._transport.is_closing():
                raise lost("send")

    def pause_writing(self) -> None:
        """Record that the transport holds much that it could not send yet."""
        self._drained = asyncio.Event()
        self.connection.is_congested = True

    def resume_writing(self) -> None:
        """Record that the transport has sent most of it."""
        self.connection.is_congested = False
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
        _open_connections.add(ref(self, _open_connections.discard))

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
                self._go_on_later()
        elif self._waiter is None:
            if connection.is_closed:
                self._transport.abort()
            elif connection.is_full:
                self._transport.pause_reading()
        elif connection.is_open and not connection.is_busy:
            self._settle()

    def _go_on_later(self) -> None:
        if not self._goes_on:
            self._goes_on = True
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Parse the next slice of a backlog, after other tasks have run."""
        self._goes_on = False
        if self._transport.is_closing():
            return
        if self._waiter is not None and monotonic() >= self._end_at:
            self._settle(timed_out("receive"))
            return
        self._pass_on(b"")
        connection = self.connection
        if not (connection.is_backlogged or connection.is_full or self._transport.is_closing()):
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


# Threads may add connections while another one forks: `list` of a set is atomic, of a WeakSet it is not.
_open_connections: set[ref[AsyncioConnection]] = set()
_paused: dict[int, list[asyncio.Transport]] = {}  # by thread, because several may fork at once


def _pause_reading() -> None:
    """Before a fork, pause: an event loop that runs in the child would read the parent's bytes."""
    thread = threading.get_ident()
    for connection in filter(None, [reference() for reference in list(_open_connections)]):
        if transport := connection.reading_in(thread):
            transport.pause_reading()
            _paused.setdefault(thread, []).append(transport)


def _resume_reading() -> None:
    for transport in _paused.pop(threading.get_ident(), ()):
        transport.resume_reading()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(
        before=_pause_reading, after_in_parent=_resume_reading, after_in_child=_paused.clear
    )
