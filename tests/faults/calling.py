"""Calls that carry a nonce, and what a test may expect of a client and its process.

Owns: how the tests call the client and look for leaked descriptors. Must not know: any fault.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faults.bad_responses import API_KEY
from faults.machine_delays import Stopwatch
from faults.server import FaultServer
from openai_realtime import RealtimeSessionsClient, RetryPolicy
from openai_realtime.types.session import RealtimeSessionCreateResponse

if TYPE_CHECKING:
    from backends import Backend

QUICK = RetryPolicy(base_delay=0.001)

# The promised overrun of a deadline.
OVERRUN = {"asyncio": 0.1, "trio": 0.1, "sync": 0.25}

_numbers = itertools.count(1)


def client_of(backend: Backend, server: FaultServer, **options: Any) -> RealtimeSessionsClient:
    """Return a client of the server, which retries without waiting long."""
    settings = {"base_url": server.base_url, "api_key": API_KEY, "retry": QUICK}
    return backend.client(**{**settings, **options})


def new_nonce(purpose: str = "nonce") -> str:
    return f"{purpose}-{next(_numbers)}"


async def mint(
    client: RealtimeSessionsClient, server: FaultServer, *, nonce: str = "", **params: Any
) -> RealtimeSessionCreateResponse:
    """Mint a session, and see that the secret was made for this very request."""
    nonce = nonce or new_nonce()
    session = await client.sessions.create(extra_headers={"X-Nonce": nonce}, **params)
    assert_own(server, session, nonce)
    return session


def assert_own(server: FaultServer, session: RealtimeSessionCreateResponse, nonce: str) -> None:
    assert server.given[session.client_secret.value] == nonce, "another request's secret"


def open_descriptors() -> frozenset[str]:
    """Return each descriptor that this process has open and what it is; none where `/proc` is not.

    By name and not by number: one that an earlier test left behind may be closed at any time, and
    would hide one that this test leaves.
    """
    found: set[str] = set()
    listing = Path("/proc/self/fd")
    for name in os.listdir(listing) if listing.exists() else []:  # noqa: PTH208 - names are enough
        with suppress(OSError):  # the listing's own descriptor is closed by now
            found.add(f"{name}: {(listing / name).readlink()}")
    return frozenset(found)


def assert_no_new_descriptors(
    before: frozenset[str], server: FaultServer, within: float = 1.0
) -> None:
    """Check that what has been opened since `before` is closed within so many seconds.

    Not so the server's listening socket, which is another one after the fault `refuse`.
    """

    def left_open() -> list[str]:
        listening = f"{server.listening_descriptor}: "
        new = open_descriptors() - before
        return sorted(name for name in new if not name.startswith(listening))

    assert wait_until(lambda: not left_open(), within), f"left open: {left_open()}"


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Return whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


@contextmanager
def ends_within(backend: Backend, seconds: float) -> Iterator[None]:
    """Check that what follows is over when the time is, but for the promised overrun."""
    with Stopwatch() as watch:
        yield
    watch.assert_within(seconds - 0.02, seconds + OVERRUN[backend.name])


def by_name(server: FaultServer) -> str:
    """Return the server's base URL with a name in it, which has to be resolved."""
    return server.base_url.replace("127.0.0.1", "localhost")
