"""What remembers which webhooks were handled, so that none is twice.

Owns: the two kinds of store, the one in memory, and the one in Redis for a fleet. Must not know:
signatures, or what a webhook means. Needs no package: the Redis client is the caller's.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MAX_ENTRIES = 100_000

_PREFIX = "openai_realtime:webhook:"


class ReplayStore(Protocol):
    """Remembers webhooks; asked from threads too. For `verify` and `averify`."""

    def claim(self, webhook_id: str, seconds: int, /) -> bool:
        """Return whether this is the first claim on `webhook_id` in its last claim's `seconds`."""
        ...


class AsyncReplayStore(Protocol):
    """Remembers webhooks, and must be awaited. For `averify`."""

    def claim(self, webhook_id: str, seconds: int, /) -> Awaitable[bool]:
        """Return whether this is the first claim on `webhook_id` in its last claim's `seconds`."""
        ...


class MemoryReplayStore:
    """Remembers in this process: for a service that is one process. Never blocks.

    Holds at most `max_entries` (default 100,000), then forgets the oldest first. `clock` is
    monotonic, in seconds.
    """

    def __init__(
        self, *, max_entries: int = MAX_ENTRIES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_entries = max_entries
        self._clock = clock
        self._ends: OrderedDict[str, float] = OrderedDict()  # the oldest claim first
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._ends)

    def claim(self, webhook_id: str, seconds: int, /) -> bool:
        """Return whether this is the first claim on `webhook_id` in its last claim's `seconds`."""
        with self._lock:
            now = self._clock()
            while self._ends and next(iter(self._ends.values())) <= now:
                self._ends.popitem(last=False)
            if self._ends.get(webhook_id, now) > now:
                return False
            self._ends[webhook_id] = now + seconds
            self._ends.move_to_end(webhook_id)
            if len(self._ends) > self._max_entries:
                self._ends.popitem(last=False)
            return True


class _RedisClient(Protocol):
    """What is asked of a `redis.Redis`."""

    def set(self, name: str, value: str, *, ex: int, nx: bool) -> object: ...


class _AsyncRedisClient(Protocol):
    """What is asked of a `redis.asyncio.Redis`."""

    def set(self, name: str, value: str, *, ex: int, nx: bool) -> Awaitable[object]: ...


class RedisReplayStore:
    """Remembers in Redis, for a fleet: `RedisReplayStore(redis.Redis.from_url(…))`.

    One `SET … NX EX` a webhook; keys begin with `prefix` (default `openai_realtime:webhook:`). The
    client is yours: its time-outs count, its errors pass through, and you close it.
    """

    def __init__(self, client: _RedisClient, *, prefix: str = _PREFIX) -> None:
        self._client = client
        self._prefix = prefix

    def claim(self, webhook_id: str, seconds: int, /) -> bool:
        """Return whether this is the first claim on `webhook_id` in its last claim's `seconds`."""
        return bool(self._client.set(self._prefix + webhook_id, "", ex=seconds, nx=True))


class AsyncRedisReplayStore:
    """As `RedisReplayStore`, awaited: `AsyncRedisReplayStore(redis.asyncio.Redis.from_url(…))`."""

    def __init__(self, client: _AsyncRedisClient, *, prefix: str = _PREFIX) -> None:
        self._client = client
        self._prefix = prefix

    async def claim(self, webhook_id: str, seconds: int, /) -> bool:
        """Return whether this is the first claim on `webhook_id` in its last claim's `seconds`."""
        return bool(await self._client.set(self._prefix + webhook_id, "", ex=seconds, nx=True))
