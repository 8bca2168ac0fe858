"""R9: a response reaches only its own call, when threads, tasks, processes or loops share a client.

The matrix and `test_connections.py` test late responses and responses without a request.
"""

from __future__ import annotations

import gc
import json
import os
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from backends import Backend

from faults.bad_responses import API_KEY
from faults.calling import (
    QUICK,
    assert_no_new_descriptors,
    assert_own,
    client_of,
    mint,
    new_nonce,
    open_descriptors,
)
from faults.fault import FAULTS, Fault
from faults.forking import CALLS, CHILDREN
from openai_realtime import APIConnectionError, RealtimeSessionsClient, SyncRealtimeSessionsClient

if TYPE_CHECKING:
    from faults.fault_server_dialogue import Dialogue
    from faults.server import FaultServer

CALLERS = 32
CALLS_EACH = 12


def unreliable() -> Fault:
    """Return a fault that responds normally, but sometimes is slow or closes the connection."""
    chances = random.Random(9)

    def respond_or_fail(dialogue: Dialogue) -> None:
        dialogue.pause(chances.uniform(0, 0.02))
        if chances.random() < 0.1:
            FAULTS["fin_mid_headers"].run(dialogue)
        dialogue.respond_normally()

    return Fault("unreliable", "request", respond_or_fail)


def time_limit(number: int) -> float:
    """Return a call's time limit. Every fourth call ends before the slow responses."""
    return 0.01 if number % 4 == 0 else 5.0


@pytest.mark.parametrize("scheme", ["plain", "secure"])
def test_r9_threads_share_a_client(scheme: str, request: pytest.FixtureRequest) -> None:
    server: FaultServer = request.getfixturevalue(scheme)
    server.inject(unreliable())

    def call(client: SyncRealtimeSessionsClient, number: int) -> bool:
        nonce = new_nonce()
        limit = time_limit(number)
        try:
            session = client.sessions.create(timeout=limit, extra_headers={"X-Nonce": nonce})
        except APIConnectionError:
            return False
        assert_own(server, session, nonce)
        return True

    base_url = server.base_url
    with (
        SyncRealtimeSessionsClient(base_url=base_url, api_key=API_KEY, retry=QUICK) as client,
        ThreadPoolExecutor(CALLERS) as pool,
    ):
        good = list(pool.map(lambda number: call(client, number), range(CALLERS * CALLS_EACH)))
    assert sum(good) > len(good) / 2
    assert len(server.secrets) >= sum(good)


@pytest.mark.parametrize("scheme", ["plain", "secure"])
@pytest.mark.parametrize("backend_name", ["asyncio", "trio"])
def test_r9_tasks_share_a_client(
    backend_name: str, scheme: str, request: pytest.FixtureRequest
) -> None:
    server: FaultServer = request.getfixturevalue(scheme)
    server.inject(unreliable())
    good = 0

    async def call_often(client: RealtimeSessionsClient, start: int) -> None:
        nonlocal good
        for number in range(start, start + CALLS_EACH):
            try:
                await mint(client, server, timeout=time_limit(number))
            except APIConnectionError:
                continue
            good += 1

    async def body() -> None:
        async with (
            client_of(Backend(backend_name), server) as client,
            anyio.create_task_group() as group,
        ):
            for number in range(CALLERS):
                group.start_soon(call_often, client, number)

    anyio.run(body, backend=backend_name)
    assert good > CALLERS * CALLS_EACH / 2


FORKS = [
    ("sync", "unused", "plain"),
    ("asyncio", "unused", "plain"),
    ("sync", "used", "plain"),
    ("sync", "used", "secure"),
    ("asyncio", "used", "secure"),
    ("asyncio", "running", "plain"),
    ("asyncio", "running", "secure"),
    ("asyncio", "inherited", "secure"),
    ("trio", "used", "plain"),
]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize(("backend", "moment", "scheme"), FORKS)
def test_r9_parent_and_forked_children(
    backend: str,
    moment: str,
    scheme: str,
    request: pytest.FixtureRequest,
) -> None:
    """It runs in another process, because this one has threads, which a fork does not copy."""
    server: FaultServer = request.getfixturevalue(scheme)
    arguments = ["-m", "faults.forking", backend, moment, server.base_url, API_KEY]
    process = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    minted = [json.loads(line) for line in process.stdout.splitlines()]
    assert all(server.secrets[secret] == nonce for _, nonce, secret in minted)
    rounds = 2 if moment == "unused" else 3
    assert len(minted) == CALLS * (rounds + len(CHILDREN))
    assert_no_connection_is_shared(server)
    # In the other cases the parent has a new event loop, and so a new connection, for each round.
    if backend == "sync" or moment in {"running", "inherited"}:
        used = connections_used(server)
        assert len({connection for process, connection in used if process == "parent"}) == 1


def connections_used(server: FaultServer) -> set[tuple[str, int]]:
    """Return each process with each connection that it used."""
    return {
        (request.nonce.rpartition(" ")[0].rpartition(" ")[0], request.connection)
        for request in server.requests
    }


def assert_no_connection_is_shared(server: FaultServer) -> None:
    connections = [connection for _, connection in connections_used(server)]
    assert len(connections) == len(set(connections))


@pytest.mark.parametrize("scheme", ["plain", "secure"])
@pytest.mark.parametrize(
    "backends", [("asyncio", "asyncio"), ("trio", "trio"), ("asyncio", "trio", "asyncio")]
)
def test_r9_event_loops_one_after_another(
    backends: tuple[str, ...], scheme: str, request: pytest.FixtureRequest
) -> None:
    """The client is not closed, and nothing is left open: a ResourceWarning would be an error."""
    server: FaultServer = request.getfixturevalue(scheme)
    client = client_of(Backend("asyncio"), server)
    before = open_descriptors()

    async def body() -> None:
        for _ in range(3):
            await mint(client, server)
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(mint, client, server)

    for backend_name in backends:
        anyio.run(body, backend=backend_name)
        server.hang_up()
        assert_no_new_descriptors(before, server, within=0)
    gc.collect()
    assert len(server.requests) == 7 * len(backends)


@pytest.mark.parametrize(
    "backends", [("asyncio", "asyncio"), ("trio", "trio"), ("asyncio", "trio")]
)
def test_r9_event_loops_at_once(plain: FaultServer, backends: tuple[str, str]) -> None:
    client = client_of(Backend("asyncio"), plain)
    before = open_descriptors()
    both_started = threading.Barrier(2)

    async def call_often() -> None:
        for _ in range(CALLS_EACH):
            await mint(client, plain)

    async def body() -> None:
        both_started.wait(30)
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(call_often)

    with ThreadPoolExecutor(2) as pool:
        run = partial(anyio.run, body)
        for loop in [pool.submit(run, backend=backend_name) for backend_name in backends]:
            loop.result(timeout=60)
    plain.hang_up()
    assert_no_new_descriptors(before, plain, within=0)
    gc.collect()


def test_r9_closing_in_one_loop_leaves_nothing_in_the_other(plain: FaultServer) -> None:
    """A loop closes its own connections only; those of the other loop close when it ends."""
    client = client_of(Backend("asyncio"), plain)
    before = open_descriptors()
    used, closed = threading.Event(), threading.Event()

    async def first() -> None:
        await mint(client, plain)
        used.set()
        await anyio.to_thread.run_sync(closed.wait, 30)

    async def second() -> None:
        await mint(client, plain)
        await client.aclose()

    with ThreadPoolExecutor(1) as pool:
        loop = pool.submit(anyio.run, first)
        assert used.wait(30)
        anyio.run(second)
        closed.set()
        loop.result(timeout=30)
    plain.hang_up()
    assert_no_new_descriptors(before, plain, within=0)
    gc.collect()
