"""Three processes on one Redis, while processes are killed, stopped and started, and Redis fails.

No call outlives its maximum duration by more than 5 s (without the time in which Redis is away), none is
ended early, and no end is told twice. A call of a process that dies between the provider's response and
the record is counted apart: no browser can join it. The calls of a process that dies are known to the
others 5 s later, so Redis does not lose its data in these 5 s.

`python -m pytest -m soak tests/mint/calls/test_processes.py` takes 90 s at most.
"""

from __future__ import annotations

import json
import random
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from faults.machine_delays import bare_timer
from typing_extensions import override

from mint.calls.service import OFFER, SDP
from mint.redis_process import RedisProcess
from openai_realtime.testing import MockRealtimeServer, MockResponse

if TYPE_CHECKING:
    from openai_realtime.testing import RecordedRequest

pytestmark = pytest.mark.redis

BOUND = 5.0
"""By how many seconds a call may outlive its maximum duration."""


class Provider(MockRealtimeServer):
    """A mock that notes when calls begin and end."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: dict[str, float] = {}
        self.ended: dict[str, float] = {}

    @override
    def respond(self, request: RecordedRequest) -> MockResponse:
        response = super().respond(request)
        if response.status == 201:
            self.begun[response.headers["location"].rpartition("/")[2]] = time.monotonic()
        elif request.path.endswith("/hangup") and response.status == 200:
            self.ended.setdefault(request.path.split("/")[-2], time.monotonic())
        return response


@dataclass
class Worker:
    """A process of the fleet."""

    process: subprocess.Popen[str]
    url: str
    is_stopped: bool = False

    def send(self, number: int) -> None:
        self.process.send_signal(number)
        self.is_stopped = number == signal.SIGSTOP


@dataclass
class Fleet:
    """The processes, their Redis and their provider, and what happens to them."""

    provider: Provider
    redis: RedisProcess
    folder: Path
    max_duration: float
    chance: random.Random = field(default_factory=lambda: random.Random(17))
    workers: list[Worker] = field(default_factory=list)
    outages: list[tuple[float, float]] = field(default_factory=list)
    deaths: int = 0
    left: list[float] = field(default_factory=list)
    """When pages hung up."""

    def start(self) -> None:
        """Start a process."""
        settings = [
            self.provider.base_url,
            self.provider.api_key,
            self.redis.url,
            str(self.max_duration),
            str(self.folder / "events"),
        ]
        worker = Path(__file__).with_name("worker.py")
        with (self.folder / "log").open("a", encoding="utf-8") as log:
            process = subprocess.Popen(
                [sys.executable, worker, *settings], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 60)[0], "the worker did not start in time"
        port = process.stdout.readline().strip()
        self.workers.append(Worker(process, f"http://127.0.0.1:{port}"))

    def replace(self) -> None:
        """Start a process, and kill the oldest one."""
        self.start()
        worker = self.workers.pop(0)
        worker.process.kill()
        worker.process.communicate(timeout=10)
        self.deaths += 1

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop a process for a while."""
        worker = self.chance.choice(self.workers)
        worker.send(signal.SIGSTOP)
        yield
        worker.send(signal.SIGCONT)

    def restart_redis(self, seconds: float, *, is_empty: bool = False) -> None:
        """Kill Redis, and start it later: with its data, or without."""
        began = time.monotonic()
        self.redis.kill()
        if is_empty:
            for path in self.folder.joinpath("redis").iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        time.sleep(seconds)
        self.redis.start()
        self.outages.append((began, time.monotonic()))

    def call(self, number: int) -> None:
        """Begin a call as a page does; a third of the pages hang up themselves."""
        with httpx.Client(trust_env=False, timeout=8, headers={"x-user": f"u{number}"}) as page:
            for worker in self.chance.sample(self.workers, len(self.workers)):
                if worker.is_stopped:
                    continue
                with suppress(httpx.TransportError):
                    response = page.post(f"{worker.url}/calls", content=OFFER, headers=SDP)
                    if response.status_code == 201:
                        self._leave(page, response.headers["location"])
                        return
                time.sleep(0.2)

    def _leave(self, page: httpx.Client, location: str) -> None:
        if self.chance.random() > 1 / 3:
            return
        time.sleep(self.chance.random() * self.max_duration)
        for worker in self.chance.sample(self.workers, len(self.workers)):
            if not worker.is_stopped:
                with suppress(httpx.TransportError):
                    self.left.append(time.monotonic())
                    page.delete(f"{worker.url}{location}")
                    return

    def events(self) -> list[dict[str, Any]]:
        lines = (self.folder / "events").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def is_over(self) -> bool:
        """Return whether every call has ended, and was told of."""
        told = {event["call_id"] for event in self.events() if event["type"] == "ended"}
        return self.provider.begun.keys() <= self.provider.ended.keys() & told

    def close(self) -> None:
        for worker in self.workers:
            worker.send(signal.SIGCONT)
            worker.process.kill()
            worker.process.communicate(timeout=10)


@contextmanager
def fleet(folder: Path, max_duration: float) -> Iterator[Fleet]:
    bare_timer()
    (folder / "redis").mkdir()
    redis = RedisProcess(folder / "redis")
    redis.start()
    with Provider() as provider:
        running = Fleet(provider, redis, folder, max_duration)
        try:
            for _ in range(3):
                running.start()
            yield running
        finally:
            running.close()
            redis.kill()


def run(fleet: Fleet, calls: int, seconds: float, chaos: Callable[[], None]) -> dict[str, Any]:
    """Begin calls at random times while `chaos` runs; return the figures."""
    began = time.monotonic()
    threads = [
        threading.Timer(fleet.chance.random() * seconds, fleet.call, [number])
        for number in range(calls)
    ]
    for thread in threads:
        thread.start()
    chaos()
    for thread in threads:
        thread.join()
    last = max(fleet.provider.begun.values())
    while time.monotonic() < last + fleet.max_duration + BOUND + 1 and not fleet.is_over():
        time.sleep(0.1)
    return check(fleet, bare_timer().latest(began, time.monotonic()))


def check(fleet: Fleet, machine_delay: float) -> dict[str, Any]:
    """Check every call; return the figures."""
    provider, events = fleet.provider, fleet.events()
    recorded = {event["call_id"] for event in events if event["type"] == "began"}
    ends = [event for event in events if event["type"] == "ended"]
    told = [event["call_id"] for event in ends]
    reasons = {event["call_id"]: event["reason"] for event in ends}
    late: list[float] = []
    orphans = 0
    for call_id, began in provider.begun.items():
        if call_id not in provider.ended:
            assert call_id not in recorded, f"{call_id} still runs"
            orphans += 1
            continue
        ended, due = provider.ended[call_id], began + fleet.max_duration
        # A process that hangs up for a page may die, or lose Redis, before it has told of it.
        is_of_page = any(0 <= ended - left < BOUND for left in fleet.left)
        if reasons.get(call_id) == "max_duration" and not is_of_page:
            assert ended >= due - 0.05, f"{call_id} was ended {due - ended:.2f} s early"
        for start, end in fleet.outages:
            if start - BOUND < due < end + BOUND:
                due = max(due, end)
        late.append(ended - due)
    assert max(late) < BOUND + machine_delay
    assert len(told) == len(set(told)), "an end was told twice"
    assert set(reasons.values()) <= {"max_duration", "page"}
    assert orphans <= fleet.deaths, "only a death loses a call"
    return {
        "calls": len(provider.begun),
        "orphans": orphans,
        "not told": len(provider.ended) - len(told),
        "latest": round(max(late), 2),
        "deaths": fleet.deaths,
        "outages": [round(end - start, 1) for start, end in fleet.outages],
        "machine": round(machine_delay, 2),
    }


def test_no_call_outlives_its_time_in_a_short_run(tmp_path: Path) -> None:
    with fleet(tmp_path, 2) as running:

        def chaos() -> None:
            time.sleep(1)
            running.replace()
            with running.stopped():
                time.sleep(4)
            running.restart_redis(1)
            time.sleep(1)
            running.restart_redis(0, is_empty=True)

        figures = run(running, 40, 8, chaos)
    assert figures["calls"] > 20, figures


@pytest.mark.soak
def test_no_call_outlives_its_time(tmp_path: Path) -> None:
    with fleet(tmp_path, 8) as running:

        def chaos() -> None:
            for _ in range(3):
                time.sleep(2)
                running.replace()
            with running.stopped():
                time.sleep(6)
            running.replace()
            running.restart_redis(10)
            with running.stopped():
                time.sleep(2)
                running.replace()
            time.sleep(5)
            running.restart_redis(0, is_empty=True)
            for _ in range(3):
                time.sleep(2)
                running.replace()

        figures = run(running, 250, 55, chaos)
    sys.stdout.write(f"{figures}\n")
    assert figures["calls"] > 180, figures
