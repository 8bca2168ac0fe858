"""The replay stores: their protocols, and the stores in this process' memory and in Redis.

The caller passes the Redis client, so no package is needed here.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple, Protocol, TypeAlias, cast

from openai_realtime.errors import ConfigurationError, WebhookInProgressError

MAX_ENTRIES = 100_000
PREFIX = "openai_realtime:webhook:"

_CONFIRMED = "confirmed:"
"""The prefix of a claim's token in Redis once the claim is confirmed."""
# A script, so that no other claim can come between the comparison and the deletion.
_RELEASE = """\
local value = redis.call('GET', KEYS[1])
if value == ARGV[1] or value == ARGV[2] then return redis.call('DEL', KEYS[1]) end
return 0
"""


_Command: TypeAlias = Callable[[], object]
"""Sends one command to Redis; returns the response, or an awaitable of it."""


class ClaimOnlyReplayStore(Protocol):
    """A store that only claims: a webhook passes once, even if it is not handled then.

    Its `claim` may be an `async def`, like those of the other stores.
    """

    def claim(self, webhook_id: str, seconds: int, /) -> bool | Awaitable[bool]:
        """Return True if `webhook_id` has no claim, or only a claim whose `seconds` are over."""
        ...


class ReplayStore(Protocol):
    """A store for `verify`, `averify` and `handling`. Its methods are called from any thread.

    Each method is one atomic step. Write your own store if neither memory nor Redis is suitable.
    """

    def claim(self, webhook_id: str, seconds: int, /) -> str | None:
        """Claim `webhook_id` for `seconds`, and return a token for this claim, which is not empty.

        Returns None when it was confirmed. Raises `WebhookInProgressError` when another claim on it
        has neither expired nor been released.
        """
        ...

    def confirm(self, webhook_id: str, token: str, seconds: int, /) -> object:
        """Remember for `seconds` that `webhook_id` is done, even if the claim has expired."""
        ...

    def release(self, webhook_id: str, token: str, /) -> object:
        """Forget the claim of this `token`, confirmed or not. Other claims stay as they are."""
        ...


class AsyncReplayStore(Protocol):
    """As `ReplayStore`, awaited: for `averify`, and for `handling` with `async with`."""

    def claim(self, webhook_id: str, seconds: int, /) -> Awaitable[str | None]:
        """Claim `webhook_id`, as `ReplayStore.claim` does."""
        ...

    def confirm(self, webhook_id: str, token: str, seconds: int, /) -> Awaitable[object]:
        """Remember that `webhook_id` is done, as `ReplayStore.confirm` does."""
        ...

    def release(self, webhook_id: str, token: str, /) -> Awaitable[object]:
        """Forget a claim, as `ReplayStore.release` does."""
        ...


AnyReplayStore = ReplayStore | AsyncReplayStore | ClaimOnlyReplayStore


class _Entry(NamedTuple):
    ends_at: float
    token: str
    is_confirmed: bool


class MemoryReplayStore:
    """Remembers webhooks in memory, for a service of one process. It never blocks.

    Holds at most `max_entries` (default 100,000), then forgets the oldest first. `clock` is
    monotonic, in seconds.
    """

    def __init__(
        self, *, max_entries: int = MAX_ENTRIES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_entries = max_entries
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # the oldest first
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def claim(self, webhook_id: str, seconds: int, /) -> str | None:
        """Claim `webhook_id`, as `ReplayStore.claim` does."""
        with self._lock:
            self._forget_expired()
            entry = self._entries.get(webhook_id)
            if entry is not None and entry.ends_at > self._clock():
                if entry.is_confirmed:
                    return None
                raise _in_progress(webhook_id)
            token = _new_token()
            self._set(webhook_id, seconds, token, is_confirmed=False)
            return token

    def confirm(self, webhook_id: str, token: str, seconds: int, /) -> None:
        """Remember that `webhook_id` is done, as `ReplayStore.confirm` does."""
        with self._lock:
            self._set(webhook_id, seconds, token, is_confirmed=True)

    def release(self, webhook_id: str, token: str, /) -> None:
        """Forget a claim, as `ReplayStore.release` does."""
        with self._lock:
            entry = self._entries.get(webhook_id)
            if entry is not None and entry.token == token:
                del self._entries[webhook_id]

    def _set(self, webhook_id: str, seconds: int, token: str, *, is_confirmed: bool) -> None:
        self._entries[webhook_id] = _Entry(self._clock() + seconds, token, is_confirmed)
        self._entries.move_to_end(webhook_id)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def _forget_expired(self) -> None:
        """Forget the oldest entries, up to the first that has not expired."""
        now = self._clock()
        while self._entries and next(iter(self._entries.values())).ends_at <= now:
            self._entries.popitem(last=False)


class _RedisClient(Protocol):
    """The methods of a `redis.Redis` that are called."""

    def set(
        self, name: str, value: str, *, ex: int, nx: bool = False, get: bool = False
    ) -> object: ...

    def eval(self, script: str, numkeys: int, /, *keys_and_args: str) -> object: ...

    # Not called. It distinguishes this client from the async one: redis-py types both `set`s alike.
    def __enter__(self) -> object: ...


class _AsyncRedisClient(Protocol):
    """The methods of a `redis.asyncio.Redis` that are called."""

    def set(
        self, name: str, value: str, *, ex: int, nx: bool = False, get: bool = False
    ) -> Awaitable[object]: ...

    def eval(self, script: str, numkeys: int, /, *keys_and_args: str) -> object: ...

    def aclose(self) -> Awaitable[None]: ...


class _RedisCommands:
    """The commands of a store in Redis: one for each step."""

    def __init__(self, client: object, prefix: str, message: str) -> None:
        check_has_method(client, "set", message)
        self._client: Any = client
        self._prefix = prefix

    def _claim(self, webhook_id: str, token: str, seconds: int) -> _Command:
        key = self._prefix + webhook_id
        return lambda: self._client.set(key, token, ex=seconds, nx=True, get=True)

    def _confirm(self, webhook_id: str, token: str, seconds: int) -> _Command:
        key = self._prefix + webhook_id
        return lambda: self._client.set(key, _CONFIRMED + token, ex=seconds)

    def _release(self, webhook_id: str, token: str) -> _Command:
        key = self._prefix + webhook_id
        return lambda: self._client.eval(_RELEASE, 1, key, token, _CONFIRMED + token)


class RedisReplayStore(_RedisCommands):
    """Remembers webhooks in Redis, for several processes.

    Made by `RedisReplayStore(redis.Redis.from_url(…))`. Needs Redis 7 or newer, or Valkey. There is
    one key for each webhook; it begins with `prefix` (default `openai_realtime:webhook:`). Each
    command is tried twice. The client is yours: you set its time-outs and close it, and its errors
    pass through. Raises `ConfigurationError` for an object that is not such a client, at the latest
    when it first responds.
    """

    def __init__(self, client: _RedisClient, *, prefix: str = PREFIX) -> None:
        super().__init__(client, prefix, "RedisReplayStore takes a client, such as redis.Redis(…)")

    def claim(self, webhook_id: str, seconds: int, /) -> str | None:
        """Claim `webhook_id`, as `ReplayStore.claim` does."""
        token = _new_token()
        return _claimed(webhook_id, token, _twice(self._claim(webhook_id, token, seconds)))

    def confirm(self, webhook_id: str, token: str, seconds: int, /) -> None:
        """Remember that `webhook_id` is done, as `ReplayStore.confirm` does."""
        _twice(self._confirm(webhook_id, token, seconds))

    def release(self, webhook_id: str, token: str, /) -> None:
        """Forget a claim, as `ReplayStore.release` does."""
        _twice(self._release(webhook_id, token))


class AsyncRedisReplayStore(_RedisCommands):
    """As `RedisReplayStore`, awaited: `AsyncRedisReplayStore(redis.asyncio.Redis.from_url(…))`."""

    def __init__(self, client: _AsyncRedisClient, *, prefix: str = PREFIX) -> None:
        message = "AsyncRedisReplayStore takes a client, such as redis.asyncio.Redis(…)"
        super().__init__(client, prefix, message)

    async def claim(self, webhook_id: str, seconds: int, /) -> str | None:
        """Claim `webhook_id`, as `ReplayStore.claim` does."""
        token = _new_token()
        value = await _twice_async(self._claim(webhook_id, token, seconds))
        return _claimed(webhook_id, token, value)

    async def confirm(self, webhook_id: str, token: str, seconds: int, /) -> None:
        """Remember that `webhook_id` is done, as `ReplayStore.confirm` does."""
        await _twice_async(self._confirm(webhook_id, token, seconds))

    async def release(self, webhook_id: str, token: str, /) -> None:
        """Forget a claim, as `ReplayStore.release` does."""
        await _twice_async(self._release(webhook_id, token))


def _twice(command: _Command) -> object:
    """Send a command, and again if it fails: each command may be repeated safely."""
    try:
        response = command()
    except Exception:  # noqa: BLE001 - redis-py's errors are not known here
        response = command()
    if isinstance(response, Awaitable):
        close_unawaited(cast("Awaitable[object]", response))
        message = (
            "RedisReplayStore needs redis.Redis: for redis.asyncio.Redis use "
            "AsyncRedisReplayStore and averify()"
        )
        raise ConfigurationError(message)
    return response


async def _twice_async(command: _Command) -> object:
    try:
        return await _checked(command())
    except Exception:  # noqa: BLE001 - redis-py's errors are not known here
        return await _checked(command())


def _checked(response: object) -> Awaitable[object]:
    """Return an async client's response; raises `ConfigurationError` when it is a sync client's."""
    if not isinstance(response, Awaitable):
        message = (
            "AsyncRedisReplayStore needs redis.asyncio.Redis: for redis.Redis use RedisReplayStore"
        )
        raise ConfigurationError(message)
    return cast("Awaitable[object]", response)


def _claimed(webhook_id: str, token: str, value: object) -> str | None:
    """Return the result of `claim`; `value` is what Redis held for the webhook before, or None.

    When the response to the first try was lost, the second try finds `token` itself: that is this
    claim, not another one.
    """
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if text is None or text == token:
        return token
    if isinstance(text, str) and text.startswith(_CONFIRMED):
        return None
    raise _in_progress(webhook_id)


def _new_token() -> str:
    return secrets.token_hex(16)


def _in_progress(webhook_id: str) -> WebhookInProgressError:
    message = "The webhook is being handled now: respond with 503, so that it is delivered again"
    return WebhookInProgressError(message, webhook_id=webhook_id)


def check_has_method(value: object, method: str, message: str) -> None:
    """Raise `ConfigurationError` with `message`, unless `value` is an instance with `method`."""
    if isinstance(value, type) or not callable(getattr(value, method, None)):
        raise ConfigurationError(message)


def close_unawaited(awaitable: Awaitable[object]) -> None:
    """Close a coroutine that will not be awaited, so that Python does not warn about it."""
    if isinstance(awaitable, Coroutine):
        cast("Coroutine[object, object, object]", awaitable).close()
