"""One step in Redis: what it counts, by whose clock, and what becomes of it when something fails."""

from __future__ import annotations

import asyncio
import random
import signal
import time
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from mint.redis_process import RedisProcess
from mint.service import app_for, browser, request_secret, until
from openai_realtime import ConfigurationError
from openai_realtime.mint import limiter as limiter_module
from openai_realtime.mint.errors import TOO_BUSY, TOO_OFTEN
from openai_realtime.mint.limiter import Limiter, LimiterUnavailableError
from openai_realtime.testing import MockRealtimeServer

NO_SERVER = "redis://:hunter2@127.0.0.1:1/0"
ANN = "{openai_realtime:mint}:principal:ann"
ALL_PRINCIPALS = "{openai_realtime:mint}:everybody"


def run(
    body: Callable[[Limiter], Awaitable[None]],
    url: str,
    limits: str = "2/minute",
    global_limits: str = "600/minute",
) -> None:
    """Run `body` with a limiter, within 20 seconds, and close it."""

    async def bounded() -> None:
        limiter = Limiter(url, limits, global_limits)
        async with asyncio.timeout(20):
            await body(limiter)
            await limiter.aclose()

    asyncio.run(bounded())


async def refusals(limiter: Limiter, *principals: str) -> list[str | None]:
    results = [await limiter.hit(principal) for principal in principals]
    return [None if exceeded is None else exceeded.code.name for exceeded in results]


# --- What is counted --------------------------------------------------------------------------


@pytest.mark.redis
def test_a_refused_mint_is_not_counted(redis: RedisProcess) -> None:
    async def body(limiter: Limiter) -> None:
        codes = await refusals(limiter, "ann", "ann", "ann", "bob", "bob", "cid", "dan", "ann")
        own, busy = "too_many_requests", "busy"
        assert codes == [None, None, own, None, None, None, busy, busy]
        # Refused by the limit for all: nothing is counted for dan, for ann, or for all.
        assert redis.command("EXISTS", "{openai_realtime:mint}:principal:dan") == [b":0"]
        assert redis.command("LLEN", ANN) == [b":2"]
        assert redis.command("LLEN", ALL_PRINCIPALS) == [b":5"]

    run(body, redis.url, global_limits="5/hour")


@pytest.mark.redis
def test_mints_that_lose_the_race_for_the_last_one_are_not_counted(redis: RedisProcess) -> None:
    async def body(limiter: Limiter) -> None:
        users = [f"user{number}" for number in range(60)]
        results = await asyncio.gather(*map(limiter.hit, users))
        minted = [user for user, exceeded in zip(users, results, strict=True) if exceeded is None]
        assert len(minted) == 7
        keys = {key.rpartition(b":")[2].decode() for key in redis.command("KEYS", "*principal*")}
        assert keys == set(minted)

    run(body, redis.url, global_limits="7/minute")


def put_events(redis: RedisProcess, key: str, *ages: float) -> None:
    """Have events of these ages in seconds, the youngest first."""
    redis.command("DEL", key)
    redis.command("RPUSH", key, *(f"{(time.time() - age) * 1e6:.0f}" for age in ages))


@pytest.mark.redis
def test_windows_move_and_keys_expire(redis: RedisProcess) -> None:
    async def body(limiter: Limiter) -> None:
        put_events(redis, ANN, 10, 20)
        refused = await limiter.hit("ann")
        assert refused is not None
        assert 15 < refused.retry_after <= 40
        put_events(redis, ANN, 10, 61, 62)
        assert await refusals(limiter, "ann", "ann") == [None, "too_many_requests"]
        # What no window needs any more is not kept, nor is a principal who stays away.
        assert redis.command("LLEN", ANN) == [b":2"]
        (lifetime,) = redis.command("PTTL", ANN)
        assert 0 < int(lifetime[1:]) <= 60_000

    run(body, redis.url)


@pytest.mark.redis
def test_a_clock_that_is_set_back_blocks_no_principal_for_longer_than_a_window(
    redis: RedisProcess,
) -> None:
    """Redis' clock cannot be set here, so the events are: an hour ahead, as before a step back."""

    async def body(limiter: Limiter) -> None:
        put_events(redis, ANN, -3600, -3600)
        put_events(redis, ALL_PRINCIPALS, -3600, -3600, -3600)
        refused = await limiter.hit("ann")
        assert refused is not None
        # Nothing is forgiven, and nothing is held against ann for longer than a window.
        assert 59 < refused.retry_after <= 60
        assert await refusals(limiter, "bob", "ann") == [None, "too_many_requests"]
        assert redis.command("LLEN", ALL_PRINCIPALS) == [b":4"]
        (lifetime,) = redis.command("TTL", ANN)
        assert 0 < int(lifetime[1:]) <= 60

    run(body, redis.url)


class Clock:
    """Time as it passes, and what a test lets pass at once."""

    passed = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.passed


@pytest.mark.redis
def test_redis_decides_as_memory_does(redis: RedisProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(5)
    clock = Clock()
    monkeypatch.setattr(limiter_module, "time", clock)
    limits, global_limits = "2/10 seconds; 4/minute", "6/minute; 3/10 seconds"
    memory = Limiter("memory://", limits, global_limits)

    def pass_time(seconds: int) -> None:
        """Redis' clock cannot be set: its events get older."""
        clock.passed += seconds
        for key in redis.command("KEYS", "*"):
            events = redis.command("LRANGE", key.decode(), "0", "-1")
            older = [str(int(event) - seconds * 1_000_000) for event in events]
            redis.command("DEL", key.decode())
            redis.command("RPUSH", key.decode(), *older)

    async def body(limiter: Limiter) -> None:
        reasons = set()
        for _ in range(80):
            # Sevens stay three seconds away from the ends of all windows.
            pass_time(chance.choice([0, 0, 7, 14]))
            principal = chance.choice(["ann", "bob"])
            expected, exceeded = await memory.hit(principal), await limiter.hit(principal)
            if expected is None or exceeded is None:
                assert exceeded is expected
                continue
            reasons.add(expected.code)
            assert exceeded.code == expected.code
            assert exceeded.retry_after == pytest.approx(expected.retry_after, abs=2)
        assert reasons == {TOO_OFTEN, TOO_BUSY}

    run(body, redis.url, limits, global_limits)


# --- What fails -------------------------------------------------------------------------------


@pytest.mark.redis
@pytest.mark.parametrize(
    ("setting", "cause"),
    [
        (("requirepass", "hunter2"), "AuthenticationError"),
        (
            ("min-replicas-to-write", "1"),
            "ResponseError",
        ),  # it responds to PING, but refuses writes
        (("maxmemory", "1"), "OutOfMemoryError"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_a_redis_that_cannot_count_is_unusable(
    redis: RedisProcess, setting: tuple[str, str], cause: str, provider: MockRealtimeServer
) -> None:
    redis.command("CONFIG", "SET", *setting)
    with browser(app_for(provider, storage=redis.url)) as page:
        ready = page.get("/readyz")
        assert (ready.status_code, ready.json()["limiter"]) == (503, "unusable")
        assert request_secret(page).status_code == 503
    assert provider.requests == []

    async def body(limiter: Limiter) -> None:
        with pytest.raises(LimiterUnavailableError, match=cause):
            await limiter.hit("ann")

    run(body, redis.url)


@pytest.mark.redis
def test_a_redis_that_counts_is_usable(redis: RedisProcess, provider: MockRealtimeServer) -> None:
    with browser(app_for(provider, storage=redis.url)) as page:
        assert page.get("/readyz").json()["limiter"] == "usable"
        assert request_secret(page).status_code == 200
    assert redis.command("LLEN", ALL_PRINCIPALS) == [b":1"], "readiness is counted by itself"


def test_without_its_redis_every_mint_is_refused(
    provider: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    with browser(app_for(provider, storage=NO_SERVER)) as page:
        response = request_secret(page)
        assert (response.status_code, response.json()["error"]) == (503, "limiter_unavailable")
        assert response.headers["retry-after"] == "1"
        ready = page.get("/readyz")
        assert (ready.status_code, ready.json()["limiter"]) == (503, "unusable")
    assert provider.requests == []
    assert "The limiter is unusable: ConnectionError" in caplog.text
    assert f"(request id {response.json()['request_id']}): ConnectionError" in caplog.text
    assert "hunter2" not in response.text + caplog.text


@pytest.mark.redis
def test_a_redis_that_does_not_respond_is_an_error_in_time(redis: RedisProcess) -> None:
    async def body(limiter: Limiter) -> None:
        assert await refusals(limiter, "ann") == [None]
        redis.signal(signal.SIGSTOP)
        began = time.monotonic()
        many = [limiter.hit(f"user{number}") for number in range(100)]
        failed = await asyncio.gather(*many, limiter.check(), return_exceptions=True)
        assert {type(error) for error in failed} == {LimiterUnavailableError}
        assert time.monotonic() - began < 10, "2 seconds, and a busy machine's"
        redis.signal(signal.SIGCONT)
        assert await refusals(limiter, "ann", "ann") == [None, "too_many_requests"]

    run(body, redis.url)


@pytest.mark.redis
def test_a_cancelled_hit_leaves_no_response_for_others(redis: RedisProcess) -> None:
    chance = random.Random(13)

    async def one(limiter: Limiter, number: int) -> None:
        hit = asyncio.ensure_future(limiter.hit(f"user{number % 10}"))
        await asyncio.sleep(chance.random() * 0.003)
        hit.cancel()
        await asyncio.wait([hit])

    async def body(limiter: Limiter) -> None:
        redis.command(
            "CONFIG", "SET", "appendfsync", "no"
        )  # a slow disk is no subject of this test
        await asyncio.gather(*(one(limiter, number) for number in range(500)))
        # Each result is that of the principal's own events.
        fresh = [f"fresh{number}" for number in range(100)]
        results = [
            each for _ in range(3) for each in await asyncio.gather(*map(limiter.hit, fresh))
        ]
        codes = [exceeded and exceeded.code.name for exceeded in results]
        assert codes.count(None) == 200
        assert all(codes[number::100].count(None) == 2 for number in range(100))

    run(body, redis.url, global_limits="100000/minute")


# --- Event loops ------------------------------------------------------------------------------


@pytest.mark.redis
def test_each_event_loop_has_its_own_connections_and_none_stays_open(
    redis: RedisProcess,
) -> None:
    limiter = Limiter(redis.url, "2/minute", "600/minute")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as redis-py's, of a connection left open
        codes = [asyncio.run(refusals(limiter, "ann")) for _ in range(3)]
    assert codes == [[None], [None], ["too_many_requests"]]
    until(lambda: connections(redis) == 1)  # the one of this question

    async def body(limiter: Limiter) -> None:
        await asyncio.gather(*(limiter.hit("ann") for _ in range(50)))
        assert 1 < connections(redis) <= 9
        await limiter.aclose()
        await limiter.aclose()
        until(lambda: connections(redis) == 1)
        assert await refusals(limiter, "ann") == ["too_many_requests"], "opened again"

    run(body, redis.url)
    until(lambda: connections(redis) == 1)


def connections(redis: RedisProcess) -> int:
    """Return how many connections Redis has, that of this question included."""
    return sum(line.startswith(b"id=") for line in redis.command("CLIENT", "LIST"))


def test_redis_on_trio_is_refused_at_start(provider: MockRealtimeServer) -> None:
    app = app_for(provider, storage=NO_SERVER)
    with (
        pytest.raises(
            ConfigurationError, match="Redis works with asyncio only: on trio use memory://"
        ),
        browser(app, backend="trio"),
    ):
        pass

    async def body() -> None:
        limiter = Limiter(NO_SERVER, "2/minute", "2/minute")
        with pytest.raises(LimiterUnavailableError, match="on trio use memory://"):
            await limiter.hit("ann")
        with pytest.raises(LimiterUnavailableError, match="on trio use memory://"):
            await limiter.check()
        await limiter.aclose()

    trio.run(body)


# --- URLs -------------------------------------------------------------------------------------


@pytest.mark.redis
def test_a_unix_socket(redis: RedisProcess, tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    redis.kill()
    redis.start(unixsocket=str(path))

    async def body(limiter: Limiter) -> None:
        assert await refusals(limiter, "ann", "ann", "ann") == [None, None, "too_many_requests"]

    run(body, f"redis+unix://{path}")
