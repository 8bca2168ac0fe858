"""Checks parameters against their TypedDict, merges `extra_body` over them, and encodes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, cast, get_args

from pydantic import ConfigDict, Tag, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, to_json
from typing_extensions import get_type_hints, is_typeddict

from openai_realtime.errors import ParameterError
from openai_realtime.transports.exceptions import DESCRIPTORS_TO_CONNECT
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

    `hints` has, for dotted names that are not its parameters, what to write instead.
    """

    def __init__(self, typed_dict: type, hints: Mapping[str, str] | None = None) -> None:
        self._typed_dict = typed_dict
        self._hints = hints or {}

    @cached_property
    @DESCRIPTORS_TO_CONNECT
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
        raise _parameter_error(problems, self._typed_dict, self._hints)


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
    problems: list[ErrorDetails], typed_dict: type, hints: Mapping[str, str]
) -> ParameterError:
    """Return one error that names every problem once, each by its field."""
    fields: dict[object, list[tuple[tuple[str, ...], str]]] = {}
    for problem in problems:
        path = _path(problem)
        hint = hints.get(".".join(path)) if problem["type"] == "extra_forbidden" else None
        message = hint or _message(problem, typed_dict)
        fields.setdefault(path[0] if path else "", []).append((path, message))
    sentences: dict[str, list[str]] = {}
    for tried in fields.values():
        # Where a value could have been several things, the one that got deepest was meant.
        deepest = max(len(path) for path, _ in tried)
        for path, text in tried:
            if len(path) == deepest and text not in sentences.setdefault(".".join(path), []):
                sentences[".".join(path)].append(text)
    text = "; ".join(f"{path} {', or '.join(texts)}" for path, texts in sentences.items())
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


def _message(problem: ErrorDetails, typed_dict: type) -> str:
    if problem["type"] == "extra_forbidden":
        import difflib  # noqa: PLC0415 - only to guess what was meant

        *place, name = map(str, problem["loc"])
        known = _keys_at(typed_dict, place)
        if not place:
            # An option itself gets here from a place that takes none, such as a session in a file.
            known |= RequestOptions.__annotations__.keys() - {name}
        meant = difflib.get_close_matches(name, sorted(known), n=1)
        guess = f": did you mean {meant[0]}?" if meant else ""
        return f"is not a known parameter{guess} (extra_body sends what the SDK does not know)"
    if problem["type"] == "missing":
        return "is required"
    if problem["input"] is None:
        return "cannot be None: leave it out for the server's default"
    if problem["type"] == "is_instance_of" and problem.get("ctx", {}).get("class") == "Sequence":
        return "must be a list"
    return problem["msg"].replace("Input should be", "must be")


def _keys_at(typed_dict: type, place: list[str]) -> set[str]:
    """Return the keys of the TypedDict that an error's path leads to, below `typed_dict`."""
    reached = {typed_dict.__name__: typed_dict}
    for step in place:
        if step in reached:  # the name or the tag of a member of a union
            reached = {step: reached[step]}
            continue
        inner = [hints[step] for hints in _all_hints(reached.values()) if step in hints]
        if inner:  # else an index of a list, or the name of a step of validation
            reached = dict(pair for hint in inner for pair in _typed_dicts(hint))
    return {key for hints in _all_hints(reached.values()) for key in hints}


def _all_hints(typed_dicts: Iterable[type]) -> list[dict[str, object]]:
    return [get_type_hints(each, include_extras=True) for each in typed_dicts]


def _typed_dicts(hint: object, tag: str | None = None) -> Iterator[tuple[str, type]]:
    """Yield each TypedDict in a type hint by what an error's path calls it: its tag or its name."""
    if isinstance(hint, type) and is_typeddict(hint):
        yield tag or hint.__name__, hint
        return
    arguments = get_args(hint)  # those of `Annotated` include its tag
    tag = next((each.tag for each in arguments if isinstance(each, Tag)), tag)
    for inner in arguments:
        yield from _typed_dicts(inner, tag)
