"""A process that forks with an open secret pool; the child tries to use and to close it.

    python -m secret_pools.forked_pool BACKEND BASE_URL API_KEY

BACKEND is sync, asyncio or trio. Each line on stdout is a name, and what happened.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import anyio

from openai_realtime import ClientClosedError, RealtimeSessionsClient, SyncRealtimeSessionsClient
from openai_realtime.secret_pool import SecretPool, SyncSecretPool


def report(name: str, text: object) -> None:
    os.write(1, f"{name} {text}\n".encode())


def wait_for(child: int) -> None:
    """Wait for the child to end; kill it if it hangs."""
    end = time.monotonic() + 10
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > end:
            report("child", "hangs")
            os.kill(child, 9)
            os.waitpid(child, 0)
            return
        time.sleep(0.01)


def use_sync(pool: SyncSecretPool) -> None:
    try:
        report("child", pool.acquire(timeout=10).client_secret.value)
    except ClientClosedError as error:
        report("child", error)
    report("ready", pool.stats().ready)
    pool.close()
    report("closed", pool.stats().ready)


async def use_async(pool: SecretPool) -> None:
    try:
        report("child", (await pool.acquire(timeout=10)).client_secret.value)
    except ClientClosedError as error:
        report("child", error)
    report("ready", pool.stats().ready)
    await pool.__aexit__(None, None, None)
    report("closed", pool.stats().ready)


def fork_sync(base_url: str, api_key: str) -> None:
    with (
        SyncRealtimeSessionsClient(base_url=base_url, api_key=api_key) as client,
        client.secret_pool(size=3, min_size=3, name="shared") as pool,
    ):
        while pool.stats().ready < 3:
            time.sleep(0.002)
        with pool._lock:  # as a thread may hold it that the child does not have
            child = os.fork()
            if child == 0:
                try:
                    use_sync(pool)
                finally:
                    os._exit(0)
        wait_for(child)
        for _ in range(6):
            report("parent", pool.acquire().client_secret.value)


async def fork_async(base_url: str, api_key: str) -> None:
    async with (
        RealtimeSessionsClient(base_url=base_url, api_key=api_key) as client,
        client.secret_pool(size=3, min_size=3, name="shared") as pool,
    ):
        while pool.stats().ready < 3:
            await anyio.sleep(0.002)
        child = os.fork()
        if child == 0:
            try:
                # From another thread, because on this one the parent's loop seems to be running.
                with ThreadPoolExecutor(1) as threads:
                    threads.submit(partial(anyio.run, use_async, pool)).result(timeout=30)
            finally:
                os._exit(0)
        await anyio.to_thread.run_sync(wait_for, child)
        for _ in range(6):
            report("parent", (await pool.acquire()).client_secret.value)


if __name__ == "__main__":
    backend, base_url, api_key = sys.argv[1:]
    if backend == "sync":
        fork_sync(base_url, api_key)
    else:
        anyio.run(fork_async, base_url, api_key, backend=backend)
