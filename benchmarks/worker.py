"""The process that measures one peer: `python -m benchmarks.worker FILE WITHOUT JOBS` prints results."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from benchmarks import measures
from benchmarks.peers import Target, imported


async def _measured(peer: Any, measure: str, target: Target, arguments: dict[str, Any]) -> Any:
    async with peer.open_async(target) as mint:
        return await getattr(measures, measure)(mint, **arguments)


def _result(peer: Any, measure: str, target: Target, arguments: dict[str, Any]) -> Any:
    if measure == "steady_without_async":
        with peer.open_sync(target) as mint:
            return measures.steady_without_async(mint, **arguments)
    if arguments.get("library") == "trio":
        import trio  # noqa: PLC0415 - its memory would be measured where it is not used

        return trio.run(_measured, peer, measure, target, arguments)
    return asyncio.run(_measured(peer, measure, target, arguments))


def main() -> None:
    """Do the jobs, a list in JSON, each with a client of its own."""
    file, without, jobs = sys.argv[1:]
    peer = imported(file, without)
    results = [
        _result(peer, measure, Target(*target), arguments)
        for measure, target, arguments in json.loads(jobs)
    ]
    print(json.dumps(results), flush=True)


if __name__ == "__main__":
    main()
