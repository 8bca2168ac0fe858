"""Facts about a call, which are the `meta` of every response: status, headers, attempts, time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from openai_realtime.core.peer_text import (
    MAX_HEADER_CHARACTERS,
    MAX_NAME_CHARACTERS,
    Sanitizer,
    is_secret_name,
    sanitize_text,
)
from openai_realtime.core.wire import Headers
from openai_realtime.secrets import MASK

if TYPE_CHECKING:
    from openai_realtime.core.wire import Response

_REQUEST_ID_HEADERS = ("x-request-id", "apim-request-id")
_REQUEST_ID = re.compile(r"[!-~]{1,200}", re.ASCII)

# "1s", "6m0s", "1h2m3.5s", "20ms": the Go durations of x-ratelimit-reset-*.
_LONGEST_DURATION = 64
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|h|m|s))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)", re.ASCII)
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class ShownHeaders(Mapping[str, str]):
    """A response's headers; each value is made safe to show when it is read.

    Headers whose name contains a secret are left out. `hides_location` masks the value of
    `location`, because it may contain parts of the request.
    """

    __slots__ = ("_headers", "_hides_location", "_sanitizer")

    def __init__(
        self, headers: Headers, sanitizer: Sanitizer, *, hides_location: bool = False
    ) -> None:
        self._headers = headers
        self._sanitizer = sanitizer
        self._hides_location = hides_location

    def __getitem__(self, name: str) -> str:
        value = self._headers[name]
        if is_secret_name(name) or (self._hides_location and name.lower() == "location"):
            return MASK
        return self._sanitizer.text(value, MAX_HEADER_CHARACTERS)

    def __iter__(self) -> Iterator[str]:
        return (
            name
            for name in self._headers
            if self._sanitizer.text(name, MAX_NAME_CHARACTERS) == name
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"Headers({', '.join(self)})"

    def __reduce__(self) -> tuple[type[Headers], tuple[dict[str, str]]]:
        """Pickle the headers as they are shown."""
        return Headers, (dict(self),)


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The server's rate limits; None where it sent no readable number."""

    limit_requests: int | None = None
    """Requests allowed per period."""
    remaining_requests: int | None = None
    """Requests left in this period."""
    reset_requests: float | None = None
    """Seconds until all requests are allowed again."""
    limit_tokens: int | None = None
    """Tokens allowed per period."""
    remaining_tokens: int | None = None
    """Tokens left in this period."""
    reset_tokens: float | None = None
    """Seconds until all tokens are allowed again."""


@dataclass(frozen=True, slots=True)
class ResponseMeta:
    """Facts about a call. They are never part of the response's JSON."""

    status: int = 0
    """The HTTP status; 0 on a model that did not come from a server."""
    headers: Mapping[str, str] = field(default_factory=Headers)
    """The response headers; look-ups ignore case. In their values, secrets are masked, and control
    characters are escaped; each is cut to 8 KiB."""
    attempts: int = 0
    """How many requests were sent, including the successful one."""
    elapsed: float = 0.0
    """Seconds from the start of the call to its response, including retries and waits."""
    possible_orphans: int = 0
    """How many earlier attempts may have minted a secret that was lost on the way."""
    dropped: tuple[str, ...] = ()
    """Parameters that were not sent, because the server's dialect does not have them."""
    unreadable: Mapping[str, object] = field(default_factory=dict[str, object], repr=False)
    """Optional fields whose values did not fit their types, as the server sent them. In the model,
    each such field has its default."""
    sanitizer: Sanitizer = field(default_factory=Sanitizer, repr=False, compare=False)
    """Masks the call's secrets, and makes texts of this response safe to show."""

    @property
    def request_id(self) -> str | None:
        """The server's id for the request (`x-request-id`, on Azure `apim-request-id`)."""
        return request_id(self.headers)

    @property
    def processing_time(self) -> float | None:
        """The server's processing time in seconds (`openai-processing-ms`); None if not sent."""
        milliseconds = _number(self.headers.get("openai-processing-ms"))
        return None if milliseconds is None else milliseconds / 1000

    @property
    def rate_limits(self) -> RateLimits:
        """The `x-ratelimit-*` headers as numbers."""
        return RateLimits(
            limit_requests=self._count("limit-requests"),
            remaining_requests=self._count("remaining-requests"),
            reset_requests=parse_duration(self.headers.get("x-ratelimit-reset-requests")),
            limit_tokens=self._count("limit-tokens"),
            remaining_tokens=self._count("remaining-tokens"),
            reset_tokens=parse_duration(self.headers.get("x-ratelimit-reset-tokens")),
        )

    def _count(self, name: str) -> int | None:
        number = _number(self.headers.get(f"x-ratelimit-{name}"))
        return None if number is None else int(number)


def response_meta(
    response: Response,
    sanitizer: Sanitizer,
    *,
    attempts: int,
    elapsed: float,
    possible_orphans: int,
) -> ResponseMeta:
    """Return the meta of a response that ended a call; `sanitizer` masks the call's secrets."""
    return ResponseMeta(
        response.status,
        ShownHeaders(response.headers, sanitizer),
        attempts,
        elapsed,
        possible_orphans,
        sanitizer=sanitizer,
    )


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the server's id for the request, from headers that are safe to show; None: no id.

    Logs and messages show it, so a value that had a secret or does not look like an id is ignored.
    """
    for name in _REQUEST_ID_HEADERS:
        value = headers.get(name, "")
        if _REQUEST_ID.fullmatch(value) and MASK not in sanitize_text(value):
            return value
    return None


def parse_duration(text: str | None) -> float | None:
    """Return a Go duration such as `6m0s` or `20ms` in seconds; None when it is not one."""
    if text is None or len(text) > _LONGEST_DURATION or not _DURATION.fullmatch(text):
        return None
    return sum(float(amount) * _UNIT_SECONDS[unit] for amount, unit in _DURATION_PART.findall(text))


def _number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"\d{1,15}(?:\.\d{1,9})?", text, re.ASCII) else None
