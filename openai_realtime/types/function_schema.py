"""A typed Python function as a tool: its name, its description, the JSON Schema of its parameters."""

import inspect
import re
from collections.abc import Callable
from typing import Any, cast

from pydantic import PydanticUserError, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema

from openai_realtime.errors import ParameterError

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
# The description ends before the first section or field list.
_END_OF_DESCRIPTION = re.compile(
    r"^(?:(?:Args|Arguments|Parameters|Returns?|Yields?|Raises|Examples?|Notes?|Warns?|See Also):[ ]*$"
    r"|:(?:param|arg|returns?|rtype|raises?|type)\b)",
    re.MULTILINE,
)
_GOOGLE_SECTION = re.compile(
    r"^(?:Args|Arguments|Parameters):[ ]*\n((?:[ ]+\S.*(?:\n|\Z)|[ ]*\n)*)", re.MULTILINE
)
# An entry, and the lines below it that are indented deeper than it.
_GOOGLE_ENTRY = re.compile(
    r"^( +)\*{0,2}(\w+)(?: ?\([^)\n]*\))?:[ ]*(.*(?:\n\1 +\S.*)*)", re.MULTILINE
)
_REST_ENTRY = re.compile(r"^:(?:param|arg)(?: [^:\n]*)? (\w+):[ ]*(.*(?:\n +\S.*)*)", re.MULTILINE)


class _UntitledSchema(GenerateJsonSchema):
    """JSON Schema without the titles of fields: they repeat the names, and cost tokens."""

    def field_title_should_be_set(self, schema: CoreSchema | Any) -> bool:  # noqa: ARG002 - pydantic's own signature
        return False


def described(function: Callable[..., object]) -> tuple[str, str, dict[str, Any]]:
    """Return a function's name, its description and the JSON Schema of its parameters.

    Raises `ParameterError` for a function that cannot be called with named arguments, or whose
    parameters are not all annotated.
    """
    name = getattr(function, "__name__", "")
    if not _NAME.fullmatch(name):
        message = f"tools: {name!r} is not a tool name: it must be 1 to 64 letters, digits, _ and -"
        raise ParameterError(message, param="tools")
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in {parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL}:
            problem = "can only be passed by position"
        elif parameter.annotation is parameter.empty:
            problem = "has no type annotation"
        else:
            continue
        message = f"tools: {name}() cannot be a tool: its parameter {parameter.name} {problem}"
        raise ParameterError(message, param="tools")
    description, arguments = read_docstring(inspect.getdoc(function) or "")
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(cast("type[Any]", function))
        schema = adapter.json_schema(schema_generator=_UntitledSchema)
    except (PydanticUserError, NameError) as error:
        message = f"tools: {name}() cannot be a tool: its annotations have no JSON Schema"
        raise ParameterError(message, param="tools") from error
    for argument, text in arguments.items():
        if argument in schema.get("properties", {}):
            schema["properties"][argument].setdefault("description", text)
    return name, description, schema


def read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Return the description before the first section, and the text of each described argument."""
    text = inspect.cleandoc(text)
    end = _END_OF_DESCRIPTION.search(text)
    description = text[: end.start()] if end else text
    entries = [(name, words) for name, words in _REST_ENTRY.findall(text)]
    for section in _GOOGLE_SECTION.findall(text):
        entries += [(name, words) for _, name, words in _GOOGLE_ENTRY.findall(section)]
    return description.strip(), {name: " ".join(words.split()) for name, words in entries}
