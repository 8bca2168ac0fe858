"""Use an API key that changes while the process runs: `api_key` as an async callable.

    OPENAI_API_KEY_FILE=/run/secrets/openai python examples/rotating_key.py
    python examples/rotating_key.py --mock    # no key, no network

The callable is called for every attempt, so the next attempt uses a rotated key, without a restart. A provider of Entra tokens, such as azure-identity's `get_bearer_token_provider` in its
`aio` package, has the same shape and can be passed as it is. Prints two secrets.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from openai_realtime import RealtimeSessionsClient
from openai_realtime.testing import MockRealtimeServer


async def read_key() -> str:
    """Return the current key. A slow source should keep its key between the calls."""
    path = anyio.Path(os.environ["OPENAI_API_KEY_FILE"])
    return (await path.read_text(encoding="ascii")).strip()


async def main() -> None:
    """Mint two secrets; the key may change between them, and during their retries."""
    async with RealtimeSessionsClient(api_key=read_key) as client:
        for _ in range(2):
            session = await client.sessions.create(model="gpt-realtime-2.1")
            print(f"secret: {session.client_secret.value}")


if __name__ == "__main__":
    if "--mock" in sys.argv:
        with TemporaryDirectory() as folder, MockRealtimeServer() as server:
            key_file = Path(folder, "key")
            key_file.write_text(f"{server.api_key}\n", encoding="ascii")
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY_FILE"] = str(key_file)
            anyio.run(main)
    else:
        anyio.run(main)
