"""Every way in which the service says no, as one table: status, code, and words for a person.

Owns: the reasons and the exception that carries one. Must not know: who found the reason. Nothing
that a client or the provider sent is ever part of an answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """Why a request gets no secret."""

    status: int
    code: str
    """What a program can tell it by; it is a label of the metrics too."""
    message: str


METHOD: Final = ErrorCode(405, "method_not_allowed", "Ask with POST.")
ORIGIN: Final = ErrorCode(403, "origin_not_allowed", "This page may not ask for a voice session.")
CONTENT_TYPE: Final = ErrorCode(415, "not_json", "Send JSON, as application/json.")
TOO_LARGE: Final = ErrorCode(413, "body_too_large", "The request is too large.")
TOO_SLOW: Final = ErrorCode(408, "body_too_slow", "The request did not arrive in time.")
MALFORMED: Final = ErrorCode(400, "malformed_json", "The body is not a JSON object.")
CHOICE: Final = ErrorCode(400, "choice_not_allowed", "The body asks for what cannot be chosen.")
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
PROVIDER_BUSY: Final = ErrorCode(429, "provider_busy", "The voice service is busy. Wait a moment.")
PROVIDER_DOWN: Final = ErrorCode(503, "provider_unavailable", "The voice service does not answer.")
PROVIDER_FAILED: Final = ErrorCode(502, "provider_failed", "No voice session could be started.")
INTERNAL: Final = ErrorCode(500, "internal_error", "Something went wrong here.")

REASONS: Final = (
    METHOD,
    ORIGIN,
    CONTENT_TYPE,
    TOO_LARGE,
    TOO_SLOW,
    MALFORMED,
    CHOICE,
    UNAUTHORIZED,
    FORBIDDEN,
    AUTHORIZE_DOWN,
    TOO_OFTEN,
    TOO_BUSY,
    LIMITER_DOWN,
    PROVIDER_BUSY,
    PROVIDER_DOWN,
    PROVIDER_FAILED,
    INTERNAL,
)
"""All of them."""

_LONGEST_RETRY_AFTER = 86_400


class EndpointError(Exception):
    """A request gets no secret."""

    def __init__(
        self,
        reason: ErrorCode,
        *,
        retry_after: float | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(reason.code)
        self.reason = reason
        self.headers: dict[str, str] = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(whole_seconds(retry_after))


def whole_seconds(seconds: float) -> int:
    """Return seconds as `Retry-After` wants them: whole, rounded up, 1 at least, a day at most."""
    return min(max(1, math.ceil(seconds)), _LONGEST_RETRY_AFTER)
