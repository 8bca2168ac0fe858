"""The client secret: expiry in every spelling, age by the server's clock, masked when shown."""

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from rich.pretty import pretty_repr

from openai_realtime import ClientSecret, EphemeralKey, RealtimeSessionCreateResponse, ResponseMeta
from openai_realtime.types.client_secret import MAX_UNIX_SECONDS, parse_expiry

MOMENT = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
UNIX = int(MOMENT.timestamp())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 0),
        ("", 0),
        (0, 0),
        (UNIX, UNIX),
        (UNIX + 0.9, UNIX),
        (str(UNIX), UNIX),
        (f"{UNIX}.75", UNIX),
        ("2026-11-23T12:00:00Z", UNIX),
        ("2026-11-23T12:00:00", UNIX),
        ("2026-11-23T13:00:00.5+01:00", UNIX),
        (MAX_UNIX_SECONDS, MAX_UNIX_SECONDS),
    ],
)
def test_expiry_in_every_spelling(value: object, seconds: int) -> None:
    assert parse_expiry(value) == seconds
    secret = ClientSecret.model_validate({"value": "ek_1", "expires_at": value})
    assert secret.expires_at == seconds


@pytest.mark.parametrize(
    "value",
    [
        *[-1, math.nan, math.inf, "soon", "-5", "nan", "1e9", True, [], {}, MAX_UNIX_SECONDS + 1],
        *["٣", "2026-01-01T00:00:00." + "1" * 50],
    ],
)
def test_what_is_no_expiry(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_expiry(value)
    with pytest.raises(ValidationError) as caught:
        ClientSecret.model_validate({"value": "ek_0123456789", "expires_at": value})
    assert "0123456789" not in str(caught.value)
    (error,) = caught.value.errors(include_url=False, include_input=False)
    assert error == {
        "type": "expiry",
        "loc": ("expires_at",),
        "msg": "is neither Unix seconds nor an ISO-8601 time",
    }


def test_expiry_is_an_integer_in_json_schema_and_dumps() -> None:
    modes: list[Literal["validation", "serialization"]] = ["validation", "serialization"]
    for mode in modes:
        properties = ClientSecret.model_json_schema(mode=mode)["properties"]
        assert properties["expires_at"] == {"default": 0, "title": "Expires At", "type": "integer"}
    secret = ClientSecret.model_construct(value=EphemeralKey("ek_1"), expires_at="soon")  # type: ignore[arg-type]  # wrong on purpose
    with pytest.warns(UserWarning, match="Expected `int`"):
        assert secret.model_dump_json() == '{"value":"ek_1","expires_at":"soon"}'
    number = ClientSecret.model_validate({"value": "ek_1", "expires_at": UNIX})
    text = ClientSecret.model_validate({"value": "ek_1", "expires_at": str(UNIX)})
    assert number == text
    assert number != ClientSecret.model_validate({"value": "ek_1"})


@given(st.datetimes(datetime(1970, 1, 2), datetime(2500, 1, 1)), st.integers(-14, 14))  # noqa: DTZ001 - the zone is added
def test_any_time_with_any_zone(moment: datetime, hours: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    assert parse_expiry(aware.isoformat()) == math.floor(aware.timestamp())


@given(
    st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.none()))
)
def test_expiry_of_anything_is_seconds_or_an_error(value: object) -> None:
    try:
        seconds = parse_expiry(value)
    except ValueError:
        return
    assert 0 <= seconds <= MAX_UNIX_SECONDS


def test_an_unknown_expiry() -> None:
    for secret in (
        ClientSecret.model_validate({"value": "ek_1"}),
        ClientSecret.model_validate({"value": "ek_1", "expires_at": 0}),
    ):
        assert (secret.expires_at, secret.expires_at_datetime, secret.seconds_left) == (
            0,
            None,
            None,
        )
        assert not secret.is_expired


def test_age_is_reckoned_from_the_servers_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [500.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    secret = ClientSecret.model_validate({"value": "ek_1", "expires_at": UNIX + 60})
    secret.received(format_datetime(MOMENT, usegmt=True))
    monkeypatch.setattr(time, "time", lambda: 0.0)  # a wall clock that is wildly wrong
    assert secret.seconds_left == 60
    now[0] += 59
    assert (secret.seconds_left, secret.is_expired) == (1, False)
    now[0] += 2
    assert (secret.seconds_left, secret.is_expired) == (0, True)
    assert secret.expires_at_datetime == MOMENT + timedelta(seconds=60)


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_without_a_date_the_system_clock_at_arrival_counts(
    date: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "time", lambda: UNIX + now[0])
    monkeypatch.setattr(time, "monotonic", lambda: 500 + now[0])
    secret = ClientSecret.model_validate({"value": "ek_1", "expires_at": UNIX + 60})
    secret.received(date)
    now[0] = 45  # first asked late: the seconds since arrival count once
    assert (secret.seconds_left, secret.is_expired) == (15, False)
    monkeypatch.setattr(
        time, "time", lambda: 0.0
    )  # and a clock that is changed later has no effect
    assert secret.seconds_left == 15
    now[0] = 60
    assert (secret.seconds_left, secret.is_expired) == (0, True)


@pytest.mark.parametrize("hours", [-1000, -1, 0])
def test_what_was_asked_for_bounds_what_is_believed(
    hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway's clock is behind: by its Date the secret would be good for hours."""
    now = [500.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    secret = ClientSecret.model_validate({"value": "ek_1", "expires_at": UNIX + 10})
    secret.received(format_datetime(MOMENT + timedelta(hours=hours), usegmt=True), 10)
    assert secret.seconds_left == 10
    now[0] += 9
    assert (secret.seconds_left, secret.is_expired) == (1, False)
    now[0] += 1
    assert (secret.seconds_left, secret.is_expired) == (0, True)
    secret.received(format_datetime(MOMENT, usegmt=True), 7200)  # and a server may give less
    assert secret.seconds_left == 10


def test_a_secret_made_by_hand_goes_by_the_clock_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: float(UNIX))
    secret = ClientSecret.model_validate({"value": "ek_1", "expires_at": UNIX + 60})
    assert secret.seconds_left == 60


def test_the_browser_gets_it_and_the_log_does_not() -> None:
    secret = ClientSecret.model_validate_json('{"value":"ek_0123456789","expires_at":7,"more":[1]}')
    assert secret.model_dump_json() == '{"value":"ek_0123456789","expires_at":7,"more":[1]}'
    assert secret.value == "ek_0123456789"
    for shown in (repr(secret), str(secret), f"{secret}", repr(secret.model_dump())):
        assert "0123456789" not in shown


def shown_by_devtools(model: ClientSecret) -> str:
    return "".join(model.__pretty__(repr))


@pytest.mark.parametrize("show", [repr, str, pretty_repr, shown_by_devtools])
def test_what_looks_like_a_secret_is_masked_wherever_it_is_shown(
    show: Callable[[ClientSecret], str],
) -> None:
    fields = {"value": "ek_0123456789", "note": "sk-0123456789", "more": {"token": "0123456789"}}
    shown = show(ClientSecret.model_validate(fields))
    assert shown.startswith("ClientSecret(")
    assert "note=" in shown
    assert "0123456789" not in shown


def test_one_that_is_still_being_made_is_shown() -> None:
    assert repr(ClientSecret.__new__(ClientSecret)) == "ClientSecret()"


@pytest.mark.parametrize("deep", [False, True])
def test_a_copy_knows_how_old_it_is_and_how_it_came(*, deep: bool) -> None:
    session = RealtimeSessionCreateResponse.model_validate(
        {"client_secret": {"value": "ek_1", "expires_at": UNIX + 60}}
    )
    assert session.model_copy(deep=deep).meta == ResponseMeta()
    assert session.client_secret.model_copy(deep=deep).is_expired
    session.received(format_datetime(MOMENT, usegmt=True))
    copied = session.with_meta(ResponseMeta(status=201)).model_copy(deep=deep)
    assert copied.meta.status == 201
    assert copied == session
    left = copied.client_secret.seconds_left
    assert left is not None
    assert 59 < left <= 60
