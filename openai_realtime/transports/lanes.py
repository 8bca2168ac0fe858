"""Idle connections, last in, first out: the newest is the likeliest to be alive.

Owns: which connection is used next and when an idle one is given up. Must not know: sockets,
`await`, requests. One `Lanes` serves one process, and one event loop of it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

L = TypeVar("L")

KEEP_ALIVE_SECONDS = 120.0


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

    def drain(self, origin: Hashable | None = None) -> list[L]:
        """Return every idle connection (of one origin, or of all), to be closed, and keep none."""
        drained: list[L] = []
        for key in list(self._idle) if origin is None else [origin]:
            idle = self._idle.get(key, deque[tuple[L, float]]())
            while idle:
                drained.append(idle.pop()[0])
        return drained
