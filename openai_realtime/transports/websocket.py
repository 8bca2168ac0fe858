"""A WebSocket in HTTP's place on a connection, without I/O (RFC 6455).

The handshake is one of this package's own requests and responses, with their checks and limits; the
frames are read and written by `websockets` (extra `sideband`), of which only the protocol without
I/O is used.

Rules for this file: a message is text of at most 1 MiB; at most 1,000 messages wait to be read, and
above that nothing more is parsed or read, so that the server has to wait. At most 500 frames are
parsed before other tasks run. While the server does not take what is sent, its pings get no response.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import logging
import secrets
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from openai_realtime.core.wire import Response
from openai_realtime.lazy_imports import missing_package
from openai_realtime.transports.connection import Connection
from openai_realtime.transports.exceptions import lost, not_http

if TYPE_CHECKING:
    import ssl

    from websockets.frames import Frame
    from websockets.protocol import Protocol

    from openai_realtime.core.wire import Header, Request
    from openai_realtime.transports.sockets import SocketConnection

MAX_MESSAGE_BYTES: Final = 1024 * 1024
MAX_WAITING_MESSAGES: Final = 1000
SWITCHING_PROTOCOLS: Final = 101
NORMAL_CLOSURE: Final = 1000
_INVALID_DATA = 1007
ABNORMAL_CLOSURE: Final = 1006
"""The code of a connection that ended without a close frame; it is never sent."""
_DATA = frozenset({0x0, 0x1, 0x2})  # continuation, text, binary
_MAX_WAITING_BYTES = 4 * MAX_MESSAGE_BYTES
_MAX_FRAMES_AT_ONCE = 500
_BYTES_AT_ONCE = 1024  # `websockets` parses all that it is given, and a frame may have two bytes
_PONG = b"\x8a"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
# `websockets` logs each frame at DEBUG, and frames hold instructions and what people say. This logger
# is not one of `logging.getLogger`: `logging.config` would enable that one again.
_silent = logging.Logger("openai_realtime.websocket", logging.CRITICAL + 1)  # noqa: LOG001


@dataclass(slots=True)
class UpgradedResponse(Response):
    """A response with status 101, and the connection that is a WebSocket from now on."""

    connection: Final[SocketConnection]

    @property
    def is_success(self) -> bool:
        """True: the server has accepted the handshake."""
        return True


def require_websockets() -> None:
    """Raise `ModuleNotFoundError`, with what to install, when the extra `sideband` is missing."""
    try:
        importlib.import_module("websockets.protocol")
    except ModuleNotFoundError as error:
        raise missing_package(error, "a sideband", {"websockets"}, extra="sideband") from None


def with_new_key(request: Request) -> Request:
    """Return a GET request as a handshake, with a key for one connection (RFC 6455, section 4.1)."""
    added: tuple[Header, ...] = (
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Version", b"13"),
        (b"Sec-WebSocket-Key", base64.b64encode(secrets.token_bytes(16))),
    )
    # No local variable holds the request's own headers: a traceback would show the API key.
    return replace(request, headers=(*request.headers, *added))


def is_accepted(request: Request, response: Response) -> bool:
    """Return whether a response with status 101 accepts the handshake (RFC 6455, section 4.1)."""
    _, key = request.headers[-1]  # `with_new_key` has added it last
    digest = hashlib.sha1(key + _GUID).digest()  # noqa: S324 - the protocol's digest, not a secret's
    connection = response.headers.get("connection", "").lower().split(",")
    return (
        response.headers.get("upgrade", "").lower() == "websocket"
        and "upgrade" in [option.strip() for option in connection]
        and response.headers.get("sec-websocket-accept") == base64.b64encode(digest).decode()
        # None was offered.
        and "sec-websocket-extensions" not in response.headers
        and "sec-websocket-protocol" not in response.headers
    )


class Message(NamedTuple):
    """A message that was not read yet."""

    text: str
    size: int
    """Its length in bytes."""


class Handshake:
    """A handshake; `response` is set when the response has come."""

    response: Response


@contextmanager
def upgraded(opened: SocketConnection, request: Request) -> Generator[Handshake]:
    """Close the connection, unless the response that is set in the block accepts the handshake.

    Then the response becomes an `UpgradedResponse`. Raises `APIConnectionError` if the server
    switches to anything but the WebSocket that was requested.
    """
    handshake = Handshake()
    connection = opened.connection
    assert isinstance(connection, WebSocketConnection)  # noqa: S101 - the engine has made it
    is_switched = False
    try:
        if not opened.is_usable():
            raise lost("connect")
        yield handshake
        response = handshake.response
        if response.status == SWITCHING_PROTOCOLS:
            if not is_accepted(request, response):
                raise not_http("it does not accept the WebSocket that was requested")
            connection.switch()
            handshake.response = UpgradedResponse(
                response.status, response.headers, response.body, opened
            )
            is_switched = True
    finally:
        if not is_switched:
            opened.close()


class WebSocketConnection(Connection):
    """A connection whose one request is a handshake, and that then carries messages.

    It is busy while it has no message to read, and is open.
    """

    __slots__ = (
        "_early",
        "_fragments",
        "_messages",
        "_protocol",
        "_reply",
        "_unparsed",
        "_waiting_bytes",
        "awaits_pong",
        "close_code",
        "close_reason",
    )

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.layers)
        self._protocol: Protocol | None = None
        self._early = b""  # what came after the response, before `switch`
        self._unparsed = bytearray()
        self._fragments = bytearray()
        self._reply = b""
        self._waiting_bytes = 0
        self._messages: deque[Message] = deque()
        self.awaits_pong: bool = False
        """Whether nothing has come since the last ping."""
        self.close_code: int | None = None
        """Why it closed (RFC 6455, section 7.4); None while it is open."""
        self.close_reason: str = ""

    @property
    def is_busy(self) -> bool:
        """Whether there is no message to read, and one may come."""
        if self._protocol is None:
            return super().is_busy
        return not self._messages and self.close_code is None

    @property
    def is_backlogged(self) -> bool:
        """Whether received bytes are unparsed, and there is room for their messages."""
        return not self.is_full and (bool(self._unparsed) or super().is_backlogged)

    @property
    def is_full(self) -> bool:
        """Whether as many messages wait as may; read some before more bytes are received."""
        return (
            len(self._messages) >= MAX_WAITING_MESSAGES or self._waiting_bytes >= _MAX_WAITING_BYTES
        )

    def next_message(self) -> str | None:
        """Remove and return the oldest message; None if there is none."""
        if not self._messages:
            return None
        text, size = self._messages.popleft()
        self._waiting_bytes -= size
        return text

    def switch(self) -> None:
        """Begin to read frames, after a handshake's response."""
        from websockets.protocol import Protocol, Side  # noqa: PLC0415 - the extra `sideband`

        self._protocol = Protocol(Side.CLIENT, max_size=MAX_MESSAGE_BYTES, logger=_silent)
        rest, self._rest, self._early = self._rest + self._early, b"", b""
        self._reply = self._take(rest)

    def reply(self) -> bytes:
        """Return what must be sent in response to bytes that came with the handshake."""
        reply, self._reply = self._reply, b""
        return reply

    def send_text(self, text: str) -> bytes:
        """Return the bytes of a message; `b""` once it is closed."""
        if self._protocol is None or self.close_code is not None:
            return b""
        self._protocol.send_text(text.encode())
        return self._unsent_frames()

    def ping(self) -> bytes:
        """Return the bytes of a ping: any bytes that come after it count as its response."""
        if self._protocol is None or self.close_code is not None:
            return b""
        self.awaits_pong = True
        self._protocol.send_ping(b"")
        return self._unsent_frames()

    def send_close(self) -> bytes:
        """Return the bytes of a close frame; the server's close frame ends the connection."""
        if self._protocol is None or self.close_code is not None:
            return b""
        self._protocol.send_close(NORMAL_CLOSURE)
        return self._unsent_frames()

    def _take(self, data: bytes | bytearray) -> bytes:
        protocol = self._protocol
        if protocol is None:
            if self._has_response:
                self._early += data
                return b""
            return super()._take(data)
        if data:
            self.awaits_pong = False
            self._unparsed += data
        frames = 0
        while frames < _MAX_FRAMES_AT_ONCE and not self.is_full and self._unparsed:
            frames += self._parse(protocol, _BYTES_AT_ONCE)
        return self._unsent_frames()

    def lose(self) -> None:
        """Record that the socket has failed."""
        super().lose()
        if self._protocol is not None and self.close_code is None:
            self._parse(self._protocol, len(self._unparsed))
            self._closed(self._protocol)

    def _end(self, position: int, failure: ssl.SSLError | None = None) -> None:
        if self._protocol is None:
            super()._end(position, failure)
        elif self.close_code is None:
            self._parse(self._protocol, len(self._unparsed))
            self._closed(self._protocol)

    @property
    def _has_response(self) -> bool:
        return self._reader.is_complete and self._reader.has_begun

    def _parse(self, protocol: Protocol, count: int) -> int:
        """Parse unparsed bytes, `count` at most, and return how many frames they held."""
        protocol.receive_data(self._unparsed[:count])
        del self._unparsed[:count]
        events = protocol.events_received()
        for event in events:
            frame = cast("Frame", event)  # after the handshake, every event is a frame
            if frame.opcode not in _DATA or self.close_code is not None:
                continue
            self._fragments += frame.data
            if frame.fin:
                self._append(protocol)
        if protocol.close_rcvd is not None or protocol.parser_exc is not None:
            self._closed(protocol)
        return len(events)

    def _append(self, protocol: Protocol) -> None:
        size = len(self._fragments)
        try:
            message = self._fragments.decode()
        except UnicodeDecodeError:
            protocol.fail(_INVALID_DATA)
            self._closed(protocol)
        else:
            self._messages.append(Message(message, size))
            self._waiting_bytes += size
        self._fragments.clear()

    def _closed(self, protocol: Protocol) -> None:
        if self.close_code is not None:
            return
        self.is_closed = True
        self._unparsed.clear()
        received, sent = protocol.close_rcvd, protocol.close_sent
        closing = received or sent
        self.close_code = closing.code if closing else ABNORMAL_CLOSURE
        self.close_reason = closing.reason if closing else ""

    def _unsent_frames(self) -> bytes:
        assert self._protocol is not None  # noqa: S101 - the callers have checked it
        frames = self._protocol.data_to_send()
        if self.is_congested:
            frames = [frame for frame in frames if not frame.startswith(_PONG)]
        return self._wrapped(b"".join(frames), len(self.layers))
