"""Tunnels through a proxy, without I/O: HTTP's CONNECT (RFC 9110 §9.3.6) and SOCKS 5 (RFC 1928)."""

from __future__ import annotations

from abc import abstractmethod
from base64 import b64encode
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from openai_realtime.errors import APIConnectionError
from openai_realtime.transports.exceptions import MalformedResponseError
from openai_realtime.transports.http1 import HeadReader

if TYPE_CHECKING:
    import ssl

    from socksio import socks5

    _SocksReply = socks5.SOCKS5AuthReply | socks5.SOCKS5UsernamePasswordReply | socks5.SOCKS5Reply

_SOCKS_VERSION = b"\x05"
_SOCKS_LOGIN_VERSION = b"\x01"  # of RFC 1929
_MAX_SOCKS_BYTES = 255
_NOT_SOCKS = "its reply is not SOCKS 5"
_LOG_IN = "Put the proxy's user name and password into its URL"


class Destination(Protocol):
    """The host that a tunnel leads to."""

    @property
    def host(self) -> str:
        """A name or an address."""
        ...

    @property
    def port(self) -> int:
        """Its port."""
        ...


class TunnelProxy(Protocol):
    """The proxy that opens a tunnel."""

    @property
    def url(self) -> str:
        """Its URL without credentials, for messages."""
        ...

    @property
    def auth(self) -> tuple[str, str] | None:
        """The user name and the password; None: no login."""
        ...


class _Tunnel:
    """What both tunnels share: an open tunnel carries bytes unchanged."""

    failure: ssl.SSLError | None = None
    has_ended: bool = False
    is_between_records: bool = True

    def __init__(self, origin: Destination, proxy: TunnelProxy) -> None:
        self._origin = origin
        self._proxy = proxy
        self._buffer = bytearray()
        self.is_open: bool = False
        """Whether the proxy has opened the tunnel."""

    def receive(self, data: bytes | bytearray) -> tuple[bytes, bytes | bytearray]:
        """Take received bytes; return the bytes to send, and those that came through the tunnel."""
        if self.is_open:
            return b"", data
        self._buffer += data
        return self._negotiate()

    @abstractmethod
    def _negotiate(self) -> tuple[bytes, bytes]:
        """Read a complete reply from the buffer, if there is one; return as `receive` does."""

    def _opened(self) -> tuple[bytes, bytes]:
        behind, self._buffer, self.is_open = bytes(self._buffer), bytearray(), True
        return b"", behind

    def receive_eof(self) -> None:
        """Do nothing: a tunnel ends with its connection."""

    def send(self, data: bytes | memoryview) -> bytes:
        """Return `data` unchanged."""
        return bytes(data)

    def close(self, *, with_close_notify: bool) -> bytes:  # noqa: ARG002 - a layer's signature
        """Return nothing: a tunnel ends with its connection."""
        return b""

    def _refused(self, why: str, hint: str | None = None) -> APIConnectionError:
        return APIConnectionError(
            f"The proxy {self._proxy.url} refused the connection: {why}", phase="connect", hint=hint
        )


class ConnectTunnel(_Tunnel):
    """A tunnel that an HTTP proxy opens. The body of a response that refuses it is not read."""

    def start(self) -> bytes:
        """Return the CONNECT request."""
        self._head = HeadReader()
        host = f"[{self._origin.host}]" if ":" in self._origin.host else self._origin.host
        target = f"{host}:{self._origin.port}".encode("ascii")
        return b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (target, target, self._login())

    def _login(self) -> bytes:
        if self._proxy.auth is None:
            return b""
        return b"Proxy-Authorization: Basic %b\r\n" % b64encode(":".join(self._proxy.auth).encode())

    def _negotiate(self) -> tuple[bytes, bytes]:
        try:
            head = self._head.read(self._buffer)
        except MalformedResponseError as error:
            raise self._refused(f"its response is not valid HTTP: {error}") from None
        if head is None:
            return b"", b""
        # The headers of a response that accepts are ignored, also Content-Length and
        # Transfer-Encoding (RFC 9110 §9.3.6).
        if not HTTPStatus.OK <= head.status < HTTPStatus.MULTIPLE_CHOICES:
            raise self._refused(*_explained(head.status))
        del self._buffer[: head.size]
        return self._opened()


def _explained(status: int) -> tuple[str, str | None]:
    """Return a status with its registered phrase, not the proxy's, and a hint or None."""
    try:
        phrase = f" {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = ""
    is_login = status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
    return f"{status}{phrase}", _LOG_IN if is_login else None


class SocksTunnel(_Tunnel):
    """A tunnel that a SOCKS 5 proxy opens. The proxy resolves the origin's name."""

    def start(self) -> bytes:
        """Return the greeting, which lists this client's login method.

        Raises `APIConnectionError` if the login or the origin's name is too long for SOCKS 5.
        """
        from socksio import ProtocolError, socks5  # noqa: PLC0415 - an extra of httpx's

        for part in (*(self._proxy.auth or ()), self._origin.host):
            if len(part.encode()) > _MAX_SOCKS_BYTES:
                raise APIConnectionError(
                    "SOCKS 5 carries a user name, a password and a host name of 255 bytes at most",
                    hint="Reach the origin through an HTTP proxy",
                )
        self._failures = ProtocolError
        methods = socks5.SOCKS5AuthMethod
        self._method = methods.USERNAME_PASSWORD if self._proxy.auth else methods.NO_AUTH_REQUIRED
        self._expected: type[_SocksReply] = socks5.SOCKS5AuthReply
        self._version = _SOCKS_VERSION
        self._has_requested = False
        return socks5.SOCKS5AuthMethodsRequest([self._method]).dumps()

    def _negotiate(self) -> tuple[bytes, bytes]:
        if not self._version.startswith(self._buffer[:1]):
            raise self._refused(_NOT_SOCKS)
        size = self._reply_size()
        if len(self._buffer) < size:
            return b"", b""
        try:
            reply = self._expected.loads(bytes(self._buffer[:size]))
        except self._failures:
            raise self._refused(_NOT_SOCKS) from None
        del self._buffer[:size]
        expected = self._next_reply(reply)
        if expected is None:
            return self._opened()
        if self._buffer:
            raise self._refused("it replied before the request")
        self._expected = expected
        return self._request(), b""

    def _reply_size(self) -> int:
        """Return how many bytes the next reply has, or how many are needed to know that."""
        if not self._has_requested:
            return 2
        sizes = {b"\x01": 10, b"\x03": 7 + sum(self._buffer[4:5]), b"\x04": 22}
        return sizes.get(bytes(self._buffer[3:4]), 5)

    def _next_reply(self, reply: _SocksReply) -> type[_SocksReply] | None:
        """Return the next reply's type, or None after the last; raise if the proxy refuses."""
        from socksio import socks5  # noqa: PLC0415 - as above

        if isinstance(reply, socks5.SOCKS5Reply):
            if reply.reply_code is not socks5.SOCKS5ReplyCode.SUCCEEDED:
                raise self._refused(reply.reply_code.name.replace("_", " ").lower())
            return None
        if isinstance(reply, socks5.SOCKS5AuthReply):
            if reply.method is not self._method:
                raise self._refused("it requires another login method", _LOG_IN)
            if self._proxy.auth is not None:
                return socks5.SOCKS5UsernamePasswordReply
        elif not reply.success:
            raise self._refused("it does not accept the user name and password", _LOG_IN)
        return socks5.SOCKS5Reply

    def _request(self) -> bytes:
        """Return the request that is followed by the expected reply."""
        from socksio import socks5  # noqa: PLC0415 - as above

        if self._expected is socks5.SOCKS5UsernamePasswordReply:
            self._version = _SOCKS_LOGIN_VERSION
            return socks5.SOCKS5UsernamePasswordRequest(
                *[part.encode() for part in self._proxy.auth or ()]
            ).dumps()
        self._version, self._has_requested = _SOCKS_VERSION, True
        address = self._origin.host, self._origin.port
        command = socks5.SOCKS5Command.CONNECT
        return socks5.SOCKS5CommandRequest.from_address(command, address).dumps()
