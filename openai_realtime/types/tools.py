"""Functions and MCP servers that the model may call, how it chooses, and tools from functions."""

import inspect
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, Self, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    InstanceOf,
    PydanticUserError,
    Tag,
    TypeAdapter,
)
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError
from typing_extensions import TypedDict

from openai_realtime.errors import ParameterError
from openai_realtime.secrets import McpCredential
from openai_realtime.types.annotations import JsonParam, TaggedUnion, members_of, type_of
from openai_realtime.types.base import WireModel

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_ARGUMENTS = "Args|Arguments|Keyword Arg(?:ument)?s|(?:Other )?Parameters"
_OTHERS = "Returns?|Yields?|Receives|Raises|Examples?|Notes?|Warn(?:ing)?s?|See Also|References"
# The description ends before the first section, of Google's or NumPy's style, or field list.
_END_OF_DESCRIPTION = re.compile(
    rf"^(?:(?:{_ARGUMENTS}|{_OTHERS})(?::[ ]*$|[ ]*\n-{{3,}}[ ]*$)"
    r"|:(?:param|arg|returns?|rtype|raises?|type)\b)",
    re.MULTILINE,
)
_GOOGLE_SECTION = re.compile(
    rf"^(?:{_ARGUMENTS}):[ ]*\n((?:[ ]+\S.*(?:\n|\Z)|[ ]*\n)*)", re.MULTILINE
)
# An entry, and the lines below it that are indented deeper than it.
_GOOGLE_ENTRY = re.compile(
    r"^( +)\*{0,2}(\w+)(?: ?\([^)\n]*\))?:[ ]*(.*(?:\n\1 +\S.*)*)", re.MULTILINE
)
_NUMPY_SECTION = re.compile(
    rf"^(?:{_ARGUMENTS})[ ]*\n-{{3,}}[ ]*\n(.*?)(?=^\S[^\n]*\n-{{3,}}[ ]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
_NUMPY_ENTRY = re.compile(
    r"^(\*{0,2}\w+(?:, *\*{0,2}\w+)*) *(?::.*)?((?:\n+ +\S.*)+)", re.MULTILINE
)
_REST_ENTRY = re.compile(r"^:(?:param|arg)(?: [^:\n]*)? (\w+):[ ]*(.*(?:\n +\S.*)*)", re.MULTILINE)


if TYPE_CHECKING:
    ConnectorId = (
        Literal[
            "connector_dropbox",
            "connector_gmail",
            "connector_googlecalendar",
            "connector_googledrive",
            "connector_microsoftteams",
            "connector_outlookcalendar",
            "connector_outlookemail",
            "connector_sharepoint",
        ]
        | str
    )
    """A connector of OpenAI's; any other text is sent as it is."""
else:  # At run time every string is valid, and a union with literals would only be slower.
    ConnectorId = str


class FunctionToolParam(TypedDict):
    """A function the model may call."""

    type: Literal["function"]
    """Always `function`."""
    name: str
    """The function's name: letters, digits, `_` and `-`, at most 64."""
    description: NotRequired[str]
    """What it does, when to call it, and what to tell the person while it runs."""
    parameters: NotRequired[JsonParam]
    """Its parameters as a JSON Schema object."""


class ToolChoiceFunctionParam(TypedDict):
    """The choice that makes the model call one function."""

    type: Literal["function"]
    """Always `function`."""
    name: str
    """The function's name."""


class ToolChoiceMcpParam(TypedDict):
    """The choice that makes the model call an MCP server."""

    type: Literal["mcp"]
    """Always `mcp`."""
    server_label: str
    """The server's label."""
    name: NotRequired[str | None]
    """The name of one of its tools. Default, and None: any of them."""


class McpToolFilterParam(TypedDict, total=False):
    """A selection of an MCP server's tools."""

    tool_names: list[str]
    """The names of the tools."""
    read_only: bool
    """True: the tools that change nothing; False: the other tools."""


class McpApprovalParam(TypedDict, total=False):
    """Which tools of an MCP server need approval before they run."""

    always: McpToolFilterParam
    """The tools that need approval."""
    never: McpToolFilterParam
    """The tools that need no approval."""


class McpToolParam(TypedDict):
    """A remote MCP server, given by one of `server_url`, `connector_id` and `tunnel_id`."""

    type: Literal["mcp"]
    """Always `mcp`."""
    server_label: str
    """The server's name in tool calls."""
    server_url: NotRequired[str]
    """The server's URL."""
    connector_id: NotRequired[ConnectorId]
    """The id of a provider's connector, such as `connector_googlecalendar`. OpenAI's models released
    after 2026-09-01 take none."""
    tunnel_id: NotRequired[str]
    """The id of a secure MCP tunnel."""
    authorization: NotRequired[str]
    """An OAuth access token for the server."""
    headers: NotRequired[dict[str, str] | None]
    """HTTP headers for the server."""
    allowed_tools: NotRequired[list[str] | McpToolFilterParam | None]
    """The tools that may be called. Default, and None: all."""
    allowed_callers: NotRequired[list[Literal["direct", "programmatic"]] | None]
    """The contexts that may call the tools. Default, and None: the server's."""
    require_approval: NotRequired[Literal["always", "never"] | McpApprovalParam | None]
    """Which tools need approval before they run. Default `always`."""
    server_description: NotRequired[str]
    """What the server offers."""
    defer_loading: NotRequired[bool]
    """Whether its tools are found by search instead of being listed."""


class FunctionTool(WireModel):
    """A function the model may call. `from_function` makes one from a typed Python function."""

    type: Literal["function"] | str | None = "function"
    """Always `function`."""
    name: str | None = None
    """The function's name."""
    description: str | None = None
    """What it does, when to call it, and what to tell the person while it runs."""
    parameters: dict[str, object] | None = None
    """Its parameters as a JSON Schema object."""
    # Not a private attribute of pydantic, which would cost a call into Python for each tool read.
    __slots__ = ("_function",)

    @property
    def function(self) -> Callable[..., object] | None:
        """The Python function that the tool was made from; None for a tool of a response."""
        return getattr(self, "_function", None)

    @classmethod
    def from_function(cls, function: Callable[..., object]) -> Self:
        """Return the tool that describes `function`, for the `tools` parameter.

        The tool has the function's name; its description is the docstring before the section of
        arguments; its parameters are pydantic's JSON Schema of the annotations, in which
        `Annotated[int, Field(ge=0)]` works. The description of an argument comes from
        `Field(description=…)`, or from the docstring, in Google's (`Args:`, `Keyword Args:`) or NumPy's
        style, or as `:param name:`.

        Raises `ParameterError` for a function that cannot be called with named arguments, or whose
        parameters are not all annotated.
        """
        name, description, schema = described(function)
        tool: Self = cls(type="function", name=name, parameters=schema)
        object.__setattr__(tool, "_function", function)
        if description:
            tool.description = description
        return tool


SentFunctionTool = Annotated[
    InstanceOf[FunctionTool],  # a dict is checked as a FunctionToolParam
    AfterValidator(lambda tool: tool.model_dump(mode="json", exclude_unset=True)),
]
"""A `FunctionTool` as a parameter: only the fields that were set are sent."""


class McpToolFilter(WireModel):
    """A selection of an MCP server's tools."""

    tool_names: list[str] | None = None
    """The names of the tools."""
    read_only: bool | None = None
    """True: the tools that change nothing; False: the other tools."""


class McpApproval(WireModel):
    """Which tools of an MCP server need approval before they run."""

    always: McpToolFilter | None = None
    """The tools that need approval."""
    never: McpToolFilter | None = None
    """The tools that need no approval."""


class McpTool(WireModel):
    """A remote MCP server the model may call."""

    type: Literal["mcp"] | str | None = None
    """Always `mcp`."""
    server_label: str | None = None
    """The server's name in tool calls."""
    server_url: str | None = None
    """The server's URL."""
    connector_id: ConnectorId | None = None
    """The id of a provider's connector."""
    tunnel_id: str | None = None
    """The id of a secure MCP tunnel."""
    authorization: McpCredential | None = None
    """The OAuth access token for the server. It is a secret, masked in reprs."""
    headers: dict[str, McpCredential] | None = None
    """HTTP headers for the server. Their values are secrets, masked in reprs."""
    allowed_tools: list[str] | McpToolFilter | None = None
    """The tools that may be called; None: all."""
    allowed_callers: list[Literal["direct", "programmatic"] | str] | None = None
    """The contexts that may call the tools; None: the server's default."""
    require_approval: Literal["always", "never"] | str | McpApproval | None = None
    """Which tools need approval before they run."""
    server_description: str | None = None
    """What the server offers."""
    defer_loading: bool | None = None
    """Whether its tools are found by search instead of being listed."""


def _refuse_chat_style(value: object) -> object:
    """Return a tool or a choice of a function; raise for those of Chat Completions."""
    if isinstance(members_of(value).get("function"), dict):
        kind, message = (
            "unexpected_value",
            "has no member function here: put its members beside type",
        )
        raise PydanticCustomError(kind, message)
    return value


def _refuse_mcp(value: object) -> object:
    if type_of(value) == "mcp":
        kind = "unexpected_value"
        message = "is an MCP tool, which the flat shape lacks: use client_secrets.create(session=…)"
        raise PydanticCustomError(kind, message)
    return _refuse_chat_style(value)


def _kind(value: object) -> str | None:
    """Return the tag of a tool, or None; a tool without a type is a function."""
    if isinstance(value, FunctionTool):
        return "Made"
    kind = type_of(value)
    if kind == "mcp":
        return "Mcp"
    return "Function" if kind is None or kind == "function" else None


NestedToolParam = Annotated[
    Annotated[FunctionToolParam, Tag("Function")]
    | Annotated[SentFunctionTool, Tag("Made")]
    | Annotated[McpToolParam, Tag("Mcp")],
    Discriminator(
        _kind,
        custom_error_type="unexpected_value",
        custom_error_message='must be a dict whose type is "function" or "mcp"',
    ),
    BeforeValidator(_refuse_chat_style),
]
"""A tool in the nested shape: a function, as a dict or a `FunctionTool`, or an MCP server."""
FlatToolParam = Annotated[FunctionToolParam | SentFunctionTool, BeforeValidator(_refuse_mcp)]
"""A tool in the flat shape: a function, as a dict or a `FunctionTool`."""
FlatToolChoice = Annotated[
    Literal["auto", "none", "required"] | str | ToolChoiceFunctionParam,
    BeforeValidator(_refuse_mcp),
]
"""Which tool the model calls, in the flat shape."""
NestedToolChoice = Annotated[
    Literal["auto", "none", "required"] | ToolChoiceFunctionParam | ToolChoiceMcpParam,
    BeforeValidator(_refuse_chat_style),
]
"""Which tool the model calls, in the nested shape."""

if TYPE_CHECKING:
    SessionTool = FunctionTool | McpTool
    """A tool of a session: an MCP server, or else a function."""
else:
    SessionTool = Annotated[
        FunctionTool, TaggedUnion((("function", FunctionTool), ("mcp", McpTool)))
    ]


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
    if not _TOOL_NAME.fullmatch(name):
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
    for section in _NUMPY_SECTION.findall(text):
        for names, words in _NUMPY_ENTRY.findall(section):
            entries += [(name.strip(" *"), words) for name in names.split(",")]
    return description.strip(), {name: " ".join(words.split()) for name, words in entries}
