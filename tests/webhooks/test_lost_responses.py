"""The replay stores in Redis when responses are lost, and when claims end between two commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest
import redis

from openai_realtime import WebhookInProgressError
from openai_realtime.webhooks import AsyncRedisReplayStore, RedisReplayStore
from webhooks.stores import CLAIMED, CONFIRMED, Awaited

pytestmark = pytest.mark.redis


class Lossy:
    """A Redis client whose responses to some commands, counted from 1, are lost on the way back."""

    def __init__(self, client: Any, lost: set[int]) -> None:
        self.client = client
        self.lost = lost
        self.count = 0

    def _send(self, name: str, *arguments: Any, **options: Any) -> Any:
        response = getattr(self.client, name)(*arguments, **options)
        self.count += 1
        if self.count in self.lost:
            raise redis.ConnectionError("the response was lost")
        return response

    def set(self, *arguments: Any, **options: Any) -> Any:
        return self._send("set", *arguments, **options)

    def eval(self, *arguments: Any) -> Any:
        return self._send("eval", *arguments)


class LossyLater(Lossy):
    async def set(self, *arguments: Any, **options: Any) -> Any:
        return self._send("set", *arguments, **options)

    async def eval(self, *arguments: Any) -> Any:
        return self._send("eval", *arguments)


@pytest.fixture(params=["sync", "async"])
def lossy(
    request: pytest.FixtureRequest, redis_url: str
) -> Iterator[Callable[[set[int]], tuple[Any, Lossy]]]:
    client = redis.Redis.from_url(redis_url)
    client.flushdb()

    def make(lost: set[int]) -> tuple[Any, Lossy]:
        if request.param == "sync":
            losing = Lossy(client, lost)
            return RedisReplayStore(losing), losing  # type: ignore[arg-type]  # it is no context manager
        later: Any = LossyLater(client, lost)
        return Awaited(AsyncRedisReplayStore(later), anyio.run), later

    yield make
    client.close()


@pytest.mark.parametrize(("lost", "commands"), [(set(), 1), ({1}, 2)])
def test_a_claim_whose_response_was_lost_is_still_the_first(
    lossy: Any, lost: set[int], commands: int
) -> None:
    store, client = lossy(lost)
    token = store.claim("wh_1", CLAIMED)
    assert token
    assert client.count == commands
    store.confirm("wh_1", token, CONFIRMED)
    assert store.claim("wh_1", CLAIMED) is None


def test_confirming_and_releasing_survive_a_lost_response(lossy: Any) -> None:
    store, client = lossy({2, 4})
    token = store.claim("wh_1", CLAIMED)
    store.confirm("wh_1", token, CONFIRMED)
    store.release("wh_1", token)
    assert client.count == 5
    assert store.claim("wh_1", CLAIMED)


def test_a_key_with_another_value_is_in_progress(lossy: Any) -> None:
    store, client = lossy(set())
    client.client.set("openai_realtime:webhook:wh_1", b"\xff")
    with pytest.raises(WebhookInProgressError) as caught:
        store.claim("wh_1", CLAIMED)
    assert str(caught.value) == (
        "The webhook is being handled now: respond with 503, so that it is delivered again "
        "(webhook-id wh_1)"
    )


def test_two_lost_responses_are_an_error(lossy: Any) -> None:
    store, client = lossy({1, 2, 4, 5, 6, 7})
    with pytest.raises(redis.ConnectionError):
        store.claim("wh_1", CLAIMED)
    assert client.count == 2
    assert client.client.ttl("openai_realtime:webhook:wh_1") <= CLAIMED  # it will expire
    token = store.claim("wh_2", CLAIMED)
    with pytest.raises(redis.ConnectionError):
        store.confirm("wh_2", token, CONFIRMED)
    with pytest.raises(redis.ConnectionError):
        store.release("wh_2", token)


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_claim_that_ends_between_the_two_tries_is_taken(redis_url: str, is_taken: bool) -> None:
    client = redis.Redis.from_url(redis_url)
    client.flushdb()

    class Ending(Lossy):
        """The first response is lost; then the claim ends, and unless `is_taken` another begins."""

        def set(self, name: str, *arguments: Any, **options: Any) -> Any:
            if self.count == 1:
                client.delete(name)
                if not is_taken:
                    client.set(name, "another")
            return self._send("set", name, *arguments, **options)

    ending: Any = Ending(client, {1})
    store = RedisReplayStore(ending)
    if is_taken:
        assert store.claim("wh_1", CLAIMED)
        with pytest.raises(WebhookInProgressError):
            store.claim("wh_1", CLAIMED)
    else:
        with pytest.raises(WebhookInProgressError):
            store.claim("wh_1", CLAIMED)
    assert ending.count == (3 if is_taken else 2)
    client.close()
