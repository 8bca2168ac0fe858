"""Every kind of asyncio event loop, and every way that one ends; and gevent's greenlets."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import weakref
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from openai_realtime import InternalServerError, RealtimeSessionsClient
from openai_realtime.testing import MockResponse
from openai_realtime.transports import pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_realtime.testing import MockRealtimeServer


def new_uvloop() -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = pytest.importorskip("uvloop").new_event_loop()
    return loop


LOOPS = [asyncio.SelectorEventLoop, new_uvloop]


async def call(client: RealtimeSessionsClient, times: int = 3) -> None:
    for _ in range(times):
        await client.sessions.create()
    await asyncio.gather(*[client.sessions.create() for _ in range(4)])


def connections(server: MockRealtimeServer) -> int:
    return len({request.connection for request in server.requests})


@pytest.mark.parametrize("make_loop", LOOPS)
def test_many_runs_in_turn(
    make_loop: Callable[[], Any], realtime_server: MockRealtimeServer
) -> None:
    client = RealtimeSessionsClient()
    for _ in range(3):
        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(call(client))
    gc.collect()  # a ResourceWarning would be an error
    assert connections(realtime_server) <= 3 * 4


@pytest.mark.parametrize("make_loop", LOOPS)
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # that is what this loop leaves
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_that_ends_without_shutdown_is_not_kept(
    make_loop: Callable[[], Any], realtime_server: MockRealtimeServer
) -> None:
    """Closed without `shutdown_asyncgens`, and the client goes on: nothing of the loop is left."""
    client = RealtimeSessionsClient()
    loops: list[weakref.ref[Any]] = []
    for _ in range(3):
        loop = make_loop()
        loop.run_until_complete(call(client))
        loop.stop()
        loop.close()
        loops.append(weakref.ref(loop))
        del loop
    gc.collect()
    assert [found() for found in loops] == [None] * 3
    with asyncio.Runner() as runner:
        runner.run(call(client))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_eager_tasks(realtime_server: MockRealtimeServer) -> None:
    def make_loop() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]  # 3.12
        return loop

    async def body() -> None:
        async with RealtimeSessionsClient() as client:
            await call(client)

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(body())


def test_garbage_collection_between_calls_leaves_no_connection_open(
    realtime_server: MockRealtimeServer,
) -> None:
    """A pool without an idle connection is garbage; since Python 3.15 it is still found then."""
    realtime_server.respond_next(MockResponse(status=502))

    async def body() -> None:
        async with RealtimeSessionsClient(max_retries=0) as client:
            with pytest.raises(InternalServerError):
                await client.sessions.create()
            gc.collect()
            for _ in range(2):
                await client.sessions.create()

    asyncio.run(body())
    gc.collect()  # a ResourceWarning would be an error


def test_idle_connections_are_closed_when_their_time_is_over(
    realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "KEEP_ALIVE_SECONDS", 0.1)

    async def body() -> None:
        async with RealtimeSessionsClient() as client:
            await call(client)
            await asyncio.sleep(0.05)
            await client.sessions.create()
            await asyncio.sleep(0.08)
            await client.sessions.create()  # on the connection that idled least
            before = connections(realtime_server)
            await asyncio.sleep(0.3)
            await client.sessions.create()
            assert connections(realtime_server) == before + 1

    asyncio.run(body())


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent, sys
from openai_realtime import SyncRealtimeSessionsClient, Timeout
from openai_realtime.transports import pool
pool.MAX_CONNECTIONS = 4
client = SyncRealtimeSessionsClient(
    base_url=sys.argv[1].replace("127.0.0.1", "localhost"), api_key=sys.argv[2],
    timeout=Timeout(pool=5), allow_http=True,
)
ticks = 0
def tick():
    global ticks
    while True:
        gevent.sleep(0.01)
        ticks += 1
ticking = gevent.spawn(tick)
client.sessions.create()
# The mock responds to these late: others run meanwhile, and a killed greenlet gives its slot back.
late = [gevent.spawn(client.sessions.create) for _ in range(4)]
gevent.sleep(0.1)
gevent.killall(late)
before = ticks
done = [gevent.spawn(client.sessions.create) for _ in range(8)]
gevent.joinall(done, timeout=10, raise_error=True)
assert all(greenlet.value.client_secret.value for greenlet in done)
assert ticks > before
client.close()
print("ok")
"""


@pytest.mark.skipif(find_spec("gevent") is None, reason="gevent is not installed")
def test_greenlets_share_a_client_and_a_killed_one_loses_no_slot(
    realtime_server: MockRealtimeServer,
) -> None:
    good = {"client_secret": {"value": "ek_1"}}
    realtime_server.respond_next(
        MockResponse(json=good), *[MockResponse(json=good, delay=0.5) for _ in range(4)]
    )
    for _ in range(8):
        realtime_server.respond_next(MockResponse(json=good, delay=0.05))
    process = subprocess.run(
        [sys.executable, "-c", GREENLETS, realtime_server.base_url, realtime_server.api_key],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "ok\n", "")
