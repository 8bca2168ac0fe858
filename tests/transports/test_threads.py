"""What threads share is made once, even when they need it for the first time at once."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from sysconfig import get_config_var
from typing import TYPE_CHECKING, TypeVar, cast

import pytest

from openai_realtime.configuration import DialectCache
from openai_realtime.core.retirements import RETIREMENTS, RetirementNotices
from openai_realtime.transports import asyncio_connection
from openai_realtime.transports.asyncio_connection import AsyncioConnection
from openai_realtime.transports.connection import Connection
from openai_realtime.transports.factory import OwnAsyncConnections
from openai_realtime.transports.proxies import ProxyRules, origin_of
from openai_realtime.transports.sync_engine import ThreadEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from openai_realtime.transports.sync_engine import SyncConnection

THREADS = 8
ROUNDS = 30
T = TypeVar("T")


@pytest.fixture(autouse=True)
def switch_often() -> Iterator[None]:
    """With a GIL, let threads interrupt each other nearly everywhere."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as pool:
        yield pool


def at_once(threads: ThreadPoolExecutor, function: Callable[[], T]) -> list[T]:
    """Return what `function` returns to each of the threads, which call it at the same time."""
    ready = threading.Barrier(THREADS)

    def call() -> T:
        ready.wait(10)
        return function()

    return [future.result(10) for future in [threads.submit(call) for _ in range(THREADS)]]


RULES = ProxyRules(proxy=None, trust_env=False)


def engine_of(connections: OwnAsyncConnections) -> object:
    async def own() -> object:
        return connections._own()

    return asyncio.run(own())


def test_event_loops_share_one_engine(threads: ThreadPoolExecutor) -> None:
    for _ in range(ROUNDS):
        engines = at_once(threads, partial(engine_of, OwnAsyncConnections(RULES)))
        assert len(set(engines)) == 1


class Inherited:
    """An idle connection of the parent process. Closing its socket lets other threads run."""

    connection = Connection()

    def abandon(self) -> None:
        time.sleep(0.001)


def test_threads_of_a_forked_child_share_one_pool(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = origin_of("https://api.example", loopback_only=False)
    child = os.getpid() + 1
    for _ in range(ROUNDS):
        engine = ThreadEngine(RULES)
        engine._pool().keep(origin, cast("SyncConnection", Inherited()))
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: child)
            assert len(set(at_once(threads, engine._pool))) == 1


class Closed(asyncio.Transport):
    def is_closing(self) -> bool:
        return True


def test_one_thread_forks_while_others_open_connections(threads: ThreadPoolExecutor) -> None:
    """What a hook raises before a fork is only printed, and the child would read on."""
    has_ended = threading.Event()
    has_begun = threading.Event()
    watched, peer = socket.socketpair()

    async def open_many() -> None:
        kept: list[object] = []
        while not has_ended.is_set():
            kept.append(opened := AsyncioConnection(Connection(), watched))
            opened.connection_made(Closed())
            if len(kept) == 1000:
                has_begun.set()
                kept.clear()

    with watched, peer:
        opening = [threads.submit(asyncio.run, open_many()) for _ in range(2)]
        try:
            assert has_begun.wait(10)
            for _ in range(3 * ROUNDS):
                asyncio_connection._pause_reading()
        finally:
            has_ended.set()
        for future in opening:
            future.result(10)


def test_one_thread_gets_a_warning(threads: ThreadPoolExecutor) -> None:
    for _ in range(ROUNDS):
        dialects = DialectCache()
        notices = RetirementNotices(lambda: RETIREMENTS[0].day)
        assert sum(at_once(threads, partial(dialects.add_warning, "old"))) == 1
        checked = at_once(threads, partial(notices.check, RETIREMENTS[:1]))
        assert sum(len(warnings) for warnings, _ in checked) == 1


IMPORTS = """
import pkgutil, sys
from contextlib import suppress
from importlib import import_module
import openai_realtime
for module in pkgutil.walk_packages(openai_realtime.__path__, "openai_realtime."):
    if not module.name.endswith("__main__"):
        with suppress(ModuleNotFoundError):  # an extra has no wheel for this Python
            import_module(module.name)
assert "openai_realtime.mint.limiter" in sys.modules
assert not sys._is_gil_enabled()
"""


@pytest.mark.skipif(not get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL")
def test_no_import_enables_the_gil(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHON_GIL", raising=False)
    subprocess.run([sys.executable, "-W", "error", "-c", IMPORTS], check=True, timeout=60)
