"""Builds the call behind every `create`: in the dialect that the server takes, translated if need be.

Owns: which dialect is sent, what follows when a server has retired it, and what the providers want
besides. Must not know: transports, retries, or any field by name (`dialects.py` does).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic

from openai_realtime.core.call import Call
from openai_realtime.dialects import JsonObject, Translation
from openai_realtime.errors import DroppedParameterWarning, ParameterError
from openai_realtime.resources.parameters import encode_json
from openai_realtime.resources.reading import M, read_minted
from openai_realtime.resources.requests import Asked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openai_realtime.configuration import Configuration
    from openai_realtime.core.meta import ResponseMeta
    from openai_realtime.core.strict_json import Json
    from openai_realtime.core.wire import Request, Response
    from openai_realtime.errors import APIStatusError
    from openai_realtime.providers import Dialect
    from openai_realtime.resources.parameters import Parameters

_RETIRED_STATUSES = frozenset({404, 410})
_RETIRED_CODES = frozenset({"beta_api_shape_disabled"})
_MISSING_MODEL = frozenset({"model_not_found"})
_NAMES_THE_OTHER_API = re.compile(r"\bGA API\b|\bbeta (?:realtime )?API\b", re.IGNORECASE)


Translate = Callable[[JsonObject], tuple[Translation, str]]


@dataclass(frozen=True, slots=True)
class Mint(Generic[M]):
    """A minting operation, in the dialect that its method speaks."""

    operation: str
    """The public method's name."""
    endpoint: str
    """Its endpoint, a key of `Provider.paths`."""
    dialect: Dialect
    """The dialect its parameters and its answer are in."""
    parameters: Parameters
    model: type[M]
    normalise: Callable[[JsonObject], JsonObject]
    """Brings an answer of any shape into the model's."""
    spell: Callable[[Mapping[str, object]], Mapping[str, object]] = dict
    """Puts parameters as this endpoint's servers spell them."""
    translate: Translate | None = None
    """Returns a request in the other dialect and its endpoint; None: there is no other."""
    other_endpoints: frozenset[str] = frozenset()
    """The endpoints that `translate` may name."""

    def prepare(self) -> None:
        """Build the validators of parameters and answers, which the first call would build."""
        self.parameters.encode({})
        self.model.model_rebuild()


def mint_call(configuration: Configuration, mint: Mint[M], params: Mapping[str, object]) -> Call[M]:
    """Return the call; raises `ParameterError` when a parameter is wrong."""
    asked = Asked.of(configuration, params)
    wanted = configuration.dialects.of(_place(configuration, mint), configuration.provider.dialect)
    translate = mint.translate
    if translate is None or wanted == mint.dialect:
        return _native_call(asked, mint)
    if wanted == "auto" and mint.endpoint in configuration.provider.paths:
        fallback = partial(_other_dialect, asked, mint, translate)
        return _native_call(asked, mint, fallback=fallback)
    return _translated_call(asked, mint, translate)


def _place(configuration: Configuration, mint: Mint[M]) -> str:
    """Return what a dialect is remembered for: one endpoint of one server."""
    return f"{configuration.provider.base_url} {mint.endpoint}"


def _native_call(
    asked: Asked,
    mint: Mint[M],
    fallback: Callable[[APIStatusError], Call[M] | None] | None = None,
) -> Call[M]:
    provider = asked.configuration.provider
    parameters = mint.spell(asked.parameters)
    dropped: tuple[str, ...] = ()
    if mint.dialect == "beta":
        if provider.deployment is not None and mint.endpoint == "sessions":
            if parameters.get("model", provider.deployment) != provider.deployment:
                dropped = ("model",)
            parameters = {**parameters, "model": provider.deployment}
        body = mint.parameters.encode(parameters, asked.extra_body)
    elif provider.takes_session and not provider.has_top_level_model:
        body = mint.parameters.encode(parameters, asked.extra_body)
    else:
        plain = mint.parameters.plain(parameters, asked.extra_body)
        fitted = _as_provider_takes(asked, Translation(plain))
        body, dropped = encode_json(fitted.body), fitted.dropped
    request = asked.post(provider.url(mint.endpoint), body, b"application/json")
    return _call(asked, mint, request, _tell_dropped(asked, mint, dropped), fallback=fallback)


def _translated_call(
    asked: Asked, mint: Mint[M], translate: Translate, learn: str | None = None
) -> Call[M]:
    """Return the call in the other dialect; once it succeeds, that is remembered for `learn`."""
    provider = asked.configuration.provider
    plain = mint.parameters.plain(mint.spell(asked.parameters), asked.extra_body)
    translation, endpoint = translate(plain)
    if mint.dialect == "beta":
        translation = _as_provider_takes(asked, translation)
    elif provider.deployment is not None and endpoint == "sessions":
        body = {**translation.body, "model": provider.deployment}
        is_other = translation.body.get("model", provider.deployment) != provider.deployment
        others = ("session.model",) if is_other else ()
        translation = Translation(body, translation.dropped + others)
    dropped = _tell_dropped(asked, mint, translation.dropped)
    request = asked.post(provider.url(endpoint), encode_json(translation.body), b"application/json")
    return _call(asked, mint, request, dropped, learn=learn)


def _call(  # noqa: PLR0913 - a call and what may follow it
    asked: Asked,
    mint: Mint[M],
    request: Request,
    dropped: tuple[str, ...],
    *,
    learn: str | None = None,
    fallback: Callable[[APIStatusError], Call[M] | None] | None = None,
) -> Call[M]:
    def parse(response: Response, meta: ResponseMeta) -> M:
        answer = read_minted(response, meta, mint.model, mint.normalise, dropped)
        if learn is not None:
            asked.configuration.dialects.learn(learn, "beta" if mint.dialect == "ga" else "ga")
        return answer

    return Call(mint.operation, request, parse, asked.timeout, fallback=fallback)


def _other_dialect(
    asked: Asked, mint: Mint[M], translate: Translate, error: APIStatusError
) -> Call[M] | None:
    """Return the call to make instead when `error` says that the dialect is retired, else None."""
    if not is_retired(error):
        return None
    configuration = asked.configuration
    if mint.other_endpoints.isdisjoint(configuration.provider.paths):
        return None
    return _translated_call(asked, mint, translate, learn=_place(configuration, mint))


def is_retired(error: APIStatusError) -> bool:
    """Return whether a server says that it does not take the request's dialect (any more)."""
    return (
        (error.status_code in _RETIRED_STATUSES and error.code not in _MISSING_MODEL)
        or error.code in _RETIRED_CODES
        or (
            error.status_code == 400  # noqa: PLR2004 - "Bad Request"
            and _NAMES_THE_OTHER_API.search(error.message) is not None
        )
    )


def _as_provider_takes(asked: Asked, nested: Translation) -> Translation:
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


def _tell_dropped(asked: Asked, mint: Mint[M], dropped: tuple[str, ...]) -> tuple[str, ...]:
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
