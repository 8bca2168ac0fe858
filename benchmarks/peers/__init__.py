"""Who is measured: one row a peer, one file a library, each opened by the same two functions.

Each is used as its own documentation shows, with three settings made alike: no peer gives up waiting
for its own pool (httpx and httpx2 have no timeout), aiohttp opens as many connections as it is asked
to (`limit=0`), and a test authority is trusted where there is TLS. Both SDKs keep all their defaults:
timeouts, retries, limits.

Owns: the table. Must not know: any library (a process imports the one file it measures).
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple


class Target(NamedTuple):
    """Where a peer mints, and with what."""

    base_url: str
    """Ends in /v1."""
    authority: str
    """A file with the certificate authority to trust, or nothing."""
    variant: str
    """Which of a library's ways is measured."""


class Peer(NamedTuple):
    """One row of every table."""

    name: str
    file: str
    """In this folder; has `open_async(target)`, and where `is_sync_too`, `open_sync(target)`."""
    needs: tuple[str, ...]
    """Modules to be importable."""
    variant: str = ""
    is_sync_too: bool = False

    def missing(self) -> list[str]:
        """Return the modules that are not installed."""
        return [module for module in self.needs if find_spec(module) is None]


OFFICIAL = "official SDK"
HTTPX_ENGINE = "this SDK, httpx"
FAST_ENGINE = "this SDK, reqwest"
RAW = "raw socket"

PEERS = (
    Peer(RAW, "raw_socket", ()),
    Peer("pyreqwest", "pyreqwest_client", ("pyreqwest",)),
    Peer("aiohttp", "aiohttp_client", ("aiohttp",)),
    Peer("httpx", "httpx_client", ("httpx",), is_sync_too=True),
    Peer("httpx2", "httpx2_client", ("httpx2",)),
    Peer(OFFICIAL, "official_sdk", ("openai",), is_sync_too=True),
    Peer("official SDK, aiohttp", "official_sdk", ("openai", "aiohttp"), "aiohttp"),
    Peer(HTTPX_ENGINE, "this_sdk", (), "httpx", is_sync_too=True),
    Peer(FAST_ENGINE, "this_sdk", ("pyreqwest",), "reqwest", is_sync_too=True),
)
