"""Engines over a user's own `httpx.AsyncClient` or `httpx.Client` (or httpx2's).

Owns: sending through a client that somebody else made, and keeping its habits out of the request:
no redirects, no cookies, no default headers, no authentication of its own. Must not know: retries.

What such a client decides by itself (connections, proxies, TLS, transports) is its owner's
business; so is closing it. The total deadline of the sync client is then checked between reads.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Never, Protocol, cast

import anyio

from openai_realtime.core.body import BodyReader
from openai_realtime.core.deadline import deadline_passed
from openai_realtime.core.wire import Headers, Request, Response
from openai_realtime.errors import APITimeoutError, ConfigurationError
from openai_realtime.transports.lanes import check_open
from openai_realtime.transports.quiet import quietly

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import httpx

    from openai_realtime.core.deadline import Deadline, Timeout
    from openai_realtime.transports.http1 import Origin


class _AsyncAnswer(Protocol):
    status_code: int

    def aiter_raw(self) -> AsyncIterator[bytes]: ...


class _SyncAnswer(Protocol):
    status_code: int

    def iter_raw(self) -> Iterator[bytes]: ...


class AsyncHttpClient(Protocol):
    """What the async client takes as `http_client`: an `httpx.AsyncClient`, or httpx2's."""

    async def send(
        self, request: Never, *, stream: bool, auth: None, follow_redirects: bool
    ) -> _AsyncAnswer:
        """Send one request."""
        ...


class SyncHttpClient(Protocol):
    """What the sync client takes as `http_client`: an `httpx.Client`, or httpx2's."""

    def send(
        self, request: Never, *, stream: bool, auth: None, follow_redirects: bool
    ) -> _SyncAnswer:
        """Send one request."""
        ...


def _request_class(client: object, name: str) -> type[httpx.Request]:
    for ancestor in type(client).__mro__:
        package = ancestor.__module__.partition(".")[0]
        if ancestor.__name__ == name and package in {"httpx", "httpx2"}:
            kind: type[httpx.Request] = importlib.import_module(package).Request
            return kind
    message = f"http_client must be an httpx.{name} (or httpx2's)"
    raise ConfigurationError(message)


def _build(
    kind: type[httpx.Request], request: Request, limits: Timeout, deadline: Deadline
) -> httpx.Request:
    seconds = {
        "connect": deadline.cut(limits.connect),
        "read": deadline.cut(limits.read),
        "write": deadline.cut(limits.read),
        "pool": deadline.cut(limits.pool),
    }
    return kind(
        request.method,
        request.url,
        headers=list(request.headers),
        content=request.body,
        extensions={"timeout": seconds},
    )


def _read_beforehand(response: httpx.Response) -> Response:
    """Return the answer of a mock (respx over httpx's clients), whose body is read and decoded."""
    body = BodyReader(Headers())
    body.feed(response.content)
    return Response(response.status_code, Headers.of_raw(response.headers.raw), body.finish())


class InjectedAsyncEngine:
    """Sends through a user's async client."""

    def __init__(self, client: AsyncHttpClient) -> None:
        self._client = cast("httpx.AsyncClient", client)
        self._request_class = _request_class(client, "AsyncClient")
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether it or its client was closed: then `send` raises `ClientClosedError`."""
        return self._is_closed or self._client.is_closed

    async def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the answer, read to its end."""
        check_open(is_closed=self.is_closed)
        with anyio.move_on_after(deadline.remaining()):
            return await self._send(request, limits, deadline)
        raise deadline_passed(limits.total, possibly_acted=True)

    async def _send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        with quietly():
            response = await self._client.send(
                _build(self._request_class, request, limits, deadline),
                stream=True,
                auth=None,
                follow_redirects=False,
            )
            if response.is_stream_consumed:
                return _read_beforehand(response)
            headers = Headers.of_raw(response.headers.raw)
            body = BodyReader(headers)
            try:
                async for chunk in response.aiter_raw():
                    body.feed(chunk)
                    if body.is_too_large:
                        # Reading then fails where it began, which ends every generator on the way.
                        await response.aclose()
            except Exception:
                if not body.is_too_large:
                    raise
            finally:
                await response.aclose()
            return Response(response.status_code, headers, body.finish())

    def current(self) -> InjectedAsyncEngine:
        return self

    async def connect(
        self, origin: Origin, count: int, limits: Timeout, deadline: Deadline
    ) -> None:
        """Do nothing: its connections are its owner's."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)

    async def aclose(self) -> None:
        """Stop using the client; it stays open, because its owner may still need it."""
        self._is_closed = True


class InjectedSyncEngine:
    """Sends through a user's sync client."""

    def __init__(self, client: SyncHttpClient) -> None:
        self._client = cast("httpx.Client", client)
        self._request_class = _request_class(client, "Client")
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether it or its client was closed: then `send` raises `ClientClosedError`."""
        return self._is_closed or self._client.is_closed

    def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the answer, read to its end."""
        check_open(is_closed=self.is_closed)
        with quietly():
            response = self._client.send(
                _build(self._request_class, request, limits, deadline),
                stream=True,
                auth=None,
                follow_redirects=False,
            )
            if response.is_stream_consumed:
                return _read_beforehand(response)
            headers = Headers.of_raw(response.headers.raw)
            body = BodyReader(headers)
            try:
                for chunk in response.iter_raw():
                    body.feed(chunk)
                    if body.is_too_large:
                        break
                    if deadline.remaining() <= 0:
                        message = "The answer did not end in time"
                        raise APITimeoutError(message, phase="receive", possibly_acted=True)
            finally:
                response.close()
            return Response(response.status_code, headers, body.finish())

    def current(self) -> InjectedSyncEngine:
        return self

    def connect(self, origin: Origin, count: int, limits: Timeout, deadline: Deadline) -> None:
        """Do nothing: its connections are its owner's."""

    def close(self) -> None:
        """Stop using the client; it stays open, because its owner may still need it."""
        self._is_closed = True
