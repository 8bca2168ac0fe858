"""How often a secret may be minted: limits for each principal, and one for all together.

The windows are sliding: `5/minute` means 5 in any 60 seconds. A request is checked against all limits and
counted in one step. A refused request is not counted.
"""

from __future__ import annotations

import re
import threading
import time
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from openai_realtime.core.base_url import URLObject
from openai_realtime.errors import ConfigurationError
from openai_realtime.logs import describe
from openai_realtime.mint.errors import TOO_BUSY, TOO_OFTEN, ErrorCode

if TYPE_CHECKING:
    from openai_realtime.mint.redis_storage import RedisStorage

DEFAULT_LIMITS = "5/minute; 3/10 seconds"
DEFAULT_GLOBAL_LIMITS = "600/minute"
MAX_PRINCIPALS = 200_000
"""How many principals memory holds; above that, the one with the oldest mint is forgotten first."""
_CODES = (TOO_OFTEN, TOO_BUSY)
_MEMORY = "memory://"
_REDIS = re.compile(r"(?:rediss?|redis\+unix)://.+", re.ASCII)
_UNIT_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_MAX_EVENTS = 1_000_000
_MAX_SECONDS = 31 * _UNIT_SECONDS["day"]
_RATE = re.compile(r"\s*(\d{1,9})\s*/\s*(?:(\d{1,9})\s*)?(second|minute|hour|day)s?\s*", re.ASCII)


class Rate(NamedTuple):
    """At most `limit` events in any `seconds`."""

    limit: int
    seconds: int


Rates: TypeAlias = tuple[Rate, ...]
"""Rates that hold at the same time."""


def parse_rates(option: str, text: object) -> Rates:
    """Return the rates that `text` lists, separated by `;`: `5/minute; 3/10 seconds`.

    A rate is 1 to 1,000,000 events in 1 second to 31 days. Raises `ConfigurationError`, which names
    `option`, when there is none or one is unusable.
    """
    rates = [_parse_rate(part) for part in text.split(";")] if isinstance(text, str) else [None]
    if None in rates:
        message = (
            f'{option} is unusable: it must be written like "5/minute; 3/10 seconds", '
            f"1 to {_MAX_EVENTS:,} in 1 second to 31 days"
        )
        raise ConfigurationError(message)
    return tuple(rate for rate in rates if rate is not None)


def _parse_rate(text: str) -> Rate | None:
    match = _RATE.fullmatch(text)
    if match is None:
        return None
    rate = Rate(int(match[1]), int(match[2] or 1) * _UNIT_SECONDS[match[3]])
    is_usable = 1 <= rate.limit <= _MAX_EVENTS and 1 <= rate.seconds <= _MAX_SECONDS
    return rate if is_usable else None


class LimiterUnavailableError(Exception):
    """The mints cannot be counted. The message says why."""


@dataclass(frozen=True, slots=True)
class LimitExceeded:
    """A limit is reached: the principal's own, or the one for all principals."""

    code: ErrorCode
    retry_after: float
    """Seconds until the next mint is allowed."""


def longest_wait(waits: Sequence[float], codes: Sequence[ErrorCode]) -> LimitExceeded | None:
    """Return the limit with the longest of `waits`, in seconds; None if all are 0."""
    wait, code = max(zip(waits, codes, strict=True), key=lambda pair: pair[0])
    return LimitExceeded(code, wait) if wait > 0 else None


class Limiter:
    """Counts mints, and refuses them when a limit is reached."""

    def __init__(self, storage: str | URLObject, limits: str, global_limits: str) -> None:
        rates = parse_rates("limits", limits), parse_rates("global_limits", global_limits)
        self.storage: MemoryStorage | RedisStorage = _storage(storage, *rates)
        """Where the counts are."""

    async def open(self) -> None:
        """Raise `ConfigurationError` for Redis on trio, which cannot work."""
        await self.storage.open()

    async def hit(self, pseudonym: str) -> LimitExceeded | None:
        """Count one mint and return None; or count nothing and return the limit that is reached.

        Raises `LimiterUnavailableError` within 2 seconds when the storage does not work.
        """
        try:
            waits = await self.storage.hit(pseudonym)
        except Exception as error:  # noqa: BLE001 - whatever the cause, the mint is refused
            raise LimiterUnavailableError(describe(error)) from None
        return longest_wait(waits, _CODES)

    async def check(self) -> None:
        """Raise `LimiterUnavailableError`, within 2 seconds, when `hit` would."""
        try:
            await self.storage.check()
        except Exception as error:  # noqa: BLE001 - whatever the cause, mints are refused
            raise LimiterUnavailableError(describe(error)) from None

    async def aclose(self) -> None:
        """Close the storage's connections. May be called again."""
        await self.storage.aclose()


async def storage_problem(url: str | URLObject) -> str | None:
    """Return why mints cannot be counted at `url`, within 2 seconds, or None if they can.

    Nothing is counted. Raises `ConfigurationError` when `url` is not a storage's URL.
    """
    limiter = Limiter(url, DEFAULT_LIMITS, DEFAULT_GLOBAL_LIMITS)
    try:
        await limiter.check()
    except LimiterUnavailableError as error:
        return str(error)
    finally:
        await limiter.aclose()
    return None


class MovingWindows:
    """The times of events by key, and how long each key must wait for its next event.

    A key is deleted when its last event is older than every window. Beyond `max_keys`, the key
    whose last event is the oldest is deleted first: it would be the next to expire. Times are in
    seconds of a monotonic clock.
    """

    def __init__(self, rates: Rates, max_keys: int) -> None:
        self._rates = rates
        self._needed = max(rate.limit for rate in rates)
        self._longest = max(rate.seconds for rate in rates)
        self._max_keys = max_keys
        self._events: OrderedDict[str, array[float]] = OrderedDict()  # the oldest last event first

    def __len__(self) -> int:
        return len(self._events)

    def wait(self, key: str, now: float) -> float:
        """Return the seconds until every rate allows an event of `key`; 0: now."""
        events = self._events.get(key)
        wait = 0.0
        if events is not None:
            for rate in self._rates:
                if len(events) >= rate.limit:
                    wait = max(wait, events[-rate.limit] + rate.seconds - now)
        return wait

    def count(self, key: str, now: float) -> None:
        """Count one event."""
        events = self._events.get(key)
        if events is None:
            events = self._events[key] = array("d")
        events.append(now)
        if len(events) > 2 * self._needed:
            del events[: -self._needed]
        self._events.move_to_end(key)
        # At most two keys for each event, so that no event takes long when many keys have expired.
        for _ in range(2):
            oldest = next(iter(self._events))
            has_expired = self._events[oldest][-1] + self._longest <= now
            if not has_expired and len(self._events) <= self._max_keys:
                break
            del self._events[oldest]


class MemoryStorage:
    """Counts the mints of this process, as `RedisStorage` does. Safe to share between threads."""

    def __init__(self, limits: Rates, global_limits: Rates) -> None:
        self._principals = MovingWindows(limits, MAX_PRINCIPALS)
        self._global = MovingWindows(global_limits, 1)
        self._lock = threading.Lock()

    async def open(self) -> None:
        """Do nothing."""

    async def hit(self, principal: str, more_waits: Sequence[float] = ()) -> Sequence[float]:
        """Return the seconds to wait; when all are 0, and `more_waits` too, the mint is counted."""
        with self._lock:
            now = time.monotonic()
            waits = (
                self._principals.wait(principal, now),
                self._global.wait("", now),
                *more_waits,
            )
            if not any(waits):
                self._principals.count(principal, now)
                self._global.count("", now)
            return waits

    async def check(self) -> None:
        """Do nothing."""

    async def aclose(self) -> None:
        """Do nothing."""


def _storage(url: object, limits: Rates, global_limits: Rates) -> MemoryStorage | RedisStorage:
    """Return the storage.

    Raises `ConfigurationError`, which does not quote `url`: it may hold a password.
    """
    if url == _MEMORY:
        return MemoryStorage(limits, global_limits)
    rule = "memory:// or a URL such as redis://127.0.0.1:6379/0"
    if isinstance(url, str) and _REDIS.fullmatch(url):
        try:
            from openai_realtime.mint.redis_storage import RedisStorage  # noqa: PLC0415 - memory needs no redis

            return RedisStorage(url, limits, global_limits)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "redis":
                raise
            rule = "memory:// without redis (pip install redis)"
        except (TypeError, ValueError):  # from redis-py: the URL is wrong
            pass
    # Not raised in the `except` block: the text of redis-py's error quotes the URL.
    message = f"storage is unusable: it must be {rule}"
    raise ConfigurationError(message)
