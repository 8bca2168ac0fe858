"""Keep secrets ready, so that no user waits for a mint.

    OPENAI_API_KEY=sk-… python examples/secret_pool.py
    python examples/secret_pool.py --mock    # no key, no network

Twenty users come, a few at once. The pool keeps eight secrets ready and mints more in the background.
"""

from __future__ import annotations

import os
import sys
import time

import anyio

from openai_realtime import RealtimeSessionsClient
from openai_realtime.testing import MockRealtimeServer

USERS = 20


async def main() -> None:
    """Serve the users, and print how long they waited."""
    secrets: list[str] = []
    waits: list[float] = []
    async with (
        RealtimeSessionsClient() as client,
        client.secret_pool(size=8, model="gpt-realtime-2.1", voice="verse") as pool,
    ):
        for _ in range(USERS):
            await anyio.sleep(0.05)
            began = time.perf_counter()
            session = await pool.acquire(min_ttl=30)
            waits.append(time.perf_counter() - began)
            secrets.append(session.client_secret.value)
        stats = pool.stats()
    print(*secrets, sep="\n")
    print(f"{len(set(secrets))} distinct secrets; {stats.hits} were ready")
    print(f"half of the users waited less than {sorted(waits)[USERS // 2] * 1e6:.0f} µs")


if __name__ == "__main__":
    if "--mock" in sys.argv:
        with MockRealtimeServer() as server:
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY"] = server.api_key
            anyio.run(main)
    else:
        anyio.run(main)
