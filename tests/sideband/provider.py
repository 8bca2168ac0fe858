"""A provider on loopback that begins and hangs up calls, and whose sidebands a test scripts."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

from openai_realtime.providers import compatible
from sideband.peer import TEXT, Peer, Script, ScriptedServer, closing, refuse_ended

ANSWER = b"v=0\r\no=- 2 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
API_KEY = "sk-provider-0123456789abcdef"


def sent_to(peer: Peer) -> Iterator[Any]:
    """Yield the client's events."""
    return (json.loads(payload) for opcode, payload in peer.frames() if opcode == TEXT)


def wait_for_end(peer: Peer) -> None:
    """Read until the call ends, or the client leaves."""
    for _ in peer.frames():
        pass


class Provider(ScriptedServer):
    """Its calls run until they are hung up, or `leave` ends them as a browser does."""

    def __init__(self, sideband: Script = wait_for_end) -> None:
        super().__init__([])
        self._sideband = sideband
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.running: dict[str, list[Peer]] = {}
        """The sidebands of each call that runs."""
        self.hung_up: list[str] = []
        self.joined: list[str] = []
        self.refusal: bytes | None = None
        """With it, a sideband is refused with 403."""

    @property
    def provider(self) -> Any:
        return compatible(self.base_url)

    api_key = API_KEY

    def script_of(self) -> Script:
        return self._respond

    def begin(self, kind: str = "rtc") -> str:
        """Begin a call, such as one that rings."""
        call_id = f"{kind}_{next(self._numbers)}"
        self.running[call_id] = []
        return call_id

    def leave(self, call_id: str) -> None:
        """End a call, as a browser does that closes its page."""
        with self._lock:
            peers = self.running.pop(call_id, [])
        for peer in peers:
            with suppress(OSError):
                peer.send(closing(1000))

    def _respond(self, peer: Peer) -> None:
        method, target, _ = peer.request.decode().split("\r\n", 1)[0].split()
        address = urlsplit(target)
        found = re.search(r"/(?:calls|sessions)/([^/]+)/(\w+)$", address.path)
        call_id, action = found.groups() if found else (None, None)
        if method == "GET":
            self._join(peer, call_id or parse_qs(address.query)["call_id"][0])
            return
        self._read_body(peer)
        if address.path.endswith("/live/sessions"):
            session = {"id": self.begin("live")}
            answer = {"session": session, "transport": {"type": "webrtc", "sdp": ANSWER.decode()}}
            self._send(peer, 201, json.dumps(answer).encode(), {})
        elif call_id is None:
            call_id = self.begin()
            self._send(peer, 201, ANSWER, {"Location": f"/v1/realtime/calls/{call_id}"})
        elif call_id not in self.running:
            refuse_ended(peer)
        else:
            if action == "hangup":
                self.hung_up.append(call_id)
                self.leave(call_id)
            self._send(peer, 200, b"", {})

    def _join(self, peer: Peer, call_id: str) -> None:
        if self.refusal is not None:
            peer.refuse(403, self.refusal)
            return
        with self._lock:
            if call_id not in self.running:
                refuse_ended(peer)
                return
            peer.accept()  # only then may `leave` send a close frame
            self.running[call_id].append(peer)
            self.joined.append(call_id)
        self._sideband(peer)

    @staticmethod
    def _read_body(peer: Peer) -> None:
        head, _, body = peer.request.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        peer.discard(int(length[1]) - len(body) if length else 0)

    @staticmethod
    def _send(peer: Peer, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (
            f"HTTP/1.1 {status} OK\r\nContent-Type: application/sdp\r\n{more}Connection: close\r\n"
        )
        peer.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
