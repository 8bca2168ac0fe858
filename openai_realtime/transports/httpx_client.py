"""Engines over httpx (or httpx2): a user's own client or transport, or a plain client for one call.

Rules for this file: no redirect is followed, and no cookie, default header or authentication of a
client is added to the request. The user's client or transport decides about connections, proxies
and TLS, and is never closed here. The sync deadline is checked between reads.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, Never, Protocol, Self, cast

import anyio

from openai_realtime.core.deadline import deadline_passed
from openai_realtime.core.wire import BodyReader, Headers, Request, Response
from openai_realtime.errors import ConfigurationError
from openai_realtime.transports.exceptions import client_closed, translated
from openai_realtime.transports.proxies import Origin, ProxyRules, origin_of
from openai_realtime.transports.tls import trusted_context

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
    from types import ModuleType

    import httpx

    from openai_realtime.core.deadline import Deadline, Timeout
    from openai_realtime.transports.base import (
        AsyncConnections,
        AsyncEngine,
        SyncConnections,
        SyncEngine,
    )


class _AsyncResponse(Protocol):
    status_code: int

    def aiter_raw(self) -> AsyncIterator[bytes]: ...


class _SyncResponse(Protocol):
    status_code: int

    def iter_raw(self) -> Iterator[bytes]: ...


class AsyncHttpClient(Protocol):
    """The type of the async client's `http_client`: an `httpx.AsyncClient`, or httpx2's."""

    async def send(
        self, request: Never, *, stream: bool, auth: None, follow_redirects: bool
    ) -> _AsyncResponse:
        """Send one request."""
        ...


class SyncHttpClient(Protocol):
    """The type of the sync client's `http_client`: an `httpx.Client`, or httpx2's."""

    def send(
        self, request: Never, *, stream: bool, auth: None, follow_redirects: bool
    ) -> _SyncResponse:
        """Send one request."""
        ...


class AsyncHttpTransport(Protocol):
    """The type of the async client's `transport`: an `httpx.AsyncBaseTransport`, or httpx2's."""

    async def handle_async_request(self, request: Never, /) -> _AsyncResponse:
        """Send one request."""
        ...


class SyncHttpTransport(Protocol):
    """The type of the sync client's `transport`: an `httpx.BaseTransport`, or httpx2's."""

    def handle_request(self, request: Never, /) -> _SyncResponse:
        """Send one request."""
        ...


class _HttpxEngine:
    """What both engines share: the call that sends a request, and whether the engine is closed."""

    _prefix: str
    """The prefix of the library's class names."""
    _method: str
    """The transport's method that sends a request."""

    # The library is httpx or httpx2, which have the same public names and no common type.
    def __init__(self, library: ModuleType, send: Callable[[Any], Any], client: Any = None) -> None:
        self._request_class: type[httpx.Request] = library.Request
        self._send_request = send
        self._client = client
        self._is_closed = False

    @classmethod
    def over(cls, http_client: object, transport: object) -> Self:
        """Return the engine over a user's client, or over a transport if there is no client.

        Raises `ConfigurationError` if it is not of httpx or httpx2.
        """
        # Both look the method up at every call: an interceptor may have replaced it meanwhile.
        client = cast("Any", http_client)

        def send_by_client(request: object) -> Any:
            return client.send(request, **_AS_IT_IS)

        def send_by_transport(request: object) -> Any:
            return getattr(transport, cls._method)(request)

        if http_client is not None:
            library = _library_of("http_client", http_client, f"{cls._prefix}Client")
            return cls(library, send_by_client, client)
        library = _library_of("transport", transport, f"{cls._prefix}BaseTransport")
        return cls(library, send_by_transport)

    @property
    def is_closed(self) -> bool:
        """Whether it or the user's client was closed, so that calls raise `ClientClosedError`."""
        return self._is_closed or (self._client is not None and self._client.is_closed)

    def current(self) -> Self:
        """Return itself: its calls go through httpx, where interceptors see them."""
        if self.is_closed:
            raise client_closed()
        return self

    def _outgoing(self, request: Request, limits: Timeout, deadline: Deadline) -> httpx.Request:
        read = deadline.clamp(limits.read)
        seconds = {
            "connect": deadline.clamp(limits.connect),
            "read": read,
            "write": read,
            "pool": deadline.clamp(limits.pool),
        }
        return self._request_class(
            request.method,
            request.url,
            headers=list(request.headers),
            content=request.body,
            extensions={"timeout": seconds},
        )


class AsyncHttpxEngine(_HttpxEngine):
    """Sends through a user's async client or transport."""

    _prefix = "Async"
    _method = "handle_async_request"
    make_own: Callable[[], AsyncConnections]
    """Returns connections of the SDK's own, which use no proxy."""
    _own: AsyncConnections | None = None

    def direct(self) -> AsyncEngine:
        """Return an engine of its own, without a proxy."""
        if self._own is None:
            self._own = self.make_own()
        return self._own.current()

    async def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the response, read to its end."""
        _refuse_handshake(request)
        with anyio.move_on_after(deadline.remaining()):
            return await self._exchange(request, limits, deadline)
        raise deadline_passed(limits.total, possibly_acted=True)

    async def _exchange(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        with translated() as errors:
            response: httpx.Response = await self._send_request(
                self._outgoing(request, limits, deadline)
            )
            errors.has_head = True
            body = _body_of(response)
            try:
                if not response.is_stream_consumed:
                    await _read(response, body)
            except Exception:
                if not body.is_too_large:
                    raise
            finally:
                await response.aclose()
            return _finished(response, body)

    async def connect(
        self, origin: Origin, count: int, limits: Timeout, deadline: Deadline
    ) -> None:
        """Do nothing: the user's client or transport has the connections."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)

    async def aclose(self) -> None:
        """Refuse further calls. The user's client or transport stays open."""
        self._is_closed = True
        if self._own is not None:
            await self._own.aclose()


class SyncHttpxEngine(_HttpxEngine):
    """Sends through a user's sync client or transport."""

    _prefix = ""
    _method = "handle_request"
    make_own: Callable[[], SyncConnections]
    """Returns connections of the SDK's own, which use no proxy."""
    _own: SyncConnections | None = None

    def direct(self) -> SyncEngine:
        """Return an engine of its own, without a proxy."""
        if self._own is None:
            self._own = self.make_own()
        return self._own.current()

    def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the response, read to its end."""
        _refuse_handshake(request)
        with translated() as errors:
            response: httpx.Response = self._send_request(self._outgoing(request, limits, deadline))
            errors.has_head = True
            body = _body_of(response)
            try:
                if not response.is_stream_consumed:
                    for chunk in response.iter_raw():
                        body.feed(chunk)
                        if body.is_too_large:
                            break
                        if deadline.remaining() <= 0:
                            raise deadline_passed(limits.total, possibly_acted=True)
            finally:
                response.close()
            return _finished(response, body)

    def connect(self, origin: Origin, count: int, limits: Timeout, deadline: Deadline) -> None:
        """Do nothing: the user's client or transport has the connections."""

    def close(self) -> None:
        """Refuse further calls. The user's client or transport stays open."""
        self._is_closed = True
        if self._own is not None:
            self._own.close()


class _PlainEngine:
    """What both plain engines share: the library, and how its client connects."""

    def __init__(self, package: str, rules: ProxyRules) -> None:
        try:
            self._library = importlib.import_module(package)
        except ImportError:
            message = f"calls are intercepted, which needs {package}: pip install {package}"
            raise ConfigurationError(message) from None
        self._rules = rules

    def _transport_settings(self, request: Request) -> dict[str, Any]:
        """Return the transport's arguments: it connects as the SDK's own connections do."""
        origin = origin_of(request.url, loopback_only=request.loopback_only)
        proxy = self._rules.proxy_for(origin)
        settings: dict[str, Any] = {"verify": trusted_context(), "trust_env": False}
        if proxy is not None:
            tls = trusted_context() if proxy.scheme == "https" else None
            settings["proxy"] = self._library.Proxy(proxy.url, auth=proxy.auth, ssl_context=tls)
        return settings


class PlainAsyncEngine(_PlainEngine):
    """Sends each call through a new client of the library, so that interceptors see the call."""

    async def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the response, read to its end."""
        transport = self._library.AsyncHTTPTransport(**self._transport_settings(request))
        async with self._library.AsyncClient(transport=transport, trust_env=False) as client:
            send = partial(client.send, **_AS_IT_IS)
            return await AsyncHttpxEngine(self._library, send).send(request, limits, deadline)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)


class PlainSyncEngine(_PlainEngine):
    """Sends each call through a new client of the library, so that interceptors see the call."""

    def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the response, read to its end."""
        transport = self._library.HTTPTransport(**self._transport_settings(request))
        with self._library.Client(transport=transport, trust_env=False) as client:
            send = partial(client.send, **_AS_IT_IS)
            return SyncHttpxEngine(self._library, send).send(request, limits, deadline)


_AS_IT_IS: dict[str, Any] = {"stream": True, "auth": None, "follow_redirects": False}


def _refuse_handshake(request: Request) -> None:
    if request.is_upgrade:
        message = (
            "A sideband needs the client's own connections: make a client without http_client and "
            "transport, and end what intercepts httpx"
        )
        raise ConfigurationError(message)


def _library_of(option: str, argument: object, name: str) -> ModuleType:
    """Return the library whose class `name` an argument is an instance of."""
    message = f"{option} must be an httpx.{name} (or httpx2's)"
    other = name.removeprefix("Async") if name.startswith("Async") else f"Async{name}"
    for library in filter(None, map(sys.modules.get, ("httpx", "httpx2"))):
        if _is_a(argument, library, name):
            return library
        if _is_a(argument, library, other):
            flavour = "async" if other.startswith("Async") else "sync"
            message = f"{message}: this one is for the {flavour} client"
    raise ConfigurationError(message)


def _is_a(argument: object, library: ModuleType, name: str) -> bool:
    kind = getattr(library, name, None)
    return isinstance(kind, type) and isinstance(argument, kind)


def _body_of(response: httpx.Response) -> BodyReader:
    """Return the body's reader, already filled if a mock or an event hook has read the body."""
    if not response.is_stream_consumed:
        return BodyReader(Headers.of_raw(response.headers.raw))
    body = BodyReader(Headers())  # httpx has decoded it
    body.feed(response.content)
    return body


async def _read(response: httpx.Response, body: BodyReader) -> None:
    """Read a body to its end, or until it is too large."""
    chunks = cast("AsyncGenerator[bytes, None]", response.aiter_raw())
    async with aclosing(chunks):
        async for chunk in chunks:
            body.feed(chunk)
            if body.is_too_large:
                if response.is_closed:  # the stream continues although it is closed
                    return
                # The next read then fails, which ends all of httpcore's generators. Otherwise the
                # garbage collector would end them, and trio would warn.
                await response.aclose()


def _finished(response: httpx.Response, body: BodyReader) -> Response:
    return Response(response.status_code, Headers.of_raw(response.headers.raw), body.finish())
