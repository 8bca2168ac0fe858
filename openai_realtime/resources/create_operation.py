"""Builds the call of every `create` method, in these steps.

    validate            the parameters by their TypedDict; `extra_body` is merged into them
    choose the dialect  the operation's own, or the other one if the server accepts only that
    translate           into the other dialect, if needed
    fit                 to the provider: Azure's deployment, LiteLLM's model, xAI's lifetime
    encode              as JSON
    make the request    with the parser of its response, and a fallback for error responses

A `Draft` carries the request from step to step. A new endpoint is one more `CreateOperation`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, NamedTuple

from openai_realtime.core.error_responses import NO_ENDPOINT
from openai_realtime.core.exchange import NO_HINTS, Call
from openai_realtime.dialects import JsonObject, TranslatedRequest, flat_path, without_fields
from openai_realtime.errors import APIStatusError, DroppedParameterWarning, ParameterError
from openai_realtime.resources.parameters import (
    encode_json,
    merge_extra_body,
    tool_credentials,
)
from openai_realtime.resources.requests import CallArguments, level_of_caller
from openai_realtime.resources.responses import M, parse_response
from openai_realtime.transports.exceptions import DESCRIPTORS_TO_RECEIVE

if TYPE_CHECKING:
    from openai_realtime.configuration import Configuration
    from openai_realtime.core.meta import ResponseMeta
    from openai_realtime.core.strict_json import Json
    from openai_realtime.core.wire import Response
    from openai_realtime.providers import Dialect, Provider
    from openai_realtime.resources.parameters import Parameters

_RETIRED_STATUSES = frozenset({404, 410})
_MISSING_MODEL = frozenset({"DeploymentNotFound", "model_not_found"})
_FLAT_SHAPE_IS_DISABLED = "beta_api_shape_disabled"
_FLAT_SHAPE_IS_RETIRED = re.compile(r"\bGA API\b|\bbeta (?:realtime )?API\b", re.IGNORECASE)
_BETA_HEADER = b"openai-beta"
NESTED_HINTS: Mapping[int | str, str] = MappingProxyType(
    {
        _FLAT_SHAPE_IS_DISABLED: "The OpenAI-Beta header requests the retired flat shape: remove "
        "it from extra_headers and default_headers, or from the gateway that adds it"
    }
)
"""The hint for a server that mistakes a nested request for a flat one."""
_BETA_HEADER_HINTS: Mapping[int | str, str] = MappingProxyType(
    dict.fromkeys(
        (_FLAT_SHAPE_IS_DISABLED, NO_ENDPOINT, 410),
        "Remove the OpenAI-Beta header from extra_headers, default_headers and OPENAI_CUSTOM_HEADERS: "
        "it requests the retired flat shape",
    )
)
_FLAT_LIFETIME: JsonObject = {"anchor": "created_at", "seconds": 60}
_LIFETIME_PARAMETERS = frozenset({"client_secret", "expires_after"})


@dataclass(frozen=True, slots=True)
class CreateOperation(Generic[M]):
    """One `create` method: its endpoint, parameters and response."""

    name: str
    """The public method's name, such as `sessions.create`."""
    endpoint: str
    """The endpoint, a key of `Provider.paths`."""
    dialect: Dialect
    """The dialect of its parameters and its response model: `beta` or `ga`."""
    parameters: Parameters
    model: type[M]
    parse_shape: Callable[[JsonObject], JsonObject]
    """Turns a response of any shape into the model's shape."""
    normalize: Callable[[Mapping[str, object]], Mapping[str, object]] | None = None
    """Changes parameters to the endpoint's own names; None: nothing is renamed."""
    translate: Callable[[JsonObject], Draft] | None = None
    """Returns the request in the other dialect; None: there is no other dialect."""
    other_endpoints: frozenset[str] = frozenset()
    """The endpoints of the drafts that `translate` may return."""

    def prepare(self) -> None:
        """Build the validators of parameters and responses before the first call."""
        self.parameters.encode({})
        self.model.model_rebuild()


class Draft(NamedTuple):
    """A request between two steps."""

    endpoint: str
    dialect: Dialect
    body: JsonObject
    dropped: tuple[str, ...] = ()
    """The paths of the parameters that are not sent."""


def create_call(
    configuration: Configuration, operation: CreateOperation[M], params: Mapping[str, object]
) -> Call[M]:
    """Return the call of a `create` method; raises `ParameterError` when a parameter is wrong."""
    return _Creation(configuration, operation, params).call()


class _Creation(Generic[M]):
    """One call of a `create` method."""

    __slots__ = ("_arguments", "_body", "_configuration", "_dropped", "_operation")

    def __init__(
        self,
        configuration: Configuration,
        operation: CreateOperation[M],
        params: Mapping[str, object],
    ) -> None:
        self._configuration = configuration
        self._operation = operation
        self._arguments = arguments = CallArguments.split(configuration, params)
        parameters = arguments.parameters
        if operation.normalize is not None:
            parameters = operation.normalize(parameters)
        checked = operation.parameters.validate(parameters)
        # Both before `extra_body` is merged, which sends what a provider is not known to support.
        _check_lifetime(requested_lifetime(checked), configuration.provider)
        supported, self._dropped = without_unsupported(
            checked, configuration.provider, operation.dialect
        )
        self._body = merge_extra_body(supported, arguments.extra_body)

    def call(self) -> Call[M]:
        """Return the call in the dialect that the server accepts, as far as that is known."""
        operation, provider = self._operation, self._configuration.provider
        dialect = self._configuration.dialects.resolve(self._cache_key(), provider.dialect)
        if operation.translate is None or dialect == operation.dialect:
            return self._own_call()
        if dialect == "auto" and operation.endpoint in provider.paths:
            return self._own_call(self._fallback)
        return self._translated_call()

    def _own_call(
        self, fallback: Callable[[APIStatusError], Call[M] | None] | None = None
    ) -> Call[M]:
        operation = self._operation
        draft = Draft(operation.endpoint, operation.dialect, self._body, self._dropped)
        return self._call(draft, fallback=fallback)

    def _translated_call(self, *, learns: bool = False) -> Call[M]:
        """Return the call in the other dialect; with `learns`, its success stores the dialect."""
        operation = self._operation
        assert operation.translate is not None  # noqa: S101 - for the type checker
        draft = operation.translate(self._body)
        if operation.dialect == "beta":
            draft = _as_flat_promises(draft, self._body, self._configuration.provider)
        draft = draft._replace(dropped=self._dropped + draft.dropped)
        return self._call(draft, learns=learns)

    def _fallback(self, error: APIStatusError) -> Call[M] | None:
        """Return the call in the other dialect if `error` says that this one is retired."""
        operation, provider = self._operation, self._configuration.provider
        if not is_retired(error, operation.dialect):
            return None
        if operation.other_endpoints.isdisjoint(provider.paths):
            return None
        if provider.is_openai and operation.dialect == "ga":
            return None  # OpenAI has shut down its flat endpoints
        return self._translated_call(learns=True)

    def _cache_key(self) -> str:
        """Return the key of the dialect cache: one endpoint of one server."""
        return f"{self._configuration.provider.base_url} {self._operation.endpoint}"

    def _call(
        self,
        draft: Draft,
        *,
        learns: bool = False,
        fallback: Callable[[APIStatusError], Call[M] | None] | None = None,
    ) -> Call[M]:
        operation, arguments = self._operation, self._arguments
        draft = _fitted(draft, self._configuration.provider, operation, arguments.parameters)
        url = self._configuration.provider.url(draft.endpoint)
        warn_of_dropped(operation.name, arguments, draft.dropped)
        request = arguments.post(url, encode_json(draft.body), b"application/json")
        lifetime = requested_lifetime(draft.body)

        def parse(response: Response, meta: ResponseMeta) -> M:
            with DESCRIPTORS_TO_RECEIVE:
                model = parse_response(
                    response,
                    meta,
                    operation.model,
                    operation.parse_shape,
                    dropped=draft.dropped,
                    lifetime=lifetime,
                )
            if learns:
                self._configuration.dialects.store(self._cache_key(), draft.dialect)
            return model

        hints: Mapping[int | str, str] = NO_HINTS
        if draft.dialect == "ga":
            hints = NESTED_HINTS
            if any(name.lower() == _BETA_HEADER for name, _ in request.headers):
                hints, fallback = _BETA_HEADER_HINTS, None
        is_flat = draft.dialect == "beta" and fallback is None
        retired = arguments.retired_hints(draft.body, draft.endpoint if is_flat else None)
        return Call(
            operation.name,
            request,
            parse,
            arguments.timeout,
            hints={**hints, **retired} if retired else hints,
            secrets=tool_credentials(draft.body),
            fallback=fallback,
        )


def warn_of_dropped(operation: str, arguments: CallArguments, dropped: tuple[str, ...]) -> None:
    """Warn once of parameters that are not sent; with `strict=True`, raise `ParameterError`."""
    if not dropped:
        return
    names, provider = ", ".join(dropped), arguments.configuration.provider.name
    message = f"{operation}: {provider} does not accept {names} in its dialect"
    if arguments.is_strict:
        message = f"{message}; leave it out, or remove strict=True"
        raise ParameterError(message, param=dropped[0])
    if arguments.configuration.dialects.add_warning(message):
        warnings.warn(
            f"{message}: not sent (see meta.dropped; strict=True makes it an error)",
            DroppedParameterWarning,
            stacklevel=level_of_caller(),
        )


def without_unsupported(
    parameters: JsonObject, provider: Provider, dialect: Dialect
) -> TranslatedRequest:
    """Return checked parameters without those that the provider does not support, and their paths."""
    return without_fields(parameters, _unsupported_paths(provider.unsupported, dialect))


@cache
def _unsupported_paths(nested: tuple[str, ...], dialect: Dialect) -> tuple[str, ...]:
    """Return the paths of a session's fields among the parameters of a dialect."""
    if dialect == "beta":
        return tuple(map(flat_path, nested))
    return tuple(f"session.{path}" for path in nested)


def _as_flat_promises(draft: Draft, flat: JsonObject, provider: Provider) -> Draft:
    """Return a translated flat request with what the flat shape promises.

    A secret lives for 60 seconds if the request sets no lifetime: the nested default is 600. The
    fields that the provider's nested shape has too are sent.
    """
    body = dict(draft.body)
    lifetime = body.get("expires_after", {})
    if isinstance(lifetime, dict):
        body["expires_after"] = {**_FLAT_LIFETIME, **lifetime}
    kept = {name: flat[name] for name in draft.dropped if name in provider.flat_fields}
    session = body["session"]
    if kept and isinstance(session, dict):
        body["session"] = {**session, **kept}
    dropped = tuple(name for name in draft.dropped if name not in kept)
    return Draft(draft.endpoint, draft.dialect, body, dropped)


def _check_lifetime(lifetime: float | None, provider: Provider) -> None:
    if lifetime is not None and lifetime > provider.max_lifetime:
        message = (
            f"expires_after.seconds must be at most {provider.max_lifetime} at {provider.name}"
        )
        raise ParameterError(message, param="expires_after.seconds")


def _fitted(
    draft: Draft,
    provider: Provider,
    operation: CreateOperation[M],
    parameters: Mapping[str, object],
) -> Draft:
    """Return the draft in the form that the provider accepts; it adds to `dropped`."""
    body: JsonObject = draft.body
    dropped = draft.dropped
    if draft.dialect == "beta":
        deployment = provider.deployment
        if deployment is None or draft.endpoint != "sessions":
            return draft
        if body.get("model", deployment) != deployment:
            dropped = (*dropped, "model" if operation.dialect == "beta" else "session.model")
        return Draft(draft.endpoint, draft.dialect, {**body, "model": deployment}, dropped)
    if not provider.takes_session:
        dropped = tuple(name for name in parameters if name not in _LIFETIME_PARAMETERS)
        lifetime = body.get("expires_after")
        seconds = lifetime.get("seconds") if isinstance(lifetime, dict) else None
        body = {} if seconds is None else {"expires_after": {"seconds": seconds}}
    elif provider.renamed:
        session = body.get("session")
        names = provider.renamed
        if isinstance(session, dict):
            session = {names.get(name, name): value for name, value in session.items()}
            body = {**body, "session": session}
    elif provider.has_top_level_model and (model := _model_of(body.get("session"))) is not None:
        body = {"model": model, **body}
    else:
        return draft
    return Draft(draft.endpoint, draft.dialect, body, dropped)


def _model_of(session: Json) -> Json:
    """Return the model of a nested session; of a transcription session, its transcription model."""
    if isinstance(session, dict) and "model" in session:
        return session["model"]
    for step in ("audio", "input", "transcription", "model"):
        session = session.get(step) if isinstance(session, dict) else None
    return session


def requested_lifetime(body: JsonObject) -> float | None:
    """Return the lifetime in seconds that a request sets for its secret; None if it sets none."""
    lifetime = body.get("expires_after")
    if "client_secret" in body:
        secret = body["client_secret"]
        fields = secret if isinstance(secret, dict) else {}
        lifetime = fields.get("expires_after", fields.get("expires_at"))
    seconds = lifetime.get("seconds") if isinstance(lifetime, dict) else None
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        return seconds
    return None


def is_retired(error: APIStatusError, dialect: Dialect) -> bool:
    """Return whether `error` says that the server does not accept `dialect`, or no longer does.

    An error about a disabled shape counts for the flat dialect only: servers disable no other, and
    a server that rejects a nested request with it has mistaken the request for a flat one.
    """
    says_flat_is_disabled = error.code == _FLAT_SHAPE_IS_DISABLED or (
        error.status_code == 400  # noqa: PLR2004 - "Bad Request"
        and _FLAT_SHAPE_IS_RETIRED.search(error.message) is not None
    )
    if says_flat_is_disabled:
        return dialect == "beta"
    return error.status_code in _RETIRED_STATUSES and error.code not in _MISSING_MODEL
