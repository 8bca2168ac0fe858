"""The shell for trio: it waits for a connection's socket."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import trio

from openai_realtime.errors import APIConnectionError, RealtimeError
from openai_realtime.transports import pool as pools
from openai_realtime.transports.exceptions import pool_timed_out, timed_out
from openai_realtime.transports.pool import LoopPool
from openai_realtime.transports.sockets import (
    STAGGER_SECONDS,
    Address,
    Lookup,
    PolledConnection,
    begin_to_connect,
    connected,
    look_up,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from openai_realtime.core.deadline import Deadline, Timeout
    from openai_realtime.core.wire import Request, Response
    from openai_realtime.transports.http1 import Origin
    from openai_realtime.transports.proxies import ProxyRules

    _TrioPool = LoopPool["TrioConnection", trio.Semaphore]


class TrioConnection(PolledConnection):
    """A connection in a trio run, with one cancel scope for its time."""

    unsent: memoryview[int]

    async def open(self, limit: float) -> None:
        """Open the connection's layers on the connected socket, within `limit` seconds."""
        self.unsent = memoryview(self.connection.start())
        self.write()
        await self._transfer(limit, limit)

    async def exchange(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Send a request and return its response; raises `APIConnectionError` where there is none."""
        self.unsent = memoryview(self.connection.send(request))
        with suppress(OSError):  # what does not go out at once is sent, or fails, below
            self.unsent = self.unsent[self.socket.send(self.unsent) :]
        await self._transfer(deadline.remaining(), limits.read)
        if self.unsent:
            self.connection.is_closed = True  # it was refused before it was read
        return self.connection.response()

    def abandon(self) -> None:
        """Close this process's copy of the socket, and send nothing on it."""
        trio.lowlevel.notify_closing(self.socket)
        super().abandon()

    async def _transfer(self, seconds: float, silence: float) -> None:
        """Send what is unsent, and receive until the connection is open or its response complete."""
        end_at = trio.current_time() + seconds
        with trio.CancelScope() as scope:
            while self.is_waiting:
                if self.connection.is_backlogged:
                    await trio.lowlevel.checkpoint()
                    self.pass_on(b"")
                    continue
                scope.deadline = min(end_at, trio.current_time() + silence)
                if self.unsent:
                    await _wait_for_either(self.socket)
                    self.write()
                else:
                    await trio.lowlevel.wait_readable(self.socket)
                self.read()
            return
        raise timed_out(self.phase)


async def _wait_for_either(either: socket.socket) -> None:
    """Wait until the socket is readable or writable."""
    async with trio.open_nursery() as nursery:

        async def wait(until_ready: Callable[[socket.socket], Awaitable[None]]) -> None:
            await until_ready(either)
            nursery.cancel_scope.cancel()

        nursery.start_soon(wait, trio.lowlevel.wait_readable)
        nursery.start_soon(wait, trio.lowlevel.wait_writable)


class TrioEngine:
    """Sends requests on trio. Each run has connections of its own."""

    def __init__(self, rules: ProxyRules) -> None:
        self._rules = rules
        self._pools: WeakKeyDictionary[trio.lowlevel.TrioToken, _TrioPool] = WeakKeyDictionary()
        self._inherited: list[_TrioPool] = []
        self.is_closed: bool = False
        """Whether what becomes idle is closed."""

    async def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the response, read to its end."""
        pool = self._pool()
        try:
            pool.slots.acquire_nowait()
        except trio.WouldBlock:
            await _wait_for_slot(pool.slots, deadline.clamp(limits.pool))
        with pool.lease(request) as lease:
            if lease.connection is None:
                lease.connection = await self._open(lease.origin, deadline.clamp(limits.connect))
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
                pool.keep(origin, await self._open(origin, deadline.clamp(limits.connect)))
            except RealtimeError as error:
                errors.append(error)

        async with trio.open_nursery() as openers:
            for _ in range(count - pool.count(origin)):
                openers.start_soon(open_one)
        if errors:
            raise errors[0]

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await trio.sleep(seconds)

    async def aclose(self) -> None:
        """Close every idle connection of this run; those in use close when they are done."""
        self.is_closed = True
        pool = self._pools.pop(trio.lowlevel.current_trio_token(), None)
        if pool is not None and not pool.is_inherited:
            await pool.aclose()

    def _pool(self) -> _TrioPool:
        token = trio.lowlevel.current_trio_token()
        pool = self._pools.get(token)
        if pool is not None and pool.is_inherited:
            # The parent goes on using these connections: they are kept from the garbage collector.
            self._inherited.append(pool)
            pool = None
        if pool is None:
            pool = self._pools[token] = LoopPool(trio.Semaphore(pools.MAX_CONNECTIONS))
        return pool

    async def _open(self, origin: Origin, limit: float) -> TrioConnection:
        end_at = trio.current_time() + limit
        route = self._rules.route(origin)
        with trio.move_on_at(end_at):
            lookup = look_up(route.host, route.port)
            if lookup.outcome is None:
                await _arrive(lookup)
            made = await _connect(lookup.addresses(loopback_only=origin.loopback_only))
            pooled = TrioConnection(route.connection, made)
            try:
                await pooled.open(end_at - trio.current_time())
            except BaseException:
                pooled.close()
                raise
            return pooled
        raise timed_out("connect")


async def _wait_for_slot(slots: trio.Semaphore, limit: float) -> None:
    with trio.move_on_after(limit):
        await slots.acquire()
        return
    raise pool_timed_out(pools.MAX_CONNECTIONS)


async def _arrive(lookup: Lookup) -> None:
    token, arrived = trio.lowlevel.current_trio_token(), trio.Event()

    def wake() -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(arrived.set)

    await lookup.arrive(arrived, wake)


async def _connect(addresses: list[Address]) -> socket.socket:
    """Return a socket that is connected to the first address that accepts (RFC 8305)."""
    errors: list[APIConnectionError] = []
    winners: list[socket.socket] = []

    async def attempt(address: Address, has_failed: trio.Event) -> None:
        try:
            winners.append(await _connect_to(address))
        except APIConnectionError as error:
            errors.append(error)
            has_failed.set()
        else:
            attempts.cancel_scope.cancel()

    try:
        async with trio.open_nursery() as attempts:
            for address in addresses:
                has_failed = trio.Event()
                attempts.start_soon(attempt, address, has_failed)
                with trio.move_on_after(STAGGER_SECONDS):
                    await has_failed.wait()
        if not winners:
            raise errors[0]
        return winners.pop(0)
    finally:
        for late in winners:
            late.close()


async def _connect_to(address: Address) -> socket.socket:
    made = begin_to_connect(address)
    try:
        await trio.lowlevel.wait_writable(made)
    except BaseException:
        trio.lowlevel.notify_closing(made)
        made.close()
        raise
    return connected(made)
