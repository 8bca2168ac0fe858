"""Settings that sessions of both shapes have: models, tokens, tracing, truncation, prompts."""

from typing import TYPE_CHECKING, Annotated, Literal, NotRequired

from typing_extensions import TypedDict

from openai_realtime.types.annotations import Between, Expect, JsonParam
from openai_realtime.types.base import WireModel

if TYPE_CHECKING:
    RealtimeModel = (
        Literal[
            "gpt-4o-mini-realtime-preview",
            "gpt-4o-mini-realtime-preview-2024-12-17",
            "gpt-4o-realtime-preview",
            "gpt-4o-realtime-preview-2024-10-01",
            "gpt-4o-realtime-preview-2024-12-17",
            "gpt-4o-realtime-preview-2025-06-03",
            "gpt-realtime",
            "gpt-realtime-1.5",
            "gpt-realtime-2",
            "gpt-realtime-2.1",
            "gpt-realtime-2.1-mini",
            "gpt-realtime-2025-08-28",
            "gpt-realtime-mini",
            "gpt-realtime-mini-2025-10-06",
            "gpt-realtime-mini-2025-12-15",
        ]
        | str
    )
    Include = Literal["item.input_audio_transcription.logprobs"] | str
else:  # At run time every string is valid, and a union with literals would only be slower.
    RealtimeModel = Include = str

MaxTokens = Annotated[
    Annotated[int, Between(1, 4096)] | Literal["inf"],
    Expect('a whole number from 1 to 4096, or "inf"'),
]


class TracingConfigurationParam(TypedDict, total=False):
    """How the session appears in the traces dashboard."""

    workflow_name: str
    """The name of the trace. Default: the server's."""
    group_id: str
    """An id that groups traces, so that the dashboard can filter by it."""
    metadata: JsonParam
    """JSON values by which the dashboard can filter traces."""


class TokenLimitsParam(TypedDict, total=False):
    """Token limits of a truncation."""

    post_instructions: Annotated[int, Between(0)]
    """The most tokens of a conversation, without its instructions and tools: 0 or more."""


class RetentionRatioTruncationParam(TypedDict):
    """The truncation that keeps a share of a conversation that is too long."""

    type: Literal["retention_ratio"]
    """Always `retention_ratio`."""
    retention_ratio: Annotated[float, Between(0, 1)]
    """The share of tokens that are retained, 0–1."""
    token_limits: NotRequired[TokenLimitsParam]
    """Token limits. Default: the model's."""


class PromptParam(TypedDict):
    """A stored prompt and its variables."""

    id: str
    """The prompt's id."""
    version: NotRequired[str | None]
    """The prompt's version. Default: the current one."""
    variables: NotRequired[JsonParam | None]
    """Values for the prompt's variables: text, or image and file inputs."""


class TracingConfiguration(WireModel):
    """How the session appears in the traces dashboard."""

    workflow_name: str | None = None
    """The name of the trace."""
    group_id: str | None = None
    """An id that groups traces, so that the dashboard can filter by it."""
    metadata: dict[str, object] | None = None
    """JSON values by which the dashboard can filter traces."""


class TokenLimits(WireModel):
    """Token limits of a truncation."""

    post_instructions: int | None = None
    """The most tokens of a conversation, without its instructions and tools."""


class RetentionRatioTruncation(WireModel):
    """The truncation that keeps a share of a conversation that is too long."""

    type: Literal["retention_ratio"] | str | None = None
    """Always `retention_ratio`."""
    retention_ratio: float | None = None
    """The share of tokens that are retained, 0–1."""
    token_limits: TokenLimits | None = None
    """Token limits. Default: the model's."""


class Prompt(WireModel):
    """A stored prompt and its variables."""

    id: str | None = None
    """The prompt's id."""
    version: str | None = None
    """The prompt's version."""
    variables: dict[str, object] | None = None
    """Values for the prompt's variables."""
