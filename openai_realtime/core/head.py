"""Bounds what may come before an answer's body: the interim responses and the headers.

Owns: the limits. Must not know: sockets, or what the headers mean.
"""

from __future__ import annotations

MAX_HEAD_BYTES = 64 * 1024
MAX_INTERIM_RESPONSES = 10
_SWITCHING_PROTOCOLS = b"101"
_VERSION = b"HTTP/1."


class HeadGuard:
    """Watches the bytes of one answer until its final headers have come."""

    __slots__ = ("_held", "_interim", "has_begun", "is_done")

    def __init__(self) -> None:
        self._held = b""
        self._interim = 0
        self.has_begun: bool = False
        """Whether anything has come."""
        self.is_done: bool = False
        """Whether the final headers have come: nothing more is watched."""

    def feed(self, data: bytes) -> str | None:
        """Take the next bytes; returns what is wrong with them, or None."""
        if self.is_done:
            return None
        held = self._held + data
        self.has_begun = self.has_begun or bool(data)
        while True:
            if not held.startswith(_VERSION[: len(held)]):
                return "it does not begin with HTTP/1"
            end = held.find(b"\r\n\r\n")
            if end > MAX_HEAD_BYTES or (end < 0 and len(held) > MAX_HEAD_BYTES):
                return "more than 64 KiB of headers"
            if end < 0:
                break
            status = held[9:12]
            if status[:1] == b"1" and status != _SWITCHING_PROTOCOLS:
                self._interim += 1
                if self._interim > MAX_INTERIM_RESPONSES:
                    return "more than 10 interim responses"
                held = held[end + 4 :]
            else:
                self.is_done = True
                return None
        self._held = held
        return None
