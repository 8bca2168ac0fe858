"""Time limits: what a caller may set, and the deadline of one call."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, cast

from openai_realtime.errors import APITimeoutError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Timeout:
    """Time limits of a call, in seconds. No phase lasts longer than the rest of `total`.

    Raises `ConfigurationError` unless each is finite and above 0.
    """

    total: float = 30.0
    """The whole call: name resolution, connecting, sending, reading, retries and the waits between."""
    connect: float = 5.0
    """Opening one connection: name resolution, TCP and TLS."""
    read: float = 10.0
    """The longest wait until the next bytes are received or sent."""
    pool: float = 2.0
    """Waiting for a free connection while all 1,000 are busy."""

    def __post_init__(self) -> None:
        for name in ("total", "connect", "read", "pool"):
            value: object = getattr(self, name)
            if not isinstance(value, int | float) or not 0 < value < math.inf or value is True:
                message = f"timeout: {name} must be a finite number of seconds above 0"
                raise ConfigurationError(message)

    def with_total(self, value: float | Timeout) -> Timeout:
        """Return `value` if it is a `Timeout`; for a number, these limits with that total.

        Raises `ConfigurationError` for any other value.
        """
        if isinstance(value, Timeout):
            return value
        if not isinstance(cast("object", value), int | float):
            message = (
                "timeout must be a number of seconds, or openai_realtime.Timeout(30, connect=5)"
            )
            raise ConfigurationError(message)
        return replace(self, total=value)


class Deadline(NamedTuple):
    """The time on a monotonic clock at which a call must have ended."""

    at: float
    clock: Callable[[], float]

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float]) -> Deadline:
        """Return the deadline `seconds` from now on `clock`."""
        return cls(clock() + seconds, clock)

    def remaining(self) -> float:
        """Return the seconds left, never below 0."""
        left = self.at - self.clock()
        return left if left > 0 else 0.0

    def clamp(self, limit: float | None) -> float:
        """Return the seconds left, but at most `limit`; None: no limit besides the deadline."""
        remaining = self.remaining()
        return remaining if limit is None else min(limit, remaining)


def deadline_passed(total: float, *, possibly_acted: bool) -> APITimeoutError:
    """Return the error of a call that takes longer than `total` seconds."""
    return APITimeoutError(
        f"No response within {total:g} s, all attempts together",
        phase="total",
        retryable=False,
        possibly_acted=possibly_acted,
        hint="Raise timeout=, or check whether the server is slow or unreachable",
    )
