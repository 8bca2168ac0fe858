"""HTTP headers, requests and responses, and the reader of response bodies with its size limit.

The fields of `Request` and `Response` are `Final`, which type checkers enforce. A frozen dataclass
would take three times as long to create; a tuple would show keys and secrets in error reports.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn, Self, TypeVar, cast, overload

from openai_realtime.errors import APIConnectionError

Header = tuple[bytes, bytes]
T = TypeVar("T")

_COOKIE = "set-cookie"
MAX_BODY_BYTES = 1024 * 1024

# zlib's window sizes: 16 + 15 reads gzip, 15 a zlib stream (what RFC 9110 calls deflate).
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class Headers(Mapping[str, str]):
    """Response headers: look-ups ignore case, and repeated headers are joined by a comma.

    Set-Cookie is left out, so that no cookie is stored or shown.
    """

    __slots__ = ("_members",)

    def __init__(self, items: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        values: dict[str, list[str]] = {}
        if isinstance(items, Mapping):
            items = cast("Mapping[str, str]", items).items()
        for name, value in items:
            values.setdefault(name.lower(), []).append(value)
        values.pop(_COOKIE, None)
        self._members = {name: ", ".join(values[name]) for name in values}

    @classmethod
    def of_raw(cls, items: Iterable[Header]) -> Self:
        """Return the headers from pairs of bytes."""
        return cls.of_text(
            [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in items]
        )

    @classmethod
    def of_text(cls, items: list[tuple[str, str]]) -> Self:
        """Return the headers from pairs of text, whose names are in lower case."""
        members = dict(items)
        if len(members) < len(items) or _COOKIE in members:
            return cls(items)
        headers: Self = cls.__new__(cls)
        headers._members = members
        return headers

    def __getitem__(self, name: str) -> str:
        return self._members[name.lower()]

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: str) -> str: ...
    @overload
    def get(self, name: str, /, default: T) -> str | T: ...
    def get(self, name: str, /, default: object = None) -> object:
        """Return the value of a header, or `default` if there is no such header."""
        # Faster than the inherited method, which raises and catches `KeyError`.
        return self._members.get(name.lower(), default)

    @property
    def says_close(self) -> bool:
        """Whether the peer closes the connection after this message (RFC 9112, section 9.6)."""
        connection = self._members.get("connection")
        if connection is None or connection == "keep-alive":
            return False
        return "close" in [option.strip() for option in connection.lower().split(",")]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        return f"Headers({', '.join(self._members)})"


@dataclass(slots=True)
class Request:
    """One HTTP request. Its repr shows neither headers nor body."""

    method: Final[str]
    url: Final[str]
    headers: Final[tuple[Header, ...]]
    body: Final[bytes]
    max_idle: Final[float] = math.inf
    """The longest time, in seconds, that its connection may have been idle before it."""
    loopback_only: Final[bool] = False
    """Whether it may be sent only to this machine, because the URL is plain http."""
    is_upgrade: Final[bool] = False
    """Whether it is a WebSocket's handshake: a response with status 101 keeps the connection."""

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.display_url}>"

    @property
    def display_url(self) -> str:
        """The URL without its query: what errors and logs show."""
        return self.url.partition("?")[0]

    @property
    def is_read_only(self) -> bool:
        """Whether the request changes nothing at the server."""
        return self.method == "GET"

    def with_header(self, header: Header) -> Request:
        """Return a copy of the request with one more header, before the others."""
        headers = (header, *self.headers)
        return Request(
            self.method,
            self.url,
            headers,
            self.body,
            self.max_idle,
            self.loopback_only,
            self.is_upgrade,
        )


@dataclass(slots=True)
class Response:
    """One complete HTTP response. Its repr does not show the body, which may contain a secret."""

    status: Final[int]
    headers: Final[Headers]
    body: Final[bytes]

    def __repr__(self) -> str:
        return f"<Response {self.status}>"

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the definition of 2xx


class BodyReader:
    """Collects the chunks of a body: at most 1 MiB, before and after decompression.

    No request accepts compression, but some gateways compress nevertheless.
    """

    __slots__ = ("_chunks", "_headers", "_size")

    def __init__(self, headers: Headers) -> None:
        self._headers = headers
        self._chunks: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Add the next bytes; when they exceed 1 MiB, all of them are dropped."""
        self._size += len(chunk)
        if self.is_too_large:
            self._chunks.clear()
        else:
            self._chunks.append(chunk)

    @property
    def is_too_large(self) -> bool:
        """Whether the body is larger than 1 MiB; the rest of it need not be read."""
        return self._size > MAX_BODY_BYTES

    def finish(self) -> bytes:
        """Return the whole body, decompressed.

        Raises `APIConnectionError` if it is larger than 1 MiB or cannot be decompressed.
        """
        if self.is_too_large:
            _refuse("is larger than 1 MiB")
        return whole_body(self._headers, b"".join(self._chunks))


def whole_body(headers: Headers, body: bytes) -> bytes:
    """Return a body of at most 1 MiB, decompressed.

    Raises `APIConnectionError` if it is larger when decompressed, or cannot be decompressed.
    """
    header = headers.get("content-encoding")
    if header is None:
        return body
    encoding = header.strip().lower()
    if encoding in {"identity", ""}:
        return body
    if encoding not in _WINDOWS:
        _refuse("has a content encoding that was not requested")
    decoder = zlib.decompressobj(_WINDOWS[encoding])
    decoded = b""
    with suppress(zlib.error):
        decoded = decoder.decompress(body, MAX_BODY_BYTES + 1)
    if len(decoded) > MAX_BODY_BYTES:
        _refuse("is larger than 1 MiB when decompressed")
    if not decoder.eof:
        _refuse("is compressed and damaged")
    if decoder.unused_data:
        _refuse("has more bytes after its compressed data")
    return decoded


def _refuse(problem: str) -> NoReturn:
    message = f"The server's response {problem}"
    raise APIConnectionError(message, phase="receive", retryable=False, possibly_acted=True)
