"""What a client is told of an error of the provider's: its kind, and when to come back.

Owns: the mapping from exceptions to refusals. Must not know: how minting works.
"""

from __future__ import annotations

from http import HTTPStatus

from openai_realtime.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    CertificateError,
    ClientClosedError,
    RateLimitError,
    RealtimeError,
)
from openai_realtime.mint.endpoint_errors import (
    PROVIDER_BUSY,
    PROVIDER_DOWN,
    PROVIDER_FAILED,
    EndpointError,
    ErrorCode,
)

_OVERLOADED = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, 529})


def refusal_for(error: RealtimeError) -> EndpointError:
    """Return what is said instead of `error`; nothing of its text is in it."""
    retry_after = error.retry_after if isinstance(error, APIError) else None
    return EndpointError(_reason(error), retry_after=retry_after)


def _reason(error: RealtimeError) -> ErrorCode:
    match error:
        case RateLimitError(retryable=True):  # else the credit is used up, and waiting is no help
            return PROVIDER_BUSY
        case CertificateError():  # somebody has to see to it
            return PROVIDER_FAILED
        case APIConnectionError() | ClientClosedError():
            return PROVIDER_DOWN
        case APIStatusError(status_code=status) if status in _OVERLOADED:
            return PROVIDER_DOWN
        case _:
            return PROVIDER_FAILED
