"""Functions the model may call, and how it chooses.

Owns: tools, and how a Python function becomes one. Must not know: sessions.
"""

import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, NotRequired, Self, cast

from pydantic import InstanceOf, PlainSerializer, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema
from typing_extensions import TypedDict

from openai_realtime.errors import ParameterError
from openai_realtime.types.answer import WireModel
from openai_realtime.types.docstrings import read_docstring

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class FunctionToolParam(TypedDict):
    """A function the model may call."""

    type: Literal["function"]
    """Always `function`."""
    name: str
    """The function's name: letters, digits, `_` and `-`, at most 64."""
    description: NotRequired[str]
    """What it does, when to call it, and what to tell the person while it runs."""
    parameters: NotRequired[dict[str, object]]
    """Its parameters as a JSON Schema object."""


class ToolChoiceFunctionParam(TypedDict):
    """Make the model call one function."""

    type: Literal["function"]
    """Always `function`."""
    name: str
    """The function's name."""


class _UntitledSchema(GenerateJsonSchema):
    """JSON Schema without the title of every field: the model reads the names, and pays for both."""

    def field_title_should_be_set(self, schema: CoreSchema | Any) -> bool:  # noqa: ARG002 - pydantic's own signature
        return False


class FunctionTool(WireModel):
    """A function the model may call. `from_function` makes one from a typed Python function."""

    type: Literal["function"] | str = "function"
    """Always `function`."""
    name: str | None = None
    """The function's name."""
    description: str | None = None
    """What it does, when to call it, and what to tell the person while it runs."""
    parameters: dict[str, object] | None = None
    """Its parameters as a JSON Schema object."""

    @classmethod
    def from_function(cls, function: Callable[..., object]) -> Self:
        """Return the tool that describes `function`, for the `tools` parameter.

        The name is the function's, the description its docstring up to the arguments' section, the
        parameters its annotations (pydantic's JSON Schema: `Annotated[int, Field(ge=0)]` works).
        Arguments are described by `Field(description=…)`, or by the docstring (Google style
        `Args:` or `:param name:`). Raises `ParameterError` for a function that cannot be called
        with named arguments, or whose parameters are not all annotated.
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
        adapter: TypeAdapter[Any] = TypeAdapter(cast("type[Any]", function))
        schema = adapter.json_schema(schema_generator=_UntitledSchema)
        for argument, text in arguments.items():
            if argument in schema.get("properties", {}):
                schema["properties"][argument].setdefault("description", text)
        tool = cls(type="function", name=name, parameters=schema)
        if description:
            tool.description = description
        return tool


SentFunctionTool = Annotated[
    InstanceOf[FunctionTool],  # a dict is a FunctionToolParam, and is held to its rules
    PlainSerializer(lambda tool: tool.model_dump(mode="json", exclude_unset=True)),
]
"""A `FunctionTool` as a parameter: only what was set is sent."""
