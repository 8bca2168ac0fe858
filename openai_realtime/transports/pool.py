"""Idle connections, last in, first out: the newest is the most likely to be still open.

Rules for this file: a pool serves one process, and in it one event loop or all threads. No
connection of an event loop is used by another one, and none of a parent process by its forked
child.
"""

from __future__ import annotations

import os
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from openai_realtime.errors import APIConnectionError, APITimeoutError
from openai_realtime.transports.exceptions import lost
from openai_realtime.transports.proxies import Origin, origin_of

if TYPE_CHECKING:
    from openai_realtime.core.wire import Request, Response
    from openai_realtime.transports.sockets import SocketConnection

KEEP_ALIVE_SECONDS = 120.0
MAX_CONNECTIONS = 1000
_FIRST_SERVER_ERROR = 500


class Semaphore(Protocol):
    """The request slots: it limits how many requests may be under way at once."""

    def release(self) -> object:
        """Give a request slot back."""
        ...


C = TypeVar("C", bound="SocketConnection")
S = TypeVar("S", bound=Semaphore)


class Pool(Generic[C, S]):
    """Idle connections by origin. Threads may share it."""

    def __init__(self, slots: S) -> None:
        self.slots: S = slots
        """Take a slot before each `Lease`, which gives it back."""
        self.is_closed: bool = False
        """Whether connections are closed as soon as they become idle."""
        self._process = os.getpid()
        self._idle: dict[Origin, deque[tuple[C, float]]] = {}

    @property
    def is_inherited(self) -> bool:
        """Whether it was made in a parent process, which still uses the connections."""
        return self._process != os.getpid()

    @property
    def has_idle(self) -> bool:
        """Whether any connection is idle."""
        return any(self._idle.values())

    def count(self, origin: Origin) -> int:
        """Return how many connections to an origin are idle."""
        return len(self._idle.get(origin, ()))

    def take(self, origin: Origin, max_idle: float) -> C | None:
        """Return the newest usable connection, idle for at most `max_idle` seconds, or None."""
        idle = self._idle.get(origin)
        while idle:
            try:
                pooled, since = newest = idle.pop()
            except IndexError:  # another thread took it meanwhile
                return None
            if monotonic() - since > max_idle:
                idle.append(newest)  # the others have been idle even longer
                return None
            if pooled.is_usable():
                return pooled
            pooled.close()
        return None

    def keep(self, origin: Origin, pooled: C) -> None:
        """Keep a connection for the next call, unless the pool is closed."""
        pooled.connection.was_idle = True
        idle = self._idle.get(origin)
        if idle is None:
            idle = self._idle.setdefault(origin, deque())
        idle.append((pooled, monotonic()))
        if self.is_closed:
            self.close_idle(origin)

    def succeeded(self, origin: Origin, pooled: C, response: Response) -> None:
        """Keep a connection after a response, or close it.

        After a server error it is closed: the server that sent it may be about to stop.
        """
        if response.status < _FIRST_SERVER_ERROR and pooled.connection.may_serve_again:
            self.keep(origin, pooled)
        else:
            pooled.close()

    def failed(self, origin: Origin, pooled: C, error: BaseException) -> None:
        """Close a connection whose call has failed.

        If it failed because it was idle too long, set `error.stale` and close the origin's other
        idle connections, which were idle even longer.
        """
        connection = pooled.connection
        pooled.close()
        if (
            isinstance(error, APIConnectionError)
            and connection.was_idle
            and not connection.has_begun
            and error.retryable
            and not isinstance(error, APITimeoutError)
        ):
            error.stale = True
            self.close_idle(origin)

    def close_idle(self, origin: Origin | None = None, longer_than: float = -1.0) -> None:
        """Close connections, of one origin or of all, idle for more than `longer_than` seconds."""
        for key in list(self._idle) if origin is None else [origin]:
            idle = self._idle.get(key, deque[tuple[C, float]]())
            while idle:
                try:
                    pooled, since = oldest = idle.popleft()
                except IndexError:  # another thread took it meanwhile
                    break
                if monotonic() - since <= longer_than:
                    idle.appendleft(oldest)
                    break
                pooled.close()

    def abandon_idle(self) -> None:
        """Close this process's copies of the parent's sockets, and send nothing on them."""
        for idle in self._idle.values():
            for pooled, _ in idle:
                pooled.abandon()
        self._idle.clear()


class Lease(Generic[C, S]):
    """One call's connection: an idle one, or `None` if the caller must open one.

    At the end of the block the connection is kept or closed, and the request slot is given back.
    """

    __slots__ = ("_max_idle", "_pool", "connection", "origin", "response")

    response: Response

    def __init__(self, pool: Pool[C, S], request: Request) -> None:
        self._pool = pool
        self._max_idle = request.max_idle
        self.origin: Origin = origin_of(request.url, loopback_only=request.loopback_only)
        self.connection: C | None = None

    def __enter__(self) -> Self:
        try:
            self.connection = self._pool.take(self.origin, self._max_idle)
        except BaseException:
            self._pool.slots.release()
            raise
        return self

    def check_new(self) -> None:
        """Raise `APIConnectionError` if the connection that was opened cannot carry the request.

        Bytes that came before the request are not its response.
        """
        if self.connection is not None and not self.connection.is_usable():
            raise lost("connect")

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            if self.connection is None:
                return
            if error is None:
                self._pool.succeeded(self.origin, self.connection, self.response)
            else:
                self._pool.failed(self.origin, self.connection, error)
        finally:
            self._pool.slots.release()
