"""An inventory of items that expire: what is there, who waits, how many are to be made now.

Owns: every decision of a secret pool but the back-off (`secret_pool/backoff.py`). Must not know: secrets,
tasks, threads, locks, or how one is made. A shell does no more than this:

    count = inventory.reserve()           make so many, and say how each went: `mint_succeeded`,
                                          `mint_failed`, `mint_cancelled`
    sleep(inventory.next_wake())        then ask again; sooner when somebody has asked or one has ended

    who asks           gets the one that expires soonest of those that live long enough, so that
                       few expire unused; else waits, first come, first served
    how many           as many as were asked for in the last 30 s or so, from min_size to max_size,
                       and one more for each who waits; it begins at max_size, for nobody knows yet
    what counts        one does until the end of its use is near; then its successor is made, and it
                       is given out still, until it expires or there is no room

Whatever happens in whatever order: nothing expired is given, nothing is given twice, no more than
max_size are held, and no more than `concurrency` are in the making.

Not safe where threads share it: a shell with threads holds a lock around it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from openai_realtime.errors import APIError, APIResponseValidationError
from openai_realtime.secret_pool.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_realtime.core.exchange import RetryContext

T = TypeVar("T")

DEMAND_SECONDS = 30.0
"""How long a request is remembered: after this time it counts 1/e, after twice that 1/e²."""
_LONGEST_LEAD = 10.0  # seconds: how long before the end of its use the successor of one is made
_SHORTEST_USE = 1.0  # seconds: what is of use for less than this is not worth keeping
_LONGEST_SLEEP = 5.0  # seconds: what is wanted fades by itself, and is told
_SHORTEST_SLEEP = 0.001  # seconds: a clock may say that it is a hair too early


@dataclass(frozen=True, slots=True)
class PoolStats:
    """What a pool holds and wants at one moment, and has been through since it began."""

    ready: int
    """Secrets that live for at least the pool's `min_ttl`."""
    wanted: int
    """How many it wants to have ready; 0 when it is closed."""
    minting: int
    """Mints that are going on."""
    waiting: int
    """Callers that wait."""
    hits: int
    """Acquires that were served at once."""
    misses: int
    """Acquires that were not."""
    minted: int
    """Secrets that arrived."""
    unused: int
    """Secrets that expired, made room for fresh ones, or were there when it closed."""
    failures: int
    """Mints that failed, their retries included."""
    backing_off: float
    """Seconds until the next try, while minting fails; else 0."""
    last_error: Exception | None = field(repr=False)
    """What failed last, even if it works again: it may quote what the server said."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an inventory may hold, and how much may happen at once."""

    min_size: int
    max_size: int
    concurrency: int
    """How many may be in the making at once."""
    min_ttl: float
    """Seconds that an item must still live to count as ready."""


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    item: T
    expires: float
    renew_at: float
    """From now on it no longer counts."""


@dataclass(eq=False, slots=True)
class Waiter(Generic[T]):
    """Somebody who waits for an item that lives at least `min_ttl` seconds: served, or told why not."""

    min_ttl: float
    wake: Callable[[], object]
    """Called once, when it is served or told. It must not call back."""
    error: Exception | None = None
    served: _Entry[T] | None = field(default=None, repr=False)


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


class SecretInventory(Generic[T]):
    """The inventory. Times are seconds on the context's monotonic clock."""

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

    # --- Who asks ----------------------------------------------------------------------------

    def take(self, min_ttl: float) -> T | None:
        """Return an item that lives at least `min_ttl` seconds, never to be given again, or None."""
        if self._closed is not None:
            return None
        now = self._clock()
        self._demand.note(now)
        index = bisect_left(self._entries, now + min_ttl, key=_expiry)
        # One that expires this very moment is expired, even for somebody content with 0 seconds.
        while index < len(self._entries) and self._entries[index].expires <= now:
            index += 1
        if index == len(self._entries):
            self._misses += 1
            return None
        self._hits += 1
        return self._entries.pop(index).item

    def wait(self, min_ttl: float, wake: Callable[[], object]) -> Waiter[T]:
        """Put somebody in line for whom `take` had nothing; `leave` must follow, whatever happens.

        What waiting does not help against is told at once: that it is closed, or what cannot pass
        while it rests from it.
        """
        waiter = Waiter[T](min_ttl, wake)
        self._waiters.append(waiter)
        error = self._backoff.error
        if self._closed is not None:
            self._tell(waiter, self._closed)
        elif error is not None and not _may_pass(error) and self._backoff.rest(self._clock()):
            self._tell(waiter, error)
        return waiter

    def collect(self, waiter: Waiter[T]) -> T | None:
        """Return what a waiter was served, never to be given again; None when it was not."""
        entry, waiter.served = waiter.served, None
        return None if entry is None else entry.item

    def leave(self, waiter: Waiter[T]) -> None:
        """Let a waiter go: out of the line, and what it was served and never collected goes back."""
        entry, waiter.served = waiter.served, None
        if entry is not None:
            self._offer(entry)
        elif waiter in self._waiters:
            self._waiters.remove(waiter)

    # --- Who makes ---------------------------------------------------------------------------

    def reserve(self) -> int:
        """Return how many to begin making now; each is to be heard of again, once."""
        now = self._clock()
        while self._entries and self._entries[0].expires <= now:
            self._discard_soonest()
        fresh = sum(entry.renew_at > now for entry in self._entries)
        missing = max(0, self.wanted(now) - fresh) + len(self._waiters)
        count = min(missing, self._backoff.allowed(self.limits.concurrency, now)) - self._minting
        self._minting += max(0, count)
        return max(0, count)

    def mint_succeeded(self, item: T, seconds: float) -> None:
        """Take an item that lives for `seconds`; too few of them are a failure."""
        use = seconds - self.limits.min_ttl
        if use < _SHORTEST_USE:
            self.mint_failed(_too_short(seconds))
            return
        self._minting -= 1
        self._minted += 1
        self._backoff.ended()
        now = self._clock()
        self._offer(_Entry(item, now + seconds, now + use - min(_LONGEST_LEAD, use / 4)))
        for waiter in [each for each in self._waiters if each.min_ttl > seconds]:
            self._tell(waiter, _too_short(seconds))  # for the next one would live no longer

    def mint_failed(self, error: Exception) -> None:
        """Take note that one could not be made. Who waits goes on waiting if a later try may help."""
        self._minting -= 1
        self._failures += 1
        self._backoff.began(error, self._clock())
        if not _may_pass(error):
            self._tell_all(error)

    def mint_cancelled(self) -> None:
        """Take note that the making of one was given up: cancelled."""
        self._minting -= 1

    def next_wake(self) -> float:
        """Return in how many seconds `reserve` is to be asked again, if nothing happens before."""
        now = self._clock()
        moments = [entry.renew_at for entry in self._entries if entry.renew_at > now]
        moments += [entry.expires for entry in self._entries[:1]]
        seconds = min(moments, default=now + _LONGEST_SLEEP) - now
        return max(
            _SHORTEST_SLEEP, min(seconds, self._backoff.rest(now) or seconds, _LONGEST_SLEEP)
        )

    def close(self, error: Exception) -> None:
        """Give up everything: who waits, and who asks from now on, is told `error`."""
        if self._closed is None:
            self._closed = error
            while self._entries:
                self._discard_soonest()
            self._tell_all(error)

    # --- What it says of itself --------------------------------------------------------------

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._closed is not None

    @property
    def error(self) -> Exception | None:
        """What the last try failed with; None when it succeeded."""
        return self._backoff.error

    def wanted(self, now: float) -> int:
        """Return how many items there ought to be."""
        if self._closed is not None:
            return 0
        asked = int(self._demand.count(now) + 0.5)
        return max(self.limits.min_size, min(self.limits.max_size, asked))

    def stats(self) -> PoolStats:
        """Return the figures of this moment."""
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
            backing_off=self._backoff.rest(now),
            last_error=self._backoff.last_error,
        )

    # --- Inside ------------------------------------------------------------------------------

    def _offer(self, entry: _Entry[T]) -> None:
        """Give an item to the first in line that it will do for, else keep it."""
        now = self._clock()
        for waiter in self._waiters:
            if entry.expires > now and entry.expires >= now + waiter.min_ttl:
                waiter.served = entry
                self._waiters.remove(waiter)
                waiter.wake()
                return
        insort(self._entries, entry, key=_expiry)
        if len(self._entries) > self.limits.max_size or self._closed is not None:
            self._discard_soonest()

    def _discard_soonest(self) -> None:
        del self._entries[0]
        self._unused += 1

    def _tell(self, waiter: Waiter[T], error: Exception) -> None:
        waiter.error = error
        self._waiters.remove(waiter)
        waiter.wake()

    def _tell_all(self, error: Exception) -> None:
        while self._waiters:
            self._tell(self._waiters[0], error)


def _may_pass(error: Exception) -> bool:
    return isinstance(error, APIError) and error.retryable


def _too_short(seconds: float) -> APIResponseValidationError:
    return APIResponseValidationError(
        f"The server's secrets live for {seconds:.0f} s only: too short for min_ttl",
        hint="Lower min_ttl=, or raise client_secret.expires_after if the server heeds it",
    )


def _expiry(entry: _Entry[T]) -> float:
    return entry.expires
