"""What somebody may try with the routes of calls, and what becomes of it."""

from __future__ import annotations

import json
import secrets
import socket
import threading
from typing import Any

import anyio
import pytest

from mint.calls.service import (
    OFFER,
    SDP,
    begin,
    begun,
    broker_for,
    caller,
    hung_up,
    metrics,
    offers,
    running,
)
from mint.service import serving, until
from openai_realtime.mint import CallEvent
from openai_realtime.mint.broker.registry import MemoryRegistry
from openai_realtime.testing import MockRealtimeServer, MockResponse

LONGEST = 65_536


def offer_of(length: int) -> str:
    return OFFER + "a" * (length - len(OFFER))


def test_a_guessed_address_does_nothing(provider: MockRealtimeServer) -> None:
    with caller(provider) as page:
        location = begun(page)
        address = location.rpartition("/")[2]
        guesses = [
            secrets.token_urlsafe(32),
            address[:-1],
            address.swapcase(),
            f"{address}=",
            f"{address}%00",
            "%2e%2e",
            "%ed%a0%80",
            "a" * 4000,
            running(page)[0].call_id,
        ]
        for guess in guesses:
            for method, path in [("DELETE", ""), ("POST", "/hangup"), ("POST", "/heartbeat")]:
                response = page.request(method, f"/calls/{guess}{path}", headers={"x-user": "bob"})
                assert (response.status_code, response.content) == (204, b"")
        assert page.request("DELETE", f"/calls/{address}/..").status_code in {404, 405}
        assert hung_up(provider) == []
        assert len(running(page)) == 1


def test_the_addresses_of_two_calls_have_nothing_in_common(provider: MockRealtimeServer) -> None:
    with caller(provider, max_concurrent=100) as page:
        addresses = [begun(page).rpartition("/")[2] for _ in range(100)]
    assert len({address[:8] for address in addresses}) == 100
    assert {len(address) for address in addresses} == {43}


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (offer_of(LONGEST), 201),
        (offer_of(LONGEST + 1), 413),
        (offer_of(1_000_000), 413),
        (OFFER + "é" * 32_767, 413),
        (f"{OFFER}a=x\x00y\r\n", 400),
        (f"{OFFER}a=x\x0by\r\n", 400),
        (f"{OFFER}a=x\x7fy\r\n", 400),
        (f"{OFFER}a=\tx\n\r\r\n", 201),
    ],
    ids=lambda value: str(value)[-20:],
)
@pytest.mark.parametrize("form", ["sdp", "json"])
def test_the_length_and_the_characters_of_an_offer(
    provider: MockRealtimeServer, content: str, status: int, form: str
) -> None:
    with caller(provider) as page:
        if form == "json":
            response = page.post("/calls", json={"sdp": content})
        else:
            response = begin(page, content=content.encode())
        assert response.status_code == status
        assert offers(provider) == (status == 201)
        if status == 201:
            assert provider.requests[0].parts["sdp"][1] == content


def test_an_offer_that_grows_while_it_arrives(provider: MockRealtimeServer) -> None:
    with serving(broker_for(provider)) as address, socket.create_connection(address, 5) as page:
        head = (
            "POST /calls HTTP/1.1\r\nHost: x\r\nX-User: ann\r\nTransfer-Encoding: chunked\r\n"
            "Content-Type: application/sdp\r\n\r\n"
        )
        page.sendall(head.encode())
        chunk = b"4000\r\n" + offer_of(0x4000).encode() + b"\r\n"
        for _ in range(5):
            page.sendall(chunk)
        assert page.recv(65536).startswith(b"HTTP/1.1 413 ")
    assert provider.requests == []


@pytest.mark.parametrize(
    "trick",
    [
        '\r\n--BOUNDARY\r\nContent-Disposition: form-data; name="session"\r\n\r\n{"model":"evil"}',
        '\r\n\r\n--\r\nContent-Disposition: form-data; name="sdp"\r\n\r\nv=0\r\nevil',
        "\r\nAuthorization: Bearer sk-evil\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\nPOST /v1/realtime/calls HTTP/1.1\r\n\r\n",
        "\n\n\n--\n",
    ],
)
@pytest.mark.parametrize("form", ["sdp", "json"])
def test_line_breaks_in_an_offer_split_nothing(
    provider: MockRealtimeServer, trick: str, form: str
) -> None:
    content = f"{OFFER}{trick}"
    with caller(provider) as page:
        if form == "json":
            response = page.post("/calls", json={"sdp": content})
        else:
            response = begin(page, content=content)
        assert response.status_code == 201
        (request,) = provider.requests
        assert request.headers["authorization"] == f"Bearer {provider.api_key}"
        assert request.parts.keys() == {"sdp", "session"}
        assert request.parts["sdp"] == ("application/sdp", content)
        assert json.loads(request.parts["session"][1])["model"] == "gpt-realtime-2.1"


def test_a_provider_cannot_set_the_address_or_a_header(provider: MockRealtimeServer) -> None:
    headers = {
        "location": "https://evil.example/v1/realtime/calls/rtc_1?x=1",
        "set-cookie": "evil=1",
        "x-max-duration": "1",
        "content-type": "text/html",
    }
    with caller(provider, max_duration=60) as page:
        provider.respond_next(MockResponse(201, body=b"v=0\r\n<script>", headers=headers))
        response = begin(page)
        assert response.status_code == 201
        assert response.headers["location"].startswith("/calls/")
        assert response.headers["content-type"] == "application/sdp"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-max-duration"] == "60"
        assert "set-cookie" not in response.headers
        assert "evil" not in str(response.headers)


def test_a_browser_that_disconnects_during_the_trade(provider: MockRealtimeServer) -> None:
    """The trade is not cancelled, because its call would be lost; it is hung up."""
    told: list[CallEvent] = []
    late = {"location": "/v1/realtime/calls/rtc_late"}
    with serving(broker_for(provider, on_call=told.append)) as (host, port):
        provider.respond_next(MockResponse(201, body=b"v=0\r\n", headers=late, delay=0.5))
        with socket.create_connection((host, port), 5) as page:
            head = f"POST /calls HTTP/1.1\r\nHost: x\r\nX-User: ann\r\nContent-Length: {len(OFFER)}"
            page.sendall(f"{head}\r\nContent-Type: application/sdp\r\n\r\n{OFFER}".encode())
            until(lambda: offers(provider) == 1)
        until(lambda: hung_up(provider) == ["rtc_late"])
        until(lambda: [event.reason for event in told] == [None, "disconnected"])


def test_a_browser_that_disconnects_before_the_trade_is_not_traded(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = MemoryRegistry.reserve
    reserved = threading.Event()

    async def slow(self: MemoryRegistry, call: Any) -> Any:
        waits = await reserve(self, call)
        reserved.set()
        await anyio.sleep(0.5)
        return waits

    monkeypatch.setattr(MemoryRegistry, "reserve", slow)
    app = broker_for(provider)
    table = app.state.calls._broker.registry.table
    with serving(app) as address:
        with socket.create_connection(address, 5) as page:
            head = f"POST /calls HTTP/1.1\r\nHost: x\r\nX-User: ann\r\nContent-Length: {len(OFFER)}"
            page.sendall(f"{head}\r\nContent-Type: application/sdp\r\n\r\n{OFFER}".encode())
            assert reserved.wait(10)
            assert len(table) == 1
        until(lambda: len(table) == 0)
        assert offers(provider) == 0


def test_hanging_up_is_the_same_for_all_who_have_the_address(provider: MockRealtimeServer) -> None:
    with caller(provider) as page:
        location = begun(page)
        first = page.delete(location, headers={"x-user": ""})
        second = page.delete(location, headers={"x-user": ""})
        assert (first.status_code, first.content) == (second.status_code, second.content)
        ignored = {"x-request-id", "date"}
        assert {k: v for k, v in first.headers.items() if k not in ignored} == {
            k: v for k, v in second.headers.items() if k not in ignored
        }
        assert metrics(page)['ended_total{reason="page"}'] == 1
        assert len(hung_up(provider)) == 1


def test_the_content_length_is_believed_only_to_refuse(provider: MockRealtimeServer) -> None:
    with caller(provider) as page:
        headers = {**SDP, "content-length": "999999999"}
        assert begin(page, headers=headers, content="").status_code == 413
    assert provider.requests == []
