"""A response that is given before the body was read closes the connection, on a real uvicorn."""

from __future__ import annotations

import http.client
import select
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from uvicorn.importer import import_from_string

from mint.service import PATH, app_for, serving
from openai_realtime import WebhookVerifier, asgi
from openai_realtime.testing import MOCK_WEBHOOK_SECRET, MockRealtimeServer
from openai_realtime.webhooks import on_call_incoming

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON = "Content-Type: application/json"
ANN = "X-User: ann"
HUGE = "Content-Length: 99999999999"
CHUNKED = "Transfer-Encoding: chunked"
CHUNK = b"%x\r\n%s\r\n" % (65_536, b" " * 65_536)
MOST = 64 << 20
"""How many bytes a stranger sends at most: 64 MiB."""
LINGER_SECONDS = 0.2
"""Instead of 1 s, so that the tests are quick."""


COUNTED = [0]
"""How many bytes uvicorn has read."""


def counting(protocol: type[Any]) -> type[Any]:
    class Counting(protocol):  # type: ignore[misc]  # made at run time
        def data_received(self, data: bytes) -> None:
            COUNTED[0] += len(data)
            super().data_received(data)

    return Counting


@pytest.fixture(scope="module", params=["h11_impl:H11Protocol", "httptools_impl:HttpToolsProtocol"])
def address(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """A mint service, the same one mounted, and a webhook's route."""
    if "httptools" in request.param:
        pytest.importorskip("httptools")
    protocol = import_from_string(f"uvicorn.protocols.http.{request.param}")
    webhook = on_call_incoming(
        lambda _: None, verifier=WebhookVerifier(MOCK_WEBHOOK_SECRET), body_timeout=0.3
    )
    with MockRealtimeServer() as provider, pytest.MonkeyPatch.context() as patch:
        patch.setattr(asgi, "_LINGER_SECONDS", LINGER_SECONDS)
        mint = app_for(provider, limits="1000/minute")
        app = Starlette(routes=[webhook, Mount("/mounted", mint), Mount("/", mint)])
        with serving(app, http=counting(protocol)) as where:
            yield where


def stranger(address: tuple[str, int], first: str, *headers: str) -> tuple[bytes, int]:
    """Send a request whose body does not end; return what came back, and how much was read of it."""
    before = COUNTED[0]
    head = "\r\n".join([f"{first} HTTP/1.1", "Host: x", *headers, "", ""])
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(head.encode())
        connection.setblocking(False)
        received, sent, unsent = b"", 0, CHUNK
        end = time.monotonic() + 10
        while sent < MOST:
            assert time.monotonic() < end, f"the connection stays open: {received!r}"
            readable, writable, _ = select.select([connection], [connection], [], 1)
            try:
                if readable:
                    piece = connection.recv(65_536)
                    if not piece:
                        break
                    received += piece
                if writable:
                    count = connection.send(unsent)
                    sent, unsent = sent + count, unsent[count:] or CHUNK
            except ConnectionError:
                break
    return received, COUNTED[0] - before


@pytest.mark.parametrize(
    ("status", "first", "headers"),
    [
        (401, f"POST {PATH}", (JSON, HUGE)),
        (401, f"POST {PATH}", (JSON, CHUNKED)),
        (401, f"POST /mounted{PATH}", (JSON, CHUNKED)),
        (403, f"POST {PATH}", (JSON, CHUNKED, "Origin: https://evil.example")),
        (403, f"OPTIONS {PATH}", (CHUNKED, "Origin: https://evil.example")),
        (404, "POST /nowhere", (CHUNKED,)),
        (404, "POST /mounted/nowhere", (HUGE,)),
        (405, f"PUT {PATH}", (JSON, CHUNKED)),
        (405, "POST /healthz", (CHUNKED,)),
        (200, "GET /healthz", (CHUNKED,)),
        (200, "GET /healthz", (HUGE,)),
        (413, f"POST {PATH}", (JSON, ANN, HUGE)),
        (413, f"POST {PATH}", (JSON, ANN, CHUNKED)),
        (415, f"POST {PATH}", (ANN, CHUNKED)),
        (405, "PUT /webhooks/openai", (CHUNKED,)),
        (413, "POST /webhooks/openai", (HUGE,)),
        (413, "POST /webhooks/openai", (CHUNKED,)),
    ],
)
def test_the_body_of_a_refused_request_is_not_read_to_its_end(
    address: tuple[str, int], status: int, first: str, headers: tuple[str, ...]
) -> None:
    response, read = stranger(address, first, *headers)
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % status)
    assert b"\r\nconnection: close" in head
    assert f"content-length: {len(body)}".encode() in head
    # The body's bound, and 64 KiB while the connection closes: each is exceeded by one message at
    # most, of 64 KiB and what asyncio reads at once. uvicorn reads as much again ahead.
    bound = 256 << 10 if "webhooks" in first else 4 << 10
    assert read <= bound + (64 << 10) + 3 * ((64 << 10) + (256 << 10))


def test_a_body_that_does_not_arrive_is_408_and_closes_the_connection(
    address: tuple[str, int],
) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(
            b"POST /webhooks/openai HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
        )
        response = b""
        while piece := connection.recv(65_536):
            response += piece
    assert response.startswith(b"HTTP/1.1 408")
    assert b"\r\nconnection: close" in response


@pytest.mark.parametrize("path", [PATH, "/webhooks/openai", "/nowhere"])
def test_a_client_that_reads_only_after_it_sent_all_gets_its_response(
    address: tuple[str, int], path: str
) -> None:
    """Which a reset would prevent: it sends more than is read, in one go."""
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.request("POST", path, bytes(700_000), {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.status in {401, 413, 404}
    assert response.read()
    connection.close()


def test_a_connection_whose_body_was_read_stays_open(address: tuple[str, int]) -> None:
    connection = http.client.HTTPConnection(*address, timeout=10)
    requests: list[tuple[str, str, bytes | None, int]] = [
        ("POST", PATH, b"[]", 400),
        ("OPTIONS", PATH, None, 405),
        ("POST", PATH, b"", 400),
        ("POST", "/webhooks/openai", b"{}", 400),
        ("POST", PATH, b"{}", 200),
        ("GET", "/nowhere", None, 404),
    ]
    used: list[Any] = []
    for method, path, body, status in requests:
        connection.request(
            method, path, body, {"Content-Type": "application/json", "X-User": "ann"}
        )
        response = connection.getresponse()
        response.read()
        assert response.status == status
        used.append(connection.sock)
    assert len(set(map(id, used))) == 1
    connection.close()
