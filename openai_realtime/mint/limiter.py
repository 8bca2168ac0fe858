"""How often: limits for each principal and for everybody, in one process or in a fleet.

Owns: what counts and how long it counts. Must not know: who the principals are, or HTTP.

Windows move: "5/minute" means 5 in any 60 seconds. A request is first held against every limit, and
counted only when all let it pass, so that what is refused counts against nothing. Storage is
`limits`': memory for one process, Redis for a fleet, where each count is one atomic script.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
from limits import parse_many
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import ConfigurationError as LimitsConfigurationError
from limits.storage import storage_from_string

from openai_realtime.errors import ConfigurationError
from openai_realtime.mint.refusals import TOO_BUSY, TOO_OFTEN, Reason

if TYPE_CHECKING:
    from limits import RateLimitItem

DEFAULT_LIMITS = "5/minute; 3/10 seconds"
DEFAULT_GLOBAL_LIMITS = "600/minute"
_SECONDS = 2.0
"""The longest that Redis may take. In the same network it takes a millisecond."""
_AT_ONCE = 8
"""How many mints are counted at once, and so how many connections Redis sees from a process."""
_MEMORY = "memory://"
_UNUSABLE = "storage is unusable: it is memory:// or a URL such as redis://127.0.0.1:6379/0"
_STORAGE = re.compile(r"memory://|(?:rediss?|redis\+unix)://.+", re.ASCII)


class LimiterUnavailableError(Exception):
    """Nobody can say how often somebody has asked. The message names the cause's type alone."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A limit was reached."""

    reason: Reason
    retry_after: float
    """Seconds until it lets the next one pass."""


class Limiter:
    """Counts mints."""

    def __init__(self, storage: str, limits: str, global_limits: str) -> None:
        self._storage: Any = _storage(storage)
        self._windows = MovingWindowRateLimiter(self._storage)
        # This process' own memory is always there: a busy machine is no reason to refuse.
        self._seconds = None if storage == _MEMORY else _SECONDS
        self._turns = anyio.Semaphore(_AT_ONCE)
        self._own = _parsed("limits", limits)
        self._everybodys = _parsed("global_limits", global_limits)

    async def spend(self, pseudonym: str) -> Verdict | None:
        """Count one mint and return None; or count nothing, and return what stands in its way.

        Raises `LimiterUnavailableError` within 2 seconds when there is no telling.
        """
        try:
            with anyio.fail_after(self._seconds):
                async with self._turns:
                    return await self._spend(pseudonym)
        except Exception as error:  # noqa: BLE001 - whatever ails it, the answer is no
            cause = type(error).__name__
        raise LimiterUnavailableError(cause)

    async def is_reachable(self) -> bool:
        """Return whether the storage answers, within 2 seconds."""
        try:
            with anyio.fail_after(self._seconds):
                return bool(await self._storage.check())
        except TimeoutError:
            return False

    async def aclose(self) -> None:
        """Close the storage's connections. Repeatable."""
        bridge = getattr(self._storage, "bridge", None)
        if bridge is not None:
            await bridge.get_connection().aclose()

    async def _spend(self, pseudonym: str) -> Verdict | None:
        counted = [(limit, ("mint", "principal", pseudonym), TOO_OFTEN) for limit in self._own]
        counted += [(limit, ("mint", "everybody", ""), TOO_BUSY) for limit in self._everybodys]
        worst: Verdict | None = None
        for limit, key, reason in counted:
            verdict = await self._verdict(limit, key, reason)
            if verdict is not None and (worst is None or verdict.retry_after > worst.retry_after):
                worst = verdict
        if worst is not None:
            return worst
        for limit, key, reason in counted:
            if not await self._windows.hit(limit, *key):  # others were faster
                return await self._verdict(limit, key, reason) or Verdict(reason, 1.0)
        return None

    async def _verdict(
        self, limit: RateLimitItem, key: tuple[str, ...], reason: Reason
    ) -> Verdict | None:
        window = await self._windows.get_window_stats(limit, *key)
        return None if window.remaining > 0 else Verdict(reason, window.reset_time - time.time())


def _storage(url: str) -> Any:
    """Return the storage; raises `ConfigurationError`, which does not quote it: it may hold a password."""
    if not _STORAGE.fullmatch(url):
        raise ConfigurationError(_UNUSABLE)
    if url == _MEMORY:
        return storage_from_string(f"async+{_MEMORY}")
    from redis.asyncio.retry import Retry  # noqa: PLC0415 - one process needs no Redis
    from redis.backoff import NoBackoff  # noqa: PLC0415

    options: dict[str, Any] = {
        "implementation": "redispy",
        "socket_timeout": _SECONDS / 4,
        "socket_connect_timeout": _SECONDS / 4,
        # Once more at once: the first fails on a connection that a restarted Redis has closed.
        "retry": Retry(NoBackoff(), 1),
    }
    with suppress(ValueError, LimitsConfigurationError):
        return storage_from_string(f"async+{url}", **options)
    # Raised out here: the error's text quotes the URL.
    raise ConfigurationError(_UNUSABLE)


def _parsed(name: str, text: str) -> list[RateLimitItem]:
    try:
        return parse_many(text)
    except ValueError:
        message = f'{name} is unusable: it is written like "5/minute; 3/10 seconds"'
        raise ConfigurationError(message) from None
