"""Mint a client secret over the fast engine: pip install 'openai-realtime[fast]'.

    OPENAI_API_KEY=sk-… python examples/fast_engine.py
    python examples/fast_engine.py --mock    # no key, no network

Opens a connection first, so that the first user does not wait for DNS, TCP and TLS.
"""

from __future__ import annotations

import asyncio
import os
import sys

from openai_realtime import RealtimeSessionsClient
from openai_realtime.testing import MockRealtimeServer


async def main() -> None:
    """Warm up and mint."""
    async with RealtimeSessionsClient(transport="reqwest") as client:
        await client.warm_up()
        session = await client.sessions.create(model="gpt-realtime", voice="verse")
        print("reqwest:", session.client_secret.value)


if __name__ == "__main__":
    if "--mock" in sys.argv:
        with MockRealtimeServer() as server:
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY"] = server.api_key
            asyncio.run(main())
    else:
        asyncio.run(main())
