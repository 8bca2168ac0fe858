"""Calls with a nonce, and the assertions on their secrets, their time and leaked descriptors."""

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

# By how many seconds a call may exceed its deadline (R1 in SECURITY.md).
OVERRUN = {"asyncio": 0.1, "trio": 0.1, "sync": 0.25}

_numbers = itertools.count(1)


def client_of(backend: Backend, server: FaultServer, **options: Any) -> RealtimeSessionsClient:
    """Return a client of the server that waits only briefly before a retry."""
    settings = {"base_url": server.base_url, "api_key": API_KEY, "retry": QUICK}
    return backend.client(**{**settings, **options})


def new_nonce(purpose: str = "nonce") -> str:
    return f"{purpose}-{next(_numbers)}"


async def mint(
    client: RealtimeSessionsClient, server: FaultServer, *, nonce: str = "", **params: Any
) -> RealtimeSessionCreateResponse:
    """Mint a session, and check that its secret was made for this request."""
    nonce = nonce or new_nonce()
    session = await client.sessions.create(extra_headers={"X-Nonce": nonce}, **params)
    assert_own(server, session, nonce)
    return session


def assert_own(server: FaultServer, session: RealtimeSessionCreateResponse, nonce: str) -> None:
    assert server.secrets[session.client_secret.value] == nonce, "another request's secret"


def open_descriptors() -> frozenset[str]:
    """Return each open descriptor of this process and what it is; nothing where there is no `/proc`.

    The result has names and not a count: when a descriptor of an earlier test is closed meanwhile, it
    cannot hide one that this test leaves open.
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

    The server's listening socket is excluded, because the fault `refuse` replaces it.
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
    """Check that the block takes `seconds`, plus at most the promised overrun."""
    with Stopwatch() as watch:
        yield
    watch.assert_within(seconds - 0.02, seconds + OVERRUN[backend.name])


def by_name(server: FaultServer) -> str:
    """Return the server's base URL with a host name, which has to be resolved."""
    return server.base_url.replace("127.0.0.1", "localhost")
