"""The replay stores in Redis, for a service of several processes.

The Redis client is the caller's: no package is needed here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, Protocol, TypeVar, cast

from openai_realtime.errors import ConfigurationError
from openai_realtime.webhooks.replay import check_is_made, close_unawaited, in_progress, new_token

PREFIX = "openai_realtime:webhook:"

_CONFIRMED = "confirmed:"
"""What a claim's token is preceded by once it is confirmed."""
# In Redis, so that no other claim can come between the comparison and the deletion.
_RELEASE = """\
local kept = redis.call('GET', KEYS[1])
if kept == ARGV[1] or kept == ARGV[2] then return redis.call('DEL', KEYS[1]) end
return 0
"""
_NOT_AWAITED = object()

T = TypeVar("T")
_Command = Callable[[Any], object]
"""One command to Redis, given the client."""
_Commands = Generator[_Command, object, T]
"""The commands of one step: they are sent one by one, and each response is sent back in."""


class _RedisClient(Protocol):
    """What is called of a `redis.Redis`."""

    def set(self, name: str, value: str, *, ex: int, nx: bool = False) -> object: ...

    def get(self, name: str) -> object: ...

    def eval(self, script: str, numkeys: int, /, *keys_and_args: str) -> object: ...

    # Not called. redis-py types `set` alike in both clients: this is what tells them apart.
    def __enter__(self) -> object: ...


class _AsyncRedisClient(Protocol):
    """What is called of a `redis.asyncio.Redis`."""

    def set(self, name: str, value: str, *, ex: int, nx: bool = False) -> Awaitable[object]: ...

    def get(self, name: str) -> Awaitable[object]: ...

    def eval(self, script: str, numkeys: int, /, *keys_and_args: str) -> object: ...

    def aclose(self) -> Awaitable[None]: ...


class RedisReplayStore:
    """Remembers in Redis, for a fleet: `RedisReplayStore(redis.Redis.from_url(…))`.

    One key a webhook, which begins with `prefix` (default `openai_realtime:webhook:`); each command
    is tried twice. The client is yours: its time-outs count, its errors pass through, and you close
    it. Raises `ConfigurationError` for what is no such client, at the latest when it first responds.
    """

    def __init__(self, client: _RedisClient, *, prefix: str = PREFIX) -> None:
        check_is_made(client, "set", "RedisReplayStore takes a client, such as redis.Redis(…)")
        self._client = client
        self._prefix = prefix

    def claim(self, webhook_id: str, seconds: int, /) -> str | None:
        """Claim `webhook_id`, as `ReplayStore.claim` does."""
        return self._run(_claim(self._prefix, webhook_id, seconds))

    def confirm(self, webhook_id: str, token: str, seconds: int, /) -> None:
        """Remember that `webhook_id` is done, as `ReplayStore.confirm` does."""
        self._run(_confirm(self._prefix + webhook_id, token, seconds))

    def release(self, webhook_id: str, token: str, /) -> None:
        """Forget a claim, as `ReplayStore.release` does."""
        self._run(_release(self._prefix + webhook_id, token))

    def _run(self, commands: _Commands[T]) -> T:
        command = next(commands)
        while True:
            try:
                response = command(self._client)
            except Exception as error:  # noqa: BLE001 - Redis' errors are its own package's
                command = commands.throw(error)
                continue
            if isinstance(response, Awaitable):
                close_unawaited(cast("Awaitable[object]", response))
                message = (
                    "RedisReplayStore needs redis.Redis: for redis.asyncio.Redis use "
                    "AsyncRedisReplayStore and averify()"
                )
                raise ConfigurationError(message)
            try:
                command = commands.send(response)
            except StopIteration as end:
                return cast("T", end.value)


class AsyncRedisReplayStore:
    """As `RedisReplayStore`, awaited: `AsyncRedisReplayStore(redis.asyncio.Redis.from_url(…))`."""

    def __init__(self, client: _AsyncRedisClient, *, prefix: str = PREFIX) -> None:
        wanted = "AsyncRedisReplayStore takes a client, such as redis.asyncio.Redis(…)"
        check_is_made(client, "set", wanted)
        self._client = client
        self._prefix = prefix

    async def claim(self, webhook_id: str, seconds: int, /) -> str | None:
        """Claim `webhook_id`, as `ReplayStore.claim` does."""
        return await self._run(_claim(self._prefix, webhook_id, seconds))

    async def confirm(self, webhook_id: str, token: str, seconds: int, /) -> None:
        """Remember that `webhook_id` is done, as `ReplayStore.confirm` does."""
        await self._run(_confirm(self._prefix + webhook_id, token, seconds))

    async def release(self, webhook_id: str, token: str, /) -> None:
        """Forget a claim, as `ReplayStore.release` does."""
        await self._run(_release(self._prefix + webhook_id, token))

    async def _run(self, commands: _Commands[T]) -> T:
        command = next(commands)
        while True:
            try:
                waiting = command(self._client)
                response: object = _NOT_AWAITED
                if isinstance(waiting, Awaitable):
                    response = await cast("Awaitable[object]", waiting)
            except Exception as error:  # noqa: BLE001 - Redis' errors are its own package's
                command = commands.throw(error)
                continue
            if response is _NOT_AWAITED:
                message = (
                    "AsyncRedisReplayStore needs redis.asyncio.Redis: for redis.Redis use "
                    "RedisReplayStore"
                )
                raise ConfigurationError(message)
            try:
                command = commands.send(response)
            except StopIteration as end:
                return cast("T", end.value)


def _claim(prefix: str, webhook_id: str, seconds: int) -> _Commands[str | None]:
    """Return the new claim's token, or None when the webhook was confirmed.

    A claim whose response was lost is found again by its token. Without one the first delivery
    would look like a copy of itself, and would not be handled.
    """
    key, token = prefix + webhook_id, new_token()
    for _ in range(2):  # a claim that is released or expires between the two commands is taken
        if (yield from _twice(lambda client: client.set(key, token, ex=seconds, nx=True))):
            return token
        kept = yield from _twice(lambda client: client.get(key))
        text = kept.decode("utf-8", "replace") if isinstance(kept, bytes) else kept
        if text == token:
            return token
        if isinstance(text, str):
            if text.startswith(_CONFIRMED):
                return None
            break
    raise in_progress(webhook_id)


def _confirm(key: str, token: str, seconds: int) -> _Commands[None]:
    yield from _twice(lambda client: client.set(key, _CONFIRMED + token, ex=seconds))


def _release(key: str, token: str) -> _Commands[None]:
    yield from _twice(lambda client: client.eval(_RELEASE, 1, key, token, _CONFIRMED + token))


def _twice(command: _Command) -> _Commands[object]:
    """Send `command`, and once more when that fails: each may be repeated without harm."""
    try:
        return (yield command)
    except Exception:  # noqa: BLE001 - Redis' errors are its own package's
        return (yield command)
