"""Checks and merges the headers and the query that users add to requests.

Rule for this file: a value may be a gateway's key, so no message contains one, and every value that is
returned has a masked repr.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, cast

from openai_realtime.errors import ConfigurationError, wrapper_hint
from openai_realtime.secrets import RedactedBytes, RedactedStr

Additions = Mapping[str, str | None]
"""Values by name; None removes a value that an earlier source has set."""

# Only the client sets these: another value would change the destination, credential, body or framing.
_RESERVED_HEADERS: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "api-key",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)  # a token, RFC 9110 §5.6.2
_HEADER_VALUE = re.compile(r"[!-~]+(?:[ \t]+[!-~]+)*|", re.ASCII)
VALUE_RULE: Final = "must be visible ASCII text, without line breaks or spaces at its ends"


def checked_headers(
    source: str, headers: object, key_header: str = ""
) -> dict[str, RedactedStr | None]:
    """Return the headers that `source`, such as `extra_headers`, adds, with masked values.

    Raises `ConfigurationError` when a name or a value is unusable, or when only the client may set
    the header, as it sets `key_header` (empty: none).
    """
    if not isinstance(headers, Mapping):
        message = f"{source} must be a mapping of header names to values"
        raise ConfigurationError(message)
    set_by_client = _RESERVED_HEADERS | {key_header.lower()}
    checked: dict[str, RedactedStr | None] = {}
    for name, value in cast("Mapping[object, object]", headers).items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            message = f"{source}: a header's name is not valid"
            raise ConfigurationError(message)
        if name.lower() in set_by_client or name.lower().startswith("sec-websocket-"):
            message = f"{source}: {name} is set by the client and cannot be replaced"
            raise ConfigurationError(message)
        if value is not None and not is_header_value(value):
            message = f"{source}: {name} {VALUE_RULE}{wrapper_hint(value)}"
            raise ConfigurationError(message)
        checked[name] = None if value is None else RedactedStr(value)
    return checked


def is_header_value(value: object) -> bool:
    """Return whether a header can carry `value`."""
    return isinstance(value, str) and _HEADER_VALUE.fullmatch(value) is not None


def checked_query(source: str, query: object) -> dict[str, RedactedStr | None]:
    """Return the query parameters that `source`, such as `extra_query`, adds, with masked values.

    Raises `ConfigurationError` when they are not texts that UTF-8 can encode.
    """
    members = cast("Mapping[object, object]", query) if isinstance(query, Mapping) else {None: None}
    checked: dict[str, RedactedStr | None] = {}
    for name, value in members.items():
        if not _is_text(name) or not (value is None or _is_text(value)):
            message = f"{source} must be a mapping of names to texts{wrapper_hint(value)}"
            raise ConfigurationError(message)
        checked[cast("str", name)] = None if value is None else RedactedStr(value)
    return checked


def merged_headers(*sources: Additions) -> dict[str, str | None]:
    """Return the headers of all sources: a later one replaces a name, in whatever case, of an earlier."""
    merged: dict[str, tuple[str, str | None]] = {}
    for source in sources:
        merged.update({name.lower(): (name, value) for name, value in source.items()})
    return dict(merged.values())


def encoded_headers(headers: Additions) -> dict[bytes, tuple[bytes, RedactedBytes] | None]:
    """Return checked headers as names and values in bytes, by their names in lower case."""
    return {
        name.lower().encode("ascii"): None
        if value is None
        else (name.encode("ascii"), RedactedBytes(value.encode("ascii")))
        for name, value in headers.items()
    }


def secrets_in_header(value: RedactedBytes) -> tuple[str, ...]:
    """Return what to mask where a peer quotes a header: its value, and what follows a scheme in it."""
    text = RedactedStr(value.decode("ascii"))
    _scheme, space, credential = text.partition(" ")
    return (text, RedactedStr(credential)) if space else (text,)


def header_lines(text: str) -> dict[str, str]:
    """Return the headers in a text with a `NAME: VALUE` on each line, as `OPENAI_CUSTOM_HEADERS` has.

    As in the official SDK, a line without a colon is ignored, and the last line of a name counts.
    """
    lines = (line.partition(":") for line in text.split("\n"))
    return {name.strip(): value.strip() for name, colon, value in lines if colon}


def _is_text(value: object) -> bool:
    # A lone surrogate cannot be encoded in UTF-8.
    return isinstance(value, str) and not any("\ud800" <= each <= "\udfff" for each in value)
