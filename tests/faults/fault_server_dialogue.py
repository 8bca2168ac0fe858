"""One accepted connection of the fault server, with the actions that faults consist of."""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faults.responses import good_response

if TYPE_CHECKING:
    from collections.abc import Callable

# The longest wait of the server, in seconds, also when a test does not end it.
LONGEST_WAIT = 15.0
_POLL_SECONDS = 0.05
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class OverError(Exception):
    """The dialogue is over: the client has closed the connection, or the server hangs up."""


@dataclass(frozen=True, slots=True)
class Received:
    """A complete request."""

    connection: int
    method: str
    target: str
    headers: dict[str, str]
    header_names: list[str]
    """In the order of arrival, repeated ones included."""
    body: bytes

    @property
    def nonce(self) -> str:
        return self.headers.get("x-nonce", "")


@dataclass(slots=True)
class Record:
    """The counts of one connection. They are kept after the connection is closed."""

    number: int
    handshakes: int = 0
    bytes_received: int = 0
    requests: list[Received] = field(default_factory=list[Received])


class Dialogue:
    """A connection that is served by its own thread. Other threads may call only `hang_up`."""

    def __init__(
        self,
        connection: socket.socket,
        record: Record,
        mint: Callable[[str], str],
        redirect_target: str,
    ) -> None:
        connection.settimeout(LONGEST_WAIT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.record = record
        self.redirect_target = redirect_target
        self._mint = mint
        self._socket = connection
        self._is_hung_up = threading.Event()
        self._closing = threading.Lock()
        self._unread = b""

    @property
    def request(self) -> Received:
        """The request that waits for a response."""
        return self.record.requests[-1]

    def mint(self) -> str:
        """Return a new secret, recorded as minted for the current request."""
        return self._mint(self.request.nonce)

    def respond_normally(self) -> None:
        """Send the good response."""
        self.send(good_response(self.request.target, self.mint()))

    def secure(self, context: ssl.SSLContext) -> None:
        """Do the TLS handshake."""
        self._socket = context.wrap_socket(
            self._socket, server_side=True, do_handshake_on_connect=False
        )
        self._socket.settimeout(LONGEST_WAIT)
        self._socket.do_handshake()
        self.record.handshakes += 1

    def wait_for_bytes(self, poll: Callable[[], None]) -> None:
        """Return when there is something to read. Meanwhile call `poll` every 50 ms."""
        with selectors.PollSelector() as selector:  # unlike others, it needs no descriptor
            selector.register(self._socket, selectors.EVENT_READ)
            while not self._unread and not self._is_pending():
                if selector.select(_POLL_SECONDS):
                    return
                self.pause(0)
                poll()

    def _is_pending(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def receive(self) -> None:
        """Read one complete request; it is then `request`."""
        head = self._read_until(lambda: b"\r\n\r\n" in self._unread)
        start, _, _ = head.partition(b"\r\n\r\n")
        first, *lines = start.decode("latin-1").split("\r\n")
        pairs = [line.partition(":") for line in lines]
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        total = len(start) + 4 + int(headers.get("content-length", "0"))
        whole = self._read_until(lambda: len(self._unread) >= total)
        self._unread = whole[total:]
        method, target, _ = first.split(" ")
        body = whole[len(start) + 4 : total]
        names = [name.strip().lower() for name, _, _ in pairs]
        received = Received(self.record.number, method, target, headers, names, body)
        self.record.requests.append(received)

    def _read_until(self, is_enough: Callable[[], bool]) -> bytes:
        while not is_enough():
            chunk = self._socket.recv(65536)
            if not chunk:
                raise OverError
            self.record.bytes_received += len(chunk)
            self._unread += chunk
        return self._unread

    def read_raw(self, at_most: int = 65536) -> bytes:
        """Return the next bytes, such as a TLS handshake that gets no response."""
        return self._socket.recv(at_most)

    def send(self, *parts: bytes) -> None:
        """Send each part in a write of its own."""
        for part in parts:
            self.pause(0)
            self._socket.sendall(part)

    def send_together(self, *parts: bytes) -> None:
        """Send each part in a write (a TLS record) of its own, and all parts in one packet."""
        cork = getattr(socket, "TCP_CORK", getattr(socket, "TCP_NOPUSH", None))
        for is_held in (1, 0):
            if cork is not None:
                self._socket.setsockopt(socket.IPPROTO_TCP, cork, is_held)
            if is_held:
                self.send(*parts)

    def drip(self, content: bytes, pause: float = 0.05) -> None:
        """Send a byte, wait, send a byte …"""
        for position in range(len(content)):
            self.send(content[position : position + 1])
            self.pause(pause)

    def pause(self, seconds: float) -> None:
        """Wait. Raises `OverError` when the server hangs up."""
        if self._is_hung_up.wait(seconds):
            raise OverError

    def finish(self) -> None:
        """Send a FIN without a TLS closure alert, and wait until the client closes too."""
        socket.socket.shutdown(self._socket, socket.SHUT_WR)
        self.listen_in_silence()

    def listen_in_silence(self) -> None:
        """Read, and send nothing, until the client closes the connection."""
        while chunk := socket.socket.recv(self._socket, 65536):
            self.record.bytes_received += len(chunk)
        raise OverError

    def neither_read_nor_write(self) -> None:
        """Neither read nor write until the server hangs up."""
        self.pause(LONGEST_WAIT)

    def read_little_at_once(self) -> None:
        """Make the receive buffer as small as the system allows."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    def reset(self) -> None:
        """Reset the connection (RST)."""
        with self._closing:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._socket.close()
        raise OverError

    def close(self) -> None:
        with self._closing:
            self._socket.close()

    def hang_up(self) -> None:
        """Wake the connection's thread, and make it end."""
        self._is_hung_up.set()
        with self._closing, suppress(OSError):  # it may be closed by now
            # The TLS shutdown would close the connection while its thread still uses it.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
