"""A process that forks twice with one client, and then calls in all three processes.

    python -W error -m faults.forking BACKEND MOMENT BASE_URL API_KEY

BACKEND is sync, asyncio or trio. MOMENT says when the process forks: `unused` (the client has made no
call), `used` (it has), `running` (asyncio: it has, and its event loop is running) or `inherited`
(asyncio: it has, and the children continue with the parent's event loop). Each call prints a line: the
process, its nonce, and the secret that it got.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Literal, NoReturn

import anyio

from openai_realtime import RealtimeSessionsClient, SyncRealtimeSessionsClient

if TYPE_CHECKING:
    from openai_realtime.types.session import RealtimeSessionCreateResponse

CALLS = 5
CHILDREN = ("first child", "second child")

Moment = Literal["unused", "used", "running", "inherited"]


def report(who: str, nonce: str, session: RealtimeSessionCreateResponse) -> None:
    line = json.dumps([who, nonce, session.client_secret.value]) + "\n"
    os.write(1, line.encode())  # one write without a buffer, because three processes share the pipe


def call_sync(client: SyncRealtimeSessionsClient, who: str) -> None:
    for number in range(CALLS):
        nonce = f"{who} {os.getpid()} {number}"
        report(who, nonce, client.sessions.create(extra_headers={"X-Nonce": nonce}))


async def call_async(client: RealtimeSessionsClient, who: str) -> None:
    for number in range(CALLS):
        nonce = f"{who} {os.getpid()} {number}"
        report(who, nonce, await client.sessions.create(extra_headers={"X-Nonce": nonce}))


async def call_and_close(client: RealtimeSessionsClient, who: str) -> None:
    async with client:
        await call_async(client, who)


def fork_sync(moment: Moment, base_url: str, api_key: str) -> None:
    client = SyncRealtimeSessionsClient(base_url=base_url, api_key=api_key)
    if moment == "used":
        call_sync(client, "parent")
    children: list[int] = []
    for name in CHILDREN:
        child = os.fork()
        if child == 0:
            with client:
                call_sync(client, name)
            return
        children.append(child)
    call_sync(client, "parent")
    wait_for(children)
    with client:
        call_sync(client, "parent")


def fork_async(backend_name: str, moment: Moment, base_url: str, api_key: str) -> None:
    client = RealtimeSessionsClient(base_url=base_url, api_key=api_key)
    run = partial(anyio.run, backend=backend_name)
    if moment == "used":
        run(call_async, client, "parent")
    children: list[int] = []
    for name in CHILDREN:
        child = os.fork()
        if child == 0:
            run(call_and_close, client, name)
            return
        children.append(child)
    run(call_async, client, "parent")
    wait_for(children)
    run(call_and_close, client, "parent")


async def fork_in_a_running_loop(base_url: str, api_key: str) -> None:
    """Fork with open connections: parent and children share the event loop's epoll descriptor."""
    async with RealtimeSessionsClient(base_url=base_url, api_key=api_key) as client:
        await call_async(client, "parent")
        children: list[int] = []
        for name in CHILDREN:
            child = os.fork()
            if child == 0:
                call_in_a_loop_of_its_own(client, name)
            children.append(child)
        await call_async(client, "parent")
        await anyio.to_thread.run_sync(wait_for, children)
        await call_async(client, "parent")


def fork_with_the_loop(base_url: str, api_key: str) -> None:
    """Fork with an event loop that has run, and that runs again in all three processes."""
    client = RealtimeSessionsClient(base_url=base_url, api_key=api_key)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(call_async(client, "parent"))
    children: list[int] = []
    for name in (*CHILDREN, "a child that only closes the client"):
        child = os.fork()
        if child == 0:
            calls = call_and_close(client, name) if name in CHILDREN else client.aclose()
            loop.run_until_complete(calls)
            os._exit(0)  # closing the loop would close what the parent still uses
        children.append(child)
    loop.run_until_complete(call_async(client, "parent"))
    wait_for(children)
    loop.run_until_complete(call_and_close(client, "parent"))
    loop.close()


def call_in_a_loop_of_its_own(client: RealtimeSessionsClient, name: str) -> NoReturn:
    """Call from another thread, because asyncio believes that the parent's loop runs on this one."""
    status = 1
    try:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(partial(anyio.run, call_and_close, client, name)).result(timeout=15)
        status = 0
    finally:
        os._exit(status)  # so that the parent's loop does not continue in the child


def wait_for(children: list[int]) -> None:
    for child in children:
        _, status = os.waitpid(child, 0)
        if status != 0:
            sys.exit(f"a child failed: {status}")


def main(backend: str, moment: Moment, base_url: str, api_key: str) -> None:
    if backend == "sync":
        fork_sync(moment, base_url, api_key)
    elif moment == "inherited":
        fork_with_the_loop(base_url, api_key)
    elif moment == "running":
        anyio.run(fork_in_a_running_loop, base_url, api_key)
    else:
        fork_async(backend, moment, base_url, api_key)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4])  # type: ignore[arg-type]  # a test's
