"""A fleet with Redis, for real: two processes of the service, and a Redis that dies."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from mint.redis_process import RedisProcess
from mint.service import PATH, until
from openai_realtime.testing import MockRealtimeServer

pytestmark = pytest.mark.redis

LIMIT = 5
BOUND = 4.0
"""Seconds in which a request must be answered, whatever Redis does: 2, and a busy machine's."""


class Fleet:
    """Two processes of the service, asked in turn."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses
        self._browsers = httpx.Client(trust_env=False, timeout=20)

    def ask(self, user: str, number: int = 0) -> httpx.Response:
        address = self._addresses[number % len(self._addresses)]
        return self._browsers.post(f"{address}{PATH}", json={}, headers={"x-user": user})

    def ask_at_once(self, user: str, count: int) -> list[httpx.Response]:
        with ThreadPoolExecutor(count) as threads:
            return list(threads.map(lambda number: self.ask(user, number), range(count)))

    def readiness(self) -> list[tuple[int, str]]:
        answers = [self._browsers.get(f"{address}/readyz") for address in self._addresses]
        return [(answer.status_code, answer.json()["limiter"]) for answer in answers]

    def close(self) -> None:
        self._browsers.close()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    process = RedisProcess(tmp_path)
    process.start()
    yield process
    process.kill()


@pytest.fixture
def fleet(provider: MockRealtimeServer, redis: RedisProcess) -> Iterator[Fleet]:
    worker = Path(__file__).with_name("worker.py")
    settings = [provider.base_url, provider.api_key, redis.url, f"{LIMIT}/minute"]
    processes = [
        subprocess.Popen([sys.executable, worker, *settings], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        fleet = Fleet([f"http://127.0.0.1:{port_of(process)}" for process in processes])
        yield fleet
        fleet.close()
    finally:
        for process in processes:
            process.terminate()
            process.communicate(timeout=10)


def port_of(worker: subprocess.Popen[str]) -> str:
    """Return the port that a worker prints, in one piece."""
    assert worker.stdout is not None
    assert select.select([worker.stdout], [], [], 30)[0], "the worker did not start in time"
    return worker.stdout.readline().strip()


def statuses(answers: list[httpx.Response]) -> list[int]:
    return sorted(answer.status_code for answer in answers)


def test_two_processes_share_one_limit_and_a_redis_that_dies_means_no(
    fleet: Fleet, redis: RedisProcess, provider: MockRealtimeServer
) -> None:
    # Twenty at once, at two processes: the limit is one.
    assert statuses(fleet.ask_at_once("ann", 20)) == [200] * LIMIT + [429] * 15
    assert int(fleet.ask("ann").headers["retry-after"]) in range(40, 61)
    assert len(provider.requests) == LIMIT
    keys = redis.command("KEYS", "*")
    assert len(keys) == 2, "one a principal, and one for everybody"
    assert not any(b"ann" in key for key in keys)

    redis.kill()
    for number in range(4):
        began = time.monotonic()
        refused = fleet.ask("bob", number)
        assert (refused.status_code, refused.json()["error"]) == (503, "limiter_unavailable")
        assert time.monotonic() - began < BOUND
    assert fleet.readiness() == [(503, "unusable")] * 2
    assert len(provider.requests) == LIMIT

    redis.start()
    # It comes back by itself, at the first request, and has forgotten nothing.
    assert [fleet.ask("ann", number).status_code for number in range(2)] == [429, 429]
    assert statuses(fleet.ask_at_once("bob", 20)) == [200] * LIMIT + [429] * 15
    assert len(provider.requests) == 2 * LIMIT

    # One that is there and does not answer is as good as dead.
    redis.signal(signal.SIGSTOP)
    began = time.monotonic()
    assert statuses(fleet.ask_at_once("cid", 20)) == [503] * 20
    assert time.monotonic() - began < 2 * BOUND
    redis.signal(signal.SIGCONT)
    # What it was asked meanwhile may have been counted: less than the limit, never more.
    minted = statuses(fleet.ask_at_once("cid", 20)).count(200)
    assert minted <= LIMIT
    assert [fleet.ask("dan", number).status_code for number in range(2)] == [200, 200]
    assert len(provider.requests) == 2 * LIMIT + minted + 2


def test_no_secret_beyond_the_limit_while_redis_dies_and_comes_back(
    fleet: Fleet, redis: RedisProcess, provider: MockRealtimeServer
) -> None:
    users = [f"user{number}" for number in range(8)]
    asked: list[int] = []

    def insist(user: str) -> int:
        """Ask until the limit says no, through thick and thin; return the secrets received."""
        received, end = 0, time.monotonic() + 20
        while time.monotonic() < end:
            answer = fleet.ask(user, len(asked))
            asked.append(answer.status_code)
            received += answer.status_code == 200
            if answer.status_code == 429:
                break
        return received

    with ThreadPoolExecutor(len(users)) as threads:
        received = [threads.submit(insist, user) for user in users]
        until(lambda: len(provider.requests) >= len(users))
        redis.kill()
        until(lambda: asked.count(503) >= len(users))
        redis.start()
        secrets = [future.result() for future in received]
    assert set(asked) == {200, 429, 503}
    # Counted, but refused because the answer was lost with Redis: fewer, never more.
    assert all(1 <= count <= LIMIT for count in secrets)
    assert sum(secrets) == asked.count(200) == len(provider.requests)
