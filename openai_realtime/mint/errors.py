"""The error responses of the mint endpoint, and the choice of one for an error of the provider.

Rule for this file: nothing that a client or the provider sent is part of a response.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from openai_realtime.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    CertificateError,
    ClientClosedError,
    RateLimitError,
    RealtimeError,
)


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """Why a request gets no secret."""

    status: int
    """The HTTP status."""
    name: str
    """For programs: the response's `error`, and a label of the metrics."""
    message: str
    """For people: the response's `message`."""


ORIGIN: Final = ErrorCode(403, "origin_not_allowed", "This page may not start a voice session.")
CONTENT_TYPE: Final = ErrorCode(415, "not_json", "Send JSON, as application/json.")
TOO_LARGE: Final = ErrorCode(413, "body_too_large", "The request is too large.")
TOO_SLOW: Final = ErrorCode(408, "body_too_slow", "The request did not arrive in time.")
MALFORMED: Final = ErrorCode(400, "malformed_json", "The body is not a JSON object.")
CHOICE: Final = ErrorCode(400, "choice_not_allowed", "The body has a choice that is not allowed.")
UNAUTHORIZED: Final = ErrorCode(401, "unauthorized", "Sign in first.")
FORBIDDEN: Final = ErrorCode(403, "forbidden", "You may not start a voice session.")
AUTHORIZE_DOWN: Final = ErrorCode(
    503, "authorization_unavailable", "Voice sessions are not available now."
)
TOO_OFTEN: Final = ErrorCode(429, "too_many_requests", "Too many voice sessions. Wait a moment.")
TOO_BUSY: Final = ErrorCode(
    429, "busy", "Too many people are starting voice sessions. Wait a moment."
)
LIMITER_DOWN: Final = ErrorCode(503, "limiter_unavailable", "Voice sessions are not available now.")
TOO_MANY_CALLS: Final = ErrorCode(429, "too_many_calls", "You have a call already. End it first.")
NO_SECRETS: Final = ErrorCode(
    404, "no_client_secrets", "There are no client secrets here. Send an SDP offer to /calls."
)
OFFER_TYPE: Final = ErrorCode(
    415, "not_an_offer", "Send an SDP offer, as application/sdp or application/json."
)
OFFER: Final = ErrorCode(400, "offer_not_valid", "The body is not an SDP offer.")
CALL_ENDED: Final = ErrorCode(409, "call_ended", "The call was ended before it began.")
NOT_RECORDED: Final = ErrorCode(503, "call_not_recorded", "Voice sessions are not available now.")
OTHER_PRINCIPAL: Final = ErrorCode(403, "forbidden", "This is not your call.")
PROVIDER_BUSY: Final = ErrorCode(429, "provider_busy", "The voice service is busy. Wait a moment.")
PROVIDER_DOWN: Final = ErrorCode(503, "provider_unavailable", "The voice service does not respond.")
PROVIDER_FAILED: Final = ErrorCode(502, "provider_failed", "No voice session could be started.")
BLOCKED: Final = ErrorCode(503, "blocked", "Voice sessions are not available now.")
INTERNAL: Final = ErrorCode(500, "internal_error", "Something went wrong here.")

BODY_LIMITS: Final[Mapping[int, ErrorCode]] = {408: TOO_SLOW, 413: TOO_LARGE}
"""The codes for the statuses of `BodyLimitError`."""

_OVERLOADED = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, 529})
_MAX_RETRY_AFTER = 86_400


class EndpointError(Exception):
    """A request gets no secret.

    `retry_after` is in seconds. The header has it in whole seconds, rounded up, from 1 to a day.
    """

    def __init__(
        self,
        code: ErrorCode,
        *,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code.name)
        self.code: ErrorCode = code
        self.headers: dict[str, str] = dict(headers or {})
        if retry_after is not None:
            seconds = min(max(1, math.ceil(retry_after)), _MAX_RETRY_AFTER)
            self.headers["Retry-After"] = str(seconds)


def method_not_allowed(method: str) -> EndpointError:
    """Return the error for every method except `method`."""
    code = ErrorCode(405, "method_not_allowed", f"Use {method}.")
    return EndpointError(code, headers={"Allow": method})


def endpoint_error_for(error: RealtimeError) -> EndpointError:
    """Return the error that the client gets for an error of the provider or of the SDK."""
    retry_after = error.retry_after if isinstance(error, APIError) else None
    return EndpointError(_code_for(error), retry_after=retry_after)


def _code_for(error: RealtimeError) -> ErrorCode:
    match error:
        # One that is not retryable means that the credit is used up: waiting does not help.
        case RateLimitError(retryable=True):
            return PROVIDER_BUSY
        case CertificateError():  # waiting does not help: an operator has to act
            return PROVIDER_FAILED
        case APIConnectionError() | ClientClosedError():
            return PROVIDER_DOWN
        case APIStatusError(status_code=status) if status in _OVERLOADED:
            return PROVIDER_DOWN
        case _:
            return PROVIDER_FAILED
