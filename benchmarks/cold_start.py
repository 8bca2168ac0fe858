"""A process that mints once: `python -m benchmarks.cold_start FILE VARIANT BASE_URL`.

Owns: the shortest way from a process's start to its first secret; it prints the secret and how many
ms the import of the peer took. Nothing is imported that a peer does not need. Must not know: the
time at which its process was started.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from importlib import import_module
from typing import Any

from benchmarks.peers import Target


async def _mint(peer: Any, target: Target, import_ms: float) -> None:
    async with peer.open_async(target) as mint:
        print(await mint(), import_ms, flush=True)


def main() -> None:
    """Import, connect, mint, print."""
    file, variant, base_url = sys.argv[1:]
    started = time.perf_counter()
    peer: Any = import_module(f"benchmarks.peers.{file}")
    import_ms = (time.perf_counter() - started) * 1e3
    asyncio.run(_mint(peer, Target(base_url, "", variant), import_ms))


if __name__ == "__main__":
    main()
    os._exit(0)  # as in worker.py
