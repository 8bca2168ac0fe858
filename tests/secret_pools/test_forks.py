"""A secret pool that was open when its process forked: the secrets are the parent's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest
from backends import Backend

from openai_realtime import ClientClosedError
from openai_realtime.secret_pool import base as secret_pool
from openai_realtime.testing import MockRealtimeServer
from secret_pools.late_secret import respond_late

# Only the pool sees it: a connection opened under a false process id would never be closed.
CHILD = SimpleNamespace(getpid=lambda: -1)
REFUSED = "The pool 'shared' was opened in the parent process: open one in each process"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_no_secret_is_given_to_parent_and_child(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    """In a process of its own: this one has threads, which no fork survives."""
    process = subprocess.run(
        # Python warns of any fork beside threads: a pool has them.
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-m", "secret_pools.forked_pool",
         backend.name, realtime_server.base_url, realtime_server.api_key],
        cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (process.returncode, process.stderr) == (0, "")
    lines = [line.split(" ", 1) for line in process.stdout.splitlines()]
    (child,) = [text for name, text in lines if name == "child"]
    assert child.startswith(REFUSED)
    # Closing in the child took nothing away, there or here.
    assert [text for name, text in lines if name in {"ready", "closed"}] == ["3", "3"]
    secrets = [text for name, text in lines if name == "parent"]
    assert len(set(secrets)) == len(secrets) == 6


def test_who_waits_while_the_process_forks_gets_nothing_in_the_child(
    backend: Backend, realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process id is all that tells: to the child, another one comes while it waits."""
    respond_late(realtime_server)

    async def body() -> None:
        client = backend.client(base_url=realtime_server.base_url, api_key=realtime_server.api_key)
        pool = client.secret_pool(size=1, min_size=0, concurrency=1, name="shared")
        inventory = getattr(pool, "wrapped", pool)._inventory

        async def wait() -> None:
            with pytest.raises(ClientClosedError, match="in the parent process"):
                await pool.acquire()

        async with client, pool:
            with monkeypatch.context() as patch:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(wait)
                    with anyio.fail_after(30):
                        while not inventory._waiters:
                            await anyio.sleep(0.002)
                    (waiter,) = inventory._waiters
                    wake = waiter.wake

                    def fork_and_wake() -> None:
                        patch.setattr(secret_pool, "os", CHILD)
                        wake()

                    waiter.wake = fork_and_wake
            session = await pool.acquire(timeout=0)
            assert session.client_secret.value == "ek_late", "it is the parent's still"

    backend.run(body)


def test_closing_in_the_child_closes_nothing(
    backend: Backend, realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the real fork above; but a child that leaves by `os._exit` tells no coverage."""

    async def body() -> None:
        client = backend.client(base_url=realtime_server.base_url, api_key=realtime_server.api_key)
        pool = client.secret_pool(size=1, name="shared")
        async with client, pool:
            assert (await pool.acquire()).client_secret.value
            with monkeypatch.context() as patch:
                patch.setattr(secret_pool, "os", CHILD)
                await pool.__aexit__(None, None, None)
            assert (await pool.acquire()).client_secret.value, "it is open"

    backend.run(body)
