"""One async lane's sockets: one write a request, bounded headers; and the watch all lanes share.

Owns: the bytes between httpcore and the kernel. Must not know: HTTP's meaning, retries, lanes.

httpcore writes a request's headers and body one by one; they are held here until it wants to read,
and go out together: one packet, one TLS record.
"""

from __future__ import annotations

import math
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import anyio
import httpcore

from openai_realtime.core.head import HeadGuard

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(slots=True)
class Progress:
    """How far a request has come, for when it is abandoned midway."""

    was_sent: bool = False
    """Whether any of it may have reached the server."""


class GuardedNetwork:
    """What both kinds of network share: the watch over an answer's head, and what TLS holds."""

    guard: HeadGuard
    watched_layer: int
    """How many TLS layers the server's answers come through; what comes through fewer is a proxy's."""
    tls: list[ssl.SSLObject | ssl.SSLSocket]
    """The TLS layers in use, a proxy's first."""

    def holds_more(self) -> bool:
        """Return whether there are bytes this side of the kernel that nobody has asked for."""
        return any(_has_decrypted(layer) for layer in self.tls)

    def watch(self, data: bytes, layer: int) -> bytes:
        """Return `data`; raises httpcore's `RemoteProtocolError` when an answer's head is too long."""
        if layer == self.watched_layer and not self.guard.is_done:
            wrong = self.guard.feed(data)
            if wrong is not None:
                raise httpcore.RemoteProtocolError(wrong)
        return data


def _has_decrypted(tls: ssl.SSLObject | ssl.SSLSocket) -> bool:
    """Return whether a TLS layer has decrypted, or could decrypt, bytes that nobody has asked for."""
    if isinstance(tls, ssl.SSLSocket):
        return tls.pending() > 0  # whole records wait in the kernel, where they are seen
    try:
        tls.read(1)
    except ssl.SSLWantReadError:
        return False
    except ssl.SSLError:
        pass
    return True


class AsyncLaneNetwork(GuardedNetwork, httpcore.AsyncNetworkBackend):
    """An async lane's network, on asyncio and trio."""

    def __init__(self, watched_layer: int) -> None:
        self.watched_layer: int = watched_layer
        self.guard: HeadGuard = HeadGuard()
        self.progress: Progress = Progress()
        self.connected_by: float = 0.0
        """When connecting must be over, TLS included, on anyio's clock."""
        self.tls: list[ssl.SSLObject | ssl.SSLSocket] = []
        self._network = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())
        self._opened: list[httpcore.AsyncNetworkStream] = []
        self._ahead: _AsyncStream | None = None

    async def connect_ahead(
        self, host: str, port: int, tls: ssl.SSLContext | None, seconds: float
    ) -> None:
        """Connect before there is a request: httpcore, which asks later, finds it done."""
        stream = await self.connect_tcp(host, port, seconds)
        if tls is not None:
            stream = await stream.start_tls(tls, host)
            stream.is_encrypted_ahead = True
        self._ahead = stream

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> _AsyncStream:
        """Return a connected stream; raises httpcore's `ConnectTimeout` or `ConnectError`."""
        if self._ahead is not None:
            stream, self._ahead = self._ahead, None
            return stream
        self.connected_by = anyio.current_time() + (math.inf if timeout is None else timeout)
        plain = await self._network.connect_tcp(host, port, timeout, local_address, socket_options)
        self._opened.append(plain)
        return _AsyncStream(self, plain, layer=0)

    def holds_more(self) -> bool:
        """Return whether there are bytes this side of the kernel that nobody has asked for.

        On asyncio they may wait in anyio too, and on Windows in asyncio, which reads ahead. Neither has
        a public way to tell.
        """
        return super().holds_more() or any(_is_waiting(stream) for stream in self._opened)

    async def aclose(self) -> None:
        """Close what httpcore may have left open: it forgets a handshake that was cancelled.

        And what was opened ahead and never asked for.
        """
        if self._ahead is not None:
            await self._ahead.aclose()
        for stream in self._opened:
            await stream.aclose()


def _is_waiting(stream: httpcore.AsyncNetworkStream) -> bool:
    inner = getattr(stream, "_stream", None)
    received: object = getattr(getattr(inner, "_protocol", None), "read_queue", None)
    read_ahead: int = getattr(getattr(inner, "_transport", None), "_pending_data_length", -1)
    return bool(received) or read_ahead >= 0  # 0: its end


class _AsyncStream(httpcore.AsyncNetworkStream):
    def __init__(
        self, network: AsyncLaneNetwork, stream: httpcore.AsyncNetworkStream, *, layer: int
    ) -> None:
        self._layer = layer
        self._network = network
        self._stream = stream
        self._held: list[bytes] = []
        self.is_encrypted_ahead: bool = False
        """Whether TLS stands already, for httpcore, which does not know, to ask for it."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's own signature
        if self._held:
            request = b"".join(self._held)
            self._held.clear()
            self._network.progress.was_sent = self._layer == self._network.watched_layer
            with suppress(httpcore.WriteError):  # the server may have answered before it hung up
                await self._stream.write(request, timeout)
        return self._network.watch(await self._stream.read(max_bytes, timeout), self._layer)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109 - httpcore's own signature
        self._held.append(buffer)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
    ) -> _AsyncStream:
        if self.is_encrypted_ahead:
            self.is_encrypted_ahead = False
            return self
        rest = max(0.0, self._network.connected_by - anyio.current_time())
        seconds = rest if timeout is None else min(timeout, rest)
        stream = await self._stream.start_tls(ssl_context, server_hostname, seconds)
        self._network.tls.append(stream.get_extra_info("ssl_object"))
        return _AsyncStream(self._network, stream, layer=self._layer + 1)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
