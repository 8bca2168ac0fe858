"""The secrets of a pool, the callers that wait for them, and the number of mints to begin.

A pool does no more than this:

    count = inventory.reserve()      begin this many mints, and report how each ended, with
                                     `mint_succeeded`, `mint_failed` or `mint_cancelled`
    sleep(inventory.next_wake())     then reserve again; earlier if `take` is called or a mint ends

    which item      of the items that live long enough, the one that expires first, so that few
                    expire unused. If there is none, the caller waits: first come, first served
    how many        as many as were taken in about the last 30 s, from min_size to max_size, and one
                    more for each caller that waits. At first max_size, because demand is unknown
    replacement     shortly before an item is no longer ready, its replacement is minted. The old
                    item may still be taken until it expires or there are more than max_size items

Whatever the order of the calls, no expired item is returned, no item is returned twice, there are
never more than max_size items, and never more than `concurrency` mints run at once.

Rule for this file: it is not thread-safe; a pool with threads must hold a lock while it uses it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from openai_realtime.core.retry import backoff, retry_cost
from openai_realtime.errors import APIError, APIResponseValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_realtime.core.exchange import RetryContext

T = TypeVar("T")

DEMAND_SECONDS = 30.0
"""After this time, a call of `take` counts 1/e in the demand; after twice this time, 1/e²."""
_MAX_LEAD = 10.0  # seconds from minting a replacement until the old item is no longer ready
_MIN_USE = 1.0  # seconds: an item that would be ready for less time is an error
_MAX_SLEEP = 5.0  # seconds: the estimate of demand falls all the time, and new levels are emitted
_MIN_SLEEP = 0.001  # seconds: a timer may fire slightly too early
_MIN_PAUSE = 0.001  # seconds, because full jitter may be 0


@dataclass(frozen=True, slots=True)
class PoolStats:
    """A pool's levels at one moment, and its counts since it was made."""

    ready: int
    """Secrets that live for at least the pool's `min_ttl`."""
    wanted: int
    """How many secrets the pool should have ready; 0 when it is closed."""
    minting: int
    """Mints that are running."""
    waiting: int
    """Callers that wait."""
    hits: int
    """Calls of `acquire` that returned at once."""
    misses: int
    """Calls of `acquire` that had to wait."""
    minted: int
    """Secrets that were minted."""
    unused: int
    """Secrets that expired, were replaced by newer ones, or were left when the pool was closed."""
    failures: int
    """Mints that failed, after their retries."""
    backing_off: float
    """Seconds until the next mint begins, if minting fails; otherwise 0."""
    last_error: Exception | None = field(repr=False)
    """The last failure, even if minting works again. Its message may quote the server."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many items an inventory may hold, and how many mints may run at once."""

    min_size: int
    max_size: int
    concurrency: int
    """How many mints may run at once."""
    min_ttl: float
    """The shortest remaining lifetime of a ready item, in seconds."""


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    item: T
    expires: float
    renew_at: float
    """When its replacement is minted; from then on, it does not count."""


@dataclass(eq=False, slots=True)
class Waiter(Generic[T]):
    """A caller that waits for an item that lives at least `min_ttl` seconds."""

    min_ttl: float
    wake: Callable[[], object]
    """Called once, when the waiter has got an item or an error. It must not call the inventory."""
    error: Exception | None = None
    entry: _Entry[T] | None = field(default=None, repr=False)


class DemandEstimate:
    """An estimate of how many items were taken in the last 30 seconds, with exponential decay."""

    __slots__ = ("_at", "_count")

    def __init__(self, count: float, now: float) -> None:
        self._count = count
        self._at = now

    def note(self, now: float) -> None:
        """Count one item."""
        self._count = self.count(now) + 1.0
        self._at = now

    def count(self, now: float) -> float:
        """Return the estimate at `now`."""
        return self._count * math.exp((self._at - now) / DEMAND_SECONDS)


class Backoff:
    """How long a pool stops minting after a failure, and how it starts again.

        no failure             as many mints at once as the pool allows
        a mint fails           no mint begins during a pause: full jitter (`core/retry.py`), at
                               least Retry-After; `max_delay` in place of the jitter if the error
                               is not retryable, or if the retry budget is spent
        the pause ends         one mint at a time, until one succeeds
        others fail meanwhile  no change: they began before the pause, and failed for the same reason

    A pause lasts at least 1 ms. Times are seconds on the context's clock.
    """

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


class SecretInventory(Generic[T]):
    """Items that expire, and the callers that wait for them. Times are seconds on the context's clock."""

    def __init__(self, limits: Limits, context: RetryContext) -> None:
        self.limits = limits
        self._clock = context.clock
        self._demand = DemandEstimate(limits.max_size, self._clock())
        self._backoff = Backoff(context)
        self._entries: list[_Entry[T]] = []  # by expiry, soonest first
        self._waiters: deque[Waiter[T]] = deque()
        self._minting = 0
        self._hits = self._misses = self._minted = self._unused = self._failures = 0
        self._closed: Exception | None = None

    # --- For callers -------------------------------------------------------------------------

    def take(self, min_ttl: float) -> T | None:
        """Remove and return an item that lives `min_ttl` seconds or more; None if there is none."""
        if self._closed is not None:
            return None
        now = self._clock()
        self._demand.note(now)
        index = bisect_left(self._entries, now + min_ttl, key=_expiry)
        # An item that expires now is already expired, even for `min_ttl=0`.
        while index < len(self._entries) and self._entries[index].expires <= now:
            index += 1
        if index == len(self._entries):
            self._misses += 1
            return None
        self._hits += 1
        return self._entries.pop(index).item

    def wait(self, min_ttl: float, wake: Callable[[], object]) -> Waiter[T]:
        """Return a waiter for a caller that got None from `take`, and that calls `leave` later.

        The waiter gets an error at once if waiting cannot help: when the pool is closed, and during
        the pause after an error that is not retryable.
        """
        waiter = Waiter[T](min_ttl, wake)
        self._waiters.append(waiter)
        error = self._backoff.error
        if self._closed is not None:
            self._fail(waiter, self._closed)
        elif error is not None and not _is_temporary(error) and self._backoff.pause(self._clock()):
            self._fail(waiter, error)
        return waiter

    def collect(self, waiter: Waiter[T]) -> T | None:
        """Remove and return the item of a waiter; None if it has none."""
        entry, waiter.entry = waiter.entry, None
        return None if entry is None else entry.item

    def leave(self, waiter: Waiter[T]) -> None:
        """Remove a waiter; an item that was not collected goes back to the pool."""
        entry, waiter.entry = waiter.entry, None
        if entry is not None:
            self._offer(entry)
        elif waiter in self._waiters:
            self._waiters.remove(waiter)

    # --- For the mints -----------------------------------------------------------------------

    def reserve(self) -> int:
        """Return how many mints to begin now; the caller must report the end of each once."""
        now = self._clock()
        while self._entries and self._entries[0].expires <= now:
            self._discard_soonest()
        fresh = sum(entry.renew_at > now for entry in self._entries)
        missing = max(0, self.wanted(now) - fresh) + len(self._waiters)
        count = min(missing, self._backoff.allowed(self.limits.concurrency, now)) - self._minting
        self._minting += max(0, count)
        return max(0, count)

    def mint_succeeded(self, item: T, seconds: float) -> None:
        """Add a minted item that lives for `seconds`; if that is too short, record a failure."""
        use = seconds - self.limits.min_ttl
        if use < _MIN_USE:
            self.mint_failed(_too_short(seconds))
            return
        self._minting -= 1
        self._minted += 1
        self._backoff.succeeded()
        now = self._clock()
        self._offer(_Entry(item, now + seconds, now + use - min(_MAX_LEAD, use / 4)))
        for waiter in [each for each in self._waiters if each.min_ttl > seconds]:
            self._fail(waiter, _too_short(seconds))  # later ones would not live longer

    def mint_failed(self, error: Exception) -> None:
        """Record a failed mint. If the error is not retryable, all waiters get it."""
        self._minting -= 1
        self._failures += 1
        self._backoff.failed(error, self._clock())
        if not _is_temporary(error):
            self._fail_all(error)

    def mint_cancelled(self) -> None:
        """Record a cancelled mint."""
        self._minting -= 1

    def next_wake(self) -> float:
        """Return the seconds until `reserve` must be called again, if nothing happens before."""
        now = self._clock()
        moments = [entry.renew_at for entry in self._entries if entry.renew_at > now]
        moments += [entry.expires for entry in self._entries[:1]]
        seconds = min(moments, default=now + _MAX_SLEEP) - now
        return max(_MIN_SLEEP, min(seconds, self._backoff.pause(now) or seconds, _MAX_SLEEP))

    def close(self, error: Exception) -> None:
        """Drop all items; present and later waiters get `error`."""
        if self._closed is None:
            self._closed = error
            while self._entries:
                self._discard_soonest()
            self._fail_all(error)

    # --- State -------------------------------------------------------------------------------

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed is not None

    @property
    def error(self) -> Exception | None:
        """The error of the last mint; None when it succeeded."""
        return self._backoff.error

    def wanted(self, now: float) -> int:
        """Return how many items the pool should hold at `now`."""
        if self._closed is not None:
            return 0
        demand = int(self._demand.count(now) + 0.5)
        return max(self.limits.min_size, min(self.limits.max_size, demand))

    def stats(self) -> PoolStats:
        """Return the levels and counts at this moment."""
        now = self._clock()
        return PoolStats(
            ready=len(self._entries)
            - bisect_left(self._entries, now + self.limits.min_ttl, key=_expiry),
            wanted=self.wanted(now),
            minting=self._minting,
            waiting=len(self._waiters),
            hits=self._hits,
            misses=self._misses,
            minted=self._minted,
            unused=self._unused,
            failures=self._failures,
            backing_off=self._backoff.pause(now),
            last_error=self._backoff.last_error,
        )

    def _offer(self, entry: _Entry[T]) -> None:
        """Give an item to the first waiter whose `min_ttl` it meets; if there is none, store it."""
        now = self._clock()
        for waiter in self._waiters:
            if entry.expires > now and entry.expires >= now + waiter.min_ttl:
                waiter.entry = entry
                self._waiters.remove(waiter)
                waiter.wake()
                return
        insort(self._entries, entry, key=_expiry)
        if len(self._entries) > self.limits.max_size or self._closed is not None:
            self._discard_soonest()

    def _discard_soonest(self) -> None:
        del self._entries[0]
        self._unused += 1

    def _fail(self, waiter: Waiter[T], error: Exception) -> None:
        waiter.error = error
        self._waiters.remove(waiter)
        waiter.wake()

    def _fail_all(self, error: Exception) -> None:
        while self._waiters:
            self._fail(self._waiters[0], error)


def _is_temporary(error: Exception) -> bool:
    return isinstance(error, APIError) and error.retryable


def _too_short(seconds: float) -> APIResponseValidationError:
    if seconds <= 0:
        return APIResponseValidationError(
            "The server's secrets have expired before they arrive, by the response's Date header",
            hint="Check which clock is wrong: the server's, or that of a gateway before it",
        )
    return APIResponseValidationError(
        f"The server's secrets live for {seconds:.0f} s only: too short for min_ttl",
        hint="Lower min_ttl=, or raise client_secret.expires_after if the server respects it",
    )


def _expiry(entry: _Entry[T]) -> float:
    return entry.expires
