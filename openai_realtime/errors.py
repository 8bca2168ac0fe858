"""Every exception the client raises, one tree, split by whose fault it is.

Owns: the classes and how they read. Must not know: how a response becomes one (`core/error_responses.py`),
nor which engine was in use. No exception here ever holds an API key or an ephemeral key.

    RealtimeError
    ├── ConfigurationError                the client cannot be built, or its credential is unusable
    ├── ParameterError                    the call's parameters are wrong; nothing was sent
    ├── ClientClosedError                 the client was closed before the call
    ├── WebhookVerificationError          a webhook is not to be believed: answer it with 400
    │   ├── WebhookReplayedError          … because it was handled before: answer it with 200
    │   └── WebhookInProgressError        … because it is being handled now: answer it with 503
    └── APIError                          the call was made and gave no usable answer
        ├── APIConnectionError            no answer arrived
        │   ├── APITimeoutError           … in time
        │   └── CertificateError          … because the server's TLS certificate is not trusted
        ├── APIStatusError                the server answered with an error
        │   ├── RedirectError             3xx (redirects are never followed)
        │   ├── BadRequestError           400
        │   ├── AuthenticationError       401
        │   ├── PermissionDeniedError     403
        │   ├── NotFoundError             404
        │   ├── ConflictError             409
        │   ├── UnprocessableEntityError  422
        │   ├── RateLimitError            429
        │   └── InternalServerError       5xx
        └── APIResponseValidationError    the server answered 2xx without a usable client secret

Names that the official SDK has are the official SDK's names.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

Phase = Literal["pool", "connect", "send", "receive", "total"]
"""Where a connection failed: waiting for a free connection, connecting (name resolution, TCP and
TLS), sending the request, receiving the answer; `total` is the deadline of the whole call."""


class RealtimeError(Exception):
    """Everything this package raises on purpose."""


class ConfigurationError(RealtimeError, ValueError):
    """A setting or credential is missing or unusable. Its value is never part of the message."""


class ParameterError(RealtimeError, ValueError):
    """A parameter is unknown, out of range or of the wrong type. Nothing was minted, nothing done.

    It is told before anything is sent; but for `strict=True` where a server turns out to have
    retired the flat shape, and the nested one cannot carry a parameter.

    `param` is the dotted path of the first one, such as `turn_detection.threshold`.
    """

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class DroppedParameterWarning(UserWarning):
    """A parameter was not sent, because the server's dialect has no place for it."""


class ClientClosedError(RealtimeError, RuntimeError):
    """The client was closed before this call began, or while it was in flight."""


class WebhookVerificationError(RealtimeError, ValueError):
    """A webhook is forged, damaged, too old, or not what it claims to be. Answer it with 400.

    The message says why and what to do; it quotes nothing of the body, signature or secret.
    """

    def __init__(self, message: str, *, webhook_id: str | None = None) -> None:
        super().__init__(f"{message} (webhook-id {webhook_id})" if webhook_id else message)
        self.webhook_id = webhook_id
        """Its `webhook-id`, to look it up in the provider's dashboard; None when it is unproven."""


class WebhookReplayedError(WebhookVerificationError):
    """A genuine webhook that was handled before. Answer it with 200, so that it comes no more."""


class WebhookInProgressError(WebhookVerificationError):
    """A genuine webhook that another delivery of it claimed, and has not confirmed yet.

    Answer it with 503, so that the provider delivers it again: what handles it now may yet fail.
    """


class ErrorFacts(TypedDict, total=False):
    """What is known of a failed call; each becomes an attribute of the `APIError`."""

    method: str
    url: str
    attempts: int
    possible_orphans: int
    retryable: bool
    possibly_acted: bool
    retry_after: float | None
    hint: str | None
    request_id: str | None
    code: str | None
    param: str | None
    type: str | None
    body: object
    status_code: int
    headers: Mapping[str, str]
    phase: Phase


class APIError(RealtimeError):
    """A call that gave no usable answer."""

    message: str
    """What went wrong, in the server's words where it gave any: one line of 1,000 characters at most."""
    method: str = ""
    """The HTTP method of the last attempt."""
    url: str = ""
    """The URL of the last attempt, without its query."""
    attempts: int = 1
    """How many requests were sent, this one included; 0 when time was up before the first."""
    possible_orphans: int = 0
    """How many earlier attempts may have minted a secret that nobody received."""
    retryable: bool = False
    """Whether trying again later may help."""
    possibly_acted: bool = False
    """Whether the server may have acted on the request although no success arrived."""
    retry_after: float | None = None
    """Seconds to wait before another try, when the server named a number."""
    hint: str | None = None
    """What to do about it, when that is known."""
    request_id: str | None = None
    """The server's id for the request: quote it to the provider's support."""
    code: str | None = None
    """The server's machine-readable error code, such as `insufficient_quota`."""
    param: str | None = None
    """The parameter the server complained about."""
    type: str | None = None
    """The server's error type, such as `invalid_request_error`."""
    body: object = None
    """The decoded error body (text when it was not JSON), safe to show: secrets are masked, control
    characters are escapes, and it is cut to 8 KiB."""

    def __init__(self, message: str, **facts: Unpack[ErrorFacts]) -> None:
        super().__init__(message)
        self.message = message
        self.__dict__.update(facts)

    def __str__(self) -> str:
        where = [f"{self.method} {self.url}".strip()] if self.url else []
        if self.request_id:
            where.append(f"request id {self.request_id}")
        where.append(f"attempt {self.attempts}" if self.attempts else "never sent")
        if self.retry_after is not None:
            where.append(f"retry after {self.retry_after:g} s")
        text = f"{self._headline()} ({', '.join(where)})"
        return f"{text}. {self.hint}" if self.hint else text

    def _headline(self) -> str:
        return self.message


class APIConnectionError(APIError):
    """No answer arrived: `phase` says where it stopped, `possibly_acted` whether it was sent."""

    phase: Phase = "connect"
    """Where it stopped."""
    stale: bool = False
    """Whether a kept connection was lost before anything was answered: most likely the server had
    closed it while it was idle."""


class APITimeoutError(APIConnectionError):
    """No answer arrived in time. `phase` is `total` when the call's whole deadline ran out."""


class CertificateError(APIConnectionError):
    """The server's TLS certificate is expired, self-signed, or for another host. Never retried."""


class APIStatusError(APIError):
    """The server answered with a status that is no success."""

    status_code: int = 0
    """The HTTP status."""
    headers: Mapping[str, str] = MappingProxyType({})
    """The response headers, safe to show as `body` is, 8 KiB each; look-ups ignore case."""

    def _headline(self) -> str:
        label = f"{self.status_code} {self.code}" if self.code else str(self.status_code)
        return f"{label}: {self.message}"


class RedirectError(APIStatusError):
    """3xx: redirects are never followed, because they would carry the API key elsewhere."""


class BadRequestError(APIStatusError):
    """400: the server did not accept the request."""


class AuthenticationError(APIStatusError):
    """401: the API key is missing, wrong or revoked."""


class PermissionDeniedError(APIStatusError):
    """403: the API key may not do this."""


class NotFoundError(APIStatusError):
    """404: no such endpoint, model or call."""


class ConflictError(APIStatusError):
    """409: another request got in the way."""


class UnprocessableEntityError(APIStatusError):
    """422: the server understood the request and will not act on it."""


class RateLimitError(APIStatusError):
    """429: too many requests, or no credit left (`code` is then `insufficient_quota`)."""


class InternalServerError(APIStatusError):
    """5xx: the server failed."""


class APIResponseValidationError(APIError):
    """The server answered 2xx, but not with a usable client secret. Never a half-filled object."""

    status_code: int = 0
    """The HTTP status, a 2xx."""
    headers: Mapping[str, str] = MappingProxyType({})
    """The response headers, safe to show as `body` is, 8 KiB each; look-ups ignore case."""
