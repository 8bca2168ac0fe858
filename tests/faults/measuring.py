"""A process that calls a server with faults, and prints by how much its peak memory grew.

    python -m faults.measuring BACKEND BASE_URL API_KEY NONCE…

It makes one call for each nonce. The first response should be good, and the others not. It prints the
growth of its peak memory after the first call, in bytes, and the names of the exceptions.
"""

from __future__ import annotations

import resource
import sys
from functools import partial
from pathlib import Path
from typing import Any

from backends import Backend

from openai_realtime import RealtimeError

# macOS counts in bytes.
UNIT = 1 if sys.platform == "darwin" else 1024


def peak() -> int:
    """Return the peak memory of this process, in bytes."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
    # Linux's ru_maxrss cannot be used: it starts with the peak of the parent process.
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) * 1024


async def measure(backend: Backend, base_url: str, api_key: str, *nonces: str) -> None:
    raised: list[str] = []
    before = 0
    async with backend.client(base_url=base_url, api_key=api_key) as client:
        for nonce in nonces:
            options: Any = {"extra_headers": {"X-Nonce": nonce}, "timeout": 20}
            try:
                await client.sessions.create(**options)
            except RealtimeError as error:
                raised.append(type(error).__name__)
            before = before or peak()
    print(peak() - before, *raised)  # noqa: T201 - its result


if __name__ == "__main__":
    backend = Backend.parse(sys.argv[1])
    backend.run(partial(measure, backend, *sys.argv[2:]))
