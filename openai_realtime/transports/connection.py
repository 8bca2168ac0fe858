"""One connection without its socket: layers of TLS and tunnels, and HTTP/1.1 on top.

Rules for this file: an engine sends the bytes that the methods return, and passes the bytes that it
reads to `receive`. When a method raises, the connection is closed: the engine sends the bytes that
`close` returns, if that is possible without waiting, and closes the socket.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NoReturn, Protocol
from urllib.parse import urlsplit

from openai_realtime.transports.exceptions import lost, tls_failed
from openai_realtime.transports.http1 import ResponseReader

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from openai_realtime.core.wire import Request, Response


# So many bytes may hold hundreds of TLS key updates, and each costs OpenSSL 16 µs.
_MOST_AT_ONCE = 16 * 1024
_NO_RESPONSE = ResponseReader()
_NO_RESPONSE.is_complete = True


@lru_cache(maxsize=256)
def _first_lines(method: str, url: str) -> bytes:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return f"{method} {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n".encode("ascii")


def encode_request(request: Request) -> bytes:
    """Return the bytes of a request in one piece, for one packet and one TLS record."""
    # No local variable holds a part of it: a traceback that shows them would show the API key.
    return b"".join(
        (
            _first_lines(request.method, request.url),
            *map(b"%b: %b\r\n".__mod__, request.headers),
            # RFC 9110 §8.6: a request whose method has no content has no Content-Length either.
            b"\r\n" if request.is_read_only else b"Content-Length: %d\r\n\r\n" % len(request.body),
            request.body,
        )
    )


class Layer(Protocol):
    """A layer between HTTP and the socket: TLS, or a tunnel through a proxy."""

    is_open: bool
    """Whether the layer above can send and receive."""
    has_ended: bool
    """Whether the peer has announced the end of its data."""
    failure: ssl.SSLError | None
    """The failure that came after the bytes that `receive` returned last."""

    @property
    def is_between_records(self) -> bool:
        """Whether no record has arrived only in part."""
        ...

    def start(self) -> bytes:
        """Return the first bytes to send."""
        ...

    def receive(self, data: bytes | bytearray) -> tuple[bytes, bytes | bytearray]:
        """Take received bytes; return the bytes to send, and those for the layer above."""
        ...

    def receive_eof(self) -> None:
        """Record the end of the received bytes."""
        ...

    def send(self, data: bytes | memoryview) -> bytes:
        """Return the bytes that carry `data`; `b""` if the layer has failed."""
        ...

    def close(self, *, with_close_notify: bool) -> bytes:
        """Return the last bytes to send: unsent ones, and TLS's close_notify if requested."""
        ...


class Connection:
    """A connection: it opens, is idle and busy alternately, and closes."""

    __slots__ = (
        "_has_ended",
        "_is_reusable",
        "_opened",
        "_reader",
        "_rest",
        "_waiting",
        "is_closed",
        "is_congested",
        "layers",
        "was_idle",
    )

    def __init__(self, layers: Sequence[Layer] = ()) -> None:
        self.layers: Sequence[Layer] = layers
        """From the socket upwards: TLS, tunnels."""
        self._opened = 0
        # An idle connection holds no part of its last response.
        self._reader = _NO_RESPONSE
        self._is_reusable = True
        self._waiting = b""
        self._rest = b""  # what came after a response with status 101
        self._has_ended = False
        self.is_closed: bool = False
        """Whether no more bytes can be sent or received."""
        self.is_congested: bool = False
        """Whether the engine holds much that the peer has not taken: then pings get no response."""
        self.was_idle: bool = False
        """Whether it was idle before its request: the server may have closed it in that time."""

    @property
    def is_open(self) -> bool:
        """Whether every layer is open, so that a request can be sent."""
        return self._opened == len(self.layers)

    @property
    def is_busy(self) -> bool:
        """Whether a request was sent and its response is not complete."""
        return not self._reader.is_complete

    @property
    def is_full(self) -> bool:
        """Whether the engine must not read now, because too much waits to be taken."""
        return False

    @property
    def has_begun(self) -> bool:
        """Whether any byte of the response has come."""
        return self._reader.has_begun

    @property
    def is_backlogged(self) -> bool:
        """Whether received bytes are unparsed: let other tasks run, then call `receive(b"")`."""
        return bool(self._waiting) or self._reader.is_backlogged

    @property
    def may_serve_again(self) -> bool:
        """Whether another request may be sent: no bytes came after the response, in any layer."""
        if self.is_closed or self._waiting or not self._is_reusable:
            return False
        return not self.layers or all(layer.is_between_records for layer in self.layers)

    def start(self) -> bytes:
        """Return the first bytes to send."""
        return self.layers[0].start() if self.layers else b""

    def send(self, request: Request) -> bytes:
        """Return the bytes of a request; the connection is busy until its response is complete.

        Raises `APIConnectionError` if it cannot be sent.
        """
        if self.is_closed:
            self._fail_to_open()
        self._reader = ResponseReader(is_upgrade=request.is_upgrade)
        self._is_reusable = False
        if not self.layers:
            return encode_request(request)
        # A memoryview, because a traceback that shows local variables would show the API key.
        data = memoryview(encode_request(request))
        return self._wrapped(data, len(self.layers)) or self._fail_to_open()

    def receive(self, data: bytes | bytearray) -> bytes:
        """Take received bytes, and return the bytes to send.

        Bytes that come while the connection is idle close it, because no request waits for them.
        Raises `APIConnectionError` if opening has failed, or the response cannot be used.
        """
        if self.layers and (self.is_backlogged or len(data) > _MOST_AT_ONCE):
            self._waiting += data
            data = b""
            if not self._reader.is_backlogged:
                data, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
        try:
            outgoing = self._pass_up(0, data)
            if self._has_ended and not self._waiting:
                self._end(0)
        except BaseException:
            self.is_closed = True
            raise
        return outgoing

    def receive_eof(self) -> None:
        """Record the end of the received bytes.

        Raises `APIConnectionError` while the connection opens or a response is incomplete.
        """
        self.is_closed = self._has_ended = True
        if not self._waiting:
            self._end(0)

    def lose(self) -> None:
        """Record that the socket has failed."""
        self.is_closed = True

    def response(self) -> Response:
        """Return the complete response; raises `APIConnectionError` if it cannot be decoded."""
        reader, self._reader = self._reader, _NO_RESPONSE
        response = reader.response()
        self._is_reusable = reader.is_reusable
        self._rest = reader.rest
        return response

    def close(self) -> bytes:
        """Return the last bytes to send: TLS's close_notify if it is idle, or an unsent alert."""
        is_idle = self.is_open and not self.is_busy and not self.is_closed
        self.is_closed = True
        last = b""
        for layer in reversed(self.layers[: self._opened + 1]):
            last = (layer.send(last) if last else b"") + layer.close(with_close_notify=is_idle)
        return last

    def _pass_up(self, position: int, data: bytes | bytearray) -> bytes:
        """Pass `data` to a layer, and its output to those above; return the bytes to send."""
        if position == len(self.layers):
            return self._take(data)
        layer = self.layers[position]
        if not data:
            return self._pass_up(position + 1, data)
        reply, above = layer.receive(data)
        outgoing = self._wrapped(reply, position)
        if not layer.is_open:
            return outgoing
        if position == self._opened:
            self._opened += 1
            if not self.is_open:
                outgoing += self._wrapped(self.layers[self._opened].start(), self._opened)
        if above:
            outgoing += self._pass_up(position + 1, above)
        if layer.has_ended or layer.failure is not None:
            self.is_closed = True
            self._end(position + 1, layer.failure)
        return outgoing

    def _take(self, data: bytes | bytearray) -> bytes:
        """Take the bytes that the layers have passed up, and return the bytes to send."""
        if not self._reader.is_complete:
            self._reader.receive(data)
        elif data:
            self.is_closed = True
        return b""

    def _end(self, position: int, failure: ssl.SSLError | None = None) -> None:
        """Record the end of the input, and its cause, in the layers from `position`."""
        for layer in self.layers[position:]:
            if failure is None:
                layer.receive_eof()
                failure = layer.failure
        if not self._reader.is_complete:
            self._reader.receive_eof(None if failure is None else tls_failed(failure, "receive"))
        elif not self.is_open:
            self._fail_to_open()

    def _fail_to_open(self) -> NoReturn:
        """Raise the error of a connection that cannot carry a request: the top layer's failure."""
        self.is_closed = True
        for layer in reversed(self.layers):
            if layer.failure is not None:
                raise tls_failed(layer.failure, "connect")
        raise lost("connect")

    def _wrapped(self, data: bytes | memoryview, position: int) -> bytes:
        """Return `data` as the layers below `position` carry it."""
        if data:
            for layer in reversed(self.layers[:position]):
                data = layer.send(data)
        return bytes(data)
