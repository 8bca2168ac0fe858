"""Where a request came from: the peer of the connection, or what trusted proxies say of it.

Owns: `X-Forwarded-For`. Must not know: what the address is used for.

A client can write anything into `X-Forwarded-For`; each proxy adds the address that it saw at the
right. With `trusted_proxies=n` in front, the n-th entry from the right was written by a proxy of
one's own, and what stands left of it is hearsay.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

if TYPE_CHECKING:
    from starlette.types import Scope


def client_address(scope: Scope, trusted_proxies: int) -> str | None:
    """Return the client's address; None where the server does not say (a Unix socket)."""
    client = scope.get("client")
    peer = str(client[0]) if client else None
    if trusted_proxies == 0:
        return peer
    entries = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
    # Fewer entries than proxies: the request went around some of them.
    told = entries[-trusted_proxies] if len(entries) >= trusted_proxies else ""
    return _address(told.strip()) or peer


def _address(text: str) -> str | None:
    """Return the address in an entry, without the port that some proxies add; None: there is none."""
    host = text
    if text.startswith("["):
        host = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        host = text.partition(":")[0]
    if "%" in host:  # an IPv6 zone, which may be any text, and means nothing here
        return None
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None
