"""The mock phone: its webhooks, and the states of its calls at the calls endpoints."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator

import pytest

from openai_realtime import BadRequestError, NotFoundError, SyncRealtimeSessionsClient
from openai_realtime.testing import MockPhone, MockRealtimeServer
from openai_realtime.testing.mock_calls import MockCall

OFFER = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\n"


class _Endpoint(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204 if self.path == "/hook?a=1" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's own name
        pass


@pytest.fixture
def phone(realtime_server: MockRealtimeServer) -> Iterator[MockPhone]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint) as endpoint:
        running = threading.Thread(target=endpoint.serve_forever, args=(0.01,))
        running.start()
        yield realtime_server.phone(
            webhook_url=f"http://127.0.0.1:{endpoint.server_port}/hook?a=1#x"
        )
        endpoint.shutdown()
        running.join()


def test_a_call_goes_through_its_states(phone: MockPhone) -> None:
    with SyncRealtimeSessionsClient() as client:
        call = phone.ring(from_="tel:+1", sip_headers={"X-A": "b"}, answer_within=60)
        assert call.wait_for_delivery() == 204
        assert (call.state, call.decisions) == ("ringing", [])
        assert b'"X-A"' in call.webhook.body
        assert b"<tel:+1>" in call.webhook.body
        for early in (client.calls.hangup, lambda i: client.calls.refer(i, target_uri="tel:+1")):
            with pytest.raises(BadRequestError, match="accept it first"):
                early(call.call_id)
        client.calls.accept(call.call_id, model="gpt-realtime-2.1")
        assert call.state == "accepted"
        with pytest.raises(BadRequestError, match="accepted already"):
            client.calls.accept(call.call_id)
        client.calls.refer(call.call_id, target_uri="tel:+1")
        assert [(d.kind, d.parameters) for d in call.decisions] == [
            ("accepted", {"model": "gpt-realtime-2.1"}),
            ("referred", {"target_uri": "tel:+1"}),
        ]
        assert call.wait_for_decision() == call.decisions[0]
        assert call.wait_for_decision("referred") == call.decisions[1]
        assert 0 < call.decisions[0].seconds <= call.decisions[1].seconds < 10
        with pytest.raises(NotFoundError, match="No call with this id"):
            client.calls.hangup(call.call_id)
        with pytest.raises(TimeoutError, match="not hung_up: it is referred.*204"):
            call.wait_for_decision("hung_up", timeout=60)


def test_a_call_is_waited_for_from_another_thread(phone: MockPhone) -> None:
    with SyncRealtimeSessionsClient() as client:
        call = phone.ring()
        later = threading.Timer(0.05, client.calls.reject, [call.call_id], {"status_code": 486})
        later.start()
        decision = call.wait_for_decision()
        later.join()
        assert (decision.kind, decision.parameters) == ("rejected", {"status_code": 486})


def test_a_call_that_is_not_answered_in_time_is_missed(phone: MockPhone) -> None:
    with SyncRealtimeSessionsClient() as client:
        call = phone.ring(answer_within=0.3)
        with pytest.raises(TimeoutError, match="not decided: it is ringing"):
            call.wait_for_decision(timeout=0)
        decision = call.wait_for_decision()
        assert (decision.kind, decision.seconds, call.state) == ("missed", 0.3, "missed")
        with pytest.raises(NotFoundError):
            client.calls.accept(call.call_id)
        with pytest.raises(TimeoutError, match="it is missed"):
            call.wait_for_decision("accepted")


def test_a_server_with_a_phone_knows_its_calls(realtime_server: MockRealtimeServer) -> None:
    with SyncRealtimeSessionsClient() as client:
        client.calls.hangup("rtc_unknown")
        realtime_server.phone(webhook_url="http://127.0.0.1:1")
        with pytest.raises(NotFoundError):
            client.calls.hangup("rtc_unknown")
        begun = client.calls.create(sdp=OFFER).id
        assert begun is not None
        client.calls.hangup(begun)
        with pytest.raises(NotFoundError):
            client.calls.hangup(begun)


def test_a_webhook_url_without_a_server(realtime_server: MockRealtimeServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        call = realtime_server.phone(webhook_url=f"http://{address}").ring()
        with pytest.raises(TimeoutError, match=r"no response to the webhook in 0\.01 s"):
            call.wait_for_delivery(timeout=0.01)
    with pytest.raises(ConnectionError):
        call.wait_for_delivery()
    for scheme in ("http", "https"):
        call = realtime_server.phone(webhook_url=f"{scheme}://{address}").ring(answer_within=0.02)
        with pytest.raises(ConnectionError):
            call.wait_for_delivery()
        with pytest.raises(TimeoutError, match="refused"):
            call.wait_for_decision("accepted")


def test_a_call_is_missed_by_its_own_clock() -> None:
    now = [0.0]
    call = MockCall("rtc_1", 3, lambda: now[0])
    states: list[str] = []
    for now[0] in (2.999, 3.0):
        states.append(call.state)
    assert states == ["ringing", "missed"]
    assert call.act("accept", {}).status == 404
