"""A typed Python function as the model is told of it: name, description, parameters.

Owns: what makes a function fit for a tool, and its JSON Schema. Must not know: tools.
"""

import inspect
import re
from collections.abc import Callable
from typing import Any, cast

from pydantic import PydanticUserError, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema

from openai_realtime.errors import ParameterError
from openai_realtime.types.docstrings import read_docstring

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class _UntitledSchema(GenerateJsonSchema):
    """JSON Schema without the title of every field: the model reads the names, and pays for both."""

    def field_title_should_be_set(self, schema: CoreSchema | Any) -> bool:  # noqa: ARG002 - pydantic's own signature
        return False


def described(function: Callable[..., object]) -> tuple[str, str, dict[str, Any]]:
    """Return a function's name, its description and the JSON Schema of its parameters.

    Raises `ParameterError` for a function that cannot be called with named arguments, or whose
    parameters are not all annotated.
    """
    name = getattr(function, "__name__", "")
    if not _NAME.fullmatch(name):
        message = f"tools: {name!r} is no name for a tool: at most 64 letters, digits, _ and -"
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
