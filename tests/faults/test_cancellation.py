"""R8: a call can be cancelled at any moment, and leaves nothing behind.

`tests/test_client.py` also cancels a call over plain http at every suspension point.
"""

from __future__ import annotations

import random
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from backends import Backend, limit_connections

from faults.calling import (
    assert_no_new_descriptors,
    by_name,
    client_of,
    mint,
    new_nonce,
    open_descriptors,
)
from faults.cancelling import is_cancelled_at
from faults.fault import Fault
from faults.machine_delays import Stopwatch
from openai_realtime import RealtimeSessionsClient, RetryPolicy, Timeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from faults.fault_server_dialogue import Dialogue
    from faults.names import SlowNames
    from faults.server import FaultServer

PROMPT = 0.05
AT_ONCE = 40

pytestmark = pytest.mark.parametrize("backend_name", [str(Backend("asyncio")), "trio-h11"])


async def prompt_cancellation(
    client: RealtimeSessionsClient, server: FaultServer, is_reached: Any, **params: Any
) -> None:
    """Cancel a call at a stage, and check that it ends at once and sends no more bytes."""
    watch = Stopwatch()

    async def cancel_at_stage() -> None:
        while not is_reached():
            await anyio.sleep(0.005)
        await anyio.sleep(0.02)
        watch.__enter__()
        group.cancel_scope.cancel()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(cancel_at_stage)
            await client.sessions.create(**params)
    watch.__exit__(None, None, None)
    watch.assert_within(0, PROMPT)
    sent = server.bytes_received
    await anyio.sleep(0.02)
    assert server.bytes_received == sent


STAGES = [
    "handshake_stalls",
    "handshake_is_dripped",
    "silence_after_the_request",
    "dripped_headers",
    "dripped_body",
    "request_is_not_read",
    "dripped_interim_responses",
]


@pytest.mark.parametrize("fault", STAGES)
def test_r8_prompt_at_every_stage(backend_name: str, secure: FaultServer, fault: str) -> None:
    backend = Backend.parse(backend_name)
    params = {"instructions": "x" * 6_000_000} if fault == "request_is_not_read" else {}

    async def body() -> None:
        async with client_of(backend, secure) as client:
            secure.inject(fault)
            await prompt_cancellation(client, secure, lambda: secure.injections, **params)
            secure.clear_fault()
            await mint(client, secure)

    backend.run(body)
    assert secure.injections == 1


def test_r8_prompt_while_a_name_is_looked_up(
    backend_name: str, plain: FaultServer, slow_names: Callable[[float], SlowNames]
) -> None:
    backend = Backend.parse(backend_name)
    names = slow_names(3)

    async def body() -> None:
        async with client_of(backend, plain, base_url=by_name(plain)) as client:
            await prompt_cancellation(client, plain, lambda: names.lookups)
            names.release()
            assert plain.records == []
            await mint(client, plain)

    backend.run(body)


def test_r8_prompt_during_backoff(backend_name: str, plain: FaultServer) -> None:
    backend = Backend.parse(backend_name)

    async def body() -> None:
        async with client_of(backend, plain) as client:
            plain.inject("status_429_retry_wait")
            await prompt_cancellation(client, plain, lambda: plain.injections)
            plain.clear_fault()
            await mint(client, plain)

    backend.run(body)
    assert len(plain.requests) == 2


def test_r8_prompt_while_waiting_for_a_connection(
    backend_name: str, plain: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = Backend.parse(backend_name)
    limit_connections(monkeypatch, 1)

    async def body() -> None:
        async with client_of(backend, plain) as client, anyio.create_task_group() as group:
            plain.inject("silence_after_the_request")
            group.start_soon(client.sessions.create)
            while not plain.injections:
                await anyio.sleep(0.005)
            await prompt_cancellation(client, plain, lambda: True)
            assert plain.injections == 1
            group.cancel_scope.cancel()
        async with client_of(backend, plain) as client:
            plain.clear_fault()
            await mint(client, plain)

    backend.run(body)


@pytest.mark.parametrize("scheme", ["plain", "secure"])
@pytest.mark.parametrize("fault", [None, "fin_before_response", "status_503", "in_pieces"])
def test_r8_at_every_suspension_point(
    backend_name: str, scheme: str, fault: str | None, request: pytest.FixtureRequest
) -> None:
    """For every n, cancel at suspension n, until the call ends before that suspension."""
    backend = Backend.parse(backend_name)
    server: FaultServer = request.getfixturevalue(scheme)
    before = open_descriptors()

    async def body() -> None:
        async with client_of(backend, server, retry=RetryPolicy(base_delay=0)) as client:
            for is_reused in (False, True):
                step = 0
                while await cancelled(client, step, is_reused=is_reused):
                    step += 1
                assert step >= (1 if is_reused else 3)

    async def cancelled(client: RealtimeSessionsClient, step: int, *, is_reused: bool) -> bool:
        if fault is not None:
            server.inject(fault, times=1)
        is_reached = await is_cancelled_at(step, lambda: mint(client, server))
        server.clear_fault()
        if is_reused:
            await mint(client, server)
        else:
            await backend.close_idle(client)
        return is_reached

    backend.run(body)
    server.hang_up()
    assert_no_new_descriptors(before, server)


def together(count: int) -> Fault:
    """Return a fault that responds only when so many requests have arrived."""
    all_arrived = threading.Barrier(count)

    def wait_for_the_others(dialogue: Dialogue) -> None:
        # A request of a cancelled call may still arrive, and does not count.
        if dialogue.request.nonce.startswith("together"):
            all_arrived.wait(30)
        dialogue.respond_normally()

    return Fault("together", "request", wait_for_the_others)


async def assert_full_capacity(
    client: RealtimeSessionsClient, server: FaultServer, count: int
) -> None:
    """Check that the client can still make `count` calls at the same time."""
    server.inject(together(count))
    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(partial(mint, client, server, nonce=new_nonce("together")))
    server.clear_fault()


@pytest.mark.parametrize("count", [1000, pytest.param(4000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("scheme", ["plain", "secure"])
def test_r8_random_cancellations(
    backend_name: str,
    scheme: str,
    count: int,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So many over plain http, a fifth of that over TLS, at any moment of their calls."""
    backend = Backend.parse(backend_name)
    server: FaultServer = request.getfixturevalue(scheme)
    limit_connections(monkeypatch, AT_ONCE)
    wanted = count // (5 if scheme == "secure" else 1)
    moments = random.Random(8)
    before = open_descriptors()
    cancelled = 0

    async def cancel_many(client: RealtimeSessionsClient, longest: float) -> None:
        nonlocal cancelled
        while (
            cancelled < wanted
        ):  # by all tasks together: the fewer there are, the more calls end in time
            with anyio.move_on_after(moments.uniform(0, longest)) as scope:
                await mint(client, server)
            cancelled += scope.cancelled_caught

    async def body() -> None:
        async with client_of(backend, server, timeout=Timeout(pool=5)) as client:
            await assert_full_capacity(client, server, AT_ONCE)
            async with anyio.create_task_group() as group:
                for number in range(AT_ONCE):
                    # Limits that end before the first byte, and others that end after the last one.
                    group.start_soon(cancel_many, client, 0.002 * (1 + number % 8))
            await assert_full_capacity(client, server, AT_ONCE)

    backend.run(body)
    assert cancelled >= wanted
    server.hang_up()
    assert_no_new_descriptors(before, server)
