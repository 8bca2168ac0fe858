"""Moving windows in memory: how often something may happen, and when it happened."""

from __future__ import annotations

import re
from array import array
from collections import OrderedDict
from typing import NamedTuple, TypeAlias

from openai_realtime.errors import ConfigurationError

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_MOST = 1_000_000
_LONGEST = 31 * _SECONDS["day"]
_RATE = re.compile(r"\s*(\d{1,9})\s*/\s*(?:(\d{1,9})\s*)?(second|minute|hour|day)s?\s*", re.ASCII)


class Rate(NamedTuple):
    """At most `limit` events in any `seconds`."""

    limit: int
    seconds: int


Rates: TypeAlias = tuple[Rate, ...]
"""All of which hold at once."""


def parsed_rates(option: str, text: object) -> Rates:
    """Return the rates that `text` lists, separated by `;`: `5/minute; 3/10 seconds`.

    A rate is 1 to 1,000,000 events in 1 second to 31 days. Raises `ConfigurationError`, which names
    `option`, when there is none or one cannot be read.
    """
    rates = [_parsed(part) for part in text.split(";")] if isinstance(text, str) else [None]
    if None in rates:
        message = (
            f'{option} is unusable: it is written like "5/minute; 3/10 seconds", '
            f"1 to {_MOST:,} in 1 second to 31 days"
        )
        raise ConfigurationError(message)
    return tuple(rate for rate in rates if rate is not None)


def _parsed(text: str) -> Rate | None:
    found = _RATE.fullmatch(text)
    if found is None:
        return None
    rate = Rate(int(found[1]), int(found[2] or 1) * _SECONDS[found[3]])
    is_usable = 1 <= rate.limit <= _MOST and 1 <= rate.seconds <= _LONGEST
    return rate if is_usable else None


class MovingWindows:
    """When events happened, by key, and how long each key has to wait for its next.

    A key is forgotten once its last event is older than every window. Beyond `max_keys`, the key
    whose last event is the oldest is forgotten first: it would be the next to expire. Times are in
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
        """Return the seconds until every rate lets `key` pass; 0 when all do now."""
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
        # Two at most, where one was added: no event pays for a crowd that has left.
        for _ in range(2):
            oldest = next(iter(self._events))
            has_expired = self._events[oldest][-1] + self._longest <= now
            if not has_expired and len(self._events) <= self._max_keys:
                break
            del self._events[oldest]
