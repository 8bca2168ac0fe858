"""Settings of both shapes; flat ("beta") sessions as parameters and responses; a pool's parameters."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, NotRequired

from pydantic import with_config
from typing_extensions import TypedDict

from openai_realtime.types.annotations import (
    AS_LIST,
    STRICT,
    Between,
    Expect,
    FloatWhenNull,
    JsonParam,
)
from openai_realtime.types.audio import (
    AudioFormat,
    CustomVoice,
    CustomVoiceParam,
    Modality,
    NoiseReduction,
    NoiseReductionParam,
    Transcription,
    TranscriptionParam,
    TurnDetection,
    TurnDetectionParam,
    VoiceName,
)
from openai_realtime.types.base import RequestOptions, WireModel
from openai_realtime.types.client_secret import (
    ClientSecretParam,
    FlatSecretResponse,
    TranscriptionClientSecretParam,
)
from openai_realtime.types.tools import (
    FlatToolChoice,
    FlatToolParam,
    SessionTool,
    ToolChoiceFunctionParam,
)

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
            "gpt-audio-1.5",
            "gpt-audio-mini",
            "gpt-audio-mini-2025-10-06",
            "gpt-audio-mini-2025-12-15",
        ]
        | str
    )
    """A realtime model; any other text is sent as it is."""
    Include = Literal["item.input_audio_transcription.logprobs"] | str
    """An additional field of the server's events; any other text is sent as it is."""
else:  # At run time every string is valid, and a union with literals would only be slower.
    RealtimeModel = Include = str

MaxTokens = Annotated[
    Annotated[int, Between(1, 4096)] | Literal["inf"],
    Expect('a whole number from 1 to 4096, or "inf"'),
]
"""The most tokens of one response: 1–4096, or `"inf"`."""


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


@with_config(STRICT)
class SessionParameters(TypedDict, total=False):
    """The parameters of a realtime session. Absent: the server's default. None: switched off."""

    model: RealtimeModel
    """The realtime model, such as `gpt-realtime-2.1`. Default: the server's."""
    modalities: list[Modality]
    """What the model responds with: `["text", "audio"]` (default), or `["text"]` for no audio."""
    instructions: str
    """The system instructions. Default: the server's."""
    voice: VoiceName | CustomVoiceParam
    """The voice, such as `verse`, or `{"id": …}` for a custom one. Default: `alloy`."""
    input_audio_format: AudioFormat
    """`pcm16` (24 kHz, mono, 16-bit little-endian; default), `g711_ulaw` or `g711_alaw`."""
    output_audio_format: AudioFormat
    """`pcm16` (24 kHz, mono, 16-bit little-endian; default), `g711_ulaw` or `g711_alaw`."""
    input_audio_transcription: TranscriptionParam | None
    """How the person's speech is transcribed. Default, and None: no transcription."""
    input_audio_noise_reduction: NoiseReductionParam | None
    """Noise reduction of the input. Default, and None: off."""
    turn_detection: TurnDetectionParam | None
    """How the end of a turn is detected. Default: `server_vad`; None: the client decides."""
    speed: Annotated[float, Between(0.25, 1.5)]
    """The speed of speech, 0.25–1.5. Default 1.0."""
    temperature: Annotated[float, Between(0.6, 1.2)]
    """The sampling temperature, 0.6–1.2. Default 0.8."""
    max_response_output_tokens: MaxTokens
    """The most tokens of one response, tool calls included: 1–4096, or `"inf"` (default)."""
    tools: Annotated[Sequence[FlatToolParam], AS_LIST]
    """The functions the model may call: dicts, or `FunctionTool.from_function(f)`. Default: none."""
    tool_choice: FlatToolChoice
    """Which tool the model calls: `auto` (default), `none`, `required`, or a function."""
    tracing: Literal["auto"] | TracingConfigurationParam | None
    """Traces in the provider's dashboard: `"auto"`, or a configuration. Default, and None: off."""
    truncation: Literal["auto", "disabled"] | RetentionRatioTruncationParam
    """How a conversation that is too long is shortened. Default `auto`."""
    prompt: PromptParam | None
    """The stored prompt to use. Default, and None: no prompt. OpenAI removes it on 2026-11-30."""
    include: list[Include] | None
    """Additional fields of the server's events. Default: none."""
    client_secret: ClientSecretParam
    """The secret's lifetime. Default: 60 seconds."""
    max_duration_seconds: Annotated[int, Between(60, 7200)]
    """Only ElevenLabs: when the session ends, 60–7200. Default there: 600."""


class SessionCreateParams(SessionParameters, RequestOptions, total=False):
    """The keyword arguments of `sessions.create`."""


class SecretPoolParams(SessionCreateParams, total=False):
    """The keyword arguments of `secret_pool`: those of `sessions.create`, and the pool's own."""

    size: int
    """The most secrets in the pool, 1–1000. Default 8. The pool starts with this many; later it
    holds about as many as were acquired in the last 30 seconds."""
    min_size: int
    """The fewest secrets in the pool when none are acquired, 0 to `size`. Default 1."""
    min_ttl: float
    """The shortest remaining lifetime of a ready secret in seconds, 0–7000. Default 30. The pool
    mints a replacement before a secret reaches it. It is also the default of `acquire`."""
    concurrency: int
    """How many mints may run at once, 1–100. Default 8."""
    name: str
    """The pool's name in events, metrics and errors; give each pool its own. Default: `sessions`,
    then `sessions-2` and so on, in the order in which a process makes its pools."""


class RealtimeSessionCreateResponse(FlatSecretResponse):
    """A realtime session and the ephemeral client secret that opens it."""

    id: str | None = None
    """The session's id, such as `sess_…`."""
    object: Literal["realtime.session"] | str | None = None
    """Always `realtime.session`."""
    model: RealtimeModel | None = None
    """The realtime model."""
    expires_at: int | None = None
    """When the session expires, in Unix seconds; often 0. The secret expires at
    `client_secret.expires_at`."""
    modalities: list[Modality] | None = None
    """What the model responds with: `text`, `audio`, or both."""
    instructions: str | None = None
    """The system instructions."""
    voice: VoiceName | CustomVoice | None = None
    """The voice."""
    input_audio_format: AudioFormat | None = None
    """`pcm16` (24 kHz, mono, 16-bit little-endian), `g711_ulaw` or `g711_alaw`."""
    output_audio_format: AudioFormat | None = None
    """`pcm16` (24 kHz, mono, 16-bit little-endian), `g711_ulaw` or `g711_alaw`."""
    input_audio_transcription: Transcription | None = None
    """How the person's speech is transcribed; None: no transcription."""
    input_audio_noise_reduction: NoiseReduction | None = None
    """Noise reduction of the input; None: off."""
    turn_detection: TurnDetection | None = None
    """How the end of a turn is detected; None: the client decides."""
    speed: Annotated[float, FloatWhenNull(1.0)] = 1.0
    """The speed of speech, 0.25–1.5. Default 1.0."""
    temperature: float | None = None
    """The sampling temperature, 0.6–1.2."""
    max_response_output_tokens: int | Literal["inf"] | str | None = None
    """The most tokens of one response: 1–4096, or `"inf"`."""
    tools: list[SessionTool] | None = None
    """The tools the model may call: functions, and MCP servers that came by `extra_body`."""
    tool_choice: Literal["auto", "none", "required"] | str | ToolChoiceFunctionParam | None = None
    """Which tool the model calls."""
    tracing: Literal["auto"] | str | TracingConfiguration | None = None
    """Traces in the provider's dashboard; None: off."""
    truncation: Literal["auto", "disabled"] | str | RetentionRatioTruncation | None = None
    """How a conversation that is too long is shortened."""
    prompt: Prompt | None = None
    """The stored prompt in use."""
    include: list[Include] | None = None
    """Additional fields of the server's events."""


@with_config(STRICT)
class TranscriptionSessionParameters(TypedDict, total=False):
    """The parameters of a transcription session. Absent: the server's default. None: off."""

    input_audio_format: AudioFormat
    """`pcm16` (24 kHz, mono, 16-bit little-endian; default), `g711_ulaw` or `g711_alaw`."""
    input_audio_transcription: TranscriptionParam
    """The transcription model, its language and its prompt."""
    input_audio_noise_reduction: NoiseReductionParam | None
    """Noise reduction of the input. Default, and None: off."""
    turn_detection: TurnDetectionParam | None
    """How the end of a turn is detected. Default: `server_vad`; None: the client decides."""
    modalities: list[Modality]
    """What the server may send: `text`, `audio`. Default: the server's."""
    include: list[Include] | None
    """Additional fields of the server's events. Default: none."""
    client_secret: TranscriptionClientSecretParam
    """The secret's lifetime. Default: the server's."""


class TranscriptionSessionCreateParams(TranscriptionSessionParameters, RequestOptions, total=False):
    """The keyword arguments of `transcription_sessions.create`."""


class RealtimeTranscriptionSessionCreateResponse(FlatSecretResponse):
    """A transcription session and the ephemeral client secret that opens it."""

    id: str | None = None
    """The session's id, such as `sess_…`."""
    object: Literal["realtime.transcription_session"] | str | None = None
    """Always `realtime.transcription_session`."""
    expires_at: int | None = None
    """When the session expires, in Unix seconds; often 0. The secret has its own expiry."""
    modalities: list[Modality] | None = None
    """What the server may send."""
    input_audio_format: AudioFormat | None = None
    """`pcm16` (24 kHz, mono, 16-bit little-endian), `g711_ulaw` or `g711_alaw`."""
    input_audio_transcription: Transcription | None = None
    """The transcription model, its language and its prompt."""
    input_audio_noise_reduction: NoiseReduction | None = None
    """Noise reduction of the input; None: off."""
    turn_detection: TurnDetection | None = None
    """How the end of a turn is detected; None: the client decides."""
    include: list[Include] | None = None
    """Additional fields of the server's events."""
