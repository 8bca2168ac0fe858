"""`on_event=`: which events a hook gets and in which order, also when the call or the hook fails."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from backends import Backend

from openai_realtime import ConfigurationError, InternalServerError, SyncRealtimeSessionsClient
from openai_realtime.observe import (
    AttemptFinished,
    AttemptSent,
    CallFinished,
    CallStarted,
    Event,
    PoolLevel,
    RetryScheduled,
)
from openai_realtime.testing import MockRealtimeServer, MockResponse

if TYPE_CHECKING:
    from collections.abc import Callable

BUSY = MockResponse(503, headers={"retry-after-ms": "1", "x-request-id": "req_busy"})


def test_the_events_of_a_call(backend: Backend, realtime_server: MockRealtimeServer) -> None:
    events: list[Event] = []

    async def body() -> None:
        realtime_server.respond_next(BUSY)
        async with backend.client(on_event=events.append) as client:
            await client.sessions.create(
                instructions="a secret plan", extra_query={"key": "hidden"}
            )

    backend.run(body)
    started, sent, finished, scheduled, sent_again, succeeded, over = events
    assert isinstance(started, CallStarted)
    assert started.operation == "sessions.create"
    assert isinstance(sent, AttemptSent)
    assert (sent.attempt, sent.cause, sent.method) == (1, "first", "POST")
    assert sent.url == f"{realtime_server.base_url}/realtime/sessions"
    assert isinstance(finished, AttemptFinished)
    assert (finished.status, finished.request_id) == (503, "req_busy")
    assert isinstance(finished.error, InternalServerError)
    assert isinstance(scheduled, RetryScheduled)
    assert (scheduled.reason, scheduled.budget) == (finished.error, 486)
    assert 0.001 <= scheduled.delay <= 0.5
    assert isinstance(sent_again, AttemptSent)
    assert (sent_again.attempt, sent_again.cause) == (2, "retry")
    assert isinstance(succeeded, AttemptFinished)
    assert (succeeded.status, succeeded.error) == (200, None)
    assert isinstance(over, CallFinished)
    assert (over.attempts, over.error, over.budget) == (2, None, 500)
    assert over.elapsed > scheduled.delay + finished.elapsed + succeeded.elapsed > 0
    assert len({event.call for event in events if not isinstance(event, PoolLevel)}) == 1
    shown = repr(events)
    assert not any(text in shown for text in ("a secret plan", "hidden", "ek_", "sk-"))


def test_the_cause_of_a_fallback_and_of_a_resend(backend: Backend) -> None:
    causes: list[str] = []

    def record(event: Event) -> None:
        if isinstance(event, AttemptSent):
            causes.append(event.cause)

    async def body() -> None:
        with MockRealtimeServer(dialect="ga") as server:
            async with backend.client(
                base_url=server.base_url, api_key=server.api_key, on_event=record
            ) as client:
                await client.sessions.create()
                server.hang_up()
                await client.sessions.create()

    backend.run(body)
    assert causes[:3] == ["first", "fallback", "first"]
    assert set(causes[3:]) <= {"resend"}  # where the hang-up was not noticed beforehand


@pytest.mark.parametrize("backend_name", ["asyncio", "trio"])
def test_a_cancelled_call_finishes_its_events(
    backend_name: str, realtime_server: MockRealtimeServer
) -> None:
    backend, events = Backend(backend_name), list[Event]()
    realtime_server.respond_next(MockResponse(delay=5.0))

    async def body() -> None:
        async with backend.client(on_event=events.append) as client:
            with anyio.move_on_after(5) as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(client.sessions.create)
                    while not realtime_server.requests:
                        await anyio.sleep(0.005)
                    scope.cancel()

    backend.run(body)
    finished, over = events[-2:]
    assert isinstance(finished, AttemptFinished)
    assert isinstance(over, CallFinished)
    assert finished.error is over.error is not None
    assert "Cancelled" in type(over.error).__name__


def test_a_call_cancelled_between_attempts_finishes_its_events(
    realtime_server: MockRealtimeServer,
) -> None:
    events: list[Event] = []

    async def body() -> None:
        realtime_server.respond_next(MockResponse(503, headers={"retry-after": "20"}))
        async with Backend("asyncio").client(on_event=events.append) as client:
            with anyio.move_on_after(10) as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(client.sessions.create)
                    while not any(isinstance(event, RetryScheduled) for event in events):
                        await anyio.sleep(0.005)
                    scope.cancel()

    anyio.run(body)
    assert [type(event) for event in events[-2:]] == [RetryScheduled, CallFinished]


def test_a_failing_hook_does_not_end_calls_and_is_logged_once(
    backend: Backend, realtime_server: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: Event) -> None:
        raise (KeyError if isinstance(event, CallStarted) else ValueError)("of the hook")

    async def body() -> None:
        async with backend.client(on_event=fail) as client:
            for _ in range(2):
                await client.sessions.create()

    backend.run(body)
    assert len(realtime_server.requests) == 2
    warnings = [entry.getMessage() for entry in caplog.records if entry.name == "openai_realtime"]
    assert warnings == [
        "on_event raised KeyError for CallStarted: the call continues; each error class is logged once",
        "on_event raised ValueError for AttemptSent: the call continues; each error class is logged once",
    ]


def test_a_hook_does_not_replace_the_log(
    backend: Backend, realtime_server: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[Event] = []

    async def body() -> None:
        async with backend.client(on_event=events.append) as client:
            with caplog.at_level(logging.DEBUG, "openai_realtime"):
                await client.sessions.create()
            logged = len(caplog.records)
            await client.sessions.create()
            assert len(caplog.records) == logged > 0

    backend.run(body)
    assert len(events) == 8


def test_a_copy_may_have_another_hook_or_none(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    first: list[Event] = []
    second: list[Event] = []

    async def body() -> None:
        async with backend.client(on_event=first.append) as client:
            await client.with_options(on_event=second.append).sessions.create()
            await client.with_options(on_event=None).sessions.create()
            assert first == []
            assert len(second) == 4
            await client.with_options(timeout=5).sessions.create()
            assert len(first) == 4

    backend.run(body)


async def coroutine(event: Event) -> None: ...


class CoroutineCall:
    async def __call__(self, event: Event) -> None: ...


@pytest.mark.parametrize("hook", [coroutine, CoroutineCall(), "not callable"])
def test_unusable_hooks(hook: Any) -> None:
    make: Callable[..., object] = SyncRealtimeSessionsClient
    with pytest.raises(ConfigurationError, match="on_event must be a callable"):
        make(api_key="sk-x", on_event=hook)
