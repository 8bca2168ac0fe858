"""Any bytes from a server result in a session with the secret that it sent, or in one error.

`tests/resources/test_responses.py` tests any bytes of a body, without sockets.
"""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from backends import Backend
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from faults.calling import client_of, mint
from faults.fault import Fault
from faults.responses import chunked, head, response, session
from openai_realtime import RealtimeError

if TYPE_CHECKING:
    from faults.fault_server_dialogue import Dialogue
    from faults.server import FaultServer

SECRET = "ek_any_bytes_0123456789"
PROMPT = 20.0

GOOD = [
    response(session(SECRET)),
    response(session(SECRET), 201, ("Set-Cookie", "a=b"), ("Connection", "close")),
    head(200) + session(SECRET),
    head(103, ("Link", "</x>")) + response(session(SECRET)),
    head(200, ("Transfer-Encoding", "chunked")) + chunked(session(SECRET)) + b"0\r\n\r\n",
    response(session(SECRET), 200, ("Content-Encoding", "gzip")),
    response(b'{"error": {"message": "no"}}', 429, ("Retry-After", "1")),
]
TOKENS = [
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: deflate\r\n",
    b"Upgrade: h2c\r\n",
    b"ffffffffffffffff\r\n",
    b"0\r\n\r\n",
    b"\x00",
    b"\xff",
    b"{",
    b"[",
    b'"',
    b"NaN",
    b"1e999",
    b"\\ud800",
]


pieces = st.one_of(st.binary(max_size=40), st.sampled_from(TOKENS))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a good response in which some bytes are missing, doubled or replaced."""
    whole = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(whole)))
        end = draw(st.integers(start, min(len(whole), start + 60)))
        middle = draw(st.one_of(pieces, st.just(whole[start:end] * 2), st.just(b"")))
        whole = whole[:start] + middle + whole[end:]
    return whole


anything = st.one_of(
    damaged(),
    st.binary(max_size=300),
    st.lists(pieces, max_size=12).map(b"".join),
)


def sending(content: bytes, cuts: list[int], ending: str) -> Fault:
    """Return the fault of sending these bytes, cut into several writes, and then closing."""

    def send(dialogue: Dialogue) -> None:
        bounds = [0, *sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
        for start, end in pairwise(bounds):
            dialogue.send(content[start:end])
        if ending == "reset":
            dialogue.reset()
        dialogue.finish()

    return Fault("any bytes", "request", send)


@pytest.mark.parametrize("name", ["sync", "asyncio", "trio"])
@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    content=anything,
    cuts=st.lists(st.integers(0, 500), max_size=3),
    ending=st.sampled_from(["fin", "reset"]),
)
def test_any_bytes_are_a_session_or_one_error(
    name: str, plain: FaultServer, content: bytes, cuts: list[int], ending: str
) -> None:
    async def body() -> None:
        async with client_of(Backend(name), plain, max_retries=0) as client:
            plain.inject(sending(content, cuts, ending), times=1)
            started = time.monotonic()
            error: RealtimeError | None = None
            try:
                minted = await client.sessions.create(timeout=PROMPT)
            except RealtimeError as raised:
                error = raised
            else:
                # The secret may be doubled or cut, but the server sent it, and it can be used in a header.
                assert minted.client_secret.value.encode() in content
                assert minted.client_secret.value.isascii()
            assert SECRET not in f"{error!r} {error}"
            assert time.monotonic() - started < PROMPT
            plain.clear_fault()
            await mint(client, plain)

    plain.hang_up()
    Backend(name).run(body)
