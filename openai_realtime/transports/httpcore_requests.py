"""Our requests as httpcore's.

Owns: the URL, the framing headers and the time limits as httpcore takes them. Must not know:
connections.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import httpcore

if TYPE_CHECKING:
    from openai_realtime.core.deadline import Deadline, Timeout
    from openai_realtime.core.wire import Request


@lru_cache(maxsize=256)
def parsed_url(url: str) -> tuple[httpcore.URL, bytes]:
    """Return httpcore's URL and the Host header of `url`."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = (parts.hostname or "").encode("ascii")
    parsed = httpcore.URL(
        scheme=parts.scheme.encode("ascii"),
        host=host,
        port=parts.port,
        target=target.encode("ascii"),
    )
    return parsed, parts.netloc.encode("ascii")


def engine_request(
    request: Request, content: bytes | AsyncContent, limits: Timeout, deadline: Deadline
) -> httpcore.Request:
    """Return httpcore's request for ours; its limits are cut to what the call has left."""
    url, host = parsed_url(request.url)
    read = deadline.cut(limits.read)
    return httpcore.Request(
        method=request.method,
        url=url,
        headers=[
            (b"Host", host),
            *request.headers,
            (b"Content-Length", str(len(request.body)).encode("ascii")),
        ],
        content=content,
        extensions={
            "timeout": {"connect": deadline.cut(limits.connect), "read": read, "write": read}
        },
    )


def origin_of(url: httpcore.URL) -> tuple[bytes, bytes, int | None]:
    """Return what makes two URLs share a connection."""
    return url.scheme, url.host, url.port


class AsyncContent:
    """A request's body, as httpcore asks for it: iterable, yet no generator to be left half-run."""

    __slots__ = ("_rest",)

    def __init__(self, body: bytes) -> None:
        self._rest = [body]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._rest:
            raise StopAsyncIteration
        return self._rest.pop()
