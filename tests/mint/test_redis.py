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
"""Seconds in which each request must get its response: 2, and more for a busy machine."""


class Fleet:
    """Two processes of the service, which get requests in turn."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses
        self._browsers = httpx.Client(trust_env=False, timeout=20)

    def request_secret(self, user: str, number: int = 0) -> httpx.Response:
        address = self._addresses[number % len(self._addresses)]
        return self._browsers.post(f"{address}{PATH}", json={}, headers={"x-user": user})

    def request_secrets_at_once(self, user: str, count: int) -> list[httpx.Response]:
        with ThreadPoolExecutor(count) as threads:
            return list(threads.map(lambda number: self.request_secret(user, number), range(count)))

    def readiness(self) -> list[tuple[int, str]]:
        responses = [self._browsers.get(f"{address}/readyz") for address in self._addresses]
        return [(response.status_code, response.json()["limiter"]) for response in responses]

    def close(self) -> None:
        self._browsers.close()


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


def statuses(responses: list[httpx.Response]) -> list[int]:
    return sorted(response.status_code for response in responses)


def test_two_processes_share_one_limit_and_refuse_without_redis(
    fleet: Fleet, redis: RedisProcess, provider: MockRealtimeServer
) -> None:
    # Twenty at once, at two processes: the limit is one.
    assert statuses(fleet.request_secrets_at_once("ann", 20)) == [200] * LIMIT + [429] * 15
    assert int(fleet.request_secret("ann").headers["retry-after"]) in range(40, 61)
    assert len(provider.requests) == LIMIT
    keys = redis.command("KEYS", "*")
    assert len(keys) == 2, "one for each principal, and one for all"
    assert not any(b"ann" in key for key in keys)

    redis.kill()
    for number in range(4):
        began = time.monotonic()
        refused = fleet.request_secret("bob", number)
        assert (refused.status_code, refused.json()["error"]) == (503, "limiter_unavailable")
        assert time.monotonic() - began < BOUND
    assert fleet.readiness() == [(503, "unusable")] * 2
    assert len(provider.requests) == LIMIT

    redis.start()
    # It comes back by itself, at the first request, and has forgotten nothing.
    assert [fleet.request_secret("ann", number).status_code for number in range(2)] == [429, 429]
    assert statuses(fleet.request_secrets_at_once("bob", 20)) == [200] * LIMIT + [429] * 15
    assert len(provider.requests) == 2 * LIMIT

    # A Redis that does not respond is treated like one that is not running.
    redis.signal(signal.SIGSTOP)
    began = time.monotonic()
    assert statuses(fleet.request_secrets_at_once("cid", 20)) == [503] * 20
    assert time.monotonic() - began < 2 * BOUND
    redis.signal(signal.SIGCONT)
    # The mints meanwhile may have been counted: fewer secrets than the limit, never more.
    minted = statuses(fleet.request_secrets_at_once("cid", 20)).count(200)
    assert minted <= LIMIT
    assert [fleet.request_secret("dan", number).status_code for number in range(2)] == [200, 200]
    assert len(provider.requests) == 2 * LIMIT + minted + 2


def test_no_secret_beyond_the_limit_while_redis_is_killed_and_restarted(
    fleet: Fleet, redis: RedisProcess, provider: MockRealtimeServer
) -> None:
    users = [f"user{number}" for number in range(8)]
    statuses_seen: list[int] = []

    def ask_until_refused(user: str) -> int:
        """Ask until the limit says no, also when it gets errors; return the secrets received."""
        received, end = 0, time.monotonic() + 20
        while time.monotonic() < end:
            response = fleet.request_secret(user, len(statuses_seen))
            statuses_seen.append(response.status_code)
            received += response.status_code == 200
            if response.status_code == 429:
                break
        return received

    with ThreadPoolExecutor(len(users)) as threads:
        received = [threads.submit(ask_until_refused, user) for user in users]
        until(lambda: len(provider.requests) >= len(users))
        redis.kill()
        until(lambda: statuses_seen.count(503) >= len(users))
        redis.start()
        secrets = [future.result() for future in received]
    assert set(statuses_seen) == {200, 429, 503}
    # Counted, but refused because the response was lost with Redis: fewer, never more.
    assert all(1 <= count <= LIMIT for count in secrets)
    assert sum(secrets) == statuses_seen.count(200) == len(provider.requests)
