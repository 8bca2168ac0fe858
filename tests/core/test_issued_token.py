"""When a token is renewed, and what a call does that needs one."""

import pytest

from openai_realtime.core.deadline import Deadline
from openai_realtime.core.issued_token import (
    IssuedToken,
    decide,
    renewal_deadline,
    renewal_time,
)
from openai_realtime.secrets import ApiKey

HEADER = (b"Authorization", b"Bearer t")


def token(
    *, renew_at: float = 50, expires_at: float = 100, is_refused: bool = False
) -> IssuedToken:
    issued = IssuedToken(ApiKey("t"), HEADER, renew_at=renew_at, expires_at=expires_at)
    issued.is_refused = is_refused
    return issued


@pytest.mark.parametrize(
    ("lifetime", "buffer", "expected"),
    [
        (3600, 1200, 2400),  # an hour: after 40 minutes
        (600, 1200, 300),  # 10 minutes: after half
        (2400, 1200, 1200),
        (2401, 1200, 1201),
        (3600, 0, 3600),
        (1, 1200, 0.5),
        (3600, 60, 3540),
    ],
)
def test_when_a_token_is_renewed(lifetime: float, buffer: float, expected: float) -> None:
    assert renewal_time(lifetime, buffer) == expected


@pytest.mark.parametrize(
    ("now", "is_refused", "alone", "beside_a_renewal"),
    [
        (0, False, "use", "use"),
        (49.9, False, "use", "use"),
        (50, False, "renew", "use"),  # the others do not wait while it is valid
        (99.9, False, "renew", "use"),
        (100, False, "renew", "wait"),
        (0, True, "renew", "wait"),
        (60, True, "renew", "wait"),
    ],
)
def test_what_a_call_does(now: float, is_refused: bool, alone: str, beside_a_renewal: str) -> None:
    issued = token(is_refused=is_refused)
    assert decide(issued, now, is_being_renewed=False) == alone
    assert decide(issued, now, is_being_renewed=True) == beside_a_renewal
    assert issued.is_fresh(now) == (alone == "use")
    assert issued.is_usable(now) == (beside_a_renewal == "use")


def test_what_a_call_does_without_a_token() -> None:
    assert decide(None, 0, is_being_renewed=False) == "renew"
    assert decide(None, 0, is_being_renewed=True) == "wait"


def test_after_a_failed_renewal_the_next_one_is_30_seconds_later() -> None:
    issued = token()
    issued.renewal_failed(60)
    assert decide(issued, 60, is_being_renewed=False) == "use"
    assert decide(issued, 89.9, is_being_renewed=False) == "use"
    assert decide(issued, 90, is_being_renewed=False) == "renew"
    issued.renewal_failed(90)
    assert decide(issued, 100, is_being_renewed=False) == "renew"  # it has expired


@pytest.mark.parametrize(
    ("issued", "now", "call_ends_at", "expected"),
    [
        (None, 0, 30, 30),
        (token(is_refused=True), 60, 90, 90),
        (token(), 100, 130, 130),
        (token(), 60, 64, 62),  # the other half is for the call itself
        (token(), 60, 90, 70),
        (token(), 60, 60, 60),
    ],
)
def test_how_long_a_renewal_may_take(
    issued: IssuedToken | None, now: float, call_ends_at: float, expected: float
) -> None:
    deadline = Deadline(call_ends_at, lambda: now)
    assert renewal_deadline(issued, now, deadline).at == expected


def test_its_repr_shows_no_token() -> None:
    assert "t'" not in repr(token()).replace("**********'", "")
    assert "Bearer" not in repr(token())
