"""The shell for asyncio (and uvloop): a transport and a protocol that move a connection's bytes."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary, WeakSet, ref

from openai_realtime.errors import APIConnectionError, RealtimeError
from openai_realtime.transports import pool as pools
from openai_realtime.transports.exceptions import lost, pool_timed_out, timed_out
from openai_realtime.transports.pool import LoopPool
from openai_realtime.transports.sockets import (
    READ_BYTES,
    STAGGER_SECONDS,
    Address,
    Lookup,
    SocketConnection,
    look_up,
    new_socket,
)

if TYPE_CHECKING:
    from openai_realtime.core.deadline import Deadline, Timeout
    from openai_realtime.core.wire import Request, Response
    from openai_realtime.errors import Phase
    from openai_realtime.transports.connection import Connection
    from openai_realtime.transports.http1 import Origin
    from openai_realtime.transports.proxies import ProxyRules

# The proactor event loop has read what has come before it is asked for.
_READS_AHEAD = sys.platform == "win32"


class AsyncioConnection(SocketConnection, asyncio.Protocol):
    """A connection on an event loop, with one timer."""

    _transport: asyncio.Transport
    _waiter: asyncio.Future[None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _timer_at: float = 0.0
    _end_at: float = 0.0
    _silence: float = 0.0
    _heard_at: float = 0.0
    _unsent: int = 0

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
        """Send a request and return its response; raises `APIConnectionError` where there is none."""
        waiter = self._begin_to_wait(deadline.remaining(), limits.read)
        self._transport.write(self.connection.send(request))
        self._unsent = self.unsent
        try:
            await waiter
        finally:
            self._waiter = None
        if self.unsent:
            self.connection.is_closed = True  # it was refused before it was read
        return self.connection.response()

    @property
    def unsent(self) -> int:
        """How many bytes the transport has still to send."""
        return self._transport.get_write_buffer_size()

    @property
    def phase(self) -> Phase:
        """What it is doing."""
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
        """Do nothing: the parent's event loop goes on with it."""

    def reading_in(self, thread: int) -> asyncio.Transport | None:
        """Return the transport, if it is reading and belongs to an event loop of this thread."""
        if self._thread != thread or self._transport.is_closing():
            return None
        return self._transport if self._transport.is_reading() else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)
        _open_connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Pass on what came."""
        self._heard_at = monotonic()
        self._pass_on(data)

    def eof_received(self) -> None:
        """Pass on that nothing more comes; asyncio closes the transport then."""
        try:
            self.connection.receive_eof()
        except APIConnectionError as error:
            self._settle(error)
        else:
            self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """End what waits, once what came before the connection failed was read.

        A server that refuses a large request may respond and reset the connection.
        """
        self._stop_timer()
        if exc is not None:
            with suppress(OSError):
                while self._is_waited_for and (data := self.socket.recv(READ_BYTES)):
                    self._pass_on(data)
        while self._is_waited_for and self.connection.is_backlogged:
            self._pass_on(b"")
        self.connection.is_closed = True
        cause = exc if isinstance(exc, OSError) else None
        error = lost(self.phase, cause)
        error.__cause__ = cause
        self._settle(error)

    def _pass_on(self, data: bytes) -> None:
        try:
            reply = self.connection.receive(data)
        except APIConnectionError as error:
            self._settle(error)
            return
        if reply:
            self._transport.write(reply)
        self._look()

    def _look(self) -> None:
        """See what has become of the connection."""
        connection = self.connection
        if connection.is_backlogged:
            if not self._transport.is_closing():
                self._transport.pause_reading()
                self._loop.call_soon(self._go_on)
        elif self._waiter is None:
            if connection.is_closed:
                self._transport.abort()
        elif connection.is_open and not connection.is_busy:
            self._settle()

    def _go_on(self) -> None:
        """Parse the next slice of a backlog, now that other tasks had their turn."""
        if self._transport.is_closing():
            return
        if self._waiter is not None and monotonic() >= self._end_at:
            self._settle(timed_out("receive"))
            return
        self._pass_on(b"")
        if not self.connection.is_backlogged and not self._transport.is_closing():
            self._transport.resume_reading()

    def _begin_to_wait(self, seconds: float, silence: float) -> asyncio.Future[None]:
        now = self._heard_at = monotonic()
        self._end_at, self._silence = now + seconds, silence
        self._waiter = waiter = self._loop.create_future()
        self._start_timer(now)
        return waiter

    @property
    def _is_waited_for(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _settle(self, error: APIConnectionError | None = None) -> None:
        """End what waits for the connection."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

    def _start_timer(self, now: float) -> None:
        at = min(self._end_at, self._heard_at + self._silence)
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
            self._unsent, self._heard_at = self.unsent, now
        if now >= min(self._end_at, self._heard_at + self._silence):
            self._settle(timed_out(self.phase))
        else:
            self._start_timer(now)


_open_connections: WeakSet[AsyncioConnection] = WeakSet()
_paused: list[asyncio.Transport] = []


def _pause_reading() -> None:
    """Before a fork: an event loop that goes on in the child would read what is its parent's."""
    thread = threading.get_ident()
    for connection in list(_open_connections):
        if transport := connection.reading_in(thread):
            transport.pause_reading()
            _paused.append(transport)


def _resume_reading() -> None:
    while _paused:
        _paused.pop().resume_reading()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_pause_reading, after_in_parent=_resume_reading, after_in_child=_paused.clear
    )


class _AsyncioPool(LoopPool[AsyncioConnection, asyncio.Semaphore]):
    """The connections of one event loop, which alone keeps it: it is gone when its loop is."""

    _sweeper: asyncio.TimerHandle | None = None

    def keep(self, origin: Origin, pooled: AsyncioConnection) -> None:
        """Keep a connection for the next call, for as long as it may idle."""
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


class AsyncioEngine:
    """Sends requests on asyncio. Each event loop has connections of its own."""

    def __init__(self, rules: ProxyRules) -> None:
        self._rules = rules
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, ref[_AsyncioPool]] = (
            WeakKeyDictionary()
        )
        self._inherited: list[_AsyncioPool] = []
        self.is_closed: bool = False
        """Whether what becomes idle is closed."""

    async def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the response, read to its end."""
        pool = self._pool()
        if pool.slots.locked():
            await _wait_for_slot(pool.slots, deadline.cut(limits.pool))
        else:
            await pool.slots.acquire()
        if _READS_AHEAD:
            await _two_turns()
        with pool.lease(request) as lease:
            if lease.connection is None:
                lease.connection = await self._open(lease.origin, deadline.cut(limits.connect))
                lease.check_new()
            lease.response = await lease.connection.exchange(request, limits, deadline)
            pool.is_closed = pool.is_closed or self.is_closed
        return lease.response

    async def connect(
        self, origin: Origin, count: int, limits: Timeout, deadline: Deadline
    ) -> None:
        """Have `count` idle connections to an origin: open what is missing, all at once."""
        pool = self._pool()
        errors: list[RealtimeError] = []

        async def open_one() -> None:
            try:
                pool.keep(origin, await self._open(origin, deadline.cut(limits.connect)))
            except RealtimeError as error:
                errors.append(error)

        async with asyncio.TaskGroup() as openers:
            for _ in range(count - pool.count(origin)):
                openers.create_task(open_one())
        if errors:
            raise errors[0]

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def close_idle(self) -> None:
        """Close every idle connection of this event loop, and go on with new ones."""
        pool = self._pool()
        pool.close_idle()
        await pool.settle()

    async def aclose(self) -> None:
        """Close every idle connection of this event loop; those in use close when they are done."""
        self.is_closed = True
        found = self._pools.pop(asyncio.get_running_loop(), None)
        pool = None if found is None else found()
        if pool is not None and not pool.is_inherited:
            await pool.aclose()

    def _pool(self) -> _AsyncioPool:
        loop = asyncio.get_running_loop()
        found = self._pools.get(loop)
        pool = None if found is None else found()
        if pool is not None and pool.is_inherited:
            # The parent goes on using these connections, and its event loop's selector is shared:
            # they are neither used nor closed here, only kept from the garbage collector.
            self._inherited.append(pool)
            pool = None
        if pool is None:
            pool = _AsyncioPool(asyncio.Semaphore(pools.MAX_CONNECTIONS))
            self._pools[loop] = ref(pool)
        return pool

    async def _open(self, origin: Origin, limit: float) -> AsyncioConnection:
        end_at = monotonic() + limit
        route = self._rules.route(origin)
        try:
            async with asyncio.timeout(limit):
                lookup = look_up(route.host, route.port)
                if lookup.outcome is None:
                    await _arrive(lookup)
                connected = await _connect(lookup.addresses(loopback_only=origin.loopback_only))
        except TimeoutError:
            raise timed_out("connect") from None
        pooled = AsyncioConnection(route.connection, connected)
        await pooled.open(end_at)
        return pooled


async def _wait_for_slot(slots: asyncio.Semaphore, limit: float) -> None:
    try:
        async with asyncio.timeout(limit):
            await slots.acquire()
    except TimeoutError:
        raise pool_timed_out(pools.MAX_CONNECTIONS) from None


async def _two_turns() -> None:
    """Let the event loop hand over what it has read, which is then not taken for a response."""
    for _ in range(2):
        await asyncio.sleep(0)


async def _arrive(lookup: Lookup) -> None:
    loop, arrived = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        with suppress(RuntimeError):  # the event loop has been closed
            loop.call_soon_threadsafe(arrived.set)

    await lookup.arrive(arrived, wake)


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
        return ended[0].result()  # which raises what was wrong with the first address
    return winner


async def _connect_to(address: Address) -> socket.socket:
    made = new_socket(address.family)
    try:
        await asyncio.get_running_loop().sock_connect(made, address.sockaddr)
    except OSError as error:
        made.close()
        raise lost("connect", error) from error
    except BaseException:
        made.close()
        raise
    return made
