"""How long `acquire` of a secret pool takes, hits and misses apart, at a steady rate.

`python -m benchmarks.pool_hits` prints a line of JSON for each backend. The server runs in another
process, so its work is not measured. Beside each run, an empty loop in a process of its own measures
how late this machine wakes a sleeping process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

Result = dict[str, float]

BACKENDS = ("asyncio", "trio", "sync")
_SERVER = """
import sys
from openai_realtime.testing import MockRealtimeServer
with MockRealtimeServer() as server:
    print(server.base_url, server.api_key, flush=True)
    sys.stdin.read()
"""


@contextmanager
def mock_server() -> Generator[dict[str, Any]]:
    """Run the mock server in another process; yield the options of a client that calls it."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            base_url, api_key = process.stdout.readline().split()
            yield {"base_url": base_url, "api_key": api_key}
        finally:
            process.kill()


def _percentiles(name: str, seconds: list[float]) -> Result:
    seconds = sorted(seconds) or [0.0]
    last = len(seconds) - 1
    return {
        f"{name}_p50_us": seconds[len(seconds) // 2] * 1e6,
        f"{name}_p99_us": seconds[min(last, len(seconds) * 99 // 100)] * 1e6,
        f"{name}_max_us": seconds[last] * 1e6,
    }


class _Acquires:
    """The measurements of one run."""

    def __init__(self) -> None:
        self.hits: list[float] = []
        self.misses: list[float] = []
        self.late: list[float] = []
        self.secrets: set[str] = set()
        self.processor, self.began = time.process_time(), time.perf_counter()

    def note(self, pool: Any, before: int, seconds: float, session: Any) -> None:
        kind = self.hits if pool.stats().hits > before else self.misses
        kind.append(seconds)
        self.secrets.add(session.client_secret.value)

    def result(self) -> Result:
        count = len(self.hits) + len(self.misses)
        assert len(self.secrets) == count, "a secret was given twice"
        wall = time.perf_counter() - self.began
        return {
            "acquires": count,
            "per_second": count / wall,
            "misses": len(self.misses),
            "cpu_us": (time.process_time() - self.processor) / count * 1e6,
            **_percentiles("hit", self.hits),
            **_percentiles("miss", self.misses),
            **_percentiles("late", self.late),
        }


async def acquires(options: dict[str, Any], *, rate: float, seconds: float, size: int) -> Result:
    """Acquire `rate` times a second from an async pool of `size`, in the running event loop."""
    import anyio  # noqa: PLC0415 - not needed where nothing is async

    from openai_realtime import RealtimeSessionsClient  # noqa: PLC0415

    async with (
        RealtimeSessionsClient(**options) as client,
        client.secret_pool(size=size, min_size=size, concurrency=8, voice="verse") as pool,
    ):
        while pool.stats().ready < size:  # noqa: ASYNC110 - a pool has no event for "full"
            await anyio.sleep(0.01)
        found = _Acquires()
        for number in range(int(rate * seconds)):
            due = found.began + number / rate
            await anyio.sleep(max(0.0, due - time.perf_counter()))
            before, started = pool.stats().hits, time.perf_counter()
            session = await pool.acquire()
            ended = time.perf_counter()
            found.late.append(started - due)
            found.note(pool, before, ended - started, session)
        return found.result()


def blocking_acquires(options: dict[str, Any], *, rate: float, seconds: float, size: int) -> Result:
    """Acquire `rate` times a second from a sync pool of `size`, in one thread."""
    from openai_realtime import SyncRealtimeSessionsClient  # noqa: PLC0415

    with (
        SyncRealtimeSessionsClient(**options) as client,
        client.secret_pool(size=size, min_size=size, concurrency=8, voice="verse") as pool,
    ):
        while pool.stats().ready < size:
            time.sleep(0.01)
        found = _Acquires()
        for number in range(int(rate * seconds)):
            due = found.began + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            before, started = pool.stats().hits, time.perf_counter()
            session = pool.acquire()
            ended = time.perf_counter()
            found.late.append(started - due)
            found.note(pool, before, ended - started, session)
        return found.result()


def empty_loop(*, rate: float, seconds: float) -> Result:
    """Return how late an idle process is woken, and how long a loop of 20 µs takes."""
    late: list[float] = []
    nothing: list[float] = []
    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        time.sleep(max(0.0, due - time.perf_counter()))
        started = time.perf_counter()
        # About as long as a hit takes, so that the same interruptions affect both.
        while time.perf_counter() - started < 20e-6:
            pass
        nothing.append(time.perf_counter() - started)
        late.append(started - due)
    return {**_percentiles("late", late), **_percentiles("spin_of_20", nothing)}


def measure(
    backend: str, *, rate: float = 500, seconds: float = 4, size: int = 100
) -> dict[str, Result]:
    """Measure one backend, with the server and an empty loop in processes of their own."""
    empty = [sys.executable, __file__, "empty", str(rate), str(seconds)]
    with mock_server() as options:
        if backend == "sync":
            run = partial(blocking_acquires, options, rate=rate, seconds=seconds, size=size)
        else:
            import anyio  # noqa: PLC0415

            task = partial(acquires, options, rate=rate, seconds=seconds, size=size)
            run = partial(anyio.run, task, backend=backend)
        with subprocess.Popen(empty, stdout=subprocess.PIPE, text=True) as beside:
            result: Result = run()
            printed, _ = beside.communicate()
    return {backend: result, "empty loop": json.loads(printed)}


if __name__ == "__main__":
    if sys.argv[1:2] == ["empty"]:
        print(json.dumps(empty_loop(rate=float(sys.argv[2]), seconds=float(sys.argv[3]))))
    else:
        for each in sys.argv[1:] or BACKENDS:
            for name, figures in measure(each).items():
                print(f"{name:10}", *(f"{key} {value:.0f}" for key, value in figures.items()))
