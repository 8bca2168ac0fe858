"""A WebSocket server on loopback that says exactly what a test tells it to, byte by byte."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from backends import Backend

from openai_realtime.types.sideband import SidebandEvent

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, length: int | None = None
) -> bytes:
    """Return a server's frame; `length` is the length that it announces."""
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        return head + bytes([size]) + payload
    if size < 65_536:
        return head + b"\x7e" + struct.pack("!H", size) + payload
    return head + b"\x7f" + struct.pack("!Q", size) + payload


def text(**event: Any) -> bytes:
    """Return the frame of an event."""
    return frame(TEXT, json.dumps(event).encode())


def closing(code: int | None, reason: str = "") -> bytes:
    """Return a close frame."""
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason.encode())


class Peer:
    """One connection of a client."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.request = b""
        self._buffer = b""

    def read_request(self) -> None:
        while b"\r\n\r\n" not in self.request:
            data = self.socket.recv(65_536)
            if not data:
                raise EOFError
            self.request += data

    @property
    def headers(self) -> Mapping[str, str]:
        lines = self.request.decode().split("\r\n")[1:]
        return {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }

    def accept(self, rest: bytes = b"", changes: Mapping[str, str] | None = None) -> None:
        """Accept the handshake; `rest` follows in the same packet."""
        key = self.headers["sec-websocket-key"].encode()
        accepted = base64.b64encode(hashlib.sha1(key + ACCEPT_GUID).digest()).decode()
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": accepted,
        }
        lines = [f"{name}: {value}\r\n" for name, value in {**headers, **(changes or {})}.items()]
        self.send(f"HTTP/1.1 101 Switching Protocols\r\n{''.join(lines)}\r\n".encode() + rest)

    def refuse(self, status: int, body: bytes = b"{}", *, more: str = "") -> None:
        head = f"HTTP/1.1 {status} Refused\r\nContent-Type: application/json\r\n{more}"
        self.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield the client's frames, unmasked, until it closes."""
        while True:
            with suppress(OSError, ssl.SSLError):
                while (found := self._next()) is None:
                    data = self.socket.recv(65_536)
                    if not data:
                        return
                    self._buffer += data
                yield found
                continue
            return

    def discard(self, size: int) -> None:
        """Read and discard `size` bytes."""
        while size > 0 and (data := self.socket.recv(min(size, 1 << 20))):
            size -= len(data)

    def _next(self) -> tuple[int, bytes] | None:
        data = self._buffer
        if len(data) < 2:
            return None
        assert data[1] & 0x80, "a client masks every frame"
        size, at = data[1] & 0x7F, 2
        if size == 126:
            size, at = struct.unpack("!H", data[2:4])[0] if len(data) >= 4 else 1 << 60, 4
        elif size == 127:
            size, at = struct.unpack("!Q", data[2:10])[0] if len(data) >= 10 else 1 << 60, 10
        if len(data) < at + 4 + size:
            return None
        mask, payload = data[at : at + 4], data[at + 4 : at + 4 + size]
        self._buffer = data[at + 4 + size :]
        repeated = (mask * (size // 4 + 1))[:size]
        unmasked = int.from_bytes(payload) ^ int.from_bytes(repeated)  # a byte at a time is slow
        return data[0] & 0x0F, unmasked.to_bytes(size)

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Script = Callable[[Peer], None]


def refuse_ended(peer: Peer) -> None:
    """Refuse a handshake for a call that has ended."""
    peer.refuse(404, b'{"error": {"message": "call not found", "code": "call_id_not_found"}}')


class ScriptedServer:
    """Runs one script for each connection, and for all further ones `refuse_ended`."""

    def __init__(self, scripts: Sequence[Script], context: ssl.SSLContext | None = None) -> None:
        self._scripts = list(scripts)
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.peers: list[Peer] = []
        self.errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def base_url(self) -> str:
        scheme = "http" if self._context is None else "https"
        return f"{scheme}://localhost:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()
        for peer in self.peers:
            with suppress(OSError):
                # `SSLSocket.shutdown` would make its reads return what is not decrypted.
                socket.socket.shutdown(peer.socket, socket.SHUT_WR)
        for thread in self._threads:
            thread.join(20)
        if self.errors:
            raise self.errors[0]

    def script_of(self) -> Script:
        """Return the script of the next connection."""
        return self._scripts.pop(0) if self._scripts else refuse_ended

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._listening.accept()
            except OSError:
                return
            connected.settimeout(20)
            thread = threading.Thread(
                target=self._serve, args=(connected, self.script_of()), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _serve(self, connected: socket.socket, script: Script) -> None:
        try:
            if self._context is not None:
                connected = self._context.wrap_socket(connected, server_side=True)
            peer = Peer(connected)
            self.peers.append(peer)
            peer.read_request()
            script(peer)
        except (OSError, EOFError):
            pass
        except BaseException as error:  # noqa: BLE001 - the test fails with it
            self.errors.append(error)
        finally:
            with suppress(OSError):
                connected.close()


class AwaitedSideband:
    """The sync sideband with awaitable methods, so that one test body runs on every backend."""

    def __init__(self, sideband: Any) -> None:
        self.wrapped = sideband

    async def __aenter__(self) -> Self:
        self.wrapped.__enter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        self.wrapped.__exit__(*details)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SidebandEvent:
        try:
            event: SidebandEvent = next(self.wrapped)
        except StopIteration:
            raise StopAsyncIteration from None
        return event

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.wrapped, name)
        if not callable(member):
            return member

        async def call(*args: Any, **options: Any) -> Any:
            return member(*args, **options)

        return call


def join(backend: Backend, client: Any, call_id: str = "rtc_1", **options: Any) -> Any:
    """Return the sideband of a call on any backend, to be used with `async with`."""
    if backend.is_sync:
        return AwaitedSideband(client.wrapped.calls.connect(call_id, **options))
    return client.calls.connect(call_id, **options)


def join_live(backend: Backend, client: Any, **options: Any) -> Any:
    """Return the sideband of a GPT-Live session on any backend, to be used with `async with`."""
    options.setdefault("session_id", "live_1")
    if backend.is_sync:
        return AwaitedSideband(client.wrapped.live.sideband.connect(**options))
    return client.live.sideband.connect(**options)
