"""What 500 sidebands in one process cost at 20 events a second each, beside `websockets`' own client.

`python -m benchmarks.sidebands [COUNT] [SECONDS]` prints a line of JSON for each client. The server
runs in another process, so its work is not measured. Both clients decode each event.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

CLIENTS = ("this_sdk", "websockets")
EVENTS_A_SECOND = 20
_SERVER = """
import asyncio, json
from websockets.asyncio.server import serve

EVENT = json.dumps({
    "type": "response.output_audio_transcript.delta", "event_id": "event_0123456789abcdef",
    "response_id": "resp_0123456789abcdef", "item_id": "item_0123456789abcdef",
    "output_index": 0, "content_index": 0, "delta": "words that are said ",
})

async def send(connection):
    while True:
        await connection.send(EVENT)
        await asyncio.sleep(1 / %d)

async def main():
    async with serve(send, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

asyncio.run(main())
"""


@asynccontextmanager
async def _this_sdk(port: int) -> AsyncGenerator[AsyncIterator[object]]:
    from openai_realtime import RealtimeSessionsClient  # noqa: PLC0415 - not in the other's memory

    client = RealtimeSessionsClient(base_url=f"http://127.0.0.1:{port}/v1", api_key="sk-benchmark")
    async with client, client.calls.connect("rtc_1") as sideband:
        yield aiter(sideband)


@asynccontextmanager
async def _websockets(port: int) -> AsyncGenerator[AsyncIterator[object]]:
    from websockets.asyncio.client import connect  # noqa: PLC0415 - not in the other's memory

    async with connect(f"ws://127.0.0.1:{port}/v1/realtime", compression=None) as connection:
        yield (json.loads(message) async for message in connection)


async def _measure(name: str, port: int, count: int, seconds: float) -> dict[str, object]:
    opened = {"this_sdk": _this_sdk, "websockets": _websockets}[name]
    events = [0] * count
    ready = asyncio.Semaphore(20)  # handshakes at once

    async def listen(number: int) -> None:
        async with ready:
            connection = opened(port)
            received = await connection.__aenter__()
        async for _ in received:
            events[number] += 1

    tasks = [asyncio.create_task(listen(number)) for number in range(count)]
    while not all(events):  # noqa: ASYNC110 - an event for each would be measured too
        await asyncio.sleep(0.1)
    before, began, cpu = sum(events), time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    cpu, received = time.process_time() - cpu, sum(events) - before
    result: dict[str, object] = {
        "client": name,
        "events_per_second": round(received / (time.monotonic() - began)),
        "cpu_seconds": round(cpu, 3),
        "cpu_us_per_event": round(cpu / received * 1e6, 1),
        "memory_mb": round(_memory_mb(), 1),
    }
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return result


def _memory_mb() -> float:
    """Return the memory of this process, on Linux."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def main(arguments: list[str]) -> None:
    """Measure every client, each in a process of its own, or the one that is named."""
    if arguments and arguments[0] in CLIENTS:
        name, port, count, seconds = arguments
        print(json.dumps(asyncio.run(_measure(name, int(port), int(count), float(seconds)))))
        return
    count, seconds = (*arguments, "500", "10")[:2] if len(arguments) != 1 else (arguments[0], "10")
    for name in CLIENTS:
        with subprocess.Popen(
            [sys.executable, "-c", _SERVER % EVENTS_A_SECOND], stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout is not None
            try:
                port = server.stdout.readline().strip()
                worker = [sys.executable, "-m", "benchmarks.sidebands", name, port, count, seconds]
                subprocess.run(worker, check=True)
            finally:
                server.kill()


if __name__ == "__main__":
    main(sys.argv[1:])
