"""The first call of a process that has few free file descriptors, or none."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from openai_realtime import APIConnectionError
from openai_realtime.testing import MockRealtimeServer
from openai_realtime.transports.exceptions import DESCRIPTORS_TO_CONNECT, DESCRIPTORS_TO_RECEIVE

# Imports files, opens a socket and a TLS context on the way, each of which takes a descriptor.
PROGRAM = """
import os, resource, sys
import anyio, trio
from openai_realtime import APIConnectionError, RealtimeSessionsClient, SyncRealtimeSessionsClient

base_url, key, backend, action, free = sys.argv[1:]

def leave(free):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        while True:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    for descriptor in opened[len(opened) - free:]:
        os.close(descriptor)
    return opened[:len(opened) - free], soft, hard

def more(left):
    opened, soft, hard = left
    for descriptor in opened:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

def judge(error, left):
    more(left)
    if error is not None:
        assert "ulimit -n" in str(error), error

async def use(client):
    left = leave(int(free))
    error = None
    try:
        if action == "warm_up":
            await client.warm_up()
        else:
            await client.sessions.create(voice="verse")
    except APIConnectionError as raised:
        error = raised
    judge(error, left)
    await client.sessions.create(voice="verse")

async def main():
    async with RealtimeSessionsClient(base_url=base_url, api_key=key, max_retries=0) as client:
        await use(client)

def main_sync():
    with SyncRealtimeSessionsClient(base_url=base_url, api_key=key, max_retries=0) as client:
        left = leave(int(free))
        error = None
        try:
            client.warm_up() if action == "warm_up" else client.sessions.create(voice="verse")
        except APIConnectionError as raised:
            error = raised
        judge(error, left)
        client.sessions.create(voice="verse")

main_sync() if backend == "sync" else anyio.run(main, backend=backend)
print("done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize("backend_name", ["sync", "asyncio", "trio"])
@pytest.mark.parametrize(("action", "free"), [("create", 0), ("create", 2), ("warm_up", 0)])
def test_a_first_call_without_descriptors_is_an_error_of_ours(
    backend_name: str, action: str, free: int
) -> None:
    with MockRealtimeServer() as server:
        process = subprocess.run(
            [
                *(sys.executable, "-c", PROGRAM, server.base_url, server.api_key),
                *(backend_name, action, str(free)),
            ],
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (process.returncode, process.stdout, process.stderr) == (0, "done\n", "")


@pytest.mark.parametrize(
    ("needed", "phase", "possibly_acted"),
    [(DESCRIPTORS_TO_CONNECT, "connect", False), (DESCRIPTORS_TO_RECEIVE, "receive", True)],
)
def test_only_the_error_of_missing_descriptors_is_replaced(
    needed: Any, phase: str, possibly_acted: bool
) -> None:
    with pytest.raises(APIConnectionError, match="ulimit -n") as caught, needed:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    assert (caught.value.phase, caught.value.possibly_acted) == (phase, possibly_acted)
    with pytest.raises(FileNotFoundError), needed:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
