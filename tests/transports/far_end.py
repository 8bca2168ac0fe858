"""The far end of a connection without a socket: a proxy, where there is one, and the server."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from authorities import new_authority

from openai_realtime.transports.connection import Connection, Layer
from openai_realtime.transports.proxies import Origin, Proxy
from openai_realtime.transports.tls import TlsLayer
from openai_realtime.transports.tunnels import ConnectTunnel, SocksTunnel
from transports.outcomes import receive

ORIGIN = Origin("https", "localhost", 443)
STACKS = ("plain", "tls", "connect", "tls connect", "socks")
SECURE_STACKS = STACKS[1:]


class FarLayer(Protocol):
    """One layer, seen from the far end."""

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what came; return the reply, and what is for the layer above."""
        ...

    def send(self, data: bytes) -> bytes:
        """Return what carries `data`."""
        ...


class FarTls:
    """The server's side of TLS."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_open = False
        self.has_begun: bool = False
        """Whether the client has begun with it."""
        self.heard: str = ""
        """How the client ended it: "close_notify", or OpenSSL's name for its alert."""

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        self._incoming.write(data)
        self.has_begun = True
        plaintext = b""
        try:
            if not self._is_open:
                self._tls.do_handshake()
                self._is_open = True
            while part := self._tls.read(65_536):
                plaintext += part
            self.heard = "close_notify"
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.heard = error.reason or type(error).__name__
        return self._outgoing.read(), plaintext

    def send(self, data: bytes) -> bytes:
        if data:
            self._tls.write(data)
        return self._outgoing.read()

    def close_notify(self) -> bytes:
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        return self._outgoing.read()

    def fatal_alert(self) -> bytes:
        """Return what a server says to a record that was never encrypted."""
        reply, _ = self.receive(b"\x17\x03\x03\x00\x20" + bytes(32))
        assert self.heard
        return reply


class FarTunnel:
    """The proxy's side of a tunnel, which it opens."""

    def __init__(self, script: Sequence[tuple[bytes, bytes]]) -> None:
        self._script = [*script]
        self._held = b""

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        if not self._script:
            return b"", data
        self._held += data
        request, reply = self._script[0]
        assert request.startswith(self._held)
        if self._held != request:
            return b"", b""
        self._held = b""
        del self._script[0]
        return reply, b""

    def send(self, data: bytes) -> bytes:
        return data


CONNECT = (
    (
        b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n",
        b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n",
    ),
)
SOCKS = (
    (b"\x05\x01\x00", b"\x05\x00"),
    (b"\x05\x01\x00\x03\x09localhost\x01\xbb", b"\x05\x00\x00\x01\x7f\x00\x00\x01\x01\xbb"),
)


class FarEnd:
    """The layers of the far end; what the server has received, and what it sends."""

    def __init__(self, layers: Sequence[FarLayer]) -> None:
        self._layers = layers
        self.received: bytes = b""

    @property
    def tls(self) -> list[FarTls]:
        """The TLS layers, the proxy's first."""
        return [layer for layer in self._layers if isinstance(layer, FarTls)]

    def receive(self, data: bytes) -> bytes:
        """Take what came; return the layers' replies."""
        return self._pass_up(0, data)

    def send(self, data: bytes) -> bytes:
        """Return what carries the server's `data`."""
        return self.wrapped(data, len(self._layers))

    def wrapped(self, data: bytes, position: int) -> bytes:
        """Return what carries `data` from the layer at `position`."""
        for layer in reversed(self._layers[:position]):
            data = layer.send(data)
        return data

    def from_tls(self, layer: FarTls, data: bytes) -> bytes:
        """Return what carries the bytes that a TLS layer has made itself."""
        return self.wrapped(data, self._layers.index(layer))

    def _pass_up(self, position: int, data: bytes) -> bytes:
        if position == len(self._layers):
            self.received += data
            return b""
        reply, above = self._layers[position].receive(data)
        outgoing = self.wrapped(reply, position) if reply else b""
        return outgoing + (self._pass_up(position + 1, above) if above else b"")


class World:
    """Certificates, contexts, and both ends of connections through any stack of layers."""

    def __init__(self) -> None:
        self.authority = new_authority()
        self.client_context = ssl.create_default_context()
        self.authority.configure_trust(self.client_context)
        self.server_context = self.new_server_context()

    def new_server_context(self, name: str = "localhost") -> ssl.SSLContext:
        """Return the context of a server whose certificate is for `name`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(name).configure_cert(context)
        return context

    def ends(self, stack: str, context: ssl.SSLContext | None = None) -> tuple[Connection, FarEnd]:
        """Return a connection, and the far end that it is for: its server has the context."""
        near: list[Layer] = []
        far: list[FarLayer] = []
        for name in stack.split():
            if name == "tls":
                near.append(TlsLayer(self.client_context, "localhost"))
                far.append(FarTls(self.server_context))
            elif name == "connect":
                near.append(ConnectTunnel(ORIGIN, Proxy("http", "proxy", 3128)))
                far.append(FarTunnel(CONNECT))
            elif name == "socks":
                near.append(SocksTunnel(ORIGIN, Proxy("socks5", "proxy", 1080)))
                far.append(FarTunnel(SOCKS))
        if stack.endswith(("connect", "socks")):
            near.append(TlsLayer(self.client_context, "localhost"))
            far.append(FarTls(context or self.server_context))
        elif stack == "tls" and context is not None:
            far[-1] = FarTls(context)
        return Connection(near), FarEnd(far)

    def opened(
        self, stack: str, context: ssl.SSLContext | None = None, size: int = 1 << 20
    ) -> tuple[Connection, FarEnd]:
        """Return both ends of a connection that is open, the server's tickets taken."""
        connection, far = self.ends(stack, context)
        open_both(connection, far, size)
        return connection, far


def open_both(connection: Connection, far: FarEnd, size: int = 1 << 20) -> None:
    """Carry bytes, at most `size` at once, until neither end sends any."""
    outgoing = connection.start()
    while outgoing:
        incoming = far.receive(outgoing)
        outgoing = receive_all(connection, pieces_of(incoming, size))
    assert connection.is_open


def receive_all(connection: Connection, pieces: Iterable[bytes]) -> bytes:
    """Pass on what comes in pieces; return what is to be sent."""
    return b"".join([receive(connection, piece) for piece in pieces])


def pieces_of(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))
