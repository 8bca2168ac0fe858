"""The engine for trio: it waits until a connection's socket is ready."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from openai_realtime.errors import APIConnectionError
from openai_realtime.transports import pool as pools
from openai_realtime.transports.exceptions import lost, pool_timed_out, timed_out
from openai_realtime.transports.loop_engine import LoopConnection, LoopEngine, LoopPool, Slots
from openai_realtime.transports.sockets import (
    STAGGER_SECONDS,
    Address,
    PolledConnection,
    begin_to_connect,
    connected,
    look_up,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Coroutine

    from openai_realtime.core.deadline import Deadline, Timeout
    from openai_realtime.core.wire import Request, Response
    from openai_realtime.errors import Phase
    from openai_realtime.transports.connection import Connection
    from openai_realtime.transports.proxies import Origin

    _TrioPool = LoopPool["TrioConnection"]


class TrioConnection(PolledConnection, LoopConnection):
    """A connection in a trio run, with one cancel scope for its time limits."""

    unsent: memoryview[int]

    def __init__(self, connection: Connection, sock: socket.socket) -> None:
        super().__init__(connection, sock)
        self._writing = trio.Lock()

    async def open(self, limit: float) -> None:
        """Open the connection's layers on the connected socket, within `limit` seconds."""
        self.unsent = memoryview(self.connection.start())
        self.write()
        await self._transfer(limit, limit)

    async def exchange(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Send a request and return its response; raises `APIConnectionError` if none comes."""
        self.unsent = memoryview(self.connection.send(request))
        with suppress(OSError):  # `_transfer` sends the remaining bytes, or raises the error
            self.unsent = self.unsent[self.socket.send(self.unsent) :]
        await self._transfer(deadline.remaining(), limits.read)
        if self.unsent:
            self.connection.is_closed = True  # the response came before the whole request was sent
        return self.connection.response()

    async def receive(self, seconds: float) -> None:
        """Receive until a WebSocket has a message or is closed, at most `seconds`."""
        while self.connection.is_busy or self.connection.is_backlogged:
            if self.connection.is_backlogged:
                await trio.lowlevel.checkpoint()
                self.pass_on(b"")
                continue
            with trio.move_on_after(seconds) as scope:
                if self.unsent and not self._writing.locked():  # responses to pings
                    async with self._writing:
                        await _wait_for_either(self.socket)
                    self.write()
                else:
                    await _wait_until(trio.lowlevel.wait_readable, self.socket, "receive")
            if scope.cancelled_caught:
                raise timed_out("receive")
            self.read()

    async def write_out(self, encode: Callable[[], bytes], seconds: float) -> None:
        """Send what `encode` returns, within `seconds`; raises `APIConnectionError` otherwise."""
        self.append(encode())
        with trio.move_on_after(seconds):
            async with self._writing:
                while self.unsent:
                    await _wait_until(trio.lowlevel.wait_writable, self.socket, "send")
                    self.write()
                return
        raise timed_out("send")

    def abandon(self) -> None:
        """Close this process's copy of the socket, and send nothing on it."""
        trio.lowlevel.notify_closing(self.socket)
        super().abandon()

    async def _transfer(self, seconds: float, read_timeout: float) -> None:
        """Send unsent bytes, and receive until the connection is open or its response complete."""
        now = trio.current_time()
        end_at = now + seconds
        with trio.CancelScope(deadline=min(end_at, now + read_timeout)) as scope:
            while self.is_waiting:
                if self.connection.is_backlogged:
                    await trio.lowlevel.checkpoint()
                    self.pass_on(b"")
                    continue
                if self.unsent:
                    await _wait_for_either(self.socket)
                    self.write()
                else:
                    await trio.lowlevel.wait_readable(self.socket)
                self.read()
                if self.is_waiting:
                    scope.deadline = min(end_at, trio.current_time() + read_timeout)
            return
        raise timed_out(self.phase)


async def _wait_until(
    until_ready: Callable[[socket.socket], Awaitable[None]], awaited: socket.socket, phase: Phase
) -> None:
    """Wait until a socket is ready; raises `APIConnectionError` when another task closes it."""
    try:
        await until_ready(awaited)
    except trio.ClosedResourceError:
        raise lost(phase) from None


async def _wait_for_either(either: socket.socket) -> None:
    """Wait until the socket is readable or writable."""
    async with trio.open_nursery() as nursery:

        async def wait(until_ready: Callable[[socket.socket], Awaitable[None]]) -> None:
            await until_ready(either)
            nursery.cancel_scope.cancel()

        nursery.start_soon(wait, trio.lowlevel.wait_readable)
        nursery.start_soon(wait, trio.lowlevel.wait_writable)


class TrioEngine(LoopEngine[trio.lowlevel.TrioToken, TrioConnection]):
    """Sends requests on trio."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await trio.sleep(seconds)

    def _loop(self) -> trio.lowlevel.TrioToken:
        return trio.lowlevel.current_trio_token()

    def _new_pool(self) -> tuple[_TrioPool, Callable[[], _TrioPool]]:
        pool: _TrioPool = LoopPool()
        return pool, lambda: pool

    async def _wait_for_slot(self, slots: Slots, limit: float) -> None:
        with trio.move_on_after(limit):
            await slots.wait(trio.Event())
            return
        raise pool_timed_out(pools.MAX_CONNECTIONS)

    async def _run_together(
        self, work: Callable[[], Coroutine[None, None, None]], count: int
    ) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(work)

    async def _open(
        self, origin: Origin, limit: float, *, is_websocket: bool = False
    ) -> TrioConnection:
        end_at = trio.current_time() + limit
        route = self._rules.route(origin, is_websocket=is_websocket)
        with trio.move_on_at(end_at):
            lookup = look_up(route.host, route.port)
            if lookup.outcome is None:
                token, arrived = trio.lowlevel.current_trio_token(), trio.Event()

                def wake() -> None:
                    with suppress(trio.RunFinishedError):
                        token.run_sync_soon(arrived.set)

                await lookup.arrive(arrived, wake)
            sock = await _connect(lookup.addresses(loopback_only=origin.loopback_only))
            pooled = TrioConnection(route.connection, sock)
            try:
                await pooled.open(end_at - trio.current_time())
            except BaseException:
                pooled.close()
                raise
            return pooled
        raise timed_out("connect")


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
    sock = begin_to_connect(address)
    try:
        await trio.lowlevel.wait_writable(sock)
    except BaseException:
        trio.lowlevel.notify_closing(sock)
        sock.close()
        raise
    return connected(sock)
