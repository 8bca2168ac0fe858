"""Reads a response body within bounds, whatever the server sends.

Owns: the size limits and the decoding of compressed bodies. Must not know: what a body means.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from openai_realtime.errors import APIConnectionError

if TYPE_CHECKING:
    from openai_realtime.core.wire import Headers

MAX_BODY_BYTES = 1024 * 1024

# zlib's window sizes: 16 + 15 reads gzip, 15 a zlib stream (what RFC 9110 calls deflate).
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class BodyReader:
    """Collects a body's chunks; no more than 1 MiB, before and after decompression.

    Compression is never asked for, but gateways have been seen to apply it all the same.
    """

    __slots__ = ("_chunks", "_headers", "_size")

    def __init__(self, headers: Headers) -> None:
        self._headers = headers
        self._chunks: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; they are forgotten once there are too many."""
        self._size += len(chunk)
        if self.is_too_large:
            self._chunks.clear()
        else:
            self._chunks.append(chunk)

    @property
    def is_too_large(self) -> bool:
        """Whether reading on is of no use."""
        return self._size > MAX_BODY_BYTES

    def finish(self) -> bytes:
        """Return the whole body, decoded; raises `APIConnectionError` when it cannot be."""
        if self.is_too_large:
            _refuse("is larger than 1 MiB")
        return whole_body(self._headers, b"".join(self._chunks))


def whole_body(headers: Headers, body: bytes) -> bytes:
    """Return a body of at most 1 MiB, decoded; raises `APIConnectionError` when it cannot be."""
    named = headers.get("content-encoding")
    if named is None:
        return body
    encoding = named.strip().lower()
    if encoding in {"identity", ""}:
        return body
    if encoding not in _WINDOWS:
        _refuse("is compressed in a way that was not asked for")
    decoder = zlib.decompressobj(_WINDOWS[encoding])
    decoded = b""
    with suppress(zlib.error):
        decoded = decoder.decompress(body, MAX_BODY_BYTES + 1)
    if len(decoded) > MAX_BODY_BYTES:
        _refuse("is larger than 1 MiB when decompressed")
    if not decoder.eof:
        _refuse("is compressed and damaged")
    return decoded


def _refuse(why: str) -> NoReturn:
    message = f"The server's answer {why}"
    raise APIConnectionError(message, phase="receive", retryable=False, possibly_acted=True)
