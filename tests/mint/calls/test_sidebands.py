"""`on_sideband` of the broker: it runs for each call, ends with it, and tells that the browser left."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from sideband.peer import Peer, closing, text
from sideband.provider import Provider, sent_to, wait_for_end

from mint.calls.service import begin, begun, broker_for, caller, metrics, running
from mint.redis_process import RedisProcess
from mint.service import browser, until
from openai_realtime import ConfigurationError, on_sideband
from openai_realtime.mint import CallEvent, RunningCall
from openai_realtime.types import FunctionTool

BACKENDS = ["asyncio", "trio"]


@contextmanager
def service(
    function: Callable[..., Any], script: Callable[[Peer], None] = wait_for_end, **options: Any
) -> Iterator[tuple[Provider, Any, list[CallEvent]]]:
    """Give a provider, a page, and what `on_call` was told."""
    told: list[CallEvent] = []
    with (
        Provider(script) as provider,
        caller(provider, on_sideband=function, on_call=told.append, **options) as page,  # type: ignore[arg-type]  # it is used as a mock's
    ):
        yield provider, page, told


def reasons(told: list[CallEvent]) -> list[str | None]:
    return [event.reason for event in told if event.type == "ended"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_browser_that_leaves(backend: str) -> None:
    greeted: list[Any] = []
    calls: list[RunningCall] = []

    def script(peer: Peer) -> None:
        greeted.append(next(sent_to(peer)))
        wait_for_end(peer)

    async def greet(sideband: Any, call: RunningCall) -> None:
        calls.append(call)
        await sideband.greet("Greet the caller.")

    with service(greet, script, backend=backend) as (provider, page, told):
        begun(page)
        until(lambda: bool(greeted))
        assert greeted[0]["response"] == {"instructions": "Greet the caller."}
        assert begin(page).status_code == 429, "one call at once"
        provider.leave("rtc_1")
        until(lambda: len(told) == 2)
        assert running(page) == []
        assert metrics(page)['ended_total{reason="peer_left"}'] == 1
        begun(page)  # the limit of calls at once is free again
        assert [event.type for event in told[:2]] == ["began", "ended"]
        assert (told[1].reason, told[1].call_id, told[1].principal) == ("peer_left", "rtc_1", "ann")
    assert (calls[0].call_id, calls[0].principal) == ("rtc_1", "ann")
    assert provider.hung_up == ["rtc_2"], "the first one had ended"


def test_a_fleet_learns_of_it(redis: RedisProcess) -> None:
    async def do_nothing(_: Any) -> None:
        pass

    with service(do_nothing, storage=redis.url) as (provider, page, told):
        begun(page)
        until(lambda: provider.joined == ["rtc_1"])
        provider.leave("rtc_1")
        until(lambda: reasons(told) == ["peer_left"])
        assert running(page) == []
        begun(page)  # the limit of calls at once is free again


def test_a_session_of_gpt_live() -> None:
    greeted: list[Any] = []

    def script(peer: Peer) -> None:
        greeted.append(next(sent_to(peer)))
        peer.send(text(type="session.closed", reason="connection_lost", usage={"seconds": 15}))

    used: list[float] = []

    async def greet(sideband: Any, call: RunningCall) -> None:
        assert call.api == "live"
        await sideband.greet("Greet the caller.")
        used.extend([sideband.usage.seconds async for _ in sideband])

    with service(greet, script, session={"model": "gpt-live-1.1"}) as (provider, page, told):
        begun(page)
        until(lambda: reasons(told) == ["peer_left"])
    assert greeted[0]["type"] == "session.instructions.append"
    assert used == [15]
    assert provider.hung_up == ["live_1"], "what the sideband says is confirmed"


@pytest.mark.parametrize("kind", ["async", "thread", "lambda", "awaitable"])
def test_tools(kind: str) -> None:
    answers: list[Any] = []

    def find_table(people: int) -> dict[str, int]:
        """Find a free table."""
        return {"table": people * 10}

    tools = {"find_table": FunctionTool.from_function(find_table)}

    def script(peer: Peer) -> None:
        call = {
            "type": "function_call",
            "call_id": "c",
            "name": "find_table",
            "arguments": '{"people": 4}',
        }
        peer.send(
            text(type="response.done", response={"output": [call], "usage": {"input_tokens": 7}})
        )
        messages = sent_to(peer)
        answers.extend(next(messages) for _ in range(2))
        wait_for_end(peer)

    used: list[int] = []

    async def run_async(sideband: Any) -> None:
        await sideband.run_tools(tools)
        used.append(sideband.usage.input_tokens)

    def run_on_a_thread(sideband: Any, *, more: None = None) -> None:
        assert more is None
        kinds: list[str] = []
        sideband.run_tools(tools, on_event=lambda event: kinds.append(event.type))
        assert kinds == ["response.done"]
        used.append(sideband.usage.input_tokens)

    def run_and_return_an_awaitable(sideband: Any) -> Any:
        run_on_a_thread(sideband)
        return anyio.lowlevel.checkpoint()

    functions: dict[str, Callable[..., Any]] = {
        "async": run_async,
        "thread": run_on_a_thread,
        "lambda": lambda sideband: sideband.run_tools(tools),
        "awaitable": run_and_return_an_awaitable,
    }
    with service(functions[kind], script) as (provider, page, told):
        begun(page)
        until(lambda: len(answers) == 2)
        assert answers[0]["item"]["output"] == '{"table":40}'
        provider.leave("rtc_1")
        until(lambda: reasons(told) == ["peer_left"])
    assert used == ([] if kind == "lambda" else [7])


def test_a_thread_has_the_whole_sideband() -> None:
    found: list[Any] = []
    kinds: list[str] = []

    def script(peer: Peer) -> None:
        messages = sent_to(peer)
        found.extend(next(messages) for _ in range(2))
        peer.send(text(type="a") + text(type="b"))
        wait_for_end(peer)

    def use(sideband: Any) -> None:
        sideband.greet("Hello")
        sideband.send({"type": "session.update"})
        kinds.append(next(sideband).type)
        kinds.extend(event.type for event in sideband)
        sideband.close()

    with service(use, script) as (provider, page, told):
        begun(page)
        until(lambda: len(found) == 2)
        provider.leave("rtc_1")
        until(lambda: reasons(told) == ["peer_left"])
    assert [each["type"] for each in found] == ["response.create", "session.update"]
    assert kinds == ["a", "b"]


def test_a_function_that_fails_does_not_end_the_call(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_: Any) -> None:
        raise LookupError("the function's own")

    with service(fail) as (provider, page, told):
        begun(page)
        until(lambda: "on_sideband failed at call rtc_1" in caplog.text)
        assert [call.call_id for call in running(page)] == ["rtc_1"]
        provider.leave("rtc_1")
        until(lambda: reasons(told) == ["peer_left"])
    assert provider.api_key not in caplog.text


def test_a_sideband_that_is_refused_does_not_end_the_call(caplog: pytest.LogCaptureFixture) -> None:
    async def never(_: Any) -> None:
        pytest.fail("it is not connected")

    with service(never) as (provider, page, told):
        provider.refusal = b'{"error": {"message": "no sidebands"}}'
        begun(page)
        until(lambda: "Call rtc_1 has no sideband: " in caplog.text)
        assert "no sidebands" in caplog.text
        assert [call.call_id for call in running(page)] == ["rtc_1"]
        assert reasons(told) == []
    assert provider.api_key not in caplog.text


def test_a_sideband_that_is_lost_does_not_end_the_call(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openai_realtime.resources.sideband_session.RECONNECT_SECONDS", 0.3)

    def script(peer: Peer) -> None:
        peer.send(closing(1011, "no capacity"))

    async def read(sideband: Any) -> None:
        async for _ in sideband:
            pass

    async def do_nothing(_: Any) -> None:
        pass

    for function, text_of_log in ((read, "on_sideband failed"), (do_nothing, "is lost")):
        with service(function, script) as (_, page, told):
            begun(page)
            until(lambda expected=text_of_log: expected in caplog.text)  # type: ignore[misc]
            assert [call.call_id for call in running(page)] == ["rtc_1"]
            assert reasons(told) == []


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["async", "thread"])
def test_a_function_that_does_not_end_with_its_call(
    backend: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends the call, and also when the function does not read the sideband."""
    monkeypatch.setattr(on_sideband, "_GRACE_SECONDS", 0.1)
    monkeypatch.setattr(on_sideband, "_POLL_SECONDS", 0.02)
    ended: list[BaseException] = []
    begun_functions: list[Any] = []

    async def hang(sideband: Any) -> None:
        begun_functions.append(sideband)
        try:
            await anyio.sleep(60)
        except BaseException as error:
            ended.append(error)
            raise

    def hang_on_a_thread(sideband: Any) -> None:
        begun_functions.append(sideband)
        try:
            while True:
                time.sleep(0.01)
                sideband.send({"type": "still here"})
        except BaseException as error:
            ended.append(error)
            raise

    function = hang if kind == "async" else hang_on_a_thread
    with service(function, backend=backend) as (_, page, told):
        address = begun(page)
        until(lambda: len(begun_functions) == 1)
        assert page.delete(address).status_code == 204
        until(lambda: bool(ended))
        until(lambda: reasons(told) == ["page"])


def test_a_browser_that_leaves_a_function_that_does_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(on_sideband, "_GRACE_SECONDS", 0.1)
    monkeypatch.setattr(on_sideband, "_POLL_SECONDS", 0.02)
    begun_functions: list[Any] = []

    async def hang(sideband: Any) -> None:
        begun_functions.append(sideband)
        await anyio.sleep(60)

    with service(hang) as (provider, page, told):
        begun(page)
        until(lambda: len(begun_functions) == 1)
        provider.leave("rtc_1")
        until(lambda: reasons(told) == ["peer_left"])


def test_the_page_and_the_sideband_tell_the_end_once() -> None:
    async def do_nothing(_: Any) -> None:
        pass

    with service(do_nothing, max_concurrent=20) as (provider, page, told):
        addresses = [begun(page) for _ in range(8)]
        until(lambda: len(provider.joined) == 8)
        leaving = [threading.Thread(target=provider.leave, args=(f"rtc_{n}",)) for n in range(1, 9)]
        for thread, address in zip(leaving, addresses, strict=True):
            thread.start()
            page.post(f"{address}/hangup")
        for thread in leaving:
            thread.join()
        until(lambda: len(reasons(told)) == 8)
        time.sleep(0.1)
    assert len(reasons(told)) == 8
    assert set(reasons(told)) <= {"page", "peer_left"}


def test_no_more_than_may_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(on_sideband, "MAX_SIDEBANDS", 2)
    begun_functions: list[str] = []

    async def count(sideband: Any, call: RunningCall) -> None:
        begun_functions.append(call.call_id)
        async for _ in sideband:
            pass

    with service(count, max_concurrent=10) as (provider, page, told):
        for _ in range(3):
            begun(page)
        until(lambda: "Call rtc_3 has no sideband: 2 are running" in caplog.text)
        assert sorted(begun_functions) == ["rtc_1", "rtc_2"]
        provider.leave("rtc_1")
        until(lambda: reasons(told) == ["peer_left"])
        begun(page)
        until(lambda: "rtc_4" in begun_functions)
        assert len(running(page)) == 3


def test_a_shutdown_cancels_it(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[BaseException] = []
    begun_functions: list[Any] = []

    async def hang(sideband: Any) -> None:
        begun_functions.append(sideband)
        try:
            await anyio.sleep(60)
        except BaseException as error:
            ended.append(error)
            raise

    began = time.monotonic()
    with service(hang) as (provider, page, told):
        begun(page)
        until(lambda: len(begun_functions) == 1)
        began = time.monotonic()
    assert time.monotonic() - began < 20
    assert len(ended) == 1
    assert provider.hung_up == ["rtc_1"]
    assert reasons(told) == ["shutdown"]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("function", [3, "run"])
def test_an_unusable_function(function: Any) -> None:
    with Provider() as provider, pytest.raises(ConfigurationError, match="on_sideband must be"):
        broker_for(provider, on_sideband=function)  # type: ignore[arg-type]
    with Provider() as provider, pytest.raises(ConfigurationError, match="needs the broker"):
        broker_for(provider, on_sideband=print, broker=False)  # type: ignore[arg-type]


def test_a_function_without_a_signature() -> None:
    with Provider() as provider, browser(broker_for(provider, on_sideband=min)) as page:  # type: ignore[arg-type]
        assert begin(page).status_code == 201
        assert json.dumps(provider.hung_up) == "[]"
