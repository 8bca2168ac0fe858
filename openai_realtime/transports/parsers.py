"""The two parsers of HTTP/1.1 responses behind one protocol: httptools where it is installed, or h11.

A parser is fed one final response, whose head and framing were checked before (`http1.py`).
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from openai_realtime.core.wire import Header

# The parsers' own words would quote the response.
_REFUSED = "it cannot be parsed"
_WHITE_SPACE = b" \t"


class MalformedResponseError(Exception):
    """A response is not HTTP/1.1 as RFC 9112 has it. Its text quotes nothing of the response."""


class ResponseParser(Protocol):
    """Takes the bytes of one response, and has its headers and body."""

    @property
    def headers(self) -> list[Header]:
        """The headers, without the trailers; values without the white space around them."""
        ...

    @property
    def body(self) -> list[bytes]:
        """The body, in parts."""
        ...

    @property
    def is_complete(self) -> bool:
        """Whether the response has ended; one that the end of the connection frames never does."""
        ...

    def feed(self, data: bytearray) -> None:
        """Take the next bytes; raises `MalformedResponseError`."""
        ...


class H11Parser:
    """Parses by h11, which httpx installs."""

    def __init__(self) -> None:
        import h11  # noqa: PLC0415 - 12 ms, which only those without httptools wait for

        self.headers: list[Header] = []
        self.body: list[bytes] = []
        self.is_complete: bool = False
        self._kinds = h11.Response, h11.Data, h11.EndOfMessage
        self._failures = h11.RemoteProtocolError
        # It is sent no request (`http1.py` encodes it): to h11, a server may respond before one.
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**17)

    def feed(self, data: bytearray) -> None:
        """Take the next bytes."""
        response, body, end = self._kinds
        try:
            self._connection.receive_data(bytes(data))
            while not self.is_complete:
                event = self._connection.next_event()
                if isinstance(event, body):
                    self.body.append(bytes(event.data))
                elif isinstance(event, response):
                    self.headers = list(event.headers)
                elif isinstance(event, end):
                    self.is_complete = True
                else:
                    return
        except self._failures:
            raise MalformedResponseError(_REFUSED) from None


class HttptoolsParser:
    """Parses by httptools (llhttp), which the extra `fast` installs."""

    def __init__(self) -> None:
        from httptools import HttpParserError, HttpResponseParser  # noqa: PLC0415 - where installed

        self._failures = HttpParserError
        # Apart from the parser: a reference in a circle would keep every response until the next
        # garbage collection.
        self._events = _Events()
        self._parser = HttpResponseParser(self._events)

    @property
    def headers(self) -> list[Header]:
        """The headers."""
        return self._events.headers

    @property
    def body(self) -> list[bytes]:
        """The body, in parts."""
        return self._events.body

    @property
    def is_complete(self) -> bool:
        """Whether the response has ended."""
        return self._events.is_complete

    def feed(self, data: bytearray) -> None:
        """Take the next bytes."""
        try:
            self._parser.feed_data(data)
        except self._failures:
            raise MalformedResponseError(_REFUSED) from None


class _Events:
    """What httptools calls."""

    def __init__(self) -> None:
        self.headers: list[Header] = []
        self.body: list[bytes] = []
        self.is_complete = False
        self._fields: list[Header] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        self._fields.append((name, value.rstrip(_WHITE_SPACE)))

    def on_headers_complete(self) -> None:
        """Keep the headers apart from the trailers."""
        self.headers, self._fields = self._fields, []

    def on_body(self, data: bytes) -> None:
        """Take some of the body."""
        self.body.append(data)

    def on_message_complete(self) -> None:
        """Take note of the end."""
        self.is_complete = True


response_parser: type[HttptoolsParser | H11Parser] = (
    HttptoolsParser if find_spec("httptools") is not None else H11Parser
)
"""The parser that this process uses."""
