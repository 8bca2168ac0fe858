"""The sidebands of the mock: a WebSocket in the place of HTTP/1.1, on one connection of its server.

`websockets` (extra `sideband`) reads and writes the frames, by its protocol without I/O.

Rules for this file: a message is text of at most 1 MiB; at most 4 MiB wait to be sent, and a client
that does not take them loses its connection.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib
import json
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import parse_qs

from openai_realtime.lazy_imports import install_command
from openai_realtime.testing.data_channel import EVERYTHING
from openai_realtime.testing.mock_calls import unknown_call, unknown_session
from openai_realtime.testing.profiles import MockResponse, error_response

if TYPE_CHECKING:
    from websockets.frames import Frame

    from openai_realtime.dialects import JsonObject
    from openai_realtime.testing.mock_calls import MockCall
    from openai_realtime.testing.profiles import RecordedRequest

_MAX_MESSAGE_BYTES: Final = 1024 * 1024
_MAX_WAITING_BYTES = 4 * _MAX_MESSAGE_BYTES
_CLOSE_SECONDS = 1.0
_READ_BYTES = 64 * 1024
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_TEXT, _BINARY, _CONTINUATION = 0x1, 0x2, 0x0
_NORMAL_CLOSURE, _UNSUPPORTED_DATA, _INVALID_DATA = 1000, 1003, 1007
# `websockets` logs each frame at DEBUG: this logger is not one of `logging.getLogger`.
_silent = logging.Logger("openai_realtime.testing", logging.CRITICAL + 1)  # noqa: LOG001


@dataclass(frozen=True, slots=True)
class SidebandResponse(MockResponse):
    """Accepts a handshake: the connection carries the events of `call` from now on."""

    call: MockCall = field(kw_only=True)
    refusal: MockResponse = field(kw_only=True)
    """The response if the call has ended meanwhile."""


def refused_handshake(request: RecordedRequest) -> MockResponse | None:
    """Return the error response to a request that is no handshake (RFC 6455, section 4.2), or None."""
    headers = request.headers
    connection = [each.strip() for each in headers.get("connection", "").lower().split(",")]
    if headers.get("upgrade", "").lower() != "websocket" or "upgrade" not in connection:
        upgrade = {"upgrade": "websocket", "connection": "Upgrade"}
        message = "This endpoint is a WebSocket: a handshake is required"
        return replace(error_response(426, message), headers=upgrade)
    if headers.get("sec-websocket-version") != "13":
        version = {"sec-websocket-version": "13"}
        message = "Sec-WebSocket-Version must be 13"
        return replace(error_response(426, message), headers=version)
    try:
        key = base64.b64decode(headers.get("sec-websocket-key", ""), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != 16:  # noqa: PLR2004 - the RFC's number
        return error_response(400, "Sec-WebSocket-Key must be 16 bytes in Base64")
    try:
        importlib.import_module("websockets.protocol")  # of the extra `sideband`
    except ModuleNotFoundError:
        message = f"The mock's sidebands need websockets: {install_command('sideband')}"
        return error_response(501, message)
    return None


def join_call(
    request: RecordedRequest, calls: Mapping[str, MockCall], session_id: str | None
) -> MockResponse:
    """Return the response to a checked handshake; `session_id` is GPT-Live's, from the path."""
    query = parse_qs(request.path.partition("?")[2])
    is_live = session_id is not None
    if not is_live and "call_id" not in query:
        message = "call_id is required: the mock has sidebands, and no other WebSockets"
        return error_response(400, message, param="call_id")
    if query.get("graceful_close", ["true"])[0] not in {"true", "false"}:
        message = "graceful_close must be true or false"
        return error_response(400, message, param="graceful_close")
    call = calls.get(query["call_id"][0] if session_id is None else session_id)
    refusal = unknown_session() if is_live else unknown_call()
    if call is None or not call.may_be_joined(is_live=is_live):
        return refusal
    return _accepted(request, call, refusal)


def _accepted(request: RecordedRequest, call: MockCall, refusal: MockResponse) -> SidebandResponse:
    key = request.headers["sec-websocket-key"].encode("latin-1")
    digest = hashlib.sha1(key + _GUID).digest()  # noqa: S324 - the protocol's digest, not a secret's
    headers = {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-accept": base64.b64encode(digest).decode(),
    }
    offered = request.headers.get("sec-websocket-protocol", "").split(",")
    if "realtime" in [each.strip() for each in offered]:
        headers["sec-websocket-protocol"] = "realtime"
    return SidebandResponse(101, body=b"", headers=headers, call=call, refusal=refusal)


class MockSideband:
    """One connection's messages. It reads on its caller's thread, and writes on another one."""

    permissions = EVERYTHING

    def __init__(self, connection: socket.socket) -> None:
        from websockets.protocol import Protocol, Side  # noqa: PLC0415 - the extra `sideband`

        self._socket = connection
        self._protocol = Protocol(Side.SERVER, max_size=_MAX_MESSAGE_BYTES, logger=_silent)
        self._changed = threading.Condition()
        self._outgoing = bytearray()
        self._is_closing = False
        self._is_over = threading.Event()
        self._message = bytearray()

    def serve(self, call: MockCall, received: bytes) -> None:
        """Carry the events of a call that it has joined until either side ends the connection.

        `received` are bytes that came already.
        """
        writer = threading.Thread(target=self._write, daemon=True)
        writer.start()
        try:
            for message in self._messages(received):
                call.receive(message, self)
        except OSError:
            pass  # the client or the server closed the connection
        finally:
            call.leave(self)
            self._is_over.set()
            self.close()
            writer.join()

    def send(self, event: JsonObject) -> None:
        """Send an event. Returns at once."""
        text = json.dumps(event).encode()
        with self._changed:
            if self._can_send():
                self._protocol.send_text(text)
                self._flush()

    def close(self) -> None:
        """Close the connection normally, after the events that were sent. Returns at once."""
        with self._changed:
            if self._can_send():
                self._protocol.send_close(_NORMAL_CLOSURE)
                self._flush()
            self._is_closing = True
            self._changed.notify_all()

    def _can_send(self) -> bool:
        from websockets.protocol import State  # noqa: PLC0415 - the extra `sideband`

        return self._protocol.state is State.OPEN

    def _messages(self, data: bytes) -> Iterator[str]:
        """Yield the client's messages until it closes the connection or breaks the protocol."""
        data = data or self._socket.recv(_READ_BYTES)
        while True:
            with self._changed:
                if data:
                    self._protocol.receive_data(data)
                else:
                    self._protocol.receive_eof()
                frames = self._protocol.events_received()
                self._flush()
            for frame in frames:
                yield from self._text_of(cast("Frame", frame))
            if not data or self._protocol.close_expected():
                return
            data = self._socket.recv(_READ_BYTES)

    def _text_of(self, frame: Frame) -> Iterator[str]:
        """Yield the message that a frame completes."""
        if frame.opcode == _BINARY:
            self._fail(_UNSUPPORTED_DATA)
        if frame.opcode not in {_TEXT, _CONTINUATION}:
            return
        self._message += frame.data
        if not frame.fin:
            return
        try:
            text = self._message.decode()
        except UnicodeDecodeError:
            self._fail(_INVALID_DATA)
        else:
            yield text
        self._message.clear()

    def _fail(self, code: int) -> None:
        with self._changed:
            self._protocol.fail(code)
            self._flush()

    def _flush(self) -> None:
        """Let the other thread write what the protocol has to send."""
        self._outgoing += b"".join(self._protocol.data_to_send())
        if len(self._outgoing) > _MAX_WAITING_BYTES:
            self._outgoing.clear()
            self._shut_down()
        self._changed.notify_all()

    def _write(self) -> None:
        with suppress(OSError):
            while data := self._next_bytes():
                self._socket.sendall(data)
        if not self._is_over.wait(_CLOSE_SECONDS):  # for the client's close frame
            self._shut_down()

    def _next_bytes(self) -> bytes:
        """Return what to write next; nothing once the connection is closing."""
        with self._changed:
            self._changed.wait_for(lambda: self._outgoing or self._is_closing)
            data = bytes(self._outgoing)
            self._outgoing.clear()
            return data

    def _shut_down(self) -> None:
        with suppress(OSError):  # the client closed it already
            self._socket.shutdown(socket.SHUT_RDWR)
