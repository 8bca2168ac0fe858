"""Tunnels through a proxy, without I/O: HTTP's CONNECT (RFC 9110 §9.3.6) and SOCKS 5 (RFC 1928)."""

from __future__ import annotations

from abc import abstractmethod
from base64 import b64encode
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from openai_realtime.errors import APIConnectionError
from openai_realtime.transports.exceptions import lost
from openai_realtime.transports.http1 import HeadReader
from openai_realtime.transports.parsers import MalformedResponseError

if TYPE_CHECKING:
    from openai_realtime.transports.http1 import Origin
    from openai_realtime.transports.proxies import Proxy

_LOG_IN = "Put the proxy's user name and password into its URL"


class _Tunnel:
    """What both tunnels share: once open, they carry bytes as they are."""

    failure: APIConnectionError | None = None
    has_ended: bool = False
    is_between_records: bool = True

    def __init__(self, origin: Origin, proxy: Proxy) -> None:
        self._origin = origin
        self._proxy = proxy
        self._held = b""
        self.is_open: bool = False
        """Whether the proxy has opened the tunnel."""

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what came; return what is to be sent, and what came through the open tunnel."""
        if self.is_open:
            return b"", data
        self._held += data
        return self._negotiate()

    @abstractmethod
    def _negotiate(self) -> tuple[bytes, bytes]:
        """Read what is held as far as it is whole; return as `receive` does."""

    def _opened(self) -> tuple[bytes, bytes]:
        behind, self._held, self.is_open = self._held, b"", True
        return b"", behind

    def receive_eof(self) -> None:
        """Take note that nothing more comes; raises `APIConnectionError` while it is not open."""
        if not self.is_open:
            raise lost("connect")

    def send(self, data: bytes) -> bytes:
        """Return `data` as it is."""
        return data

    def close(self, *, says_goodbye: bool) -> bytes:  # noqa: ARG002 - a layer's signature
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
        import h11  # noqa: PLC0415 - 12 ms, which only those behind a proxy wait for

        host = f"[{self._origin.host}]" if ":" in self._origin.host else self._origin.host
        target = f"{host}:{self._origin.port}"
        headers = [("Host", target)]
        if self._proxy.auth is not None:
            login = b64encode(":".join(self._proxy.auth).encode()).decode("ascii")
            headers.append(("Proxy-Authorization", f"Basic {login}"))
        self._head = HeadReader()
        self._http = h11.Connection(h11.CLIENT)
        self._switched = h11.SWITCHED_PROTOCOL
        request = h11.Request(method="CONNECT", target=target, headers=headers)
        return (self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b"")

    def _negotiate(self) -> tuple[bytes, bytes]:
        try:
            head = self._head.read(self._held)
        except MalformedResponseError as error:
            raise self._refused(f"its response is not valid HTTP: {error}") from None
        if head is None:
            return b"", b""
        self._http.receive_data(self._held[head.start : head.end])
        self._http.next_event()
        if self._http.their_state is not self._switched:
            raise self._refused(*_explained(head.status))
        self._held = self._held[head.end :]
        return self._opened()


def _explained(status: int) -> tuple[str, str | None]:
    """Return a status with its registered phrase, not the proxy's own, and what to do about it."""
    try:
        phrase = f" {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = ""
    is_login = status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
    return f"{status}{phrase}", _LOG_IN if is_login else None


class SocksTunnel(_Tunnel):
    """A tunnel that a SOCKS 5 proxy opens. The proxy resolves the origin's name."""

    def start(self) -> bytes:
        """Return the greeting, which names how this client can log in."""
        from socksio import ProtocolError, socks5  # noqa: PLC0415 - an extra of httpx's

        self._socks5 = socks5
        self._failures = ProtocolError, ValueError
        methods = socks5.SOCKS5AuthMethod
        self._method = methods.USERNAME_PASSWORD if self._proxy.auth else methods.NO_AUTH_REQUIRED
        self._socks = socks5.SOCKS5Connection()
        self._socks.send(socks5.SOCKS5AuthMethodsRequest([self._method]))
        return self._socks.data_to_send()

    def _negotiate(self) -> tuple[bytes, bytes]:
        while len(self._held) >= (size := self._reply_size()):
            reply, self._held = self._held[:size], self._held[size:]
            try:
                has_opened = self._takes(self._socks.receive_data(reply))
            except self._failures:
                raise self._refused("its reply is not SOCKS 5") from None
            if has_opened:
                return self._opened()
        return self._socks.data_to_send(), b""

    def _reply_size(self) -> int:
        """Return how many bytes the next reply has, or at least how many tell that."""
        if self._socks.state is not self._socks5.SOCKS5State.CLIENT_AUTHENTICATED:
            return 2
        sizes = {b"": 5, b"\x01": 10, b"\x03": 7 + sum(self._held[4:5]), b"\x04": 22}
        return sizes.get(self._held[3:4], 5)

    def _takes(self, reply: NamedTuple) -> bool:
        """Answer a reply, and return whether it was the last one."""
        from socksio import socks5  # noqa: PLC0415 - an extra of httpx's

        log_in: tuple[bytes, ...] = ()
        if isinstance(reply, socks5.SOCKS5Reply):
            if reply.reply_code is not socks5.SOCKS5ReplyCode.SUCCEEDED:
                raise self._refused(reply.reply_code.name.replace("_", " ").lower())
            return True
        if isinstance(reply, socks5.SOCKS5UsernamePasswordReply):
            if not reply.success:
                raise self._refused("it does not accept the user name and password", _LOG_IN)
        elif isinstance(reply, socks5.SOCKS5AuthReply):
            if reply.method is not self._method:
                raise self._refused("it wants another way to log in", _LOG_IN)
            log_in = tuple(part.encode() for part in self._proxy.auth or ())
        if log_in:
            self._socks.send(socks5.SOCKS5UsernamePasswordRequest(*log_in))
        else:
            address = self._origin.host, self._origin.port
            command = socks5.SOCKS5Command.CONNECT
            self._socks.send(socks5.SOCKS5CommandRequest.from_address(command, address))
        return False
