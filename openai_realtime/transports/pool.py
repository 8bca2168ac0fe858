"""Idle connections, last in, first out: the newest is the likeliest to be alive.

A pool serves one process, and in it one event loop or all threads. No connection of an event loop is
used by another one, and none of a parent process by its forked child.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from openai_realtime.errors import APIConnectionError, APITimeoutError

if TYPE_CHECKING:
    from openai_realtime.core.wire import Response
    from openai_realtime.transports.connection import Connection
    from openai_realtime.transports.http1 import Origin

KEEP_ALIVE_SECONDS = 120.0
MAX_CONNECTIONS = 1000
_FIRST_SERVER_ERROR = 500


class PooledConnection(Protocol):
    """A shell's connection, as its pool sees it."""

    connection: Connection

    def close(self) -> None:
        """Close the socket, without waiting for anything."""
        ...

    def abandon(self) -> None:
        """Close this process's copy of the socket, and send nothing on it."""
        ...


C = TypeVar("C", bound=PooledConnection)


class Pool(Generic[C]):
    """Idle connections by origin. Threads may share it."""

    def __init__(self, process: int) -> None:
        self.process: int = process
        """The id of the process that opened the connections."""
        self.is_closed: bool = False
        """Whether what becomes idle is closed, because nothing will use it."""
        self._idle: dict[Origin, deque[tuple[C, float]]] = {}

    def take(self, origin: Origin, max_idle: float) -> C | None:
        """Return the connection that became idle last, if within `max_idle` seconds, else None."""
        idle = self._idle.get(origin)
        if not idle:
            return None
        try:
            pooled, since = newest = idle.pop()
        except IndexError:  # another thread took it meanwhile
            return None
        if monotonic() - since <= max_idle:
            return pooled
        idle.append(newest)  # the others have idled longer still
        return None

    def keep(self, origin: Origin, pooled: C) -> None:
        """Keep a connection for the next call, unless the pool is closed."""
        pooled.connection.was_idle = True
        self._idle.setdefault(origin, deque()).append((pooled, monotonic()))
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

        Where it was kept too long, which the error then says, so were those that idled longer.
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

    @property
    def has_idle(self) -> bool:
        """Whether any connection is idle."""
        return any(self._idle.values())

    def count(self, origin: Origin) -> int:
        """Return how many are idle."""
        return len(self._idle.get(origin, ()))

    def close_idle(self, origin: Origin | None = None, longer_than: float = -1.0) -> None:
        """Close the connections (of one origin, or of all) that idled `longer_than` so many seconds."""
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
        """Give up what a parent process has opened and goes on using."""
        for idle in self._idle.values():
            for pooled, _ in idle:
                pooled.abandon()
        self._idle.clear()
