"""A process that handles calls before its response; tests steer its handler through Redis.

python receiver.py FILE_DESCRIPTOR REDIS_URL KIND_OF_HANDLER
"""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import anyio.to_thread
import redis
import redis.asyncio
import uvicorn
from starlette.applications import Starlette

sys.path.insert(0, str(Path(__file__).parents[1]))

from openai_realtime import RealtimeCallIncoming, WebhookVerifier
from openai_realtime.webhooks import AsyncRedisReplayStore, RedisReplayStore, on_call_incoming
from webhooks.deliveries import SECRET


def main(descriptor: int, redis_url: str, kind: str) -> None:
    steering = redis.Redis.from_url(redis_url)

    def handle(_event: RealtimeCallIncoming) -> None:
        steering.rpush("begun", os.getpid())
        while True:
            for whose in ("all", str(os.getpid())):
                end = steering.get(f"end:{whose}")
                if end == b"fail":
                    raise LookupError("as the test wishes")
                if end is not None:
                    steering.rpush("ended", os.getpid())
                    return
            time.sleep(0.01)

    async def awaited(event: RealtimeCallIncoming) -> None:
        await anyio.to_thread.run_sync(handle, event)

    store = (
        RedisReplayStore(redis.Redis.from_url(redis_url))
        if kind == "thread"
        else AsyncRedisReplayStore(redis.asyncio.Redis.from_url(redis_url))
    )
    route = on_call_incoming(
        handle if kind == "thread" else awaited,
        verifier=WebhookVerifier(SECRET, replay_store=store),
        handle="before_response",
        claim_timeout=3600,
    )
    app = Starlette(routes=[route])
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
