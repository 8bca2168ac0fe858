"""Turns a 2xx response into its typed model, or raises one error."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn, TypeVar, cast

from pydantic import ValidationError

from openai_realtime.core.error_responses import server_message
from openai_realtime.core.peer_text import MAX_NAME_CHARACTERS, Sanitizer, secrets_in
from openai_realtime.core.strict_json import Json, decode_json, nests_too_deeply
from openai_realtime.errors import APIResponseValidationError
from openai_realtime.secrets import MASK
from openai_realtime.types.client_secret import SecretResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_realtime.core.meta import ResponseMeta
    from openai_realtime.core.wire import Response
    from openai_realtime.dialects import JsonObject
    from openai_realtime.types.client_secret import FlatSecretResponse, NestedSecretResponse


M = TypeVar("M", bound=SecretResponse)

# The meaning of pydantic's error types for a secret.
_MEANINGS = {
    "missing": "is missing",
    "model_type": "is not an object",
    "string_type": "is not text",
    "string_pattern_mismatch": "is empty or not visible ASCII text",
    "string_too_long": "is longer than 4096 characters",
}
# A response with one of these members is an error, or does not have the model's shape.
_OTHER_SHAPES = frozenset(
    {"body", "client_secret", "data", "error", "response", "result", "session"}
)
_HINT = "Check that base_url is a Realtime API, and that no gateway rewrites its responses"


def parse_response(  # noqa: PLR0913 - a response, and facts about its request
    response: Response,
    meta: ResponseMeta,
    model: type[M],
    parse_shape: Callable[[JsonObject], JsonObject],
    *,
    dropped: tuple[str, ...] = (),
    lifetime: float | None = None,
) -> M:
    """Return the model in a 2xx response; `parse_shape` turns other shapes into the model's.

    `lifetime` is the lifetime in seconds that the request set; None: the server's default. Raises
    `APIResponseValidationError` when there is no usable secret. An optional field that does not fit
    its type is not an error: it gets its default, and its value goes to `meta.unreadable`.
    """
    parsed: M | None = None
    unreadable: dict[str, Json] = {}
    if _is_plain(response.body):
        try:
            parsed = model.model_validate_json(response.body)
        except ValidationError:
            parsed = None  # parsed again below, for the error message
    if parsed is None or not _OTHER_SHAPES.isdisjoint(parsed.model_extra or ()):
        parsed, unreadable = _read_with_care(response, model, parse_shape, meta.sanitizer)
    parsed.received(response.headers.get("date"), lifetime)
    meta.sanitizer.learn(
        (cast("FlatSecretResponse | NestedSecretResponse", parsed).client_secret.value,)
    )
    if dropped or unreadable:
        meta = replace(meta, dropped=dropped, unreadable=unreadable)
    return parsed.with_meta(meta)


def read_nothing(response: Response, _meta: ResponseMeta) -> None:
    """Accept any body, except an HTML page and one that reports an error."""
    if response.body.lstrip()[:1] == b"<" or b'"error"' in response.body:
        message = (
            "The server responded with success, but its body is an HTML page or reports an error"
        )
        raise APIResponseValidationError(message, possibly_acted=True)


def _is_plain(body: bytes) -> bool:
    """Return whether pydantic's own parser, which allows NaN and deep nesting, may parse it."""
    return (
        not nests_too_deeply(body)
        # `in` is slower: it first tries to convert the bytes to a number, and fails.
        and (body.find(b"N") < 0 or body.find(b"NaN") < 0)  # the search for one byte is much faster
        and body.find(b"Infinity") < 0
    )


def _read_with_care(
    response: Response,
    model: type[M],
    parse_shape: Callable[[JsonObject], JsonObject],
    sanitizer: Sanitizer,
) -> tuple[M, dict[str, Json]]:
    """Return the model without the optional fields that do not fit, and those fields' values."""
    value, problem = _decode(response, sanitizer)
    sanitizer.learn(secrets_in(value))
    sanitizer.learn(secrets_in({**response.headers}))
    if not isinstance(value, dict):
        problem = problem or f"it is a JSON {_json_type(value)}, not an object"
        _refuse(problem, value, sanitizer)
    if value.get("error") is not None:
        text = server_message(value, sanitizer)
        _refuse(f"it reports an error: {text}", value, sanitizer)
    value = parse_shape(value)
    parsed, problems = _validate(value, model)
    if parsed is not None:
        return parsed, {}
    if wrong := {
        field: text for field, text in problems.items() if field[0] in model.SECRET_FIELDS
    }:
        problem = "; ".join(f"{'.'.join(field)} {text}" for field, text in wrong.items())
        _refuse(problem, value, sanitizer)
    unfit = {field[0] for field in problems}
    parsed, _ = _validate({name: value[name] for name in value if name not in unfit}, model)
    assert parsed is not None, "every field but the secret is optional"  # noqa: S101 - for the type checker
    return parsed, {name: value[name] for name in unfit}


def _decode(response: Response, sanitizer: Sanitizer) -> tuple[Json, str | None]:
    if not response.body.strip():
        return None, "its body is empty"
    try:
        return decode_json(response.body), None
    except ValueError as error:
        content_type = response.headers.get("content-type", "not given")
        kind = sanitizer.text(content_type, MAX_NAME_CHARACTERS)
        return None, f"{error}; its content type is {kind}"


def _validate(
    value: dict[str, Json], model: type[M]
) -> tuple[M | None, dict[tuple[str, ...], str]]:
    try:
        return model.model_validate(value), {}
    except ValidationError as error:
        return None, {
            tuple(str(step) for step in problem["loc"]): _MEANINGS.get(
                problem["type"], problem["msg"]
            )
            for problem in error.errors(include_url=False, include_input=False)
        }


def _refuse(problem: str, value: Json, sanitizer: Sanitizer) -> NoReturn:
    message = f"The server responded with success but without a usable client secret: {problem}"
    # Every text is masked, because any of them could be the secret.
    body = sanitizer.json(value, lambda _text, _limit: MASK)
    raise APIResponseValidationError(message, hint=_HINT, body=body)


def _json_type(value: Json) -> str:
    names = {"list": "array", "str": "string", "bool": "boolean", "NoneType": "null"}
    return names.get(type(value).__name__, "number")
