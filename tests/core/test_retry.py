"""The retry tables, the back-off, Retry-After and the budget. No sockets, no clocks of its own."""

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_realtime import (
    APIConnectionError,
    APIStatusError,
    ConfigurationError,
    RateLimitError,
    RetryPolicy,
)
from openai_realtime.core.retry import (
    RetryBudget,
    backoff,
    is_retryable_status,
    parse_http_date,
    parse_retry_after,
    plan_retry,
    retry_cost,
)
from openai_realtime.core.wire import Headers

POLICY = RetryPolicy()
RETRIED = {408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}
NEVER = {400, 401, 403, 404, 422, 501, 505}


def test_every_status() -> None:
    def retried(status: int, **headers: str) -> bool:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return is_retryable_status(status, None, Headers(named), POLICY)

    for status in range(300, 600):
        assert retried(status) == (status in RETRIED)
        assert retried(status, x_should_retry="false") is False
        assert retried(status, x_should_retry=" FALSE ") is False
        assert retried(status, x_should_retry="maybe") == (status in RETRIED)
        assert retried(status, x_should_retry="true") == (status not in NEVER and status >= 400)


def test_no_credit_is_final_whatever_the_server_says() -> None:
    for headers in ({}, {"x-should-retry": "true"}):
        assert not is_retryable_status(429, "insufficient_quota", Headers(headers), POLICY)


def test_a_policy_chooses_its_statuses() -> None:
    policy = RetryPolicy(statuses=frozenset({418}))
    assert is_retryable_status(418, None, Headers(), policy)
    assert not is_retryable_status(503, None, Headers(), policy)


@pytest.mark.parametrize(
    ("retry", "ceiling"), [(0, 0.5), (1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (5000, 8.0)]
)
def test_full_jitter(retry: int, ceiling: float) -> None:
    assert backoff(retry, POLICY, lambda: 0.0) == 0.0
    assert backoff(retry, POLICY, lambda: 0.5) == ceiling / 2
    assert backoff(retry, POLICY, lambda: 1.0) == ceiling


NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def http_date(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": " 3 "}, 3.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "86400"}, 86400.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "-1", "retry-after": "9"}, 9.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9" * 400}, 1e9),
        ({"retry-after": "9" * 1001}, None),
        ({"retry-after": http_date(20), "date": http_date(0) + " " * 40}, None),
        ({"retry-after-ms": "1" + "0" * 12 + "." + "1" * 12}, 1e9),
        ({"retry-after": "999999999.5"}, 999999999.5),
        ({"retry-after": http_date(20), "date": http_date(0)}, 20.0),
        ({"retry-after": http_date(0), "date": http_date(0)}, 0.0),
        ({"retry-after": http_date(-5), "date": http_date(0)}, None),
        ({"retry-after": http_date(20)}, None),  # relative to the response's Date, and it has none
        ({"retry-after": http_date(20), "date": "yesterday"}, None),
        ({"retry-after": http_date(20).replace("GMT", "-0000"), "date": http_date(0)}, None),
        ({"retry-after": "Mon, 32 Foo 2026 99:99:99 GMT", "date": http_date(0)}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert parse_retry_after(Headers(headers)) == seconds


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date"]), st.text()))
def test_retry_after_of_anything_is_none_or_a_wait(headers: dict[str, str]) -> None:
    seconds = parse_retry_after(Headers(headers))
    assert seconds is None or (math.isfinite(seconds) and seconds >= 0)


@given(st.integers(0, 10**6), st.integers(0, 59))
def test_retry_after_dates_are_relative_to_the_servers_clock(wait: int, skew: int) -> None:
    headers = Headers({"retry-after": http_date(skew + wait), "date": http_date(skew)})
    assert parse_retry_after(headers) == wait


@given(st.text())
def test_an_http_date_of_anything(text: str) -> None:
    seconds = parse_http_date(text)
    assert seconds is None or math.isfinite(seconds)


def plan(
    error: APIConnectionError | APIStatusError,
    *,
    retry: int = 0,
    repeatable: bool = True,
    remaining: float = 30.0,
    random: float = 1.0,
    policy: RetryPolicy = POLICY,
) -> float | None:
    return plan_retry(
        error,
        retry=retry,
        repeatable=repeatable,
        remaining=remaining,
        policy=policy,
        random=lambda: random,
    )


def test_retries_are_counted() -> None:
    error = APIStatusError("x", retryable=True)
    assert [plan(error, retry=number) for number in range(4)] == [0.5, 1.0, None, None]
    assert plan(error, policy=RetryPolicy(max_retries=0)) is None
    assert plan(error, retry=2, policy=RetryPolicy(max_retries=3)) == 2.0


def test_what_cannot_help_is_not_retried() -> None:
    assert plan(APIStatusError("x", retryable=False)) is None


@pytest.mark.parametrize(
    ("retry_after", "remaining", "delay"),
    [
        (None, 30.0, 0.5),
        (0.1, 30.0, 0.5),  # the server's number is a floor, the jitter may be longer
        (7.0, 30.0, 7.0),
        (60.0, 90.0, 60.0),
        (60.001, 90.0, None),  # too long to keep a person waiting
        (7.0, 7.0, None),  # it could not even start
        (None, 0.4, None),
    ],
)
def test_never_sooner_than_told_and_never_too_late(
    retry_after: float | None, remaining: float, delay: float | None
) -> None:
    error = APIStatusError("x", retryable=True, retry_after=retry_after)
    assert plan(error, remaining=remaining) == delay


@pytest.mark.parametrize(
    ("error", "delay"),
    [
        (APIConnectionError("x", retryable=True, possibly_acted=False), 0.5),
        (APIConnectionError("x", retryable=True, possibly_acted=True), None),
        (APIStatusError("x", retryable=True, possibly_acted=True), None),
        (APIStatusError("x", retryable=True, status_code=503), None),
        (APIStatusError("x", retryable=True, status_code=503, retry_after=0.0), 0.5),
        (APIStatusError("x", retryable=True, status_code=429, retry_after=0.0), 0.5),
        (APIStatusError("x", retryable=True, status_code=409, retry_after=0.0), None),
        (
            APIStatusError(
                "x",
                retryable=True,
                possibly_acted=True,
                headers=Headers({"x-should-retry": "true"}),
            ),
            0.5,
        ),
    ],
)
def test_what_may_act_twice_is_not_repeated(
    error: APIConnectionError | APIStatusError, delay: float | None
) -> None:
    assert plan(error, repeatable=False) == delay
    assert plan(error, repeatable=True) == 0.5


def test_the_budget_empties_and_fills() -> None:
    budget = RetryBudget(capacity=20)
    assert budget.withdraw(14)
    assert not budget.withdraw(7)
    assert budget.tokens == 6
    assert budget.withdraw(6)
    assert budget.tokens == 0
    budget.refund(14)
    assert budget.tokens == 14
    budget.refund(100)
    assert budget.tokens == 20
    budget.refund(1)
    assert budget.tokens == 20


def test_what_a_retry_costs() -> None:
    assert retry_cost(RateLimitError("x")) == 5
    assert retry_cost(APIStatusError("x")) == 14
    assert retry_cost(APIConnectionError("x")) == 14


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("max_retries", -1, "must be a whole number, 0 or more"),
        ("max_retries", True, "must be a whole number, 0 or more"),
        ("max_retries", 1.0, "must be a whole number, 0 or more"),
        ("base_delay", -0.1, "must be a finite number of seconds, 0 or more"),
        ("max_delay", math.inf, "must be a finite number of seconds, 0 or more"),
        ("max_retry_after", math.nan, "must be a finite number of seconds, 0 or more"),
    ],
)
def test_a_policy_refuses_nonsense(name: str, value: float, what: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^retry: {name} {what}$"):
        RetryPolicy(**{name: value})  # type: ignore[arg-type]  # wrong on purpose


def test_a_policy_may_wait_for_nothing() -> None:
    policy = RetryPolicy(base_delay=0, max_delay=0, max_retry_after=0)
    assert plan(APIStatusError("x", retryable=True), policy=policy) == 0.0
    assert plan(APIStatusError("x", retryable=True, retry_after=0.1), policy=policy) is None
