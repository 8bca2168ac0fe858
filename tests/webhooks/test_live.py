"""Webhooks of GPT-Live, and the phone route for calls that ring at both APIs."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette

from openai_realtime import (
    APIStatusError,
    ConfigurationError,
    SyncRealtimeSessionsClient,
    WebhookVerificationError,
    WebhookVerifier,
)
from openai_realtime.testing import MOCK_WEBHOOK_SECRET, MockPhone, MockRealtimeServer
from openai_realtime.types import IncomingCall
from openai_realtime.webhooks import (
    LiveTransportConnected,
    LiveTransportIncoming,
    RealtimeCallIncoming,
    SafetyIdentifierBlocked,
    WebhookEvent,
    on_call_incoming,
)

HEADERS = [
    {"name": "From", "value": '"A" <sip:+4930123@h>'},
    {"name": "To", "value": "<tel:+1415>"},
]


@pytest.fixture
def phone(realtime_server: MockRealtimeServer) -> MockPhone:
    return realtime_server.phone(webhook_url="http://127.0.0.1:1/")


def verified(phone: MockPhone, data: Any, kind: str) -> Any:
    webhook = phone.sign(data, type=kind)
    return WebhookVerifier(MOCK_WEBHOOK_SECRET).verify(webhook.body, webhook.headers)


@pytest.mark.parametrize("kind", ["live.transport.incoming", "live.call.incoming"])
def test_a_phone_call_at_live(phone: MockPhone, kind: str) -> None:
    data = {"session_id": "live_1", "sip_headers": HEADERS, "sip_media_security": "srtp"}
    event = verified(phone, data, kind)
    assert isinstance(event, LiveTransportIncoming)
    assert (event.type, event.session_id, event.data.type) == (kind, "live_1", "sip")
    assert (event.from_number, event.to_number) == ("+4930123", "+1415")
    assert event.data.sip_media_security == "srtp"
    assert event.webhook_id.startswith("wh_")


def test_a_session_that_has_begun(phone: MockPhone) -> None:
    data = {"type": "webrtc", "session_id": "live_1"}
    event = verified(phone, data, "live.transport.connected")
    assert isinstance(event, LiveTransportConnected)
    assert (event.session_id, event.data.type) == ("live_1", "webrtc")


def test_a_blocked_person(phone: MockPhone) -> None:
    data = {"safety_identifier": "user-1", "safety_category": "bio", "request_id": "req_1"}
    event = verified(phone, data, "safety_identifier.blocked")
    assert isinstance(event, SafetyIdentifierBlocked)
    assert event.data.model_dump(exclude_none=True) == data


def test_other_events_are_as_before(phone: MockPhone) -> None:
    assert type(verified(phone, {"id": "a"}, "safety.alert.created")) is WebhookEvent


@pytest.mark.parametrize(
    "kind",
    ["live.transport.incoming", "live.call.incoming", "live.transport.connected"],
)
@pytest.mark.parametrize("data", [{}, {"session_id": ""}, {"session_id": 1}])
def test_a_session_without_an_id_is_refused(phone: MockPhone, kind: str, data: Any) -> None:
    with pytest.raises(WebhookVerificationError, match=r"data\.session_id is missing or unusable"):
        verified(phone, data, kind)


@contextmanager
def serving(handler: Callable[[IncomingCall], object], **options: Any) -> Generator[str]:
    verifier = WebhookVerifier(MOCK_WEBHOOK_SECRET)
    app = Starlette(routes=[on_call_incoming(handler, verifier=verifier, **options)])
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        running = threading.Thread(target=server.run, args=([listening],))
        running.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/webhooks/openai"
        finally:
            server.should_exit = True
            running.join()


class Answering:
    """Accepts each call at the API at which it rings."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.raised: list[str | None] = []

    def __call__(self, event: IncomingCall) -> None:
        self.events.append(event.type)
        with SyncRealtimeSessionsClient() as client:
            try:
                if isinstance(event, RealtimeCallIncoming):
                    client.calls.accept(event.call_id, model="gpt-realtime-2.1")
                else:
                    client.live.sessions.accept(event.session_id, session={"model": "gpt-live-1"})
            except APIStatusError as error:
                self.raised.append(error.code)
                raise


@pytest.mark.parametrize(
    ("api", "rings_at", "handled"),
    [
        ("realtime", "both", ["realtime.call.incoming"]),
        ("live", "both", ["live.transport.incoming"]),
        ("both", "live", ["live.transport.incoming"]),
        ("both", "realtime", ["realtime.call.incoming"]),
        ("realtime", "live", []),
    ],
)
def test_the_route_handles_the_calls_of_its_api(
    realtime_server: MockRealtimeServer, api: Any, rings_at: Any, handled: list[str]
) -> None:
    answering = Answering()
    with serving(answering, api=api, handle="before_response") as url:
        call = realtime_server.phone(webhook_url=url).ring(api=rings_at)
        assert call.wait_for_delivery() == 200
    assert answering.events == handled
    assert [decision.is_live for decision in call.decisions] == [
        kind.startswith("live") for kind in handled
    ]
    assert (call.call_id == "", call.session_id == "") == (
        rings_at == "live",
        rings_at == "realtime",
    )


def test_a_call_that_rings_as_both_is_decided_once(
    realtime_server: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    answering = Answering()
    caplog.set_level(logging.INFO, "openai_realtime")
    with serving(answering, api="both", handle="before_response") as url:
        call = realtime_server.phone(webhook_url=url).ring(api="both")
        assert call.wait_for_delivery() == 200
    assert sorted(answering.events) == ["live.transport.incoming", "realtime.call.incoming"]
    assert answering.raised == ["decision_already_made"]
    assert [decision.kind for decision in call.decisions] == ["accepted"]
    assert [
        record.levelname for record in caplog.records if "decided before" in record.message
    ] == ["INFO"]
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_the_other_apis_actions_after_a_decision(realtime_server: MockRealtimeServer) -> None:
    call = realtime_server.phone(webhook_url="http://127.0.0.1:1/").ring(api="both")
    with SyncRealtimeSessionsClient() as client:
        client.live.sessions.reject(call.session_id, status_code=486)
        with pytest.raises(APIStatusError) as caught:
            client.calls.reject(call.call_id)
        assert caught.value.code == "decision_already_made"
        with pytest.raises(APIStatusError) as caught:
            client.live.sessions.reject(call.session_id, status_code=486)
        assert caught.value.code == "session_id_not_found"
        with pytest.raises(APIStatusError) as caught:
            client.live.sessions.hangup("live_unknown")
        assert caught.value.code == "session_id_not_found"
    with pytest.raises(ConnectionRefusedError):
        call.wait_for_delivery()
    assert [json.loads(each.body)["type"] for each in call.webhooks] == [
        "realtime.call.incoming",
        "live.transport.incoming",
    ]


def test_an_unknown_api_is_refused() -> None:
    wrong: Any = "beta"
    with pytest.raises(ConfigurationError, match="api is unusable: it must be one of realtime"):
        on_call_incoming(print, api=wrong)
