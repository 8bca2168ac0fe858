"""Several processes, one limit: the mint service with its counts in Redis.

    pip install '.[mint]'
    OPENAI_API_KEY=sk-… REDIS_URL=redis://127.0.0.1:6379/0 SAFETY_KEY=… \
        uvicorn --app-dir examples --factory redis_fleet:create_app --workers 4 --no-proxy-headers
    python examples/redis_fleet.py --mock    # needs redis-server; calls two workers, and ends

All four workers share a user's limit. While Redis does not respond, no user gets a secret; the service
works again when Redis is back. With `appendonly yes`, Redis keeps its counts over a restart.
`SAFETY_KEY` must be the same for all workers.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.testclient import TestClient

from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import mint_app
from openai_realtime.testing import MockRealtimeServer

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request


def who(request: Request) -> str | None:
    """Return the user: here from a gateway's header; in your app from a cookie or a token."""
    return request.headers.get("x-user")


def create_app() -> Starlette:
    """Return one worker's app."""
    return mint_app(
        RealtimeSessionsClient(timeout=10),
        session={"model": "gpt-realtime-2.1", "voice": "verse"},
        authorize=who,
        storage=os.environ["REDIS_URL"],
        limits="5/minute",
        global_limits="1000/minute",
        safety_key=os.environ["SAFETY_KEY"],
        metrics=True,
        close_client=True,
    )


def try_it() -> None:
    """Call two workers alternately, until the limit is reached."""
    with TestClient(create_app()) as one, TestClient(create_app()) as other:
        for worker in (one, other) * 4:
            response = worker.post("/client-secret", json={}, headers={"X-User": "ann"})
            body = response.json()
            name = "one:  " if worker is one else "other:"
            wait = response.headers.get("retry-after", "0")
            print(name, response.status_code, body.get("value") or f"again in {wait} s")


def main() -> None:
    """Start a Redis server and a mock of the provider, and try it."""
    with MockRealtimeServer() as server, tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "redis.sock")
        settings = ["--port", "0", "--unixsocket", str(path), "--save", "", "--dir", folder]
        redis = subprocess.Popen(  # noqa: S603 - a server of its own
            ["redis-server", *settings],  # noqa: S607 - wherever it is installed
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert redis.stdout  # noqa: S101 - it is piped
            next(line for line in redis.stdout if "eady to accept connections" in line)
            os.environ["REDIS_URL"] = f"redis+unix://{path}"
            os.environ["SAFETY_KEY"] = secrets.token_hex()
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY"] = server.api_key
            try_it()
        finally:
            redis.terminate()
            redis.communicate()


if __name__ == "__main__":
    if "--mock" in sys.argv:
        main()
    else:
        sys.exit("run it with uvicorn, as the top of this file says, or with --mock")
