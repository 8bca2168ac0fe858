"""Any bytes, cut anywhere, come to the same over both parsers: one response, or one refusal."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openai_realtime.transports import http1
from transports.outcomes import PARSERS, Outcome, outcome_of

TOKEN = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=8)
TEXT = st.text([*map(chr, range(0x20, 0x7F)), "\t", "\xa0", "\xe9", "\xff"], max_size=12)
QUOTED = TEXT.map(lambda text: '"{}"'.format(text.replace("\\", "").replace('"', "")))
STATUSES = st.sampled_from([200, 201, 204, 205, 299, 304, 307, 400, 429, 500, 599])


class Made(NamedTuple):
    """A response, and what is to become of it."""

    data: bytes
    status: int
    headers: dict[str, str]
    body: bytes
    is_framed: bool
    is_reusable: bool


def written(headers: list[tuple[str, str]]) -> bytes:
    return "".join(f"{name}:{value}\r\n" for name, value in headers).encode("latin-1")


@st.composite
def chunks(draw: st.DrawFn, body: bytes) -> bytes:
    """Return a body in chunks, with extensions, leading zeros and trailers."""
    data = b""
    extensions = st.lists(st.tuples(TOKEN, st.one_of(st.just(""), TOKEN, QUOTED)), max_size=2)
    sizes = st.integers(1, max(1, len(body)))
    while True:
        piece = body[: draw(sizes)]
        body = body[len(piece) :]
        size = f"{len(piece):{draw(st.sampled_from(['x', 'X', '08x', '016x']))}}"
        for name, value in draw(extensions):
            size += f";{name}={value}" if value else f";{name}"
        data += size.encode("latin-1") + b"\r\n"
        if not piece:
            break
        data += piece + b"\r\n"
    trailers = st.lists(st.tuples(TOKEN.map(lambda name: f"T-{name}"), TEXT), max_size=2)
    return data + written(draw(trailers)) + b"\r\n"


@st.composite
def responses(draw: st.DrawFn) -> Made:
    """Return a response that is good."""
    version = draw(st.sampled_from(["1.1", "1.1", "1.1", "1.0"]))
    status = draw(STATUSES)
    reason = draw(st.one_of(st.just(""), TEXT.map(lambda text: f" {text}")))
    headers = draw(st.lists(st.tuples(TOKEN.map(lambda name: f"X-{name}"), TEXT), max_size=4))
    options = draw(st.lists(st.sampled_from(["close", "keep-alive", "Close ", "\tx"]), max_size=2))
    if options:
        headers.append(("Connection", ",".join(options)))
    closes = any(option.strip().lower() == "close" for option in options)
    framing = draw(st.sampled_from(["length", "chunked", "none"]))
    body = draw(st.binary(max_size=40))
    content = body
    if framing == "length":
        headers.append(("Content-Length", f" {len(body)}"))
    elif framing == "chunked":
        headers.append(("Transfer-Encoding", " chunked"))
        content = draw(chunks(body))
    has_body = status not in {204, 304}
    if not has_body:
        content = body = b""
    headers = draw(st.permutations(headers))
    joined: dict[str, str] = {}
    for name, raw in headers:
        value = raw.strip(" \t")
        lower = name.lower()
        joined[lower] = f"{joined[lower]}, {value}" if lower in joined else value
    data = f"HTTP/{version} {status}{reason}\r\n".encode("latin-1") + written(headers) + b"\r\n"
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    return Made(
        data=interim * draw(st.integers(0, 2)) + data + content,
        status=status,
        headers=joined,
        body=body,
        is_framed=framing != "none" or not has_body,
        is_reusable=version == "1.1" and not closes and (framing != "none") is has_body,
    )


# What is put between, before and behind the parts of responses.
FRAGMENTS = [
    *(b"\r\n", b"\n", b"\r", b"\x00", b" ", b"\t", b":", b";", b",", b'"', b"\\", b"=", b"\x7f"),
    *(b"0", b"1", b"2", b"a", b"f", b"x", b"\x80", b"\xff", b"{}", b"0\r\n\r\n", b"\r\n\r\n"),
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 204\r\n", b"HTTP/1.1 304 X\r\n"),
    *(b"HTTP/1.1 100 Continue\r\n", b"HTTP/1.1 101 X\r\n", b"HTTP/1.1 599 X\r\n", b"HTTP/1."),
    *(b"Content-Length: 2\r\n", b"Content-Length:", b"Transfer-Encoding: chunked\r\n"),
    *(b"Transfer-Encoding:", b"Connection: close\r\n", b"Connection: upgrade\r\n", b"chunked"),
    *(b"Upgrade: x\r\n", b"X-Name: value\r\n", b"2\r\n{}\r\n", b"2;a=b\r\n{}\r\n", b';a="b"'),
    *(b"Keep-Alive: x\r\n", b"Proxy-Connection: close\r\n", b"Trailer: x\r\n", b"gzip, "),
]


@st.composite
def odd_bytes(draw: st.DrawFn) -> bytes:
    """Return something like a response: a good one that was changed, or parts of some in a row."""
    fragment = st.sampled_from(FRAGMENTS)
    if draw(st.booleans()):
        return b"".join(draw(st.lists(fragment, max_size=12)))
    data = draw(responses()).data
    for _ in range(draw(st.integers(0, 3))):
        position = draw(st.integers(0, len(data)))
        dropped = draw(st.sampled_from([0, 0, 1, 2, 5]))
        data = data[:position] + draw(st.just(b"") | fragment) + data[position + dropped :]
    return data


def cut(data: bytes, positions: list[int]) -> list[bytes]:
    """Return the bytes in pieces: cut at the positions, taken modulo their number."""
    bounds = sorted({0, len(data), *(position % (len(data) + 1) for position in positions)})
    return [data[start:end] for start, end in pairwise(bounds)]


POSITIONS = st.lists(st.integers(0, 10_000), max_size=6)


def outcome_over(parser: Callable[[bytes], object], pieces: list[bytes], *, ends: bool) -> Outcome:
    with patch.object(http1, "read_headers", parser):
        return outcome_of(*pieces, ends=ends)


def assert_all_agree(data: bytes, positions: list[int], *, ends: bool) -> Outcome:
    """Return what becomes of `data`: over either parser, whole and cut."""
    first, *others = [
        outcome_over(parser, pieces, ends=ends)
        for pieces in ([data] if data else [], cut(data, positions))
        for parser in PARSERS
    ]
    assert others == [first] * 3
    return first


@given(responses(), POSITIONS)
def test_a_good_response(made: Made, positions: list[int]) -> None:
    got = assert_all_agree(made.data, positions, ends=not made.is_framed)
    assert got.error == ""
    assert (got.status, got.body) == (made.status, made.body)
    assert dict(got.headers) == made.headers
    assert got.is_reusable is made.is_reusable


@given(responses(), st.binary(min_size=1, max_size=30), POSITIONS)
def test_bytes_behind_a_good_response(made: Made, behind: bytes, positions: list[int]) -> None:
    """They change nothing of it, and its connection serves no other request."""
    if made.is_framed:
        got = assert_all_agree(made.data + behind, positions, ends=False)
        assert (got.error, got.status, got.body) == ("", made.status, made.body)
        assert not got.is_reusable


@given(odd_bytes(), POSITIONS, st.booleans())
@settings(max_examples=150)
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n", [], False)
@example(b"HTTP/1.1 304 OK\r\nTransfer-Encoding: gzip\r\n\r\n", [], False)
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;\r\n{}\r\n0\r\n\r\n", [], False)
def test_odd_bytes(data: bytes, positions: list[int], ends: bool) -> None:
    assert_all_agree(data, positions, ends=ends)


@given(st.binary(max_size=60), POSITIONS, st.booleans())
@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ],
)
def test_any_bytes(beginning: bytes, data: bytes, positions: list[int], ends: bool) -> None:
    """Nothing but `APIConnectionError` is raised: anything else would end the test."""
    assert_all_agree(beginning + data, positions, ends=ends)
