"""Who does the tasks that a GPT-Live model delegates: the application, Responses, or decisions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, NotRequired, Required

from pydantic import Discriminator, Field, Tag
from typing_extensions import TypedDict

from openai_realtime.types.annotations import AS_LIST, Between, Expect, JsonParam, type_of
from openai_realtime.types.tools import (
    FunctionTool,
    McpToolParam,
    SentFunctionTool,
    ToolChoiceMcpParam,
)

if TYPE_CHECKING:
    HostedTool = (
        Literal[
            "apply_patch",
            "code_interpreter",
            "computer",
            "file_search",
            "image_generation",
            "programmatic_tool_calling",
            "shell",
            "web_search",
            "web_search_preview",
        ]
        | str
    )
    """A tool that OpenAI runs; any other text is sent as it is."""
else:  # At run time every string is valid, and a union with literals would only be slower.
    HostedTool = str

_Milliseconds = Annotated[int, Between(0)]


class LiveFunctionToolParam(TypedDict):
    """A function that the delegated model may call."""

    type: Literal["function"]
    """Always `function`."""
    name: str
    """The function's name: letters, digits, `_` and `-`, at most 64."""
    description: NotRequired[str | None]
    """What it does and when to call it."""
    parameters: NotRequired[JsonParam | None]
    """Its parameters as a JSON Schema object."""
    strict: NotRequired[bool | None]
    """Whether the arguments must fit the schema exactly."""


def _tool_kind(value: object) -> str:
    """Return the tag of a tool; what is neither a function nor an MCP server is sent as it is."""
    if isinstance(value, FunctionTool):
        return "Made"
    return {"function": "Function", "mcp": "Mcp"}.get(str(type_of(value)), "Hosted")


LiveToolParam = Annotated[
    Annotated[LiveFunctionToolParam, Tag("Function")]
    | Annotated[SentFunctionTool, Tag("Made")]
    | Annotated[McpToolParam, Tag("Mcp")]
    | Annotated[JsonParam, Tag("Hosted")],
    Discriminator(_tool_kind),
]
"""A tool: a function (a dict or a `FunctionTool`), an MCP server, or a hosted tool as a plain dict."""


class LiveToolChoiceFunctionParam(TypedDict):
    """The choice that makes the model call one function."""

    type: Literal["function"]
    """Always `function`."""
    name: Annotated[
        str,
        Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$"),
        Expect("a function's name of 1 to 64 letters, digits, _ and -"),
    ]
    """The function's name."""


class LiveToolChoiceHostedParam(TypedDict):
    """The choice that makes the model call a hosted tool."""

    type: HostedTool
    """The tool's type, such as `web_search`."""
    name: NotRequired[str]
    """The name of a `custom` tool."""


class LiveAllowedToolsParam(TypedDict):
    """The choice among some of the tools."""

    type: Literal["allowed_tools"]
    """Always `allowed_tools`."""
    mode: NotRequired[Literal["none", "auto", "required"] | None]
    """Whether one of them is called."""
    tools: Annotated[Sequence[JsonParam], AS_LIST]
    """The tools, each as a choice of that tool: `{"type": "function", "name": …}`."""


def _choice_kind(value: object) -> str:
    if isinstance(value, str):
        return "Mode"
    kinds = {"function": "Function", "mcp": "Mcp", "allowed_tools": "Allowed"}
    return kinds.get(str(type_of(value)), "Hosted")


LiveToolChoiceParam = Annotated[
    Annotated[Literal["auto", "none", "required"], Tag("Mode")]
    | Annotated[LiveToolChoiceFunctionParam, Tag("Function")]
    | Annotated[ToolChoiceMcpParam, Tag("Mcp")]
    | Annotated[LiveAllowedToolsParam, Tag("Allowed")]
    | Annotated[LiveToolChoiceHostedParam, Tag("Hosted")],
    Discriminator(_choice_kind),
]
"""Which tool the delegated model calls."""


class LiveReasoningParam(TypedDict, total=False):
    """How the delegated model reasons."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None
    """The amount of reasoning. Default, and None: the model's."""
    summary: Literal["concise", "detailed", "auto"] | None
    """The summary of the reasoning. Default, and None: none."""


class LiveTextParam(TypedDict, total=False):
    """How the delegated model writes."""

    verbosity: Literal["low", "medium", "high"] | None
    """How detailed its text is. Default, and None: the model's."""


class LiveResponsesParam(TypedDict, total=False):
    """The Responses model that does the tasks. Each field but the model may be None."""

    model: Required[str]
    """The model."""
    instructions: str | None
    """Its instructions, apart from those of the session. Default: none."""
    max_output_tokens: Annotated[int, Between(16)] | None
    """The most tokens of one response, 16 or more. Default: the model's."""
    parallel_tool_calls: bool | None
    """Whether several tools may be called at once. Default: the model's."""
    reasoning: LiveReasoningParam | None
    """How it reasons. Default: the model's."""
    text: LiveTextParam | None
    """How it writes. Default: the model's."""
    service_tier: (
        Literal["auto", "default", "flex", "priority", "fast_tier_temp_pilot", "ultrafast"] | None
    )
    """The service tier. Default `auto`. Azure takes the first four."""
    tools: Annotated[Sequence[LiveToolParam], AS_LIST] | None
    """The tools that it may call. Default: none."""
    tool_choice: LiveToolChoiceParam | None
    """Which tool it calls. Default `auto`."""


class LiveClientDelegationParam(TypedDict):
    """Your application does the tasks: the sideband or the data channel tells it."""

    type: Literal["client"]
    """Always `client`."""
    acknowledgement_delay_ms: NotRequired[_Milliseconds]
    """Milliseconds before the model says something such as "one moment". Default 0: at once."""


class LiveResponsesDelegationParam(TypedDict):
    """A Responses model does the tasks."""

    type: Literal["responses"]
    """Always `responses`."""
    responses: LiveResponsesParam
    """The model, its instructions and tools."""
    acknowledgement_delay_ms: NotRequired[_Milliseconds]
    """Milliseconds before the model says something such as "one moment". Default 0: at once."""


class LiveDecisionsDelegationParam(TypedDict):
    """A decision model answers questions. Azure does not have it."""

    type: Literal["decisions"]
    """Always `decisions`."""
    decisions: JsonParam
    """The model and its questions, as a plain dict: `{"model": …, "questions": […]}`."""
    acknowledgement_delay_ms: NotRequired[_Milliseconds]
    """Milliseconds before the model says something such as "one moment". Default 400."""


def _delegation_kind(value: object) -> str | None:
    kinds = {"client": "Client", "responses": "Responses", "decisions": "Decisions"}
    return kinds.get(str(type_of(value)))


LiveDelegationParam = Annotated[
    Annotated[LiveClientDelegationParam, Tag("Client")]
    | Annotated[LiveResponsesDelegationParam, Tag("Responses")]
    | Annotated[LiveDecisionsDelegationParam, Tag("Decisions")],
    Discriminator(
        _delegation_kind,
        custom_error_type="unexpected_value",
        custom_error_message="must be an object whose type is client, responses or decisions",
    ),
]
"""Who does the tasks that the model delegates."""
