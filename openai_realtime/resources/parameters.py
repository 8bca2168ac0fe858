"""Checks parameters against their TypedDict, merges `extra_body` over them, and encodes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Literal, cast, get_args

from pydantic import ConfigDict, Tag, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, to_json
from typing_extensions import get_type_hints, is_typeddict

from openai_realtime.errors import ParameterError, suggestion
from openai_realtime.transports.exceptions import DESCRIPTORS_TO_CONNECT
from openai_realtime.types.annotations import JsonParam
from openai_realtime.types.base import RequestOptions

if TYPE_CHECKING:
    from openai_realtime.core.strict_json import Json
    from openai_realtime.dialects import JsonObject

# An error's path contains pydantic's names of union members, which are not field names.
_UNION_MEMBER = re.compile(r"[A-Z]\w*|.*[\[(-].*|str|int|float|bool|dict|none", re.DOTALL)


_MEMBERS: TypeAdapter[JsonObject] = TypeAdapter(
    cast("type[JsonObject]", JsonParam), config=ConfigDict(defer_build=True)
)


class Parameters:
    """The parameters of one endpoint: their TypedDict, whose validator is built on first use.

    `hints` maps dotted names that are not parameters of this endpoint to what to write instead.
    """

    def __init__(self, typed_dict: type, hints: Mapping[str, str] | None = None) -> None:
        self._typed_dict = typed_dict
        self._hints = hints or {}

    @cached_property
    @DESCRIPTORS_TO_CONNECT
    def _adapter(self) -> TypeAdapter[JsonObject]:
        return TypeAdapter(cast("type[JsonObject]", self._typed_dict))

    def encode(self, parameters: Mapping[str, object], extra_body: object = None) -> bytes:
        """Return what `validate` returns, encoded as JSON; raises `ParameterError`."""
        return encode_json(self.validate(parameters, extra_body))

    def validate(
        self,
        parameters: Mapping[str, object],
        extra_body: object = None,
        *,
        keep_unknown: bool = False,
    ) -> JsonObject:
        """Return `parameters`, with `extra_body` merged into them, as a JSON value.

        With `keep_unknown`, unknown names are returned unchecked: so a server reads them. Raises `ParameterError` when one of them is wrong.
        """
        checked = self._checked(parameters, "allow" if keep_unknown else None)
        return merge_extra_body(checked, extra_body)

    def _checked(
        self, parameters: Mapping[str, object], unknown: Literal["allow"] | None
    ) -> JsonObject:
        try:
            checked: JsonObject = self._adapter.validator.validate_python(parameters, extra=unknown)
        except ValidationError as error:
            problems = error.errors(include_url=False)
        else:
            return checked
        # Raised after the `except` block: the validation error, which holds the caller's data, is
        # not in the chain.
        raise _parameter_error(problems, self._typed_dict, self._hints)


def merge_extra_body(checked: JsonObject, extra_body: object) -> JsonObject:
    """Return `checked` with the members of `extra_body`; raises `ParameterError` if it has none."""
    if extra_body is None:
        return checked
    with suppress(ValidationError):
        return merge_objects(checked, _MEMBERS.validate_python(extra_body))
    message = "extra_body must be a mapping of names to JSON values"
    raise ParameterError(message, param="extra_body")


def encode_json(value: Json) -> bytes:
    """Return a JSON value as bytes; raises `ParameterError` when UTF-8 cannot encode it."""
    try:
        return to_json(value)
    except PydanticSerializationError:
        message = "a text in the parameters has a lone surrogate, which UTF-8 cannot encode"
    raise ParameterError(message)


def encode_text(name: str, text: str) -> bytes:
    """Return a text as UTF-8; raises `ParameterError` when UTF-8 cannot encode it."""
    with suppress(UnicodeEncodeError):
        return text.encode()
    message = f"{name} has a lone surrogate, which UTF-8 cannot encode"
    raise ParameterError(message, param=name)


def tool_credentials(parameters: JsonObject) -> tuple[str, ...]:
    """Return the OAuth tokens and the header values of a session's MCP tools."""
    session = parameters.get("session", parameters)
    tools = session.get("tools") if isinstance(session, dict) else None
    found: list[Json] = []
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, dict):
            headers = tool.get("headers")
            found += [tool.get("authorization")]
            found += headers.values() if isinstance(headers, dict) else ()
    # A server may quote the token of `Bearer …` alone.
    return tuple(
        part for text in found if isinstance(text, str) for part in {text, text.split(" ")[-1]}
    )


def merge_objects(value: JsonObject, extra: JsonObject) -> JsonObject:
    """Return `value` with the members of `extra`: inner objects are merged, others replaced."""
    merged = dict(value)
    for name, member in extra.items():
        before = merged.get(name)
        if isinstance(before, dict) and isinstance(member, dict):
            member = merge_objects(before, member)  # noqa: PLW2901 - the same member, merged
        merged[name] = member
    return merged


def _parameter_error(
    problems: list[ErrorDetails], typed_dict: type, hints: Mapping[str, str]
) -> ParameterError:
    """Return one error that names each problem once, with its field."""
    fields: dict[object, list[tuple[tuple[str, ...], str]]] = {}
    for problem in problems:
        path = _path(problem)
        hint = hints.get(".".join(path)) if problem["type"] == "extra_forbidden" else None
        message = hint or _message(problem, typed_dict)
        fields.setdefault(path[0] if path else "", []).append((path, message))
    sentences: dict[str, list[str]] = {}
    for candidates in fields.values():
        # In a union, the member in which validation got deepest is probably the one that was meant.
        deepest = max(len(path) for path, _ in candidates)
        for path, text in candidates:
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
        *parents, name = map(str, problem["loc"])
        known = _keys_at(typed_dict, parents)
        if not parents:
            # A misspelt option is suggested too; an option itself is unknown where only parameters
            # are accepted, such as in a session file.
            known |= RequestOptions.__annotations__.keys() - {name}
        guess = suggestion(name, known)
        return f"is not a known parameter{guess} (extra_body sends what the SDK does not know)"
    if problem["type"] == "missing":
        return "is required"
    if problem["input"] is None:
        return "cannot be None: leave it out for the server's default"
    if problem["type"] == "is_instance_of" and problem.get("ctx", {}).get("class") == "Sequence":
        return "must be a list"
    return problem["msg"].replace("Input should be", "must be")


def _keys_at(typed_dict: type, path: list[str]) -> set[str]:
    """Return the keys of the TypedDict at an error's path below `typed_dict`."""
    reached = {typed_dict.__name__: typed_dict}
    for step in path:
        if step in reached:  # the name or the tag of a member of a union
            reached = {step: reached[step]}
            continue
        inner = [hints[step] for hints in _all_hints(reached.values()) if step in hints]
        if inner:  # otherwise it is an index of a list, or a step of validation
            reached = dict(pair for hint in inner for pair in _typed_dicts(hint))
    return {key for hints in _all_hints(reached.values()) for key in hints}


def _all_hints(typed_dicts: Iterable[type]) -> list[dict[str, object]]:
    return [get_type_hints(each, include_extras=True) for each in typed_dicts]


def _typed_dicts(hint: object, tag: str | None = None) -> Iterator[tuple[str, type]]:
    """Yield each TypedDict in a type hint, with its tag or else its name, as in an error's path."""
    if isinstance(hint, type) and is_typeddict(hint):
        yield tag or hint.__name__, hint
        return
    arguments = get_args(hint)  # those of `Annotated` include its tag
    tag = next((each.tag for each in arguments if isinstance(each, Tag)), tag)
    for inner in arguments:
        yield from _typed_dicts(inner, tag)
