"""One blocking lane's sockets: as `network.py`'s, and every operation obeys the call's deadline.

Owns: the bytes between httpcore and the kernel, and the wait for name resolution. Must not know:
HTTP's meaning, retries, lanes.
"""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import httpcore

from openai_realtime.core.head import HeadGuard
from openai_realtime.transports.network import GuardedNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openai_realtime.core.deadline import Deadline

_TLS_IN_TLS = 2


class SyncLaneNetwork(GuardedNetwork, httpcore.NetworkBackend):
    """A sync lane's network. `deadline` is that of the call that uses the lane now."""

    def __init__(self, deadline: Deadline, watched_layer: int) -> None:
        self.deadline: Deadline = deadline
        self.watched_layer: int = watched_layer
        self.guard: HeadGuard = HeadGuard()
        self.connected_by: float = 0.0
        """When connecting must be over, TLS included, on the deadline's clock."""
        self.tls: list[ssl.SSLObject | ssl.SSLSocket] = []
        self._network = httpcore.SyncBackend()
        self._opened: list[httpcore.NetworkStream] = []
        self._ahead: _SyncStream | None = None

    def connect_ahead(
        self, host: str, port: int, tls: ssl.SSLContext | None, seconds: float
    ) -> None:
        """Connect before there is a request: httpcore, which asks later, finds it done."""
        stream = self.connect_tcp(host, port, seconds)
        if tls is not None:
            stream = stream.start_tls(tls, host)
            stream.is_encrypted_ahead = True
        self._ahead = stream

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> _SyncStream:
        """Return a connected stream; raises httpcore's `ConnectTimeout` or `ConnectError`.

        Where a name has several addresses, each gets its share of the time that is left.
        """
        if self._ahead is not None:
            ahead, self._ahead = self._ahead, None
            return ahead
        clock = self.deadline.clock
        end = self.connected_by = clock() + self.time_left(timeout, httpcore.ConnectTimeout)
        addresses = _resolve(host, port, end - clock())
        trouble: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectTimeout()
        while addresses and (left := end - clock()) > 0:
            address, share = addresses.pop(0), left / (len(addresses) + 1)
            try:
                stream = self._network.connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (httpcore.ConnectTimeout, httpcore.ConnectError) as error:
                trouble = error
            else:
                self._opened.append(stream)
                return _SyncStream(self, stream, layer=0)
        raise trouble

    def close(self) -> None:
        """Close what httpcore may have left open: it forgets a handshake that was not begun.

        And what was opened ahead and never asked for.
        """
        if self._ahead is not None:
            self._ahead.close()
        for stream in self._opened:
            stream.close()

    def time_left(self, limit: float | None, exceeded: type[httpcore.TimeoutException]) -> float:
        """Return `limit` cut to what the call has left; raises `exceeded` when that is nothing."""
        seconds = self.deadline.cut(limit)
        if seconds <= 0:
            raise exceeded
        return seconds


class _SyncStream(httpcore.NetworkStream):
    def __init__(
        self, network: SyncLaneNetwork, stream: httpcore.NetworkStream, *, layer: int
    ) -> None:
        self._network = network
        self._stream = stream
        self._layer = layer
        self._held: list[bytes] = []
        self.is_encrypted_ahead: bool = False
        """Whether TLS stands already, for httpcore, which does not know, to ask for it."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._held:
            request = b"".join(self._held)
            self._held.clear()
            with suppress(httpcore.WriteError):  # the server may have answered before it hung up
                self._send(request, timeout)
        seconds = self._network.time_left(timeout, httpcore.ReadTimeout)
        return self._network.watch(self._stream.read(max_bytes, seconds), self._layer)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - httpcore's own signature
        self._held.append(buffer)

    def _send(self, request: bytes, timeout: float | None) -> None:
        if self._layer >= _TLS_IN_TLS:  # httpcore encrypts, and keeps the time a write
            self._stream.write(request, self._network.time_left(timeout, httpcore.WriteTimeout))
            return
        connection: socket.socket = self._stream.get_extra_info("socket")
        rest = memoryview(request)
        while rest:
            connection.settimeout(self._network.time_left(timeout, httpcore.WriteTimeout))
            try:
                rest = rest[connection.send(rest) :]
            except TimeoutError as error:
                raise httpcore.WriteTimeout from error
            except OSError as error:
                raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> _SyncStream:
        if self.is_encrypted_ahead:
            self.is_encrypted_ahead = False
            return self
        rest = self._network.connected_by - self._network.deadline.clock()
        limit = rest if timeout is None else min(timeout, rest)
        seconds = self._network.time_left(limit, httpcore.ConnectTimeout)
        handshake = cast("ssl.SSLContext", _Handshake(ssl_context))
        stream = self._stream.start_tls(handshake, server_hostname, seconds)
        # TLS within a proxy's TLS is no socket.
        layer = stream.get_extra_info("ssl_object")
        is_within = isinstance(layer, ssl.SSLObject)
        self._network.tls.append(layer if is_within else stream.get_extra_info("socket"))
        return _SyncStream(self._network, stream, layer=self._layer + 1)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Handshake:
    """A TLS context that leaves no descriptor to nobody when its handshake is interrupted."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def wrap_socket(self, plain: socket.socket, *, server_hostname: str | None) -> ssl.SSLSocket:
        plain.getpeername()  # of a connection already reset, wrap_socket loses its own socket
        encrypted = self._context.wrap_socket(
            plain, server_hostname=server_hostname, do_handshake_on_connect=False
        )
        try:
            encrypted.do_handshake()
        except BaseException:
            encrypted.close()
            raise
        return encrypted


def _resolve(host: str, port: int, seconds: float) -> list[str]:
    """Return a host's addresses, or raise within `seconds`: getaddrinfo itself knows no limit."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, host)
            return [host]
    found: list[str] = []
    failures: list[OSError] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(answer[4][0]) for answer in answers))
        except OSError as error:
            failures.append(error)

    # A daemon: nobody waits for a resolver that never answers, not even the process's end.
    asking = threading.Thread(target=ask, daemon=True, name="openai_realtime-resolver")
    asking.start()
    asking.join(seconds)
    if failures:
        raise httpcore.ConnectError(str(failures[0])) from failures[0]
    if not found:
        message = "The host's name was not resolved in time"
        raise httpcore.ConnectTimeout(message)
    return found
