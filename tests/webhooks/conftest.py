"""A real Redis, and a real uvicorn, for the webhooks' tests.

Owns: their start and end. Must not know: what is tested on them.
"""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
import uvicorn
from executables import program

from webhooks.calls import Handler

if TYPE_CHECKING:
    from starlette.types import ASGIApp


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place: Path = tmp_path_factory.mktemp("redis") / "socket"
    arguments = [
        "--port",
        "0",
        "--unixsocket",
        str(place),
        "--save",
        "",
        "--dir",
        str(place.parent),
    ]
    server = subprocess.Popen(
        [program("redis-server"), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    client = redis.Redis(unix_socket_path=str(place))
    for _ in range(1000):
        with suppress(redis.ConnectionError):
            client.ping()
            break
        time.sleep(0.01)
    yield f"unix://{place}"
    client.close()
    server.terminate()
    server.wait()


@pytest.fixture
def serve() -> Iterator[Callable[[ASGIApp], str]]:
    """Serve an app on a free port; returns its address."""
    stops: list[Callable[[], None]] = []

    def start(app: ASGIApp) -> str:
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
        running = threading.Thread(target=server.run, args=([listening],))

        def stop() -> None:
            server.should_exit = True
            running.join()
            listening.close()

        running.start()
        stops.append(stop)
        while not server.started:
            time.sleep(0.005)
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield start
    for stop in stops:
        stop()


@pytest.fixture
def handler() -> Iterator[Handler]:
    own = Handler()
    yield own
    own.may_end.set()  # a test that failed leaves no thread behind
