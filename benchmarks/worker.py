"""The process that measures one peer: `python -m benchmarks.worker FILE VARIANT JOBS` prints results.

Owns: opening the peer, anew for each job. Must not know: what a measure does.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from importlib import import_module
from typing import Any

from benchmarks import measures
from benchmarks.peers import Target


async def _measured(peer: Any, measure: str, target: Target, arguments: dict[str, Any]) -> Any:
    async with peer.open_async(target) as mint:
        return await getattr(measures, measure)(mint, **arguments)


def main() -> None:
    """Measure what the jobs, a list in JSON, say."""
    file, variant, jobs = sys.argv[1:]
    peer: Any = import_module(f"benchmarks.peers.{file}")
    results: list[Any] = []
    for measure, base_url, authority, arguments in json.loads(jobs):
        target = Target(base_url, authority, variant)
        if measure == "threaded":
            with peer.open_sync(target) as mint:
                results.append(measures.threaded(mint, **arguments))
        else:
            results.append(asyncio.run(_measured(peer, measure, target, arguments)))
    print(json.dumps(results), flush=True)


if __name__ == "__main__":
    main()
    # Without the interpreter's end: pyreqwest's threads abort it now and then (Python 3.11).
    os._exit(0)
