"""HTTP/1.1 on one connection, without I/O: a request to bytes, bytes to a response.

A response's bytes are checked here before a parser sees them, so that h11 and httptools (llhttp)
meet the same bytes and give the same response (RFC 9112, read strictly):

- its head is `HTTP/1.0` or `1.1`, a status from 100 to 599, CRLF line ends, no folded line, token
  names, no control characters, at most 64 KiB and 1,000 lines;
- its body is framed by one Content-Length, by `Transfer-Encoding: chunked`, or by neither and then
  by the end of the connection;
- at most 10 interim responses, 1 MiB of body, and 4 MiB of bytes in all.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from openai_realtime.core.wire import MAX_BODY_BYTES, Headers, Request, Response, whole_body
from openai_realtime.transports import parsers
from openai_realtime.transports.exceptions import lost, not_http, too_much
from openai_realtime.transports.parsers import MalformedResponseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_realtime.errors import APIConnectionError
    from openai_realtime.transports.parsers import ResponseParser

MAX_HEAD_BYTES = 64 * 1024
MAX_HEAD_LINES = 1000
MAX_INTERIM_RESPONSES = 10
MAX_RESPONSE_BYTES = 4 * 1024 * 1024
# How much is parsed before the caller looks at the clock and at other tasks. Chunks may be of one
# byte each, which costs a parser most.
_SLICE = 16 * 1024
_SLICE_OF_CHUNKS = 4 * 1024

_DEFAULT_PORTS = {"http": 80, "https": 443}
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
_FIELDS = rb"(?:%b:%b\r\n)*\r\n" % (_TOKEN, _VALUE)
_HEAD = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: %b)?\r\n%b" % (_VALUE, _FIELDS))
_TRAILERS = re.compile(_FIELDS)
_FRAMING = re.compile(rb"\n(content-length|transfer-encoding):([^\r]*+)", re.IGNORECASE)
_LENGTH = re.compile(rb"[0-9]{1,18}")
# The extensions that both parsers take: RFC 9112's, without white space and escaped characters.
_QUOTED = rb'"[\t !\x23-\x5b\x5d-\x7e\x80-\xff]*+"'
_EXTENSIONS = rb"(?:;%b(?:=(?:%b|%b))?)*" % (_TOKEN, _TOKEN, _QUOTED)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16}+)%b\r\n" % _EXTENSIONS)
_BEGINNING = b"HTTP/1."
_END_OF_LINE = b"\r\n"
_END_OF_HEAD = b"\r\n\r\n"
_SWITCHING_PROTOCOLS = 101
_FIRST_FINAL_STATUS = 200
_WITHOUT_BODY = frozenset({204, 304})


class Origin(NamedTuple):
    """What two URLs share when they may share a connection."""

    scheme: str
    host: str
    """A name or an IP address, without brackets."""
    port: int
    loopback_only: bool = False
    """Whether it may only be reached at an address of this machine."""


@lru_cache(maxsize=256)
def origin_of(url: str, *, loopback_only: bool) -> Origin:
    """Return the origin of an http or https URL, with its default port filled in."""
    parts = urlsplit(url)
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    return Origin(parts.scheme, parts.hostname or "", port, loopback_only)


@lru_cache(maxsize=256)
def _first_lines(method: str, url: str) -> bytes:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return f"{method} {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n".encode("ascii")


def encode_request(request: Request) -> bytes:
    """Return a request as one piece, which leaves in one packet and one TLS record."""
    # No local variable holds a part of it: a traceback that shows them would show the API key.
    return b"".join(
        (
            _first_lines(request.method, request.url),
            *map(b"%b: %b\r\n".__mod__, request.headers),
            b"Content-Length: %d\r\n\r\n" % len(request.body),
            request.body,
        )
    )


class Head(NamedTuple):
    """A response's status line and headers, which are well-formed."""

    status: int
    is_persistent: bool
    """Whether it is of HTTP/1.1, where a connection carries one request after another."""
    size: int


class HeadReader:
    """Finds the head of a final response in what has come so far."""

    def __init__(self) -> None:
        self._searched = 0
        self._interim = 0

    def read(self, held: bytearray) -> Head | None:
        """Return the head, or None while it is incomplete; drop the interim responses before it.

        Raises `MalformedResponseError`.
        """
        while True:
            if not held.startswith(_BEGINNING[: len(held)]):
                raise MalformedResponseError("it does not begin with HTTP/1")
            end, self._searched = find_end(held, 0, self._searched, _END_OF_HEAD, "headers")
            if end < 0:
                return None
            head = _HEAD.fullmatch(held, 0, end)
            if head is None:
                raise MalformedResponseError("its status line or a header is malformed")
            status = int(head[2])
            if status == _SWITCHING_PROTOCOLS:
                raise MalformedResponseError("it switches to a protocol that was not asked for")
            if status >= _FIRST_FINAL_STATUS:
                return Head(status, head[1] == b"1", end)
            self._interim += 1
            if self._interim > MAX_INTERIM_RESPONSES:
                raise MalformedResponseError("more than 10 interim responses")
            self._searched = 0
            del held[:end]


def find_end(held: bytearray, start: int, searched: int, end: bytes, what: str) -> tuple[int, int]:
    """Return the position behind `end`, or -1 if it has not come, and where to search on.

    Raises `MalformedResponseError` where a line does not end by CRLF, or too much has come.
    """
    found = held.find(end, searched)
    stop = len(held) if found < 0 else found + len(end)
    ends = held.count(b"\n", searched, stop)
    if ends != held.count(_END_OF_LINE, max(0, searched - 1), stop):
        raise MalformedResponseError(f"a line of its {what} does not end by CRLF")
    if stop - start > MAX_HEAD_BYTES:
        raise MalformedResponseError(f"more than 64 KiB of {what}")
    if found < 0:
        return -1, max(start, stop - len(end) + 1)
    # Each line costs h11 a microsecond or two.
    if held.count(b"\n", start, stop) > MAX_HEAD_LINES:
        raise MalformedResponseError(f"more than 1,000 lines of {what}")
    return stop, stop


class Http1:
    """One request and its response at a time."""

    def __init__(self) -> None:
        self.is_busy: bool = False
        """Whether a request was sent whose response is not complete."""
        self.has_begun: bool = False
        """Whether any byte of the response has come."""
        self.is_reusable: bool = True
        """Whether the connection may carry another request; known once `response` was called."""
        self.is_backlogged: bool = False
        """Whether there is more to parse than was parsed: call `receive(b"")`."""
        self._held = bytearray()
        self._position = 0

    def send(self, request: Request) -> bytes:
        """Return the bytes of a request, whose response is expected from now on."""
        self.is_busy = True
        self.has_begun = self.is_reusable = self.is_backlogged = False
        self._held = bytearray()
        self._position = self._searched = self._fed = 0
        self._size = self._body_size = self._left = 0
        self._head = HeadReader()
        self._parser: ResponseParser | None = None
        self._has_framing = True
        self._has_ended = False
        self._failure: APIConnectionError | None = None
        self._slice = _SLICE
        self._step: Callable[[Http1, int], bool] = Http1._read_head
        return encode_request(request)

    def receive(self, data: bytes) -> None:
        """Take what came and parse a slice of it; `b""` parses the next slice.

        Raises `APIConnectionError` where it is not HTTP/1.1, or is beyond the bounds.
        """
        self.has_begun = True
        self._size += len(data)
        if self._size > MAX_RESPONSE_BYTES:
            raise too_much("takes more than 4 MiB on the wire")
        if self._position and data:
            self._searched -= self._position
            self._fed -= self._position
            del self._held[: self._position]
            self._position = 0
        self._held += data
        try:
            self._parse_slice()
        except MalformedResponseError as error:
            why = str(error)
        else:
            return
        # Raised here, so that no frame whose locals hold the response stays behind the error.
        raise not_http(why)

    def receive_eof(self, failure: APIConnectionError | None = None) -> None:
        """Take note that nothing more comes, by a failure or not.

        A body that nothing else frames is complete then, unless it is a failure. Raises that, or
        `APIConnectionError` where something is missing; with a backlog, `receive` does later.
        """
        if not self._has_ended:
            self._has_ended = True
            self._failure = failure
        if not self.is_backlogged:
            self._finish()

    def response(self) -> Response:
        """Return the complete response; raises `APIConnectionError` where it cannot be decoded."""
        headers = Headers.of_raw(self._parser.headers if self._parser else [])
        body = b"".join(self._parser.body if self._parser else [])
        is_whole = self._position == len(self._held)
        # An idle connection keeps nothing of its last response.
        self._parser, self._held, self._position = None, bytearray(), 0
        response = Response(self._status, headers, whole_body(headers, body))
        self.is_reusable = (
            is_whole
            and self._is_persistent
            and self._has_framing
            and not _says_close(headers.get("connection"))
        )
        return response

    def _parse_slice(self) -> None:
        start = self._position
        self.is_backlogged = False
        while self.is_busy and self._step(self, start + self._slice):
            if self._position >= start + self._slice and self.is_busy:
                self.is_backlogged = self._position < len(self._held)
                break
        parser = self._parser
        if parser is not None and self._fed < self._position:
            parser.feed(self._held[self._fed : self._position])
            self._fed = self._position
            if parser.is_complete is self.is_busy:
                raise MalformedResponseError("it does not end where its framing says")
        if self.is_busy and self._has_ended and not self.is_backlogged:
            self._finish()

    def _finish(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._has_framing:
            raise lost("receive")
        self.is_busy = False

    def _end(self) -> bool:
        self.is_busy = False
        return True

    def _find(self, end: bytes, what: str) -> int:
        searched = max(self._position, self._searched)
        found, self._searched = find_end(self._held, self._position, searched, end, what)
        return found

    def _read_head(self, _limit: int) -> bool:
        head = self._head.read(self._held)
        if head is None:
            return False
        self._status, self._is_persistent, self._position = head
        self._parser = parsers.response_parser()
        return self._begin_body(_FRAMING.findall(self._held, 0, head.size))

    def _begin_body(self, framing: list[tuple[bytes, bytes]]) -> bool:
        if len(framing) > 1:
            raise MalformedResponseError("it frames its body in more than one way")
        if not framing:
            if self._status in _WITHOUT_BODY:
                return self._end()
            self._has_framing = False
            self._step = Http1._read_to_the_end
            return True
        name, value = framing[0]
        value = value.strip(b" ")
        is_chunked = name.lower() == b"transfer-encoding"
        if is_chunked and value.lower() != b"chunked":
            raise MalformedResponseError("its Transfer-Encoding is unknown")
        if not is_chunked and _LENGTH.fullmatch(value) is None:
            raise MalformedResponseError("its Content-Length is not a number")
        if self._status in _WITHOUT_BODY:
            # A server that sends the body all the same may send it later: as another response.
            self._is_persistent = False
            return self._end()
        if is_chunked:
            self._slice = _SLICE_OF_CHUNKS
            self._step = Http1._read_chunk_size
            return True
        self._left = int(value)
        self._count(self._left)
        self._step = Http1._read_length
        return self._left > 0 or self._end()

    def _count(self, size: int) -> None:
        self._body_size += size
        if self._body_size > MAX_BODY_BYTES:
            raise too_much("is larger than 1 MiB")

    def _take(self, size: int, limit: int) -> int:
        """Move on by `size` bytes at most, within what has come and the slice; return by how many."""
        taken = min(size, len(self._held) - self._position, max(0, limit - self._position))
        self._position += taken
        return taken

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
        size = _CHUNK_SIZE.fullmatch(self._held, self._position, end)
        if size is None:
            raise MalformedResponseError("the size of a chunk is malformed")
        self._position = end
        self._left = int(size[1], 16)
        self._count(self._left)
        self._step = Http1._read_chunk if self._left else Http1._read_trailers
        return True

    def _read_chunk(self, limit: int) -> bool:
        taken = self._take(self._left, limit)
        self._left -= taken
        if self._left == 0:
            self._step = Http1._read_end_of_chunk
        return taken > 0

    def _read_end_of_chunk(self, _limit: int) -> bool:
        end = self._position + len(_END_OF_LINE)
        if not _END_OF_LINE.startswith(self._held[self._position : end]):
            raise MalformedResponseError("a chunk does not end where its size says")
        if len(self._held) < end:
            return False
        self._position = end
        self._step = Http1._read_chunk_size
        return True

    def _read_trailers(self, _limit: int) -> bool:
        held, start = self._held, self._position
        if held.startswith(_END_OF_LINE, start):
            end = start + len(_END_OF_LINE)
        else:
            end = self._find(_END_OF_HEAD, "trailers")
            if end < 0:
                return False
            if _TRAILERS.fullmatch(held, start, end) is None or _FRAMING.search(
                b"\n" + held[start:end]
            ):
                raise MalformedResponseError("a trailer is malformed")
        self._position = end
        return self._end()


def _says_close(connection: str | None) -> bool:
    if connection is None or connection == "keep-alive":
        return False
    return "close" in [option.strip() for option in connection.lower().split(",")]
