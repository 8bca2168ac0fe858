"""R13: waiting uses the monotonic clock, and a secret's age goes by the server's clock.

`tests/types/test_client_secret.py` tests how the age is calculated; here the clock moves during a call.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from faults.calling import client_of, ends_within, mint
from faults.fault import FAULTS, Fault
from faults.responses import LIFETIME, head, session
from openai_realtime import APITimeoutError

if TYPE_CHECKING:
    from backends import Backend

    from faults.fault_server_dialogue import Dialogue
    from faults.server import FaultServer

HOUR = 3600.0


class WallClock:
    """A wall clock that can be moved, for the client; the server uses the real one."""

    def __init__(self) -> None:
        self.real = time.time
        self.moved = 0.0

    def __call__(self) -> float:
        return self.real() + self.moved


@pytest.fixture
def wall_clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    # Patched before the client exists, so that the client cannot keep the real function.
    clock = WallClock()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.mark.parametrize("hours", [-1, +1])
def test_r13_a_wall_clock_that_is_moved_changes_nothing(
    backend: Backend, plain: FaultServer, hours: int, wall_clock: WallClock
) -> None:
    def move_and_fail(dialogue: Dialogue) -> None:
        wall_clock.moved += hours * HOUR
        FAULTS["status_503"].run(dialogue)

    def move_and_respond(dialogue: Dialogue) -> None:
        beginning, rest = stamped(dialogue.mint(), wall_clock.real())
        dialogue.send(beginning)
        wall_clock.moved += hours * HOUR
        dialogue.pause(0.05)
        dialogue.send(rest)

    steps = [move_and_fail, move_and_respond]

    def run_next(dialogue: Dialogue) -> None:
        steps.pop(0)(dialogue)

    async def body() -> None:
        async with client_of(backend, plain) as client:
            plain.inject(Fault("clock", "request", run_next), times=2)
            minted = await mint(client, plain, timeout=2)
            assert minted.meta.attempts == 2
            assert 0 < minted.meta.elapsed < 2
            left = minted.client_secret.seconds_left
            assert left is not None
            # The Date header has whole seconds.
            assert LIFETIME - 2 < left < LIFETIME + 2
            assert not minted.client_secret.is_expired
            await mint(client, plain)

    backend.run(body)
    assert steps == []


@pytest.mark.parametrize("hours", [-1, +1])
def test_r13_a_wall_clock_that_is_moved_does_not_change_the_deadline(
    backend: Backend, plain: FaultServer, hours: int, wall_clock: WallClock
) -> None:
    def move_and_drip(dialogue: Dialogue) -> None:
        dialogue.send(head(200, ("Content-Length", "100")))
        wall_clock.moved += hours * HOUR
        dialogue.drip(b" " * 50, pause=0.02)

    async def body() -> None:
        async with client_of(backend, plain) as client:
            plain.inject(Fault("drip", "request", move_and_drip), times=1)
            with ends_within(backend, 0.2), pytest.raises(APITimeoutError) as caught:
                await client.sessions.create(timeout=0.2)
            assert caught.value.phase == "total"
            await mint(client, plain)

    backend.run(body)


def stamped(secret: str, now: float) -> tuple[bytes, bytes]:
    """Return the head and body of a response of a server whose clock is not moved."""
    body = session(secret, int(now) + LIFETIME)
    length = ("Content-Length", str(len(body)))
    return head(200, ("Date", formatdate(now, usegmt=True)), length), body
