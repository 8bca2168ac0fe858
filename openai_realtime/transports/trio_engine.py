"""The shell for trio: it waits for a connection's socket."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import trio

from openai_realtime.errors import APIConnectionError, RealtimeError
from openai_realtime.transports import pool as pools
from openai_realtime.transports.exceptions import client_closed, pool_timed_out, timed_out
from openai_realtime.transports.http1 import Origin, origin_of
from openai_realtime.transports.pool import Pool
from openai_realtime.transports.sockets import (
    STAGGER_SECONDS,
    Address,
    Lookup,
    SocketConnection,
    begin_to_connect,
    connected,
    look_up,
    resolved,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from openai_realtime.core.deadline import Deadline, Timeout
    from openai_realtime.core.wire import Request, Response
    from openai_realtime.transports.proxies import ProxyRules


class TrioConnection(SocketConnection):
    """A connection in a trio run, with one cancel scope for its time."""

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
                    self.connection.receive(b"")
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


class _RunPool(Pool[TrioConnection]):
    """The connections of one trio run."""

    def __init__(self) -> None:
        super().__init__(os.getpid())
        self.slots: trio.Semaphore = trio.Semaphore(pools.MAX_CONNECTIONS)
        self._watch = self._until_the_run_ends()

    async def begin(self) -> None:
        """Have the idle connections closed when the run ends."""
        await anext(self._watch)

    async def aclose(self) -> None:
        """Close what is idle, and what becomes idle from now on."""
        self.is_closed = True
        await self._watch.aclose()

    async def _until_the_run_ends(self) -> AsyncGenerator[None, None]:
        """Close the idle connections when the run ends: the client may not have been closed.

        trio closes unfinished async generators at its end: later it is too late.
        """
        try:
            yield
        finally:
            if self.process == os.getpid():
                self.close_idle()


class TrioEngine:
    """Sends requests on trio. Each run has connections of its own."""

    def __init__(self, rules: ProxyRules) -> None:
        self._rules = rules
        self._pools: WeakKeyDictionary[trio.lowlevel.TrioToken, _RunPool] = WeakKeyDictionary()
        self._inherited: list[_RunPool] = []
        self.is_closed: bool = False
        """Whether what becomes idle is closed."""

    async def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the response, read to its end."""
        pool = await self._pool()
        try:
            pool.slots.acquire_nowait()
        except trio.WouldBlock:
            await _wait_for_slot(pool.slots, deadline.cut(limits.pool))
        origin = origin_of(request.url, loopback_only=request.loopback_only)
        pooled: TrioConnection | None = None
        try:
            while (pooled := pool.take(origin, request.max_idle)) is not None:
                if pooled.is_usable():
                    break
                pooled.close()
            if pooled is None:
                pooled = await self._open(origin, deadline.cut(limits.connect))
            response = await pooled.exchange(request, limits, deadline)
        except BaseException as error:
            if pooled is not None:
                pool.failed(origin, pooled, error)
            raise
        else:
            pool.is_closed = pool.is_closed or self.is_closed
            pool.succeeded(origin, pooled, response)
            return response
        finally:
            pool.slots.release()

    async def connect(
        self, origin: Origin, count: int, limits: Timeout, deadline: Deadline
    ) -> None:
        """Have `count` idle connections to an origin: open what is missing, all at once."""
        pool = await self._pool()
        errors: list[RealtimeError] = []

        async def open_one() -> None:
            try:
                pool.keep(origin, await self._open(origin, deadline.cut(limits.connect)))
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

    async def close_idle(self) -> None:
        """Close every idle connection of this run, and go on with new ones."""
        (await self._pool()).close_idle()

    async def aclose(self) -> None:
        """Close every idle connection of this run; those in use close when they are done."""
        self.is_closed = True
        pool = self._pools.pop(trio.lowlevel.current_trio_token(), None)
        if pool is not None and pool.process == os.getpid():
            await pool.aclose()

    async def _pool(self) -> _RunPool:
        if self.is_closed:
            raise client_closed()
        token = trio.lowlevel.current_trio_token()
        pool = self._pools.get(token)
        if pool is not None and pool.process != os.getpid():
            # The parent goes on using these connections: they are kept from the garbage collector.
            self._inherited.append(pool)
            pool = None
        if pool is None:
            pool = self._pools[token] = _RunPool()
            await pool.begin()
        return pool

    async def _open(self, origin: Origin, limit: float) -> TrioConnection:
        end_at = trio.current_time() + limit
        route = self._rules.route(origin)
        with trio.move_on_at(end_at):
            addresses = await _resolve(route.host, route.port, origin)
            made = await _connect(addresses)
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


async def _resolve(host: str, port: int, origin: Origin) -> list[Address]:
    found = look_up(host, port)
    if not isinstance(found, Lookup):
        return resolved(host, found, loopback_only=origin.loopback_only)
    token, arrived = trio.lowlevel.current_trio_token(), trio.Event()

    def wake() -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(arrived.set)

    found.call_when_done(wake)
    try:
        await arrived.wait()
    finally:
        found.forget(wake)
    return resolved(host, found.outcome, loopback_only=origin.loopback_only)


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
