"""What remembers which webhooks were handled, so that none is twice.

Owns: the two kinds of store, the one in memory, and the one in Redis for a fleet. Must not know:
signatures, or what a webhook means. Needs no package: the Redis client is the caller's.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, cast

from openai_realtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

MAX_ENTRIES = 100_000

_PREFIX = "openai_realtime:webhook:"
_NOT_AWAITED = object()


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

    def get(self, name: str) -> object: ...

    # Not called. redis-py types `set` alike in both clients: this is what tells them apart.
    def __enter__(self) -> object: ...


class _AsyncRedisClient(Protocol):
    """What is asked of a `redis.asyncio.Redis`."""

    def set(self, name: str, value: str, *, ex: int, nx: bool) -> Awaitable[object]: ...

    def get(self, name: str) -> Awaitable[object]: ...

    def aclose(self) -> Awaitable[None]: ...


class RedisReplayStore:
    """Remembers in Redis, for a fleet: `RedisReplayStore(redis.Redis.from_url(…))`.

    One `SET … NX EX` a webhook, tried twice; keys begin with `prefix` (default `openai_realtime:webhook:`). The
    client is yours: its time-outs count, its errors pass through, and you close it. Raises
    `ConfigurationError` for what is no such client, at the latest when it first answers.
    """

    def __init__(self, client: _RedisClient, *, prefix: str = _PREFIX) -> None:
        check_is_made(client, "set", "RedisReplayStore takes a client, such as redis.Redis(…)")
        self._client = client
        self._prefix = prefix

    def claim(self, webhook_id: str, seconds: int, /) -> bool:
        """Return whether this is the first claim on `webhook_id` in its last claim's `seconds`."""
        asking = _ask(self._prefix + webhook_id, seconds)
        command = next(asking)
        while True:
            try:
                answer = command(self._client)
            except Exception as error:  # noqa: BLE001 - Redis' errors are its own package's
                command = asking.throw(error)
                continue
            if isinstance(answer, Awaitable):
                close_unawaited(cast("Awaitable[object]", answer))
                message = (
                    "RedisReplayStore needs redis.Redis: for redis.asyncio.Redis use "
                    "AsyncRedisReplayStore and averify()"
                )
                raise ConfigurationError(message)
            try:
                command = asking.send(answer)
            except StopIteration as end:
                return bool(end.value)


class AsyncRedisReplayStore:
    """As `RedisReplayStore`, awaited: `AsyncRedisReplayStore(redis.asyncio.Redis.from_url(…))`."""

    def __init__(self, client: _AsyncRedisClient, *, prefix: str = _PREFIX) -> None:
        wanted = "AsyncRedisReplayStore takes a client, such as redis.asyncio.Redis(…)"
        check_is_made(client, "set", wanted)
        self._client = client
        self._prefix = prefix

    async def claim(self, webhook_id: str, seconds: int, /) -> bool:
        """Return whether this is the first claim on `webhook_id` in its last claim's `seconds`."""
        asking = _ask(self._prefix + webhook_id, seconds)
        command = next(asking)
        while True:
            try:
                waiting = command(self._client)
                answer: object = _NOT_AWAITED
                if isinstance(waiting, Awaitable):
                    answer = await cast("Awaitable[object]", waiting)
            except Exception as error:  # noqa: BLE001 - Redis' errors are its own package's
                command = asking.throw(error)
                continue
            if answer is _NOT_AWAITED:
                message = (
                    "AsyncRedisReplayStore needs redis.asyncio.Redis: for redis.Redis use "
                    "RedisReplayStore"
                )
                raise ConfigurationError(message)
            try:
                command = asking.send(answer)
            except StopIteration as end:
                return bool(end.value)


def _ask(key: str, seconds: int) -> Generator[Callable[[Any], object], object, bool]:
    """Yield the commands of one claim, take their answers, and return whether it is the first.

    A claim whose answer was lost on the way is found again by its token: without one, the very
    first delivery would look like a copy, and its call would ring for nobody.
    """
    token = secrets.token_hex(16)
    for is_last in (False, True):
        try:
            if (yield lambda client: client.set(key, token, ex=seconds, nx=True)):
                return True
            return (yield lambda client: client.get(key)) in {token, token.encode("ascii")}
        except Exception:
            if is_last:
                raise
    raise AssertionError  # pragma: no cover - for the type checker


def check_is_made(given: object, method: str, wanted: str) -> None:
    """Raise `ConfigurationError`, saying `wanted`, unless `given` is an object with `method`."""
    if isinstance(given, type) or not callable(getattr(given, method, None)):
        raise ConfigurationError(wanted)


def close_unawaited(answer: Awaitable[object]) -> None:
    """Close what is not going to be awaited, so that Python does not warn of it."""
    if isinstance(answer, Coroutine):
        cast("Coroutine[object, object, object]", answer).close()
