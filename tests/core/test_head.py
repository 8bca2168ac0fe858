"""What may come before a body: bounded, however it is cut into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_realtime.core.head import HeadGuard

INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
FINAL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def fed(data: bytes, size: int) -> tuple[str | None, bool]:
    guard = HeadGuard()
    for start in range(0, len(data), size):
        wrong = guard.feed(data[start : start + size])
        if wrong is not None:
            return wrong, guard.is_done
    return None, guard.is_done


@given(st.integers(1, 200), st.integers(0, 10))
def test_good_heads_in_any_pieces(size: int, interim: int) -> None:
    assert fed(INTERIM * interim + FINAL, size) == (None, True)


@given(st.integers(1, 200))
def test_too_many_interim_responses(size: int) -> None:
    assert fed(INTERIM * 11 + FINAL, size) == ("more than 10 interim responses", False)


@pytest.mark.parametrize("size", [1000, 65536, 10**6])
@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_too_many_headers(size: int, end: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (64 * 1024 // 6)
    assert fed(head + b"X: y\r\n" * 100 + end, size) == ("more than 64 KiB of headers", False)


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_headers_at_the_bound(end: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nX: ".ljust(64 * 1024, b"y")
    assert fed(head + end, 10**6) == (None, bool(end))
    assert fed(head + b"y" + end, 10**6) == ("more than 64 KiB of headers", False)


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    "data", [b"\r\n\r\n", b"{}", b"HTTP/2 200\r\n\r\n", b"http/1.1 200", INTERIM + b"HTTP-"]
)
def test_what_is_not_http(data: bytes, size: int) -> None:
    assert fed(data, size) == ("it does not begin with HTTP/1", False)


def test_whether_anything_has_come() -> None:
    guard = HeadGuard()
    assert (guard.has_begun, guard.feed(b""), guard.has_begun) == (False, None, False)
    assert (guard.feed(b"H"), guard.has_begun) == (None, True)
    assert (guard.feed(b""), guard.has_begun) == (None, True)


def test_a_protocol_switch_is_final() -> None:
    assert fed(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 5) == (None, True)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_anything_is_watched_without_a_fault(pieces: list[bytes]) -> None:
    guard = HeadGuard()
    for piece in pieces:
        guard.feed(piece)
