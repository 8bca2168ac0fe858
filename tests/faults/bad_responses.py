"""Faults of the answer: whole, and wrong; most are a line, the bytes that are sent.

Owns: what is answered. Must not know: sockets, timing, or what the client ought to make of it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import cache, partial

from faults.fault import add
from faults.fault_server_dialogue import Dialogue
from faults.responses import answer, chunked, encoded, head, session

API_KEY = "sk-faults-0123456789abcdef"

# What a redirect would carry away, and an echo give away: as secret as any that is minted.
LOCATION_SECRET = "ek_in_the_location_0123456789"
_BODY_BYTES = 2 * 1024 * 1024


def says(name: str, make: Callable[[Dialogue], bytes]) -> None:
    """Put a fault into the table that is an answer, and nothing else."""
    add(name, "request", lambda talk: talk.send(make(talk)))


def repeats(name: str, content: bytes) -> None:
    """The same, where the answer is the same every time."""
    says(name, lambda _: content)


def with_secret(name: str, make: Callable[[str], bytes]) -> None:
    """The same, where the body is made of a secret that is good in itself."""
    says(name, lambda talk: answer(make(talk.mint())))


@cache
def bomb() -> bytes:
    """Return 200 MB of spaces as gzip has them: 200 kB, and quickly, as one block many times over."""
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
repeats("garbage_status_line", b"%&/()=? what\r\n\r\n")
repeats("binary_garbage", bytes(range(256)) * 4)
repeats("http_2_preface", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18))
says("secret_for_a_status_line", lambda talk: talk.mint().encode() + b"\r\n\r\n")
says(
    "secret_for_a_header", lambda talk: b"HTTP/1.1 200 OK\r\n" + talk.mint().encode() + b"\r\n\r\n"
)
says("secret_for_a_length", lambda talk: head(200, ("Content-Length", talk.mint())))
says("secret_for_a_chunk_size", lambda talk: _in_chunks(session(talk.mint()) + b"\r\n"))
repeats("status_is_no_number", b"HTTP/1.1 OK 200\r\nContent-Length: 0\r\n\r\n")
repeats("status_of_four_digits", b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n")
repeats("header_without_colon", b"HTTP/1.1 200 OK\r\nWhat is this\r\n\r\n")
repeats("two_lengths", head(200, ("Content-Length", "2"), ("Content-Length", "3")) + b"{}x")
repeats("length_is_no_number", head(200, ("Content-Length", "two")) + b"{}")
repeats("length_is_negative", head(200, ("Content-Length", "-2")) + b"{}")
repeats("chunk_size_is_no_number", _in_chunks(b"zz\r\n{}\r\n"))
repeats("chunk_is_longer_than_told", _in_chunks(b"2\r\n{}{}\r\n0\r\n\r\n"))
repeats("unknown_transfer_encoding", head(200, ("Transfer-Encoding", "gzip")) + b"{}")
repeats("switching_protocols", head(101, ("Upgrade", "websocket")))
says("length_too_short", lambda talk: _mislabelled(session(talk.mint()), -10))
says("length_too_long", lambda talk: _mislabelled(session(talk.mint()), +10))
says(
    "answer_and_another",
    lambda talk: answer(session(talk.mint())) + answer(session(talk.mint())),
)
says("headers_over_64_kib", lambda talk: _with_headers(talk.mint(), 80))
says("headers_below_64_kib", lambda talk: _with_headers(talk.mint(), 50))


def _after_interim_answers(talk: Dialogue, *, count: int) -> bytes:
    return head(103, ("Link", "</x>; rel=preload")) * count + answer(session(talk.mint()))


def _mislabelled(body: bytes, too_much: int) -> bytes:
    return head(200, ("Content-Length", str(len(body) + too_much))) + body


def _with_headers(secret: str, kilobytes: int) -> bytes:
    filler = [(f"X-Filler-{number}", "x" * 1000) for number in range(kilobytes)]
    return answer(session(secret), 200, *filler)


# Size.
for _count in (10, 11):
    says(f"interim_answers_{_count}", partial(_after_interim_answers, count=_count))
says("bare_line_feeds", lambda talk: answer(session(talk.mint())).replace(b"\r\n", b"\n"))
says("body_of_1_mib", lambda talk: answer(session(talk.mint()).ljust(1024 * 1024)))
says("body_of_1_mib_and_1", lambda talk: answer(session(talk.mint()).ljust(1024 * 1024 + 1)))
repeats("body_over_1_mib", answer(b" " * _BODY_BYTES))
repeats("body_over_1_mib_in_chunks", _in_chunks(chunked(*[b" " * 65536] * 32)))
repeats("error_body_over_1_mib", answer(b" " * _BODY_BYTES, 400))
says("gzip_bomb", lambda _: answer(bomb(), 200, ("Content-Encoding", "gzip")))
says("gzip_bomb_as_error", lambda _: answer(bomb(), 400, ("Content-Encoding", "gzip")))
says(
    "gzip_damaged",
    lambda talk: answer(_gzipped(session(talk.mint()))[:-9], 200, ("Content-Encoding", "gzip")),
)
repeats("gzip_in_name_only", answer(b"not gzip", 200, ("Content-Encoding", "gzip")))
repeats("brotli", answer(b"\x8b\x00\x80{}\x03", 200, ("Content-Encoding", "br")))
says(
    "gzip_unasked_for",
    lambda talk: answer(_gzipped(session(talk.mint())), 200, ("Content-Encoding", "gzip")),
)

# JSON.
repeats("empty_body", answer(b""))
repeats("html", head(200, ("Content-Type", "text/html"), ("Content-Length", "6")) + b"<html>")
says("json_list", lambda talk: answer(b"[" + session(talk.mint()) + b"]"))
repeats("json_null", answer(b"null"))
says("json_text", lambda talk: answer(encoded(talk.mint())))
says("json_cut", lambda talk: answer(session(talk.mint())[:-1]))
# The object itself is a level too.
with_secret("json_of_64_levels", lambda secret: _nested(secret, 63))
with_secret("json_of_65_levels", lambda secret: _nested(secret, 64))
with_secret("json_of_100_000_levels", lambda secret: _nested(secret, 100_000))
with_secret("json_not_a_number", lambda secret: session(secret)[:-1] + b', "x": NaN}')
with_secret("json_infinity", lambda secret: session(secret)[:-1] + b', "x": -Infinity}')
with_secret("json_not_utf_8", lambda secret: session(secret)[:-1] + b', "x": "\xff"}')
with_secret(
    "error_in_a_success",
    lambda secret: session(secret)[:-1] + b', "error": {"message": "no ' + secret.encode() + b'"}}',
)

# The secret.
repeats("secret_missing", answer(encoded({"client_secret": {"expires_at": 1}})))
repeats("client_secret_missing", answer(encoded({"id": "sess_1"})))
says("client_secret_is_text", lambda talk: answer(encoded({"client_secret": talk.mint()})))
repeats("secret_null", answer(session(None)))
repeats("secret_empty", answer(session("")))
repeats("secret_a_number", answer(session(12345)))
with_secret("secret_not_ascii", lambda secret: session(f"{secret}é"))
with_secret("secret_with_newline", lambda secret: session(f"{secret}\n"))
with_secret("secret_with_space", lambda secret: session(f"{secret} x"))
with_secret("secret_too_long", lambda secret: session(secret + "x" * 4096))
with_secret("expiry_negative", lambda secret: session(secret, -1))
with_secret("expiry_not_a_number", lambda secret: session(secret, float("nan")))
with_secret("expiry_infinite", lambda secret: session(secret, float("inf")))
with_secret("expiry_absurd", lambda secret: session(secret, 1e300))
with_secret("expiry_a_huge_integer", lambda secret: session(secret, 10**40))
with_secret("expiry_an_object", lambda secret: session(secret, {}))
with_secret("expiry_zero", lambda secret: session(secret, 0))
says("expiry_absent", lambda talk: answer(encoded({"client_secret": {"value": talk.mint()}})))

# Statuses.
repeats("no_content", head(204))
says("set_cookie", lambda talk: answer(session(talk.mint()), 200, ("Set-Cookie", "a=b; Path=/")))


def _redirect(talk: Dialogue, *, status: int) -> bytes:
    location = f"{talk.elsewhere}?key={LOCATION_SECRET}"
    body = b"" if status == 304 else encoded({"moved": "elsewhere"})
    return answer(body, status, ("Location", location))


def _error(talk: Dialogue, *headers: tuple[str, str], status: int) -> bytes:
    """Return an error that quotes what it was sent, as servers have been seen to do."""
    echo = f"Incorrect API key {talk.request.headers.get('authorization')}, not {talk.mint()}"
    return answer(encoded({"error": {"message": echo, "code": None}}), status, *headers)


def _retry_after(talk: Dialogue, *, status: int, seconds: str) -> bytes:
    return _error(talk, ("Retry-After", seconds), status=status)


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
    says(f"status_{_status}", partial(_redirect, status=_status))
for _status in ERRORS:
    says(f"status_{_status}", partial(_error, status=_status))
for _status in (429, 503):
    for _when, _seconds in RETRY_AFTER.items():
        make = partial(_retry_after, status=_status, seconds=_seconds)
        says(f"status_{_status}_retry_{_when}", make)
says("status_503_retry_not", lambda talk: _error(talk, ("X-Should-Retry", "false"), status=503))
