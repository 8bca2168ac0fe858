"""From a 2xx answer to a typed model, or to one error: never to a half-filled object.

Owns: what makes an answer usable. Must not know: retries, endpoints, or how the answer travelled.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn, TypeVar

from pydantic import ValidationError

from openai_realtime.core.answers import error_details, error_message
from openai_realtime.core.scrubbing import scrub_json, secrets_in
from openai_realtime.core.strict_json import MAX_JSON_DEPTH, Json, decode_json
from openai_realtime.errors import APIResponseValidationError
from openai_realtime.secrets import MASK
from openai_realtime.types.client_secret import MintedAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_realtime.core.meta import ResponseMeta
    from openai_realtime.core.wire import Response
    from openai_realtime.dialects import JsonObject


M = TypeVar("M", bound=MintedAnswer)

# pydantic's error types, as said of a secret.
_TOLD = {
    "missing": "is missing",
    "model_type": "is not an object",
    "string_type": "is not text",
    "string_pattern_mismatch": "is empty or not visible ASCII text",
    "string_too_long": "is longer than 4096 characters",
}
# Members that make an answer another one than it seems: an error, or another shape around it.
_SAYS_MORE = frozenset({"body", "client_secret", "data", "error", "response", "result", "session"})
_HINT = "Check that base_url is a Realtime API, and that nothing on the way rewrites its answers"


def read_minted(
    response: Response,
    meta: ResponseMeta,
    model: type[M],
    normalise: Callable[[JsonObject], JsonObject],
    dropped: tuple[str, ...] = (),
) -> M:
    """Return the model in a 2xx answer; `normalise` brings other shapes into the model's.

    Raises `APIResponseValidationError` when there is no usable secret. An optional field that does
    not fit its type costs nobody their secret: it gets its default and goes to `meta.unreadable`.
    """
    answer: M | None = None
    unreadable: dict[str, Json] = {}
    if _is_plain(response.body):
        try:
            answer = model.model_validate_json(response.body)
        except ValidationError:
            answer = None  # read again below, where what is wrong can be told
    if answer is None or not _SAYS_MORE.isdisjoint(answer.model_extra or ()):
        answer, unreadable = _read_with_care(response, model, normalise)
    answer.received(response.headers.get("date"))
    if dropped or unreadable:
        meta = replace(meta, dropped=dropped, unreadable=unreadable)
    return answer.with_meta(meta)


def _is_plain(body: bytes) -> bool:
    """Return whether the fast parser, which allows NaN and deep nesting, may be trusted with it."""
    return (
        body.count(b"{") + body.count(b"[") <= MAX_JSON_DEPTH
        and (b"N" not in body or b"NaN" not in body)  # a single byte is found much faster
        and b"Infinity" not in body
    )


def _read_with_care(
    response: Response, model: type[M], normalise: Callable[[JsonObject], JsonObject]
) -> tuple[M, dict[str, Json]]:
    """Return the answer without the optional fields that do not fit, and those fields."""
    value, problem = _decode(response)
    if not isinstance(value, dict):
        _refuse(problem or f"it is a JSON {_json_type(value)}, not an object", value)
    if value.get("error") is not None:
        shown = scrub_json(value, secrets_in(value))
        text = error_message(error_details(shown), shown)
        _refuse(f"it reports an error: {text}", value)
    value = normalise(value)
    answer, problems = _validate(value, model)
    if answer is not None:
        return answer, {}
    if wrong := {
        field: text for field, text in problems.items() if field[0] in model.SECRET_FIELDS
    }:
        _refuse("; ".join(f"{'.'.join(field)} {text}" for field, text in wrong.items()), value)
    unfit = {field[0] for field in problems}
    answer, _ = _validate({name: value[name] for name in value if name not in unfit}, model)
    assert answer is not None, "every field but the secret is optional"  # noqa: S101 - for the type checker
    return answer, {name: value[name] for name in unfit}


def _decode(response: Response) -> tuple[Json, str | None]:
    if not response.body.strip():
        return None, "its body is empty"
    try:
        return decode_json(response.body), None
    except ValueError as error:
        kind = response.headers.get("content-type", "no content type")
        return None, f"{error}; its content type is {kind}"


def _validate(
    value: dict[str, Json], model: type[M]
) -> tuple[M | None, dict[tuple[str, ...], str]]:
    try:
        return model.model_validate(value), {}
    except ValidationError as error:
        return None, {
            tuple(str(step) for step in problem["loc"]): _TOLD.get(problem["type"], problem["msg"])
            for problem in error.errors(include_url=False, include_input=False)
        }


def _refuse(problem: str, value: Json) -> NoReturn:
    message = f"The server answered with success but without a usable client secret: {problem}"
    raise APIResponseValidationError(
        message,
        hint=_HINT,
        body=_without_text(value),
    )


def _without_text(value: Json) -> Json:
    """Return a decoded answer with every text masked: any of them could be the secret."""
    if isinstance(value, dict):
        return {name: _without_text(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_without_text(item) for item in value]
    return MASK if isinstance(value, str) else value


def _json_type(value: Json) -> str:
    names = {"list": "array", "str": "string", "bool": "boolean", "NoneType": "null"}
    return names.get(type(value).__name__, "number")
