"""How calls end: in time, when asked, when the provider fails, and who is told."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest
from faults.machine_delays import Stopwatch

from mint.calls.service import (
    HANG_UP_FAILS,
    NO_CALL,
    begin,
    begun,
    broker_for,
    caller,
    hung_up,
    metrics,
    offers,
    running,
)
from mint.service import until
from openai_realtime.mint import CallEvent
from openai_realtime.mint.broker import broker as broker_module
from openai_realtime.mint.broker import events as events_module
from openai_realtime.mint.broker import life
from openai_realtime.mint.broker.provider_calls import Offer
from openai_realtime.mint.broker.registry import MemoryRegistry
from openai_realtime.testing import MockRealtimeServer, MockResponse

BACKENDS = ["asyncio", "trio"]


@pytest.fixture
def told() -> list[CallEvent]:
    return []


def reasons(told: list[CallEvent]) -> list[str | None]:
    return [event.reason for event in told if event.type == "ended"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_call_ends_at_its_maximum_duration(
    provider: MockRealtimeServer, backend: str, told: list[CallEvent]
) -> None:
    with caller(provider, backend=backend, max_duration=1, on_call=told.append) as page:
        response = begin(page)
        assert response.headers["x-max-duration"] == "1"
        until(lambda: len(told) == 2)
        began, ended = told
        assert (began.type, began.principal, began.reason, began.duration) == (
            "began",
            "ann",
            None,
            None,
        )
        assert (ended.type, ended.principal, ended.reason) == ("ended", "ann", "max_duration")
        assert ended.call_id == began.call_id == hung_up(provider)[0]
        assert ended.pseudonym == began.pseudonym != "ann"
        assert ended.duration is not None
        assert ended.duration >= 1
        assert metrics(page)['ended_total{reason="max_duration"}'] == 1
        # There is room for the next one.
        begun(page)


def test_a_call_whose_page_is_silent_ends(
    provider: MockRealtimeServer, told: list[CallEvent]
) -> None:
    with caller(provider, heartbeat=2, max_concurrent=2, on_call=told.append) as page:
        response = begin(page)
        assert response.headers["x-heartbeat"] == "2"
        silent, beating = begun(page), response.headers["location"]
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert page.post(f"{beating}/heartbeat").status_code == 204
            time.sleep(0.1)
        assert reasons(told) == ["silent"]
        assert len(running(page)) == 1
        assert page.post(f"{silent}/heartbeat").status_code == 204
        until(lambda: reasons(told) == ["silent", "silent"])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_second_call_is_refused(provider: MockRealtimeServer, backend: str) -> None:
    with caller(provider, backend=backend, max_duration=900) as page:
        location = begun(page)
        refused = begin(page)
        assert (refused.status_code, refused.json()["error"]) == (429, "too_many_calls")
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        begun(page, "bob")
        assert offers(provider) == 2
        page.delete(location)
        begun(page)


def test_a_refused_call_is_not_counted(provider: MockRealtimeServer) -> None:
    with caller(provider, limits="2/minute") as page:
        location = begun(page)
        for _ in range(5):
            assert begin(page).json()["error"] == "too_many_calls"
        page.delete(location)
        page.delete(begun(page))
        assert begin(page).json()["error"] == "too_many_requests"


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_oldest_call_ends_for_a_new_one(
    provider: MockRealtimeServer, backend: str, told: list[CallEvent]
) -> None:
    options: dict[str, Any] = {"at_limit": "end_oldest", "max_concurrent": 2}
    with caller(provider, backend=backend, on_call=told.append, **options) as page:
        began: list[str] = []
        for _ in range(4):
            begun(page)
            began.append(running(page, "ann")[-1].call_id)
        begun(page, "bob")
        until(lambda: reasons(told) == ["replaced", "replaced"])
        assert sorted(hung_up(provider)) == sorted(began[:2])
        assert [call.call_id for call in running(page, "ann")] == began[2:4]


def test_the_limit_of_all_principals(provider: MockRealtimeServer) -> None:
    options: dict[str, Any] = {"at_limit": "end_oldest", "global_max_concurrent": 2}
    with caller(provider, **options) as page:
        begun(page, "ann")
        begun(page, "bob")
        # Never is one principal's call ended for another's.
        refused = begin(page, "cid")
        assert (refused.status_code, refused.json()["error"]) == (429, "busy")
        assert "retry-after" in refused.headers
        begun(page, "ann")
        assert len(running(page)) == 2


@pytest.mark.parametrize("at_limit", ["refuse", "end_oldest"])
def test_two_offers_at_once_are_one_call(provider: MockRealtimeServer, at_limit: str) -> None:
    with caller(provider, at_limit=at_limit) as page, ThreadPoolExecutor(8) as threads:
        responses = list(threads.map(lambda _: begin(page), range(8)))
        statuses = [response.status_code for response in responses]
        assert set(statuses) <= {201, 409, 429}
        if at_limit == "refuse":
            assert statuses.count(201) == offers(provider) == 1
        until(lambda: len(hung_up(provider)) == offers(provider) - 1)
        (call,) = running(page)
        assert call.call_id not in hung_up(provider)


def answer(delay: float = 0.0, **headers: str) -> MockResponse:
    """Return a provider's 201, with these headers."""
    return MockResponse(201, body=b"v=0\r\n", headers=headers, delay=delay)


def in_a_thread(action: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(action()))
    thread.start()
    return thread, results


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_call_that_is_hung_up_during_its_trade_has_no_answer(
    provider: MockRealtimeServer, backend: str, told: list[CallEvent]
) -> None:
    with caller(provider, backend=backend, on_call=told.append) as page:
        provider.respond_next(answer(0.3, location="/v1/realtime/calls/rtc_late"))
        thread, responses = in_a_thread(lambda: begin(page))
        until(lambda: offers(provider) == 1)
        assert page.portal is not None
        calls = page.app.state.calls  # type: ignore[attr-defined]  # it is a Starlette
        assert page.portal.call(calls.hang_up, "ann") == 1
        assert running(page) == []
        thread.join()
        assert (responses[0].status_code, responses[0].json()["error"]) == (409, "call_ended")
        assert "v=0" not in responses[0].text
        until(lambda: hung_up(provider) == ["rtc_late"])
        until(lambda: reasons(told) == ["server"])
        assert [event.type for event in told] == ["began", "ended"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_server_hangs_up(
    provider: MockRealtimeServer, backend: str, told: list[CallEvent]
) -> None:
    with caller(provider, backend=backend, max_concurrent=2, on_call=told.append) as page:
        for user in ["ann", "ann", "bob", "cid"]:
            begun(page, user)
        assert page.portal is not None
        calls = page.app.state.calls  # type: ignore[attr-defined]  # it is a Starlette
        assert page.portal.call(calls.hang_up, "ann") == 2
        assert page.portal.call(calls.hang_up, "ann") == 0
        assert len(hung_up(provider)) == 2  # when it returns
        assert len(running(page)) == 2
        assert page.portal.call(calls.hang_up_all) == 2
        assert running(page) == []
        until(lambda: reasons(told) == ["server"] * 4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_end_of_the_service_is_the_end_of_its_calls(
    provider: MockRealtimeServer, backend: str, told: list[CallEvent]
) -> None:
    with caller(provider, backend=backend, on_call=told.append) as page:
        for user in range(20):
            begun(page, f"user{user}")
    assert len(hung_up(provider)) == 20
    assert reasons(told) == ["shutdown"] * 20


def test_the_end_of_the_service_waits_for_a_trade(
    provider: MockRealtimeServer, told: list[CallEvent]
) -> None:
    async def body() -> None:
        app = broker_for(provider, on_call=told.append)
        async with app.router.lifespan_context(app), anyio.create_task_group() as group:
            provider.respond_next(answer(0.3, location="/v1/realtime/calls/rtc_late"))
            group.start_soon(anyio.to_thread.run_sync, lambda: None)
            broker = app.state.calls._broker
            group.start_soon(_ignore, broker, group)
            while offers(provider) == 0:
                await anyio.sleep(0.01)
            group.cancel_scope.cancel()

    async def _ignore(broker: Any, _: object) -> None:
        entry = _entry()
        await broker.begin(broker_module.Trade("ann", "ann", Offer("v=0"), {}, entry))

    anyio.run(body)
    assert hung_up(provider) == ["rtc_late"]
    assert reasons(told) == ["shutdown"]


def _entry() -> Any:
    from openai_realtime.mint.telemetry import AccessEntry  # noqa: PLC0415 - one test needs it

    return AccessEntry("id", "POST", None)


def test_a_hang_up_that_the_end_of_the_event_loop_cancels_is_made_again(
    provider: MockRealtimeServer, told: list[CallEvent]
) -> None:
    app = broker_for(provider, on_call=told.append, close_client=False)
    broker = app.state.calls._broker

    async def body() -> None:
        trade = broker_module.Trade("ann", "ann", Offer("v=0"), {}, _entry())
        await broker.begin(trade)
        provider.respond_next(MockResponse(body=b"", delay=1))
        call_id = broker_module.call_id_of(trade.address)
        hanging_up = asyncio.ensure_future(broker.hang_up([call_id], "server"))
        while not hung_up(provider):
            await asyncio.sleep(0.01)
        assert not hanging_up.done()

    asyncio.run(body())
    assert len(hung_up(provider)) == 2
    assert reasons(told) == ["server"]


def test_the_end_of_the_service_is_bounded(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_module, "_SHUTDOWN_SECONDS", 0.5)
    with caller(provider) as page:
        begun(page)
        provider.respond_next(*[HANG_UP_FAILS] * 10)
        began = time.monotonic()
    assert 0.4 < time.monotonic() - began < 10
    assert len(hung_up(provider)) == 1


def test_a_404_is_final_only_when_the_call_must_be_set_up(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch, told: list[CallEvent]
) -> None:
    monkeypatch.setattr(life, "SETUP_SECONDS", 2.0)
    with caller(provider, on_call=told.append) as page:
        location = begun(page)
        provider.respond_next(NO_CALL, NO_CALL, NO_CALL)
        assert page.delete(location).status_code == 204
        # Its principal is not locked out: another offer is traded, and the provider refuses it.
        assert begin(page).json()["error"] == "provider_failed"
        # It is hung up again a second later, and once more when it must be set up.
        until(lambda: reasons(told) == ["page"])
        assert len(hung_up(provider)) == 3
        assert metrics(page)['hang_ups_total{outcome="not_found"}'] == 2


def test_a_404_is_final_after_that(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch, told: list[CallEvent]
) -> None:
    monkeypatch.setattr(life, "SETUP_SECONDS", 0.0)
    with caller(provider, on_call=told.append) as page:
        location = begun(page)
        provider.respond_next(NO_CALL)
        page.delete(location)
        until(lambda: reasons(told) == ["page"])


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503, 0])
def test_a_provider_that_does_not_hang_up_is_asked_again(
    provider: MockRealtimeServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    told: list[CallEvent],
    status: int,
) -> None:
    monkeypatch.setattr(life, "MAX_BACKOFF", 0.05)
    failure = MockResponse(status) if status else MockResponse(drop="before")
    with caller(provider, on_call=told.append) as page:
        location = begun(page)
        provider.respond_next(*[failure] * 3)
        with caplog.at_level(logging.WARNING):
            assert page.delete(location).status_code == 204
            # It may still be running, and it counts.
            until(lambda: reasons(told) == ["page"])
        assert len(hung_up(provider)) == 4
        assert caplog.text.count("A call could not be hung up") == 3
        assert metrics(page)['hang_ups_total{outcome="failed"}'] == 3


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_failure_with_one_call_does_not_keep_the_others_from_ending(
    provider: MockRealtimeServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    backend: str,
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async def fail_to_synchronize(_: object) -> list[Any]:
        raise ZeroDivisionError

    monkeypatch.setattr(MemoryRegistry, "synchronize", fail_to_synchronize)
    with caller(provider, backend=backend, max_duration=1, max_concurrent=2) as page:
        first = begun(page)
        with monkeypatch.context() as patched:
            patched.setattr(events_module.CallMetrics, "ended", fail)
            assert page.delete(first).status_code == 204
            until(lambda: "The work for a call failed" in caplog.text)
        assert "The registry of calls failed" in caplog.text
        begun(page)
        until(lambda: len(hung_up(provider)) == 2)
        until(lambda: metrics(page).get('ended_total{reason="max_duration"}') == 1)


def test_all_who_hang_up_at_once_wait_for_one_attempt(provider: MockRealtimeServer) -> None:
    with caller(provider) as page, ThreadPoolExecutor(5) as threads:
        location = begun(page)
        provider.respond_next(MockResponse(body=b"", delay=0.5))
        statuses = list(threads.map(lambda _: page.delete(location).status_code, range(5)))
        assert statuses == [204] * 5
        assert len(hung_up(provider)) == 1


def test_a_call_that_another_process_has_taken_is_not_hung_up_again(
    provider: MockRealtimeServer, told: list[CallEvent]
) -> None:
    with caller(provider, on_call=told.append) as page:
        location = begun(page)
        table = page.app.state.calls._broker.registry.table  # type: ignore[attr-defined]  # it is a Starlette
        (call,) = table
        provider.respond_next(MockResponse(503, delay=0.5))
        thread, _ = in_a_thread(lambda: page.delete(location))
        until(lambda: len(hung_up(provider)) == 1)
        table.remove(call.id)
        thread.join()
        assert len(table) == 0
        assert reasons(told) == []


def test_a_key_that_cannot_be_had_is_asked_for_again(
    provider: MockRealtimeServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    told: list[CallEvent],
) -> None:
    monkeypatch.setattr(life, "MAX_BACKOFF", 0.05)
    failures: list[Exception] = []

    def key() -> str:
        if failures:
            raise failures.pop()
        return provider.api_key

    with caller(provider, client={"api_key": key}, on_call=told.append) as page:
        location = begun(page)
        failures.append(OSError("the vault is closed"))
        assert page.delete(location).status_code == 204
        until(lambda: reasons(told) == ["page"])
        assert "A call could not be hung up: OSError" in caplog.text
        # A trade that needs the key was never sent, and leaves nothing.
        failures.append(OSError("the vault is closed"))
        assert begin(page).status_code == 500
        begun(page)


def test_a_call_that_cannot_be_hung_up_keeps_its_slot(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_module, "_SHUTDOWN_SECONDS", 0.1)
    with caller(provider) as page:
        location = begun(page)
        provider.respond_next(MockResponse(503, headers={"retry-after": "30"}))
        # The provider is asked again after the 30 s that it wants, however often the page asks.
        for _ in range(3):
            assert page.delete(location).status_code == 204
        assert len(hung_up(provider)) == 1
        assert begin(page).json()["error"] == "too_many_calls"


@pytest.mark.parametrize(
    ("response", "status", "code"),
    [
        (MockResponse(400), 502, "provider_failed"),
        (MockResponse(401), 502, "provider_failed"),
        (MockResponse(429, headers={"retry-after": "0"}), 429, "provider_busy"),
        (MockResponse(503, headers={"retry-after": "0"}), 503, "provider_unavailable"),
    ],
)
def test_a_trade_that_certainly_failed_leaves_nothing_and_is_not_repeated(
    provider: MockRealtimeServer, response: MockResponse, status: int, code: str
) -> None:
    with caller(provider) as page:
        provider.respond_next(response)
        refused = begin(page)
        assert (refused.status_code, refused.json()["error"]) == (status, code)
        assert offers(provider) == 1
        begun(page)
        assert metrics(page)["possible_orphans_total"] == 0


@pytest.mark.parametrize(
    ("response", "status"),
    [
        (MockResponse(500), 502),
        (MockResponse(201, delay=30), 503),
        (MockResponse(201, drop="before"), 503),
        (MockResponse(201, body=b"<html>"), 502),
    ],
    ids=["500", "late", "reset", "no answer"],
)
def test_a_trade_whose_outcome_is_unknown_is_a_possible_orphan(
    provider: MockRealtimeServer,
    monkeypatch: pytest.MonkeyPatch,
    told: list[CallEvent],
    response: MockResponse,
    status: int,
) -> None:
    monkeypatch.setattr(broker_module, "RESERVATION_GRACE", 0.3)
    with caller(provider, client={"timeout": 0.7}, on_call=told.append) as page:
        provider.respond_next(response)
        assert begin(page).status_code == status
        assert offers(provider) == 1
        # Until its end the reservation counts: the call may exist.
        assert metrics(page)["running"] == 0
        assert begin(page).json()["error"] == "too_many_calls"
        until(lambda: metrics(page)["possible_orphans_total"] == 1)
        begun(page)
        assert reasons(told) == []
        assert hung_up(provider) == []


@pytest.mark.parametrize(
    "location", [None, "", "/v1/realtime/calls/", "/v1/realtime/calls/a%0d%0ab"]
)
def test_a_201_without_a_usable_id_has_no_answer(
    provider: MockRealtimeServer, location: str | None
) -> None:
    with caller(provider) as page:
        provider.respond_next(answer() if location is None else answer(location=location))
        response = begin(page)
        assert (response.status_code, response.json()["error"]) == (503, "call_not_recorded")
        assert "v=0" not in response.text
        assert metrics(page)["possible_orphans_total"] == 1
        assert hung_up(provider) == []
        begun(page)


def test_a_201_with_the_id_of_another_call_does_not_end_that_call(
    provider: MockRealtimeServer,
) -> None:
    with caller(provider) as page:
        begun(page, "bob")
        (call,) = running(page)
        provider.respond_next(answer(location=f"/v1/realtime/calls/{call.call_id}"))
        response = begin(page)
        assert (response.status_code, response.json()["error"]) == (503, "call_not_recorded")
        assert hung_up(provider) == []
        assert running(page)[0].call_id == call.call_id
        assert metrics(page)["possible_orphans_total"] == 1
        begun(page)


def test_a_201_that_comes_after_its_reservation_is_hung_up(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch, told: list[CallEvent]
) -> None:
    """As in a process that was stopped for a while: the reservation has ended, another may run."""
    monkeypatch.setattr(broker_module, "RESERVATION_GRACE", -29.8)
    with caller(provider, on_call=told.append) as page:
        provider.respond_next(answer(0.6, location="/v1/realtime/calls/rtc_late"))
        response = begin(page)
        assert (response.status_code, response.json()["error"]) == (503, "call_not_recorded")
        until(lambda: hung_up(provider) == ["rtc_late"])
        assert metrics(page)["possible_orphans_total"] == 1
        assert told == []


@pytest.mark.parametrize("handler", ["async", "plain", "awaitable"])
def test_on_call_may_fail_or_hang(
    provider: MockRealtimeServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    handler: str,
) -> None:
    monkeypatch.setattr(events_module, "_SECONDS", 1.0)
    told: list[str] = []

    async def hang(event: CallEvent) -> None:
        told.append(event.type)
        if event.type == "ended":
            raise ValueError(event)
        await anyio.sleep(60)

    class Handler:
        async def __call__(self, event: CallEvent) -> None:
            await hang(event)

    def plain(event: CallEvent) -> None:
        told.append(event.type)
        if event.type == "ended":
            raise ValueError(event)
        time.sleep(1.5)

    def awaitable(event: CallEvent) -> Any:
        return hang(event)

    on_call: Any = {"async": Handler(), "plain": plain, "awaitable": awaitable}
    with caller(provider, on_call=on_call[handler]) as page:
        page.delete(begun(page))
        # The end is told after the beginning, also when that is slow.
        until(lambda: "on_call failed" in caplog.text)
        assert told == ["began", "ended"]
        assert "on_call did not return within 1 s" in caplog.text
        begun(page)


def test_a_process_that_was_stopped_ends_no_call_because_of_it(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch, told: list[CallEvent]
) -> None:
    """The heartbeats that came meanwhile wait in its sockets."""
    monkeypatch.setattr(broker_module, "_PAUSE_SECONDS", 0.3)
    with caller(provider, heartbeat=2, on_call=told.append) as page:
        location = begun(page)
        assert page.portal is not None
        page.portal.call(_block, 2.5)
        for _ in range(10):
            assert page.post(f"{location}/heartbeat").status_code == 204
            time.sleep(0.1)
        assert reasons(told) == []


async def _block(seconds: float) -> None:
    time.sleep(seconds)  # noqa: ASYNC251 - it stands for a process that is stopped


def test_hang_ups_are_punctual(provider: MockRealtimeServer, told: list[CallEvent]) -> None:
    with caller(provider, max_duration=1, on_call=told.append) as page:
        stopwatch = Stopwatch()
        with stopwatch:
            begun(page)
            until(lambda: reasons(told) == ["max_duration"])
        duration = told[-1].duration
        assert duration is not None
        assert 1 <= duration < 1.5 + stopwatch.delayed_by
