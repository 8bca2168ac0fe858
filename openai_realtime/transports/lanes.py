"""Idle connections, last in, first out: the newest is the likeliest to be alive.

Owns: which connection is used next, when an idle one is given up, how many there may be. Must not
know: sockets, `await`, requests. One `Lanes` serves one process, and one event loop of it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from openai_realtime.errors import APITimeoutError, ClientClosedError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from openai_realtime.errors import APIConnectionError

L = TypeVar("L")

KEEP_ALIVE_SECONDS = 120.0
MAX_CONNECTIONS = 1000


class Lanes(Generic[L]):
    """Idle connections by origin. Its methods are safe where threads share it."""

    __slots__ = ("_clock", "_idle")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._idle: dict[Hashable, deque[tuple[L, float]]] = {}

    def take(self, origin: Hashable, max_idle: float) -> L | None:
        """Return the connection that became idle last, if within `max_idle` seconds, else None."""
        idle = self._idle.get(origin)
        if idle is None:
            return None
        try:
            lane, since = newest = idle.pop()
        except IndexError:
            return None
        if self._clock() - since <= max_idle:
            return lane
        idle.append(newest)  # the others have idled longer still
        return None

    def keep(self, origin: Hashable, lane: L) -> L | None:
        """Keep a connection for the next call; returns one that has idled too long, to be closed."""
        idle = self._idle.setdefault(origin, deque())
        now = self._clock()
        stale = self._stale(idle, now)
        idle.append((lane, now))
        return stale

    def _stale(self, idle: deque[tuple[L, float]], now: float) -> L | None:
        try:
            lane, since = oldest = idle.popleft()
        except IndexError:
            return None
        if now - since > KEEP_ALIVE_SECONDS:
            return lane
        idle.appendleft(oldest)
        return None

    def count(self, origin: Hashable) -> int:
        """Return how many are idle."""
        return len(self._idle.get(origin, ()))

    def drain(self, origin: Hashable | None = None) -> list[L]:
        """Return every idle connection (of one origin, or of all), to be closed, and keep none."""
        drained: list[L] = []
        for key in list(self._idle) if origin is None else [origin]:
            idle = self._idle.get(key, deque[tuple[L, float]]())
            while idle:
                drained.append(idle.pop()[0])
        return drained


def pool_timeout() -> APITimeoutError:
    """Return the error of a call that waited too long for a connection."""
    return APITimeoutError(
        f"No connection became free in time: {MAX_CONNECTIONS} are busy",
        phase="pool",
        hint="Fewer calls at once, or more processes",
    )


def check_open(*, is_closed: bool) -> None:
    """Raise `ClientClosedError` if the client is closed."""
    if is_closed:
        message = "The client is closed: make another one, or keep it for as long as the process"
        raise ClientClosedError(message)


def raise_first(troubles: list[APIConnectionError]) -> None:
    """Raise the first of what befell several connections, if anything did."""
    for trouble in troubles:
        raise trouble from trouble.__cause__
