"""One accepted connection, and the verbs with which a fault plays on it.

Owns: one socket and what arrived on it. Must not know: which fault is played, or why.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faults.responses import good_answer

if TYPE_CHECKING:
    from collections.abc import Callable

# No wait of the server's is longer, whatever a test forgets to end.
LONGEST_WAIT = 15.0
_LOOK_AROUND_SECONDS = 0.05
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class OverError(Exception):
    """The conversation has ended: the peer is gone, or the server was told to hang up."""


@dataclass(frozen=True, slots=True)
class Received:
    """A complete request."""

    connection: int
    method: str
    target: str
    headers: dict[str, str]
    header_names: list[str]
    """As they came, repeated ones included."""
    body: bytes

    @property
    def nonce(self) -> str:
        return self.headers.get("x-nonce", "")


@dataclass(slots=True)
class Record:
    """What is known of one connection. It stays after the connection has gone."""

    number: int
    handshakes: int = 0
    bytes_received: int = 0
    requests: list[Received] = field(default_factory=list[Received])


class Dialogue:
    """A connection as its thread sees it; only `hang_up` is for other threads."""

    def __init__(
        self, connection: socket.socket, record: Record, mint: Callable[[str], str], elsewhere: str
    ) -> None:
        connection.settimeout(LONGEST_WAIT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.record = record
        self.elsewhere = elsewhere
        self._mint = mint
        self._socket = connection
        self._told_to_end = threading.Event()
        self._closing = threading.Lock()
        self._unread = b""

    @property
    def request(self) -> Received:
        """The request to be answered."""
        return self.record.requests[-1]

    def mint(self) -> str:
        """Return a fresh secret, noted down as given to the request at hand."""
        return self._mint(self.request.nonce)

    def answer_well(self) -> None:
        """Answer as if nothing were wrong."""
        self.send(good_answer(self.request.target, self.mint()))

    def secure(self, context: ssl.SSLContext) -> None:
        """Shake hands."""
        self._socket = context.wrap_socket(
            self._socket, server_side=True, do_handshake_on_connect=False
        )
        self._socket.settimeout(LONGEST_WAIT)
        self._socket.do_handshake()
        self.record.handshakes += 1

    def wait_for_bytes(self, look_around: Callable[[], None]) -> None:
        """Return when something can be read; meanwhile `look_around` is called now and then."""
        with selectors.PollSelector() as selector:  # unlike others, it needs no descriptor
            selector.register(self._socket, selectors.EVENT_READ)
            while not self._unread and not self._is_pending():
                if selector.select(_LOOK_AROUND_SECONDS):
                    return
                self.pause(0)
                look_around()

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
        """Return whatever arrives next, such as a handshake that will get no answer."""
        return self._socket.recv(at_most)

    def send(self, *parts: bytes) -> None:
        """Send each part by a write of its own."""
        for part in parts:
            self.pause(0)
            self._socket.sendall(part)

    def send_together(self, *parts: bytes) -> None:
        """Send each part by a write of its own (a TLS record), and all of them in one packet."""
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
        """Wait, unless the server is told to hang up."""
        if self._told_to_end.wait(seconds):
            raise OverError

    def finish(self) -> None:
        """Say goodbye (FIN), without TLS's own goodbye, and wait until the peer does too."""
        socket.socket.shutdown(self._socket, socket.SHUT_WR)
        self.listen_in_silence()

    def listen_in_silence(self) -> None:
        """Read and answer nothing, until the peer is gone."""
        while chunk := socket.socket.recv(self._socket, 65536):
            self.record.bytes_received += len(chunk)
        raise OverError

    def neither_read_nor_write(self) -> None:
        """Do nothing at all, until the server is told to hang up."""
        self.pause(LONGEST_WAIT)

    def read_little_at_once(self) -> None:
        """Take no more off the peer than the smallest buffer holds."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    def reset(self) -> None:
        """Cut the connection (RST)."""
        with self._closing:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._socket.close()
        raise OverError

    def close(self) -> None:
        with self._closing:
            self._socket.close()

    def hang_up(self) -> None:
        """Wake the thread, wherever it waits, and have it end."""
        self._told_to_end.set()
        with self._closing, suppress(OSError):  # it may be closed by now
            # Not TLS's own shutdown, which takes the connection away under its thread's feet.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
