"""Good HTTP responses as bytes, and the parts from which the bad ones are made."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import Any

LIFETIME = 60
SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n"

Header = tuple[str, str]


def head(status: int = 200, *headers: Header, reason: str = "Reason") -> bytes:
    """Return a status line and headers, with the empty line that ends them."""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def response(body: bytes, status: int = 200, *headers: Header) -> bytes:
    """Return a complete, well-framed response."""
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
    """Return a flat session's JSON, with a secret and an expiry that may be wrong."""
    expiry = int(time.time()) + LIFETIME if expires_at is None else expires_at
    return encoded(
        {
            "id": "sess_1",
            "object": "realtime.session",
            "model": "gpt-realtime-2.1",
            "client_secret": {"value": secret, "expires_at": expiry},
        }
    )


def encoded(value: Any) -> bytes:
    """Return a value as JSON, NaN and Infinity included."""
    return json.dumps(value).encode()


def chunked(*chunks: bytes) -> bytes:
    """Return chunks in chunked framing, without the final empty chunk."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


def good_response(target: str, secret: str) -> bytes:
    """Return the good response for a request target."""
    path = target.partition("?")[0].rstrip("/")
    if path.endswith("/calls"):
        location = ("Location", f"/v1/realtime/calls/{secret.replace('ek_', 'rtc_')}")
        return response(SDP, 201, location)
    if "/calls/" in path:
        return response(b"")
    if path.endswith("/client_secrets"):
        nested = {"value": secret, "expires_at": int(time.time()) + LIFETIME, "session": {}}
        return response(encoded(nested))
    return response(session(secret))
