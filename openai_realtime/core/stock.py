"""A stock of things that expire: what is there, who waits, what is to be made now.

Owns: every decision of a secret pool. Must not know: secrets, tasks, threads, locks, or how one is
made: a shell asks `begin()` how many to make, says how each went, and sleeps `next_wake()`.

    who asks           gets the one that expires soonest of those that live long enough, so that
                       few expire unused; else waits, first come, first served
    how many           as many as were asked for in the last 30 s or so, from min_size to max_size;
                       it begins at max_size, for nobody knows yet
    what does not      one that nears the end of its use no longer counts, and is made anew before;
    count              it leaves when it expires, or when its place is needed
    after a failure    full jitter (`core/retry.py`), then one try at a time until one succeeds

Not safe where threads share it: a shell with threads holds a lock around it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from openai_realtime.core.demand import Demand
from openai_realtime.core.retry import backoff, retry_cost
from openai_realtime.errors import APIError

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_realtime.core.exchange import RetryContext

T = TypeVar("T")

_LONGEST_LEAD = 10.0  # seconds: how long before the end of its use one is made anew
_SHORTEST_USE = 1.0  # seconds: what is of use for less than this is not worth keeping
_SHORTEST_SLEEP = 0.001  # a clock may say that it is a hair too early


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a stock may hold, and how much may happen at once."""

    min_size: int
    max_size: int
    concurrency: int
    """How many may be in the making at once."""
    min_ttl: float
    """Seconds that a thing must still live to count as ready."""


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    thing: T
    expires: float
    renew_at: float


@dataclass(eq=False, slots=True)
class Waiter(Generic[T]):
    """Somebody who waits for a thing that lives at least `min_ttl` seconds."""

    min_ttl: float
    wake: Callable[[], object]
    """Called once, when it is settled. It must not call back."""
    is_settled: bool = False
    error: Exception | None = None
    served: _Kept[T] | None = field(default=None, repr=False)

    def settle(self, outcome: _Kept[T] | Exception) -> None:
        """Take what became of it."""
        if isinstance(outcome, Exception):
            self.error = outcome
        else:
            self.served = outcome
        self.is_settled = True
        self.wake()


@dataclass(frozen=True, slots=True)
class Level:
    """What a stock says of itself."""

    ready: int
    wanted: int
    minting: int
    waiting: int
    hits: int
    misses: int
    minted: int
    expired: int
    failures: int
    backing_off: float
    last_error: Exception | None


class Stock(Generic[T]):
    """The stock. Times are seconds on the context's monotonic clock."""

    def __init__(self, limits: Limits, context: RetryContext) -> None:
        self.limits = limits
        self._context = context
        self._demand = Demand(limits.max_size, context.clock())
        self._kept: list[_Kept[T]] = []  # by expiry, soonest first
        self._waiters: deque[Waiter[T]] = deque()
        self._in_the_making = 0
        self._hits = self._misses = self._minted = self._expired = self._failures = 0
        self._failures_in_a_row = 0
        self._withdrawn = 0
        self._resume_at = -math.inf
        self._last_error: Exception | None = None
        self._closed: Exception | None = None

    # --- Who asks ----------------------------------------------------------------------------

    def take(self, min_ttl: float) -> T | None:
        """Return a thing that lives at least `min_ttl` seconds, never to be given again, or None."""
        if self._closed is not None:
            raise self._closed
        now = self._context.clock()
        self._demand.note(now)
        index = bisect_left(self._kept, now + min_ttl, key=_expiry)
        # One that expires this very moment is expired, even for somebody content with 0 seconds.
        while index < len(self._kept) and self._kept[index].expires <= now:
            index += 1
        if index == len(self._kept):
            self._misses += 1
            return None
        self._hits += 1
        return self._kept.pop(index).thing

    def wait(self, waiter: Waiter[T]) -> None:
        """Put a waiter in line, once `take` had nothing for it.

        While a back-off lasts that waiting does not help against, the waiter is told so at once.
        """
        error = self.current_error
        if error is None or _may_pass(error) or self._context.clock() >= self._resume_at:
            self._waiters.append(waiter)
        else:
            waiter.settle(error)

    def collect(self, waiter: Waiter[T]) -> T | None:
        """Return what a waiter was served, never to be given again; None when it was not."""
        kept, waiter.served = waiter.served, None
        return None if kept is None else kept.thing

    def leave(self, waiter: Waiter[T]) -> None:
        """Let a waiter go: out of the line, and what it was served and never collected goes back."""
        if not waiter.is_settled:
            self._waiters.remove(waiter)
        elif waiter.served is not None:
            kept, waiter.served = waiter.served, None
            self._keep(kept)

    # --- Who makes ---------------------------------------------------------------------------

    def begin(self) -> list[float]:
        """Return a ticket for each thing to begin making now; each is to be handed back once."""
        now = self._context.clock()
        self._drop_expired(now)
        missing = self._missing(now)
        if self._failures_in_a_row:
            missing = min(missing, 1 - self._in_the_making) if now >= self._resume_at else 0
        count = max(0, min(missing, self.limits.concurrency - self._in_the_making))
        self._in_the_making += count
        return [now] * count

    def made(self, ticket: float, thing: T, seconds: float, too_short: Exception) -> None:
        """Take a thing that lives for `seconds`; `too_short` is told to whom that is not enough."""
        self._in_the_making -= 1
        self._minted += 1
        now = self._context.clock()
        use = seconds - self.limits.min_ttl
        lead = min(_LONGEST_LEAD, use / 4)
        kept = _Kept(thing, now + seconds, now + use - lead)
        self._keep(kept)
        # None made after it would live longer: whom it is too short for would wait for nothing.
        self._fail_waiters(too_short, lambda waiter: waiter.min_ttl > seconds)
        if use < _SHORTEST_USE:
            self._back_off(ticket, too_short, now)
            return
        self._failures_in_a_row = 0
        self._context.budget.refund(self._withdrawn)
        self._withdrawn = 0

    def failed(self, ticket: float, error: Exception) -> None:
        """Take note that one could not be made. Who waits goes on waiting if a later try may help."""
        self._in_the_making -= 1
        self._failures += 1
        self._back_off(ticket, error, self._context.clock())
        if not _may_pass(error):
            self._fail_waiters(error, lambda _: True)

    def abandoned(self) -> None:
        """Take note that the making of one was given up: cancelled."""
        self._in_the_making -= 1

    def next_wake(self) -> float:
        """Return in how many seconds `begin` is to be asked again, if nothing happens before."""
        now = self._context.clock()
        moments = [kept.renew_at for kept in self._kept if kept.renew_at > now]
        if self._kept:
            moments.append(self._kept[0].expires)
        if self._resume_at > now and self._missing(now) > 0:
            moments.append(self._resume_at)
        wanted = self.wanted(now)
        if wanted > self.limits.min_size:
            moments.append(now + self._demand.seconds_until(wanted - 0.5, now))
        return max(_SHORTEST_SLEEP, min(moments, default=math.inf) - now)

    def close(self, error: Exception) -> None:
        """Give up everything: who waits, and who asks from now on, is told `error`."""
        if self._closed is None:
            self._closed = error
            self._kept.clear()
            self._fail_waiters(error, lambda _: True)

    # --- What it says of itself --------------------------------------------------------------

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._closed is not None

    @property
    def current_error(self) -> Exception | None:
        """What the last try failed with; None when it succeeded."""
        return self._last_error if self._failures_in_a_row else None

    def wanted(self, now: float) -> int:
        """Return how many things there ought to be."""
        asked = int(self._demand.count(now) + 0.5)
        return max(self.limits.min_size, min(self.limits.max_size, asked))

    def level(self) -> Level:
        """Return the figures of this moment."""
        now = self._context.clock()
        ready = len(self._kept) - bisect_left(self._kept, now + self.limits.min_ttl, key=_expiry)
        resting = self._resume_at - now if self._failures_in_a_row else 0.0
        return Level(
            ready=ready,
            wanted=self.wanted(now),
            minting=self._in_the_making,
            waiting=len(self._waiters),
            hits=self._hits,
            misses=self._misses,
            minted=self._minted,
            expired=self._expired,
            failures=self._failures,
            backing_off=max(0.0, resting),
            last_error=self._last_error,
        )

    # --- Inside ------------------------------------------------------------------------------

    def _missing(self, now: float) -> int:
        if self._closed is not None:
            return 0
        fresh = sum(kept.renew_at > now for kept in self._kept)
        return max(0, self.wanted(now) - fresh) + len(self._waiters) - self._in_the_making

    def _keep(self, kept: _Kept[T]) -> None:
        """Give a thing to the first waiter that it will do for, else keep it."""
        now = self._context.clock()
        if self._closed is not None or kept.expires <= now:
            self._expired += 1
            return
        for waiter in self._waiters:
            if now + waiter.min_ttl <= kept.expires:
                self._waiters.remove(waiter)
                waiter.settle(kept)
                return
        insort(self._kept, kept, key=_expiry)
        if len(self._kept) > self.limits.max_size:
            del self._kept[0]
            self._expired += 1

    def _drop_expired(self, now: float) -> None:
        count = sum(kept.expires <= now for kept in self._kept)
        del self._kept[:count]
        self._expired += count

    def _fail_waiters(self, error: Exception, concerned: Callable[[Waiter[T]], bool]) -> None:
        for waiter in [waiter for waiter in self._waiters if concerned(waiter)]:
            self._waiters.remove(waiter)
            waiter.settle(error)

    def _back_off(self, ticket: float, error: Exception, now: float) -> None:
        self._last_error = error
        if self._failures_in_a_row and now < max(ticket, self._resume_at):
            return  # another one has failed just before: the same trouble
        policy = self._context.policy
        delay = policy.max_delay
        if isinstance(error, APIError) and error.retryable:
            cost = retry_cost(error)
            if self._context.budget.withdraw(cost):
                self._withdrawn += cost
                delay = backoff(self._failures_in_a_row, policy, self._context.random)
            delay = max(delay, min(error.retry_after or 0.0, policy.max_retry_after))
        self._failures_in_a_row += 1
        self._resume_at = now + max(_SHORTEST_SLEEP, delay)


def _may_pass(error: Exception) -> bool:
    return isinstance(error, APIError) and error.retryable


def _expiry(kept: _Kept[T]) -> float:
    return kept.expires
