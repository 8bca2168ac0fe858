"""Blocking sockets that obey a call's deadline: where the sync client's total limit bites.

Owns: cutting every socket operation to the time left. Must not know: HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpcore

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from openai_realtime.core.deadline import Deadline


class DeadlineNetwork(httpcore.NetworkBackend):
    """One lane's network. `deadline` is that of the call that uses the lane now."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Return a connected stream; raises httpcore's `ConnectTimeout` or `ConnectError`."""
        seconds = self.time_left(timeout, httpcore.ConnectTimeout)
        stream = self._network.connect_tcp(host, port, seconds, local_address, socket_options)
        return _DeadlineStream(self, stream)

    def time_left(self, limit: float | None, exceeded: type[httpcore.TimeoutException]) -> float:
        """Return `limit` cut to what the call has left; raises `exceeded` when that is nothing."""
        seconds = self.deadline.cut(limit)
        if seconds <= 0:
            raise exceeded
        return seconds


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, network: DeadlineNetwork, stream: httpcore.NetworkStream) -> None:
        self._network = network
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._network.time_left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._network.time_left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        seconds = self._network.time_left(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(
            self._network, self._stream.start_tls(ssl_context, server_hostname, seconds)
        )

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
