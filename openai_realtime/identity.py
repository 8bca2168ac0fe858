"""Workload identity: the exchange of a subject token for an access token of OpenAI.

Sources: OpenAI's guide "Workload identity federation", and RFC 8693 (token exchange).
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, cast

from openai_realtime.core.base_url import check_base_url
from openai_realtime.core.deadline import Deadline
from openai_realtime.core.wire import Request, Response
from openai_realtime.errors import ConfigurationError
from openai_realtime.providers import BEARER, Provider
from openai_realtime.secrets import ApiKey
from openai_realtime.subject_tokens import (
    ACCEPT_JSON,
    REFRESH_BUFFER_SECONDS,
    CallableSource,
    SubjectTokenSource,
    TokenType,
    at_step,
    check_text,
    new_request,
    read_access_token,
    refuse,
)
from openai_realtime.token_cache import SendRequest, TokenIssuer, Work

OPENAI_TOKEN_URL: Final = "https://auth.openai.com/oauth/token"  # noqa: S105 - a URL
_TOKEN_TYPES: Final = {
    "jwt": "urn:ietf:params:oauth:token-type:jwt",
    "id": "urn:ietf:params:oauth:token-type:id_token",
}
_GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_REFUSALS: Final = frozenset({400, 401, 403})


@dataclass(frozen=True, slots=True)
class WorkloadIdentity(TokenIssuer):
    """What `workload_identity(…)` returns: pass it as the `api_key` of a client."""

    identity_provider_id: str
    """The id of the identity provider at OpenAI."""
    service_account_id: str
    """The id of the service account at OpenAI."""
    subject_token: SubjectTokenSource = field(repr=False)
    """Where the subject token comes from."""
    subject_token_type: TokenType
    """`jwt` or `id`."""
    refresh_buffer_seconds: float
    """How long before its end a token is renewed."""
    token_url: str
    """Where a subject token is exchanged."""

    @property
    def refresh_buffer(self) -> float:
        """How long before its end, in seconds, a token is renewed."""
        return self.refresh_buffer_seconds

    def check_provider(self, provider: Provider) -> None:
        """Raise `ConfigurationError` if the provider does not take OpenAI's access tokens."""
        if provider.key_variable != "OPENAI_API_KEY" or provider.auth != BEARER:
            message = f"{provider.name} takes no access tokens of OpenAI, as workload_identity(…) gets them"
            if provider.key_variable.startswith("AZURE_"):
                message += ": pass AzureManagedIdentity(), or a callable that returns Entra tokens"
            raise ConfigurationError(message)

    def issue(self, deadline: Deadline) -> Work[tuple[ApiKey, float]]:
        """Return a new access token, and its lifetime in seconds; raises `RealtimeError`."""
        subject = yield from self.subject_token.read(deadline)
        with at_step("token_exchange", f"Token exchange at {self.token_url}", deadline):
            operation = SendRequest(self._request(subject), deadline)
            response = cast("Response", (yield operation))
            if not response.is_success:
                refuse(response, subject, refusals=_REFUSALS)
            return read_access_token(response)

    def _request(self, subject: ApiKey) -> Request:
        body = {
            "grant_type": _GRANT_TYPE,
            "subject_token": subject,
            "subject_token_type": _TOKEN_TYPES[self.subject_token_type],
            "identity_provider_id": self.identity_provider_id,
            "service_account_id": self.service_account_id,
        }
        headers = (*ACCEPT_JSON, (b"Content-Type", b"application/json"))
        return new_request("POST", self.token_url, headers, json.dumps(body).encode())


def workload_identity(  # noqa: PLR0913 - each is a setting of its own
    *,
    identity_provider_id: str,
    service_account_id: str,
    subject_token: SubjectTokenSource | Callable[[], str] | Callable[[], Awaitable[str]],
    subject_token_type: TokenType | None = None,
    refresh_buffer_seconds: float = REFRESH_BUFFER_SECONDS,
    token_url: str = OPENAI_TOKEN_URL,
) -> WorkloadIdentity:
    """Return an identity to pass as `api_key`: no API key is stored, and access tokens are short-lived.

        identity = workload_identity(
            identity_provider_id="idp-123",
            service_account_id="sa-456",
            subject_token=SubjectTokenFile(),  # Kubernetes
        )
        client = RealtimeSessionsClient(api_key=identity)

    `subject_token` is a `SubjectTokenFile`, an `AzureManagedIdentity`, a `GcpMetadata`, or any callable
    that returns a token. A callable may be async for the async client, which runs a sync one on a
    thread. `subject_token_type` is its type: "jwt" or "id". Default: the type of the ready sources'
    tokens, and "jwt" for a callable.

    The client exchanges the subject token at `token_url` when it needs an access token. All its
    threads and tasks share one exchange. A token is renewed `refresh_buffer_seconds` (default 1200)
    before it expires, but not before half its lifetime has passed. If the renewal fails, the old token
    is used while it is valid. When the API refuses a token with 401, the call is made once more with a
    new one. The exchange uses the client's deadline, proxy, TLS settings and `http_client`.

    Raises `ConfigurationError` when an argument is unusable. A call raises `AuthenticationError` when
    the exchange is refused (400, 401 or 403; `code` is OAuth's, such as `invalid_grant`), and
    `APIConnectionError`, `APITimeoutError` or `APIResponseValidationError` when it fails in another
    way. `step` says which step failed: `subject_token` or `token_exchange`.
    """
    check_text("identity_provider_id", identity_provider_id)
    check_text("service_account_id", service_account_id)
    source = cast("object", subject_token)
    if not isinstance(source, SubjectTokenSource):
        if not callable(source):
            message = (
                "subject_token must be SubjectTokenFile(…), AzureManagedIdentity(…), GcpMetadata(…) "
                "or a callable that returns a token"
            )
            raise ConfigurationError(message)
        source = CallableSource(cast("Callable[[], str]", source))
    kind = source.token_type if subject_token_type is None else subject_token_type
    if kind not in tuple(_TOKEN_TYPES):  # it may be unhashable
        message = 'subject_token_type must be "jwt" or "id"'
        raise ConfigurationError(message)
    seconds = cast("object", refresh_buffer_seconds)
    if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        message = "refresh_buffer_seconds must be a finite number of seconds, 0 or more"
        raise ConfigurationError(message)
    url = check_base_url(token_url, allow_http=False, what="token_url")
    return WorkloadIdentity(identity_provider_id, service_account_id, source, kind, seconds, url)
