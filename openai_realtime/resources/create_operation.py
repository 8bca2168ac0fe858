"""Builds the call behind every `create`: in the dialect that the server takes, translated if need be."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic

from openai_realtime.core.call import NO_HINTS, Call
from openai_realtime.dialects import JsonObject, Translation
from openai_realtime.errors import APIStatusError, DroppedParameterWarning, ParameterError
from openai_realtime.resources.parameters import encode_json
from openai_realtime.resources.requests import CallArguments
from openai_realtime.resources.responses import M, parse_response

if TYPE_CHECKING:
    from openai_realtime.configuration import Configuration
    from openai_realtime.core.meta import ResponseMeta
    from openai_realtime.core.strict_json import Json
    from openai_realtime.core.wire import Response
    from openai_realtime.providers import Dialect
    from openai_realtime.resources.parameters import Parameters

_RETIRED_STATUSES = frozenset({404, 410})
_MISSING_MODEL = frozenset({"model_not_found"})
_FLAT_SHAPE_IS_DISABLED = "beta_api_shape_disabled"
_FLAT_SHAPE_IS_RETIRED = re.compile(r"\bGA API\b|\bbeta (?:realtime )?API\b", re.IGNORECASE)
_BETA_HEADER = b"openai-beta"
# What to do when a server takes a nested request for a flat one.
NESTED_HINTS: Mapping[int | str, str] = MappingProxyType(
    {
        _FLAT_SHAPE_IS_DISABLED: "The OpenAI-Beta header asks for the retired flat shape: take it out "
        "of extra_headers, or out of what adds it on the way"
    }
)
_BETA_HEADER_HINTS: Mapping[int | str, str] = MappingProxyType(
    dict.fromkeys(
        (_FLAT_SHAPE_IS_DISABLED, *_RETIRED_STATUSES),
        "Take the OpenAI-Beta header out of extra_headers: it asks for the retired flat shape",
    )
)

Translate = Callable[[JsonObject], tuple[Translation, str]]
Fallback = Callable[[APIStatusError], Call[M] | None]


@dataclass(frozen=True, slots=True)
class CreateOperation(Generic[M]):
    """A minting operation, in the dialect that its method speaks."""

    operation: str
    """The public method's name."""
    endpoint: str
    """Its endpoint, a key of `Provider.paths`."""
    dialect: Dialect
    """The dialect its parameters and its answer are in."""
    parameters: Parameters
    model: type[M]
    parse_shape: Callable[[JsonObject], JsonObject]
    """Brings an answer of any shape into the model's."""
    normalize: Callable[[Mapping[str, object]], Mapping[str, object]] = dict
    """Puts parameters as this endpoint's servers normalize them."""
    translate: Translate | None = None
    """Returns a request in the other dialect and its endpoint; None: there is no other."""
    other_endpoints: frozenset[str] = frozenset()
    """The endpoints that `translate` may name."""

    def prepare(self) -> None:
        """Build the validators of parameters and answers, which the first call would build."""
        self.parameters.encode({})
        self.model.model_rebuild()


def mint_call(
    configuration: Configuration, mint: CreateOperation[M], params: Mapping[str, object]
) -> Call[M]:
    """Return the call; raises `ParameterError` when a parameter is wrong."""
    asked = CallArguments.of(configuration, params)
    wanted = configuration.dialects.of(_place(configuration, mint), configuration.provider.dialect)
    translate = mint.translate
    if translate is None or wanted == mint.dialect:
        return _native_call(asked, mint)
    if wanted == "auto" and mint.endpoint in configuration.provider.paths:
        return _native_call(asked, mint, partial(_other_dialect, asked, mint, translate))
    return _translated_call(asked, mint, translate)


def _place(configuration: Configuration, mint: CreateOperation[M]) -> str:
    """Return what a dialect is remembered for: one endpoint of one server."""
    return f"{configuration.provider.base_url} {mint.endpoint}"


def _native_call(
    asked: CallArguments, mint: CreateOperation[M], fallback: Fallback[M] | None = None
) -> Call[M]:
    provider = asked.configuration.provider
    parameters = mint.normalize(asked.parameters)
    dropped: tuple[str, ...] = ()
    if mint.dialect == "beta" and provider.deployment is not None and mint.endpoint == "sessions":
        if parameters.get("model", provider.deployment) != provider.deployment:
            dropped = ("model",)
        parameters = {**parameters, "model": provider.deployment}
    body = mint.parameters.validate(parameters, asked.extra_body)
    is_nested = mint.dialect == "ga"
    if is_nested:
        fitted = _as_provider_takes(asked, Translation(body))
        body, dropped = fitted.body, fitted.dropped
    return _call(asked, mint, mint.endpoint, body, dropped, is_nested=is_nested, fallback=fallback)


def _translated_call(
    asked: CallArguments, mint: CreateOperation[M], translate: Translate, learn: str | None = None
) -> Call[M]:
    """Return the call in the other dialect; once it succeeds, that is remembered for `learn`."""
    provider = asked.configuration.provider
    plain = mint.parameters.validate(mint.normalize(asked.parameters), asked.extra_body)
    sent, endpoint = translate(plain)
    if mint.dialect == "beta":
        sent = _as_provider_takes(asked, sent)
    elif provider.deployment is not None and endpoint == "sessions":
        body = {**sent.body, "model": provider.deployment}
        is_other = sent.body.get("model", provider.deployment) != provider.deployment
        others = ("session.model",) if is_other else ()
        sent = Translation(body, sent.dropped + others)
    is_nested = mint.dialect == "beta"
    return _call(asked, mint, endpoint, sent.body, sent.dropped, is_nested=is_nested, learn=learn)


def _call(  # noqa: PLR0913 - a call and what may follow it
    asked: CallArguments,
    mint: CreateOperation[M],
    endpoint: str,
    body: JsonObject,
    dropped: tuple[str, ...],
    *,
    is_nested: bool,
    learn: str | None = None,
    fallback: Fallback[M] | None = None,
) -> Call[M]:
    url = asked.configuration.provider.url(endpoint)
    request = asked.post(url, encode_json(body), b"application/json")
    dropped = _tell_dropped(asked, mint, dropped)
    lifetime = requested_lifetime(body)

    def parse(response: Response, meta: ResponseMeta) -> M:
        answer = parse_response(
            response, meta, mint.model, mint.parse_shape, dropped=dropped, lifetime=lifetime
        )
        if learn is not None:
            asked.configuration.dialects.learn(learn, "ga" if is_nested else "beta")
        return answer

    hints: Mapping[int | str, str] = NO_HINTS
    if is_nested:
        hints = NESTED_HINTS
        if any(name.lower() == _BETA_HEADER for name, _ in request.headers):
            hints, fallback = _BETA_HEADER_HINTS, None
    return Call(mint.operation, request, parse, asked.timeout, hints=hints, fallback=fallback)


def requested_lifetime(body: JsonObject) -> float | None:
    """Return how many seconds a request asks its secret to live; None: it leaves that to the server."""
    lifetime = body.get("expires_after")
    if "client_secret" in body:
        secret = body["client_secret"]
        given = secret if isinstance(secret, dict) else {}
        lifetime = given.get("expires_after", given.get("expires_at"))
    seconds = lifetime.get("seconds") if isinstance(lifetime, dict) else None
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        return seconds
    return None


def _other_dialect(
    asked: CallArguments, mint: CreateOperation[M], translate: Translate, error: APIStatusError
) -> Call[M] | None:
    """Return the call to make instead when `error` says that the dialect is retired, else None."""
    if not is_retired(error, mint.dialect):
        return None
    configuration = asked.configuration
    if mint.other_endpoints.isdisjoint(configuration.provider.paths):
        return None
    return _translated_call(asked, mint, translate, learn=_place(configuration, mint))


def is_retired(error: APIStatusError, dialect: Dialect) -> bool:
    """Return whether a server says that it does not take the request's dialect (any more).

    Of the nested one only its absence says so: what is disabled is the flat shape alone, and a
    nested request that is refused with these words was taken for a flat one.
    """
    says_flat_is_disabled = error.code == _FLAT_SHAPE_IS_DISABLED or (
        error.status_code == 400  # noqa: PLR2004 - "Bad Request"
        and _FLAT_SHAPE_IS_RETIRED.search(error.message) is not None
    )
    if says_flat_is_disabled:
        return dialect == "beta"
    return error.status_code in _RETIRED_STATUSES and error.code not in _MISSING_MODEL


def _as_provider_takes(asked: CallArguments, nested: Translation) -> Translation:
    """Return a nested request as the provider wants it, with what it cannot carry."""
    provider = asked.configuration.provider
    session = nested.body.get("session")
    body = nested.body
    dropped = nested.dropped
    if not provider.takes_session:
        given = [
            name for name in asked.parameters if name not in {"expires_after", "client_secret"}
        ]
        dropped = tuple(given)
        lifetime = body.get("expires_after")
        seconds = lifetime.get("seconds") if isinstance(lifetime, dict) else None
        body = {}
        if seconds is not None:
            body["expires_after"] = {"seconds": seconds}
    elif provider.has_top_level_model and (model := _model_of(session)) is not None:
        body = {"model": model, **body}
    return Translation(body, dropped)


def _model_of(session: Json) -> Json:
    """Return the model of a nested session: a transcription session's stands with its input."""
    if isinstance(session, dict) and "model" in session:
        return session["model"]
    for step in ("audio", "input", "transcription", "model"):
        session = session.get(step) if isinstance(session, dict) else None
    return session


def _tell_dropped(
    asked: CallArguments, mint: CreateOperation[M], dropped: tuple[str, ...]
) -> tuple[str, ...]:
    """Raise `ParameterError` for dropped parameters if asked to, else warn of them once."""
    if not dropped:
        return dropped
    names, provider = ", ".join(dropped), asked.configuration.provider.name
    message = f"{mint.operation}: {provider} cannot be told {names} in the dialect that it takes"
    if asked.is_strict:
        message = f"{message}; leave it out, or drop strict=True"
        raise ParameterError(message, param=dropped[0])
    if asked.configuration.dialects.is_news(message):
        warnings.warn(
            f"{message}: dropped (see meta.dropped; strict=True makes it an error)",
            DroppedParameterWarning,
            stacklevel=2,
        )
    return dropped
