"""A webhook passes once by `verify`: in memory, in Redis, by threads and tasks at the same time."""

from __future__ import annotations

import math
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
import redis
import redis.asyncio

from openai_realtime import (
    ConfigurationError,
    WebhookInProgressError,
    WebhookReplayedError,
    WebhookVerifier,
)
from openai_realtime.webhooks import (
    AsyncRedisReplayStore,
    MemoryReplayStore,
    RedisReplayStore,
    ReplayStore,
)
from webhooks.deliveries import NOW, SECRET, encoded, signed

BODY = encoded()
THREE_DAYS = 72 * 3600


def verifier(store: Any) -> WebhookVerifier:
    return WebhookVerifier(SECRET, replay_store=store, clock=lambda: NOW)


def passes(store: Any, webhook_id: str = "wh_1") -> bool:
    try:
        verifier(store).verify(BODY, signed(BODY, webhook_id=webhook_id))
    except (WebhookReplayedError, WebhookInProgressError):
        return False
    return True


async def passes_async(store: Any, webhook_id: str = "wh_1") -> bool:
    try:
        await verifier(store).averify(BODY, signed(BODY, webhook_id=webhook_id))
    except (WebhookReplayedError, WebhookInProgressError):
        return False
    return True


def winners_of_threads(claim: Callable[[], bool], count: int = 16) -> int:
    together = threading.Barrier(count)
    won: list[bool] = []

    def take() -> None:
        together.wait()
        won.append(claim())

    threads = [threading.Thread(target=take) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == count
    return won.count(True)


def test_without_a_store_a_copy_passes() -> None:
    assert passes(None)
    assert passes(None)
    assert anyio.run(passes_async, None)


def test_memory_passes_one_of_sync_and_async_copies() -> None:
    store = MemoryReplayStore()
    assert passes(store)
    with pytest.raises(WebhookReplayedError, match="handled before") as caught:
        verifier(store).verify(BODY, signed(BODY))
    assert caught.value.webhook_id == "wh_1"
    assert not anyio.run(passes_async, store)
    assert anyio.run(passes_async, store, "wh_2")
    assert len(store) == 2


def test_a_forgery_claims_nothing() -> None:
    store = MemoryReplayStore()
    with pytest.raises(ValueError, match="none of its signatures"):
        verifier(store).verify(BODY + b" ", signed(BODY))
    assert len(store) == 0
    assert passes(store)


def test_memory_passes_one_of_many_threads() -> None:
    for _ in range(20):
        store = MemoryReplayStore()
        assert winners_of_threads(lambda s=store: passes(s)) == 1  # type: ignore[misc]  # bound on purpose


def test_a_webhook_is_remembered_as_long_as_it_can_be_replayed() -> None:
    seconds_claimed: list[int] = []

    class Store:
        def claim(self, _webhook_id: str, seconds: int, /) -> bool:
            seconds_claimed.append(seconds)
            return True

    for tolerance in (300, 10**6):
        genuine = WebhookVerifier(
            SECRET, tolerance=tolerance, replay_store=Store(), clock=lambda: NOW
        )
        assert genuine.verify(BODY, signed(BODY)).id
    assert seconds_claimed == [THREE_DAYS, 2 * 10**6 + 1]


class Later:
    """An awaitable that is no coroutine."""

    def claim(self, _webhook_id: str, _seconds: int, /) -> Awaitable[bool]:
        return _Done()


class _Done:
    def __await__(self) -> Any:
        yield from ()
        return True


class Never:
    async def claim(self, _webhook_id: str, _seconds: int, /) -> bool:
        raise AssertionError


@pytest.mark.parametrize("store", [Later(), Never()])
def test_a_store_that_must_be_awaited_needs_averify(store: Any) -> None:
    with pytest.raises(ConfigurationError, match="await verifier.averify"):
        passes(store)
    if isinstance(store, Later):
        assert anyio.run(passes_async, store)


def test_the_wrong_kind_of_redis_client_is_refused() -> None:
    """A client whose response is not awaited would let every copy through."""

    class Redis:
        def set(self, *_: object, **__: object) -> None:
            """Return what Redis returns for a key that was not set before."""

        def eval(self, *_: object) -> None:
            raise AssertionError

    async_client: Any = redis.asyncio.Redis(unix_socket_path="/nowhere")
    with pytest.raises(ConfigurationError, match=r"needs redis.Redis: .* AsyncRedisReplayStore"):
        passes(RedisReplayStore(async_client))
    sync_client: Any = Redis()
    with pytest.raises(ConfigurationError, match=r"needs redis.asyncio.Redis: .* RedisReplayStore"):
        anyio.run(passes_async, AsyncRedisReplayStore(sync_client))
    assert passes(RedisReplayStore(sync_client))


@pytest.mark.parametrize(
    ("make", "wrong", "message"),
    [
        (
            RedisReplayStore,
            "redis://x",
            r"^RedisReplayStore takes a client, such as redis.Redis\(…\)$",
        ),
        (RedisReplayStore, redis.Redis, r"takes a client, such as redis.Redis\("),
        (
            AsyncRedisReplayStore,
            "redis://x",
            r"^AsyncRedisReplayStore takes a client, such as redis.asyncio.Redis\(…\)$",
        ),
        (verifier, MemoryReplayStore, r"takes a store, such as MemoryReplayStore\(\)"),
        (verifier, redis.Redis(), r"takes a store, such as MemoryReplayStore\(\)"),
    ],
)
def test_an_object_that_is_no_store_is_refused_at_once(
    make: Any, wrong: object, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make(wrong)


@pytest.mark.parametrize("tolerance", [0, -1, math.inf, math.nan])
def test_an_unusable_tolerance_is_refused(tolerance: float) -> None:
    with pytest.raises(
        ConfigurationError, match="^tolerance must be a finite number of seconds above 0$"
    ):
        WebhookVerifier(SECRET, tolerance=tolerance)


# --- Redis, for real -------------------------------------------------------------------------


@pytest.mark.redis
def test_redis_passes_one_of_many_processes(redis_url: str) -> None:
    clients = [redis.Redis.from_url(redis_url) for _ in range(2)]
    stores: list[ReplayStore] = [RedisReplayStore(client) for client in clients]
    assert winners_of_threads(lambda: passes(stores[threading.get_ident() % 2], "wh_threads")) == 1
    assert THREE_DAYS - 60 <= clients[0].ttl("openai_realtime:webhook:wh_threads") <= THREE_DAYS

    async def tasks() -> int:
        client = redis.asyncio.Redis.from_url(redis_url)
        won: list[bool] = []

        async def take() -> None:
            won.append(await passes_async(AsyncRedisReplayStore(client), "wh_tasks"))

        async with anyio.create_task_group() as group:
            for _ in range(16):
                group.start_soon(take)
        assert not await passes_async(AsyncRedisReplayStore(client), "wh_threads")
        assert await passes_async(AsyncRedisReplayStore(client, prefix="mine:"), "wh_threads")
        await client.aclose()
        return won.count(True)

    assert anyio.run(tasks) == 1
    assert not passes(RedisReplayStore(clients[0], prefix="mine:"), "wh_threads")
    for client in clients:
        client.close()
