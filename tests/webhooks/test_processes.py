"""`handle="before_response"` in two processes that share a Redis: killed, stopped, at the same time."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from webhooks.deliveries import encoded, signed

pytestmark = pytest.mark.redis

CLAIM_TIMEOUT = 3600
BODY = encoded()


def until(holds: Callable[[], Any]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "it did not happen in 30 s"
        time.sleep(0.01)


class Receiver:
    """One process behind a port that is open before it runs."""

    def __init__(self, redis_url: str, kind: str) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        descriptor = self._listening.fileno()
        command = [sys.executable, str(Path(__file__).with_name("receiver.py"))]
        environment = {
            name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_CONFIG"
        }
        self._process = subprocess.Popen(
            [*command, str(descriptor), redis_url, kind], pass_fds=[descriptor], env=environment
        )
        self.pid = self._process.pid
        self._port = self._listening.getsockname()[1]

    def deliver(self) -> tuple[int, str | None]:
        """Deliver the webhook, again with a new signature; return status and Retry-After."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("POST", "/webhooks/openai", BODY, signed(BODY, at=int(time.time())))
            response = connection.getresponse()
            response.read()
        finally:
            connection.close()
        return response.status, response.headers["Retry-After"]

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(30)
        self._listening.close()


class Pair:
    """Two receivers, their Redis, and threads that deliver."""

    def __init__(self, client: Any, receivers: list[Receiver], threads: ThreadPoolExecutor) -> None:
        self.redis = client
        self.first, self.second = receivers
        self._threads = threads

    def deliver(self, receiver: Receiver) -> Future[tuple[int, str | None]]:
        return self._threads.submit(receiver.deliver)

    def has_begun(self, *receivers: Receiver) -> None:
        """Wait until the handler has begun so often, and check where."""
        until(lambda: self.redis.llen("begun") >= len(receivers))
        assert self.pids("begun") == [receiver.pid for receiver in receivers]

    def pids(self, key: str) -> list[int]:
        return [int(pid) for pid in self.redis.lrange(key, 0, -1)]

    def end(self, whose: Receiver | str = "all", how: str = "succeed") -> None:
        self.redis.set(f"end:{whose if isinstance(whose, str) else whose.pid}", how)

    def let_claims_expire(self) -> None:
        for key in self.redis.scan_iter("openai_realtime:webhook:*"):
            if 0 <= self.redis.ttl(key) <= CLAIM_TIMEOUT:
                self.redis.delete(key)


@pytest.fixture(params=["thread", "async"])
def pair(request: pytest.FixtureRequest, redis_url: str) -> Iterator[Pair]:
    client = redis.Redis.from_url(redis_url)
    client.flushdb()
    with ExitStack() as stack:
        stack.callback(client.close)
        threads = stack.enter_context(ThreadPoolExecutor(4))
        receivers = [Receiver(redis_url, request.param) for _ in range(2)]
        for receiver in receivers:
            stack.callback(receiver.stop)
        yield Pair(client, receivers, threads)


def test_of_two_processes_at_the_same_time_one_handles_it_and_the_other_is_503(pair: Pair) -> None:
    deliveries = [pair.deliver(pair.first), pair.deliver(pair.second)]
    done, handled = wait(deliveries, timeout=30, return_when="FIRST_COMPLETED")
    assert [delivery.result() for delivery in done] == [(503, "5")]
    pair.end()
    assert handled.pop().result() == (200, None)
    assert pair.first.deliver() == pair.second.deliver() == (200, None)
    assert len(pair.pids("begun")) == 1


def test_after_a_failed_process_the_next_delivery_is_handled(pair: Pair) -> None:
    pair.end(pair.first, "fail")
    assert pair.first.deliver() == (500, None)
    pair.end(pair.second)
    assert pair.second.deliver() == (200, None)
    assert pair.first.deliver() == (200, None)
    pair.has_begun(pair.first, pair.second)
    assert pair.pids("ended") == [pair.second.pid]


def test_a_killed_process_holds_the_webhook_until_its_claim_expires(pair: Pair) -> None:
    lost = pair.deliver(pair.first)
    pair.has_begun(pair.first)
    pair.first.signal(signal.SIGKILL)
    assert isinstance(lost.exception(30), ConnectionError)
    assert pair.second.deliver() == (503, "5")
    pair.let_claims_expire()
    pair.end(pair.second)
    assert pair.second.deliver() == (200, None)
    pair.has_begun(pair.first, pair.second)


@pytest.mark.parametrize("late", ["succeed", "fail"])
def test_a_process_that_is_stopped_and_continues_later_changes_nothing(
    pair: Pair, late: str
) -> None:
    first = pair.deliver(pair.first)
    pair.has_begun(pair.first)
    pair.first.signal(signal.SIGSTOP)
    assert pair.second.deliver() == (503, "5")
    pair.let_claims_expire()
    second = pair.deliver(pair.second)
    pair.has_begun(pair.first, pair.second)
    pair.end(pair.first, late)
    pair.first.signal(signal.SIGCONT)
    assert first.result(30) == ((200, None) if late == "succeed" else (500, None))
    assert pair.second.deliver() == ((200, None) if late == "succeed" else (503, "5"))
    pair.end(pair.second)
    assert second.result(30) == (200, None)
    assert pair.first.deliver() == (200, None)
    pair.has_begun(pair.first, pair.second)


def test_the_webhook_is_done_when_the_response_arrives(pair: Pair) -> None:
    """As on a platform that stops a process then: what counts is in Redis before."""
    pair.end()
    assert pair.first.deliver() == (200, None)
    pair.first.signal(signal.SIGKILL)
    assert pair.pids("ended") == [pair.first.pid]
    assert pair.second.deliver() == (200, None)
    pair.has_begun(pair.first)
