"""R1: one deadline over everything that a call does.

The matrix tests every stall and every drip with a time limit of 0.1 s. This file tests slow name
resolution, retries and slow credentials, which the matrix cannot test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio
import pytest
from backends import ON_BOTH_PARSERS, Backend

from faults.calling import OVERRUN, by_name, client_of, ends_within, mint
from faults.fault import FAULTS, Fault
from faults.machine_delays import Stopwatch
from faults.names import SlowNames
from openai_realtime import (
    APITimeoutError,
    InternalServerError,
    RetryPolicy,
)

if TYPE_CHECKING:
    from faults.fault_server_dialogue import Dialogue
    from faults.server import FaultServer

BACKENDS = ON_BOTH_PARSERS
LONG_BACKOFF = RetryPolicy(base_delay=0.2, max_retries=50)


def test_r1_slow_name_resolution(
    backend: Backend, plain: FaultServer, slow_names: Callable[[float], SlowNames]
) -> None:
    names = slow_names(3.0)

    async def body() -> None:
        async with client_of(backend, plain, base_url=by_name(plain)) as client:
            with ends_within(backend, 0.2), pytest.raises(APITimeoutError) as caught:
                await client.sessions.create(timeout=0.2)
            names.release()
            assert caught.value.phase == "total"
            assert not caught.value.possibly_acted
            await mint(client, plain)

    backend.run(body)
    assert names.lookups >= 1
    assert len(plain.requests) == 1


def test_r1_retries_and_backoff(backend: Backend, plain: FaultServer) -> None:
    async def body() -> None:
        async with client_of(backend, plain, retry=LONG_BACKOFF) as client:
            plain.inject("status_503")
            # The deadline may cut off the last retry, when the machine is busy.
            kinds = (InternalServerError, APITimeoutError)
            with Stopwatch() as watch, pytest.raises(kinds) as caught:
                await client.sessions.create(timeout=0.5)
            watch.assert_within(0, 0.5 + OVERRUN[backend.name])
            assert caught.value.attempts - len(plain.requests) in {0, 1}
            plain.clear_fault()
            await mint(client, plain)

    backend.run(body)


def test_r1_retries_that_each_take_their_time(backend: Backend, plain: FaultServer) -> None:
    """No attempt reaches the limit of its phase, but all together reach the call's limit."""

    def slow_error(dialogue: Dialogue) -> None:
        dialogue.pause(0.15)
        FAULTS["status_503"].run(dialogue)

    async def body() -> None:
        async with client_of(backend, plain, max_retries=50) as client:
            plain.inject(Fault("slow_error", "request", slow_error))
            with ends_within(backend, 0.4), pytest.raises(APITimeoutError) as caught:
                await client.sessions.create(timeout=0.4)
            assert caught.value.phase == "total"
            plain.clear_fault()
            await mint(client, plain)

    backend.run(body)


@pytest.mark.parametrize("backend_name", ["asyncio", "trio"])
def test_r1_a_slow_credential(backend_name: str, plain: FaultServer) -> None:
    backend = Backend(backend_name)

    async def key() -> str:
        await anyio.sleep(3)
        raise AssertionError

    async def body() -> None:
        async with client_of(backend, plain, api_key=key) as client:
            with ends_within(backend, 0.2), pytest.raises(APITimeoutError) as caught:
                await client.sessions.create(timeout=0.2)
            assert caught.value.phase == "total"

    backend.run(body)
    assert plain.records == []
