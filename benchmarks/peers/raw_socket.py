"""The limit: asyncio's own transport, a request made beforehand, pydantic for the response."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from benchmarks.messages import PARAMETERS
from benchmarks.peers import Target
from benchmarks.plain_model import ClientSecret


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._received = b""
        self._response: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or self._response is None:
            return
        head = self._received[:end].lower()
        length = int(head[head.index(b"content-length:") + 15 :].split(b"\r\n", 1)[0])
        if len(self._received) >= end + 4 + length:
            body, self._received = self._received[end + 4 :], b""
            self._response.set_result(body)

    async def send(self, request: bytes) -> bytes:
        assert self.transport is not None
        self._response = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._response


@asynccontextmanager
async def open_async(target: Target) -> AsyncGenerator[Callable[[], Awaitable[str]]]:
    """Yield what mints one secret."""
    url = urlsplit(target.base_url)
    body = json.dumps(PARAMETERS).encode()
    request = (
        f"POST {url.path}/realtime/client_secrets HTTP/1.1\r\nHost: {url.netloc}\r\n"
        "Authorization: Bearer sk-benchmark\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    trust = ssl.create_default_context(cafile=target.authority) if target.authority else None
    idle: list[_Connection] = []
    event_loop = asyncio.get_running_loop()

    async def mint() -> str:
        if idle:
            connection = idle.pop()
        else:
            _, connection = await event_loop.create_connection(
                _Connection, url.hostname or "", url.port or 443, ssl=trust
            )
        response = await connection.send(request)
        idle.append(connection)
        return ClientSecret.model_validate_json(response).value

    yield mint
    for connection in idle:
        if connection.transport is not None:
            connection.transport.abort()
