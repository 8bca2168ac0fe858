"""How much of a response is taken, and at once: exactly at each bound, and just over it."""

from __future__ import annotations

import gc
import time
import tracemalloc
import weakref
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from openai_realtime.errors import APIConnectionError
from openai_realtime.transports import http1
from openai_realtime.transports.connection import Connection
from transports.outcomes import INCOMPLETE, PARSERS, REQUEST, outcome_of, receive

KIB = 1024
MIB = 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
TOO_LARGE = "The server's response is larger than 1 MiB"


@pytest.fixture(params=PARSERS, autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(http1, "read_headers", request.param)
    return request.param


def in_pieces(data: bytes, size: int = 64 * KIB) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def filled(before: bytes, after: bytes, size: int) -> bytes:
    """Return so many bytes, filled up in the middle."""
    return before + b"x" * (size - len(before) - len(after)) + after


def head(size: int) -> bytes:
    return filled(OK + b"X: ", b"\r\nContent-Length: 2\r\n\r\n", size)


def trailers(size: int) -> bytes:
    return filled(b"X: ", b"\r\n\r\n", size)


def size_line(size: int) -> bytes:
    return filled(b"2;a=", b"\r\n", size)


def lines(count: int) -> bytes:
    """Return headers of so many lines, the empty one included."""
    return b"".join(b"x-%d: y\r\n" % number for number in range(count - 1)) + b"\r\n"


AT_MOST = {
    "head": (head(64 * KIB) + b"{}", head(64 * KIB + 1), "more than 64 KiB of headers"),
    "lines of a head": (
        OK + b"Content-Length: 2\r\n" + lines(998) + b"{}",
        OK + b"Content-Length: 2\r\n" + lines(999),
        "more than 1,000 lines of headers",
    ),
    "interim heads": (
        filled(b"HTTP/1.1 103 X\r\nX: ", b"\r\n\r\n", 64 * KIB) * 10 + head(64 * KIB) + b"{}",
        filled(b"HTTP/1.1 103 X\r\nX: ", b"\r\n\r\n", 64 * KIB) * 11,
        "more than 10 interim responses",
    ),
    "trailers": (
        CHUNKED + b"2\r\n{}\r\n0\r\n" + trailers(64 * KIB),
        CHUNKED + b"2\r\n{}\r\n0\r\n" + trailers(64 * KIB + 1),
        "more than 64 KiB of trailers",
    ),
    "lines of trailers": (
        CHUNKED + b"2\r\n{}\r\n0\r\n" + lines(1000),
        CHUNKED + b"2\r\n{}\r\n0\r\n" + lines(1001),
        "more than 1,000 lines of trailers",
    ),
    "chunk framing": (
        CHUNKED + size_line(64 * KIB) + b"{}\r\n0\r\n\r\n",
        CHUNKED + size_line(64 * KIB + 1),
        "more than 64 KiB of chunk framing",
    ),
}


@pytest.mark.parametrize("row", AT_MOST.values(), ids=AT_MOST)
@pytest.mark.parametrize("size", [10 * MIB, 4099])
def test_at_most_so_much_framing(row: tuple[bytes, bytes, str], size: int) -> None:
    fits, is_too_much, why = row
    got = outcome_of(*in_pieces(fits, size))
    assert (got.error, got.status, got.body, got.is_reusable) == ("", 200, b"{}", True)
    refused = outcome_of(*in_pieces(is_too_much, size))
    assert refused.error.startswith("APIConnectionError The server's response is not valid HTTP")
    assert why in refused.error


# A beginning that nothing ends is refused as soon as it is too long.
ENDLESS = {
    "status line": (b"HTTP/1.1 200 ", b""),
    "header": (OK + b"X: ", b""),
    "interim head": (b"HTTP/1.1 103 X\r\nX: ", b""),
    "chunk size": (CHUNKED + b"0", CHUNKED),
    "extension": (CHUNKED + b"2;a=", CHUNKED),
    "trailers": (CHUNKED + b"0\r\nX: ", CHUNKED + b"0\r\n"),
}


@pytest.mark.parametrize(("beginning", "whole"), ENDLESS.values(), ids=ENDLESS)
def test_endless_framing(beginning: bytes, whole: bytes) -> None:
    longest = filled(beginning, b"", len(whole) + 64 * KIB)
    assert outcome_of(longest) == INCOMPLETE
    assert "more than 64 KiB of" in outcome_of(longest + b"x").error
    assert "more than 64 KiB of" in outcome_of(longest, b"x").error


def with_length(size: int) -> bytes:
    return OK + b"Content-Length: %d\r\n\r\n" % size + b" " * size


def in_chunks(size: int) -> bytes:
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in in_pieces(b" " * size, 50_000)]
    return CHUNKED + b"".join(chunks) + b"0\r\n\r\n"


def in_one_chunk(size: int) -> bytes:
    return CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (size, b" " * size)


def to_the_end(size: int) -> bytes:
    return OK + b"\r\n" + b" " * size


BODIES = (with_length, in_chunks, in_one_chunk, to_the_end)


@pytest.mark.parametrize("made", BODIES)
def test_a_body_of_1_mib(made: Callable[[int], bytes]) -> None:
    ends = made is to_the_end
    got = outcome_of(*in_pieces(made(MIB)), ends=ends)
    assert (got.error, len(got.body)) == ("", MIB)
    refused = outcome_of(*in_pieces(made(MIB + 1)), ends=ends)
    assert refused.error == f"APIConnectionError {TOO_LARGE} receive False True"


@pytest.mark.parametrize(
    "beginning",
    [
        OK + b"Content-Length: 2097152\r\n\r\n",
        OK + b"Content-Length: 1048577\r\n\r\n",
        OK + b"Content-Length: 999999999999999999\r\n\r\n",
        CHUNKED + b"100001\r\n",
        CHUNKED + b"ffffffffffffffff\r\n",
        CHUNKED + b"1\r\n \r\n100000\r\n",
    ],
)
def test_a_body_that_says_it_is_too_large_is_not_waited_for(beginning: bytes) -> None:
    assert TOO_LARGE in outcome_of(beginning).error


def on_the_wire(size: int) -> bytes:
    """Return a response of so many bytes, most of them framing."""
    end = b"0\r\n\r\n"
    left = size - len(CHUNKED) - len(end)
    chunks = []
    while left:
        taken = left if left < 16 * KIB else 8 * KIB
        chunks.append(filled(b"1;a=", b"\r\n{\r\n", taken))
        left -= taken
    return CHUNKED + b"".join(chunks) + end


def test_4_mib_on_the_wire() -> None:
    got = outcome_of(*in_pieces(on_the_wire(4 * MIB)))
    assert (got.error, got.is_reusable) == ("", True)
    refused = outcome_of(*in_pieces(on_the_wire(4 * MIB + 1)))
    assert refused.error == (
        "APIConnectionError The server's response takes more than 4 MiB on the wire "
        "receive False True"
    )


def gzipped(content: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    compressed = compressor.compress(content) + compressor.flush()
    return b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(compressed), compressed)


def test_a_compressed_body() -> None:
    got = outcome_of(OK + gzipped(b"{}"))
    assert (got.body, got.is_reusable) == (b"{}", True)
    assert len(outcome_of(OK + gzipped(b" " * MIB)).body) == MIB
    assert "damaged" in outcome_of(OK + gzipped(b"{}").replace(b"\x1f\x8b", b"{}")).error


def test_a_gzip_bomb() -> None:
    bomb = OK + gzipped(b" " * (32 * MIB))
    tracemalloc.start()
    try:
        error = outcome_of(bomb).error
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "is larger than 1 MiB when decompressed" in error
    assert peak < 8 * MIB


def test_a_response_that_cannot_be_decoded_ends_its_connection() -> None:
    connection = Connection()
    connection.send(REQUEST)
    connection.receive(OK + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}")
    with pytest.raises(APIConnectionError, match="has a content encoding that was not requested"):
        connection.response()
    assert not connection.may_serve_again


def one_byte_chunks(count: int) -> bytes:
    return CHUNKED + b"1\r\n{\r\n" * count + b"0\r\n\r\n"


SLICED = {
    "length": (with_length(MIB), 16 * KIB),
    "one chunk": (in_one_chunk(MIB), 4 * KIB),
    "chunks": (in_chunks(MIB), 4 * KIB),
    "chunks of one byte": (one_byte_chunks(50_000), 4 * KIB),
    "end of the connection": (to_the_end(MIB), 16 * KIB),
}


@pytest.mark.parametrize(("data", "most"), SLICED.values(), ids=SLICED)
def test_no_call_parses_more_than_a_slice(data: bytes, most: int) -> None:
    """Also not where all of it has come at once, as over a fast network."""
    connection = Connection()
    connection.send(REQUEST)
    connection.receive(data)
    reader = connection._reader
    parsed = [reader._position]
    while connection.is_backlogged:
        connection.receive(b"")
        parsed.append(reader._position - sum(parsed))
    if data.startswith(OK + b"\r\n"):
        connection.receive_eof()
    assert not connection.is_busy
    assert sum(parsed) == len(data)
    # A line that frames a chunk goes with what is before it.
    assert max(parsed) <= most + 100
    assert len(parsed) >= len(data) // (most + 100)
    assert not connection.is_backlogged
    assert connection.response().status == 200


@pytest.mark.parametrize(("data", "most"), SLICED.values(), ids=SLICED)
def test_an_end_of_the_connection_behind_a_backlog(data: bytes, most: int) -> None:
    connection = Connection()
    connection.send(REQUEST)
    connection.receive(data)
    connection.receive_eof()
    assert connection.is_backlogged
    assert receive(connection, b"") == b""
    assert not connection.is_busy
    assert len(connection.response().body) in {MIB, 50_000}
    assert not connection.may_serve_again


def test_an_end_of_the_connection_too_early_behind_a_backlog() -> None:
    connection = Connection()
    connection.send(REQUEST)
    connection.receive(with_length(MIB)[:-1])
    connection.receive_eof()
    with pytest.raises(APIConnectionError, match="was lost"):
        receive(connection, b"")


def test_more_that_comes_while_there_is_a_backlog() -> None:
    connection = Connection()
    connection.send(REQUEST)
    for piece in in_pieces(with_length(MIB)):
        connection.receive(piece)
    receive(connection, b"")
    assert connection.response().body == b" " * MIB
    assert connection.may_serve_again


@pytest.mark.parametrize("size", [16 * KIB - 1, 16 * KIB, 16 * KIB + 1, 40 * KIB])
@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"Content-Length: 0", b""),
        (b"Content-Length: 2", b"{}"),
        (b"Transfer-Encoding: chunked", b"0\r\n\r\n"),
    ],
)
def test_a_head_as_long_as_a_slice(size: int, framing: bytes, body: bytes) -> None:
    got = outcome_of(filled(OK + b"X: ", b"\r\n" + framing + b"\r\n\r\n", size) + body)
    assert (got.error, got.status, got.is_reusable) == ("", 200, True)


@pytest.mark.parametrize("size", range(16 * KIB - 40, 16 * KIB + 40, 7))
def test_a_response_as_long_as_a_slice(size: int) -> None:
    for beginning in (OK, b"HTTP/1.1 103 X\r\n\r\n" + OK):
        length = b"%d\r\n\r\n" % size
        got = outcome_of(beginning + b"Content-Length: " + length + b" " * size)
        assert (got.error, len(got.body), got.is_reusable) == ("", size, True)
    got = outcome_of(CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (size, b" " * size))
    assert (got.error, len(got.body), got.is_reusable) == ("", size, True)


def test_a_byte_behind_a_response_that_is_as_long_as_a_slice() -> None:
    data = OK + b"Content-Length: 16384\r\n\r\n"
    data += b" " * (16 * KIB - len(data))
    left = 16384 - (16 * KIB - len(OK + b"Content-Length: 16384\r\n\r\n"))
    got = outcome_of(data + b" " * left + b"x")
    assert (got.error, got.is_reusable) == ("", False)


# What costs a parser most, of a given size.
HOSTILE: dict[str, Callable[[int], bytes]] = {
    "spaces in a length": lambda n: OK + b"Content-Length: 2" + b" " * n + b"x\r\n\r\n",
    "spaces around a length": lambda n: OK + b"Content-Length:" + b" " * n + b"2 \r\n\r\n{}",
    "spaces in an encoding": lambda n: (
        OK + b"Transfer-Encoding: x" + b" \t" * (n // 2) + b"y\r\n\r\n"
    ),
    "spaces in a value": lambda n: OK + b"X: a" + b" " * n + b"b\r\nContent-Length: 0\r\n\r\n",
    "spaces in a trailer": lambda n: CHUNKED + b"0\r\nX: a" + b" " * n + b"\r\n\r\n",
    "colons": lambda n: OK + b"X" + b":" * n + b"\r\nContent-Length: 0\r\n\r\n",
    "a long name": lambda n: OK + b"x" * n + b"\r\n\r\n",
    "carriage returns": lambda n: OK + b"\r" * n + b"\n\r\n",
    "options": lambda n: (
        OK + b"Connection: " + b"clos," * (n // 5) + b"\r\nContent-Length: 0\r\n\r\n"
    ),
    "short headers": lambda n: OK + b"a:\r\n" * min(n // 4, 990) + b"Content-Length: 0\r\n\r\n",
    "lengths": lambda n: OK + b"content-length:\r\n" * min(n // 17, 990) + b"\r\n",
    "extensions": lambda n: CHUNKED + b"0" + b";a" * (n // 2) + b"\r\n\r\n",
    "extensions in quotes": lambda n: CHUNKED + b"0" + b';a="b' * (n // 5) + b"\r\n\r\n",
    "chunks of one byte": lambda n: one_byte_chunks(n // 12),
}


def cost(made: Callable[[int], bytes], size: int, cut: int) -> float:
    """Return how long this thread computed, at best."""
    pieces = list(in_pieces(made(size), cut))
    best = 1e9
    for _ in range(3):
        begun = time.thread_time()
        outcome_of(*pieces)
        best = min(best, time.thread_time() - begun)
    return best


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("made", HOSTILE.values(), ids=HOSTILE)
def test_time_grows_as_the_response_does(made: Callable[[int], bytes]) -> None:
    """Eight times the bytes: eight times as long, not 64."""
    assert cost(made, 60_000, MIB) < 24 * cost(made, 7_500, MIB) + 0.005


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("name", ["spaces in a value", "extensions", "chunks of one byte"])
def test_time_grows_as_the_response_does_that_drips(name: str) -> None:
    made = HOSTILE[name]
    assert cost(made, 8_000, 1) < 24 * cost(made, 1_000, 1) + 0.005


@pytest.mark.usefixtures("unmeasured")
def test_time_grows_as_interim_responses_that_drip() -> None:
    def made(size: int) -> bytes:
        return filled(b"HTTP/1.1 103 X\r\nX: ", b"\r\n\r\n", size // 10) * 10

    assert cost(made, 16_000, 1) < 24 * cost(made, 2_000, 1) + 0.005


def test_nothing_of_a_response_is_kept() -> None:
    """Neither by the connection, nor until the next garbage collection."""
    made: list[weakref.ref[Any]] = []
    connection = Connection()
    gc.disable()
    try:
        for data in (with_length(2), in_chunks(2)):
            connection.send(REQUEST)
            made.append(weakref.ref(connection._reader))
            receive(connection, data)
            assert connection.response().body == b"  "
        assert [reader() for reader in made] == [None, None]
    finally:
        gc.enable()


def test_nothing_of_a_head_is_kept(parser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the parsers: a circle of references would keep it until the next garbage collection."""
    gc.collect()
    gc.disable()
    try:
        parser(OK + b"X: y\r\n\r\n")
        assert gc.collect() == 0
    finally:
        gc.enable()
