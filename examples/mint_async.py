"""Mint a client secret with the async client, and print the details of the call.

    OPENAI_API_KEY=sk-… python examples/mint_async.py
    python examples/mint_async.py --mock    # no key, no network

Prints the secret. It is valid for one minute, for one browser or phone.
"""

from __future__ import annotations

import os
import sys

import anyio

from openai_realtime import RealtimeSessionsClient
from openai_realtime.testing import MockRealtimeServer


async def main() -> None:
    """Mint one secret."""
    async with RealtimeSessionsClient() as client:
        session = await client.sessions.create(
            model="gpt-realtime-2.1",
            voice="verse",
            instructions="You are a friendly shop assistant. Be brief.",
            turn_detection={"type": "semantic_vad", "eagerness": "low"},
        )
    print(f"secret:     {session.client_secret.value}")
    print(f"expires at: {session.client_secret.expires_at_datetime}")
    print(f"request id: {session.meta.request_id}, after {session.meta.attempts} attempt(s)")


if __name__ == "__main__":
    if "--mock" in sys.argv:
        with MockRealtimeServer() as server:
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY"] = server.api_key
            anyio.run(main)
    else:
        anyio.run(main)
