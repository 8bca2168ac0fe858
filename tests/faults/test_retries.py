"""R5, R6 and R7: how many requests a call makes, and which requests are not repeated.

`tests/test_calls.py` tests that an action is repeated when the server requests it;
`tests/core/test_retry.py` and `test_exchange.py` test the arithmetic of the budget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from backends import ON_BOTH_PARSERS, Backend

from faults.calling import client_of, mint
from faults.machine_delays import Stopwatch
from openai_realtime import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    InternalServerError,
    RetryPolicy,
)

if TYPE_CHECKING:
    from faults.server import FaultServer


@pytest.mark.parametrize("name", ["asyncio", "sync"])
def test_r5_an_outage_is_not_multiplied(name: str, plain: FaultServer) -> None:
    """A thousand calls, half of them from a copy of the client, which shares the budget."""
    backend = Backend(name)

    async def body() -> None:
        async with client_of(backend, plain, retry=RetryPolicy(base_delay=0)) as client:
            plain.inject("status_503")
            for caller in [client, client.with_options(timeout=5)] * 500:
                with pytest.raises(InternalServerError):
                    await caller.sessions.create()

    backend.run(body)
    assert 1000 <= len(plain.requests) <= 1040


@pytest.mark.parametrize("fault", ["fin_before_response", "rst_mid_body", "status_500"])
def test_r6_minting_is_repeated_and_orphans_are_counted(
    backend: Backend, plain: FaultServer, fault: str
) -> None:
    async def body() -> None:
        async with client_of(backend, plain) as client:
            plain.inject(fault, times=2)
            session = await mint(client, plain)
            assert (session.meta.attempts, session.meta.possible_orphans) == (3, 2)

    backend.run(body)
    assert len(plain.requests) == 3


def test_r6_what_was_not_sent_makes_no_orphan(backend: Backend, secure: FaultServer) -> None:
    async def body() -> None:
        async with client_of(backend, secure) as client:
            secure.inject("handshake_is_cut", times=2)
            session = await mint(client, secure)
            assert (session.meta.attempts, session.meta.possible_orphans) == (3, 0)

    backend.run(body)


BACKENDS = ON_BOTH_PARSERS
AMBIGUOUS = [
    "fin_before_response",
    "rst_before_response",
    "fin_mid_headers",
    "rst_after_headers",
    "silence_after_the_request",
    "garbage_status_line",
    "status_500",
    "status_502",
    "status_503",
    "status_429",
]


@pytest.mark.parametrize("fault", AMBIGUOUS)
@pytest.mark.parametrize("connection_use", ["fresh", "reused"])
def test_r6_actions_are_not_repeated_when_they_may_have_happened(
    backend: Backend, plain: FaultServer, fault: str, connection_use: str
) -> None:
    async def body() -> None:
        async with client_of(backend, plain) as client:
            if connection_use == "reused":
                await mint(client, plain)
            before = len(plain.requests)
            plain.inject(fault)
            with pytest.raises(APIError) as caught:
                await client.calls.hangup("rtc_1", timeout=0.2)
            assert plain.injections == 1
            assert caught.value.attempts == 1
            assert len(plain.requests) - before <= 1
            if isinstance(caught.value, APIConnectionError) and caught.value.phase != "connect":
                assert caught.value.possibly_acted
            plain.clear_fault()
            await client.calls.hangup("rtc_1")

    backend.run(body)


def test_r6_an_action_that_meets_a_closed_connection_is_repeated_only_while_unsent(
    backend: Backend, plain: FaultServer
) -> None:
    """The client notices the closed connection before it writes the request, or just afterwards."""

    async def body() -> None:
        async with client_of(backend, plain) as client:
            plain.inject("fin_on_accept")
            with pytest.raises(APIConnectionError) as caught:
                await client.calls.hangup("rtc_1", timeout=5)
            error = caught.value
            assert error.attempts == plain.injections
            assert error.possibly_acted is (error.phase != "connect")
            assert error.attempts == 3 or error.possibly_acted
            plain.clear_fault()
            await client.calls.hangup("rtc_1")

    backend.run(body)
    assert len(plain.requests) == 1


@pytest.mark.parametrize("fault", ["refuse", "handshake_is_cut", "handshake_is_reset"])
def test_r6_actions_are_repeated_when_provably_unsent(
    backend: Backend, secure: FaultServer, fault: str
) -> None:
    async def body() -> None:
        async with client_of(backend, secure) as client:
            secure.inject(fault)
            with pytest.raises(APIConnectionError) as caught:
                await client.calls.hangup("rtc_1")
            assert (caught.value.phase, caught.value.attempts) == ("connect", 3)
            assert not caught.value.possibly_acted

    backend.run(body)
    assert secure.requests == []


def test_r6_a_timeout_before_sending_did_not_act(backend: Backend, secure: FaultServer) -> None:
    async def body() -> None:
        async with client_of(backend, secure) as client:
            secure.inject("handshake_stalls")
            with pytest.raises(APITimeoutError) as caught:
                await client.calls.hangup("rtc_1", timeout=0.15)
            assert caught.value.phase == "total"
            assert not caught.value.possibly_acted

    backend.run(body)


STALE = [
    # fault, requests that minting makes
    ("idle_fin", 1),
    ("idle_rst", 1),
    ("rst_when_written_to", 1),
    ("fin_before_response", 2),
    ("rst_before_response", 2),
]


@pytest.mark.parametrize("scheme", ["plain", "secure"])
@pytest.mark.parametrize(("fault", "requests"), STALE)
def test_r7_minting_has_a_free_resend(
    backend: Backend, scheme: str, fault: str, requests: int, request: pytest.FixtureRequest
) -> None:
    """Free: it happens without retries too."""
    server: FaultServer = request.getfixturevalue(scheme)

    async def body() -> None:
        async with client_of(backend, server, max_retries=0) as client:
            await mint(client, server)
            server.inject(fault, times=1)
            await mint(client, server)
            assert server.injections == 1
            # Only once: a fresh connection that is cut fails the call.
            server.clear_fault()
            server.hang_up()
            server.inject("fin_before_response", times=1)
            with pytest.raises(APIConnectionError):
                await mint(client, server)

    backend.run(body)
    assert len(server.requests) == 2 + requests


@pytest.mark.parametrize("backend_name", ["asyncio", "trio"])
def test_r7_many_stale_connections_cost_one_resend(backend_name: str, plain: FaultServer) -> None:
    """When one connection is stale, the others may be too: the resend uses a new one."""
    backend = Backend.parse(backend_name)

    async def body() -> None:
        async with client_of(backend, plain, max_retries=0) as client:
            async with anyio.create_task_group() as group:
                for _ in range(4):
                    group.start_soon(mint, client, plain)
            connections = len(plain.records)
            plain.inject("fin_before_response", times=1)
            await mint(client, plain)
            assert len(plain.records) == connections + 1

    backend.run(body)


def test_r7_actions_use_no_connection_that_was_idle_for_over_a_second(
    backend: Backend, plain: FaultServer
) -> None:
    async def body() -> None:
        async with client_of(backend, plain) as client:
            await mint(client, plain)
            await client.calls.hangup("rtc_1")
            await anyio.sleep(1.05)
            await client.calls.hangup("rtc_2")
            await mint(client, plain)

    backend.run(body)
    connections = [request.connection for request in plain.requests]
    assert connections == [0, 0, 1, 1]


@pytest.mark.parametrize("fault", ["rst_when_written_to", "fin_before_response"])
def test_r7_actions_have_no_free_resend(backend: Backend, plain: FaultServer, fault: str) -> None:
    async def body() -> None:
        async with client_of(backend, plain) as client:
            await mint(client, plain)
            plain.inject(fault, times=1)
            with Stopwatch() as watch, pytest.raises(APIConnectionError) as caught:
                await client.calls.hangup("rtc_1")
            watch.assert_within(0, 1)
            assert caught.value.possibly_acted
            assert caught.value.attempts == 1

    backend.run(body)
    assert len(plain.records) == 1
