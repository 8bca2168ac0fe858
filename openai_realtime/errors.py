"""Every exception that the package raises, as one tree of classes.

No exception holds an API key or an ephemeral key.

    RealtimeError
    ├── ConfigurationError                the client cannot be built, or its credential is unusable
    ├── ParameterError                    the call's parameters are wrong; nothing was sent
    ├── ClientClosedError                 the client was closed before the call
    ├── WebhookVerificationError          a webhook is rejected: respond with 400
    │   ├── WebhookReplayedError          it was handled before: respond with 200
    │   └── WebhookInProgressError        it is being handled now: respond with 503
    ├── ToolError                         raised by your tool's function: the model gets the message
    └── APIError                          the call was made and got no usable response
        ├── APIConnectionError            no response arrived
        │   ├── APITimeoutError           no response arrived in time
        │   └── CertificateError          the server's TLS certificate is not trusted
        ├── APIStatusError                the server responded with an error
        │   ├── RedirectError             3xx (redirects are never followed)
        │   ├── BadRequestError           400
        │   ├── AuthenticationError       401
        │   ├── PermissionDeniedError     403
        │   ├── NotFoundError             404
        │   ├── ConflictError             409
        │   ├── UnprocessableEntityError  422
        │   ├── RateLimitError            429
        │   └── InternalServerError       5xx
        └── APIResponseValidationError    a 2xx response without a usable client secret

An exception that the official SDK has too has the same name there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, TypedDict, Unpack

from openai_realtime.official_names import ERROR, OfficialNames

Phase = Literal["pool", "connect", "send", "receive", "total"]
"""Where a connection failed: while waiting for a free connection, connecting (name resolution, TCP
and TLS), sending the request or receiving the response; `total` is the deadline of the whole call."""

Step = Literal["subject_token", "token_exchange", "access_token"]
"""What had to be done before the request and failed: reading the subject token of a workload
identity, exchanging it, or getting an access token from a metadata service."""


class RealtimeError(Exception):
    """The base class of all exceptions of this package: catch it to catch each of them."""


class ConfigurationError(RealtimeError, ValueError):
    """A setting or credential is missing or unusable. Its value is never part of the message.

    Correct the setting that the message names. It is raised when a client or a service is made; for a
    callable `api_key`, when the call reads the key.
    """


class ParameterError(RealtimeError, ValueError):
    """A parameter is unknown, out of range or of the wrong type. Nothing was minted or changed.

    It is raised before a request is sent, except in one case: with `strict=True`, after the server
    has rejected the flat shape, for a parameter that the nested shape does not have.

    Correct the parameter that `param` names: the dotted path of the first such parameter, such as
    `turn_detection.threshold`.
    """

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param: str | None = param
        """The parameter's path; None if no single one is wrong."""


class DroppedParameterWarning(UserWarning):
    """A parameter was not sent, because the server's dialect does not have it.

    Leave it out for this server, or pass `strict=True` to get a `ParameterError` instead.
    """


class RetiringWarning(FutureWarning):
    """OpenAI shuts down a model, parameter or endpoint within 180 days, or has shut it down.

    The message names the day, and what replaces it.
    It is issued once for each name in a process, and only for requests to OpenAI itself.
    """


class ClientClosedError(RealtimeError, RuntimeError):
    """The client, pool or sideband was closed before this call began, or during it.

    Keep one client open for the whole process, and close it last.
    """


class ToolError(RealtimeError):
    """Raised by a tool's function: the model gets the message as the function's result."""


class WebhookVerificationError(RealtimeError, ValueError):
    """A webhook is forged, damaged, too old, or not what it claims to be. Respond with 400.

    The message says why and what to do; it quotes nothing of the body, signature or secret.
    """

    def __init__(self, message: str, *, webhook_id: str | None = None) -> None:
        super().__init__(f"{message} (webhook-id {webhook_id})" if webhook_id else message)
        self.webhook_id: str | None = webhook_id
        """The `webhook-id` of a genuine webhook, to look it up in the provider's dashboard."""


class WebhookReplayedError(WebhookVerificationError):
    """A genuine webhook that was handled before. Respond with 200, so that it is not delivered again."""


class WebhookInProgressError(WebhookVerificationError):
    """A genuine webhook whose earlier delivery is still being handled.

    Respond with 503, so that the provider delivers it again: the handling may still fail.
    """


class ErrorFacts(TypedDict, total=False):
    """The attributes of an `APIError`, as keyword arguments."""

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
    step: Step


class APIError(OfficialNames, RealtimeError):
    """A call that got no usable response.

    `hint` says what to do, if that is known; `retryable` says whether the same call may work later.
    The retries of the call, if it has any, are over when it is raised.
    """

    _official_names: ClassVar[Mapping[str, str]] = ERROR

    message: str
    """What went wrong, in the server's words if it sent any. One line, at most 1,000 characters."""
    method: str = ""
    """The HTTP method of the last attempt."""
    url: str = ""
    """The URL of the last attempt, without its query."""
    attempts: int = 1
    """How many requests were sent; 0 when the time ran out before the first one."""
    possible_orphans: int = 0
    """How many earlier attempts may have minted a secret that was not received."""
    retryable: bool = False
    """Whether trying again later may help."""
    possibly_acted: bool = False
    """Whether the server may have acted on the request although no success arrived."""
    retry_after: float | None = None
    """Seconds to wait before another attempt, if the server sent a number."""
    hint: str | None = None
    """What to do about the error, if that is known."""
    request_id: str | None = None
    """The server's id for the request: quote it to the provider's support."""
    code: str | None = None
    """The server's machine-readable error code, such as `insufficient_quota`."""
    param: str | None = None
    """The parameter that the server's error names."""
    type: str | None = None
    """The server's error type, such as `invalid_request_error`."""
    step: Step | None = None
    """What failed before the request was sent, if the `api_key` is a workload or managed identity. Then
    `status_code`, `code` and `body` are those of that step. None: the request itself failed."""
    body: object = None
    """The provider's error object, as in the official SDK: the member `error` of the decoded body, or
    else the whole body (text when it was not JSON). It is safe to show: secrets are masked, control
    characters are escaped, and it is cut to 8 KiB."""

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
    """No response arrived, or not all of it: `phase` says where it failed.

    Check the network, `base_url`, and the proxy. If `possibly_acted` is true, the server may have
    acted on the request all the same.
    """

    phase: Phase = "connect"
    """Where the connection failed."""
    stale: bool = False
    """Whether a reused connection was closed before any response arrived. The server had probably
    closed it while it was idle."""


class APITimeoutError(APIConnectionError):
    """No response arrived in time. `phase` is `total` when the call's whole deadline ran out.

    Try again later, or raise the limit in `timeout` that `phase` names.
    """


class CertificateError(APIConnectionError):
    """The server's TLS certificate is expired, self-signed, or for another host. Never retried.

    For a company's own authority, set `SSL_CERT_FILE` to its certificate.
    """


class APIStatusError(APIError):
    """The server responded with an error status, or with a redirect.

    A status that has no class below is raised as this class.
    """

    status_code: int = 0
    """The HTTP status."""
    headers: Mapping[str, str] = MappingProxyType({})
    """The response headers, safe to show as `body` is, 8 KiB each; look-ups ignore case."""

    def _headline(self) -> str:
        label = f"{self.status_code} {self.code}" if self.code else str(self.status_code)
        return f"{label}: {self.message}"


class RedirectError(APIStatusError):
    """3xx: redirects are never followed, because they would send the API key to another server.

    Set `base_url` to the final address.
    """


class BadRequestError(APIStatusError):
    """400: the server rejected the request. Correct what `message` and `param` name.

    For a phone call, `code` is `decision_already_made` if it was accepted or rejected before.
    """


class AuthenticationError(APIStatusError):
    """401: the API key is missing, wrong, revoked, or meant for another provider or `base_url`.

    Also 400, 401 or 403 from the token exchange of a workload identity: then `step` says so, and
    `code` is OAuth's, such as `invalid_grant`.
    """


class PermissionDeniedError(APIStatusError):
    """403: the key does not have the permission: its project may not use this API or this model."""


class NotFoundError(APIStatusError):
    """404: no such endpoint, model or call.

    Check `base_url` (it ends in `/v1` at most providers) and the model's name. A call that has ended
    is unknown too.
    """


class ConflictError(APIStatusError):
    """409: another request conflicts with this one. It was retried, where a retry cannot act twice."""


class UnprocessableEntityError(APIStatusError):
    """422: the server understood the request and rejected it. Correct what `message` names."""


class RateLimitError(APIStatusError):
    """429: too many requests, or no credit left (`code` is then `insufficient_quota`).

    Wait `retry_after` seconds and slow down, or ask for a higher limit. Without credit, waiting does
    not help: add some.
    """


class InternalServerError(APIStatusError):
    """5xx: the server failed. Try again later; `request_id` is for the provider's support."""


class APIResponseValidationError(APIError):
    """A 2xx response without a usable client secret, access token or answer to a WebRTC offer.

    Check that `base_url` is that of a realtime API, and that no gateway changes its responses: `body`
    shows what came.
    """

    status_code: int = 0
    """The HTTP status, a 2xx."""
    headers: Mapping[str, str] = MappingProxyType({})
    """The response headers, safe to show as `body` is, 8 KiB each; look-ups ignore case."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `: did you mean …?` with the known name most similar to `name`, or an empty text."""
    import difflib  # noqa: PLC0415 - needed for errors only

    matches = difflib.get_close_matches(name, sorted(known), n=1)
    return f": did you mean {matches[0]}?" if matches else ""


def wrapper_hint(value: object) -> str:
    """Return how to get the text out of pydantic's `SecretStr`; an empty text for other values."""
    if not hasattr(value, "get_secret_value"):
        return ""
    return f", not a {type(value).__name__}: call .get_secret_value()"


def is_not_given(value: object) -> bool:
    """Return whether `value` is the official SDK's `omit` or `NOT_GIVEN`, or a signature's default."""
    return type(value).__name__.lstrip("_") in {"NotGiven", "Omit"}


NOT_GIVEN_MESSAGE = "is omit or NOT_GIVEN: leave it out instead"
"""What is wrong with a value for which `is_not_given` is true."""


def not_given_in(values: Mapping[str, object]) -> str | None:
    """Return the first name whose value is one for which `is_not_given` is true, or None."""
    return next((name for name, value in values.items() if is_not_given(value)), None)
