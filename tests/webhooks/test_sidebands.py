"""`on_sideband` of the phone route: it runs for each accepted call, outside of the webhook's request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from mint.service import until
from sideband.peer import Peer, text
from sideband.provider import API_KEY, Provider, sent_to, wait_for_end
from starlette.applications import Starlette
from starlette.testclient import TestClient

from openai_realtime import APIStatusError, ConfigurationError, RealtimeSessionsClient
from openai_realtime.types import IncomingCall
from openai_realtime.webhooks import LiveTransportIncoming, RealtimeCallIncoming
from webhooks.calls import PATH, route
from webhooks.deliveries import CALL, encoded, signed

LIVE = {**CALL, "type": "live.transport.incoming", "data": {"session_id": "live_1", "type": "sip"}}


async def accept(event: IncomingCall) -> None:
    """Accept each call."""


@contextmanager
def phone(
    on_sideband: Callable[..., Any],
    provider: Provider,
    handler: Callable[..., Any] = accept,
    backend: Any = "asyncio",
    **options: Any,
) -> Iterator[Callable[..., int]]:
    """Give a function that delivers a webhook, and returns the response's status."""

    def client() -> RealtimeSessionsClient:
        return RealtimeSessionsClient(provider=provider.provider, api_key=API_KEY, max_retries=0)

    options = {"handle": "after_response", "client": client, **options}
    app = Starlette(routes=[route(handler, on_sideband=on_sideband, **options)])

    def ring(call: Any, webhook_id: str = "wh_1") -> int:
        body = encoded(call)
        headers = signed(body, webhook_id=webhook_id)
        return caller.post(PATH, content=body, headers=headers).status_code

    with TestClient(app, backend=backend) as caller:
        yield ring


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("is_live", [False, True], ids=["realtime", "live"])
def test_an_accepted_call_is_greeted(backend: str, is_live: bool) -> None:
    greeted: list[Any] = []
    events: list[Any] = []
    ended: list[str] = []

    def script(peer: Peer) -> None:
        event = next(sent_to(peer))
        peer.send(text(type="session.updated"))
        greeted.append(event)
        wait_for_end(peer)

    async def greet(sideband: Any, event: IncomingCall) -> None:
        events.append(event)
        await sideband.greet("Greet the caller.")
        ended.extend([each.type async for each in sideband])
        ended.append("the call")

    call, call_id = (LIVE, "live_1") if is_live else (CALL, "rtc_u0_1")
    with (
        Provider(script) as provider,
        phone(greet, provider, backend=backend, api="both") as ring,
    ):
        provider.running[call_id] = []
        assert ring(call) == 200
        until(lambda: bool(greeted))
        provider.leave(call_id)
        until(lambda: ended == ["session.updated", "the call"])
    assert provider.joined == [call_id]
    kind = "session.instructions.append" if is_live else "response.create"
    assert greeted[0]["type"] == kind
    assert type(events[0]) is (LiveTransportIncoming if is_live else RealtimeCallIncoming)


def test_a_call_that_was_rejected(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO", "openai_realtime")
    monkeypatch.setattr("openai_realtime.resources.sideband_session.SETTLE_SECONDS", 0.2)

    async def never(_: Any) -> None:
        pytest.fail("there is no call")

    with Provider() as provider, phone(never, provider) as ring:
        assert ring(CALL) == 200
        until(lambda: "Call rtc_u0_1 has no sideband: it was not accepted" in caplog.text)
    assert [record for record in caplog.records if record.levelno > 20] == []


def test_calls_at_once() -> None:
    used: list[Any] = []

    async def note(_: Any, event: RealtimeCallIncoming) -> None:
        used.append(event.call_id)

    with Provider() as provider, phone(note, provider, handler=lambda _: None) as ring:
        calls = [provider.begin() for _ in range(3)]
        for call_id in calls:
            assert ring({**CALL, "data": {"call_id": call_id}}, call_id) == 200
        until(lambda: sorted(used) == calls)


def test_a_call_that_is_not_handled(caplog: pytest.LogCaptureFixture) -> None:
    async def decided_before(_: IncomingCall) -> None:
        error = APIStatusError("decided", status_code=409)
        error.code = "decision_already_made"
        raise error

    async def fail(_: IncomingCall) -> None:
        raise LookupError

    for handler in (decided_before, fail):
        with Provider() as provider, phone(print, provider, handler) as ring:
            assert ring(CALL) == 200
            assert provider.joined == []
    assert "has no sideband" not in caplog.text


def test_without_a_usable_client(caplog: pytest.LogCaptureFixture) -> None:
    """By default it is made from the environment, when it is first needed."""
    with Provider() as provider, phone(print, provider, client=None) as ring:
        assert ring(CALL) == 200
        until(lambda: "Call rtc_u0_1 has no sideband: " in caplog.text)
    assert "OPENAI_API_KEY" in caplog.text


def test_the_environments_client(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[Any] = []
    with Provider() as provider, phone(used.append, provider, client=None) as ring:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
        provider.running["rtc_u0_1"] = []
        assert ring(CALL) == 200
        until(lambda: len(used) == 1)


def test_the_end_of_the_event_loop_cancels_it() -> None:
    ended: list[BaseException] = []
    begun: list[Any] = []

    async def hang(sideband: Any) -> None:
        begun.append(sideband)
        try:
            await anyio.sleep(60)
        except BaseException as error:
            ended.append(error)
            raise

    with Provider() as provider:
        with phone(hang, provider) as ring:
            provider.running["rtc_u0_1"] = []
            assert ring(CALL) == 200
            until(lambda: len(begun) == 1)
            began = time.monotonic()
        assert time.monotonic() - began < 20
        assert len(ended) == 1


def test_another_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The route outlives an event loop, as in tests of an app."""
    used: list[Any] = []
    with Provider() as provider:
        provider.running["rtc_u0_1"] = []
        monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
        app = Starlette(routes=[route(accept, on_sideband=used.append, handle="after_response")])
        for number in (1, 2):
            body = encoded({**CALL, "id": f"evt_{number}"})
            with TestClient(app) as caller:
                headers = signed(body, webhook_id=f"wh_{number}")
                assert caller.post(PATH, content=body, headers=headers).status_code == 200
                until(lambda expected=number: len(used) == expected)  # type: ignore[misc]  # mypy cannot infer it


def test_unusable_options() -> None:
    for options in ({"on_sideband": 3}, {"on_sideband": print, "client": 3}):
        with pytest.raises(ConfigurationError):
            route(accept, **options)
