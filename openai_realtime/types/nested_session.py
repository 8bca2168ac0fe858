"""Realtime and transcription sessions in the nested ("ga") shape: parameters and responses."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Required

from pydantic import AliasChoices, Discriminator, Field, Tag, with_config
from typing_extensions import TypedDict

from openai_realtime.types.annotations import AS_LIST, STRICT, Between, TaggedUnion, type_of
from openai_realtime.types.audio import (
    CustomVoice,
    CustomVoiceParam,
    Modality,
    NestedTurnDetectionParam,
    NoiseReduction,
    NoiseReductionParam,
    Transcription,
    TranscriptionParam,
    TurnDetection,
    VoiceName,
)
from openai_realtime.types.base import RequestOptions, WireModel
from openai_realtime.types.client_secret import ExpiresAfterParam, NestedSecretResponse
from openai_realtime.types.session import (
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
    NestedToolChoice,
    NestedToolParam,
    SessionTool,
    ToolChoiceFunctionParam,
    ToolChoiceMcpParam,
)


class AudioEncodingParam(TypedDict, total=False):
    """How audio is encoded."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
    """`audio/pcm` (16-bit, 24 kHz), `audio/pcmu` (G.711 μ-law) or `audio/pcma` (G.711 A-law).
    Default: the server's."""
    rate: Literal[24000]
    """Samples per second of `audio/pcm`: 24000, the default. The other encodings have no rate."""


class AudioInputParam(TypedDict, total=False):
    """The audio that the person sends."""

    format: AudioEncodingParam
    """Its encoding. Default: PCM at 24 kHz."""
    transcription: TranscriptionParam | None
    """How it is transcribed. Default, and None: no transcription."""
    noise_reduction: NoiseReductionParam | None
    """Noise reduction. Default, and None: off."""
    turn_detection: NestedTurnDetectionParam | None
    """How the end of a turn is detected. Default: `server_vad`; None: the client decides."""


class AudioOutputParam(TypedDict, total=False):
    """The audio that the model produces."""

    format: AudioEncodingParam
    """Its encoding. Default: PCM at 24 kHz."""
    voice: VoiceName | CustomVoiceParam
    """The voice, such as `verse`, or `{"id": …}` for a custom one. Default: `alloy`."""
    speed: Annotated[float, Between(0.25, 1.5)]
    """The speed of speech, 0.25–1.5. Default 1.0."""


class AudioParam(TypedDict, total=False):
    """Audio in and out."""

    input: AudioInputParam
    """The audio that the person sends."""
    output: AudioOutputParam
    """The audio that the model produces."""


class TranscriptionAudioParam(TypedDict, total=False):
    """Audio of a transcription session."""

    input: AudioInputParam
    """What is transcribed."""


class ReasoningParam(TypedDict, total=False):
    """How much a reasoning model reasons before it responds."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"]
    """The amount of reasoning. Default `low`. Only for reasoning models, as `gpt-realtime-2` is;
    `none` turns it off, where the server takes it."""


class NestedSessionParameters(TypedDict, total=False):
    """The parameters of a nested realtime session, without its type."""

    model: RealtimeModel
    """The realtime model, such as `gpt-realtime-2.1`. Default: the server's."""
    output_modalities: list[Modality]
    """`["audio"]` (default; with its transcript) or `["text"]`; never both."""
    instructions: str
    """The system instructions. Default: the server's."""
    audio: AudioParam
    """Audio in and out."""
    include: list[Include] | None
    """Additional fields of the server's events. Default: none."""
    tracing: Literal["auto"] | TracingConfigurationParam | None
    """Traces in the provider's dashboard: `"auto"`, or a configuration. Default, and None: off."""
    tools: Annotated[Sequence[NestedToolParam], AS_LIST]
    """Functions and MCP servers the model may call. Default: none."""
    tool_choice: NestedToolChoice
    """Which tool the model calls. Default `auto`."""
    parallel_tool_calls: bool
    """Whether several tools may be called at once. Only for reasoning models."""
    reasoning: ReasoningParam
    """How much a reasoning model reasons before it responds."""
    max_output_tokens: MaxTokens
    """The most tokens of one response, tool calls included: 1–4096, or `"inf"` (default)."""
    truncation: Literal["auto", "disabled"] | RetentionRatioTruncationParam
    """How a conversation that is too long is shortened. Default `auto`."""
    prompt: PromptParam | None
    """The stored prompt to use. Default, and None: no prompt. OpenAI removes it on 2026-11-30."""


class RealtimeSessionParam(NestedSessionParameters, total=False):
    """A nested realtime session."""

    type: Required[Literal["realtime"]]
    """Always `realtime`."""
    max_duration_seconds: Annotated[int, Between(60, 7200)]
    """Only ElevenLabs: when the session ends, 60–7200. Default there: 600."""


class TranscriptionSessionParam(TypedDict, total=False):
    """A nested transcription session. Its model is `audio.input.transcription.model`."""

    type: Required[Literal["transcription"]]
    """Always `transcription`."""
    audio: TranscriptionAudioParam
    """What is transcribed."""
    include: list[Include] | None
    """Additional fields of the server's events. Default: none."""


def _kind(value: object) -> str | None:
    """Return the tag of a session, or None; a session without a type is a realtime session."""
    kind = type_of(value)
    if kind == "transcription":
        return "Transcription"
    return "Realtime" if kind is None or kind == "realtime" else None


@with_config(STRICT)
class ClientSecretParameters(TypedDict, total=False):
    """The parameters of a client secret."""

    expires_after: ExpiresAfterParam
    """The secret's lifetime. Default: 600 seconds, which is ten times that of `sessions.create`."""
    session: Annotated[
        Annotated[RealtimeSessionParam, Tag("Realtime")]
        | Annotated[TranscriptionSessionParam, Tag("Transcription")],
        Discriminator(
            _kind,
            custom_error_type="unexpected_value",
            custom_error_message='must be a dict whose type is "realtime" or "transcription"',
        ),
    ]
    """The session that the secret opens: realtime or transcription. Default: the server's."""


class ClientSecretCreateParams(ClientSecretParameters, RequestOptions, total=False):
    """The keyword arguments of `client_secrets.create`."""


class AudioEncoding(WireModel):
    """How audio is encoded."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] | str | None = None
    """`audio/pcm`, `audio/pcmu` (G.711 μ-law) or `audio/pcma` (G.711 A-law)."""
    rate: Literal[24000] | int | None = None
    """Samples per second of `audio/pcm`."""


class AudioInput(WireModel):
    """The audio that the person sends."""

    format: AudioEncoding | None = None
    """Its encoding."""
    transcription: Transcription | None = None
    """How it is transcribed; None: no transcription."""
    noise_reduction: NoiseReduction | None = None
    """Noise reduction; None: off."""
    turn_detection: TurnDetection | None = None
    """How the end of a turn is detected; None: the client decides."""


class AudioOutput(WireModel):
    """The audio that the model produces."""

    format: AudioEncoding | None = None
    """Its encoding."""
    voice: VoiceName | CustomVoice | None = None
    """The voice."""
    speed: float | None = None
    """The speed of speech, 0.25–1.5."""


class Audio(WireModel):
    """Audio in and out."""

    input: AudioInput | None = None
    """The audio that the person sends."""
    output: AudioOutput | None = None
    """The audio that the model produces."""


class Reasoning(WireModel):
    """How much a reasoning model reasons before it responds."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | str | None = None
    """The amount of reasoning."""


class NestedRealtimeSession(WireModel):
    """A realtime session in a nested response."""

    type: Literal["realtime"] | str | None = None
    """Always `realtime`."""
    id: str | None = None
    """The session's id, such as `sess_…`."""
    object: Literal["realtime.session"] | str | None = None
    """Always `realtime.session`."""
    expires_at: int | None = None
    """When the session expires, in Unix seconds; often 0. The secret has its own expiry."""
    model: RealtimeModel | None = None
    """The realtime model."""
    output_modalities: list[Modality] | None = None
    """`["audio"]` (with its transcript) or `["text"]`."""
    instructions: str | None = None
    """The system instructions."""
    audio: Audio | None = None
    """Audio in and out."""
    include: list[Include] | None = None
    """Additional fields of the server's events."""
    tracing: Literal["auto"] | str | TracingConfiguration | None = None
    """Traces in the provider's dashboard; None: off."""
    tools: list[SessionTool] | None = None
    """Functions and MCP servers the model may call."""
    tool_choice: (
        Literal["auto", "none", "required"]
        | str
        | ToolChoiceFunctionParam
        | ToolChoiceMcpParam
        | None
    ) = None
    """Which tool the model calls."""
    parallel_tool_calls: bool | None = None
    """Whether several tools may be called at once."""
    reasoning: Reasoning | None = None
    """How much a reasoning model reasons before it responds."""
    max_output_tokens: int | Literal["inf"] | str | None = Field(
        None, validation_alias=AliasChoices("max_output_tokens", "max_response_output_tokens")
    )
    """The most tokens of one response: 1–4096, or `"inf"`. (ElevenLabs sends it under the flat
    shape's name.)"""
    truncation: Literal["auto", "disabled"] | str | RetentionRatioTruncation | None = None
    """How a conversation that is too long is shortened."""
    prompt: Prompt | None = None
    """The stored prompt in use."""


class NestedTranscriptionSession(WireModel):
    """A transcription session in a nested response."""

    type: Literal["transcription"] | str | None = None
    """Always `transcription`."""
    id: str | None = None
    """The session's id, such as `sess_…`."""
    object: Literal["realtime.transcription_session"] | str | None = None
    """Always `realtime.transcription_session`."""
    expires_at: int | None = None
    """When the session expires, in Unix seconds; often 0. The secret has its own expiry."""
    audio: Audio | None = None
    """What is transcribed."""
    include: list[Include] | None = None
    """Additional fields of the server's events."""


if TYPE_CHECKING:
    NestedSession = NestedRealtimeSession | NestedTranscriptionSession
    """A session of a nested response."""
else:
    NestedSession = Annotated[
        NestedRealtimeSession,
        TaggedUnion(
            (("realtime", NestedRealtimeSession), ("transcription", NestedTranscriptionSession))
        ),
    ]
"""A session in a nested response; one without a type is a realtime session."""


class ClientSecretCreateResponse(NestedSecretResponse):
    """A client secret (`value`, `expires_at`, …) and the session that it opens."""

    session: NestedSession | None = None
    """The session that the secret opens; None if the server does not send it (xAI)."""
