"""What every replay store does: claim, confirm, release and expiry, in memory and in a real Redis."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import anyio
import anyio.from_thread
import pytest
import redis
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st

from openai_realtime import WebhookInProgressError
from openai_realtime.webhooks import AsyncRedisReplayStore, MemoryReplayStore, RedisReplayStore
from webhooks.stores import CLAIMED, CONFIRMED, Awaited

STEP = 900
"""Seconds; large, so that no busy machine lets a claim expire in Redis before its time."""


class Stores(Protocol):
    """The stores of two processes that share what they remember, and their clock."""

    first: Any
    second: Any

    def clear(self) -> None: ...

    def advance(self, seconds: int) -> None: ...


class InMemory:
    """One process has one memory: both are the same."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.now = 1000.0
        self.first = self.second = MemoryReplayStore(clock=lambda: self.now)

    def advance(self, seconds: int) -> None:
        self.now += seconds


class InRedis:
    def __init__(self, url: str) -> None:
        self.client: Any = redis.Redis.from_url(url)
        self.first: Any = RedisReplayStore(redis.Redis.from_url(url))
        # Those who let redis-py decode responses are given text where others are given bytes.
        self.second: Any = RedisReplayStore(redis.Redis.from_url(url, decode_responses=True))

    def clear(self) -> None:
        self.client.flushdb()

    def advance(self, seconds: int) -> None:
        for key in self.client.scan_iter():
            self.client.expire(key, self.client.ttl(key) - seconds)


@pytest.fixture(
    scope="module",
    params=[
        "memory",
        pytest.param("redis", marks=pytest.mark.redis),
        pytest.param("async redis", marks=pytest.mark.redis),
    ],
)
def kept(request: pytest.FixtureRequest) -> Iterator[Stores]:
    if request.param == "memory":
        yield InMemory()
        return
    stores = InRedis(request.getfixturevalue("redis_url"))
    if request.param == "redis":
        yield stores
        return
    clients: list[Any] = [
        redis.asyncio.Redis.from_url(request.getfixturevalue("redis_url")) for _ in range(2)
    ]
    with anyio.from_thread.start_blocking_portal() as portal:
        stores.first, stores.second = (
            Awaited(AsyncRedisReplayStore(client), portal.call) for client in clients
        )
        yield stores
        for client in clients:
            portal.call(client.aclose)


@pytest.fixture
def stores(kept: Stores) -> Stores:
    kept.clear()
    return kept


def is_claimed(store: Any, webhook_id: str = "wh_1") -> bool:
    """Claim it only to see whether another claim holds."""
    try:
        token = store.claim(webhook_id, CLAIMED)
    except WebhookInProgressError:
        return True
    assert token is not None
    store.release(webhook_id, token)
    return False


def test_a_claim_holds_until_it_is_confirmed_and_then_it_is_done(stores: Stores) -> None:
    token = stores.first.claim("wh_1", CLAIMED)
    assert is_claimed(stores.first)
    with pytest.raises(WebhookInProgressError, match="503") as caught:
        stores.second.claim("wh_1", CLAIMED)
    assert caught.value.webhook_id == "wh_1"
    assert not is_claimed(stores.second, "wh_2")
    stores.first.confirm("wh_1", token, CONFIRMED)
    stores.advance(CONFIRMED - STEP)
    assert stores.first.claim("wh_1", CLAIMED) is stores.second.claim("wh_1", CLAIMED) is None
    stores.advance(STEP)
    assert stores.second.claim("wh_1", CLAIMED) not in {None, "", token}


def test_a_released_claim_is_free_at_once(stores: Stores) -> None:
    token = stores.first.claim("wh_1", CLAIMED)
    stores.first.release("wh_1", token)
    assert stores.second.claim("wh_1", CLAIMED) not in {None, "", token}


def test_only_its_own_claim_can_release_a_confirmed_webhook(stores: Stores) -> None:
    token = stores.first.claim("wh_1", CLAIMED)
    stores.first.confirm("wh_1", token, CONFIRMED)
    stores.second.release("wh_1", "another")
    assert stores.second.claim("wh_1", CLAIMED) is None
    stores.first.release("wh_1", token)
    assert stores.second.claim("wh_1", CLAIMED)


def test_the_claim_of_a_process_that_died_expires(stores: Stores) -> None:
    stores.first.claim("wh_1", CLAIMED)
    stores.advance(CLAIMED - STEP)
    assert is_claimed(stores.second)
    stores.advance(STEP)
    assert stores.second.claim("wh_1", CLAIMED)


def test_a_late_failure_does_not_release_the_next_claim(stores: Stores) -> None:
    late = stores.first.claim("wh_1", CLAIMED)
    stores.advance(CLAIMED)
    stores.second.claim("wh_1", CLAIMED)
    stores.first.release("wh_1", late)
    assert is_claimed(stores.first)


@pytest.mark.parametrize("next_one", ["confirms", "releases"])
def test_a_late_success_is_a_success(stores: Stores, next_one: str) -> None:
    late = stores.first.claim("wh_1", CLAIMED)
    stores.advance(CLAIMED)
    token = stores.second.claim("wh_1", CLAIMED)
    stores.first.confirm("wh_1", late, CONFIRMED)
    if next_one == "confirms":
        stores.second.confirm("wh_1", token, CONFIRMED)
    else:
        stores.second.release("wh_1", token)
    assert stores.first.claim("wh_1", CLAIMED) is None


def test_an_unknown_webhook_can_be_released_and_confirmed(stores: Stores) -> None:
    stores.first.release("wh_1", "token")
    assert not is_claimed(stores.first)
    stores.first.confirm("wh_1", "token", CONFIRMED)
    assert stores.second.claim("wh_1", CLAIMED) is None


def test_one_thread_of_two_processes_gets_the_claim(stores: Stores) -> None:
    together = threading.Barrier(16)

    def take(number: int) -> bool:
        together.wait(30)
        try:
            return bool((stores.first, stores.second)[number % 2].claim("wh_1", CLAIMED))
        except WebhookInProgressError:
            return False

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(take, range(16))).count(True) == 1


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), st.sampled_from("abc"), st.booleans()),
        st.tuples(st.sampled_from(["confirm", "release"]), st.integers(0, 5), st.booleans()),
        st.tuples(
            st.just("advance"), st.sampled_from(range(STEP, CLAIMED + 1, STEP)), st.booleans()
        ),
    ),
    max_size=20,
)


@given(steps=STEPS)
def test_any_order_of_steps_ends_as_in_the_model(
    kept: Stores, steps: list[tuple[str, Any, bool]]
) -> None:
    """The dict has for each webhook its claim's token, whether it is confirmed, and when it ends."""
    kept.clear()
    now = 0
    model: dict[str, tuple[str, bool, int]] = {}
    claims: list[tuple[str, str]] = []
    for step, argument, is_first in steps:
        store = kept.first if is_first else kept.second
        if step == "advance":
            kept.advance(argument)
            now += argument
            model = {name: entry for name, entry in model.items() if entry[2] > now}
        elif step == "claim" and argument in model:
            if model[argument][1]:
                assert store.claim(argument, CLAIMED) is None
            else:
                with pytest.raises(WebhookInProgressError):
                    store.claim(argument, CLAIMED)
        elif step == "claim":
            token = store.claim(argument, CLAIMED)
            assert token
            claims.append((argument, token))
            model[argument] = (token, False, now + CLAIMED)
        elif argument < len(claims):
            name, token = claims[argument]
            if step == "confirm":
                store.confirm(name, token, CONFIRMED)
                model[name] = (token, True, now + CONFIRMED)
            else:
                store.release(name, token)
                if name in model and model[name][0] == token:
                    del model[name]


def test_memory_is_bounded_and_forgets_the_oldest_first() -> None:
    now = [0.0]
    store = MemoryReplayStore(max_entries=3, clock=lambda: now[0])
    for name in "abcd":
        store.confirm(name, "token", 10)
    assert len(store) == 3
    assert store.claim("a", 10)
    assert store.claim("d", 10) is None
    now[0] = 9.999
    assert store.claim("d", 10) is None
    now[0] = 10
    assert store.claim("d", 10)
    assert len(store) == 1


def test_memory_lets_a_claim_expire_that_is_behind_one_that_holds_longer() -> None:
    now = [0.0]
    store = MemoryReplayStore(clock=lambda: now[0])
    store.confirm("a", "token", 20)
    store.claim("b", 10)
    now[0] = 9.999
    assert is_claimed(store, "b")
    now[0] = 10
    assert store.claim("b", 10)
    assert store.claim("a", 10) is None
