"""Formats, voices, transcription, noise reduction, turn detection: parameters and responses."""

from typing import TYPE_CHECKING, Annotated, Literal, Required, cast

from pydantic import Discriminator, Tag
from typing_extensions import TypedDict

from openai_realtime.types.annotations import Between
from openai_realtime.types.base import WireModel

if TYPE_CHECKING:
    AudioFormat = Literal["pcm16", "g711_ulaw", "g711_alaw"] | str
    """The encoding of audio in the flat shape; any other text is sent as it is."""
    VoiceName = (
        Literal[
            "alloy",
            "ash",
            "ballad",
            "cedar",
            "coral",
            "echo",
            "marin",
            "sage",
            "shimmer",
            "verse",
        ]
        | str
    )
    """The name of a voice; any other text is sent as it is."""
    TranscriptionModel = (
        Literal[
            "gpt-4o-mini-transcribe",
            "gpt-4o-mini-transcribe-2025-12-15",
            "gpt-4o-transcribe",
            "gpt-4o-transcribe-diarize",
            "gpt-live-transcribe",
            "gpt-realtime-whisper",
            "gpt-transcribe",
            "whisper-1",
        ]
        | str
    )
    """A model that transcribes; any other text is sent as it is."""
    Modality = Literal["text", "audio"] | str
    """What a model responds with; any other text is sent as it is."""
else:  # At run time every string is valid, and a union with literals would only be slower.
    AudioFormat = VoiceName = TranscriptionModel = Modality = str


class CustomVoiceParam(TypedDict):
    """A custom voice, by its id."""

    id: str
    """The voice's id, such as `voice_1234`."""


class TranscriptionParam(TypedDict, total=False):
    """How the person's speech is transcribed."""

    model: TranscriptionModel
    """The transcription model, such as `gpt-transcribe`. Default: the server's."""
    language: str
    """The spoken language as ISO-639-1, such as `en`; it improves accuracy and latency."""
    prompt: str
    """Guidance for the model's style; for the oldest models, a list of keywords."""
    languages: list[str]
    """Languages that may be spoken, as ISO-639-1. For `gpt-transcribe`, `gpt-live-transcribe`."""
    keywords: list[str]
    """Words to expect. For `gpt-transcribe` and `gpt-live-transcribe` only."""
    delay: Literal["minimal", "low", "medium", "high", "xhigh"]
    """How long the model waits before it emits text. For `gpt-realtime-whisper` only."""


class NoiseReductionParam(TypedDict, total=False):
    """The filter that removes noise from the audio before turn detection and the model get it."""

    type: Literal["near_field", "far_field"]
    """`near_field` for headsets, `far_field` for laptops and conference rooms. Default: the
    server's."""
    strength: Annotated[float, Between(0)]
    """How much noise is suppressed, 0 or more; a higher value suppresses more. Default 1."""


class TurnDetectionParam(TypedDict, total=False):
    """How the server detects the end of a turn. None in its place: the client decides."""

    type: Literal["server_vad", "semantic_vad"]
    """`server_vad` (default) uses the volume, `semantic_vad` the words."""
    threshold: Annotated[float, Between(0, 1)]
    """server_vad: the lowest volume of speech, 0–1. Default 0.5; raise it for noisy rooms."""
    prefix_padding_ms: Annotated[int, Between(0)]
    """server_vad: audio included from before the speech, in milliseconds. Default 300."""
    silence_duration_ms: Annotated[int, Between(0)]
    """server_vad: silence that ends a turn, in milliseconds. Default 500."""
    idle_timeout_ms: Annotated[int, Between(5000, 30000)] | None
    """server_vad: silence after which a response starts anyway, 5000–30000 ms. Default: never."""
    eagerness: Literal["low", "medium", "high", "auto"]
    """semantic_vad: how soon the model responds. `low` waits at most 8 s, `medium` 4 s, `high` 2 s.
    Default `auto`, which is `medium`."""
    create_response: bool
    """Whether the server starts a response when a turn ends. Default true."""
    interrupt_response: bool
    """Whether the person's speech interrupts a response. Default true."""


class ServerVadParam(TypedDict, total=False):
    """Turn detection by volume."""

    type: Required[Literal["server_vad"]]
    """Always `server_vad`."""
    threshold: Annotated[float, Between(0, 1)]
    """The lowest volume of speech, 0–1. Default 0.5; raise it for noisy rooms."""
    prefix_padding_ms: Annotated[int, Between(0)]
    """Audio included from before the speech, in milliseconds. Default 300."""
    silence_duration_ms: Annotated[int, Between(0)]
    """Silence that ends a turn, in milliseconds. Default 500."""
    idle_timeout_ms: Annotated[int, Between(5000, 30000)] | None
    """Silence after which a response starts anyway, 5000–30000 ms. Default: never."""
    create_response: bool
    """Whether the server starts a response when a turn ends. Default true."""
    interrupt_response: bool
    """Whether the person's speech interrupts a response. Default true."""


class SemanticVadParam(TypedDict, total=False):
    """Turn detection by the words that were spoken."""

    type: Required[Literal["semantic_vad"]]
    """Always `semantic_vad`."""
    eagerness: Literal["low", "medium", "high", "auto"]
    """How soon the model responds. `low` waits at most 8 s, `medium` 4 s, `high` 2 s. Default
    `auto`, which is `medium`."""
    create_response: bool
    """Whether the server starts a response when a turn ends. Default true."""
    interrupt_response: bool
    """Whether the person's speech interrupts a response. Default true."""


def _kind(value: object) -> str | None:
    kinds = {"server_vad": "ServerVad", "semantic_vad": "SemanticVad"}
    kind: object = cast("dict[str, object]", value).get("type") if isinstance(value, dict) else None
    return kinds.get(kind) if isinstance(kind, str) else None


NestedTurnDetectionParam = Annotated[
    Annotated[ServerVadParam, Tag("ServerVad")] | Annotated[SemanticVadParam, Tag("SemanticVad")],
    Discriminator(
        _kind,
        custom_error_type="unexpected_value",
        custom_error_message='must be a dict whose type is "server_vad" or "semantic_vad"',
    ),
]
"""Turn detection in the nested shape, where its type is required."""


class CustomVoice(WireModel):
    """A custom voice, by its id."""

    id: str
    """The voice's id."""


class Transcription(WireModel):
    """How the person's speech is transcribed."""

    model: TranscriptionModel | None = None
    """The transcription model."""
    language: str | None = None
    """The spoken language as ISO-639-1."""
    prompt: str | None = None
    """Guidance for the transcription model."""
    languages: list[str] | None = None
    """Languages that may be spoken, as ISO-639-1."""
    keywords: list[str] | None = None
    """Words to expect."""
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | str | None = None
    """How long the model waits before it emits text."""


class NoiseReduction(WireModel):
    """Noise reduction of the input."""

    type: Literal["near_field", "far_field"] | str | None = None
    """`near_field` or `far_field`."""
    strength: float | None = None
    """How much noise is suppressed; a higher value suppresses more."""


class TurnDetection(WireModel):
    """How the server detects the end of a turn."""

    type: Literal["server_vad", "semantic_vad"] | str | None = None
    """`server_vad` uses the volume, `semantic_vad` the words."""
    threshold: float | None = None
    """server_vad: the lowest volume of speech, 0–1."""
    prefix_padding_ms: int | None = None
    """server_vad: audio included from before the speech, in milliseconds."""
    silence_duration_ms: int | None = None
    """server_vad: silence that ends a turn, in milliseconds."""
    idle_timeout_ms: int | None = None
    """server_vad: silence after which a response starts anyway, in milliseconds."""
    eagerness: Literal["low", "medium", "high", "auto"] | str | None = None
    """semantic_vad: how soon the model responds."""
    create_response: bool | None = None
    """Whether the server starts a response when a turn ends."""
    interrupt_response: bool | None = None
    """Whether the person's speech interrupts a response."""
