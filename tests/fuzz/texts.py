"""Hypothesis strategies for what a peer may send: texts, JSON and headers that may hold a key."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

KEY = "5f4dcc3b5aa765d61d8327deb882cf99"
"""The API key in use, without a known pattern."""
SECRET = "gAAAAABopaqueClientSecret"
"""The client secret of a response."""

_PIECES = [
    *(KEY, KEY.upper(), KEY[:16], SECRET, " sk-proj-1234", " ek_12345678", " Bearer abcd1234"),
    *("\x1b[31m", "\r\n", "\u202e", "\u2028", "\x00", "\x85", "\ud800", "İ", "😀"),
    *("<", ">", "</", "<title>", "</title>", "<script>", "<!--", "&lt;", "\\", '"', "\\u0035", "'"),
    *(" ", ",", ";", ":", "@", "=", "?", "&", "%", "%2B", "<sip:", "sip:", "tel:", "+49", "0", "9"),
    *(
        "Thu, ",
        "01 Jan 2026 ",
        "00:00:05 ",
        "GMT",
        "2026-01-01T00:00:00",
        "Z",
        "+01:00",
        "1e9",
        "inf",
    ),
    *(
        "1h",
        "2m",
        "3.5s",
        "20ms",
        "µs",
        "true",
        "false",
        "gzip",
        "application/json",
        "charset=utf-8",
    ),
    *("x" * 300, "9" * 300, " " * 300, "[" * 70, '{"a":' * 70),
]
texts: st.SearchStrategy[str] = st.lists(
    st.sampled_from(_PIECES) | st.text(max_size=10), max_size=12
).map("".join)
"""Texts made of pieces that have a meaning for some parser."""

_NAMES = [
    *("error", "message", "code", "param", "type", "detail", "title", "error_description"),
    *("client_secret", "value", "expires_at", "session", "data", "result", "response", "body"),
    *("id", "object", "model", "modalities", "instructions", "voice", "tools", "turn_detection"),
    *("tracing", "truncation", "prompt", "include", "audio", "input", "output", "format", "token"),
    *("call_id", "sip_headers", "name", "created_at", "realtime.call.incoming", KEY),
]
_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.sampled_from([*_NAMES, SECRET, KEY, "server_vad", "function", 10**20, -1, 1e300])
)
values: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(_NAMES) | texts, inner, max_size=6)
    ),
    max_leaves=25,
)
"""JSON values with names that have a meaning for some parser."""
objects: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(_NAMES) | texts, values, max_size=8
)


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Draw bytes in which a few are missing, doubled or replaced."""
    content = draw(whole)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(len(content), start + 20)))
        middle = draw(st.binary(max_size=6) | st.just(content[start:end] * 2))
        content = content[:start] + middle + content[end:]
    return content


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


bodies: st.SearchStrategy[bytes] = (
    damaged(values.map(encoded))
    | objects.map(encoded)
    | texts.map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.binary(max_size=200)
)

_HEADERS = [
    *("date", "retry-after", "retry-after-ms", "x-should-retry", "x-request-id", "apim-request-id"),
    *("openai-processing-ms", "x-ratelimit-limit-tokens", "x-ratelimit-reset-requests", "location"),
    *("content-type", "content-encoding", "set-cookie", "x-api-key", f"x-{KEY}"),
]
header_values = texts.map(lambda text: text.encode("utf-8", "replace"))
headers: st.SearchStrategy[list[tuple[bytes, bytes]]] = st.lists(
    st.tuples(st.sampled_from(_HEADERS).map(str.encode) | header_values, header_values), max_size=8
)
"""Headers as an engine returns them."""
