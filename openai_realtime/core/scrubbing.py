"""Masks secrets in text and JSON that came from a server, before anybody sees it.

Owns: what a key looks like. Must not know: whose it is, or why the text is shown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from openai_realtime.secrets import MASK

if TYPE_CHECKING:
    from openai_realtime.core.strict_json import Json

# Shapes of keys that servers echo back in error texts: sk-…, ek_…, rk-…, sess-…, Bearer ….
_KEY_SHAPES = re.compile(r"\b(?:(?:sk|ek|rk|sess)[-_]|Bearer\s+)[^\s\"'<>,;)}\]]{4,}", re.ASCII)

# Members whose text is a secret whatever it looks like (LiteLLM's secrets are opaque).
_SECRET_MEMBERS = frozenset(
    {"api_key", "api-key", "authorization", "client_secret", "key", "secret", "token", "value"}
)


_SHORTEST_SECRET = 8


def secrets_in(value: Json) -> tuple[str, ...]:
    """Return the texts in a decoded JSON value that stand where a secret would."""
    found: list[str] = []
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending += item
        elif isinstance(item, dict):
            for name, member in item.items():
                if isinstance(member, str) and name.lower() in _SECRET_MEMBERS:
                    if len(member) >= _SHORTEST_SECRET:  # "e" would mask every e
                        found.append(member)
                else:
                    pending.append(member)
    return tuple(found)


def scrub_text(text: str, known: tuple[str, ...] = ()) -> str:
    """Return `text` with every known secret and everything shaped like a key masked."""
    for secret in known:
        if secret:
            text = text.replace(secret, MASK)
    return _KEY_SHAPES.sub(MASK, text)


def scrub_json(value: Json, known: tuple[str, ...] = ()) -> Json:
    """Return a copy of a decoded JSON value with secrets masked in its strings and member names."""
    if isinstance(value, str):
        return scrub_text(value, known)
    if isinstance(value, list):
        return [scrub_json(item, known) for item in value]
    if isinstance(value, dict):
        return {
            scrub_text(name, known): MASK
            if name.lower() in _SECRET_MEMBERS and isinstance(member, str)
            else scrub_json(member, known)
            for name, member in value.items()
        }
    return value
