"""R2, R3 and R4: the time limits of single phases, and retries that are not begun.

`tests/transports/test_engines.py` tests the wait for a free connection; `tests/core/test_retry.py` and
the matrix test what every status and exception means for a retry.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from backends import ON_BOTH_PARSERS, Backend

from faults.calling import OVERRUN, by_name, client_of, ends_within, mint
from faults.fault import Fault
from faults.machine_delays import Stopwatch
from faults.names import NoNames, SlowNames
from faults.responses import response, session
from openai_realtime import (
    APIConnectionError,
    APITimeoutError,
    InternalServerError,
    RateLimitError,
    Timeout,
)

if TYPE_CHECKING:
    from faults.fault_server_dialogue import Dialogue
    from faults.server import FaultServer

BACKENDS = ON_BOTH_PARSERS
PHASES = [
    ("handshake_stalls", Timeout(connect=0.15), "connect"),
    ("handshake_is_dripped", Timeout(connect=0.15), "connect"),
    ("silence_after_the_request", Timeout(read=0.15), "receive"),
    ("silence_mid_body", Timeout(read=0.15), "receive"),
    ("request_is_not_read", Timeout(read=0.15), "send"),
]


@pytest.mark.parametrize(("fault", "limits", "phase"), PHASES)
def test_r2_each_phase_has_its_limit(
    backend: Backend, secure: FaultServer, fault: str, limits: Timeout, phase: str
) -> None:
    instructions = "x" * (6_000_000 if phase == "send" else 1)

    async def body() -> None:
        async with client_of(backend, secure, max_retries=0) as client:
            secure.inject(fault)
            with Stopwatch() as watch, pytest.raises(APITimeoutError) as caught:
                await client.sessions.create(timeout=limits, instructions=instructions)
            assert caught.value.phase == phase
            # Encoding millions of characters takes time that no limit covers.
            encoding = 0.5 if phase == "send" else 0
            watch.assert_within(0.13, 0.15 + OVERRUN[backend.name] + encoding)
            secure.clear_fault()
            await mint(client, secure)

    backend.run(body)


def test_r2_the_read_limit_is_for_silence(backend: Backend, plain: FaultServer) -> None:
    """A slow response is read to its end, when no pause exceeds the limit."""

    def slowly(dialogue: Dialogue) -> None:
        whole = response(session(dialogue.mint()))
        for start in range(0, len(whole), 25):
            dialogue.send(whole[start : start + 25])
            dialogue.pause(0.05)

    async def body() -> None:
        async with client_of(backend, plain, max_retries=0) as client:
            plain.inject(Fault("slowly", "request", slowly))
            started = time.monotonic()
            await mint(client, plain, timeout=Timeout(read=0.4))
            assert time.monotonic() - started > 0.4

    backend.run(body)


def test_r2_connecting_is_one_phase(
    backend: Backend, secure: FaultServer, slow_names: Callable[[float], SlowNames]
) -> None:
    """Name resolution, TCP and TLS share one limit."""
    slow_names(0.2)

    async def body() -> None:
        async with client_of(backend, secure, base_url=by_name(secure), max_retries=0) as client:
            secure.inject("handshake_stalls")
            with ends_within(backend, 0.3), pytest.raises(APITimeoutError) as caught:
                await client.sessions.create(timeout=Timeout(connect=0.3))
            assert caught.value.phase == "connect"

    backend.run(body)


def test_r2_slow_names_have_the_limit_of_connecting(
    backend: Backend, plain: FaultServer, slow_names: Callable[[float], SlowNames]
) -> None:
    names = slow_names(3.0)

    async def body() -> None:
        async with client_of(backend, plain, base_url=by_name(plain), max_retries=0) as client:
            with ends_within(backend, 0.2), pytest.raises(APITimeoutError) as caught:
                await client.sessions.create(timeout=Timeout(connect=0.2))
            assert caught.value.phase == "connect"
            names.release()

    backend.run(body)


def test_r2_no_limit_exceeds_the_remaining_total(backend: Backend, secure: FaultServer) -> None:
    limits = Timeout(total=0.2, connect=5, read=5, pool=5)

    async def body() -> None:
        async with client_of(backend, secure) as client:
            for fault in ("handshake_stalls", "silence_after_the_request"):
                secure.inject(fault)
                with ends_within(backend, 0.2), pytest.raises(APITimeoutError) as caught:
                    await client.sessions.create(timeout=limits)
                assert caught.value.phase == "total"

    backend.run(body)


def test_r3_a_retry_that_cannot_finish_is_not_begun(backend: Backend, plain: FaultServer) -> None:
    """The call fails at once with the server's error, and not later with a timeout."""

    async def body() -> None:
        async with client_of(backend, plain) as client:
            for fault, kind in (
                ("status_429_retry_late", RateLimitError),
                ("status_503_retry_late", InternalServerError),
                ("status_503_retry_next_hour", InternalServerError),
            ):
                plain.reset()
                plain.inject(fault)
                with Stopwatch() as watch, pytest.raises(kind) as caught:
                    await client.sessions.create(timeout=5)
                watch.assert_within(0, 0.5)
                assert (caught.value.attempts, len(plain.requests)) == (1, 1)

    backend.run(body)


def test_r4_a_name_that_does_not_exist_is_looked_up_once(
    backend: Backend, plain: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = NoNames()
    monkeypatch.setattr(socket, "getaddrinfo", names.resolve)

    async def body() -> None:
        async with client_of(backend, plain, base_url=by_name(plain)) as client:
            with pytest.raises(APIConnectionError, match="could not be resolved") as caught:
                await client.sessions.create()
            assert (caught.value.phase, caught.value.attempts) == ("connect", 1)
            assert not caught.value.possibly_acted

    backend.run(body)
