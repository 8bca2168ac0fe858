"""A process that mints once: `python -m benchmarks.cold_start FILE WITHOUT BASE_URL`.

It prints the secret, and how many milliseconds the import of the peer took. It imports nothing that
the peer does not need.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from benchmarks.peers import Target, imported


async def _mint(peer: Any, target: Target, import_ms: float) -> None:
    async with peer.open_async(target) as mint:
        print(await mint(), import_ms, flush=True)


def main() -> None:
    """Import, connect, mint, print."""
    file, without, base_url = sys.argv[1:]
    started = time.perf_counter()
    peer = imported(file, without)
    import_ms = (time.perf_counter() - started) * 1e3
    asyncio.run(_mint(peer, Target(base_url), import_ms))


if __name__ == "__main__":
    main()
