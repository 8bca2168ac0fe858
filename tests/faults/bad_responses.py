"""Faults of the response: it is sent whole, and its bytes are wrong. Most faults are one line."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import cache, partial

from faults.fault import add
from faults.fault_server_dialogue import Dialogue
from faults.responses import chunked, encoded, head, response, session

API_KEY = "sk-faults-0123456789abcdef"

# A secret in the Location of each redirect: no error may show it.
LOCATION_SECRET = "ek_in_the_location_0123456789"
_BODY_BYTES = 2 * 1024 * 1024


def respond_with(name: str, make: Callable[[Dialogue], bytes]) -> None:
    """Add the fault of sending the response that `make` returns."""
    add(name, "request", lambda dialogue: dialogue.send(make(dialogue)))


def respond_with_bytes(name: str, content: bytes) -> None:
    """Add the fault of sending these bytes as the response."""
    respond_with(name, lambda _: content)


def respond_with_body(name: str, make: Callable[[str], bytes]) -> None:
    """Add the fault of a well-framed response whose body `make` returns for a valid secret."""
    respond_with(name, lambda dialogue: response(make(dialogue.mint())))


@cache
def bomb() -> bytes:
    """Return 200 MB of spaces compressed to 200 kB. The same compressed block repeats, to be fast."""
    block, blocks = b" " * (1024 * 1024), 200
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    compressed = compressor.compress(block) + compressor.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(blocks):
        checksum = zlib.crc32(block, checksum)
    header = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    last = zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    return header + compressed * blocks + last + struct.pack("<II", checksum, len(block) * blocks)


def _gzipped(content: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    return compressor.compress(content) + compressor.flush()


def _in_chunks(rest: bytes) -> bytes:
    return head(200, ("Transfer-Encoding", "chunked")) + rest


def _nested(secret: str, levels: int) -> bytes:
    return session(secret)[:-1] + b', "deep": ' + b"[" * levels + b"]" * levels + b"}"


# Framing.
respond_with_bytes("garbage_status_line", b"%&/()=? what\r\n\r\n")
respond_with_bytes("binary_garbage", bytes(range(256)) * 4)
respond_with_bytes("http_2_preface", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18))
respond_with("secret_as_status_line", lambda dialogue: dialogue.mint().encode() + b"\r\n\r\n")
respond_with(
    "secret_as_header",
    lambda dialogue: b"HTTP/1.1 200 OK\r\n" + dialogue.mint().encode() + b"\r\n\r\n",
)
respond_with("secret_as_length", lambda dialogue: head(200, ("Content-Length", dialogue.mint())))
respond_with(
    "secret_as_chunk_size", lambda dialogue: _in_chunks(session(dialogue.mint()) + b"\r\n")
)
respond_with_bytes("status_is_no_number", b"HTTP/1.1 OK 200\r\nContent-Length: 0\r\n\r\n")
respond_with_bytes("status_of_four_digits", b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n")
respond_with_bytes("header_without_colon", b"HTTP/1.1 200 OK\r\nWhat is this\r\n\r\n")
respond_with_bytes(
    "two_lengths", head(200, ("Content-Length", "2"), ("Content-Length", "3")) + b"{}x"
)
respond_with_bytes("length_is_no_number", head(200, ("Content-Length", "two")) + b"{}")
respond_with_bytes("length_is_negative", head(200, ("Content-Length", "-2")) + b"{}")
respond_with_bytes("chunk_size_is_no_number", _in_chunks(b"zz\r\n{}\r\n"))
respond_with_bytes("chunk_longer_than_declared", _in_chunks(b"2\r\n{}{}\r\n0\r\n\r\n"))
respond_with_bytes("unknown_transfer_encoding", head(200, ("Transfer-Encoding", "gzip")) + b"{}")
respond_with_bytes("switching_protocols", head(101, ("Upgrade", "websocket")))
respond_with("length_too_short", lambda dialogue: _mislabelled(session(dialogue.mint()), -10))
respond_with("length_too_long", lambda dialogue: _mislabelled(session(dialogue.mint()), +10))
respond_with(
    "two_responses",
    lambda dialogue: response(session(dialogue.mint())) + response(session(dialogue.mint())),
)
respond_with("headers_over_64_kib", lambda dialogue: _with_headers(dialogue.mint(), 80))
respond_with("headers_below_64_kib", lambda dialogue: _with_headers(dialogue.mint(), 50))


def _after_interim_responses(dialogue: Dialogue, *, count: int) -> bytes:
    return head(103, ("Link", "</x>; rel=preload")) * count + response(session(dialogue.mint()))


def _mislabelled(body: bytes, too_much: int) -> bytes:
    return head(200, ("Content-Length", str(len(body) + too_much))) + body


def _with_headers(secret: str, kilobytes: int) -> bytes:
    filler = [(f"X-Filler-{number}", "x" * 1000) for number in range(kilobytes)]
    return response(session(secret), 200, *filler)


# Size.
for _count in (10, 11):
    respond_with(f"interim_responses_{_count}", partial(_after_interim_responses, count=_count))
respond_with(
    "bare_line_feeds", lambda dialogue: response(session(dialogue.mint())).replace(b"\r\n", b"\n")
)
respond_with(
    "body_of_1_mib", lambda dialogue: response(session(dialogue.mint()).ljust(1024 * 1024))
)
respond_with(
    "body_of_1_mib_and_1",
    lambda dialogue: response(session(dialogue.mint()).ljust(1024 * 1024 + 1)),
)
respond_with_bytes("body_over_1_mib", response(b" " * _BODY_BYTES))
respond_with_bytes("body_over_1_mib_in_chunks", _in_chunks(chunked(*[b" " * 65536] * 32)))
respond_with_bytes("error_body_over_1_mib", response(b" " * _BODY_BYTES, 400))
respond_with("gzip_bomb", lambda _: response(bomb(), 200, ("Content-Encoding", "gzip")))
respond_with("gzip_bomb_as_error", lambda _: response(bomb(), 400, ("Content-Encoding", "gzip")))
respond_with(
    "gzip_damaged",
    lambda dialogue: response(
        _gzipped(session(dialogue.mint()))[:-9], 200, ("Content-Encoding", "gzip")
    ),
)
respond_with_bytes("gzip_in_name_only", response(b"not gzip", 200, ("Content-Encoding", "gzip")))
respond_with_bytes("brotli", response(b"\x8b\x00\x80{}\x03", 200, ("Content-Encoding", "br")))
respond_with(
    "gzip_not_requested",
    lambda dialogue: response(
        _gzipped(session(dialogue.mint())), 200, ("Content-Encoding", "gzip")
    ),
)

# JSON.
respond_with_bytes("empty_body", response(b""))
respond_with_bytes(
    "html", head(200, ("Content-Type", "text/html"), ("Content-Length", "6")) + b"<html>"
)
respond_with("json_list", lambda dialogue: response(b"[" + session(dialogue.mint()) + b"]"))
respond_with_bytes("json_null", response(b"null"))
respond_with("json_text", lambda dialogue: response(encoded(dialogue.mint())))
respond_with("json_cut", lambda dialogue: response(session(dialogue.mint())[:-1]))
# The object itself is a level too.
respond_with_body("json_of_64_levels", lambda secret: _nested(secret, 63))
respond_with_body("json_of_65_levels", lambda secret: _nested(secret, 64))
respond_with_body("json_of_100_000_levels", lambda secret: _nested(secret, 100_000))
respond_with_body("json_not_a_number", lambda secret: session(secret)[:-1] + b', "x": NaN}')
respond_with_body("json_infinity", lambda secret: session(secret)[:-1] + b', "x": -Infinity}')
respond_with_body("json_not_utf_8", lambda secret: session(secret)[:-1] + b', "x": "\xff"}')
respond_with_body(
    "error_in_a_success",
    lambda secret: session(secret)[:-1] + b', "error": {"message": "no ' + secret.encode() + b'"}}',
)

# The secret.
respond_with_bytes("secret_missing", response(encoded({"client_secret": {"expires_at": 1}})))
respond_with_bytes("client_secret_missing", response(encoded({"id": "sess_1"})))
respond_with(
    "client_secret_is_text", lambda dialogue: response(encoded({"client_secret": dialogue.mint()}))
)
respond_with_bytes("secret_null", response(session(None)))
respond_with_bytes("secret_empty", response(session("")))
respond_with_bytes("secret_a_number", response(session(12345)))
respond_with_body("secret_not_ascii", lambda secret: session(f"{secret}é"))
respond_with_body("secret_with_newline", lambda secret: session(f"{secret}\n"))
respond_with_body("secret_with_space", lambda secret: session(f"{secret} x"))
respond_with_body("secret_too_long", lambda secret: session(secret + "x" * 4096))
respond_with_body("expiry_negative", lambda secret: session(secret, -1))
respond_with_body("expiry_not_a_number", lambda secret: session(secret, float("nan")))
respond_with_body("expiry_infinite", lambda secret: session(secret, float("inf")))
respond_with_body("expiry_absurd", lambda secret: session(secret, 1e300))
respond_with_body("expiry_a_huge_integer", lambda secret: session(secret, 10**40))
respond_with_body("expiry_an_object", lambda secret: session(secret, {}))
respond_with_body("expiry_zero", lambda secret: session(secret, 0))
respond_with(
    "expiry_absent",
    lambda dialogue: response(encoded({"client_secret": {"value": dialogue.mint()}})),
)

# Statuses.
respond_with_bytes("no_content", head(204))
respond_with(
    "set_cookie",
    lambda dialogue: response(session(dialogue.mint()), 200, ("Set-Cookie", "a=b; Path=/")),
)


def _redirect(dialogue: Dialogue, *, status: int) -> bytes:
    location = f"{dialogue.redirect_target}?key={LOCATION_SECRET}"
    body = b"" if status == 304 else encoded({"moved": "permanently"})
    return response(body, status, ("Location", location))


def _error(dialogue: Dialogue, *headers: tuple[str, str], status: int) -> bytes:
    """Return an error that quotes what it was sent, as servers have been seen to do."""
    echo = (
        f"Incorrect API key {dialogue.request.headers.get('authorization')}, not {dialogue.mint()}"
    )
    return response(encoded({"error": {"message": echo, "code": None}}), status, *headers)


def _retry_after(dialogue: Dialogue, *, status: int, seconds: str) -> bytes:
    return _error(dialogue, ("Retry-After", seconds), status=status)


RETRY_AFTER = {
    "soon": "0",
    "nonsense": "soon",
    "negative": "-1",
    "past": "Thu, 01 Jan 1970 00:00:00 GMT",
    "overflow": "9" * 400,
    "wait": "3",
    "late": "20",
    "next_hour": "3600",
}
REDIRECTS = (300, 301, 302, 303, 304, 305, 307, 308)
ERRORS = (400, 401, 403, 404, 409, 422, 429, 500, 501, 502, 503, 504, 505, 529, 600, 999)

for _status in REDIRECTS:
    respond_with(f"status_{_status}", partial(_redirect, status=_status))
for _status in ERRORS:
    respond_with(f"status_{_status}", partial(_error, status=_status))
for _status in (429, 503):
    for _when, _seconds in RETRY_AFTER.items():
        make = partial(_retry_after, status=_status, seconds=_seconds)
        respond_with(f"status_{_status}_retry_{_when}", make)
respond_with(
    "status_503_retry_not",
    lambda dialogue: _error(dialogue, ("X-Should-Retry", "false"), status=503),
)
