"""The mock's sidebands, with the clients of `websockets` and of this package."""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets import State, Subprotocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from openai_realtime import FunctionTool, SyncRealtimeSessionsClient
from openai_realtime.testing import MockRealtimeServer, MockResponse, RecordedRequest, mock_sideband
from openai_realtime.testing import server as mock_server
from openai_realtime.testing.data_channel import EVERYTHING
from openai_realtime.testing.mock_calls import MockCall

OFFER = "v=0\r\n"
RESPONSES: Any = {"type": "responses", "responses": {"model": "gpt-6"}}
RESPONSE = [
    "response.created",
    "rate_limits.updated",
    "response.output_item.added",
    "conversation.item.added",
    "conversation.item.done",
    "response.content_part.added",
    "output_audio_buffer.started",
    *["response.output_audio_transcript.delta"] * 6,
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "output_audio_buffer.stopped",
    "response.done",
]


@pytest.fixture(scope="module")
def mock() -> Iterator[MockRealtimeServer]:
    with MockRealtimeServer(usage_interval=0.05) as server:
        yield server


def client_of(server: MockRealtimeServer) -> SyncRealtimeSessionsClient:
    return SyncRealtimeSessionsClient(
        base_url=server.base_url, api_key=server.api_key, max_retries=0
    )


def realtime_call(server: MockRealtimeServer, **session: Any) -> MockCall:
    full: Any = {"type": "realtime", "model": "gpt-realtime-2.1", **session}
    with client_of(server) as client:
        created = client.calls.create(sdp=OFFER, session=full)
    return server.call(str(created.id))


def live_session(server: MockRealtimeServer, **session: Any) -> MockCall:
    full: Any = {"model": "gpt-live-1", "instructions": "Be kind.", **session}
    with client_of(server) as client:
        created = client.live.create(session=full, transport={"type": "webrtc", "sdp": OFFER})
    return server.call(created.session.id)


def phone_call(server: MockRealtimeServer, api: Any) -> MockCall:
    call = server.phone(webhook_url="http://127.0.0.1:1").ring(api=api)
    with client_of(server) as client:
        if api == "live":
            client.live.sessions.accept(
                call.session_id, session={"type": "live", "model": "gpt-live-1"}
            )
        else:
            client.calls.accept(call.call_id, model="gpt-realtime-2.1")
    return call


def path_of(call: MockCall) -> str:
    if call.session_id:
        return f"/live/sessions/{call.session_id}/attach"
    return f"/realtime?call_id={call.call_id}"


@contextmanager
def joined(
    server: MockRealtimeServer, call: MockCall, headers: dict[str, str] | None = None
) -> Iterator[ClientConnection]:
    url = server.base_url.replace("http", "ws") + path_of(call)
    key = {"authorization": f"Bearer {server.api_key}"}
    with connect(url, additional_headers=headers or key, proxy=None) as connection:
        yield connection


def until(connection: ClientConnection, event_type: str) -> list[dict[str, Any]]:
    """Return the events up to the next one of a type, which is included."""
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] != event_type:
        events.append(json.loads(connection.recv(10)))
    return events


def rest(connection: ClientConnection) -> tuple[int, list[dict[str, Any]]]:
    """Return the close code, and the events before it."""
    events: list[dict[str, Any]] = []
    with suppress(ConnectionClosed):
        while True:
            events.append(json.loads(connection.recv(10)))
    assert connection.close_code is not None
    return connection.close_code, events


def send(connection: ClientConnection, **event: Any) -> None:
    connection.send(json.dumps(event))


def test_realtime_events(mock: MockRealtimeServer) -> None:
    call = realtime_call(mock, instructions="Be kind.")
    with joined(mock, call) as sideband, joined(mock, call) as other:
        send(
            sideband, type="session.update", session={"type": "realtime", "instructions": "Brief."}
        )
        (updated,) = until(sideband, "session.updated")  # there is no session.created before it
        assert updated["session"]["instructions"] == "Brief."
        assert updated["session"]["model"] == "gpt-realtime-2.1"
        assert updated["session"]["id"].startswith("sess_")
        send(sideband, type="response.create", response={"instructions": "Greet the caller"})
        events = until(sideband, "response.done")
        assert [event["type"] for event in events] == RESPONSE
        done = events[-1]["response"]
        usage = done["usage"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
        assert usage["output_tokens"] == sum(usage["output_token_details"].values())
        assert done["output"][0]["content"][0]["transcript"] == "I was told: Greet the caller"
        assert call.wait_for_speech().text == "I was told: Greet the caller"
        assert until(other, "response.done")[-1] == events[-1]

        call.caller_says("A table")
        item = until(sideband, "conversation.item.done")[-1]["item"]
        for kind, result in (
            ("retrieve", "retrieved"),
            ("truncate", "truncated"),
            ("delete", "deleted"),
        ):
            send(sideband, type=f"conversation.item.{kind}", item_id=item["id"], audio_end_ms=1)
            assert until(sideband, f"conversation.item.{result}")
        for wrong, code in (
            ({"type": "conversation.item.delete", "item_id": item["id"]}, "item_not_found"),
            ({"type": "unheard.of"}, "invalid_value"),
            ({"type": "session.update"}, "missing_required_parameter"),
            ({"type": "conversation.item.create", "item": 1}, "missing_required_parameter"),
            (
                {"type": "conversation.item.create", "item": {"type": "function_call_output"}},
                "invalid_tool_call_id",
            ),
            ({"type": "response.cancel", "event_id": "mine"}, "response_cancel_not_active"),
        ):
            send(sideband, **wrong)
            (error,) = until(sideband, "error")
            assert (error["error"]["code"], error["error"]["event_id"]) == (
                code,
                wrong.get("event_id"),
            )
        sideband.send("no JSON")
        assert until(sideband, "error")
        send(sideband, type="output_audio_buffer.clear")
        assert until(sideband, "output_audio_buffer.cleared")
        call.hang_up("expired")
        closed, last = rest(sideband)
        assert (closed, last[-1]["error"]["code"]) == (1000, "session_expired")
        closed, last = rest(other)
        assert closed == 1000
        assert [event["type"] for event in last].count("error") == 1
    assert call.state == "ended"
    call.hang_up()  # it is over already
    with pytest.raises(RuntimeError, match="The call is ended"):
        call.model_says("Hello")


def test_live_events(mock: MockRealtimeServer) -> None:
    call = live_session(mock, delegation=RESPONSES)
    with joined(mock, call) as sideband:
        (started,) = until(sideband, "session.started")
        session = started["session"]
        assert (session["id"], session["status"]) == (call.session_id, "active")
        assert session["instructions"] == "Be kind."
        assert session["audio"]["output"]["voice"] == "marin"
        assert 7190 < session["expires_at"] - time.time() <= 7201
        usage = until(sideband, "session.usage.updated")[-1]
        assert usage["usage"] == {"seconds": 15}
        assert 0 <= usage["context_window"]["usage_ratio"] < 1
        for event, follows in (
            ({"type": "session.update", "session": {}}, "session.updated"),
            ({"type": "session.input_audio.mute"}, "session.input_audio.muted"),
            ({"type": "session.input_audio.unmute"}, "session.input_audio.unmuted"),
            ({"type": "session.output_audio.fixture.play"}, "session.output_audio.fixture.played"),
            (
                {"type": "session.thinking.append", "content": "x", "delegation_id": None},
                "session.thinking.appended",
            ),
        ):
            send(sideband, **event, event_id="mine")
            followed = until(sideband, follows)[-1]
            assert followed["client_event_id"] == "mine"
        send(sideband, type="session.update", session={"delegation": RESPONSES, "triggers": []})
        assert until(sideband, "session.updated")[-1]["session"]["triggers"] == []
        for kind in ("instructions", "commentary"):
            event_type = f"session.{kind}.append"
            send(sideband, type=event_type, content="Greet the caller", delegation_id=None)
            assert until(sideband, f"session.{kind}.appended")
            deltas = [until(sideband, "session.output_transcript.delta")[-1] for _ in range(3)]
            assert all(delta["end_ms"] > delta["start_ms"] >= 0 for delta in deltas)
        call.caller_says("Good evening")
        assert until(sideband, "session.input_transcript.delta")[-1]["delta"] == "Good "
        assert [each.text for each in call.transcript] == [
            "I was told: Greet the caller",
            "Greet the caller",
            "Good evening",
        ]
        item = {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "Hi"}],
        }
        send(sideband, type="response.item.create", item=item)
        send(sideband, type="response.create")
        until(sideband, "session.output_transcript.delta")
        assert call.transcript[-1].text == "You said: Hi"
        send(sideband, type="session.close", event_id="last")
        code, events = rest(sideband)
    closed = events[-1]
    assert (code, closed["type"], closed["reason"]) == (1000, "session.closed", "close_requested")
    assert (closed["usage"], closed["client_event_id"]) == ({"seconds": 15}, "last")
    assert call.state == "hung_up"


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({"type": "unheard.of"}, "invalid_value", "type"),
        ({"type": "session.start", "session": {}}, "event_not_allowed", "type"),
        ({"type": "session.input_audio.append"}, "event_not_allowed", "type"),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        (
            {"type": "session.update", "session": {"instructions": "x"}},
            "immutable_field_update",
            "session.instructions",
        ),
        (
            {"type": "session.update", "session": {"delegation": RESPONSES}},
            "immutable_field_update",
            "session.delegation.type",
        ),
        ({"type": "session.instructions.append"}, "missing_required_parameter", "content"),
        (
            {"type": "session.thinking.append", "content": "x"},
            "missing_required_parameter",
            "delegation_id",
        ),
        (
            {"type": "session.thinking.append", "content": "x", "delegation_id": "d"},
            "delegation_not_found",
            "delegation_id",
        ),
        (
            {"type": "session.thinking.append", "content": "x " * 501, "delegation_id": None},
            "string_above_max_length",
            "content",
        ),
        ({"type": "response.create"}, "invalid_value", "type"),
        ({"type": "response.item.create"}, "invalid_value", "type"),
        ({"type": "transport.dtmf.send", "event": "x"}, "invalid_value", "event"),
    ],
)
def test_live_errors(
    live_phone_call: MockCall, mock: MockRealtimeServer, event: Any, code: str, param: str
) -> None:
    with joined(mock, live_phone_call) as sideband:
        send(sideband, event_id="mine", **event)
        error = until(sideband, "error")[-1]["error"]
    assert error.pop("message")
    assert error == {
        "type": "invalid_request_error",
        "code": code,
        "param": param,
        "client_event_id": "mine",
    }


@pytest.fixture(scope="module")
def live_phone_call(mock: MockRealtimeServer) -> MockCall:
    return phone_call(mock, "live")


def test_keys_are_sent_on_the_phone_only(
    mock: MockRealtimeServer, live_phone_call: MockCall
) -> None:
    for call, follows in ((live_phone_call, "transport.dtmf.sent"), (live_session(mock), "error")):
        with joined(mock, call) as sideband:
            send(sideband, type="transport.dtmf.send", event="#")
            assert until(sideband, follows)


def test_a_function_of_live_needs_responses_delegation(mock: MockRealtimeServer) -> None:
    with pytest.raises(RuntimeError, match="delegation of type responses"):
        live_session(mock).model_calls("find_table")
    call = live_session(mock, delegation=RESPONSES)
    with joined(mock, call) as sideband:
        call_id = call.model_calls("find_table", {"people": 4})
        events = until(sideband, "response.event")
        while events[-1].get("event", {}).get("type") != "response.completed":
            events += until(sideband, "response.event")
        inner = {each["event"]["type"]: each["event"] for each in events if "event" in each}
        item = inner["response.output_item.done"]["item"]
        assert (item["call_id"], item["arguments"]) == (call_id, '{"people": 4}')
        assert inner["response.completed"]["response"]["output"] == []  # as at OpenAI
        assert inner["response.completed"]["response"]["usage"]["total_tokens"] > 0
        created = next(each for each in events if each["type"] == "session.delegation.created")
        assert created["delegation"]["id"] == events[-1]["delegation_id"]
        output = {"type": "function_call_output", "call_id": call_id, "output": "40"}
        send(sideband, type="response.item.create", item={**output, "call_id": "other"})
        assert until(sideband, "error")[-1]["error"]["code"] == "invalid_tool_call_id"
        send(sideband, type="response.item.create", item=output)
        send(sideband, type="response.create")
        assert call.wait_for_output(call_id) == "40"
        assert call.wait_for_event("response.create")
        assert call.wait_for_speech().text == "The function returned: 40"


def test_a_task_for_the_client_of_live(mock: MockRealtimeServer) -> None:
    for other in (live_session(mock, delegation=RESPONSES), realtime_call(mock)):
        with pytest.raises(RuntimeError, match="delegation"):
            other.model_delegates()
    call = live_session(mock)
    with joined(mock, call) as sideband:
        delegation_id = call.model_delegates()
        created = until(sideband, "session.delegation.created")[-1]["delegation"]
        assert created == {"id": delegation_id, "type": "delegation", "target": "client"}
        commentary = {"content": "Table 40 is free", "delegation_id": delegation_id}
        send(sideband, type="session.commentary.append", **commentary)
        assert call.wait_for_speech().text == "Table 40 is free"


def test_this_packages_client_greets_and_runs_tools(mock: MockRealtimeServer) -> None:
    def find_table(people: int) -> int:
        """Find a table."""
        return 10 * people

    call = phone_call(mock, "realtime")
    outputs: list[str] = []

    def caller() -> None:
        call.wait_for_speech()
        for name, arguments in (("find_table", {"people": 4}), ("unknown", {})):
            outputs.append(call.wait_for_output(call.model_calls(name, arguments)))
        call.wait_for_event("response.create")
        call.hang_up()

    thread = threading.Thread(target=caller)
    thread.start()
    with client_of(mock) as client, client.calls.connect(call.call_id) as sideband:
        sideband.greet("Good evening!")
        sideband.run_tools({"find_table": FunctionTool.from_function(find_table)})
        usage = sideband.usage
    thread.join(10)
    assert outputs == ["40", '{"error":"There is no function unknown"}']
    greeted = next(each for each in call.transcript if each.speaker == "model")
    accepted = call.decisions[0].seconds
    assert greeted.text == "I was told: Good evening!"
    assert greeted.seconds - accepted < 5
    assert usage.responses >= 3
    assert usage.output_audio_tokens > 0
    with pytest.raises(TimeoutError, match="the call is ended"):
        call.wait_for_event("unheard.of", timeout=0.01)


@pytest.mark.parametrize(
    ("api", "end", "reason"),
    [
        ("realtime", "hangup", ""),
        ("realtime", "refer", ""),
        ("realtime", "caller", ""),
        ("live", "hangup", "close_requested"),
        ("live", "refer", "close_requested"),
        ("live", "caller", "remote_hangup"),
        ("webrtc", "caller", "connection_lost"),
    ],
)
def test_each_end_of_a_call_closes_every_sideband_normally(
    mock: MockRealtimeServer, api: str, end: str, reason: str
) -> None:
    call = live_session(mock) if api == "webrtc" else phone_call(mock, api)
    with joined(mock, call) as sideband, joined(mock, call) as other, client_of(mock) as client:
        if api == "realtime":
            assert until(sideband, "session.created")
        actions: Any = client.live.sessions if call.session_id else client.calls
        call_id = call.session_id or call.call_id
        if end == "caller":
            call.hang_up()
        elif end == "hangup":
            actions.hangup(call_id)
        else:
            actions.refer(call_id, target_uri="tel:+14155550123")
        for connection in (sideband, other):
            code, events = rest(connection)
            assert code == 1000
            reasons = [event["reason"] for event in events if event["type"] == "session.closed"]
            assert reasons == ([reason] if reason else [])
    with pytest.raises(InvalidStatus) as refused, joined(mock, call):
        pass
    assert refused.value.response.status_code == 404


HANDSHAKE = {
    "connection": "keep-alive, Upgrade",
    "upgrade": "WebSocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/realtime?call_id=rtc_1", HANDSHAKE, 404, "call_id_not_found"),
        ("/live/sessions/live_1/attach", HANDSHAKE, 404, "session_id_not_found"),
        ("/realtime?model=gpt-realtime-2.1", HANDSHAKE, 400, None),
        ("/live/sessions/live_1/attach?graceful_close=no", HANDSHAKE, 400, None),
        ("/realtime?call_id=rtc_1", {}, 426, None),
        ("/realtime?call_id=rtc_1", {**HANDSHAKE, "sec-websocket-version": "8"}, 426, None),
        ("/realtime?call_id=rtc_1", {**HANDSHAKE, "sec-websocket-key": "AAAA"}, 400, None),
        ("/realtime?call_id=rtc_1", {**HANDSHAKE, "sec-websocket-key": "?"}, 400, None),
        (
            "/realtime?call_id=rtc_1",
            {**HANDSHAKE, "authorization": "Bearer wrong"},
            401,
            "invalid_api_key",
        ),
        ("/realtime/calls/rtc_1/attach", HANDSHAKE, 404, None),
    ],
)
def test_refused_handshakes(
    mock: MockRealtimeServer, path: str, headers: dict[str, str], status: int, code: str | None
) -> None:
    key = {"authorization": f"Bearer {mock.api_key}"}
    response = httpx.get(f"{mock.base_url}{path}", headers={**key, **headers})
    assert response.status_code == status
    assert response.json()["error"]["code"] == code
    assert mock.requests[-1].path.endswith(path)


def test_a_call_belongs_to_one_api_and_secrets_open_no_sideband(mock: MockRealtimeServer) -> None:
    call = mock.phone(webhook_url="http://127.0.0.1:1").ring(api="both")
    with client_of(mock) as client:
        client.calls.accept(call.call_id, model="gpt-realtime-2.1")
        secret = client.sessions.create().client_secret.value
    with pytest.raises(InvalidStatus, match="404"), joined(mock, call):
        pass  # its address is that of GPT-Live
    call.session_id = ""
    headers = {"authorization": f"Bearer {secret}"}
    with pytest.raises(InvalidStatus, match="401"), joined(mock, call, headers):
        pass
    mock.respond_next(MockResponse(503))
    with pytest.raises(InvalidStatus, match="503"), joined(mock, call):
        pass


def test_a_ringing_call_has_no_sideband(mock: MockRealtimeServer) -> None:
    call = mock.phone(webhook_url="http://127.0.0.1:1").ring()
    assert (call.events, call.transcript) == ([], [])
    with pytest.raises(RuntimeError, match="still ringing"):
        call.hang_up()
    with pytest.raises(RuntimeError, match="only an accepted one has events"):
        call.model_says("Hello")
    with pytest.raises(InvalidStatus, match="404"), joined(mock, call):
        pass


def test_a_call_may_end_during_the_handshake() -> None:
    class Late(MockRealtimeServer):
        def respond(self, request: RecordedRequest) -> MockResponse:
            response = super().respond(request)
            if response.status == 101:
                call.hang_up()
            return response

    with Late() as server:
        call = realtime_call(server)
        with pytest.raises(InvalidStatus, match="404"), joined(server, call):
            pass


def test_azure() -> None:
    with MockRealtimeServer(provider="azure") as server:
        call = phone_call(server, "live")
        assert "/openai/v1/live/sessions/" in server.requests[-1].path
        with joined(server, call, {"api-key": server.api_key}) as sideband:
            until(sideband, "session.started")
            server.stop()
            assert rest(sideband)[0] == 1000


@pytest.mark.parametrize(
    ("message", "code"),
    [(b"\xff" * 9, 1003), ("x" * (1024 * 1024 + 1), 1009), (b"\xff" * 9, 1007)],
)
def test_what_is_no_event_ends_the_connection(
    mock: MockRealtimeServer, message: Any, code: int
) -> None:
    with joined(mock, realtime_call(mock)) as sideband:
        sideband.send(message, text=True if code == 1007 else None)
        assert rest(sideband)[0] == code


def test_fragments_are_one_message_and_a_protocol_may_be_offered(mock: MockRealtimeServer) -> None:
    call = realtime_call(mock)
    url = mock.base_url.replace("http", "ws") + path_of(call)
    headers = {"authorization": f"Bearer {mock.api_key}"}
    with connect(
        url,
        additional_headers=headers,
        subprotocols=[Subprotocol("x"), Subprotocol("realtime")],
        proxy=None,
    ) as sideband:
        assert sideband.subprotocol == "realtime"
        sideband.send(['{"type": "response.', 'create"}'])
        until(sideband, "response.done")
        mock.hang_up()
        with pytest.raises(ConnectionClosed) as closed:
            sideband.recv(10)
        assert closed.value.rcvd is None
    assert call.state == "accepted"


def test_a_reader_that_is_too_slow_loses_its_connection(mock: MockRealtimeServer) -> None:
    call = realtime_call(mock)
    with joined(mock, call) as sideband:
        instructions = "x" * 500_000
        send(sideband, type="session.update", session={"instructions": instructions})
        until(sideband, "session.updated")
        while sideband.state is State.OPEN:
            with suppress(ConnectionClosed):
                send(sideband, type="session.update", session={})


@pytest.mark.parametrize("end", ["silence", "reset"])
def test_a_client_that_does_not_close_keeps_no_thread(
    mock: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(mock_sideband, "_CLOSE_SECONDS", 0.02)
    call = realtime_call(mock)
    url = urlsplit(f"{mock.base_url}{path_of(call)}")
    headers = {**HANDSHAKE, "host": url.netloc, "authorization": f"Bearer {mock.api_key}"}
    lines = [f"GET {url.path}?{url.query} HTTP/1.1", *(f"{key}: {headers[key]}" for key in headers)]
    with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        assert b" 101 " in connection.recv(1000)
        if end == "silence":
            call.hang_up()
            received = b""
            while data := connection.recv(1000):
                received += data
            assert received == b"\x88\x02\x03\xe8"  # a close frame with code 1000
        else:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    while call._running is None or call._running._listeners:
        time.sleep(0.005)


def test_a_call_that_is_not_accepted_hears_nothing() -> None:
    now = [0.0]
    call = MockCall("rtc_1", clock=lambda: now[0], session_id="live_1", usage_interval=100)
    sideband, late = Recorder(), Recorder()
    for _ in range(2):
        call.receive("{}", sideband)
        call.respond_to_speech("Hello", "Good evening")
        call.leave(sideband)
        assert (call.events, call.transcript, sideband.heard) == ([], [], [])
        if call.state == "ringing":
            assert call.act("accept", {"session": {"model": "m"}}, is_live=True).status == 200
            assert call.act("accept", {}).status == 400  # it is decided at the other API
            assert call.act("reject", {}, is_live=True).status == 400
            assert call.join(sideband, is_sideband=True)
            now[0] = 20.5
            assert call.join(late, is_sideband=True)
            call.close()
            assert late.heard == ["session.closed", "closed"]  # the beginning is too long ago
            assert call._running is not None
            call._running._report_usage()  # the timer may be late
            assert sideband.heard == ["session.started", "session.closed", "closed"]
            sideband.heard.clear()
    assert call.act("hangup", {}, is_live=True).status == 404


class Recorder:
    """What a call sends, without a socket."""

    permissions = EVERYTHING

    def __init__(self) -> None:
        self.heard: list[object] = []

    def send(self, event: Any) -> None:
        self.heard.append(event["type"])

    def close(self) -> None:
        self.heard.append("closed")


def test_sidebands_are_bounded(mock: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mock_server, "_MAX_SIDEBANDS", 1)
    with MockRealtimeServer() as server:
        call = realtime_call(server)
        with joined(server, call), pytest.raises(InvalidStatus, match="429"), joined(server, call):
            pass


def test_without_websockets_the_error_says_what_to_install(
    mock: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "websockets.protocol", None)
    key = {"authorization": f"Bearer {mock.api_key}"}
    response = httpx.get(f"{mock.base_url}/realtime?call_id=rtc_1", headers={**key, **HANDSHAKE})
    assert response.status_code == 501
    assert "the extra sideband" in response.json()["error"]["message"]
