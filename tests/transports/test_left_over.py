"""Bytes that come behind a response, in any layer: their connection serves no other call."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from backends import ON_BOTH_PARSERS, Backend

from transports.server_dialogue import served

if TYPE_CHECKING:
    import trustme

BACKENDS = ON_BOTH_PARSERS


def response(secret: str, size: int = 0) -> bytes:
    """Return a response of `size` bytes, head included, or as many as it needs."""
    expires = int(time.time()) + 60
    body = b'{"client_secret":{"value":"%s","expires_at":%d}}' % (secret.encode(), expires)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %6d\r\n\r\n"
    padding = b" " * (size - len(head % 0) - len(body))
    return head % (len(body) + len(padding)) + body + padding


def three_secrets(backend: Backend, **options: Any) -> list[str]:
    got: list[str] = []

    async def body() -> None:
        async with backend.client(api_key="sk-x", timeout=5, **options) as client:
            for _ in range(3):
                got.append(str.__str__((await client.sessions.create()).client_secret.value))
                await anyio.sleep(0.02)

    backend.run(body)
    return got


@pytest.mark.parametrize("size", [100, 65_536, 65_537])
def test_in_the_same_segment(backend: Backend, size: int) -> None:
    """asyncio takes up to 256 KiB at once, of which anyio hands out 64."""
    count = 0

    def talk(connection: socket.socket) -> None:
        nonlocal count
        while connection.recv(65_536):
            count += 1
            behind = response("ek_behind") if count == 2 else b""
            connection.sendall(response(f"ek_{count}", size) + behind)

    with served(talk) as port:
        got = three_secrets(backend, base_url=f"http://127.0.0.1:{port}/v1")
    assert got == ["ek_1", "ek_2", "ek_3"]


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("records", [1, 2])
def test_in_tls_within_a_proxys_tls(backend: Backend, records: int, authority: trustme.CA) -> None:
    """Two inner records, in one of the proxy's or in two that come in one segment."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    count = 0

    def talk(connection: socket.socket) -> None:
        """Be the proxy and the server behind it."""
        nonlocal count
        outer = _Tls(context, connection.recv, connection.sendall)
        outer.read()
        outer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        outer.flush()

        def send(data: bytes) -> None:
            outer.write(data)
            if not is_held:
                outer.flush()

        inner = _Tls(context, lambda _: outer.read(), send)
        is_held = False
        while inner.read():
            count += 1
            is_held = records == 2
            inner.write(response(f"ek_{count}"))
            if is_held:
                inner.flush()
            if count == 2:
                inner.write(response("ek_behind"))
            inner.flush()
            outer.flush()
            is_held = False

    with served(talk) as port:
        proxy = f"https://localhost:{port}"
        got = three_secrets(backend, base_url="https://localhost:9/v1", proxy=proxy)
    assert got == ["ek_1", "ek_2", "ek_3"]


class _Tls:
    """The server's side of TLS, over anything that takes and gives bytes."""

    def __init__(
        self,
        context: ssl.SSLContext,
        receive: Callable[[int], bytes],
        send: Callable[[bytes], object],
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._receive, self._send = receive, send

    def read(self) -> bytes:
        while True:
            try:
                return self._tls.read(65_536)
            except ssl.SSLWantReadError:
                self.flush()
                data = self._receive(65_536)
                if not data:
                    raise OSError from None
                self._incoming.write(data)

    def write(self, data: bytes) -> None:
        self._tls.write(data)

    def flush(self) -> None:
        if self._outgoing.pending:
            self._send(self._outgoing.read())
