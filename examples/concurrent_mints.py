"""Mint fifty client secrets at once with one client, on asyncio or on trio.

    OPENAI_API_KEY=sk-… python examples/concurrent_mints.py
    OPENAI_API_KEY=sk-… python examples/concurrent_mints.py --trio
    python examples/concurrent_mints.py --mock    # no key, no network

Prints the secrets, one per line. All tasks share one client: never make one for each call.
"""

from __future__ import annotations

import os
import sys
import time

import anyio

from openai_realtime import RealtimeSessionsClient
from openai_realtime.testing import MockRealtimeServer

MINTS = 50
BACKEND = "trio" if "--trio" in sys.argv else "asyncio"


async def main() -> None:
    """Mint the secrets, each in its own task."""
    secrets: list[str] = []

    async def mint() -> None:
        session = await client.sessions.create(model="gpt-realtime-2.1", voice="verse")
        secrets.append(session.client_secret.value)

    began = time.monotonic()
    async with RealtimeSessionsClient() as client, anyio.create_task_group() as tasks:
        for _ in range(MINTS):
            tasks.start_soon(mint)
    seconds = time.monotonic() - began

    print(*secrets, sep="\n")
    print(f"{len(set(secrets))} distinct secrets in {seconds:.2f} s on {BACKEND}")


if __name__ == "__main__":
    if "--mock" in sys.argv:
        with MockRealtimeServer() as server:
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY"] = server.api_key
            anyio.run(main, backend=BACKEND)
    else:
        anyio.run(main, backend=BACKEND)
