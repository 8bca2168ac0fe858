"""Accepts the connections of `serve`, limits how many are open, and closes those that are too slow.

uvicorn has no deadline for a request's head, and asyncio's server continues to accept when no file
descriptor is free. Therefore connections are accepted here, and passed to uvicorn's protocol.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from contextvars import ContextVar
from typing import TYPE_CHECKING, cast

from typing_extensions import override

from openai_realtime.asgi import has_body
from openai_realtime.mint.telemetry import logger

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEAD_SECONDS = 10.0
"""How long a client may take to send a request's head, from the connection's start or the end of
the previous response."""
TRANSFER_SECONDS = 15.0
"""How long a client may take to send a request's body, or to read a response. The service's own
limit for a body is shorter (10 s), and its response is 408."""
MAX_CONNECTIONS = 2000
"""The limit of open connections, even if more descriptors are available."""
_MIN_CONNECTIONS = 8
_OWN_DESCRIPTORS = 64
_GRACE_SECONDS = 1.0
_CHECK_SECONDS = 1.0
_REPORT_SECONDS = 10.0
_RETRY_SECONDS = 0.05


def connection_limit() -> int:
    """Return how many connections may be open: 2,000, or fewer if `ulimit -n` is below 4,064.

    64 descriptors are reserved for the process itself. Half of the others are reserved for
    connections to the provider, because each request may need one.
    """
    try:
        import resource  # noqa: PLC0415 - not on Windows, which has no such limit
    except ModuleNotFoundError:
        return MAX_CONNECTIONS
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(_MIN_CONNECTIONS, min((limit - _OWN_DESCRIPTORS) // 2, MAX_CONNECTIONS))


class Connection(asyncio.Protocol):
    """uvicorn's protocol of one connection; reports the connection's state to the acceptor."""

    transport: asyncio.Transport
    """Set once the connection is made."""

    def __init__(self, acceptor: ConnectionAcceptor, protocol: asyncio.Protocol) -> None:
        self.requests: int = 0
        """How many requests have a complete head and are still being handled."""
        self._acceptor = acceptor
        self._protocol = protocol

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._protocol.connection_made(transport)
        self._acceptor.made(self)

    @override
    def data_received(self, data: bytes) -> None:
        # The protocol creates the task that handles a request, and the task inherits the context.
        _current.set(self)
        self._protocol.data_received(data)

    @override
    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    @override
    def pause_writing(self) -> None:
        self._acceptor.transfer_began(self)
        self._protocol.pause_writing()

    @override
    def resume_writing(self) -> None:
        self._acceptor.transfer_ended(self)
        self._protocol.resume_writing()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._acceptor.lost(self)
        self._protocol.connection_lost(exc)


_current: ContextVar[Connection] = ContextVar("connection")


class ConnectionAcceptor:
    """Accepts connections; closes those that are too slow, and old ones to make room for new ones.

    At the limit, a new connection replaces the oldest one without a complete request head, or else
    the oldest one whose client still sends a body or does not read its response. While every open
    connection has a request that is being handled, new ones wait in the system's queue.

    It is also the ASGI application that uvicorn calls. A call shows that a request's head is
    complete; the last message that the application receives shows that the body is complete.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._report = _Report(limit)
        self._descriptors = 0
        self._open: set[Connection] = set()
        # Connections with the time when each began to wait, oldest first.
        self._without_head: dict[Connection, float] = {}
        self._in_transfer: dict[Connection, float] = {}
        self._changed = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = _current.get()
        connection.requests += 1
        self._without_head.pop(connection, None)
        if has_body(scope):
            self.transfer_began(connection)

        async def receive_body() -> Message:
            message = await receive()
            if not message.get("more_body", False):
                self.transfer_ended(connection)
            return message

        try:
            await self._app(scope, receive_body, send)
        finally:
            connection.requests -= 1
            if connection.requests == 0:
                self._wait_for_head(connection)

    async def accept(
        self, listening: socket.socket, make_protocol: Callable[[], asyncio.Protocol]
    ) -> None:
        """Accept connections until cancelled; `make_protocol` is called for each."""
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._close_overdue())
            while True:
                try:
                    accepted, _ = await loop.sock_accept(listening)
                except OSError as error:  # usually no descriptor is free
                    self._count_failure(error)
                    self._close_oldest()
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                self._descriptors += 1
                connection = Connection(self, make_protocol())
                group.create_task(self._connect(connection, accepted))
                await self._make_room(connection)

    def made(self, connection: Connection) -> None:
        """Record that a connection has its transport."""
        self._open.add(connection)
        self._wait_for_head(connection)

    def transfer_began(self, connection: Connection) -> None:
        """Record that a client has a body to send, or a response to read."""
        if connection in self._open:
            self._in_transfer[connection] = time.monotonic()
            self._changed.set()

    def transfer_ended(self, connection: Connection) -> None:
        """Record that a body is complete, or that a client reads its response again."""
        self._in_transfer.pop(connection, None)

    def lost(self, connection: Connection) -> None:
        """Record that a connection is closed, and its descriptor free."""
        self._forget(connection)
        self._descriptors -= 1
        self._changed.set()

    def _wait_for_head(self, connection: Connection) -> None:
        if connection in self._open:
            self._in_transfer.pop(connection, None)
            self._without_head[connection] = time.monotonic()
            self._changed.set()

    async def _connect(self, connection: Connection, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: connection, accepted)
        except OSError as error:
            accepted.close()
            self.lost(connection)
            self._count_failure(error)

    async def _make_room(self, newest: Connection) -> None:
        # `sock_accept` returns at once while connections are queued: other tasks must run too.
        await asyncio.sleep(0)
        while self._descriptors > self._limit:
            self._changed.clear()
            if self._close_oldest(newest):
                self._report.count("made room for newer ones")
            await self._changed.wait()

    def _close_oldest(self, newest: Connection | None = None) -> bool:
        """Close the oldest connection that may be closed; return whether there is one."""
        head, transfer = (
            next((each for each in slow.items() if each[0] is not newest), None)
            for slow in (self._without_head, self._in_transfer)
        )
        # If an older connection is in a transfer, one without a head has a second to send it.
        is_head = head and (
            not transfer or head[1] <= transfer[1] or head[1] <= time.monotonic() - _GRACE_SECONDS
        )
        oldest = head if is_head else transfer
        if oldest is None:
            return False
        self._close(oldest[0])
        return True

    async def _close_overdue(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            for slow, seconds, reason in (
                (self._without_head, HEAD_SECONDS, "had no complete request head in time"),
                (self._in_transfer, TRANSFER_SECONDS, "did not end a transfer in time"),
            ):
                latest = time.monotonic() - seconds
                for connection in [each for each, since in slow.items() if since <= latest]:
                    self._close(connection)
                    self._report.count(reason)
            self._report.write()

    def _close(self, connection: Connection) -> None:
        self._forget(connection)
        connection.transport.abort()

    def _forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._without_head.pop(connection, None)
        self._in_transfer.pop(connection, None)

    def _count_failure(self, error: OSError) -> None:
        self._report.count(f"could not be accepted ({error.strerror})")


class _Report:
    """Counts the connections that were closed early; logs at most one line in 10 s."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counts: Counter[str] = Counter()
        self._written = -math.inf

    def count(self, reason: str) -> None:
        """Count one connection; `reason` is one of a few texts."""
        self._counts[reason] += 1

    def write(self) -> None:
        """Log the counts, if there are any and the last line is old enough."""
        now = time.monotonic()
        if not self._counts or now - self._written < _REPORT_SECONDS:
            return
        logger.warning(
            "Connections closed early: %s. %d may be open at once, see `ulimit -n`",
            ", ".join(f"{count} {reason}" for reason, count in self._counts.items()),
            self._limit,
        )
        self._counts.clear()
        self._written = now
