"""Reads HTTP/1.1 responses from received bytes, without I/O.

Rules for this file: what a server sends is checked here before a parser (h11, or httptools where it
is installed) reads its head, so that both give the same response (RFC 9112, read strictly):

- its head is `HTTP/1.0` or `1.1`, a status from 100 to 599, CRLF line ends, no folded line, token
  names, no control characters, at most 64 KiB and 1,000 lines;
- its body is framed by one Content-Length, by `Transfer-Encoding: chunked`, or by neither and then
  by the end of the connection;
- at most 10 interim responses, 1 MiB of body, and 4 MiB of bytes in all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from openai_realtime.core.wire import MAX_BODY_BYTES, Headers, Response, whole_body
from openai_realtime.transports.exceptions import MalformedResponseError, lost, not_http, too_much

if TYPE_CHECKING:
    from openai_realtime.errors import APIConnectionError

MAX_HEAD_BYTES = 64 * 1024
MAX_HEAD_LINES = 1000
MAX_INTERIM_RESPONSES = 10
MAX_RESPONSE_BYTES = 4 * 1024 * 1024
# How many bytes are parsed before the caller checks the time and lets other tasks run. Chunks may
# be of one byte each, which is the slowest case.
_SLICE = 16 * 1024
_SLICE_OF_CHUNKS = 4 * 1024

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
_FIELDS = rb"(?:%b:%b\r\n)*\r\n" % (_TOKEN, _VALUE)
_HEAD = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: %b)?\r\n%b" % (_VALUE, _FIELDS))
_TRAILERS = re.compile(_FIELDS)
_FRAMING = re.compile(rb"\n(content-length|transfer-encoding):([^\r]*+)", re.IGNORECASE)
_LENGTH = re.compile(rb"[0-9]{1,18}")
# The chunk extensions that both parsers accept: RFC 9112's without white space and escapes.
_QUOTED = rb'"[\t !\x23-\x5b\x5d-\x7e\x80-\xff]*+"'
_EXTENSIONS = rb"(?:;%b(?:=(?:%b|%b))?)*" % (_TOKEN, _TOKEN, _QUOTED)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16}+)%b\r\n" % _EXTENSIONS)
_BEGINNING = b"HTTP/1."
_END_OF_LINE = b"\r\n"
_END_OF_HEAD = b"\r\n\r\n"
_SWITCHING_PROTOCOLS = 101
_FIRST_FINAL_STATUS = 200
_WITHOUT_BODY = frozenset({101, 204, 304})
_WHITE_SPACE = " \t"
# The parsers' own messages would quote the response.
_REFUSED = "it cannot be parsed"


class _Collector:
    """Collects the headers that httptools reads."""

    def __init__(self) -> None:
        self.headers: list[tuple[str, str]] = []
        self.is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        text = value.decode("latin-1").rstrip(_WHITE_SPACE)
        self.headers.append((name.decode("latin-1").lower(), text))

    def on_headers_complete(self) -> None:
        self.is_complete = True


def read_by_httptools(head: bytes) -> list[tuple[str, str]]:
    """Return a head's headers as httptools (llhttp) reads them; the extra `fast` installs it.

    Raises `MalformedResponseError`.
    """
    import httptools  # noqa: PLC0415 - where it is installed

    collector = _Collector()
    try:
        with suppress(httptools.HttpParserUpgrade):  # the end of a head with status 101
            httptools.HttpResponseParser(collector).feed_data(head)
    except httptools.HttpParserError:
        collector.is_complete = False
    if not collector.is_complete:
        raise MalformedResponseError(_REFUSED) from None
    return collector.headers


def read_by_h11(head: bytes) -> list[tuple[str, str]]:
    """Return a head's headers as h11 reads them. Raises `MalformedResponseError`."""
    import h11  # noqa: PLC0415 - takes 12 ms, and is not used with httptools

    # h11 does not see the request, which `connection.py` encodes, and accepts its response.
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=2 * MAX_HEAD_BYTES)
    if head.startswith((b"HTTP/1.1 101", b"HTTP/1.0 101")):
        upgrade = [("Host", ""), ("Connection", "upgrade"), ("Upgrade", "websocket")]
        connection.send(h11.Request(method="GET", target="/", headers=upgrade))
    try:
        connection.receive_data(head)
        event = connection.next_event()
    except h11.RemoteProtocolError:
        event = h11.NEED_DATA
    if not isinstance(event, h11.Response | h11.InformationalResponse):
        raise MalformedResponseError(_REFUSED) from None
    items = event.headers.raw_items()  # iterating over the headers takes twice as long
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in items]


read_headers: Callable[[bytes], list[tuple[str, str]]] = (
    read_by_httptools if find_spec("httptools") is not None else read_by_h11
)
"""Returns the headers of a checked head: names in lower case, values trimmed."""


class Head(NamedTuple):
    """A well-formed status line and headers of a response."""

    status: int
    is_persistent: bool
    """Whether it is HTTP/1.1, so that the connection may carry another request."""
    size: int
    """Its length in bytes."""


class HeadReader:
    """Finds the head of a final response in the bytes received so far."""

    _searched = 0
    _interim = 0
    is_upgrade: bool = False
    """Whether a response with status 101 is a final one."""

    def read(self, buffer: bytearray) -> Head | None:
        """Return the head, or None while it is incomplete; drop the interim responses before it.

        Raises `MalformedResponseError`.
        """
        while True:
            end = buffer.find(_END_OF_HEAD, self._searched) + len(_END_OF_HEAD)
            head = _HEAD.fullmatch(buffer, 0, end)
            if head is None or end > MAX_HEAD_BYTES or buffer.count(b"\n", 0, end) > MAX_HEAD_LINES:
                if not buffer.startswith(_BEGINNING[: len(buffer)]):
                    raise MalformedResponseError("it does not begin with HTTP/1")
                end, self._searched = find_end(buffer, 0, self._searched, _END_OF_HEAD, "headers")
                if end < 0:
                    return None
                raise MalformedResponseError("its status line or a header is malformed")
            status = int(head[2])
            if status == _SWITCHING_PROTOCOLS and not self.is_upgrade:
                raise MalformedResponseError("it switches to a protocol that was not requested")
            if status >= _FIRST_FINAL_STATUS or status == _SWITCHING_PROTOCOLS:
                return Head(status, head[1] == b"1", end)
            self._interim += 1
            if self._interim > MAX_INTERIM_RESPONSES:
                raise MalformedResponseError("more than 10 interim responses")
            self._searched = 0
            del buffer[:end]


def find_end(
    buffer: bytearray, start: int, searched: int, end: bytes, what: str
) -> tuple[int, int]:
    """Return the position after `end` (-1 if it has not come), and where the next search starts.

    Raises `MalformedResponseError` if a line does not end with CRLF, or a limit is exceeded.
    """
    position = buffer.find(end, searched)
    stop = len(buffer) if position < 0 else position + len(end)
    ends = buffer.count(b"\n", searched, stop)
    if ends != buffer.count(_END_OF_LINE, max(0, searched - 1), stop):
        raise MalformedResponseError(f"a line of its {what} does not end with CRLF")
    if stop - start > MAX_HEAD_BYTES:
        raise MalformedResponseError(f"more than 64 KiB of {what}")
    if position < 0:
        return -1, max(start, stop - len(end) + 1)
    # h11 takes 1 to 2 µs for each line.
    if buffer.count(b"\n", start, stop) > MAX_HEAD_LINES:
        raise MalformedResponseError(f"more than 1,000 lines of {what}")
    return stop, stop


class ResponseReader:
    """Reads the response to one request.

    Rule: the parser (h11 or httptools) reads only the head. The body is cut out here by the framing
    that was checked, so that only one piece of code interprets lengths and chunks.
    """

    is_complete: bool = False
    """Whether the response has ended."""
    has_begun: bool = False
    """Whether any byte of it has come."""
    is_backlogged: bool = False
    """Whether received bytes are still to be parsed: call `receive(b"")`."""
    is_reusable: bool = False
    """Whether the connection may carry another request; set by `response`."""
    rest: bytes = b""
    """What came after a response with status 101, which ends HTTP on the connection."""
    _position = _searched = _size = _body_size = _left = 0
    _slice = _SLICE
    _has_framing = True
    _has_ended = False
    _failure: APIConnectionError | None = None
    _status: int
    _is_persistent: bool
    _headers: list[tuple[str, str]]
    _step: Callable[[ResponseReader, int], bool]

    def __init__(self, *, is_upgrade: bool = False) -> None:
        self._buffer = bytearray()
        self._head = HeadReader()
        self._head.is_upgrade = is_upgrade
        self._body: list[bytearray] = []
        self._step = ResponseReader._read_head

    def receive(self, data: bytes | bytearray) -> None:
        """Take received bytes and parse a slice of them; `b""` parses the next slice.

        Raises `APIConnectionError` if they are not HTTP/1.1, or a limit is exceeded.
        """
        self.has_begun = True
        self._size += len(data)
        if self._size > MAX_RESPONSE_BYTES:
            raise too_much("takes more than 4 MiB on the wire")
        if self._position and data:
            self._searched -= self._position
            del self._buffer[: self._position]
            self._position = 0
        self._buffer += data
        try:
            self._parse_slice()
        except MalformedResponseError as error:
            why = str(error)
        else:
            return
        # Raised here, so that the traceback has no frame whose locals hold the response.
        raise not_http(why)

    def receive_eof(self, failure: APIConnectionError | None = None) -> None:
        """Record the end of the connection, and its failure if there was one.

        Without a failure, a body that only the connection's end frames is complete now. Raises the
        failure, or `APIConnectionError` if the response is incomplete; with a backlog, `receive`
        raises it later.
        """
        if not self._has_ended:
            self._has_ended = True
            self._failure = failure
        if not self.is_backlogged:
            self._finish()

    def response(self) -> Response:
        """Return the complete response; raises `APIConnectionError` if it cannot be decoded."""
        headers = Headers.of_text(self._headers)
        response = Response(self._status, headers, whole_body(headers, b"".join(self._body)))
        self.is_reusable = (
            self._position == len(self._buffer)
            and self._is_persistent
            and self._has_framing
            and not headers.says_close
        )
        if self._status == _SWITCHING_PROTOCOLS:
            self.rest = bytes(self._buffer[self._position :])
        return response

    def _parse_slice(self) -> None:
        start = self._position
        self.is_backlogged = False
        while not self.is_complete and self._step(self, start + self._slice):
            if self._position >= start + self._slice and not self.is_complete:
                self.is_backlogged = self._position < len(self._buffer)
                break
        if self._has_ended and not self.is_complete and not self.is_backlogged:
            self._finish()

    def _finish(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._has_framing:
            raise lost("receive")
        self.is_complete = True

    def _end(self) -> bool:
        self.is_complete = True
        return True

    def _find(self, end: bytes, what: str) -> int:
        searched = max(self._position, self._searched)
        position, self._searched = find_end(self._buffer, self._position, searched, end, what)
        return position

    def _read_head(self, _limit: int) -> bool:
        head = self._head.read(self._buffer)
        if head is None:
            return False
        self._status, self._is_persistent, self._position = head
        goes_on = self._begin_body(_FRAMING.findall(self._buffer, 0, head.size))
        self._headers = read_headers(bytes(self._buffer[: head.size]))
        return goes_on

    def _begin_body(self, framing: list[tuple[bytes, bytes]]) -> bool:
        if len(framing) > 1:
            raise MalformedResponseError("it frames its body in more than one way")
        if not framing:
            if self._status in _WITHOUT_BODY:
                return self._end()
            self._has_framing = False
            self._step = ResponseReader._read_to_the_end
            return True
        name, value = framing[0]
        value = value.strip(b" ")
        is_chunked = name.lower() == b"transfer-encoding"
        if is_chunked and value.lower() != b"chunked":
            raise MalformedResponseError("its Transfer-Encoding is unknown")
        if not is_chunked and _LENGTH.fullmatch(value) is None:
            raise MalformedResponseError("its Content-Length is not a number")
        if self._status in _WITHOUT_BODY:
            # A server may send a body nevertheless, and late: it would be read as the next
            # response.
            self._is_persistent = False
            return self._end()
        if is_chunked:
            self._slice = _SLICE_OF_CHUNKS
            self._step = ResponseReader._read_chunk_size
            return True
        self._left = int(value)
        self._count(self._left)
        self._step = ResponseReader._read_length
        return self._left > 0 or self._end()

    def _count(self, size: int) -> None:
        self._body_size += size
        if self._body_size > MAX_BODY_BYTES:
            raise too_much("is larger than 1 MiB")

    def _take(self, size: int, limit: int) -> int:
        """Move up to `size` received bytes of this slice to the body; return how many."""
        end = self._position + size
        part = self._buffer[self._position : min(end, limit)]
        if part:
            self._body.append(part)
            self._position += len(part)
        return len(part)

    def _read_length(self, limit: int) -> bool:
        taken = self._take(self._left, limit)
        self._left -= taken
        return self._end() if self._left == 0 else taken > 0

    def _read_to_the_end(self, limit: int) -> bool:
        taken = self._take(MAX_RESPONSE_BYTES, limit)
        self._count(taken)
        return taken > 0

    def _read_chunk_size(self, _limit: int) -> bool:
        end = self._find(_END_OF_LINE, "chunk framing")
        if end < 0:
            return False
        size = _CHUNK_SIZE.fullmatch(self._buffer, self._position, end)
        if size is None:
            raise MalformedResponseError("the size of a chunk is malformed")
        self._position = end
        self._left = int(size[1], 16)
        self._count(self._left)
        self._step = ResponseReader._read_chunk if self._left else ResponseReader._read_trailers
        return True

    def _read_chunk(self, limit: int) -> bool:
        taken = self._take(self._left, limit)
        self._left -= taken
        if self._left == 0:
            self._step = ResponseReader._read_end_of_chunk
        return taken > 0

    def _read_end_of_chunk(self, _limit: int) -> bool:
        end = self._position + len(_END_OF_LINE)
        if not _END_OF_LINE.startswith(self._buffer[self._position : end]):
            raise MalformedResponseError("a chunk does not end where its size says")
        if len(self._buffer) < end:
            return False
        self._position = end
        self._step = ResponseReader._read_chunk_size
        return True

    def _read_trailers(self, _limit: int) -> bool:
        buffer, start = self._buffer, self._position
        if buffer.startswith(_END_OF_LINE, start):
            end = start + len(_END_OF_LINE)
        else:
            end = self._find(_END_OF_HEAD, "trailers")
            if end < 0:
                return False
            if _TRAILERS.fullmatch(buffer, start, end) is None or _FRAMING.search(
                b"\n" + buffer[start:end]
            ):
                raise MalformedResponseError("a trailer is malformed")
        self._position = end
        return self._end()
