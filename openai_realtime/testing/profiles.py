"""Which provider the mock plays: paths, credentials, dialects and quirks, as data.

Owns: what differs between providers, seen from the server. Must not know: sockets, parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, cast

from openai_realtime import providers
from openai_realtime.dialects import nested_response
from openai_realtime.errors import ConfigurationError, ParameterError
from openai_realtime.testing.messages import MockResponse, refusal

if TYPE_CHECKING:
    from openai_realtime.core.wire import Headers
    from openai_realtime.dialects import JsonObject
    from openai_realtime.providers import AuthScheme, Provider

MockDialect = Literal["beta", "ga", "both"]
ProviderName = Literal[
    "openai",
    "azure",
    "azure_preview",
    "xai",
    "litellm",
    "bifrost",
    "compatible",
    "keyless",
]

_FLAT = frozenset({"sessions", "transcription_sessions"})
_DISABLED = refusal(
    400, "The beta API shape is disabled; use the GA API instead", code="beta_api_shape_disabled"
)
_ABSENT = refusal(404, "Invalid URL")
_HOST = "https://mock.invalid"


@dataclass(frozen=True, slots=True)
class Profile:
    """How one provider's server behaves."""

    provider: Provider
    """What a client is given, but for the host."""
    dialect: MockDialect = "both"
    retired: MockResponse = _ABSENT
    """The answer to a flat request, where the flat dialect is not spoken."""
    success: int = 200
    request_id_header: str = "x-request-id"
    auth_schemes: tuple[AuthScheme, ...] = (providers.BEARER,)
    understood: Callable[[JsonObject, str], JsonObject] = lambda given, _: given
    """Checks and rewrites a request before it is minted."""
    shaped: Callable[[JsonObject], JsonObject] = dict
    """Rewrites an answer."""

    def at(self, origin: str) -> Provider:
        """Return the provider for a client, at the mock's own origin."""
        return replace(self.provider, base_url=self.provider.base_url.replace(_HOST, origin, 1))

    def route(self, path: str) -> tuple[str | None, *tuple[str, ...]]:
        """Return the endpoint of a path, and what is below it (a call's id and action)."""
        below = path.removeprefix(self.provider.base_url.removeprefix(_HOST))
        for endpoint, place in self.provider.paths.items():
            if below == place:
                return (endpoint,)
            steps = below.removeprefix(f"{place}/").split("/")
            if endpoint == "calls" and below.startswith(f"{place}/") and len(steps) == 2:  # noqa: PLR2004 - id and action
                return (endpoint, *steps) if steps[1] in _ACTIONS else (None,)
        return (None,)

    def refused(self, endpoint: str, headers: Headers) -> MockResponse | None:
        """Return the answer to a request in a dialect that is not spoken; None: it is spoken."""
        # The header asks for the flat shape, wherever it is sent.
        is_flat = endpoint in _FLAT or ("openai-beta" in headers and self.dialect == "ga")
        if self.dialect in {"beta" if is_flat else "ga", "both"}:
            return None
        # Only the flat shape was ever retired: a server without the nested one never had it.
        return self.retired if is_flat else _ABSENT


_ACTIONS = frozenset({"accept", "reject", "refer", "hangup"})


def profile(dialect: MockDialect | None, provider: ProviderName | None) -> Profile:
    """Return the profile of a provider, or of a plain server that speaks `dialect`."""
    if provider is not None and provider not in tuple(PROFILES):  # it may be unhashable
        message = f"provider is unusable: the mock plays {', '.join(PROFILES)}"
        raise ConfigurationError(message)
    chosen = PROFILES[provider or "openai"]
    if provider is None:
        return replace(chosen, dialect=dialect or "both")
    return chosen if dialect is None else replace(chosen, dialect=dialect)


def _azure_preview_takes(given: JsonObject, endpoint: str) -> JsonObject:
    if endpoint == "sessions" and given.get("model") != "mock-deployment":
        message = "model is not a deployment here"
        raise ParameterError(message, param="model")
    return given


def _xai_takes(given: JsonObject, _endpoint: str) -> JsonObject:
    lifetime = given.get("expires_after")
    keys = lifetime.keys() if isinstance(lifetime, dict) else set[str]()
    if given.keys() - {"expires_after"} or keys - {"seconds"}:
        message = "only expires_after.seconds is taken"
        raise ParameterError(message, param="session")
    return given


def _xai_answers(answer: JsonObject) -> JsonObject:
    return {name: answer[name] for name in ("value", "expires_at")}


def _litellm_takes(given: JsonObject, endpoint: str) -> JsonObject:
    if endpoint == "client_secrets" and "model" not in given:
        message = "model is required beside the session"
        raise ParameterError(message, param="model")
    return {name: given[name] for name in given if name != "model"}


def _litellm_answers(answer: JsonObject) -> JsonObject:
    opaque = {"value": f"gAAAAAB{str(answer['value'])[3:]}=="} if "value" in answer else {}
    return {**answer, **opaque}


def _compatible_answers(answer: JsonObject) -> JsonObject:
    secret = cast("dict[str, int]", answer["client_secret"])
    iso = datetime.fromtimestamp(secret["expires_at"], UTC).isoformat()
    return {**answer, "client_secret": {**secret, "expires_at": iso}}


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
        understood=_azure_preview_takes,
    ),
    "xai": Profile(
        replace(providers.xai(), base_url=f"{_HOST}/v1"),
        dialect="ga",
        understood=_xai_takes,
        shaped=_xai_answers,
    ),
    "litellm": Profile(
        providers.litellm(f"{_HOST}/v1"),
        dialect="ga",
        understood=_litellm_takes,
        shaped=_litellm_answers,
    ),
    "bifrost": Profile(providers.compatible(f"{_HOST}/v1"), shaped=nested_response),
    "compatible": Profile(
        providers.compatible(f"{_HOST}/v1"),
        dialect="beta",
        success=201,
        shaped=_compatible_answers,
    ),
    "keyless": Profile(
        providers.compatible(f"{_HOST}/v1", dialect="beta", auth=None), dialect="beta", success=201
    ),
}
"""What each provider's server does."""
