"""R1 under floods: a fast stream of tiny parts does not delay the deadline or block the event loop.

The flood comes from another process, so it uses no processor time of this one.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
from backends import ON_BOTH_PARSERS, Backend

from faults.calling import OVERRUN
from faults.machine_delays import Stopwatch
from openai_realtime import APIConnectionError

if TYPE_CHECKING:
    from collections.abc import Iterator

BACKENDS = ON_BOTH_PARSERS
LONGEST_GAP = 0.05
CHUNKED = "HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"
FLOODS = {
    "one-byte chunks": (CHUNKED, "1\\r\\nx\\r\\n"),
    "chunk extensions": (CHUNKED, "1;" + "a=b;" * 16 + "\\r\\nx\\r\\n"),
    "an endless chunk extension": (CHUNKED + "1;", "a=b;"),
    "an endless trailer": (CHUNKED + "0\\r\\n", "a: b\\r\\n"),
    "interim responses": ("", "HTTP/1.1 103 Early Hints\\r\\n\\r\\n"),
    "headers": ("HTTP/1.1 200 OK\\r\\n", "a: b\\r\\n"),
    "a body": ("HTTP/1.1 200 OK\\r\\n\\r\\n", "x"),
}
SERVER = """
import socket, sys, threading
start, again = (text.encode().decode("unicode_escape").encode() for text in sys.argv[1:])
flood = again * (262144 // len(again))
def serve(connection):
    with connection:
        try:
            connection.recv(65536)
            connection.sendall(start)
            while True:
                connection.sendall(flood)
        except OSError:
            pass
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


@pytest.fixture(params=FLOODS)
def flooding(request: pytest.FixtureRequest) -> Iterator[str]:
    """The base URL of a server that floods every client."""
    arguments = [sys.executable, "-c", SERVER, *FLOODS[request.param]]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        process.kill()


def test_a_flood_ends_in_time_and_does_not_block_the_event_loop(
    backend: Backend, flooding: str
) -> None:
    gaps: list[float] = []

    async def tick() -> None:
        last = time.monotonic()
        while True:
            await anyio.lowlevel.checkpoint()
            now = time.monotonic()
            gaps.append(now - last)
            last = now

    async def body() -> Stopwatch:
        async with backend.client(base_url=flooding, api_key="sk-x", max_retries=0) as client:
            with pytest.raises(APIConnectionError):  # so that every lazy import is done
                await client.sessions.create(timeout=0.2)
            async with anyio.create_task_group() as group:
                if not backend.is_sync:
                    group.start_soon(tick)
                with Stopwatch() as watch, pytest.raises(APIConnectionError):
                    await client.sessions.create(timeout=0.3)
                group.cancel_scope.cancel()
            return watch

    watch = backend.run(body)
    watch.assert_within(0, 0.3 + OVERRUN[backend.name])
    if max(gaps, default=0.0) >= LONGEST_GAP:
        assert max(gaps) < LONGEST_GAP + watch.delayed_by, f"blocked for {max(gaps):.3f} s"
