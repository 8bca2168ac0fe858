"""A process of a fleet: serves calls on a free port, which it prints, and writes what `on_call` is told.

python worker.py PROVIDER_BASE_URL API_KEY STORAGE MAX_DURATION EVENTS_FILE
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import uvicorn

from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import CallEvent, mint_app

if TYPE_CHECKING:
    from starlette.requests import Request


def user_of(request: Request) -> str | None:
    return request.headers.get("x-user")


async def main(log: TextIO) -> None:
    base_url, api_key, storage, max_duration = sys.argv[1:5]

    async def on_call(event: CallEvent) -> None:
        facts = {
            "type": event.type,
            "call_id": event.call_id,
            "reason": event.reason,
            "at": time.monotonic(),
        }
        log.write(f"{json.dumps(facts)}\n")

    app = mint_app(
        RealtimeSessionsClient(base_url=base_url, api_key=api_key, timeout=5),
        session={"model": "gpt-realtime-2.1"},
        authorize=user_of,
        storage=storage,
        limits="1000/minute",
        global_limits="100000/minute",
        max_duration=float(max_duration),
        max_concurrent=1000,
        on_call=on_call,
        metrics=True,
        close_client=True,
    )
    config = uvicorn.Config(app, port=0, log_level="error", proxy_headers=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    sys.stdout.write(f"{server.servers[0].sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await serving


if __name__ == "__main__":
    with Path(sys.argv[5]).open("a", encoding="utf-8", buffering=1) as events:
        asyncio.run(main(events))
