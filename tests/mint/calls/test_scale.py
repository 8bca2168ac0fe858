"""A thousand running calls in one process: what they cost, and how punctually they end."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import pytest
from faults.machine_delays import Stopwatch

from openai_realtime.mint.broker.broker import Broker, Trade
from openai_realtime.mint.broker.events import CallListener, CallMetrics
from openai_realtime.mint.broker.provider_calls import HangUp, Offer
from openai_realtime.mint.broker.registry import CallLimits, CallSettings, MemoryRegistry
from openai_realtime.mint.limiter import Limiter, MemoryStorage
from openai_realtime.mint.telemetry import AccessEntry, Metrics

CALLS = 1000
MANY = "100000/minute"


class Answer:
    """A provider's response to an offer."""

    def __init__(self, call_id: str) -> None:
        self.id, self.sdp = call_id, "v=0"
        self.meta = cast("Any", type("Meta", (), {"attempts": 1, "request_id": None}))


class Provider:
    """A provider that notes when each call began and was hung up."""

    api = "realtime"
    maximum = 3600.0
    trade_seconds = 30.0

    def __init__(self) -> None:
        self.begun: dict[str, float] = {}
        self.ended: dict[str, float] = {}

    async def trade(self, *_: object) -> Answer:
        call_id = f"rtc_{len(self.begun):020}"
        self.begun[call_id] = time.monotonic()
        return Answer(call_id)

    async def hang_up(self, provider_id: str, api: str) -> HangUp:  # noqa: ARG002 - of the protocol
        self.ended[provider_id] = time.monotonic()
        return HangUp("hung_up")


@asynccontextmanager
async def thousand_calls(provider: Provider, max_duration: float) -> AsyncGenerator[MemoryRegistry]:
    """Begin the calls, one after another, and hang up those that are left."""
    storage = cast("MemoryStorage", Limiter("memory://", MANY, MANY).storage)
    registry = MemoryRegistry(storage, CallLimits(1, None, ends_oldest=False))
    broker = Broker(
        cast("Any", provider),
        registry,
        CallSettings(max_duration, 90.0, sends_safety_identifier=False),
        CallListener(None),
        CallMetrics(Metrics(), registry.table),
    )
    await broker.open()
    for number in range(CALLS):
        entry = AccessEntry("id", "POST", None)
        await broker.begin(Trade(f"user{number}", f"{number:064}", Offer("v=0"), {}, entry))
    yield registry
    await broker.aclose()


def test_a_thousand_calls_cost_less_than_20_mb() -> None:
    provider = Provider()

    async def body() -> None:
        gc.collect()
        tracemalloc.start()
        async with thousand_calls(provider, 3600) as registry:
            gc.collect()
            current, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert len(registry.table) == CALLS
            assert current < 5_000_000, f"{current:,} bytes"
        assert len(registry.table) == 0

    anyio.run(body)
    assert len(provider.ended) == CALLS


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_each_of_a_thousand_calls_ends_within_half_a_second_of_its_time(backend: str) -> None:
    provider = Provider()
    stopwatch = Stopwatch()

    async def body() -> None:
        with stopwatch:
            async with thousand_calls(provider, 3) as registry:
                while len(registry.table):
                    await anyio.sleep(0.01)

    anyio.run(body, backend=backend)
    late = [provider.ended[call_id] - began - 3 for call_id, began in provider.begun.items()]
    assert len(late) == CALLS
    assert min(late) >= 0
    assert max(late) < 0.5 + stopwatch.delayed_by, f"{max(late):.3f} s"
