"""Request slots of an event loop: none is lost, and those that wait are served in turn."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import anyio
import pytest
import trio

from openai_realtime import Timeout
from openai_realtime.core.deadline import Deadline
from openai_realtime.core.wire import Request
from openai_realtime.transports import pool
from openai_realtime.transports.asyncio_engine import AsyncioEngine
from openai_realtime.transports.loop_engine import Slots
from openai_realtime.transports.proxies import ProxyRules

if TYPE_CHECKING:
    from openai_realtime.transports.sockets import Event

REQUEST = Request("POST", "http://127.0.0.1:9/v1", (), b"{}")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_those_that_wait_are_served_in_turn(backend: str) -> None:
    served: list[int] = []

    async def body() -> None:
        slots = Slots(1)
        assert slots.take()
        assert not slots.take()

        async def wait(number: int) -> None:
            event: Event = asyncio.Event() if backend == "asyncio" else trio.Event()
            await slots.wait(event)
            served.append(number)

        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(wait, number)
                await anyio.wait_all_tasks_blocked()
            with anyio.CancelScope() as given_up:
                given_up.cancel()
                await wait(3)
            for _ in range(3):
                slots.release()
                await anyio.wait_all_tasks_blocked()
        assert not slots.take()
        slots.release()
        assert slots.take()

    anyio.run(body, backend=backend)
    assert served == [0, 1, 2]


def test_a_slot_that_comes_with_a_cancellation_is_given_back() -> None:
    async def body() -> None:
        slots = Slots(1)
        assert slots.take()
        waits = asyncio.create_task(slots.wait(asyncio.Event()))
        await asyncio.sleep(0)
        slots.release()
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        assert slots.take()

    asyncio.run(body())


def test_a_call_that_is_cancelled_while_the_loop_reads_gives_its_slot_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(AsyncioEngine, "reads_ahead", True)
    monkeypatch.setattr(pool, "MAX_CONNECTIONS", 1)

    async def body() -> None:
        engine = AsyncioEngine(ProxyRules(None, trust_env=False))
        loop_pool = engine._pool()
        call = asyncio.create_task(
            engine.send(REQUEST, Timeout(), Deadline.after(5, time.monotonic))
        )
        await asyncio.sleep(0)
        assert not loop_pool.slots.take()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert loop_pool.slots.take()

    asyncio.run(body())
