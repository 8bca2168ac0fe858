"""The simulated providers with their differences, and the requests and responses of the mock."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email import message_from_bytes
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import unquote

from openai_realtime import providers
from openai_realtime.core.strict_json import Json, decode_json
from openai_realtime.core.wire import Headers
from openai_realtime.dialects import nested_response, without_fields
from openai_realtime.errors import ConfigurationError, ParameterError
from openai_realtime.providers import AuthScheme

if TYPE_CHECKING:
    from openai_realtime.dialects import JsonObject
    from openai_realtime.providers import Provider

MockDialect = Literal["beta", "ga", "both"]
ProviderName = Literal[
    "openai",
    "azure",
    "azure_preview",
    "xai",
    "elevenlabs",
    "litellm",
    "bifrost",
    "compatible",
    "keyless",
]


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that the mock received."""

    method: str
    """The HTTP method."""
    path: str
    """The path with its query, such as `/v1/realtime/sessions?x=1`."""
    headers: Headers
    """The headers; look-ups ignore case."""
    body: bytes
    """The body's bytes."""
    connection: int = 0
    """A number that requests on the same connection share."""

    @property
    def json(self) -> Json:
        """The decoded JSON body. Raises `ValueError` when the body is not JSON."""
        return decode_json(self.body)

    @property
    def content_type(self) -> str:
        """The type of the body in lower case, without its parameters; empty if it is not named."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def parts(self) -> dict[str, tuple[str, str]]:
        """The parts of a multipart body: each name with its content type and its text."""
        content_type = f"Content-Type: {self.headers.get('content-type', '')}\r\n\r\n".encode()
        message = message_from_bytes(content_type + self.body)
        return {
            str(part.get_param("name", header="content-disposition")): (
                part.get_content_type(),
                str(part.get_payload(decode=False)),
            )
            for part in message.walk()
            if not part.is_multipart()
        }


@dataclass(frozen=True, slots=True)
class MockResponse:
    """A response to send instead of the default one."""

    status: int = 200
    """The HTTP status."""
    json: object = None
    """The body as a JSON value. Ignored when `body` is set."""
    body: bytes | None = None
    """The body as bytes, for a body that is not JSON."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Headers, which replace those of the default response. Default: none."""
    delay: float = 0.0
    """Seconds to wait before the response is sent."""
    drop: Literal["no", "before", "during"] = "no"
    """Close the connection before the response, or in the middle (`during`) of its body."""

    def content(self) -> bytes:
        """Return the body's bytes."""
        return json.dumps(self.json).encode() if self.body is None else self.body


def error_response(
    status: int, message: str, *, code: str | None = None, param: str | None = None
) -> MockResponse:
    """Return an error response in OpenAI's shape."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return MockResponse(status, {"error": error})


_FLAT = frozenset({"sessions", "transcription_sessions"})
_DISABLED = error_response(
    400, "The beta API shape is disabled; use the GA API instead", code="beta_api_shape_disabled"
)
_NOT_FOUND = error_response(404, "Invalid URL")
_WITH_ACTIONS: Mapping[str, frozenset[str]] = {
    "calls": frozenset({"accept", "reject", "refer", "hangup"}),
    "live": frozenset({"accept", "reject", "refer", "hangup", "attach"}),
}
_HOST = "https://mock.invalid"
_ELEVENLABS = providers.elevenlabs()


@dataclass(frozen=True, slots=True)
class Profile:
    """One provider's server."""

    provider: Provider
    """The provider as a client takes it, with a placeholder for the host."""
    dialect: MockDialect = "both"
    retired: MockResponse = _NOT_FOUND
    """The response to a flat request if the flat dialect is not supported."""
    success: int = 200
    request_id_header: str = "x-request-id"
    auth_schemes: tuple[AuthScheme, ...] = (providers.BEARER,)
    parse_request: Callable[[JsonObject, str], JsonObject] = lambda parameters, _: parameters
    """Checks and rewrites an endpoint's parameters before a session is made from them."""
    format_response: Callable[[JsonObject], JsonObject] = dict
    """Rewrites a session into this provider's response."""

    def at(self, origin: str) -> Provider:
        """Return the provider to pass to a client, with the mock's origin as its host."""
        return replace(self.provider, base_url=self.provider.base_url.replace(_HOST, origin, 1))

    def route(self, path: str) -> tuple[str | None, *tuple[str, ...]]:
        """Return a path's endpoint; also the name of a model, or the id of a call and the action."""
        root = self.provider.base_url.removeprefix(_HOST)
        below = unquote(path).removeprefix(root) if unquote(path).startswith(f"{root}/") else ""
        for endpoint, endpoint_path in self.provider.paths.items():
            if below == endpoint_path and endpoint != "models":  # it has no list of models
                return (endpoint,)
            if endpoint == "models" and below.startswith(f"{endpoint_path}/"):
                return (endpoint, below.removeprefix(f"{endpoint_path}/"))
            if endpoint in _WITH_ACTIONS and below.startswith(f"{endpoint_path}/"):
                call_id, _, action = below.removeprefix(f"{endpoint_path}/").partition("/")
                is_known = call_id != "" and action in _WITH_ACTIONS[endpoint]
                return (endpoint, call_id, action) if is_known else (None,)
        return (None,)

    def reject_dialect(self, endpoint: str, headers: Headers) -> MockResponse | None:
        """Return the error response to a request in an unsupported dialect, or None."""
        # With this header, a request at any endpoint is flat.
        is_flat = endpoint in _FLAT or ("openai-beta" in headers and self.dialect == "ga")
        if self.dialect in {"beta" if is_flat else "ga", "both"}:
            return None
        # Only the flat dialect was retired; a server without the nested one never supported it.
        return self.retired if is_flat else _NOT_FOUND


def find_profile(dialect: MockDialect | None, provider: ProviderName | None) -> Profile:
    """Return the profile of a provider, or of a server with `dialect` (default: both).

    Raises `ConfigurationError` for an unknown provider.
    """
    if provider is not None and provider not in tuple(PROFILES):  # it may be unhashable
        message = f"provider is unusable: it must be one of {', '.join(PROFILES)}"
        raise ConfigurationError(message)
    if provider is None:
        return replace(PROFILES["openai"], dialect=dialect or "both")
    profile = PROFILES[provider]
    return profile if dialect is None else replace(profile, dialect=dialect)


def _parse_azure_preview(parameters: JsonObject, endpoint: str) -> JsonObject:
    if endpoint == "sessions" and parameters.get("model") != "mock-deployment":
        message = "model is not a deployment here"
        raise ParameterError(message, param="model")
    return parameters


def _parse_xai(parameters: JsonObject, _endpoint: str) -> JsonObject:
    lifetime = parameters.get("expires_after")
    lifetime_keys = lifetime.keys() if isinstance(lifetime, dict) else set[str]()
    if parameters.keys() - {"expires_after"} or lifetime_keys - {"seconds"}:
        message = "only expires_after.seconds is accepted"
        raise ParameterError(message, param="session")
    return parameters


def _format_xai(session: JsonObject) -> JsonObject:
    return {name: session[name] for name in ("value", "expires_at")}


def _parse_elevenlabs(parameters: JsonObject, _endpoint: str) -> JsonObject:
    """Return the parameters under OpenAI's names; refuse those that ElevenLabs does not have."""
    session = parameters.get("session")
    if not isinstance(session, dict):
        return parameters
    unknown = without_fields(session, [*_ELEVENLABS.unsupported, *_ELEVENLABS.renamed]).dropped
    if unknown:
        message = f"session.{unknown[0]} is not a parameter"
        raise ParameterError(message, param=f"session.{unknown[0]}")
    own_names = {own: name for name, own in _ELEVENLABS.renamed.items()}
    session = {own_names.get(name, name): value for name, value in session.items()}
    return {**parameters, "session": session}


def _format_elevenlabs(response: JsonObject) -> JsonObject:
    session = cast("JsonObject", response["session"])
    session = without_fields(session, _ELEVENLABS.unsupported).body
    renamed = _ELEVENLABS.renamed
    return {**response, "session": {renamed.get(name, name): session[name] for name in session}}


def _parse_litellm(parameters: JsonObject, endpoint: str) -> JsonObject:
    if endpoint == "client_secrets" and "model" not in parameters:
        message = "model is required beside the session"
        raise ParameterError(message, param="model")
    return {name: parameters[name] for name in parameters if name != "model"}


def _format_litellm(session: JsonObject) -> JsonObject:
    encrypted = {"value": f"gAAAAAB{str(session['value'])[3:]}=="} if "value" in session else {}
    return {**session, **encrypted}


def _format_compatible(session: JsonObject) -> JsonObject:
    secret = cast("dict[str, int]", session["client_secret"])
    expiry = datetime.fromtimestamp(secret["expires_at"], UTC).isoformat()
    return {**session, "client_secret": {**secret, "expires_at": expiry}}


PROFILES: dict[ProviderName, Profile] = {
    "openai": Profile(
        replace(providers.openai(), base_url=f"{_HOST}/v1"), dialect="ga", retired=_DISABLED
    ),
    "azure": Profile(
        providers.azure(_HOST),
        dialect="ga",
        request_id_header="apim-request-id",
        auth_schemes=(providers.API_KEY, providers.BEARER),
    ),
    "azure_preview": Profile(
        providers.azure_preview(_HOST, "mock-deployment"),
        dialect="beta",
        request_id_header="apim-request-id",
        auth_schemes=(providers.API_KEY, providers.BEARER),
        parse_request=_parse_azure_preview,
    ),
    "xai": Profile(
        replace(providers.xai(), base_url=f"{_HOST}/v1"),
        dialect="ga",
        parse_request=_parse_xai,
        format_response=_format_xai,
    ),
    "elevenlabs": Profile(
        replace(providers.elevenlabs(), base_url=f"{_HOST}/v1/convai"),
        dialect="ga",
        auth_schemes=(AuthScheme("xi-api-key"),),
        parse_request=_parse_elevenlabs,
        format_response=_format_elevenlabs,
    ),
    "litellm": Profile(
        providers.litellm(f"{_HOST}/v1"),
        dialect="ga",
        parse_request=_parse_litellm,
        format_response=_format_litellm,
    ),
    "bifrost": Profile(providers.compatible(f"{_HOST}/v1"), format_response=nested_response),
    "compatible": Profile(
        providers.compatible(f"{_HOST}/v1"),
        dialect="beta",
        success=201,
        format_response=_format_compatible,
    ),
    "keyless": Profile(
        providers.compatible(f"{_HOST}/v1", dialect="beta", auth=None), dialect="beta", success=201
    ),
}
"""Each provider's profile."""
