"""Calls through an httpx (or httpx2) client of the user's own, and the errors of its failures."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import httpx2
import pytest
from backends import Backend
from faults.leak_checks import assert_nowhere, shown_by

from openai_realtime import (
    APIConnectionError,
    APITimeoutError,
    CertificateError,
    ClientClosedError,
    ConfigurationError,
    RedirectError,
    RetryPolicy,
    SyncRealtimeSessionsClient,
)
from openai_realtime.testing import MockRealtimeServer, MockResponse
from transports.server_dialogue import served
from transports.tls_server import TlsServer

if TYPE_CHECKING:
    import trustme

QUICK = RetryPolicy(base_delay=0.001)
API_KEY = "sk-own-0123456789"
SECRET = "ek_0123456789abcdef"


def own_client(backend: Backend, library: Any = httpx, **options: Any) -> Any:
    return library.Client(**options) if backend.is_sync else library.AsyncClient(**options)


async def close(own: Any) -> None:
    if hasattr(own, "aclose"):
        await own.aclose()
    else:
        own.close()


@pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda module: module.__name__)
def test_a_client_of_ones_own(
    backend: Backend, library: Any, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        own = own_client(
            backend, library, headers={"X-Own": "1"}, cookies={"a": "b"}, follow_redirects=True
        )
        client = backend.client(http_client=own, retry=QUICK)
        await client.warm_up()
        assert realtime_server.requests == []
        realtime_server.respond_next(MockResponse(503))
        session = await client.sessions.create(voice="verse")
        assert (session.voice, session.meta.attempts) == ("verse", 2)
        headers = realtime_server.requests[0].headers
        assert headers["authorization"] == f"Bearer {realtime_server.api_key}"
        assert not {"cookie", "x-own"} & set(headers)
        realtime_server.respond_next(MockResponse(307, headers={"location": "/v1/other"}))
        with pytest.raises(RedirectError):
            await client.sessions.create()
        realtime_server.respond_next(MockResponse(delay=30))
        with pytest.raises(APITimeoutError):
            await client.sessions.create(timeout=0.2)
        await client.aclose()
        assert not own.is_closed  # its owner's to close
        with pytest.raises(ClientClosedError):
            await client.sessions.create()
        await close(own)
        another = backend.client(http_client=own)
        assert another.is_closed
        with pytest.raises(ClientClosedError):
            await another.sessions.create()

    backend.run(body)


@pytest.mark.parametrize("wrong", [object(), httpx.Timeout(1), "client", httpx.MockTransport])
def test_only_an_http_client_can_be_one(backend: Backend, wrong: object) -> None:
    with pytest.raises(
        ConfigurationError, match=r"must be an httpx\.(Async)?Client \(or httpx2's\)$"
    ):
        backend.client(api_key="sk-x", http_client=wrong)


def test_a_client_of_the_other_flavour(backend: Backend) -> None:
    other = httpx.AsyncClient() if backend.is_sync else httpx.Client()
    its = "async" if backend.is_sync else "sync"
    with pytest.raises(ConfigurationError, match=f"this one is for the {its} client"):
        backend.client(api_key="sk-x", http_client=other)


def test_the_sync_deadline_is_checked_between_reads(realtime_server: MockRealtimeServer) -> None:
    def drip(request: httpx.Request) -> httpx.Response:
        def chunks() -> Any:
            while True:
                time.sleep(0.02)
                yield b" "

        return httpx.Response(200, content=chunks())

    with httpx.Client(transport=httpx.MockTransport(drip)) as own:
        client = SyncRealtimeSessionsClient(http_client=own, timeout=0.2)
        started = time.monotonic()
        with pytest.raises(APITimeoutError, match="within 0.2 s"):
            client.sessions.create()
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("chunk", [b"x" * 65536, b"x" * 2_000_000])
def test_an_oversized_response(
    backend: Backend, realtime_server: MockRealtimeServer, chunk: bytes
) -> None:
    realtime_server.respond_next(MockResponse(body=chunk * 40))

    async def body() -> None:
        own = own_client(backend)
        with pytest.raises(APIConnectionError, match="larger than 1 MiB"):
            await backend.client(http_client=own).sessions.create()
        await close(own)

    backend.run(body)


def test_an_event_hook_that_reads_the_response(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        read: list[bytes] = []

        def hook(response: httpx.Response) -> None:
            read.append(response.read())

        async def async_hook(response: httpx.Response) -> None:
            read.append(await response.aread())

        hooks = {"response": [hook if backend.is_sync else async_hook]}
        own = own_client(backend, event_hooks=hooks)
        session = await backend.client(http_client=own).sessions.create()
        assert session.client_secret.value.encode() in read[0]
        await close(own)

    backend.run(body)


# What a server does after the request, and how that reads: (bytes, phase, retryable, message).
FAILURES = {
    "hangs up": (b"", True, "connection was lost"),
    "hangs up in the head": (b"HTTP/1.1 200 OK\r\nContent-Le", True, "connection was lost"),
    "hangs up in the body": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        True,
        "connection was lost",
    ),
    "hangs up in a chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{",
        True,
        "connection was lost",
    ),
    "does not speak HTTP": (f"SECRET {SECRET}\r\n\r\n".encode(), False, "not valid HTTP"),
    "sends no header": (
        f"HTTP/1.1 200 OK\r\n{SECRET}\r\n\r\n".encode(),
        False,
        "not valid HTTP",
    ),
    "sends a bad chunk": (
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{SECRET}\r\n".encode(),
        True,
        "connection was lost",
    ),
}


@pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda module: module.__name__)
@pytest.mark.parametrize("failure", FAILURES)
def test_how_a_failure_reads(backend: Backend, library: Any, failure: str) -> None:
    sent, retryable, message = FAILURES[failure]

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(sent)

    async def body() -> None:
        own = own_client(backend, library, trust_env=False)
        with served(talk) as port:
            client = backend.client(
                http_client=own, base_url=f"http://127.0.0.1:{port}", api_key=API_KEY, max_retries=0
            )
            with pytest.raises(APIConnectionError, match=message) as caught:
                await client.sessions.create(timeout=20)
        await close(own)
        error = caught.value
        assert type(error) is APIConnectionError
        assert (error.phase, error.retryable, error.possibly_acted) == ("receive", retryable, True)
        assert "\n" not in str(error)
        assert_nowhere([API_KEY, SECRET], shown_by(error))

    backend.run(body)


def test_a_refused_connection_says_what_the_system_said(backend: Backend) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    async def body() -> None:
        own = own_client(backend, trust_env=False)
        client = backend.client(
            http_client=own, base_url=f"http://127.0.0.1:{port}", api_key=API_KEY, max_retries=0
        )
        with pytest.raises(APIConnectionError, match="Connection refused") as caught:
            await client.sessions.create()
        assert (caught.value.phase, caught.value.possibly_acted) == ("connect", False)
        assert_nowhere([API_KEY], shown_by(caught.value))
        await close(own)

    backend.run(body)


def test_a_certificate_that_is_not_trusted(backend: Backend, tls: TlsServer) -> None:
    async def body() -> None:
        own = own_client(backend, trust_env=False, verify=ssl.create_default_context())
        client = backend.client(
            http_client=own, base_url=f"https://127.0.0.1:{tls.port}", api_key=API_KEY
        )
        with pytest.raises(CertificateError, match="not trusted") as caught:
            await client.sessions.create()
        assert (caught.value.attempts, caught.value.phase) == (1, "connect")
        await close(own)

    backend.run(body)


def test_a_proxy_that_refuses_is_not_quoted(backend: Backend, authority: trustme.CA) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(f"HTTP/1.1 407 {SECRET}\r\nContent-Length: 0\r\n\r\n".encode())

    async def body() -> None:
        with served(talk) as port:
            own = own_client(backend, trust_env=False, proxy=f"http://127.0.0.1:{port}")
            client = backend.client(
                http_client=own, base_url="https://api.example/v1", api_key=API_KEY
            )
            with pytest.raises(APIConnectionError, match="proxy refused") as caught:
                await client.sessions.create()
            assert (caught.value.phase, caught.value.attempts) == ("connect", 1)
            assert_nowhere([SECRET, API_KEY], shown_by(caught.value))
            await close(own)

    backend.run(body)


@pytest.mark.parametrize("flavour_name", ["asyncio", "trio"])
def test_a_cancelled_call_shows_no_key(flavour_name: str) -> None:
    backend = Backend(flavour_name)
    caught: list[BaseException] = []

    asked = threading.Event()

    def silent(connection: socket.socket) -> None:
        while not connection.recv(65536).endswith(b"}"):
            pass
        asked.set()
        connection.recv(1)

    async def body() -> None:
        async def call(client: Any) -> None:
            try:
                await client.sessions.create()
            except BaseException as error:
                caught.append(error)
                raise

        with served(silent) as port:
            async with httpx.AsyncClient(trust_env=False) as own:
                client = backend.client(
                    http_client=own, base_url=f"http://127.0.0.1:{port}", api_key=API_KEY
                )
                async with anyio.create_task_group() as group:
                    group.start_soon(call, client)
                    with anyio.fail_after(20):
                        while not asked.is_set():
                            await anyio.sleep(0.005)
                    group.cancel_scope.cancel()

    backend.run(body)
    assert "Cancelled" in repr(caught[0])
    assert_nowhere([API_KEY], shown_by(caught[0]))
