"""What is written to the provider's trace dashboard, and how long conversations are cut.

Owns: tracing, truncation and prompt references. Must not know: sessions.
"""

from typing import Annotated, Literal, NotRequired

from typing_extensions import TypedDict

from openai_realtime.types.base import WireModel
from openai_realtime.types.constraints import Between, JsonParam


class TracingConfigurationParam(TypedDict, total=False):
    """How the session appears in the traces dashboard."""

    workflow_name: str
    """The name of the trace. Default: the server's."""
    group_id: str
    """An id by which traces can be filtered together."""
    metadata: JsonParam
    """Anything to filter by in the dashboard."""


class TokenLimitsParam(TypedDict, total=False):
    """Token limits of a truncation."""

    post_instructions: Annotated[int, Between(0)]
    """The most tokens a conversation may hold beside its instructions and tools, 0 or more."""


class RetentionRatioTruncationParam(TypedDict):
    """Keep a share of the conversation when it grows too long."""

    type: Literal["retention_ratio"]
    """Always `retention_ratio`."""
    retention_ratio: Annotated[float, Between(0, 1)]
    """The share of tokens kept, 0–1."""
    token_limits: NotRequired[TokenLimitsParam]
    """Limits other than the model's own."""


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
    """An id by which traces can be filtered together."""
    metadata: dict[str, object] | None = None
    """Anything to filter by in the dashboard."""


class TokenLimits(WireModel):
    """Token limits of a truncation."""

    post_instructions: int | None = None
    """The most tokens a conversation may hold beside its instructions and tools."""


class RetentionRatioTruncation(WireModel):
    """Keep a share of the conversation when it grows too long."""

    type: Literal["retention_ratio"] | str | None = None
    """Always `retention_ratio`."""
    retention_ratio: float | None = None
    """The share of tokens kept, 0–1."""
    token_limits: TokenLimits | None = None
    """Limits other than the model's own."""


class Prompt(WireModel):
    """A stored prompt and its variables."""

    id: str | None = None
    """The prompt's id."""
    version: str | None = None
    """The prompt's version."""
    variables: dict[str, object] | None = None
    """Values for the prompt's variables."""
