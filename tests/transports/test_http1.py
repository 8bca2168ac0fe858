"""Responses by tables, over both parsers: good ones, and refused ones, in any pieces."""

from __future__ import annotations

from typing import Any

import pytest

from openai_realtime.core.wire import Request
from openai_realtime.transports import http1
from openai_realtime.transports.connection import Connection, encode_request
from openai_realtime.transports.exceptions import MalformedResponseError
from openai_realtime.transports.proxies import origin_of
from transports.local_variables import recorded_local_variables
from transports.outcomes import (
    INCOMPLETE,
    KEY,
    PARSERS,
    REQUEST,
    Outcome,
    cuts,
    outcome_of,
)


@pytest.fixture(params=PARSERS, autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(http1, "read_headers", request.param)
    return request.param


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
TWO = b"Content-Length: 2\r\n\r\n{}"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

# The bytes; the status, the body, and whether the connection may carry another request.
GOOD: dict[str, tuple[bytes, int, bytes, bool]] = {
    "length": (OK + TWO, 200, b"{}", True),
    "length of 0": (OK + b"Content-Length: 0\r\n\r\n", 200, b"", True),
    "length with zeros": (OK + b"Content-Length: 000000000000000002\r\n\r\n{}", 200, b"{}", True),
    "length, spaces": (OK + b"Content-Length:  2  \r\n\r\n{}", 200, b"{}", True),
    "length, no space": (OK + b"Content-Length:2\r\n\r\n{}", 200, b"{}", True),
    "length, another case": (OK + b"cONTENT-lENGTH: 2\r\n\r\n{}", 200, b"{}", True),
    "no reason": (b"HTTP/1.1 200\r\n" + TWO, 200, b"{}", True),
    "empty reason": (b"HTTP/1.1 200 \r\n" + TWO, 200, b"{}", True),
    "odd reason": (b"HTTP/1.1 200 \xff\t (x)\r\n" + TWO, 200, b"{}", True),
    "status 599": (b"HTTP/1.1 599 X\r\n" + TWO, 599, b"{}", True),
    "status 205": (b"HTTP/1.1 205 X\r\n" + TWO, 205, b"{}", True),
    "redirect": (b"HTTP/1.1 307 X\r\nLocation: /x\r\n" + TWO, 307, b"{}", True),
    "chunked": (CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", 200, b"{}", True),
    "chunked, two": (CHUNKED + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", 200, b"{}", True),
    "chunked, none": (CHUNKED + b"0\r\n\r\n", 200, b"", True),
    "chunked, hexadecimal": (
        CHUNKED + b"A\r\n" + b"x" * 10 + b"\r\n0\r\n\r\n",
        200,
        b"x" * 10,
        True,
    ),
    "chunked, zeros": (CHUNKED + b"0000000000000002\r\n{}\r\n0000\r\n\r\n", 200, b"{}", True),
    "chunked, another case": (
        OK + b"transfer-encoding: Chunked \r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        200,
        b"{}",
        True,
    ),
    "chunked, CRLF in it": (CHUNKED + b"4\r\n\r\n\r\n\r\n0\r\n\r\n", 200, b"\r\n\r\n", True),
    "extensions": (
        CHUNKED + b'2;a;b=c;d="e f"\r\n{}\r\n0;last="\xff\t"\r\n\r\n',
        200,
        b"{}",
        True,
    ),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n", 200, b"{}", True),
    "trailers that would be headers": (
        CHUNKED + b"2\r\n{}\r\n0\r\nConnection: close\r\nContent-Encoding: gzip\r\n\r\n",
        200,
        b"{}",
        True,
    ),
    "chunked on HTTP/1.0": (
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        200,
        b"{}",
        False,
    ),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    "304": (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", 304, b"", True),
    "204 with a length": (b"HTTP/1.1 204 X\r\nContent-Length: 2\r\n\r\n", 204, b"", False),
    "304 with a length": (b"HTTP/1.1 304 X\r\nContent-Length: 9999999\r\n\r\n", 304, b"", False),
    "204, chunked": (b"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n", 204, b"", False),
    "204 with a body": (b"HTTP/1.1 204 X\r\n\r\n{}", 204, b"", False),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n" + TWO, 200, b"{}", False),
    "HTTP/1.0, kept": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + TWO, 200, b"{}", False),
    "close": (OK + b"Connection: close\r\n" + TWO, 200, b"{}", False),
    "close, another case": (OK + b"connection: CLOSE\r\n" + TWO, 200, b"{}", False),
    "close in a list": (OK + b"Connection: keep-alive ,\tclose\r\n" + TWO, 200, b"{}", False),
    "close in another line": (
        OK + b"Connection: keep-alive\r\nX: y\r\nConnection: close\r\n" + TWO,
        200,
        b"{}",
        False,
    ),
    "keep-alive": (OK + b"Connection: keep-alive, closed\r\n" + TWO, 200, b"{}", True),
    "an upgrade that is offered": (
        OK + b"Connection: upgrade\r\nUpgrade: h2c\r\n" + TWO,
        200,
        b"{}",
        True,
    ),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + TWO, 200, b"{}", True),
    "interims": (EARLY * 10 + OK + TWO, 200, b"{}", True),
    "interim that closes": (
        b"HTTP/1.1 102 X\r\nConnection: close\r\n\r\n" + OK + TWO,
        200,
        b"{}",
        True,
    ),
    "response behind": (OK + TWO + OK + TWO, 200, b"{}", False),
    "CRLF behind": (OK + TWO + b"\r\n", 200, b"{}", False),
    "byte behind chunks": (CHUNKED + b"0\r\n\r\n\x00", 200, b"", False),
    "body longer than its length": (OK + TWO + b"{}", 200, b"{}", False),
}


def assert_good(got: Outcome, status: int, body: bytes, *, is_reusable: bool) -> None:
    assert got.error == ""
    assert (got.status, got.body, got.is_reusable) == (status, body, is_reusable)


@pytest.mark.parametrize("row", GOOD.values(), ids=GOOD)
def test_a_good_response_however_it_comes(row: tuple[bytes, int, bytes, bool]) -> None:
    data, status, body, is_reusable = row
    headers = outcome_of(data).headers
    for pieces in cuts(data):
        got = outcome_of(*pieces)
        assert_good(got, status, body, is_reusable=is_reusable)
        assert got.headers == headers


@pytest.mark.parametrize("row", GOOD.values(), ids=GOOD)
def test_a_response_that_is_cut_anywhere(row: tuple[bytes, int, bytes, bool]) -> None:
    data, status, body, _ = row
    ends = [size for size in range(len(data)) if outcome_of(data[:size]) != INCOMPLETE]
    first_end = min(ends, default=len(data))
    for size in range(len(data) + 1):
        got = outcome_of(data[:size], ends=True)
        if size >= first_end:
            assert_good(got, status, body, is_reusable=False)
        else:
            assert got.error.startswith("APIConnectionError The connection was lost")
            assert got.error.endswith("receive True True")


# Bodies that the end of the connection frames.
TO_THE_END = {
    "HTTP/1.1": b"HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nX: y\r\n\r\n",
    "kept alive": b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n",
}


@pytest.mark.parametrize("head", TO_THE_END.values(), ids=TO_THE_END)
@pytest.mark.parametrize("body", [b"", b"{}", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_body_to_the_end_of_the_connection(head: bytes, body: bytes) -> None:
    for pieces in cuts(head + body):
        assert outcome_of(*pieces) == INCOMPLETE
        assert_good(outcome_of(*pieces, ends=True), 200, body, is_reusable=False)
    for size in range(len(head)):
        assert "was lost" in outcome_of(head[:size], ends=True).error


VALUES = {
    b"a": "a",
    b" a": "a",
    b"\t a \t ": "a",
    b"": "",
    b" \t ": "",
    b" a  b": "a  b",
    b" \xa0\xe9\x85": "\xa0\xe9\x85",
    b' "a, b"': '"a, b"',
}


@pytest.mark.parametrize(("value", "text"), VALUES.items())
def test_a_headers_value(value: bytes, text: str) -> None:
    got = outcome_of(OK + b"X-One: 1\r\nX-Two:%b\r\nX-THREE: 3\r\n" % value + TWO)
    assert got.headers == (
        ("x-one", "1"),
        ("x-two", text),
        ("x-three", "3"),
        ("content-length", "2"),
    )


def test_repeated_headers_are_joined_and_cookies_left_out() -> None:
    got = outcome_of(OK + b"X: 1\r\nSet-Cookie: a\r\nx: 2\r\nSet-Cookie: b\r\n" + TWO)
    assert got.headers == (("x", "1, 2"), ("content-length", "2"))


def test_trailers_are_no_headers() -> None:
    got = outcome_of(CHUNKED + b"0\r\nTransfer-Control: x\r\nX-Request-Id: forged\r\n\r\n")
    assert got.headers == (("transfer-encoding", "chunked"),)


MALFORMED_HEAD = "its status line or a header is malformed"
TWO_WAYS = "it frames its body in more than one way"
BAD_CHUNK = "the size of a chunk is malformed"
BAD_TRAILER = "a trailer is malformed"
NOT_HTTP = "it does not begin with HTTP/1"
NO_NUMBER = "its Content-Length is not a number"
UNKNOWN = "its Transfer-Encoding is unknown"
BARE = "a line of its {} does not end with CRLF"


def with_head(*lines: bytes) -> bytes:
    return b"".join(line + b"\r\n" for line in (*lines, b"Content-Length: 2")) + b"\r\n{}"


BAD: dict[str, tuple[bytes, str]] = {
    "garbage": (b"%&/()=?\r\n\r\n", NOT_HTTP),
    "one byte": (b"h", NOT_HTTP),
    "CRLF first": (b"\r\n" + OK + TWO, NOT_HTTP),
    "HTTP/0.9": (b"<html>", NOT_HTTP),
    "HTTP/2": (with_head(b"HTTP/2 200"), NOT_HTTP),
    "HTTP/2 frames": (b"\x00\x00\x12\x04\x00", NOT_HTTP),
    "lower case": (with_head(b"http/1.1 200 OK"), NOT_HTTP),
    "ICY": (with_head(b"ICY 200 OK"), NOT_HTTP),
    "HTTP/1.2": (with_head(b"HTTP/1.2 200 OK"), MALFORMED_HEAD),
    "HTTP/1.10": (with_head(b"HTTP/1.10 200 OK"), MALFORMED_HEAD),
    "HTTP/1.": (with_head(b"HTTP/1. 200 OK"), MALFORMED_HEAD),
    "two spaces": (with_head(b"HTTP/1.1  200 OK"), MALFORMED_HEAD),
    "tab": (with_head(b"HTTP/1.1\t200 OK"), MALFORMED_HEAD),
    "no status": (with_head(b"HTTP/1.1 OK"), MALFORMED_HEAD),
    "status 99": (with_head(b"HTTP/1.1 99 X"), MALFORMED_HEAD),
    "status 099": (with_head(b"HTTP/1.1 099 X"), MALFORMED_HEAD),
    "status 600": (with_head(b"HTTP/1.1 600 X"), MALFORMED_HEAD),
    "status 999": (with_head(b"HTTP/1.1 999 X"), MALFORMED_HEAD),
    "status 2000": (with_head(b"HTTP/1.1 2000 X"), MALFORMED_HEAD),
    "status +20": (with_head(b"HTTP/1.1 +20 X"), MALFORMED_HEAD),
    "status and a tab": (with_head(b"HTTP/1.1 200\tOK"), MALFORMED_HEAD),
    "NUL in the reason": (with_head(b"HTTP/1.1 200 O\x00K"), MALFORMED_HEAD),
    "CR in the reason": (with_head(b"HTTP/1.1 200 O\rK"), MALFORMED_HEAD),
    "DEL in the reason": (with_head(b"HTTP/1.1 200 O\x7fK"), MALFORMED_HEAD),
    "no colon": (with_head(OK[:-2], b"What is this"), MALFORMED_HEAD),
    "no name": (with_head(OK[:-2], b": x"), MALFORMED_HEAD),
    "space before the colon": (with_head(OK[:-2], b"X : y"), MALFORMED_HEAD),
    "space before the name": (with_head(OK[:-2], b" X: y"), MALFORMED_HEAD),
    "folded line": (with_head(OK[:-2], b"X: y", b" z"), MALFORMED_HEAD),
    "folded line, by a tab": (with_head(OK[:-2], b"X: y", b"\tz"), MALFORMED_HEAD),
    "folded length": (OK + b"Content-Length:\r\n 2\r\n\r\n{}", MALFORMED_HEAD),
    "name that is no token": (with_head(OK[:-2], b"X(y): z"), MALFORMED_HEAD),
    "name not in ASCII": (with_head(OK[:-2], b"X\xe9: z"), MALFORMED_HEAD),
    "NUL in a name": (with_head(OK[:-2], b"X\x00: z"), MALFORMED_HEAD),
    "NUL in a value": (with_head(OK[:-2], b"X: a\x00b"), MALFORMED_HEAD),
    "CR in a value": (with_head(OK[:-2], b"X: a\rContent-Length: 9"), MALFORMED_HEAD),
    "CR before CRLF": (with_head(OK[:-2], b"X: a\r"), MALFORMED_HEAD),
    "DEL in a value": (with_head(OK[:-2], b"X: a\x7fb"), MALFORMED_HEAD),
    "escape in a value": (with_head(OK[:-2], b"X: \x1b[31m"), MALFORMED_HEAD),
    "bare LF in the status line": (b"HTTP/1.1 200 OK\nX", BARE.format("headers")),
    "bare LF in a header": (OK + b"X: y\nZ", BARE.format("headers")),
    "bare LF at the end": (OK + b"Content-Length: 2\r\n\n", BARE.format("headers")),
    "bare LFs": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", BARE.format("headers")),
    "bare LF in an interim head": (b"HTTP/1.1 103 X\n", BARE.format("headers")),
    "101": (b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n", "it switches to a protocol"),
    "100 with a body": (
        b"HTTP/1.1 100 X\r\nContent-Length: 2\r\n\r\n{}" + OK + TWO,
        NOT_HTTP,
    ),
    "11 interims": (EARLY * 11, "more than 10 interim responses"),
    "malformed interim": (b"HTTP/1.1 103 X\r\nX\r\n\r\n", MALFORMED_HEAD),
    "both lengths": (
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        TWO_WAYS,
    ),
    "both lengths, the other way": (
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        TWO_WAYS,
    ),
    "two lengths": (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", TWO_WAYS),
    "the same length twice": (OK + b"Content-Length: 2\r\ncontent-length: 2\r\n\r\n", TWO_WAYS),
    "two encodings": (
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        TWO_WAYS,
    ),
    "both lengths on a 204": (
        b"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
        TWO_WAYS,
    ),
    "no length": (OK + b"Content-Length:\r\n\r\n", NO_NUMBER),
    "length in words": (OK + b"Content-Length: two\r\n\r\n", NO_NUMBER),
    "negative length": (OK + b"Content-Length: -2\r\n\r\n", NO_NUMBER),
    "positive length": (OK + b"Content-Length: +2\r\n\r\n{}", NO_NUMBER),
    "hexadecimal length": (OK + b"Content-Length: 0x2\r\n\r\n{}", NO_NUMBER),
    "length with an underscore": (OK + b"Content-Length: 1_0\r\n\r\n", NO_NUMBER),
    "length of two numbers": (OK + b"Content-Length: 2, 2\r\n\r\n{}", NO_NUMBER),
    "length in other digits": (OK + b"Content-Length: \xb2\r\n\r\n{}", NO_NUMBER),
    "length of 19 digits": (OK + b"Content-Length: 0000000000000000002\r\n\r\n{}", NO_NUMBER),
    "length with a tab": (OK + b"Content-Length: 2\t\r\n\r\n{}", NO_NUMBER),
    "bad length on a 304": (b"HTTP/1.1 304 X\r\nContent-Length: x\r\n\r\n", NO_NUMBER),
    "gzip": (OK + b"Transfer-Encoding: gzip\r\n\r\n", UNKNOWN),
    "gzip, chunked": (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", UNKNOWN),
    "chunked, identity": (OK + b"Transfer-Encoding: chunked, identity\r\n\r\n", UNKNOWN),
    "chunked with a parameter": (OK + b"Transfer-Encoding: chunked;a=b\r\n\r\n", UNKNOWN),
    "chunked with a tab": (OK + b"Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n", UNKNOWN),
    "xchunked": (OK + b"Transfer-Encoding: xchunked\r\n\r\n", UNKNOWN),
    "no encoding": (OK + b"Transfer-Encoding:\r\n\r\n", UNKNOWN),
    "gzip on a 304": (b"HTTP/1.1 304 X\r\nTransfer-Encoding: gzip\r\n\r\n", UNKNOWN),
    "no size": (CHUNKED + b"\r\n", BAD_CHUNK),
    "size in words": (CHUNKED + b"two\r\n", BAD_CHUNK),
    "size with 0x": (CHUNKED + b"0x2\r\n", BAD_CHUNK),
    "negative size": (CHUNKED + b"-2\r\n", BAD_CHUNK),
    "size of 17 digits": (CHUNKED + b"00000000000000002\r\n", BAD_CHUNK),
    "space before the size": (CHUNKED + b" 2\r\n", BAD_CHUNK),
    "space behind the size": (CHUNKED + b"2 \r\n", BAD_CHUNK),
    "CR in the size": (CHUNKED + b"2\r3\r\n", BAD_CHUNK),
    "extension without a name": (CHUNKED + b"2;\r\n", BAD_CHUNK),
    "extension with spaces": (CHUNKED + b"2 ;a\r\n", BAD_CHUNK),
    "extension without a value": (CHUNKED + b"2;a=\r\n", BAD_CHUNK),
    "extension in quotes": (CHUNKED + b'2;"a"\r\n', BAD_CHUNK),
    "extension, quotes left open": (CHUNKED + b'2;a="b\r\n', BAD_CHUNK),
    "extension, escaped": (CHUNKED + b'2;a="b\\""\r\n', BAD_CHUNK),
    "extension, control character": (CHUNKED + b"2;a=\x00\r\n", BAD_CHUNK),
    "extension, not ASCII": (CHUNKED + b"2;a=\xff\r\n", BAD_CHUNK),
    "bare LF behind a size": (CHUNKED + b"2\n", BARE.format("chunk framing")),
    "bare LF in an extension": (CHUNKED + b"2;a\nb", BARE.format("chunk framing")),
    "chunk longer than its size": (CHUNKED + b"2\r\n{}{", "a chunk does not end where"),
    "chunk shorter than its size": (
        CHUNKED + b"3\r\n{}\r\n0\r\n\r\n",
        "a chunk does not end where",
    ),
    "bare LF behind a chunk": (CHUNKED + b"2\r\n{}\n", "a chunk does not end where"),
    "CR behind a chunk": (CHUNKED + b"2\r\n{}\rx", "a chunk does not end where"),
    "trailer without a colon": (CHUNKED + b"0\r\nX\r\n\r\n", BAD_TRAILER),
    "folded trailer": (CHUNKED + b"0\r\nX: y\r\n z\r\n\r\n", BAD_TRAILER),
    "control character in a trailer": (CHUNKED + b"0\r\nX: \x00\r\n\r\n", BAD_TRAILER),
    "length in a trailer": (CHUNKED + b"0\r\nContent-Length: 2\r\n\r\n", BAD_TRAILER),
    "encoding in a trailer": (
        CHUNKED + b"0\r\nX: y\r\ntransfer-encoding: chunked\r\n\r\n",
        BAD_TRAILER,
    ),
    "bare LF in a trailer": (CHUNKED + b"0\r\nX: y\n", BARE.format("trailers")),
    "bare LF behind the last chunk": (CHUNKED + b"0\r\n\n", BARE.format("trailers")),
}


@pytest.mark.parametrize("row", BAD.values(), ids=BAD)
def test_a_malformed_response_however_it_comes(row: tuple[bytes, str]) -> None:
    data, why = row
    wanted = outcome_of(data)
    assert wanted.error.startswith("APIConnectionError The server's response is not valid HTTP: ")
    assert wanted.error.endswith("receive False True")
    assert why in wanted.error
    for pieces in cuts(data):
        assert outcome_of(*pieces) == wanted


@pytest.mark.parametrize("row", BAD.values(), ids=BAD)
def test_a_malformed_response_behind_an_interim_one(row: tuple[bytes, str]) -> None:
    data, why = row
    assert why in outcome_of(EARLY + data).error


def test_a_malformed_response_quotes_nothing_of_the_server() -> None:
    for data, _ in BAD.values():
        marked = data.replace(b"X", b"Xek_secret")
        assert "ek_secret" not in outcome_of(marked).error


def test_what_a_parser_refuses_is_not_quoted(parser: Any) -> None:
    with pytest.raises(MalformedResponseError) as caught:
        parser(b"ek_secret\r\n\r\n")
    assert str(caught.value) == "it cannot be parsed"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("head", [OK, OK + b"X: y\r\n", b"HTTP/1.1 103 Early Hints\r\n", b""])
def test_a_parser_that_sees_no_end_of_the_head(head: bytes, parser: Any) -> None:
    with pytest.raises(MalformedResponseError, match="it cannot be parsed"):
        parser(head)


def test_a_parser_that_refuses_a_head_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: bytes) -> list[tuple[str, str]]:
        raise MalformedResponseError("it cannot be parsed")

    monkeypatch.setattr(http1, "read_headers", refuse)
    assert "is not valid HTTP: it cannot be parsed receive False True" in outcome_of(OK + TWO).error


def test_an_encoded_request() -> None:
    expected = (
        b"POST /v1/things?a=b HTTP/1.1\r\n"
        b"Host: api.example.com\r\n"
        b"Authorization: Bearer %b\r\n"
        b"Content-Type: application/json\r\n"
        b"Content-Length: 2\r\n"
        b"\r\n"
        b"{}"
    ) % KEY.encode()
    assert encode_request(REQUEST) == expected
    assert Connection().send(REQUEST) == expected


URLS = {
    "https://example.com": (b"GET / HTTP/1.1", b"example.com"),
    "https://example.com/": (b"GET / HTTP/1.1", b"example.com"),
    "https://Example.com:8443/a%20b?c=d&e": (b"GET /a%20b?c=d&e HTTP/1.1", b"Example.com:8443"),
    "http://[::1]:8000/v1": (b"GET /v1 HTTP/1.1", b"[::1]:8000"),
    "https://example.com/a#fragment": (b"GET /a HTTP/1.1", b"example.com"),
}


@pytest.mark.parametrize(("url", "expected"), URLS.items())
def test_the_first_lines_of_a_request(url: str, expected: tuple[bytes, bytes]) -> None:
    first, host = expected
    lines = encode_request(Request("GET", url, (), b"")).split(b"\r\n")
    assert lines == [first, b"Host: " + host, b"", b""]
    lines = encode_request(Request("POST", url, (), b"")).split(b"\r\n")
    assert lines[1:] == [b"Host: " + host, b"Content-Length: 0", b"", b""]


ORIGINS = {
    "https://Example.com/v1": ("https", "example.com", 443),
    "http://example.com": ("http", "example.com", 80),
    "https://example.com:8443": ("https", "example.com", 8443),
    "https://[2001:DB8::1]/": ("https", "2001:db8::1", 443),
}


@pytest.mark.parametrize(("url", "expected"), ORIGINS.items())
def test_the_origin_of_a_url(url: str, expected: tuple[str, str, int]) -> None:
    assert origin_of(url, loopback_only=False) == (*expected, False)
    assert origin_of(url, loopback_only=True) == (*expected, True)


def test_no_local_variable_holds_the_key() -> None:
    with recorded_local_variables() as seen:
        sent = Connection().send(REQUEST)
    assert KEY.encode() in sent
    assert any(line.startswith("encode_request") for line in seen)
    assert [line for line in seen if KEY in line] == []
