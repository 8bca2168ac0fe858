"""Both secret pools against the loopback server: in tasks on asyncio and trio, and in threads.

`test_inventory.py` has how many secrets are held, and when.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.utils import formatdate
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from backends import Backend

from openai_realtime import (
    APIResponseValidationError,
    APITimeoutError,
    AuthenticationError,
    ClientClosedError,
    InternalServerError,
    ParameterError,
    RealtimeSessionsClient,
    RetryPolicy,
    SyncRealtimeSessionsClient,
)
from openai_realtime.core.events import Event, PoolLevel
from openai_realtime.secret_pool import SecretPool, base, sync_pool
from openai_realtime.testing import MockRealtimeServer, MockResponse, RecordedRequest
from secret_pools.late_secret import respond_late

QUICK = RetryPolicy(max_retries=0, base_delay=0.02, max_delay=0.05)
DOWN = MockResponse(500, json={"error": {"message": "down"}})


def options(server: MockRealtimeServer, **more: Any) -> dict[str, Any]:
    return {"base_url": server.base_url, "api_key": server.api_key, "retry": QUICK, **more}


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for a condition; a pool tells no test when it changes."""
    with anyio.fail_after(30):
        while not is_so():
            await anyio.sleep(0.002)


def test_each_secret_is_given_once_and_the_level_is_kept(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    levels: list[Event] = []

    async def body() -> None:
        client = backend.client(**options(realtime_server, on_event=levels.append))
        async with client, client.secret_pool(size=5, voice="verse", name="verse") as pool:
            await until(lambda: pool.stats().ready == 5)
            assert (pool.stats().hits, pool.stats().minted) == (0, 5)
            sessions = [await pool.acquire() for _ in range(30)]
            await until(lambda: pool.stats().ready == 5)
            stats = pool.stats()
        assert len({session.client_secret.value for session in sessions}) == 30
        assert {session.voice for session in sessions} == {"verse"}
        assert all(590 < (session.client_secret.seconds_left or 0) <= 600 for session in sessions)
        assert stats.hits + stats.misses == 30
        assert stats.hits >= 5
        assert (stats.wanted, stats.minted) == (5, 35)
        assert (stats.waiting, stats.minting, stats.failures) == (0, 0, 0)

    backend.run(body)
    shown = [event for event in levels if isinstance(event, PoolLevel)]
    assert {event.pool for event in shown} == {"verse"}
    assert 5 in {event.wanted for event in shown}
    assert (shown[-1].ready, shown[-1].wanted) == (0, 0), "closed"
    assert shown[-1].hits + shown[-1].misses == 30, "the last level is emitted at the end"
    assert shown == sorted(shown, key=lambda event: event.hits + event.misses)


class BehindServer(MockRealtimeServer):
    """A server behind a gateway whose clock is an hour behind, and writes the Date."""

    def respond(self, request: RecordedRequest) -> MockResponse:
        date = formatdate(time.time() - 3600, usegmt=True)
        return replace(super().respond(request), headers={"Date": date})


def test_a_gateways_clock_makes_no_secret_live_longer(backend: Backend) -> None:
    async def body(server: MockRealtimeServer) -> None:
        lifetime: Any = {"client_secret": {"expires_after": {"seconds": 10}}}
        client = backend.client(**options(server))
        async with client, client.secret_pool(size=1, min_ttl=1, **lifetime) as pool:
            session = await pool.acquire()
            assert 5 < (session.client_secret.seconds_left or 0) <= 10
            with pytest.raises(APIResponseValidationError, match="live for 9 s only"):
                await pool.acquire(min_ttl=9.5)

    with BehindServer() as server:
        backend.run(lambda: body(server))


def test_each_caller_gets_an_error_of_its_own(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    errors: list[InternalServerError] = []

    async def body() -> None:
        realtime_server.respond_next(*[DOWN] * 5000)
        client = backend.client(**options(realtime_server))
        async with client, client.secret_pool(size=1, name="verse") as pool:
            await until(lambda: pool.stats().failures > 0)
            for _ in range(2):
                with pytest.raises(InternalServerError) as raised:
                    await pool.acquire(timeout=0.01)
                errors.append(raised.value)

    backend.run(body)
    assert errors[0] is not errors[1]
    hint = "The pool 'verse' is empty, because minting fails with this error"
    assert [error.hint for error in errors] == [hint, hint]


def test_failures_are_told_and_outlived(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        realtime_server.respond_next(*[DOWN] * 40)
        client = backend.client(**options(realtime_server))
        async with client, client.secret_pool(size=2, concurrency=1) as pool:
            await until(lambda: pool.stats().failures > 0)
            with pytest.raises(
                InternalServerError, match="is empty, because minting fails"
            ) as raised:
                await pool.acquire(timeout=0.1)
            assert raised.value.request_id is None
            assert isinstance(pool.stats().last_error, InternalServerError)
            assert 0 < pool.stats().failures <= 40
            assert 0 <= len(realtime_server.requests) - pool.stats().failures <= 1
            assert (await pool.acquire()).client_secret.value
            await until(lambda: pool.stats().ready == 2)
            assert pool.stats().backing_off == 0

    backend.run(body)


def test_a_wrong_key_is_told_at_once(backend: Backend, realtime_server: MockRealtimeServer) -> None:
    async def body() -> None:
        client = backend.client(**options(realtime_server, api_key="sk-wrong", retry=RetryPolicy()))
        async with client, client.secret_pool() as pool:
            for _ in range(3):
                with pytest.raises(AuthenticationError, match="Check the API key|is empty"):
                    await pool.acquire()
        assert len(realtime_server.requests) <= 9

    backend.run(body)


def test_a_fault_in_a_credential_callable_is_told_as_it_is(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    raised: list[LookupError] = []

    def no_key() -> str:
        raised.append(LookupError("vault"))
        raise raised[-1]

    async def body() -> None:
        client = backend.client(**options(realtime_server, api_key=no_key))
        async with client, client.secret_pool() as pool:
            with pytest.raises(LookupError, match="vault") as caught:
                await pool.acquire()
            # The user's own error itself: a copy of it may lack what its class does not pass on.
            assert any(caught.value is error for error in raised)

    backend.run(body)


def test_an_acquire_waits_no_longer_than_it_may(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        realtime_server.respond_next(*[MockResponse(delay=2)] * 8)
        client = backend.client(**options(realtime_server, timeout=20))
        async with client, client.secret_pool() as pool:
            with pytest.raises(APITimeoutError, match="no secret within 0.05 s") as raised:
                await pool.acquire(timeout=0.05)
            assert raised.value.phase == "pool"
            assert pool.stats().waiting == 0

    backend.run(body)


def test_secrets_that_live_too_short_are_told(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        secret = {"value": "ek_short", "expires_at": int(time.time()) + 20}
        realtime_server.respond_next(*[MockResponse(json={"client_secret": secret})] * 8)
        client = backend.client(**options(realtime_server))
        async with client, client.secret_pool() as pool:
            with pytest.raises(APIResponseValidationError, match="live for .* too short") as raised:
                await pool.acquire()
            assert "Lower min_ttl=" in str(raised.value)

    backend.run(body)


def test_an_unknown_expiry_is_taken_for_a_minute(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        secret = {"value": "ek_without_expiry", "expires_at": 0}
        realtime_server.respond_next(MockResponse(json={"client_secret": secret}))
        client = backend.client(**options(realtime_server))
        async with client, client.secret_pool(size=1) as pool:
            await until(lambda: pool.stats().ready == 1)
            other = await pool.acquire(min_ttl=100)
            assert other.client_secret.value != "ek_without_expiry"
            assert (await pool.acquire()).client_secret.value == "ek_without_expiry"

    backend.run(body)


def test_closing_wakes_who_waits_and_refuses_who_comes(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        realtime_server.respond_next(*[MockResponse(delay=2)] * 8)
        shown: list[str] = []
        client = backend.client(**options(realtime_server))

        async def wait() -> None:
            with pytest.raises(ClientClosedError) as raised:
                await pool.acquire()
            shown.append(str(raised.value))

        pool = client.secret_pool(name="gone")
        block = "`with` block" if backend.is_sync else "`async with` block"
        with pytest.raises(
            ClientClosedError, match=f"'gone' is not open: use it inside its {block}"
        ):
            await pool.acquire()
        async with client, anyio.create_task_group() as tasks:
            async with pool:
                for _ in range(3):
                    tasks.start_soon(wait)
                await until(lambda: pool.stats().waiting == 3)
            with pytest.raises(ClientClosedError, match="'gone' is closed"):
                await pool.acquire()
            with pytest.raises(RuntimeError, match="can be opened only once: make another one"):
                await pool.__aenter__()
            assert pool.stats().ready == 0
        assert shown == ["The pool 'gone' is closed"] * 3

    backend.run(body)


def test_a_client_closed_under_its_pool_closes_the_pool(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        client = backend.client(**options(realtime_server))
        async with client.secret_pool(size=1, name="gone") as pool:
            await until(lambda: pool.stats().ready == 1)
            await client.aclose()
            await pool.acquire()
            with pytest.raises(ClientClosedError):
                await pool.acquire()
            with pytest.raises(ClientClosedError, match="client of the pool 'gone' is closed"):
                await pool.acquire()

    backend.run(body)


# --- What a pool is made with -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "param", "shown"),
    [
        ({"size": 0}, "size", "from 1 to 1000"),
        ({"size": True}, "size", "whole number"),
        ({"size": 4, "min_size": 5}, "min_size", "from 0 to 4"),
        ({"concurrency": 101}, "concurrency", "from 1 to 100"),
        ({"min_ttl": -1}, "min_ttl", "from 0 to 7000"),
        ({"min_ttl": float("nan")}, "min_ttl", "from 0 to 7000"),
        ({"min_ttl": "30"}, "min_ttl", "from 0 to 7000"),
        ({"name": ""}, "name", "printable"),
        ({"voise": "verse"}, "voise", "did you mean voice"),
        ({"speed": 9}, "speed", "0.25 to 1.5"),
        (
            {"client_secret": {"expires_after": {"seconds": 30}}},
            "min_ttl",
            "must be less than 30 s",
        ),
        ({"safety_identifier": "u1"}, "safety_identifier", "cannot hold the secrets of one person"),
        (
            {"extra_headers": {"OPENAI-safety-Identifier": "u"}},
            "extra_headers",
            "cannot hold the secrets of one person",
        ),
        (
            {"extra_body": {"safety_identifier": "u"}},
            "extra_body",
            "cannot hold the secrets of one person",
        ),
    ],
)
def test_what_cannot_be_pooled_is_refused(params: Any, param: str, shown: str) -> None:
    with (
        SyncRealtimeSessionsClient(api_key="sk-x") as client,
        pytest.raises(ParameterError, match=shown) as raised,
    ):
        client.secret_pool(**params)
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("params", "lifetime"),
    [
        ({}, 600),
        ({"min_ttl": 400}, 800),
        ({"min_ttl": 7000}, 7200),
        ({"client_secret": {}}, 600),
        ({"client_secret": {"expires_after": {"seconds": 90}}}, 90),
    ],
)
def test_the_lifetime_asked_for(
    realtime_server: MockRealtimeServer, params: Any, lifetime: int
) -> None:
    with SyncRealtimeSessionsClient(**options(realtime_server)) as client:
        with client.secret_pool(size=1, name="verse", **params) as pool:
            session = pool.acquire()
            with pytest.raises(ParameterError, match=f"below {lifetime}"):
                pool.acquire(min_ttl=lifetime)
            with pytest.raises(ParameterError, match="min_ttl must be from 0"):
                pool.acquire(min_ttl=-0.1)
            assert pool.acquire(min_ttl=0).client_secret.value
            with pytest.raises(ParameterError, match="timeout must be"):
                pool.acquire(timeout=-1)
            assert repr(pool).startswith("SyncSecretPool('verse', ready=")
        left = session.client_secret.seconds_left
        assert left is not None
        assert lifetime - 5 < left <= lifetime


# --- Cancellation, exceptions, many at once ---------------------------------------------------


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelled_callers_take_no_secret_away(
    backend: str, realtime_server: MockRealtimeServer
) -> None:
    got: list[str] = []

    async def one(pool: SecretPool, patience: float) -> None:
        with anyio.move_on_after(patience):
            got.append((await pool.acquire()).client_secret.value)

    async def body() -> None:
        client = RealtimeSessionsClient(**options(realtime_server))
        async with client, client.secret_pool(size=4) as pool:
            async with anyio.create_task_group() as tasks:
                for number in range(300):
                    tasks.start_soon(one, pool, number % 30 / 1000)
            await until(lambda: pool.stats().minting == 0 and pool.stats().ready == 4)
            stats = pool.stats()
            assert stats.waiting == 0
            # Every one that was minted is with somebody, in the pool, or had no room there.
            assert stats.minted == len(got) + stats.ready + stats.unused
            assert len(set(got)) == len(got)

    anyio.run(body, backend=backend)


@pytest.mark.parametrize("first", ["cancelled", "served"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_served_and_cancelled_in_the_same_moment(
    backend: str, first: str, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        respond_late(realtime_server)
        client = RealtimeSessionsClient(**options(realtime_server))
        pool = client.secret_pool(size=1, min_size=0, concurrency=1)
        scope, ended, got = anyio.CancelScope(), anyio.Event(), list[str]()

        async def caller() -> None:
            with scope:
                got.append((await pool.acquire()).client_secret.value)
            ended.set()

        async with client, pool, anyio.create_task_group() as tasks:
            tasks.start_soon(caller)
            await until(lambda: pool.stats().waiting == 1)
            (waiter,) = pool._inventory._waiters
            wake = waiter.wake
            # Called in the very step in which the inventory serves the waiter.
            both = (scope.cancel, wake) if first == "cancelled" else (wake, scope.cancel)
            waiter.wake = lambda: [each() for each in both]
            await ended.wait()
            if first == "cancelled":
                assert got == []
                again = await pool.acquire(timeout=0)
                assert again.client_secret.value == "ek_late", "it went back"
            assert got == ([] if first == "cancelled" else ["ek_late"])
            stats = pool.stats()
            assert (stats.waiting, stats.hits, stats.misses) == (0, 2 - len(got) - 1, 1)

    anyio.run(body, backend=backend)


def test_an_interrupted_thread_takes_no_secret_away(
    realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            super().wait(timeout)
            raise KeyboardInterrupt

    respond_late(realtime_server)
    with (
        SyncRealtimeSessionsClient(**options(realtime_server)) as client,
        client.secret_pool(size=1, min_size=0, concurrency=1) as pool,
    ):
        with monkeypatch.context() as patch:
            patch.setattr(sync_pool, "threading", SimpleNamespace(Event=Interrupted))
            with pytest.raises(KeyboardInterrupt):
                pool.acquire()
        assert pool.acquire(timeout=0).client_secret.value == "ek_late", "it went back"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_hit_switches_no_task_and_a_cancelled_caller_gets_none(
    backend: str, realtime_server: MockRealtimeServer
) -> None:
    others: list[int] = []

    async def other() -> None:
        others.append(1)

    async def body() -> None:
        client = RealtimeSessionsClient(**options(realtime_server))
        async with client, client.secret_pool(size=2) as pool:
            await until(lambda: pool.stats().ready == 2)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(other)
                await pool.acquire()
                assert others == []
            with anyio.CancelScope() as scope:
                scope.cancel()
                await pool.acquire()
            assert scope.cancelled_caught
            assert pool.stats().hits == 1

    anyio.run(body, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_exception_or_a_cancellation_leaves_the_block_as_it_is(
    backend: str, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        client = RealtimeSessionsClient(**options(realtime_server))
        async with client:
            with pytest.raises(LookupError, match="mine"):
                async with client.secret_pool():
                    raise LookupError("mine")
            with anyio.CancelScope() as scope:
                async with client.secret_pool():
                    scope.cancel()
                    await anyio.sleep_forever()
            assert scope.cancelled_caught

    anyio.run(body, backend=backend)


@pytest.mark.usefixtures("unmeasured")
def test_five_hundred_acquires_a_second(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    got: list[str] = []

    async def body() -> None:
        client = backend.client(**options(realtime_server))
        async with client, client.secret_pool(size=400, min_size=400) as pool:
            await until(lambda: pool.stats().ready == 400)
            began = time.perf_counter()
            for number in range(500):
                await anyio.sleep(max(0, began + number / 500 - time.perf_counter()))
                got.append((await pool.acquire()).client_secret.value)
            stats = pool.stats()
            assert stats.hits >= 400
            assert stats.hits + stats.misses == 500
            await until(lambda: pool.stats().ready == 400)
            assert pool.stats().minted == 900

    backend.run(body)
    assert len(set(got)) == 500


def test_threads_share_a_pool(realtime_server: MockRealtimeServer) -> None:
    with SyncRealtimeSessionsClient(**options(realtime_server)) as client:
        with client.secret_pool(size=10) as pool, ThreadPoolExecutor(16) as threads:
            sessions = list(threads.map(lambda _: pool.acquire(), range(400)))
        assert len({session.client_secret.value for session in sessions}) == 400
        assert pool.stats().minted >= 400
    with client.secret_pool() as never_used:
        pass
    never_used.close()
    client.secret_pool().close()


ENDING = """
import sys
from openai_realtime import SyncRealtimeSessionsClient
base_url, api_key, closes = sys.argv[1:]
client = SyncRealtimeSessionsClient(base_url=base_url, api_key=api_key)
pool = client.secret_pool(size=4).__enter__()
while pool.stats().minting < 4:
    pass
if closes == "True":
    pool.close()
    client.close()
"""


@pytest.mark.parametrize("closes", [True, False])
def test_a_process_ends_without_its_mints_and_without_a_word(
    closes: bool, realtime_server: MockRealtimeServer
) -> None:
    realtime_server.respond_next(*[MockResponse(delay=20)] * 8)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ENDING, realtime_server.base_url,
         realtime_server.api_key, str(closes)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - began < 15


def test_pools_without_a_name_have_one_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_numbers", count(1))  # as in a new process
    with SyncRealtimeSessionsClient(api_key="sk-x") as client:
        names = [client.secret_pool().name for _ in range(3)]
        assert names == ["sessions", "sessions-2", "sessions-3"]
        assert client.secret_pool(name="verse").name == "verse"


def test_no_thread_of_a_pool_keeps_the_process_from_ending(
    realtime_server: MockRealtimeServer,
) -> None:
    with (
        SyncRealtimeSessionsClient(**options(realtime_server)) as client,
        client.secret_pool(concurrency=2, name="verse"),
    ):
        mine = [each for each in threading.enumerate() if each.name == "secret pool verse"]
        assert [each.daemon for each in mine] == [True] * len(mine)
        assert len(mine) >= 2


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_another_event_loop_is_told_at_once(
    backend: str, realtime_server: MockRealtimeServer
) -> None:
    """The tasks that mint are the first one's: nothing could wake who waits in another."""

    async def ask_from_another(pool: SecretPool) -> None:
        with anyio.fail_after(30), pytest.raises(ClientClosedError, match="another event loop"):
            await pool.acquire()

    async def body() -> None:
        client = RealtimeSessionsClient()
        async with client, client.secret_pool(size=1) as pool:
            await pool.acquire()
            for other in ("asyncio", "trio"):
                run = partial(anyio.run, ask_from_another, pool, backend=other)
                with ThreadPoolExecutor(1) as thread:
                    thread.submit(run).result()
            await pool.acquire()

    anyio.run(body, backend=backend)
