"""The shell for asyncio (and uvloop): its pools, name look-ups and connects."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

from openai_realtime.errors import RealtimeError
from openai_realtime.transports import pool as pools
from openai_realtime.transports.asyncio_connection import AsyncioConnection
from openai_realtime.transports.exceptions import lost, pool_timed_out, timed_out
from openai_realtime.transports.pool import LoopPool
from openai_realtime.transports.sockets import (
    STAGGER_SECONDS,
    Address,
    Lookup,
    look_up,
    new_socket,
)

if TYPE_CHECKING:
    from openai_realtime.core.deadline import Deadline, Timeout
    from openai_realtime.core.wire import Request, Response
    from openai_realtime.transports.http1 import Origin
    from openai_realtime.transports.proxies import ProxyRules

# The proactor event loop has read what has come before it is asked for.
_READS_AHEAD = sys.platform == "win32"


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
            await _wait_for_slot(pool.slots, deadline.clamp(limits.pool))
        else:
            await pool.slots.acquire()
        if _READS_AHEAD:
            await _two_turns()
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

        async with asyncio.TaskGroup() as openers:
            for _ in range(count - pool.count(origin)):
                openers.create_task(open_one())
        if errors:
            raise errors[0]

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

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
