from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from mint.service import PATH, app_for, serving
from openai_realtime.testing import MockRealtimeServer, MockResponse


def request_bytes(*lines: str, body: bytes = b"") -> bytes:
    head = [f"POST {PATH} HTTP/1.1", "Host: mint.example", "Content-Type: application/json", *lines]
    return "\r\n".join([*head, "X-User: ann", "", ""]).encode() + body


@contextmanager
def connected(address: tuple[str, int]) -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=10) as connection:
        yield connection


def response_to(address: tuple[str, int], *sent: bytes) -> bytes:
    """Return what the server sends until it closes the connection."""
    with connected(address) as connection:
        for piece in sent:
            connection.sendall(piece)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        return received


@pytest.mark.parametrize("size", [4096, 4097])
def test_chunks_are_counted_while_they_arrive(provider: MockRealtimeServer, size: int) -> None:
    body = b"{}" + b" " * (size - 2)
    chunks = [
        b"%x\r\n%s\r\n" % (len(c), c) for c in (body[i : i + 500] for i in range(0, size, 500))
    ]
    head = request_bytes("Transfer-Encoding: chunked", "Connection: close")
    with serving(app_for(provider)) as address:
        received = response_to(address, head, *chunks, b"0\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 200" if size == 4096 else b"HTTP/1.1 413")
    assert len(provider.requests) == (1 if size == 4096 else 0)


def test_an_endless_body_is_refused_after_4_kib_and_the_connection_closed(
    provider: MockRealtimeServer,
) -> None:
    with serving(app_for(provider)) as address:
        chunk = b"1000\r\n" + b" " * 4096 + b"\r\n"
        received = response_to(address, request_bytes("Transfer-Encoding: chunked"), chunk, chunk)
        # Announced and never sent: not waited for.
        announced = response_to(address, request_bytes("Content-Length: 4097"))
    for response in (received, announced):
        assert response.startswith(b"HTTP/1.1 413")
        assert b"connection: close" in response.lower()
    assert provider.requests == []


def test_minting_is_cancelled_when_the_browser_disconnects(
    provider: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    provider.respond_next(MockResponse(delay=60))
    caplog.set_level("INFO")
    upstream: set[socket.socket] = provider._http._open
    with serving(app_for(provider)) as address:
        with connected(address) as page:
            page.sendall(request_bytes("Content-Length: 2", body=b"{}"))
            wait_until(lambda: len(provider.requests) == 1)
            (to_provider,) = upstream
        # The provider sees the end of its connection, long before it would have responded.
        to_provider.settimeout(5)
        assert to_provider.recv(1, socket.MSG_PEEK) == b""
        wait_until(lambda: any(getattr(r, "outcome", "") == "disconnected" for r in caplog.records))
        # The service is well, and mints on a connection of its own.
        assert b" 200 OK" in response_to(
            address, request_bytes("Content-Length: 2", "Connection: close", body=b"{}")
        )
    assert len(provider.requests) == 2


def test_a_browser_that_disconnects_before_the_end_of_its_body(
    provider: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with serving(app_for(provider)) as address:
        with connected(address) as page:
            page.sendall(request_bytes("Content-Length: 2", body=b"{"))
        wait_until(lambda: any(getattr(r, "outcome", "") == "disconnected" for r in caplog.records))
    assert provider.requests == []


def test_a_server_that_stops_does_not_wait_for_the_provider(provider: MockRealtimeServer) -> None:
    provider.respond_next(MockResponse(delay=60))
    with connected_to_service(provider) as page:
        page.sendall(request_bytes("Content-Length: 2", body=b"{}"))
        wait_until(lambda: len(provider.requests) == 1)
        began = time.monotonic()
    assert time.monotonic() - began < 8


@contextmanager
def connected_to_service(provider: MockRealtimeServer) -> Iterator[socket.socket]:
    with serving(app_for(provider)) as address:
        page = socket.create_connection(address, timeout=10)
        yield page
    page.close()


def wait_until(is_so: Any) -> None:
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end, "it did not come about"
        threading.Event().wait(0.005)


def test_100_principals_at_the_same_time_get_100_secrets(provider: MockRealtimeServer) -> None:
    async def body(address: tuple[str, int]) -> list[httpx.Response]:
        url = f"http://{address[0]}:{address[1]}/voice{PATH}"
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=30) as browsers:
            return await asyncio.gather(
                *(browsers.post(url, json={}, headers={"x-user": f"user{n}"}) for n in range(100))
            )

    # Mounted in another app, as users do.
    app = Starlette(routes=[Mount("/voice", app_for(provider, close_client=False))])
    with serving(app) as address:
        responses = asyncio.run(body(address))
    assert {(response.status_code, response.json().get("error")) for response in responses} == {
        (200, None)
    }
    assert len({response.json()["value"] for response in responses}) == 100
    assert len(provider.requests) == 100
