"""When a failed attempt is retried, and how long to wait before it.

    what failed                                        retried
    ------------------------------------------------   -----------------------------------------
    408 409 425 429 500 502 503 504 520–524 529        yes
    429 with code insufficient_quota                   no: waiting adds no credit
    any other status                                   only if the server says x-should-retry: true
    400 401 403 404 422 501 505, and all 3xx           no, whatever the server says
    the connection failed or timed out                 yes, when the error is `retryable`
    certificate, malformed HTTP, unusable 2xx          no

`x-should-retry: false` stops every retry. Waiting is full jitter, `uniform(0, min(8, 0.5 · 2ⁿ))`
seconds before retry n = 0, 1, …, and never sooner than the server's `retry-after-ms` or
`retry-after`. If the wait would end after the deadline, the call fails at once.
"""

from __future__ import annotations

import math
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from openai_realtime.errors import APIStatusError, ConfigurationError, RateLimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openai_realtime.errors import APIError

RETRYABLE_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, *range(520, 525), 529})
FINAL_STATUSES = frozenset({400, 401, 403, 404, 422, 501, 505, *range(300, 400)})
FINAL_CODES = frozenset({"insufficient_quota"})
# After these the server may have minted: it, or a gateway, gave up before the end.
AMBIGUOUS_STATUSES = frozenset({408, 500, 502, 504, *range(520, 525)})

# With a Retry-After header, these mean that the server did not act (RFC 9110 §15.6.4, RFC 6585 §4).
_RETRY_LATER_STATUSES = frozenset({429, 503})

_SECONDS = re.compile(r"\d{1,1000}(?:\.\d{1,1000})?", re.ASCII)
_MAX_RETRY_AFTER = 1e9  # seconds: longer than any policy waits
_MAX_DATE_CHARACTERS = 64  # the dates of RFC 9110 §5.6.7 have 29 to 33


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How failed attempts are retried. Times are in seconds.

    Raises `ConfigurationError` when a number is negative or not finite.
    """

    max_retries: int = 2
    """Retries after the first attempt; 0 turns retrying off."""
    base_delay: float = 0.5
    """The longest random wait before the first retry; it doubles with every retry."""
    max_delay: float = 8.0
    """The longest random wait before any retry."""
    max_retry_after: float = 60.0
    """The longest Retry-After to wait for; after a longer one the call fails at once."""
    statuses: frozenset[int] = field(default=RETRYABLE_STATUSES)
    """The statuses that are retried."""

    def __post_init__(self) -> None:
        retries = cast("object", self.max_retries)
        if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
            message = "retry: max_retries must be a whole number, 0 or more"
            raise ConfigurationError(message)
        for name in ("base_delay", "max_delay", "max_retry_after"):
            seconds: float = getattr(self, name)
            if not math.isfinite(seconds) or seconds < 0:
                message = f"retry: {name} must be a finite number of seconds, 0 or more"
                raise ConfigurationError(message)


class RetryBudget:
    """A token bucket that limits the retries of a client, so that they do not prolong an outage.

    It holds 500 tokens. A retry costs 14, or 5 after a 429. A call that succeeds after a retry
    returns the cost of that retry; a call that succeeds at once returns 1. If too few tokens are
    left, a call raises its error instead of retrying. A client and its copies share one budget.
    botocore has the same numbers.
    """

    __slots__ = ("_capacity", "_lock", "_tokens")

    def __init__(self, capacity: int = 500) -> None:
        self._capacity = capacity
        self._tokens = capacity
        self._lock = threading.Lock()

    @property
    def tokens(self) -> int:
        """The tokens left."""
        return self._tokens

    def withdraw(self, cost: int) -> bool:
        """Take `cost` tokens and return True, or take none and return False."""
        with self._lock:
            if cost > self._tokens:
                return False
            self._tokens -= cost
            return True

    def refund(self, cost: int) -> None:
        """Return `cost` tokens, up to the capacity."""
        if self._tokens < self._capacity:
            with self._lock:
                self._tokens = min(self._capacity, self._tokens + cost)


NO_RETRY_REFUND = 1


def retry_cost(error: APIError) -> int:
    """Return how many tokens of the budget a retry after `error` costs.

    If a step before the request failed, it costs none: one renewal serves all calls, so their retries
    do not multiply.
    """
    if error.step is not None:
        return 0
    return 5 if isinstance(error, RateLimitError) else 14


def is_retryable_status(
    status: int, code: str | None, headers: Mapping[str, str], policy: RetryPolicy
) -> bool:
    """Return whether an error response may be retried, by the table above."""
    should_retry = headers.get("x-should-retry", "").strip().lower()
    if should_retry == "false" or status in FINAL_STATUSES or code in FINAL_CODES:
        return False
    return should_retry == "true" or status in policy.statuses


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait that the server sent; None if there is no valid value.

    Reads `retry-after-ms`, else `retry-after` as seconds or as an HTTP date (RFC 9110 §10.2.3). A date
    is relative to the response's own Date header, so that this machine's clock has no effect.
    Negative and malformed values are ignored.
    """
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _SECONDS.fullmatch(milliseconds):
        return min(float(milliseconds) / 1000, _MAX_RETRY_AFTER)
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), _MAX_RETRY_AFTER)
    until, now = parse_http_date(value), parse_http_date(headers.get("date", ""))
    if until is None or now is None or until < now:
        return None
    return until - now


def parse_http_date(text: str) -> float | None:
    """Return the Unix seconds of an HTTP date; None when `text` is not an HTTP date."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - few calls need it, at 10 ms

    if len(text) > _MAX_DATE_CHARACTERS:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, IndexError, OverflowError, TypeError):
        return None


def backoff(retry: int, policy: RetryPolicy, random: Callable[[], float]) -> float:
    """Return the seconds to wait before retry number `retry` (from 0), with full jitter."""
    # The exponent has a limit, because 2.0 ** 1100 would overflow.
    return random() * min(policy.max_delay, policy.base_delay * 2.0 ** min(retry, 64))


def plan_retry(  # noqa: PLR0913 - a pure function of all that the decision depends on
    error: APIError,
    *,
    retry: int,
    repeatable: bool,
    remaining: float,
    policy: RetryPolicy,
    random: Callable[[], float],
) -> float | None:
    """Return the seconds to wait before retry number `retry` (from 0), or None to fail now."""
    if retry >= policy.max_retries or not error.retryable:
        return None
    may_have_acted = error.possibly_acted or isinstance(error, APIStatusError)
    if not repeatable and may_have_acted and not _server_permits_retry(error):
        return None
    retry_after = error.retry_after
    if retry_after is not None and retry_after > policy.max_retry_after:
        return None
    delay = max(retry_after or 0.0, backoff(retry, policy, random))
    return delay if delay < remaining else None


def _server_permits_retry(error: APIError) -> bool:
    """Return whether the server says that it did not act, and that the request may be sent again."""
    if not isinstance(error, APIStatusError):
        return False
    should_retry = error.headers.get("x-should-retry", "").strip().lower()
    has_retry_after = error.retry_after is not None and error.status_code in _RETRY_LATER_STATUSES
    return should_retry == "true" or has_retry_after
