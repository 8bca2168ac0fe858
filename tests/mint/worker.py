"""A process of a fleet: serves the mint service on a free port, which it prints.

python worker.py PROVIDER_BASE_URL API_KEY STORAGE LIMITS
"""

from __future__ import annotations

import asyncio
import sys

import uvicorn

from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import mint_app


async def main() -> None:
    base_url, api_key, storage, limits = sys.argv[1:]
    app = mint_app(
        RealtimeSessionsClient(base_url=base_url, api_key=api_key),
        session={"model": "gpt-realtime-2.1"},
        authorize=lambda request: request.headers.get("x-user"),
        storage=storage,
        limits=limits,
        close_client=True,
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", proxy_headers=False))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    sys.stdout.write(f"{server.servers[0].sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await serving


if __name__ == "__main__":
    asyncio.run(main())
