"""How often a secret may be minted: limits for each principal and for everybody.

Windows move: `5/minute` means 5 in any 60 seconds. A request is held against every limit and counted
in one step, and a refused request counts against none.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from openai_realtime.errors import ConfigurationError
from openai_realtime.mint.access_log import described
from openai_realtime.mint.endpoint_errors import TOO_BUSY, TOO_OFTEN, ErrorCode
from openai_realtime.mint.windows import MovingWindows, Rates, parsed_rates

DEFAULT_LIMITS = "5/minute; 3/10 seconds"
DEFAULT_GLOBAL_LIMITS = "600/minute"
MAX_PRINCIPALS = 200_000
"""How many principals memory holds. Beyond, the one who minted longest ago is forgotten first."""
_REASONS = (TOO_OFTEN, TOO_BUSY)
_MEMORY = "memory://"
_REDIS = re.compile(r"(?:rediss?|redis\+unix)://.+", re.ASCII)


class LimiterUnavailableError(Exception):
    """How often somebody has asked cannot be found out. The message says why."""


@dataclass(frozen=True, slots=True)
class LimitExceeded:
    """A limit was reached."""

    reason: ErrorCode
    retry_after: float
    """Seconds until it lets the next one pass."""


class _Storage(Protocol):
    """Where mints are counted."""

    async def open(self) -> None:
        """Raise `ConfigurationError` where it cannot work."""
        ...

    async def hit(self, principal: str) -> Sequence[float]:
        """Return the seconds to wait for the principal's limits and for everybody's.

        When both are 0, the mint was counted; else nothing was.
        """
        ...

    async def check(self) -> None:
        """Raise what `hit` would raise."""
        ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...


class Limiter:
    """Counts mints."""

    def __init__(self, storage: str, limits: str, global_limits: str) -> None:
        rates = parsed_rates("limits", limits), parsed_rates("global_limits", global_limits)
        self._storage = _storage(storage, *rates)

    async def open(self) -> None:
        """Raise `ConfigurationError` where it cannot work: with Redis, on trio."""
        await self._storage.open()

    async def hit(self, pseudonym: str) -> LimitExceeded | None:
        """Count one mint and return None; or count nothing, and return what stands in its way.

        Raises `LimiterUnavailableError` within 2 seconds when that cannot be found out.
        """
        try:
            waits = await self._storage.hit(pseudonym)
        except Exception as error:  # noqa: BLE001 - whatever the cause, the mint is refused
            raise LimiterUnavailableError(described(error)) from None
        wait, reason = max(zip(waits, _REASONS, strict=True), key=lambda each: each[0])
        return LimitExceeded(reason, wait) if wait > 0 else None

    async def check(self) -> None:
        """Raise `LimiterUnavailableError`, within 2 seconds, when `hit` would."""
        try:
            await self._storage.check()
        except Exception as error:  # noqa: BLE001 - whatever the cause, mints are refused
            raise LimiterUnavailableError(described(error)) from None

    async def aclose(self) -> None:
        """Close the storage's connections. Repeatable."""
        await self._storage.aclose()


class _MemoryStorage:
    """Counts the mints of this process, in microseconds. Safe to share between threads."""

    def __init__(self, limits: Rates, global_limits: Rates) -> None:
        self._principals = MovingWindows(limits, MAX_PRINCIPALS)
        self._everybody = MovingWindows(global_limits, 1)
        self._lock = threading.Lock()

    async def open(self) -> None:
        pass

    async def hit(self, principal: str) -> Sequence[float]:
        with self._lock:
            now = time.monotonic()
            waits = self._principals.wait(principal, now), self._everybody.wait("", now)
            if not any(waits):
                self._principals.count(principal, now)
                self._everybody.count("", now)
            return waits

    async def check(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


def _storage(url: object, limits: Rates, global_limits: Rates) -> _Storage:
    """Return the storage; raises `ConfigurationError`, which does not quote `url`: it may hold a password."""
    if url == _MEMORY:
        return _MemoryStorage(limits, global_limits)
    problem = "it is memory:// or a URL such as redis://127.0.0.1:6379/0"
    if isinstance(url, str) and _REDIS.fullmatch(url):
        try:
            from openai_realtime.mint.redis_storage import RedisStorage  # noqa: PLC0415 - memory does without redis

            return RedisStorage(url, limits, global_limits)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "redis":
                raise
            problem = "Redis needs redis: pip install 'openai-realtime[mint]'"
        except (TypeError, ValueError):  # redis-py's, of the URL
            pass
    # Raised out here: the text of redis-py's error quotes the URL.
    message = f"storage is unusable: {problem}"
    raise ConfigurationError(message)
