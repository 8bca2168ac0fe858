"""Parameters: checked against their TypedDict and encoded, or refused before a byte is sent.

Owns: how a wrong parameter is told, and how `extra_body` is laid over the rest. Must not know: any
endpoint's parameters, URLs, nor answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, cast, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, to_json

from openai_realtime.errors import ParameterError
from openai_realtime.types.annotations import JsonParam
from openai_realtime.types.options import RequestOptions

if TYPE_CHECKING:
    from openai_realtime.core.strict_json import Json
    from openai_realtime.dialects import JsonObject

# pydantic puts the names of union members into an error's path; these are no field names.
_UNION_MEMBER = re.compile(r"[A-Z]\w*|.*[\[(-].*|str|int|float|bool|dict|none", re.DOTALL)


_MEMBERS: TypeAdapter[JsonObject] = TypeAdapter(
    cast("type[JsonObject]", JsonParam), config=ConfigDict(defer_build=True)
)


class Parameters:
    """The parameters of one endpoint: their TypedDict, whose validator is built on first use.

    `hints` says of names, dotted, that are none of its parameters what they are instead.
    """

    def __init__(self, typed_dict: type, hints: Mapping[str, str] | None = None) -> None:
        self._typed_dict = typed_dict
        self._hints = hints or {}

    @cached_property
    def _adapter(self) -> TypeAdapter[JsonObject]:
        return TypeAdapter(cast("type[JsonObject]", self._typed_dict))

    def encode(self, parameters: Mapping[str, object], extra_body: object = None) -> bytes:
        """Return `parameters` as JSON, `extra_body` merged over them; raises `ParameterError`."""
        return encode_json(self.validate(parameters, extra_body))

    def validate(self, parameters: Mapping[str, object], extra_body: object = None) -> JsonObject:
        """Return `parameters` as a JSON value, `extra_body` merged over them."""
        plain = self._checked(parameters)
        if extra_body is None:
            return plain
        with suppress(ValidationError):
            return merge_objects(plain, _MEMBERS.validate_python(extra_body))
        message = "extra_body must be a mapping of names to JSON values"
        raise ParameterError(message, param="extra_body")

    def _checked(self, parameters: Mapping[str, object]) -> JsonObject:
        try:
            checked: JsonObject = self._adapter.validator.validate_python(parameters)
        except ValidationError as error:
            problems = error.errors(include_url=False)
        else:
            return checked
        # Raised out here: the validation error's input is the caller's data, kept out of the chain.
        raise _parameter_error(problems, get_type_hints(self._typed_dict), self._hints)


def encode_json(value: Json) -> bytes:
    """Return a JSON value as bytes; raises `ParameterError` when a text in it has no encoding."""
    try:
        return to_json(value)
    except PydanticSerializationError:
        message = "a text among the parameters holds half a surrogate pair, which is no text"
    raise ParameterError(message)


def encode_text(name: str, text: str) -> bytes:
    """Return a text as UTF-8; raises `ParameterError` when it has no encoding."""
    with suppress(UnicodeEncodeError):
        return text.encode()
    message = f"{name} holds half a surrogate pair, which is no text"
    raise ParameterError(message, param=name)


def merge_objects(value: JsonObject, extra: JsonObject) -> JsonObject:
    """Return `extra` laid over `value`: inner objects likewise, everything else replaced."""
    merged = dict(value)
    for name, member in extra.items():
        before = merged.get(name)
        if isinstance(before, dict) and isinstance(member, dict):
            member = merge_objects(before, member)  # noqa: PLW2901 - what is laid over, laid over
        merged[name] = member
    return merged


def _parameter_error(
    problems: list[ErrorDetails], known: Mapping[str, object], hints: Mapping[str, str]
) -> ParameterError:
    """Return one error that tells every problem once, each by its field."""
    fields: dict[object, list[tuple[tuple[str, ...], str]]] = {}
    for problem in problems:
        path = _path(problem)
        told = hints.get(".".join(path)) if problem["type"] == "extra_forbidden" else None
        fields.setdefault(path[0] if path else "", []).append((path, told or _told(problem, known)))
    sentences: dict[str, list[str]] = {}
    for tried in fields.values():
        # Where a value could have been several things, the one that got deepest was meant.
        deepest = max(len(path) for path, _ in tried)
        for path, text in tried:
            if len(path) == deepest and text not in sentences.setdefault(".".join(path), []):
                sentences[".".join(path)].append(text)
    text = "; ".join(f"{path} {', or '.join(told)}" for path, told in sentences.items())
    return ParameterError(text, param=next(iter(sentences)))


def _path(problem: ErrorDetails) -> tuple[str, ...]:
    location = problem["loc"]
    named = problem["type"] in {"extra_forbidden", "missing"}
    return tuple(
        str(step)
        for index, step in enumerate(location)
        if isinstance(step, int)
        or not _UNION_MEMBER.fullmatch(step)
        or (named and index == len(location) - 1)
    )


def _told(problem: ErrorDetails, known: Mapping[str, object]) -> str:
    if problem["type"] == "extra_forbidden":
        name = str(problem["loc"][-1])
        import difflib  # noqa: PLC0415 - only to guess what was meant

        # An option itself gets here from a place that takes none, such as a session in a file.
        names = (known.keys() | RequestOptions.__annotations__.keys()) - {name}
        meant = difflib.get_close_matches(name, sorted(names), n=1)
        guess = f": did you mean {meant[0]}?" if meant and len(problem["loc"]) == 1 else ""
        return f"is not a known parameter{guess} (extra_body sends what the SDK does not know)"
    if problem["type"] == "missing":
        return "is required"
    if problem["input"] is None:
        return "cannot be None: leave it out for the server's default"
    if problem["type"] == "is_instance_of" and problem.get("ctx", {}).get("class") == "Sequence":
        return "must be a list"
    return problem["msg"].replace("Input should be", "must be")
