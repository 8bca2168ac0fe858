"""An upstream in trouble: how long it is left alone, and how carefully it is tried again.

Owns: the back-off between mints that fail. Must not know: what is made, or who waits for it.

    all is well          as many at once as may be
    one fails            nothing begins while it rests: full jitter (`core/retry.py`), never sooner
                         than Retry-After; `max_delay` when trying again can hardly help, or when
                         the retry budget is spent
    the rest is over     one try at a time, once all others have ended, until one succeeds
    others fail while    nothing new: they began before the rest, and feel the same trouble
    it rests
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openai_realtime.core.retry import backoff, retry_cost
from openai_realtime.errors import APIError

if TYPE_CHECKING:
    from openai_realtime.core.exchange import RetryContext

_SHORTEST_REST = (
    0.001  # seconds: full jitter may draw 0, and a failure is always followed by a rest
)


class Backoff:
    """From the first failure in a row to the next success. Times are on the context's clock."""

    def __init__(self, context: RetryContext) -> None:
        self._context = context
        self._failures = 0  # in a row, those of one rest counted once
        self._withdrawn = 0
        self._rests_until = 0.0
        self.last_error: Exception | None = None
        """What failed last, be it over or not."""

    @property
    def error(self) -> Exception | None:
        """What is the matter now; None: nothing."""
        return self.last_error if self._failures else None

    def rest(self, now: float) -> float:
        """Return for how many seconds nothing is to begin."""
        return max(0.0, self._rests_until - now) if self._failures else 0.0

    def allowed(self, most: int, now: float) -> int:
        """Return how many may be going on at once, of the `most` when all is well."""
        if not self._failures:
            return most
        return 0 if self.rest(now) else 1

    def began(self, error: Exception, now: float) -> None:
        """Take note of a failure."""
        self.last_error = error
        if self.rest(now):
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
        self._rests_until = now + max(_SHORTEST_REST, delay)

    def ended(self) -> None:
        """Take note of a success: what the tries cost goes back into the budget."""
        self._context.budget.refund(self._withdrawn)
        self._failures = self._withdrawn = 0
