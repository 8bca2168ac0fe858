"""The peers: one row each, one file a library.

Each is used as its own documentation shows, with three equal settings: no peer has a time limit for
its own pool (httpx and httpx2 have no timeout), aiohttp has no limit of connections (`limit=0`), and
a test authority is trusted where there is TLS. Both SDKs keep all their defaults:
timeouts, retries, limits. A process imports the file of the one peer that it measures.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple


class Target(NamedTuple):
    """Where a peer mints."""

    base_url: str
    """Ends in /v1."""
    authority: str = ""
    """A file with the certificate authority to trust, or nothing."""


class Peer(NamedTuple):
    """One row of every table."""

    name: str
    file: str
    """A file in this folder with `open_async(target)`, and `open_sync(target)` when `also` has sync."""
    needs: tuple[str, ...] = ()
    """The modules that it imports."""
    also: tuple[str, ...] = ()
    """Which of the measures `sync` and `trio` it can do."""
    without: str = ""
    """A module that its process must not import: an extra that is installed for another peer."""

    def missing(self) -> list[str]:
        """Return the modules that are not installed."""
        return [module for module in self.needs if find_spec(module) is None]


RAW = "raw socket"
HTTPX = "httpx"
OFFICIAL = "official SDK"
OWN = "this SDK"
OWN_FAST = "this SDK, fast"

PEERS = (
    Peer(RAW, "raw_socket"),
    Peer("aiohttp", "aiohttp_client", ("aiohttp",)),
    Peer(HTTPX, "httpx_client", ("httpx",), ("sync", "trio")),
    Peer("httpx2", "httpx2_client", ("httpx2",), ("trio",)),
    Peer(OFFICIAL, "official_sdk", ("openai",), ("sync", "trio"), without="aiohttp"),
    Peer("official SDK, aiohttp", "official_sdk_over_aiohttp", ("openai", "aiohttp")),
    Peer(OWN, "this_sdk", (), ("sync", "trio"), without="httptools"),
    Peer(OWN_FAST, "this_sdk", ("httptools",), ("sync", "trio")),
)


def imported(file: str, without: str) -> Any:
    """Import a peer's file, after which this process cannot import the module `without`."""
    if without:
        # Python then raises ModuleNotFoundError for this module.
        sys.modules[without] = None  # type: ignore[assignment]  # typeshed knows modules alone
    return import_module(f"benchmarks.peers.{file}")
