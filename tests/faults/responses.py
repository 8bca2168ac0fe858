"""HTTP answers as bytes: the good ones, and the parts of which bad ones are made.

Owns: status lines, headers and JSON on the wire. Must not know: sockets, faults, or any test.
"""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import Any

LIFETIME = 60
SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n"

Header = tuple[str, str]


def head(status: int = 200, *headers: Header, reason: str = "Whatever") -> bytes:
    """Return a status line and headers, with the empty line that ends them."""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def answer(body: bytes, status: int = 200, *headers: Header) -> bytes:
    """Return a whole, well-framed answer."""
    return (
        head(
            status,
            ("Date", formatdate(usegmt=True)),
            ("Content-Type", "application/json"),
            *headers,
            ("Content-Length", str(len(body))),
        )
        + body
    )


def session(secret: object, expires_at: object = None) -> bytes:
    """Return a flat session's JSON; it may be one that no server ought to send."""
    expiry = int(time.time()) + LIFETIME if expires_at is None else expires_at
    return encoded(
        {
            "id": "sess_1",
            "object": "realtime.session",
            "model": "gpt-realtime",
            "client_secret": {"value": secret, "expires_at": expiry},
        }
    )


def encoded(value: Any) -> bytes:
    """Return a value as JSON, NaN and Infinity included."""
    return json.dumps(value).encode()


def chunked(*chunks: bytes) -> bytes:
    """Return chunks as chunked framing has them, without the last one."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


def good_answer(target: str, secret: str) -> bytes:
    """Return what a well-behaved server answers on this path."""
    path = target.partition("?")[0].rstrip("/")
    if path.endswith("/calls"):
        location = ("Location", f"/v1/realtime/calls/{secret.replace('ek_', 'rtc_')}")
        return answer(SDP, 201, location)
    if "/calls/" in path:
        return answer(b"")
    if path.endswith("/client_secrets"):
        nested = {"value": secret, "expires_at": int(time.time()) + LIFETIME, "session": {}}
        return answer(encoded(nested))
    return answer(session(secret))
