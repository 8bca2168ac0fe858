"""Signatures of Standard Webhooks (https://www.standardwebhooks.com): made, and compared.

Owns: what is signed, and with which key. Must not know: clocks, JSON, or what a webhook means. Who
raises an error does it where neither key nor signature is a local variable.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openai_realtime.errors import ConfigurationError
from openai_realtime.secrets import MASK, WebhookSecret

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_SIGNATURES = 10
"""How many of a webhook's signatures are looked at, the first ones."""

_PREFIX = "whsec_"
_VERSION = "v1,"
_MIN_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key in one `whsec_` secret, ready to sign. Its repr shows nothing of it."""

    _keyed: hmac.HMAC

    def __repr__(self) -> str:
        return f"SigningKey({MASK!r})"

    @classmethod
    def read(cls, secret: str) -> SigningKey:
        """Return the key in `secret`; raises `ConfigurationError`, which does not quote it."""
        secret = WebhookSecret(secret)
        keyed = _keyed(secret)
        if keyed is None:
            message = (
                "The webhook secret is unusable: it is whsec_ and at least 16 bytes as base64. "
                "Copy it whole from where the webhook was set up, without quotes or line breaks"
            )
            raise ConfigurationError(message)
        return cls(keyed)

    def sign(self, webhook_id: str, timestamp: str, body: bytes) -> str:
        """Return the signature of a delivery, `v1,` and base64; `timestamp` is in Unix seconds."""
        keyed = self._keyed.copy()
        keyed.update(f"{webhook_id}.{timestamp}.".encode())
        keyed.update(body)
        return _VERSION + base64.b64encode(keyed.digest()).decode("ascii")


def matches(
    keys: Iterable[SigningKey], signatures: str, webhook_id: str, timestamp: str, body: bytes
) -> bool:
    """Return whether one of the first 10 `signatures` (parted by spaces) is one of the keys'.

    Every key is compared with every signature, as text and in constant time, whatever was found
    before: how long it takes tells neither which key fits nor how near a guess was.
    """
    given = [text.encode() for text in signatures.split(" ", MAX_SIGNATURES)[:MAX_SIGNATURES]]
    found = False
    for key in keys:
        expected = key.sign(webhook_id, timestamp, body).encode("ascii")
        for candidate in given:
            found |= hmac.compare_digest(expected, candidate)
    return found


def _keyed(secret: WebhookSecret) -> hmac.HMAC | None:
    key = _decoded(secret)
    return hmac.new(key, digestmod=hashlib.sha256) if len(key) >= _MIN_KEY_BYTES else None


def _decoded(secret: WebhookSecret) -> bytes:
    if not secret.startswith(_PREFIX):
        return b""
    try:
        return base64.b64decode(secret[len(_PREFIX) :], validate=True)
    except (binascii.Error, ValueError):  # no base64, or no ASCII
        return b""
