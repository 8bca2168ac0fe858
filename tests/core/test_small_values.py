"""Deadlines, headers, requests, bodies, meta: the core's small values, by tables."""

import copy
import gzip
import math
import pickle
import tracemalloc
import zlib
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_realtime import (
    APIConnectionError,
    ConfigurationError,
    RateLimits,
    ResponseMeta,
    Timeout,
)
from openai_realtime.core.deadline import Deadline, deadline_passed
from openai_realtime.core.exchange import Call
from openai_realtime.core.meta import parse_duration, response_meta
from openai_realtime.core.peer_text import Sanitizer
from openai_realtime.core.wire import BodyReader, Headers, Request, Response
from openai_realtime.secrets import MASK, ApiKey

MIB = 1024 * 1024


@pytest.mark.parametrize("acted", [False, True])
def test_a_passed_deadline_tells_the_total(*, acted: bool) -> None:
    error = deadline_passed(2.5, possibly_acted=acted)
    assert str(error).startswith("No response within 2.5 s, all attempts together")
    assert (error.phase, error.retryable, error.possibly_acted) == ("total", False, acted)


def test_a_deadline_counts_down_and_stops_at_zero() -> None:
    now = [100.0]
    deadline = Deadline.after(30.0, lambda: now[0])
    assert (deadline.remaining(), deadline.clamp(5.0), deadline.clamp(None)) == (30.0, 5.0, 30.0)
    now[0] = 127.0
    assert (deadline.remaining(), deadline.clamp(5.0)) == (3.0, 3.0)
    now[0] = 1000.0
    assert (deadline.remaining(), deadline.clamp(5.0)) == (0.0, 0.0)


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan, True, "5", None])
@pytest.mark.parametrize("name", ["total", "connect", "read", "pool"])
def test_a_timeout_refuses_nonsense(name: str, value: object) -> None:
    why = f"^timeout: {name} must be a finite number of seconds above 0$"
    with pytest.raises(ConfigurationError, match=why):
        Timeout(**{name: value})  # type: ignore[arg-type]  # wrong on purpose


def test_the_promised_limits() -> None:
    assert Timeout() == Timeout(total=30, connect=5, read=10, pool=2)
    request = Request("POST", "https://h/v1", (), b"")
    assert request.max_idle == math.inf
    call = Call("x", request, parse=lambda *given: given, timeout=Timeout())
    assert (call.repeatable, call.hints, call.fallback) == (True, {}, None)


def test_a_bare_number_is_the_total() -> None:
    assert Timeout(read=3).with_total(7) == Timeout(total=7, read=3)
    assert Timeout(read=3).with_total(Timeout(total=1)) == Timeout(total=1)


@pytest.mark.parametrize("value", ["30", None, httpx.Timeout(3)])
def test_another_kind_of_timeout_is_told_what_to_write(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"or openai_realtime.Timeout\(30, connect=5\)$"):
        Timeout().with_total(value)


def test_headers_ignore_case_and_join_repeats() -> None:
    headers = Headers.of_raw(
        [(b"X-A", b"1"), (b"x-a", b"2"), (b"Set-Cookie", b"a=b"), (b"Server", b"\xe9")]
    )
    assert dict(headers) == {"x-a": "1, 2", "server": "é"}
    assert headers["X-A"] == "1, 2"
    assert "x-B" not in headers
    assert len(headers) == 2
    assert repr(headers) == "Headers(x-a, server)"
    assert Headers({"A": "b"}) == {"a": "b"}


def test_requests_and_responses_show_no_secret() -> None:
    request = Request("POST", "https://h/v1?token=t", ((b"A", b"secret"),), b"secret")
    assert repr(request) == "<Request POST https://h/v1>"
    assert request.with_header((b"B", b"c")).headers == ((b"B", b"c"), (b"A", b"secret"))
    assert repr(Response(200, Headers(), b"secret")) == "<Response 200>"


def test_a_header_more_changes_nothing_else() -> None:
    request = Request(
        "POST", "http://h/v1", ((b"A", b"b"),), b"body", max_idle=1.0, loopback_only=True
    )
    sent = request.with_header((b"C", b"d"))
    assert sent == replace(request, headers=((b"C", b"d"), (b"A", b"b")))


@pytest.mark.parametrize(
    ("status", "success"), [(199, False), (200, True), (299, True), (300, False), (503, False)]
)
def test_a_success_is_2xx(status: int, *, success: bool) -> None:
    assert Response(status, Headers(), b"").is_success is success


def read(body: bytes, encoding: str | None = None, size: int = 1000) -> bytes:
    reader = BodyReader(Headers({"content-encoding": encoding} if encoding else {}))
    for start in range(0, len(body), size):
        reader.feed(body[start : start + size])
    return reader.finish()


def raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(body) + compressor.flush()


@given(st.binary(max_size=5000), st.integers(1, 2000))
def test_bodies_are_read_whole(body: bytes, size: int) -> None:
    assert read(body, size=size) == body
    assert read(body, "identity", size) == body
    assert read(body, " ", size) == body
    assert read(gzip.compress(body), "GZIP ", size) == body
    assert read(gzip.compress(body), "x-gzip", size) == body
    assert read(zlib.compress(body), "deflate", size) == body


@pytest.mark.parametrize(
    ("body", "encoding", "why"),
    [
        (b"x" * (MIB + 1), None, "is larger than 1 MiB"),
        (
            gzip.compress(b"x" * (MIB + 1), mtime=0),
            "gzip",
            "is larger than 1 MiB when decompressed",
        ),
        (gzip.compress(b"hello", mtime=0)[:-3], "gzip", "is compressed and damaged"),
        (b"hello", "gzip", "is compressed and damaged"),
        (raw_deflate(b"hello"), "deflate", "is compressed and damaged"),
        (b"", "gzip", "is compressed and damaged"),
        (
            2 * gzip.compress(b"hello", mtime=0),
            "gzip",
            "has more bytes after its compressed data",
        ),
        (
            gzip.compress(b"hello", mtime=0) + b"x",
            "gzip",
            "has more bytes after its compressed data",
        ),
        (b"hello", "br", "has a content encoding that was not requested"),
        (
            gzip.compress(b"hello", mtime=0),
            "gzip, gzip",
            "has a content encoding that was not requested",
        ),
    ],
)
def test_bodies_out_of_bounds(body: bytes, encoding: str | None, why: str) -> None:
    with pytest.raises(APIConnectionError) as caught:
        read(body, encoding)
    assert caught.value.message == f"The server's response {why}"
    assert (caught.value.phase, caught.value.retryable) == ("receive", False)
    assert caught.value.possibly_acted


def test_bodies_at_the_bound() -> None:
    body = b"x" * MIB
    assert read(body) == body
    assert read(gzip.compress(body), "gzip") == body


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_bomb_takes_little_memory(encoding: str) -> None:
    chunk = gzip.compress(bytes(16 * MIB)) if encoding == "gzip" else bytes(MIB // 4)
    reader = BodyReader(Headers({"content-encoding": encoding}))
    tracemalloc.start()
    try:
        for _ in range(1 if encoding == "gzip" else 64):
            reader.feed(bytes(memoryview(chunk)))  # a chunk of its own
        with pytest.raises(APIConnectionError, match="larger than 1 MiB"):
            reader.finish()
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("20ms", 0.02),
        ("5us", 5e-6),
        ("7ns", 7e-9),
        ("3µs", 3e-6),
        ("٣s", None),
        ("", None),
        (None, None),
        ("5", None),
        ("-5s", None),
        ("soon", None),
        ("1s!", None),
        ("1s" * 32, 32.0),
        ("1s" * 33, None),
    ],
)
def test_durations(text: str | None, seconds: float | None) -> None:
    assert parse_duration(text) == (None if seconds is None else pytest.approx(seconds))


def test_meta_reads_the_headers() -> None:
    headers = Headers(
        {
            "X-Request-Id": "req_1",
            "openai-processing-ms": "125",
            "x-ratelimit-limit-requests": "100",
            "x-ratelimit-remaining-requests": "99",
            "x-ratelimit-reset-requests": "6m0s",
            "x-ratelimit-limit-tokens": "40000",
            "x-ratelimit-remaining-tokens": "many",
            "x-ratelimit-reset-tokens": "20ms",
        }
    )
    meta = response_meta(
        Response(201, headers, b""), Sanitizer(), attempts=2, elapsed=1.5, possible_orphans=1
    )
    assert (meta.status, meta.attempts, meta.elapsed, meta.possible_orphans) == (201, 2, 1.5, 1)
    assert (meta.request_id, meta.processing_time) == ("req_1", 0.125)
    assert meta.rate_limits == RateLimits(100, 99, 360.0, 40000, None, 0.02)
    unreadable = ResponseMeta(headers=Headers({"x-ratelimit-limit-tokens": "٣"}))
    assert unreadable.rate_limits == RateLimits()


def test_a_meta_is_pickled_without_the_secrets_that_it_masks() -> None:
    key = "0123456789abcdef"
    headers = Headers({"x-echo": f"no {key}", "x-request-id": "req_1"})
    sanitizer = Sanitizer((ApiKey(key),))
    meta = response_meta(
        Response(201, headers, b""), sanitizer, attempts=1, elapsed=1, possible_orphans=0
    )
    for twin in (pickle.loads(pickle.dumps(meta)), copy.deepcopy(meta), copy.copy(meta)):
        assert twin == meta
        assert dict(twin.headers) == {"x-echo": f"no {MASK}", "x-request-id": "req_1"}
    assert key.encode() not in pickle.dumps(meta)
    assert meta.sanitizer.text(key) == MASK


def test_meta_of_a_model_that_came_from_nowhere() -> None:
    meta = ResponseMeta()
    assert (meta.status, meta.attempts, meta.request_id, meta.processing_time) == (0, 0, None, None)
    assert meta.rate_limits == RateLimits()


@pytest.mark.parametrize(
    ("headers", "identity"),
    [
        ({"x-request-id": "req_1", "apim-request-id": "azure"}, "req_1"),
        ({"x-request-id": "", "apim-request-id": "azure"}, "azure"),
        ({"x-request-id": "a b", "apim-request-id": "azure"}, "azure"),
        ({"x-request-id": "ek_0123456789", "apim-request-id": "azure"}, "azure"),
        ({"x-request-id": "x" * 200}, "x" * 200),
        ({"x-request-id": "x" * 201}, None),
        ({"x-request-id": "é"}, None),
    ],
)
def test_a_request_id_is_one_plain_word(headers: dict[str, str], identity: str | None) -> None:
    assert ResponseMeta(headers=Headers(headers)).request_id == identity


@pytest.mark.parametrize(
    "items",
    [
        [("date", "now"), ("x-a", "1")],
        [("date", "now"), ("x-a", "1"), ("x-a", "2")],
        [("date", "now"), ("set-cookie", "secret")],
        [],
    ],
)
def test_headers_of_text_are_the_same_headers(items: list[tuple[str, str]]) -> None:
    headers = Headers.of_text(items)
    raw = [(name.title().encode(), value.encode()) for name, value in items]
    assert headers == Headers(items) == Headers.of_raw(raw)
    assert headers.get("Date", "none") == ("now" if items else "none")
    assert headers.get("X-B") is None
