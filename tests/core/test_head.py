"""What may come before a body: bounded, however it is cut into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_realtime.core.head import MAX_HEAD_BYTES, HeadGuard

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
    head = b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (MAX_HEAD_BYTES // 6)
    assert fed(head + b"X: y\r\n" * 100 + end, size) == ("more than 64 KiB of headers", False)


def test_a_protocol_switch_is_final() -> None:
    assert fed(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 5) == (None, True)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_anything_is_watched_without_a_fault(pieces: list[bytes]) -> None:
    guard = HeadGuard()
    for piece in pieces:
        guard.feed(piece)
