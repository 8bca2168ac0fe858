"""A WebSocket without a socket: bytes before the switch, and an end that comes twice."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from openai_realtime import APIConnectionError
from openai_realtime.core.wire import Request
from openai_realtime.transports.connection import Connection
from openai_realtime.transports.websocket import (
    ABNORMAL_CLOSURE,
    WebSocketConnection,
    upgraded,
    with_new_key,
)
from sideband.peer import ACCEPT_GUID, TEXT, closing, frame, text


def handshake() -> Request:
    return with_new_key(Request("GET", "http://localhost/v1", (), b"", is_upgrade=True))


def shaken() -> tuple[WebSocketConnection, bytes]:
    """Return a connection that has sent its handshake, and the response that accepts it."""
    request = handshake()
    connection = WebSocketConnection(Connection())
    connection.send(request)
    key = dict(request.headers)[b"Sec-WebSocket-Key"]
    accepted = base64.b64encode(hashlib.sha1(key + ACCEPT_GUID).digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return connection, head + b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n"


def opened() -> WebSocketConnection:
    connection, response = shaken()
    connection.receive(response)
    assert connection.response().status == 101
    connection.switch()
    return connection


def test_bytes_that_come_with_the_response_and_after_it_are_messages() -> None:
    connection, response = shaken()
    first, second = text(type="a"), text(type="b")
    connection.receive(response + first[:4])
    connection.receive(first[4:])
    connection.receive(second)
    assert connection.response().status == 101
    connection.switch()
    assert connection.next_message() == '{"type": "a"}'
    assert connection.next_message() == '{"type": "b"}'
    assert connection.next_message() is None
    assert connection.is_busy


@pytest.mark.parametrize(
    ("received", "code"),
    [(closing(1000), 1000), (frame(TEXT, b"\xff"), 1007), (b"", ABNORMAL_CLOSURE)],
)
def test_the_first_cause_of_an_end_counts(received: bytes, code: int) -> None:
    connection = opened()
    if received:
        connection.receive(received)
    connection.lose()
    connection.lose()
    assert connection.close_code == code
    assert connection.is_closed
    assert not connection.is_busy
    assert connection.send_text("x") == connection.ping() == connection.send_close() == b""


@pytest.mark.parametrize("close", [closing(1000), frame(TEXT, b"\xff")])
def test_a_socket_that_fails_behind_unparsed_bytes(close: bytes) -> None:
    """What came before the failure says why the connection ended."""
    connection = opened()
    connection.receive(text(type="a") * 1100 + close)
    assert connection.close_code is None, "1,000 messages wait"
    connection.lose()
    assert connection.close_code in {1000, 1007}


def test_a_connection_that_breaks_before_the_handshake_is_closed() -> None:
    class Broken:
        closed = 0
        connection = WebSocketConnection(Connection())

        def is_usable(self) -> bool:
            return False

        def close(self) -> None:
            self.closed += 1

    broken: Any = Broken()
    with pytest.raises(APIConnectionError), upgraded(broken, handshake()):
        pytest.fail("no handshake may be sent")
    assert broken.closed == 1
