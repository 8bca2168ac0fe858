"""The sources of subject tokens, and what they share with the token exchange in `identity.py`.

Rule for this file: the metadata services are the only addresses besides loopback that are called by
plain http. Both are described on pages of Azure and Google Cloud.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, NoReturn, cast
from urllib.parse import urlencode, urlsplit

from openai_realtime.core.base_url import check_base_url, is_loopback
from openai_realtime.core.deadline import Deadline
from openai_realtime.core.error_responses import status_error
from openai_realtime.core.peer_text import Sanitizer
from openai_realtime.core.retry import RetryPolicy
from openai_realtime.core.strict_json import Json, decode_json
from openai_realtime.core.wire import Header, Request, Response
from openai_realtime.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APITimeoutError,
    AuthenticationError,
    CertificateError,
    ConfigurationError,
    RealtimeError,
    Step,
)
from openai_realtime.providers import Provider
from openai_realtime.secrets import ApiKey
from openai_realtime.token_cache import CallSource, SendRequest, TokenIssuer, Work

TokenType = Literal["jwt", "id"]
"""The kind of a subject token: a JSON Web Token, or an OpenID Connect ID token."""

KUBERNETES_TOKEN_FILE: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path
AZURE_METADATA: Final = "http://169.254.169.254"
GCP_METADATA: Final = "http://metadata.google.internal"

REFRESH_BUFFER_SECONDS: Final = 1200.0
_MAX_FILE_BYTES: Final = 64 * 1024
_MAX_LIFETIME: Final = 1e9  # seconds: JSON's numbers have no limit, and Python's floats have one
_HINTS: Final = {
    "invalid_grant": "No mapping of the identity provider fits this token: check the mappings, "
    "identity_provider_id and service_account_id",
    "invalid_subject_token": "Check the subject token's issuer, audience, signature and expiry",
}
_FROM_METADATA: Final = "Check that this machine has such an identity, and a metadata service"
ACCEPT_JSON: Final[tuple[Header, ...]] = (
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"identity"),
)


class SubjectTokenSource(ABC):
    """Where a subject token comes from. It is read anew for every exchange."""

    __slots__ = ()
    token_type: ClassVar[TokenType] = "jwt"  # noqa: S105 - a kind
    """The type of its tokens: `jwt` or `id`."""

    @abstractmethod
    def read(self, deadline: Deadline) -> Work[ApiKey]:
        """Return a subject token; raises `APIError`."""


@dataclass(frozen=True, slots=True)
class SubjectTokenFile(SubjectTokenSource):
    """A file that holds a JSON Web Token, such as Kubernetes and SPIFFE's spiffe-helper write it.

    The program that writes the file replaces its token in time. Space around the token is ignored.
    """

    path: str | os.PathLike[str] = KUBERNETES_TOKEN_FILE
    """Default: where Kubernetes mounts the token of a pod's service account."""

    def read(self, deadline: Deadline) -> Work[ApiKey]:
        """Return the token in the file; raises `APIConnectionError` when there is none."""
        with at_step("subject_token", f"Subject token from {os.fspath(self.path)}", deadline):
            return checked_token((yield CallSource(self._content, deadline)))

    def _content(self) -> ApiKey:
        try:
            with open(self.path, "rb") as file:  # noqa: PTH123 - a path of any kind
                return ApiKey(file.read(_MAX_FILE_BYTES).decode("ascii", "replace"))
        except OSError as error:
            reason = error.strerror or type(error).__name__
        message = f"the file cannot be read: {reason}"
        raise APIConnectionError(message, hint="Mount the token there, or pass another path=")


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureManagedIdentity(SubjectTokenSource, TokenIssuer):
    """The managed identity of an Azure virtual machine, scale set or AKS node.

    As the `subject_token` of `workload_identity` it proves to OpenAI who calls. As the `api_key` of a
    client of `azure(…)` it gets Entra tokens for Azure OpenAI. The token comes from Azure's Instance
    Metadata Service, by plain http within the machine, and never through a proxy. Of several
    user-assigned identities, `client_id`, `object_id` or `msi_res_id` names one. (App Service and
    Functions have another service: pass a callable of the package `azure-identity` there.)

    Raises `ConfigurationError` when a field is unusable.
    """

    resource: str | None = None
    """The audience of the token. Default: https://management.azure.com/ as a subject token, and
    https://cognitiveservices.azure.com as an API key."""
    client_id: str | None = None
    """The client id of a user-assigned identity. Default: the machine's only identity."""
    object_id: str | None = None
    """The object id of a user-assigned identity."""
    msi_res_id: str | None = None
    """The resource id of a user-assigned identity."""
    endpoint: str = AZURE_METADATA
    """The metadata service; another one must be on this machine, as a test's is."""

    def __post_init__(self) -> None:
        identity = {
            "client_id": self.client_id,
            "object_id": self.object_id,
            "msi_res_id": self.msi_res_id,
        }
        for name, value in {"resource": self.resource, **identity}.items():
            if value is not None:
                check_text(name, value)
        if len([value for value in identity.values() if value is not None]) > 1:
            message = f"pass one of {', '.join(identity)}: each names an identity by itself"
            raise ConfigurationError(message)
        _check_metadata_endpoint(self.endpoint)

    @property
    def refresh_buffer(self) -> float:
        """How long before its end, in seconds, a token is renewed: 20 minutes."""
        return REFRESH_BUFFER_SECONDS

    def check_provider(self, provider: Provider) -> None:
        """Raise `ConfigurationError` if the provider does not take Entra tokens."""
        if self.resource is None and not provider.key_variable.startswith("AZURE_"):
            message = (
                f"{provider.name} takes no Entra tokens: pass AzureManagedIdentity() as the "
                "subject_token of workload_identity(…), or name the resource= that it accepts"
            )
            raise ConfigurationError(message)

    def read(self, deadline: Deadline) -> Work[ApiKey]:
        """Return a token for `resource`; raises `APIError`."""
        request = self._request(self.resource or "https://management.azure.com/")
        with at_step("subject_token", f"Subject token from {request.display_url}", deadline):
            response = yield from _fetch(request, deadline)
            return checked_token(_json_object(response).get("access_token"))

    def issue(self, deadline: Deadline) -> Work[tuple[ApiKey, float]]:
        """Return an Entra token for Azure OpenAI, and its lifetime in seconds; raises `APIError`."""
        request = self._request(self.resource or "https://cognitiveservices.azure.com")
        with at_step("access_token", f"Access token from {request.display_url}", deadline):
            response = yield from _fetch(request, deadline)
            return read_access_token(response)

    def _request(self, resource: str) -> Request:
        query = {"api-version": "2018-02-01", "resource": resource}
        for name in ("object_id", "client_id", "msi_res_id"):
            value: str | None = getattr(self, name)
            if value is not None:
                query[name] = value
        path = "/metadata/identity/oauth2/token"
        return _metadata_request(self.endpoint, path, query, (b"Metadata", b"true"))


@dataclass(frozen=True, slots=True, kw_only=True)
class GcpMetadata(SubjectTokenSource):
    """The ID token of a Google Cloud machine's service account, from its metadata service.

    It is fetched by plain http within the machine, and never through a proxy. Raises
    `ConfigurationError` when a field is unusable.
    """

    token_type: ClassVar[TokenType] = "id"  # noqa: S105 - a kind
    """The type of its tokens."""

    audience: str = "https://api.openai.com/v1"
    """The audience of the token, as the identity provider at OpenAI expects it."""
    endpoint: str = GCP_METADATA
    """The metadata service; another one must be on this machine, as a test's is."""

    def __post_init__(self) -> None:
        check_text("audience", self.audience)
        _check_metadata_endpoint(self.endpoint)

    def read(self, deadline: Deadline) -> Work[ApiKey]:
        """Return an ID token for `audience`; raises `APIError`."""
        path = "/computeMetadata/v1/instance/service-accounts/default/identity"
        header = (b"Metadata-Flavor", b"Google")
        request = _metadata_request(self.endpoint, path, {"audience": self.audience}, header)
        with at_step("subject_token", f"Subject token from {request.display_url}", deadline):
            response = yield from _fetch(request, deadline)
            return checked_token(response.body.decode("ascii", "replace"))


@dataclass(frozen=True, slots=True)
class CallableSource(SubjectTokenSource):
    """A callable, sync or async, that returns a JSON Web Token."""

    function: Callable[[], str | Awaitable[str]]

    def read(self, deadline: Deadline) -> Work[ApiKey]:
        """Return what the function returns; raises `APIConnectionError` when it fails."""
        with at_step("subject_token", "Subject token", deadline):
            try:
                token = yield CallSource(self.function, deadline)
            except RealtimeError:
                raise
            except Exception as error:
                message = f"its callable raised {type(error).__name__}"
                raise APIConnectionError(message) from error
            return checked_token(token)


@contextmanager
def at_step(step: Step, where: str, deadline: Deadline) -> Generator[None]:
    """Name the step in an error of the block, after which the API has not acted on the call."""
    try:
        yield
    except APIError as error:
        error.step = step
        error.message = f"{where}: {error.message}"
        error.possibly_acted = False
        if isinstance(error, APIConnectionError):
            error.stale = False
            is_untrusted = isinstance(error, CertificateError)
            if error.phase == "connect" and not is_untrusted and step == "token_exchange":
                error.hint = "Check token_url, the proxy, and this machine's name resolution"
        if isinstance(error, APITimeoutError) and not deadline.remaining():
            error.phase, error.retryable = "total", False
        raise


def _fetch(request: Request, deadline: Deadline) -> Work[Response]:
    """Return a metadata service's response; raises `APIConnectionError` if it is not a 2xx."""
    try:
        response = cast("Response", (yield SendRequest(request, deadline, is_direct=True)))
        if not response.is_success:
            refuse(response)
    except APIConnectionError as error:
        error.hint = _FROM_METADATA
        raise
    return response


def refuse(
    response: Response, subject: str = "", *, refusals: frozenset[int] = frozenset()
) -> NoReturn:
    """Raise the error of a response that is not a 2xx; `subject` is masked in its texts.

    It is an `AuthenticationError` for the statuses in `refusals`, else an `APIConnectionError`: the
    status is not one of the API.
    """
    error = status_error(response, policy=RetryPolicy(), sanitizer=Sanitizer((subject,)))
    code = f" {error.code}" if error.code else ""
    failure: APIError
    if response.status in refusals:
        failure = AuthenticationError(error.message, status_code=response.status)
    else:
        message = f"{response.status}{code}: {error.message}"
        failure = APIConnectionError(message, phase="receive")
    failure.hint = _HINTS.get(error.code or "")
    for name in ("request_id", "code", "body", "retry_after", "retryable"):
        setattr(failure, name, getattr(error, name))
    raise failure


def read_access_token(response: Response) -> tuple[ApiKey, float]:
    """Return the token in a response, and its lifetime in seconds; raises `APIError`."""
    members = _json_object(response)
    lifetime = members.pop("expires_in", None)
    if isinstance(lifetime, str) and lifetime.isdecimal() and len(lifetime) < len("1000000000"):
        lifetime = int(lifetime)  # Azure's metadata service sends a text
    token = checked_token(members.pop("access_token", None), APIResponseValidationError)
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or lifetime <= 0:
        message = "expires_in of the response is not a number of seconds above 0"
        raise APIResponseValidationError(message, status_code=response.status)
    return token, min(lifetime, _MAX_LIFETIME)


def _json_object(response: Response) -> dict[str, Json]:
    members: Json = None
    with suppress(ValueError):
        members = decode_json(response.body)
    if not isinstance(members, dict):
        message = "the response is not a JSON object"
        raise APIResponseValidationError(message, status_code=response.status)
    token = members.get("access_token")
    return {**members, "access_token": ApiKey(token)} if isinstance(token, str) else members


def checked_token(token: object, failure: type[APIError] = APIConnectionError) -> ApiKey:
    """Return a token without the space around it; raises `failure` if it is none."""
    text = ApiKey(token.strip()) if isinstance(token, str) else ApiKey()
    token = None  # so that no traceback shows it
    if not text:
        message = "there is no token"
        raise failure(message)
    if not text.isascii() or not text.isprintable() or " " in text:
        message = "the token is not visible ASCII text without spaces"
        raise failure(message)
    return text


def new_request(method: str, url: str, headers: tuple[Header, ...], body: bytes = b"") -> Request:
    """Return a request for a new connection: one that was idle since the last renewal is closed."""
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    return Request(method, url, headers, body, max_idle=0.0, loopback_only=is_local)


def _metadata_request(endpoint: str, path: str, query: dict[str, str], header: Header) -> Request:
    return new_request(
        "GET", f"{endpoint.rstrip('/')}{path}?{urlencode(query)}", (*ACCEPT_JSON, header)
    )


def _check_metadata_endpoint(endpoint: str) -> None:
    parts = urlsplit(check_base_url(endpoint, allow_http=True, what="endpoint"))
    is_service = parts.geturl() in {AZURE_METADATA, GCP_METADATA}
    if parts.scheme != "http" or not (is_service or is_loopback(parts.hostname or "")):
        message = "endpoint is unusable: it must be the metadata service, or on this machine"
        raise ConfigurationError(message)


def check_text(name: str, value: object) -> None:
    """Raise `ConfigurationError`, which names the setting, if it is no text or an empty one."""
    if not isinstance(value, str) or not value or not value.isprintable():
        message = f"{name} must be a text that is not empty"
        raise ConfigurationError(message)
