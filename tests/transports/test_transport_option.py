"""`transport=`: any transport of httpx or httpx2; it is never closed."""

from __future__ import annotations

import gzip
import json
import os
import socket
import ssl
import tempfile
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx
import httpx2
import pytest
from backends import Backend
from faults.leak_checks import assert_nowhere, shown_by

from openai_realtime import (
    APIConnectionError,
    APITimeoutError,
    ClientClosedError,
    ConfigurationError,
    RealtimeSessionsClient,
    RedirectError,
    RetryPolicy,
    SyncRealtimeSessionsClient,
)
from transports.h2_server import http2_served
from transports.server_dialogue import served
from transports.tls_server import RESPONSE, SESSION

if TYPE_CHECKING:
    import trustme

LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda module: module.__name__)
QUICK = RetryPolicy(base_delay=0.001)
API_KEY = "sk-transport-0123456789"
URL = "https://api.example/v1"


def client_over(backend: Backend, transport: Any, **options: Any) -> Any:
    return backend.client(
        **{"base_url": URL, "api_key": API_KEY, "retry": QUICK, "transport": transport, **options}
    )


def mint(backend: Backend, transport: Any, **options: Any) -> Any:
    """Return the session that one call gets."""

    async def body() -> Any:
        async with client_over(backend, transport, **options) as client:
            return await client.sessions.create(voice="verse")

    return backend.run(body)


@LIBRARIES
def test_a_mock_transport(backend: Backend, library: Any) -> None:
    seen: list[Any] = []

    def handler(request: Any) -> Any:
        seen.append(request)
        if len(seen) == 1:
            raise library.ConnectError("not yet")
        if len(seen) == 2:
            return library.Response(503)
        return library.Response(
            200, json={"client_secret": {"value": "ek_1"}}, headers={"x-request-id": "req_1"}
        )

    session = mint(backend, library.MockTransport(handler))
    assert session.client_secret.value == "ek_1"
    assert (session.meta.attempts, session.meta.request_id) == (3, "req_1")
    request = seen[-1]
    assert str(request.url) == f"{URL}/realtime/sessions"
    assert json.loads(request.content) == {"voice": "verse"}
    assert sorted(request.headers) == [
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    ]
    assert request.headers["user-agent"].startswith("openai-realtime/")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_async_handler(backend: str) -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        await anyio.lowlevel.checkpoint()
        return httpx.Response(200, content=SESSION)

    session = mint(Backend(backend), httpx.MockTransport(handler))
    assert session.client_secret.value == "ek_tls"


@LIBRARIES
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_asgi_application(backend: str, library: Any) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert dict(scope["headers"])[b"authorization"] == f"Bearer {API_KEY}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": SESSION})

    transport = library.ASGITransport(application)
    assert mint(Backend(backend), transport).client_secret.value == "ek_tls"


@LIBRARIES
def test_a_wsgi_application(library: Any) -> None:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [SESSION]

    transport = library.WSGITransport(application)
    assert mint(Backend("sync"), transport).client_secret.value == "ek_tls"


@contextmanager
def unix_served(path: str) -> Iterator[None]:
    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            request = b""
            while not request.endswith(b"}"):
                request += connection.recv(65536)
            connection.sendall(RESPONSE)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        thread.join(20)


@contextmanager
def opened(backend: Backend, library: Any, **options: Any) -> Iterator[Any]:
    """Yield a transport with connections, and close it at the end, on the event loop of its own."""
    if backend.is_sync:
        with library.HTTPTransport(**options) as transport:
            yield transport
    else:
        limits = library.Limits(max_keepalive_connections=0)
        yield library.AsyncHTTPTransport(limits=limits, **options)


@LIBRARIES
def test_a_unix_socket(backend: Backend, library: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "s")
        with unix_served(path), opened(backend, library, uds=path) as transport:
            session = mint(backend, transport, base_url="http://localhost/v1")
    assert session.client_secret.value == "ek_tls"


@LIBRARIES
def test_http_2(backend: Backend, library: Any, authority: trustme.CA) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    paths: list[str] = []

    async def body() -> None:
        if backend.is_sync:
            transport = library.HTTPTransport(http2=True, verify=trusting)
        else:
            transport = library.AsyncHTTPTransport(http2=True, verify=trusting)
        base_url = f"https://localhost:{port}/v1"
        async with client_over(backend, transport, base_url=base_url) as client:
            for _ in range(2):
                assert (await client.sessions.create()).client_secret.value == "ek_tls"
        if backend.is_sync:
            transport.close()
        else:
            await transport.aclose()

    with http2_served(authority.issue_cert("localhost"), paths) as port:
        backend.run(body)
    assert paths == ["/v1/realtime/sessions"] * 2


def test_a_class_whose_module_was_renamed(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the official SDK does, which shows `BaseTransport` as its own."""
    for kind in (httpx.BaseTransport, httpx.AsyncBaseTransport):
        monkeypatch.setattr(kind, "__module__", "openai")
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=SESSION))
    assert mint(backend, transport).client_secret.value == "ek_tls"


class OwnTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Of a user's own making; sync and async."""

    def __init__(self, respond: Callable[[], httpx.Response]) -> None:
        self.respond = respond
        self.requests: list[httpx.Request] = []
        self.is_closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.respond()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)

    def close(self) -> None:
        self.is_closed = True

    async def aclose(self) -> None:
        self.is_closed = True


def test_it_stays_its_owners(backend: Backend) -> None:
    transport = OwnTransport(lambda: httpx.Response(200, content=SESSION))

    async def body() -> None:
        client = client_over(backend, transport)
        await client.warm_up(3)
        assert transport.requests == []
        copied = client.with_options(timeout=5)
        await copied.sessions.create()
        await client.aclose()
        for closed in (client, copied):
            with pytest.raises(ClientClosedError):
                await closed.sessions.create()

    backend.run(body)
    assert not transport.is_closed
    assert len(transport.requests) == 1


def test_no_redirect_is_followed_and_no_cookie_kept(backend: Backend) -> None:
    responses = [
        httpx.Response(307, headers={"location": f"{URL}/x", "set-cookie": "a=b; Path=/"}),
        httpx.Response(200, content=SESSION),
    ]
    transport = OwnTransport(lambda: responses[len(transport.requests) - 1])

    async def body() -> None:
        async with client_over(backend, transport) as client:
            with pytest.raises(RedirectError):
                await client.sessions.create()
            await client.sessions.create()

    backend.run(body)
    assert len(transport.requests) == 2
    assert "cookie" not in transport.requests[1].headers


class Endless(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that goes on, closed or not."""

    def __init__(self, chunk: bytes, pause: float = 0.0) -> None:
        self.chunk = chunk
        self.pause = pause
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        while True:
            time.sleep(self.pause)
            yield self.chunk

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await anyio.sleep(self.pause)
        return self.chunk

    def close(self) -> None:
        self.is_closed = True

    async def aclose(self) -> None:
        self.is_closed = True


def test_a_body_without_end(backend: Backend) -> None:
    stream = Endless(b"x" * 65536)
    with pytest.raises(APIConnectionError, match="larger than 1 MiB"):
        mint(backend, OwnTransport(lambda: httpx.Response(200, stream=stream)))
    assert stream.is_closed


def test_the_deadline(backend: Backend) -> None:
    stream = Endless(b" ", pause=0.01)
    started = time.monotonic()
    with pytest.raises(APITimeoutError, match="within 0.2 s") as caught:
        mint(backend, OwnTransport(lambda: httpx.Response(200, stream=stream)), timeout=0.2)
    assert caught.value.phase == "total"
    assert stream.is_closed
    assert time.monotonic() - started < 10


def test_a_deadline_that_passed_before(backend: Backend) -> None:
    transport = OwnTransport(lambda: httpx.Response(200, content=SESSION))

    def slow_key() -> str:
        time.sleep(0.06)
        return API_KEY

    with pytest.raises(APITimeoutError) as caught:
        mint(backend, transport, api_key=slow_key, timeout=0.05)
    assert (caught.value.possibly_acted, caught.value.attempts) == (False, 0)
    assert transport.requests == []


def test_a_compressed_body_is_bounded_too(backend: Backend) -> None:
    bomb = gzip.compress(b" " * 20_000_000)
    headers = {"content-encoding": "gzip"}

    def bombed(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
        )
        connection.sendall(bomb)

    with (
        served(bombed) as port,
        opened(backend, httpx) as transport,
        pytest.raises(APIConnectionError, match="larger than 1 MiB when decompressed"),
    ):
        mint(backend, transport, base_url=f"http://127.0.0.1:{port}")
    small = httpx.Response(200, content=gzip.compress(SESSION), headers=headers)
    assert mint(backend, OwnTransport(lambda: small)).client_secret.value == "ek_tls"


def test_a_handler_that_fails_shows_where(backend: Backend) -> None:
    """What is not httpx's comes through as it is, and with the lines of the user's own code alone."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise AssertionError("the handler's own")

    with pytest.raises(AssertionError, match="the handler's own") as caught:
        mint(backend, httpx.MockTransport(handler))
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-1] == "handler"
    files = {frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)}
    assert not any(f"{os.sep}httpx{os.sep}" in file for file in files)
    assert_nowhere([API_KEY], shown_by(caught.value))


@pytest.mark.parametrize(
    "wrong", [object(), "reqwest", httpx.MockTransport, httpx.AsyncHTTPTransport]
)
def test_what_is_no_transport(backend: Backend, wrong: Any) -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"transport must be an httpx\.(Async)?BaseTransport \(or httpx2's\)$",
    ):
        backend.client(api_key="sk-x", transport=wrong)


@LIBRARIES
def test_a_transport_of_the_other_flavour(library: Any) -> None:
    transport = library.HTTPTransport()
    with pytest.raises(ConfigurationError, match="is for the sync client"):
        RealtimeSessionsClient(api_key="sk-x", transport=transport)
    asynchronous = library.AsyncHTTPTransport()
    with pytest.raises(ConfigurationError, match="is for the async client"):
        SyncRealtimeSessionsClient(api_key="sk-x", transport=asynchronous)


def test_what_does_not_go_together(backend: Backend) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    own: Any = httpx.Client() if backend.is_sync else httpx.AsyncClient()
    with pytest.raises(ConfigurationError, match="transport=… or http_client=…, not both"):
        client_over(backend, transport, http_client=own)
    with pytest.raises(ConfigurationError, match="proxy=… or transport=…, not both"):
        client_over(backend, transport, proxy="http://proxy.example:3128")
    with pytest.raises(ConfigurationError, match="base_url is unusable"):
        client_over(backend, transport, base_url="http://api.example/v1")


@pytest.mark.parametrize("name", ["transport", "http_client"])
def test_a_copy_has_the_same(backend: Backend, name: str) -> None:
    client = client_over(backend, httpx.MockTransport(lambda _: httpx.Response(200)))
    with pytest.raises(
        ConfigurationError, match=f"{name}: .* cannot change it; make another client"
    ):
        client.with_options(**{name: None})
