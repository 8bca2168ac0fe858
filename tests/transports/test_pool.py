"""The pool of idle connections: which is used next, which are closed, and forked children."""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import Any

import pytest

from openai_realtime import APIConnectionError, APITimeoutError
from openai_realtime.core.wire import Headers, Request, Response
from openai_realtime.transports import pool as pools
from openai_realtime.transports.pool import Lease, Pool
from openai_realtime.transports.proxies import Origin, origin_of

URL = "https://api.example/v1/realtime/sessions"
ORIGIN = origin_of(URL, loopback_only=False)
REQUEST = Request("POST", URL, (), b"{}")
GOOD = Response(200, Headers(), b"{}")


class State:
    was_idle = has_begun = False
    may_serve_again = True


class Fake:
    """A connection that tells what becomes of it."""

    def __init__(self, *, usable: bool | BaseException = True) -> None:
        self.connection = State()
        self.usable = usable
        self.fate = "open"

    def is_usable(self) -> bool:
        if isinstance(self.usable, BaseException):
            raise self.usable
        return self.usable

    def close(self) -> None:
        self.fate = "closed"

    def abandon(self) -> None:
        self.fate = "abandoned"


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [100.0]
    monkeypatch.setattr(pools, "monotonic", lambda: clock[0])
    return clock


@pytest.fixture
def pool(now: list[float]) -> Pool[Any, threading.Semaphore]:
    return Pool(threading.Semaphore(1))


def kept(pool: Pool[Any, Any], *connections: Fake) -> list[Fake]:
    for connection in connections:
        pool.keep(ORIGIN, connection)
    return list(connections)


def test_the_newest_usable_one_is_taken(pool: Pool[Any, Any]) -> None:
    oldest, newest, dead = kept(pool, Fake(), Fake(), Fake(usable=False))
    assert (pool.count(ORIGIN), pool.has_idle) == (3, True)
    assert pool.take(ORIGIN, 1.0) is newest
    assert dead.fate == "closed"
    assert pool.take(ORIGIN, 1.0) is oldest
    assert pool.take(ORIGIN, 1.0) is None
    assert (pool.count(ORIGIN), pool.has_idle) == (0, False)
    assert pool.take(Origin("https", "b.example", 443), 1.0) is None


def test_one_that_idled_too_long_for_a_request_stays(
    pool: Pool[Any, Any], now: list[float]
) -> None:
    (old,) = kept(pool, Fake())
    now[0] += 1.5
    assert pool.take(ORIGIN, 1.0) is None
    assert pool.take(ORIGIN, 2.0) is old


def test_those_that_idle_too_long_are_closed(pool: Pool[Any, Any], now: list[float]) -> None:
    (old,) = kept(pool, Fake())
    now[0] += 100
    (new,) = kept(pool, Fake())
    pool.close_idle(longer_than=50)
    assert (old.fate, new.fate) == ("closed", "open")
    pool.close_idle(Origin("https", "b.example", 443))
    pool.close_idle()
    assert new.fate == "closed"


class Emptied(deque[Any]):
    """What another thread has emptied between a look and a grasp."""

    def __bool__(self) -> bool:
        return True


def test_another_thread_may_be_faster(pool: Pool[Any, Any]) -> None:
    pool._idle[ORIGIN] = Emptied()
    assert pool.take(ORIGIN, 1.0) is None
    pool.close_idle(ORIGIN)


def test_a_closed_pool_keeps_nothing(pool: Pool[Any, Any]) -> None:
    pool.is_closed = True
    (late,) = kept(pool, Fake())
    assert late.fate == "closed"


def test_a_child_abandons_what_is_its_parents(
    pool: Pool[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (inherited,) = kept(pool, Fake())
    child = os.getpid() + 1
    monkeypatch.setattr(os, "getpid", lambda: child)
    assert pool.is_inherited
    pool.abandon_idle()
    assert (inherited.fate, pool.has_idle) == ("abandoned", False)


@pytest.mark.parametrize(
    ("status", "may_serve_again", "fate"),
    [(200, True, "open"), (429, True, "open"), (500, True, "closed"), (200, False, "closed")],
)
def test_after_a_response(
    pool: Pool[Any, Any], status: int, may_serve_again: bool, fate: str
) -> None:
    fresh = Fake()
    fresh.connection.may_serve_again = may_serve_again
    with Lease(pool, REQUEST) as lease:
        assert lease.connection is None
        lease.connection = fresh
        lease.check_new()
        lease.response = Response(status, Headers(), b"")
    assert fresh.fate == fate
    assert pool.count(ORIGIN) == (fate == "open")
    assert fresh.connection.was_idle is (fate == "open")


FAILURES = [
    # error, had idled, response had begun: is it stale?
    (APIConnectionError("lost", phase="receive", retryable=True), True, False, True),
    (APIConnectionError("lost", phase="receive", retryable=True), False, False, False),
    (APIConnectionError("lost", phase="receive", retryable=True), True, True, False),
    (APIConnectionError("bad", phase="receive"), True, False, False),
    (APITimeoutError("late", phase="receive", retryable=True), True, False, False),
    (KeyboardInterrupt(), True, False, False),
]


@pytest.mark.parametrize(("error", "was_idle", "has_begun", "is_stale"), FAILURES)
def test_after_a_failure(
    pool: Pool[Any, Any], error: BaseException, was_idle: bool, has_begun: bool, is_stale: bool
) -> None:
    """Where one had idled too long, so had the others."""
    other, used = kept(pool, Fake(), Fake())
    lease = Lease(pool, REQUEST).__enter__()
    assert lease.connection is used
    used.connection.was_idle, used.connection.has_begun = was_idle, has_begun
    lease.__exit__(type(error), error, None)
    assert used.fate == "closed"
    assert other.fate == ("closed" if is_stale else "open")
    assert getattr(error, "stale", False) is is_stale


def test_a_slot_is_given_back_whatever_happens(pool: Pool[Any, threading.Semaphore]) -> None:
    for usable in (True, KeyboardInterrupt()):
        kept(pool, Fake(usable=usable))
        assert pool.slots.acquire(blocking=False)
        with pytest.raises((KeyboardInterrupt, ValueError)), Lease(pool, REQUEST):
            raise ValueError
        assert pool.slots.acquire(blocking=False)
        pool.slots.release()
    with pytest.raises(OSError, match="no route"), Lease(pool, REQUEST):
        raise OSError("no route")  # before any connection was open


def test_one_that_closes_before_its_first_request_was_never_used(pool: Pool[Any, Any]) -> None:
    gone = Fake(usable=False)
    lease = Lease(pool, REQUEST).__enter__()
    lease.connection = gone
    with pytest.raises(APIConnectionError) as caught:
        lease.check_new()
    lease.__exit__(APIConnectionError, caught.value, None)
    assert (caught.value.phase, caught.value.possibly_acted) == ("connect", False)
    assert gone.fate == "closed"
