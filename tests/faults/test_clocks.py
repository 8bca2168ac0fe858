"""R13: waiting is monotonic, and a secret's age is the server's to tell.

How the age is reckoned is in `tests/types/test_client_secret.py`; here the clock moves mid-call.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from faults.answers import LIFETIME, head, session
from faults.calling import client_of, ends_within, mint
from faults.fault import Fault
from openai_realtime import (
    APITimeoutError,
)

if TYPE_CHECKING:
    from flavours import Flavour

    from faults.server import FaultServer
    from faults.talk import Talk


@pytest.mark.parametrize("hours", [-1, +1])
def test_r13_a_wall_clock_that_is_moved_changes_nothing(
    flavour: Flavour, plain: FaultServer, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall_clock, moved = time.time, [0.0]
    # From the beginning, so that whoever asks this clock, and keeps it, is moved along.
    monkeypatch.setattr(time, "time", lambda: wall_clock() + moved[0])

    def move_the_clock(talk: Talk) -> None:
        secret = talk.mint()
        moved[0] = hours * 3600.0
        talk.pause(0.1)
        talk.send(stamped(secret, wall_clock()))

    async def body() -> None:
        async with client_of(flavour, plain) as client:
            plain.play(Fault("clock", "request", move_the_clock), times=1)
            session = await mint(client, plain, timeout=2)
            left = session.client_secret.seconds_left
            assert left is not None
            # The Date header has whole seconds.
            assert LIFETIME - 2 < left < LIFETIME + 2
            assert not session.client_secret.is_expired
            plain.play("silence_after_the_request")
            with ends_within(flavour, 0.2), pytest.raises(APITimeoutError):
                await client.sessions.create(timeout=0.2)
            plain.behave()
            await mint(client, plain)

    flavour.run(body)


def stamped(secret: str, now: float) -> bytes:
    """Return an answer of a server whose clock is not moved."""
    body = session(secret, int(now) + LIFETIME)
    length = ("Content-Length", str(len(body)))
    return head(200, ("Date", formatdate(now, usegmt=True)), length) + body
