"""The engine for asyncio and uvloop: connects, and keeps one pool for each event loop."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING
from weakref import ref

from openai_realtime.transports import pool as pools
from openai_realtime.transports.asyncio_connection import AsyncioConnection
from openai_realtime.transports.exceptions import lost, pool_timed_out, timed_out
from openai_realtime.transports.loop_engine import LoopEngine, LoopPool, Slots
from openai_realtime.transports.sockets import (
    STAGGER_SECONDS,
    Address,
    look_up,
    new_socket,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from openai_realtime.transports.proxies import Origin


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
        if self._sweeper is not None:
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
