"""The registry in Redis, step by step, beside the one in memory: what each process may do, and learns."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mint.redis_process import RedisProcess
from openai_realtime.mint.app import registry_of
from openai_realtime.mint.broker.life import CallRecord
from openai_realtime.mint.broker.redis_registry import RedisRegistry
from openai_realtime.mint.broker.registry import (
    CallLimits,
    MemoryRegistry,
    Registry,
    RegistryUnavailableError,
)
from openai_realtime.mint.limiter import Limiter

pytestmark = pytest.mark.redis

PREFIX = "{openai_realtime:mint}:calls:"
MANY = "1000/minute"
numbers = itertools.count(1)


def settle(redis: RedisProcess) -> None:
    """Let Redis' data be old: nothing was lost lately."""
    redis.command("SET", f"{PREFIX}epoch", f"{(time.time() - 60) * 1e6:.0f}")


def let_pass(redis: RedisProcess, call: CallRecord, name: str, seconds: float) -> None:
    """Let a deadline or a heartbeat of a call be so many seconds ago, for Redis."""
    score = f"{(time.time() - seconds) * 1e6:.0f}"
    redis.command("ZADD", f"{PREFIX}{name}", score, call.id)


def registry(
    url: str, per_principal: int = 9, in_all: int | None = None, *, ends_oldest: bool = False
) -> Any:
    limits = CallLimits(per_principal, in_all, ends_oldest)
    return registry_of(Limiter(url, MANY, MANY).storage, limits)


def reservation(principal: str = "ann", left: float = 35) -> CallRecord:
    return CallRecord(f"call{next(numbers)}", principal, time.monotonic() + left)


def began(call: CallRecord, **options: Any) -> CallRecord:
    defaults = {"max_duration": 900.0, "provider_maximum": 3600.0, "heartbeat": None}
    call.begin(f"rtc_{call.id}", time.monotonic(), **{**defaults, **options})
    return call


async def recorded(where: Registry, principal: str = "ann", **options: Any) -> CallRecord:
    call = reservation(principal)
    assert not any(await where.reserve(call))
    assert await where.record(began(call, **options)) == "recorded"
    return call


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(40):
            await body()

    asyncio.run(bounded())


def ids(calls: list[CallRecord]) -> list[str]:
    return [call.id for call in calls]


@pytest.mark.parametrize("storage", ["memory", "redis"])
def test_the_steps_of_a_call(redis: RedisProcess, storage: str) -> None:
    settle(redis)

    async def body() -> None:
        where = registry("memory://" if storage == "memory" else redis.url, 2, 3)
        assert isinstance(where, MemoryRegistry if storage == "memory" else RedisRegistry)
        call = reservation()
        assert not any(await where.reserve(call))
        assert await where.principal_of(call.id) == "ann"
        assert await where.principal_of("other") is None
        assert ids(await where.running("ann")) == [call.id]
        assert await where.record(began(call)) == "recorded"
        # The id of another call is refused.
        other = reservation("bob")
        assert not any(await where.reserve(other))
        other.begin(str(call.provider_id), 0, max_duration=9, provider_maximum=9, heartbeat=None)
        assert await where.record(other) == "taken"
        other.provider_id = None
        other.expire(time.monotonic())
        assert await where.finish(other)
        assert ids(await where.running(None)) == [call.id]
        # Limits: of a principal, and of all.
        second, third = await recorded(where), reservation()
        waits = await where.reserve(third)
        assert (waits[:2], waits[3]) == ([0, 0] if storage == "redis" else (0, 0), 0)
        assert 1 <= waits[2] <= 30
        await recorded(where, "bob")
        waits = await where.reserve(reservation("cid"))
        assert waits[2] == 0
        assert 1 <= waits[3] <= 30
        # One is asked to end: it counts until it has ended, or the provider does not know it.
        assert ids(await where.take([call.id, "other"], "page")) == [call.id]
        assert (call.reason, call.phase) == ("page", "ending")
        assert ids(await where.running("ann")) == [second.id]
        assert any(await where.reserve(reservation()))
        call.has_slot = False
        call.next_attempt = time.monotonic() + 5
        await where.postpone(call)
        fourth = reservation()
        assert not any(await where.reserve(fourth))
        assert await where.finish(call)
        assert not await where.finish(call)
        fourth.expire(time.monotonic())
        assert await where.finish(fourth)
        # A reservation that has ended is not recorded.
        assert await where.record(began(fourth)) == "gone"
        await where.beat(second.id)
        await where.beat("other")

    run(body)


@pytest.mark.parametrize("storage", ["memory", "redis"])
def test_the_oldest_call_ends_for_a_new_one(redis: RedisProcess, storage: str) -> None:
    async def body() -> None:
        url = "memory://" if storage == "memory" else redis.url
        where = registry(url, 1, 1, ends_oldest=True)
        first = await recorded(where)
        second = reservation()
        assert not any(await where.reserve(second))
        assert (first.reason, first.phase) == ("replaced", "ending")
        assert where.table.next_due() <= time.monotonic()
        # The second one is replaced during its trade, and learns it afterwards.
        third = reservation()
        assert not any(await where.reserve(third))
        assert await where.record(began(second)) == "recorded"
        assert (second.reason, second.phase) == ("replaced", "ending")
        # For another principal there is no room.
        assert any(await where.reserve(reservation("bob")))
        assert ids(await where.running(None)) == [third.id]

    run(body)


def test_each_process_may_end_the_calls_of_another(redis: RedisProcess) -> None:
    settle(redis)

    async def body() -> None:
        one, other = registry(redis.url), registry(redis.url)
        call = await recorded(one)
        call.person = "Ann"
        assert await other.principal_of(call.id) == "ann"
        (taken,) = await other.take([call.id], "page")
        assert (taken.provider_id, taken.reason, taken.person) == (call.provider_id, "page", None)
        assert taken.began == pytest.approx(call.began, abs=9)
        assert taken.deadline == pytest.approx(call.deadline, abs=9)
        assert taken.lasts_until == pytest.approx(call.lasts_until, abs=9)
        assert await one.synchronize() == []
        assert len(one.table) == 0, "it is the other's call now"
        # Both try to hang up: the end is told once.
        assert await other.finish(taken)
        assert not await one.finish(call)
        assert not await other.finish(taken)
        assert redis.command("KEYS", f"{PREFIX}call:*") == []
        assert await other.synchronize() == []

    run(body)


def test_a_process_that_stops_leaves_its_calls_to_the_others(redis: RedisProcess) -> None:
    async def body() -> None:
        one, other = registry(redis.url), registry(redis.url)
        calls = [await recorded(one) for _ in range(3)]
        reserved = reservation("bob")
        await one.reserve(reserved)
        (ending,) = await one.take([calls[0].id], "server")
        await one.synchronize()
        await other.synchronize()
        assert len(other.table) == 0
        await one.leave()
        await other.synchronize()
        assert {call.id for call in other.table} == {call.id for call in calls}
        adopted = other.table.get(ending.id)
        assert (adopted.phase, adopted.reason) == ("ending", "server")
        # The process was only stopped for a while: it takes note, and its trade goes on.
        assert await one.record(began(reserved)) == "recorded"
        await one.synchronize()
        assert ids([*one.table]) == [reserved.id]
        await other.synchronize()
        assert reserved.id not in ids([*other.table])
        assert len(await one.running(None)) == 3

    run(body)


def test_calls_that_their_process_does_not_end_are_taken_over(redis: RedisProcess) -> None:
    async def body() -> None:
        one, other = registry(redis.url), registry(redis.url)
        over = await recorded(one)
        silent = await recorded(one, heartbeat=60)
        beating = await recorded(one, heartbeat=60)
        lost = reservation(left=-1)
        await one.reserve(lost)
        let_pass(redis, over, "deadlines", 0)
        let_pass(redis, lost, "deadlines", 0)
        await other.synchronize()
        assert len(other.table) == 0, "their process has some time for it"
        let_pass(redis, over, "deadlines", 2)
        let_pass(redis, lost, "deadlines", 2)
        let_pass(redis, silent, "heartbeats", 0)
        await other.synchronize()
        assert {call.id: call.reason for call in other.table} == {
            over.id: "max_duration",
            silent.id: "silent",
            lost.id: None,
        }
        # What no process can join any more is due at once.
        assert lost.id in ids(other.table.take_due(time.monotonic()))
        # A call that is being hung up is left to the process that does it, for a while.
        await one.synchronize()
        assert ids([*one.table]) == [beating.id]
        (call,) = [each for each in other.table if each.id == over.id]
        call.next_attempt = time.monotonic() + 20
        await other.postpone(call)
        await one.synchronize()
        assert ids([*one.table]) == [beating.id]
        # Only its own process postpones it.
        await one.postpone(call)
        assert (await one.take([beating.id], "server"))[0].reason == "server"

    run(body)


def test_the_own_call_of_a_process_may_be_silent(redis: RedisProcess) -> None:
    async def body() -> None:
        where = registry(redis.url)
        call = await recorded(where, heartbeat=60)
        assert call.due == call.deadline, "the heartbeats may go to other processes"
        let_pass(redis, call, "heartbeats", 1)
        await where.beat(call.id)
        await where.synchronize()
        assert call.reason is None
        let_pass(redis, call, "heartbeats", 1)
        await where.synchronize()
        assert ids(where.table.take_due(time.monotonic())) == [call.id]
        assert [each.reason for each in where.table] == ["silent"]

    run(body)


def test_no_page_is_silent_while_redis_is_away(redis: RedisProcess) -> None:
    async def body() -> None:
        one, other = registry(redis.url), registry(redis.url)
        call = await recorded(one, heartbeat=60)
        await one.synchronize()
        await other.synchronize()
        let_pass(redis, call, "heartbeats", 1)
        # As if nothing had been there for 6 s: neither process is dead, nor is the page silent.
        past = f"{(time.time() - 6) * 1e6:.0f}"
        redis.command("SET", f"{PREFIX}synchronized", past)
        for process in redis.command("ZRANGE", f"{PREFIX}processes", "0", "-1"):
            redis.command("ZADD", f"{PREFIX}processes", past, process.decode())
        await other.synchronize()
        assert len(other.table) == 0
        assert call.reason is None
        let_pass(redis, call, "heartbeats", 1)
        await other.synchronize()
        assert ids([*other.table]) == [call.id]

    run(body)


def test_without_redis_no_call_begins_and_those_that_run_still_end(redis: RedisProcess) -> None:
    settle(redis)

    async def body() -> None:
        one, other = registry(redis.url), registry(redis.url)
        call, second, third = [await recorded(one) for _ in range(3)]
        await one.synchronize()
        redis.kill()
        new = reservation()
        for step in [
            one.reserve(new),
            one.record(began(reservation())),
            one.beat(call.id),
            one.principal_of("other"),
            one.running(None),
            one.take([call.id, "other"], "page"),
            one.synchronize(),
        ]:
            with pytest.raises(RegistryUnavailableError):
                await step
        assert await one.principal_of(call.id) == "ann"
        assert ids(await one.take([call.id], "page")) == [call.id]
        assert call.phase == "ending"
        await one.postpone(call)
        await one.leave()
        # It has ended, and that is told when Redis is back.
        assert not await one.finish(call)
        assert await one.principal_of(second.id) == "ann"
        redis.start()
        assert ids(await one.synchronize()) == [call.id], "nothing is told of what never began"
        assert redis.command("EXISTS", f"{PREFIX}ended:{new.id}") == [b":1"]
        assert await one.synchronize() == []
        assert {each.id for each in await other.running("ann")} == {second.id, third.id}

    run(body)


def test_living_processes_store_their_calls_again_when_redis_has_lost_them(
    redis: RedisProcess,
) -> None:
    settle(redis)

    async def body() -> None:
        one, other = registry(redis.url, 3), registry(redis.url, 3)
        ended, running = await recorded(one), await recorded(one, heartbeat=60)
        ending = await recorded(one)
        reserved = reservation("bob")
        await one.reserve(reserved)
        late = reservation("cid")
        await one.reserve(late)
        ending.has_slot = False
        ending.ask_to_end("server", time.monotonic())
        # The other ends one of them, and its own process has not learnt it when Redis dies.
        (taken,) = await other.take([ended.id], "page")
        assert await other.finish(taken)
        await other.synchronize()
        redis.command("FLUSHALL")
        assert await one.record(began(late)) == "recorded"
        # Its own process ends it again: whether that was told is not certain yet.
        assert not await one.finish(ended)
        assert await one.synchronize() == []
        assert len(one.table) == 4
        await other.synchronize()
        settle(redis)
        assert await one.synchronize() == [], "it was told before"
        assert {call.id for call in one.table} == {running.id, ending.id, reserved.id, late.id}
        # All that was known is known again.
        calls = {call.id: call for call in await other.running(None)}
        assert set(calls) == {running.id, reserved.id, late.id}
        call = calls[running.id]
        assert (call.provider_id, call.heartbeat) == (running.provider_id, 60)
        assert call.deadline == pytest.approx(running.deadline, abs=9)
        assert math.isinf(call.silent_at)
        assert calls[reserved.id].provider_id is None
        # Its reservation is there again, too.
        assert await one.record(began(reserved)) == "recorded"

    run(body)


def test_an_end_that_no_other_process_knows_is_told_a_little_later(redis: RedisProcess) -> None:
    async def body() -> None:
        one, other = registry(redis.url), registry(redis.url)
        call = await recorded(one)
        await one.synchronize()
        redis.command("FLUSHALL")
        call.ask_to_end("page", time.monotonic())
        assert not await one.finish(call)
        await other.synchronize()
        assert await one.synchronize() == []
        settle(redis)
        assert ids(await one.synchronize()) == [call.id]
        assert await one.synchronize() == []
        assert await other.running(None) == []

    run(body)


def test_no_end_is_lost_when_redis_fails_between_two_steps(
    redis: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(redis)

    async def body() -> None:
        where = registry(redis.url)
        call = await recorded(where)
        call.ask_to_end("page", time.monotonic())
        where.table.remove(call.id)
        where._unfinished[call.id] = call
        run_command = RedisRegistry._run

        async def fail(self: RedisRegistry, command: str, *arguments: Any) -> dict[str, Any]:
            if command == "synchronize":
                raise RegistryUnavailableError
            return await run_command(self, command, *arguments)

        with monkeypatch.context() as patched:
            patched.setattr(RedisRegistry, "_run", fail)
            with pytest.raises(RegistryUnavailableError):
                await where.synchronize()
        assert ids(await where.synchronize()) == [call.id]
        assert await where.synchronize() == []

    run(body)


def test_ends_are_remembered_for_a_while(redis: RedisProcess) -> None:
    settle(redis)

    async def body() -> None:
        where = registry(redis.url)
        for age in (0, 59, 61):
            where._ended[f"old{age}"] = time.monotonic() - age
        await where.finish(await recorded(where))
        assert {"old0", "old59"} < where._ended.keys()
        assert "old61" not in where._ended

    run(body)
