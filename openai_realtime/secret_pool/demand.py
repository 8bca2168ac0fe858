"""How many things are being asked for lately, as a number that fades.

Owns: the arithmetic. Must not know: what is asked for, or what is done about it.
"""

from __future__ import annotations

import math

DEMAND_SECONDS = 30.0
"""How long a request is remembered: after this time it counts 1/e, after twice that 1/e²."""


class DemandEstimate:
    """The requests of about the last 30 seconds, each fading exponentially: rate times 30 s."""

    __slots__ = ("_at", "_count")

    def __init__(self, count: float, now: float) -> None:
        self._count = count
        self._at = now

    def note(self, now: float) -> None:
        """Count one request."""
        self._count = self.count(now) + 1.0
        self._at = now

    def count(self, now: float) -> float:
        """Return what is left of all requests at `now`."""
        return self._count * math.exp((self._at - now) / DEMAND_SECONDS)
