"""Realtime and transcription sessions in the nested ("ga") shape: parameters and responses."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Required

from pydantic import Discriminator, Tag, with_config
from typing_extensions import TypedDict

from openai_realtime.types.annotations import AS_LIST, STRICT, Between, TaggedUnion, type_of
from openai_realtime.types.audio import (
    CustomVoice,
    CustomVoiceParam,
    Modality,
    NoiseReduction,
    NoiseReductionParam,
    Transcription,
    TranscriptionParam,
    VoiceName,
)
from openai_realtime.types.base import WireModel
from openai_realtime.types.client_secret import ExpiresAfterParam, NestedSecretResponse
from openai_realtime.types.options import RequestOptions
from openai_realtime.types.session_settings import (
    Include,
    MaxTokens,
    Prompt,
    PromptParam,
    RealtimeModel,
    RetentionRatioTruncation,
    RetentionRatioTruncationParam,
    TracingConfiguration,
    TracingConfigurationParam,
)
from openai_realtime.types.tools import (
    NestedTool,
    NestedToolParam,
    ToolChoiceFunctionParam,
    ToolChoiceMcpParam,
)
from openai_realtime.types.turn_detection import (
    NestedTurnDetectionParam,
    TurnDetection,
)


class AudioEncodingParam(TypedDict, total=False):
    """How audio is encoded."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
    """`audio/pcm` (16-bit, 24 kHz), `audio/pcmu` (G.711 μ-law) or `audio/pcma` (G.711 A-law).
    Default: the server's."""
    rate: Literal[24000]
    """Samples a second of `audio/pcm`: 24000, the default. The other two have none."""


class AudioInputParam(TypedDict, total=False):
    """What comes from the person."""

    format: AudioEncodingParam
    """Its encoding. Default: PCM at 24 kHz."""
    transcription: TranscriptionParam | None
    """How it is transcribed. Default, and None: not at all."""
    noise_reduction: NoiseReductionParam | None
    """Noise reduction. Default, and None: off."""
    turn_detection: NestedTurnDetectionParam | None
    """How the end of a turn is heard. Default: `server_vad`; None: the client decides."""


class AudioOutputParam(TypedDict, total=False):
    """What the person hears."""

    format: AudioEncodingParam
    """Its encoding. Default: PCM at 24 kHz."""
    voice: VoiceName | CustomVoiceParam
    """The voice, such as `verse`, or `{"id": …}` for a custom one. Default: `alloy`."""
    speed: Annotated[float, Between(0.25, 1.5)]
    """The speed of speech, 0.25–1.5. Default 1.0."""


class AudioParam(TypedDict, total=False):
    """Audio in and out."""

    input: AudioInputParam
    """What comes from the person."""
    output: AudioOutputParam
    """What the person hears."""


class TranscriptionAudioParam(TypedDict, total=False):
    """Audio of a transcription session."""

    input: AudioInputParam
    """What is transcribed."""


class ReasoningParam(TypedDict, total=False):
    """How much a reasoning model thinks."""

    effort: Literal["minimal", "low", "medium", "high", "xhigh"]
    """How much. Default `low`. Only reasoning models, such as `gpt-realtime-2`, take it."""


class NestedSessionParameters(TypedDict, total=False):
    """The parameters of a nested realtime session, without its type."""

    model: RealtimeModel
    """The realtime model, such as `gpt-realtime`. Default: the server's."""
    output_modalities: list[Modality]
    """`["audio"]` (default; with its transcript) or `["text"]`; never both."""
    instructions: str
    """The system instructions. Default: the server's."""
    audio: AudioParam
    """Audio in and out."""
    include: list[Include] | None
    """More to put into the server's events. Default: nothing more."""
    tracing: Literal["auto"] | TracingConfigurationParam | None
    """Traces in the provider's dashboard: `"auto"`, or their names. Default, and None: off."""
    tools: Annotated[Sequence[NestedToolParam], AS_LIST]
    """Functions and MCP servers the model may call. Default: none."""
    tool_choice: Literal["auto", "none", "required"] | ToolChoiceFunctionParam | ToolChoiceMcpParam
    """Which tool the model calls. Default `auto`."""
    parallel_tool_calls: bool
    """Whether several tools may be called at once. Only reasoning models take it."""
    reasoning: ReasoningParam
    """How much a reasoning model thinks."""
    max_output_tokens: MaxTokens
    """The most tokens of one response, tool calls included: 1–4096, or `"inf"` (default)."""
    truncation: Literal["auto", "disabled"] | RetentionRatioTruncationParam
    """How a conversation that grows too long is cut. Default `auto`."""
    prompt: PromptParam | None
    """A stored prompt to use. Default, and None: none."""


class RealtimeSessionParam(NestedSessionParameters, total=False):
    """A nested realtime session."""

    type: Required[Literal["realtime"]]
    """Always `realtime`."""


class TranscriptionSessionParam(TypedDict, total=False):
    """A nested transcription session. Its model is `audio.input.transcription.model`."""

    type: Required[Literal["transcription"]]
    """Always `transcription`."""
    audio: TranscriptionAudioParam
    """What is transcribed."""
    include: list[Include] | None
    """More to put into the server's events. Default: nothing more."""


def _kind(value: object) -> str:
    """Return which session is asked for: one without a type is a realtime session."""
    return "Transcription" if type_of(value) == "transcription" else "Realtime"


@with_config(STRICT)
class ClientSecretParameters(TypedDict, total=False):
    """What a client secret can be asked for."""

    expires_after: ExpiresAfterParam
    """How long it may live. Default: 600 seconds."""
    session: Annotated[
        Annotated[RealtimeSessionParam, Tag("Realtime")]
        | Annotated[TranscriptionSessionParam, Tag("Transcription")],
        Discriminator(_kind),
    ]
    """The session it opens, realtime or transcription. Default: the server's."""


class ClientSecretCreateParams(ClientSecretParameters, RequestOptions, total=False):
    """The keyword arguments of `client_secrets.create`."""


class AudioEncoding(WireModel):
    """How audio is encoded."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] | str | None = None
    """`audio/pcm`, `audio/pcmu` (G.711 μ-law) or `audio/pcma` (G.711 A-law)."""
    rate: int | None = None
    """Samples a second of `audio/pcm`."""


class AudioInput(WireModel):
    """What comes from the person."""

    format: AudioEncoding | None = None
    """Its encoding."""
    transcription: Transcription | None = None
    """How it is transcribed; None: not at all."""
    noise_reduction: NoiseReduction | None = None
    """Noise reduction; None: off."""
    turn_detection: TurnDetection | None = None
    """How the end of a turn is heard; None: the client decides."""


class AudioOutput(WireModel):
    """What the person hears."""

    format: AudioEncoding | None = None
    """Its encoding."""
    voice: VoiceName | CustomVoice | None = None
    """The voice."""
    speed: float | None = None
    """The speed of speech, 0.25–1.5."""


class Audio(WireModel):
    """Audio in and out."""

    input: AudioInput | None = None
    """What comes from the person."""
    output: AudioOutput | None = None
    """What the person hears."""


class Reasoning(WireModel):
    """How much a reasoning model thinks."""

    effort: Literal["minimal", "low", "medium", "high", "xhigh"] | str | None = None
    """How much."""


class NestedRealtimeSession(WireModel):
    """A realtime session as the nested shape describes it."""

    type: Literal["realtime"] | str | None = None
    """Always `realtime`."""
    id: str | None = None
    """The session's id, such as `sess_…`."""
    object: Literal["realtime.session"] | str | None = None
    """Always `realtime.session`."""
    expires_at: int | None = None
    """When the session expires, in Unix seconds; often 0. Not when the secret does."""
    model: RealtimeModel | None = None
    """The realtime model."""
    output_modalities: list[Modality] | None = None
    """`["audio"]` (with its transcript) or `["text"]`."""
    instructions: str | None = None
    """The system instructions."""
    audio: Audio | None = None
    """Audio in and out."""
    include: list[Include] | None = None
    """More that is put into the server's events."""
    tracing: Literal["auto"] | str | TracingConfiguration | None = None
    """Traces in the provider's dashboard; None: off."""
    tools: list[NestedTool] | None = None
    """Functions and MCP servers the model may call."""
    tool_choice: str | ToolChoiceFunctionParam | ToolChoiceMcpParam | None = None
    """Which tool the model calls."""
    parallel_tool_calls: bool | None = None
    """Whether several tools may be called at once."""
    reasoning: Reasoning | None = None
    """How much a reasoning model thinks."""
    max_output_tokens: int | Literal["inf"] | str | None = None
    """The most tokens of one response: 1–4096, or `"inf"`."""
    truncation: Literal["auto", "disabled"] | str | RetentionRatioTruncation | None = None
    """How a conversation that grows too long is cut."""
    prompt: Prompt | None = None
    """The stored prompt in use."""


class NestedTranscriptionSession(WireModel):
    """A transcription session as the nested shape describes it."""

    type: Literal["transcription"] | str | None = None
    """Always `transcription`."""
    id: str | None = None
    """The session's id, such as `sess_…`."""
    object: Literal["realtime.transcription_session"] | str | None = None
    """Always `realtime.transcription_session`."""
    expires_at: int | None = None
    """When the session expires, in Unix seconds; often 0. Not when the secret does."""
    audio: Audio | None = None
    """What is transcribed."""
    include: list[Include] | None = None
    """More that is put into the server's events."""


if TYPE_CHECKING:
    NestedSession = NestedRealtimeSession | NestedTranscriptionSession
else:
    NestedSession = Annotated[
        NestedRealtimeSession,
        TaggedUnion(
            (("realtime", NestedRealtimeSession), ("transcription", NestedTranscriptionSession))
        ),
    ]
"""A session in a nested response; one without a type is a realtime session."""


class ClientSecretCreateResponse(NestedSecretResponse):
    """A client secret (`value`, `expires_at`, …) and the session it opens."""

    session: NestedSession | None = None
    """The session it opens; None where the server does not say (xAI)."""
