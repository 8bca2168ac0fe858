"""Checks parameters against their TypedDict, merges `extra_body` over them, and encodes them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Literal, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from openai_realtime.errors import ParameterError
from openai_realtime.resources.parameter_errors import parameter_error
from openai_realtime.transports.exceptions import DESCRIPTORS_TO_CONNECT
from openai_realtime.types.annotations import JsonParam

if TYPE_CHECKING:
    from openai_realtime.core.strict_json import Json
    from openai_realtime.dialects import JsonObject

_DELEGATED_TOOLS = ("delegation", "responses", "tools")
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
        raise parameter_error(problems, self._typed_dict, self._hints)


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
    found: list[Json] = []
    for tool in (*_list_at(session, "tools"), *_list_at(session, *_DELEGATED_TOOLS)):
        if isinstance(tool, dict):
            headers = tool.get("headers")
            found += [tool.get("authorization")]
            found += headers.values() if isinstance(headers, dict) else ()
    # A server may quote the token of `Bearer …` alone.
    return tuple(
        part for text in found if isinstance(text, str) for part in {text, text.split(" ")[-1]}
    )


def _list_at(value: Json, *path: str) -> list[Json]:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, list) else []


def merge_objects(value: JsonObject, extra: JsonObject) -> JsonObject:
    """Return `value` with the members of `extra`: inner objects are merged, others replaced."""
    merged = dict(value)
    for name, member in extra.items():
        before = merged.get(name)
        if isinstance(before, dict) and isinstance(member, dict):
            member = merge_objects(before, member)  # noqa: PLW2901 - the same member, merged
        merged[name] = member
    return merged
