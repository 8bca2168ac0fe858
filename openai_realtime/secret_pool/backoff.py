"""How long a pool stops minting after a failure, and how it starts again.

    no failure             as many mints at once as the pool allows
    a mint fails           no mint begins during a pause: full jitter (`core/retry.py`), at least
                           Retry-After; `max_delay` in place of the jitter if the error is not
                           retryable, or if the retry budget is spent
    the pause ends         one mint at a time, until one succeeds
    others fail meanwhile  no change: they began before the pause, and failed for the same reason

A pause lasts at least 1 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openai_realtime.core.retry import backoff, retry_cost
from openai_realtime.errors import APIError

if TYPE_CHECKING:
    from openai_realtime.core.exchange import RetryContext

_MIN_PAUSE = 0.001  # seconds, because full jitter may be 0


class Backoff:
    """The failures since the last success. Times are seconds on the context's clock."""

    def __init__(self, context: RetryContext) -> None:
        self._context = context
        self._failures = 0  # in a row; the failures during one pause count once
        self._withdrawn = 0
        self._pause_ends = 0.0
        self.last_error: Exception | None = None
        """The last failure, even if a mint has succeeded since."""

    @property
    def error(self) -> Exception | None:
        """The last failure, if no mint has succeeded since; otherwise None."""
        return self.last_error if self._failures else None

    def pause(self, now: float) -> float:
        """Return the seconds until the pause ends; 0 if there is no pause."""
        return max(0.0, self._pause_ends - now) if self._failures else 0.0

    def allowed(self, concurrency: int, now: float) -> int:
        """Return how many mints may run at once: `concurrency` if the last one succeeded."""
        if not self._failures:
            return concurrency
        return 0 if self.pause(now) else 1

    def failed(self, error: Exception, now: float) -> None:
        """Record a failure."""
        self.last_error = error
        if self.pause(now):
            return
        policy = self._context.policy
        delay = policy.max_delay
        if isinstance(error, APIError) and error.retryable:
            cost = retry_cost(error)
            if self._context.budget.withdraw(cost):
                self._withdrawn += cost
                delay = backoff(self._failures, policy, self._context.random)
            delay = max(delay, min(error.retry_after or 0.0, policy.max_retry_after))
        self._failures += 1
        self._pause_ends = now + max(_MIN_PAUSE, delay)

    def succeeded(self) -> None:
        """Record a success, and refund the retry budget for the failures."""
        self._context.budget.refund(self._withdrawn)
        self._failures = self._withdrawn = 0
