"""The mock reads and answers HTTP/1.1 as real servers do."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator

import pytest

from openai_realtime.testing import MOCK_API_KEY, MockRealtimeServer, MockResponse

HOST = "Host: localhost"
KEY = f"Authorization: Bearer {MOCK_API_KEY}"
JSON = "Content-Type: application/json"
MINT = "POST /v1/realtime/client_secrets HTTP/1.1"
ACCEPT = "POST /v1/realtime/calls/rtc_1/accept HTTP/1.1"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture(scope="module")
def shared_server() -> Iterator[MockRealtimeServer]:
    with MockRealtimeServer() as server:
        yield server


@pytest.fixture
def server(shared_server: MockRealtimeServer) -> MockRealtimeServer:
    shared_server.requests.clear()
    return shared_server


def request(*lines: str, body: str = "") -> bytes:
    return "\r\n".join([*lines, "", body]).encode("latin-1")


def sized(*lines: str, body: str = "{}") -> bytes:
    return request(*lines, f"Content-Length: {len(body)}", body=body)


def connected(server: MockRealtimeServer) -> socket.socket:
    host, port = server.provider.base_url.split("/")[2].split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def exchange(server: MockRealtimeServer, *sent: bytes) -> bytes:
    """Return all that comes back, until the server closes or this side's end has been read."""
    with connected(server) as connection:
        for data in sent:
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1.1 (\d{3})", received)]


def only_body(received: bytes) -> bytes:
    head, _, body = received.partition(b"\r\n\r\n")
    (length,) = re.findall(rb"content-length: (\d+)", head.lower())
    assert len(body) == int(length)
    return body


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (request(MINT, HOST, KEY, JSON), 411),
        (request("POST /v1/realtime/calls HTTP/1.1", HOST, KEY), 411),
        # curl sends no length with `-X POST`, and these need no body.
        (request("POST /v1/realtime/calls/rtc_1/hangup HTTP/1.1", HOST, KEY), 200),
        (request("POST /v1/realtime/calls/rtc_1/reject HTTP/1.1", HOST, KEY), 200),
        (sized(MINT, HOST, KEY, "Content-Type: text/plain"), 415),
        (sized(MINT, HOST, KEY, "Content-Type: multipart/form-data; boundary=x"), 415),
        (sized(MINT, HOST, KEY, "CONTENT-TYPE: Application/JSON; charset=utf-8"), 200),
        (sized(MINT, HOST, KEY), 200),
        (sized(MINT, HOST, JSON, f"authorization: bearer {MOCK_API_KEY}"), 200),
        (sized(MINT, HOST, JSON, f"AUTHORIZATION: BEARER   {MOCK_API_KEY}"), 200),
        (sized(MINT, HOST, JSON, f"Authorization: Basic {MOCK_API_KEY}"), 401),
        (sized(MINT, HOST, JSON, f"Authorization: Bearer{MOCK_API_KEY}"), 401),
        (sized("POST /realtime/client_secrets HTTP/1.1", HOST, KEY, JSON), 404),
        (sized("POST /v1/realtime HTTP/1.1", HOST, KEY, JSON), 405),
        (sized("GET /v1/realtime?call_id=rtc_1 HTTP/1.1", HOST, KEY), 426),
        (sized("POST /v1/realtime/client_secrets/ HTTP/1.1", HOST, KEY, JSON), 404),
        (sized("POST /v1/v1/realtime/client_secrets HTTP/1.1", HOST, KEY, JSON), 404),
        (sized("POST /v1realtime/client_secrets HTTP/1.1", HOST, KEY, JSON), 404),
        (sized("POST /v1/realtime%2Fclient%5Fsecrets HTTP/1.1", HOST, KEY, JSON), 200),
        (sized("POST http://localhost/v1/realtime/client_secrets HTTP/1.1", HOST, KEY, JSON), 200),
        (sized("POST http://localhost HTTP/1.1", HOST, KEY, JSON), 404),
        (request("OPTIONS * HTTP/1.1", HOST), 404),
        (request("OPTIONS /v1/realtime/client_secrets HTTP/1.1", HOST), 405),
        (request("GET /v1/realtime/client_secrets HTTP/1.1", HOST, KEY), 405),
        (sized("post /v1/realtime/client_secrets HTTP/1.1", HOST, KEY), 405),
        (sized(MINT, HOST, KEY, JSON, "Content-Length: 3"), 400),
        (sized(MINT, HOST, KEY, JSON, CHUNKED), 400),
        (request(MINT, HOST, KEY, JSON, "Content-Length: two"), 400),
        (request(MINT, HOST, KEY, JSON, CHUNKED, body="x\r\n{}\r\n0\r\n\r\n"), 400),
        (request(MINT, HOST, KEY, JSON, "Content-Length: 10", body="{}"), 400),
        (request(MINT, HOST, KEY, JSON, "Transfer-Encoding: gzip"), 501),
        (sized(MINT, KEY, JSON), 400),
        (request(MINT, HOST, "Header : x"), 400),
        (request(MINT, HOST, f"X: {'x' * 100_000}"), 431),
        (b"nonsense\r\n\r\n", 400),
    ],
)
def test_the_status(server: MockRealtimeServer, sent: bytes, expected: int) -> None:
    assert statuses(exchange(server, sent)) == [expected]


def test_an_error_of_the_protocol_is_an_error_response_and_ends_the_connection(
    server: MockRealtimeServer,
) -> None:
    received = exchange(server, sized(MINT, HOST, KEY, JSON, CHUNKED), sized(MINT, HOST, KEY, JSON))
    assert b"\r\nConnection: close\r\n" in received
    assert json.loads(only_body(received))["error"]["type"] == "invalid_request_error"
    assert server.requests == []


def test_chunks_in_pieces_are_one_body(server: MockRealtimeServer) -> None:
    body = '9;x=y\r\n{"type": \r\nc\r\n"realtime" }\r\n0\r\nTrailer: x\r\n\r\n'
    head = request(ACCEPT, HOST, KEY, JSON, CHUNKED)
    with connected(server) as connection:
        for data in (head[:9], head[9:], *(bytes([byte]) for byte in body.encode())):
            connection.sendall(data)
        assert b" 200 " in connection.recv(65536)
        connection.sendall(sized(MINT, HOST, KEY, JSON))
        assert b" 200 " in connection.recv(65536)
    accepted, minted = server.requests
    assert accepted.json == {"type": "realtime"}
    assert accepted.connection == minted.connection


def test_pipelined_requests_get_their_responses_in_order(server: MockRealtimeServer) -> None:
    chunked = request(
        ACCEPT, HOST, KEY, JSON, CHUNKED, body='14\r\n{"type":"realtime" }\r\n0\r\n\r\n'
    )
    unknown = sized("POST /v1/x HTTP/1.1", HOST)
    minted = sized(MINT, HOST, KEY, JSON)
    received = exchange(server, chunked + unknown + minted)
    assert statuses(received) == [200, 404, 200]
    assert len({request.connection for request in server.requests}) == 1


def test_a_response_to_head_has_no_body(server: MockRealtimeServer) -> None:
    head = request("HEAD /v1/realtime/sessions HTTP/1.1", HOST, KEY)
    received = exchange(server, head + sized(MINT, HOST, KEY, JSON))
    assert statuses(received) == [405, 200]
    refused, _, rest = received.partition(b"\r\n\r\n")
    assert b"Allow: POST" in refused
    assert re.search(rb"Content-Length: [1-9]", refused)
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")


def test_head_of_what_get_reads(server: MockRealtimeServer) -> None:
    path = "/v1/models/gpt-realtime-2.1 HTTP/1.1"
    received = exchange(
        server, request(f"HEAD {path}", HOST, KEY) + sized(f"POST {path}", HOST, KEY)
    )
    assert statuses(received) == [200, 405]
    assert b"Allow: GET, HEAD" in received


@pytest.mark.parametrize(
    "last",
    [
        sized(MINT, HOST, KEY, JSON, "Connection: close"),
        sized(MINT, HOST, KEY, JSON, "Connection: x, Close"),
        sized(MINT.replace("1.1", "1.0"), KEY, JSON),
    ],
)
def test_the_connection_is_closed_when_the_client_asks(
    server: MockRealtimeServer, last: bytes
) -> None:
    with connected(server) as connection:
        connection.sendall(last + sized(MINT, HOST, KEY, JSON))
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert statuses(received) == [200]
    assert b"\r\nConnection: close\r\n" in received
    assert len(server.requests) == 1


def test_a_scripted_response_may_close_the_connection(server: MockRealtimeServer) -> None:
    server.respond_next(MockResponse(503, headers={"connection": "close"}))
    with connected(server) as connection:
        connection.sendall(sized(MINT, HOST, KEY, JSON))
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert statuses(received) == [503]


def test_a_client_may_wait_for_100_continue(server: MockRealtimeServer) -> None:
    head = request(MINT, HOST, KEY, JSON, "Expect: 100-continue", "Content-Length: 2")
    with connected(server) as connection:
        connection.sendall(head)
        assert statuses(connection.recv(65536)) == [100]
        connection.sendall(b"{}")
        assert statuses(connection.recv(65536)) == [200]


def test_a_target_is_recorded_as_a_path_with_its_query(server: MockRealtimeServer) -> None:
    exchange(server, sized("POST http://localhost/v1/x%20y?a=%20b#c HTTP/1.1", HOST))
    exchange(server, sized("POST //x/y?z HTTP/1.1", HOST))
    assert [request.path for request in server.requests] == ["/v1/x%20y?a=%20b#c", "//x/y?z"]


def test_a_preflight_request_is_granted_what_it_asks(server: MockRealtimeServer) -> None:
    preflight = request(
        "OPTIONS /v1/realtime/calls HTTP/1.1",
        HOST,
        "Origin: https://app.example",
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: authorization,x-openai-agents-sdk",
        "Access-Control-Request-Private-Network: true",
    )
    received = exchange(server, preflight).lower()
    assert statuses(received.upper()) == [204]
    for header in (
        b"access-control-allow-origin: *",
        b"access-control-allow-methods: post",
        b"access-control-allow-headers: authorization,x-openai-agents-sdk",
        b"access-control-allow-private-network: true",
    ):
        assert b"\r\n" + header + b"\r\n" in received
    assert b"content-length" not in received
    assert server.requests == []


def test_a_page_may_read_every_header_of_a_response(server: MockRealtimeServer) -> None:
    server.respond_next(MockResponse(headers={"X-RateLimit-Reset": "1"}))
    received = exchange(server, sized(MINT, HOST, KEY, JSON, "Origin: null"))
    assert b"Access-Control-Expose-Headers: location, x-ratelimit-reset\r\n" in received


def test_an_error_response_arrives_while_the_client_still_sends(server: MockRealtimeServer) -> None:
    with connected(server) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        for _ in range(100):  # a reset would now discard the response
            connection.sendall(bytes(10_000))
        assert statuses(connection.recv(65536)) == [400]


@pytest.mark.parametrize("drop", ["before", "during"])
def test_a_dropped_connection_is_reset(server: MockRealtimeServer, drop: str) -> None:
    server.respond_next(MockResponse(json="x" * 1000, drop=drop))  # type: ignore[arg-type]  # one of them
    with connected(server) as connection:
        connection.sendall(sized(MINT, HOST, KEY, JSON))
        if drop == "during":
            assert len(connection.recv(65536)) > 500
        with pytest.raises(ConnectionResetError):
            connection.recv(65536)


def test_hang_up_closes_idle_connections(server: MockRealtimeServer) -> None:
    with connected(server) as connection:
        connection.sendall(sized(MINT, HOST, KEY, JSON))
        assert statuses(connection.recv(65536)) == [200]
        server.hang_up()
        assert connection.recv(1) == b""
