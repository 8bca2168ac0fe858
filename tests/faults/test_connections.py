"""R12: which connections are not used again, and what happens when a client is closed during calls.

`tests/test_client.py` tests that a connection is not used again after a 5xx response. Every case of the
matrix tests that no descriptor and no ResourceWarning is left behind.
"""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from backends import ON_BOTH_PARSERS, Backend

from faults.calling import assert_no_new_descriptors, client_of, mint, open_descriptors
from faults.fault import Fault
from faults.machine_delays import Stopwatch
from openai_realtime import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    ClientClosedError,
    InternalServerError,
    RateLimitError,
    RetryPolicy,
    Timeout,
)

if TYPE_CHECKING:
    from faults.fault_server_dialogue import Dialogue
    from faults.server import FaultServer

BACKENDS = ON_BOTH_PARSERS
PROMPT = 0.1


def late_response(dialogue: Dialogue) -> None:
    dialogue.pause(0.12)
    dialogue.respond_normally()


def late_body(dialogue: Dialogue) -> None:
    dialogue.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
    dialogue.pause(0.12)
    dialogue.send(b"null")


@pytest.mark.parametrize(
    ("scheme", "late", "limits"),
    [
        ("plain", late_response, 0.08),
        ("plain", late_body, 0.08),
        ("plain", late_response, Timeout(read=0.08)),
        ("secure", late_body, Timeout(read=0.08)),
    ],
)
def test_r12_not_after_a_timeout(
    backend: Backend, scheme: str, late: Any, limits: Any, request: pytest.FixtureRequest
) -> None:
    """The late response arrives, and no call gets it."""
    server: FaultServer = request.getfixturevalue(scheme)

    async def body() -> None:
        async with client_of(backend, server, max_retries=0) as client:
            await mint(client, server)
            server.inject(Fault("late", "request", late), times=1)
            with pytest.raises(APITimeoutError):
                await mint(client, server, timeout=limits)
            await mint(client, server)
            await anyio.sleep(0.06)
            await mint(client, server)

    backend.run(body)
    connections = [request.connection for request in server.requests]
    assert connections == [0, 0, 1, 1]


@pytest.mark.parametrize("backend_name", ["asyncio", "trio"])
@pytest.mark.parametrize("late", [late_response, late_body])
def test_r12_not_after_a_cancellation(backend_name: str, plain: FaultServer, late: Any) -> None:
    async def body() -> None:
        async with client_of(Backend(backend_name), plain) as client:
            await mint(client, plain)
            plain.inject(Fault("late", "request", late), times=1)
            with anyio.move_on_after(0.08) as scope:
                await mint(client, plain)
            assert scope.cancelled_caught
            await mint(client, plain)
            await anyio.sleep(0.06)
            await mint(client, plain)

    anyio.run(body, backend=backend_name)
    first, cancelled, next_one, last = (request.connection for request in plain.requests)
    assert first == cancelled != next_one
    assert next_one == last


KEPT = [("status_429", RateLimitError), ("status_400", APIError), ("json_null", APIError)]
RETIRED = [("status_500", InternalServerError), ("status_503", InternalServerError)]


@pytest.mark.parametrize(
    ("fault", "kind", "is_kept"),
    [*((*row, True) for row in KEPT), *((*row, False) for row in RETIRED)],
)
def test_r12_not_after_a_server_error(
    backend: Backend, plain: FaultServer, fault: str, kind: type[APIError], is_kept: bool
) -> None:
    """A complete response below 500 does not close the connection, even when it is an error."""

    async def body() -> None:
        async with client_of(backend, plain, max_retries=0) as client:
            plain.inject(fault, times=1)
            with pytest.raises(kind):
                await client.sessions.create()
            await mint(client, plain)

    backend.run(body)
    assert len(plain.records) == (1 if is_kept else 2)


@pytest.mark.parametrize(
    ("scheme", "fault"),
    [
        ("plain", "silence_after_the_request"),
        ("plain", "late"),
        ("secure", "dripped_body"),
        ("secure", "handshake_stalls"),
    ],
)
def test_r12_closing_during_a_call(
    backend: Backend, scheme: str, fault: str, request: pytest.FixtureRequest
) -> None:
    """Closing does not wait, may be repeated, and the running call still ends."""
    server: FaultServer = request.getfixturevalue(scheme)
    before = open_descriptors()
    server.inject(Fault("late", "request", late_response) if fault == "late" else fault)

    async def call(client: Any) -> bool:
        try:
            await mint(client, server, timeout=0.25)
        except (APIConnectionError, ClientClosedError):
            return False
        return True

    async def close(client: Any) -> None:
        while not server.injections:
            await anyio.sleep(0.005)
        for _ in range(3):
            with Stopwatch() as watch:
                await client.aclose()
            watch.assert_within(0, PROMPT)
        with pytest.raises(ClientClosedError):
            await client.sessions.create()

    async def body() -> None:
        client = client_of(backend, server)
        with Stopwatch() as watch:
            if backend.is_sync:
                with ThreadPoolExecutor(1) as pool:
                    running = pool.submit(anyio.run, call, client)
                    await close(client)
                    assert running.result(timeout=30) is (fault == "late")
            else:
                async with anyio.create_task_group() as group:
                    group.start_soon(call, client)
                    group.start_soon(close, client)
        watch.assert_within(0, 1)

    backend.run(body)
    assert server.injections == 1, "nothing more is sent"
    server.hang_up()
    assert_no_new_descriptors(before, server)
    gc.collect()


def test_r12_closing_during_backoff_ends_the_retries(backend: Backend, plain: FaultServer) -> None:
    plain.inject("status_429_retry_soon")
    slow = RetryPolicy(base_delay=0.2, max_retries=50)

    async def call(client: Any) -> None:
        with pytest.raises((ClientClosedError, RateLimitError)):
            await client.sessions.create(timeout=5)

    async def close(client: Any) -> None:
        while not plain.injections:
            await anyio.sleep(0.005)
        await client.aclose()

    async def body() -> None:
        client = client_of(backend, plain, retry=slow)
        if backend.is_sync:
            with ThreadPoolExecutor(1) as pool:
                running = pool.submit(anyio.run, call, client)
                await close(client)
                running.result(timeout=30)
        else:
            with anyio.fail_after(30):
                async with anyio.create_task_group() as group:
                    group.start_soon(call, client)
                    group.start_soon(close, client)

    backend.run(body)
    # One more request may have been sent before the client was closed.
    assert plain.injections <= 2


def test_r12_a_client_that_is_not_closed_leaves_nothing_when_its_loop_ends(
    plain: FaultServer,
) -> None:
    before = open_descriptors()

    async def body() -> None:
        await mint(client_of(Backend("asyncio"), plain), plain)

    for backend_name in ("asyncio", "trio"):
        anyio.run(body, backend=backend_name)
        gc.collect()
    plain.hang_up()
    assert_no_new_descriptors(before, plain, within=0)
