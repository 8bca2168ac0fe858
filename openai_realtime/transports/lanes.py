"""Idle connections, last in, first out: the newest is the likeliest to be alive.

Owns: which connection is used next and when an idle one is given up. Must not know: sockets,
`await`, requests. One `Lanes` serves one process (and one event loop) and one origin each call.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

L = TypeVar("L")

KEEP_ALIVE_SECONDS = 120.0


class Lanes(Generic[L]):
    """Idle connections by origin. Its methods are atomic where threads share it."""

    __slots__ = ("_clock", "_idle")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._idle: dict[Hashable, deque[tuple[L, float]]] = {}

    def take(self, origin: Hashable) -> L | None:
        """Return the connection that became idle last, or None."""
        try:
            return self._idle[origin].pop()[0]
        except (KeyError, IndexError):
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

    def drain(self) -> list[L]:
        """Return every idle connection, to be closed, and keep none."""
        drained: list[L] = []
        for idle in list(self._idle.values()):
            while idle:
                drained.append(idle.pop()[0])
        return drained
