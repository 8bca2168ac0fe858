"""Audio formats, voices, transcription and noise reduction, as parameters and in responses."""

from typing import TYPE_CHECKING, Literal

from typing_extensions import TypedDict

from openai_realtime.types.base import WireModel

if TYPE_CHECKING:
    AudioFormat = Literal["pcm16", "g711_ulaw", "g711_alaw"] | str
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
    Modality = Literal["text", "audio"] | str
else:  # At run time every string is valid, and a union with literals would only be slower.
    AudioFormat = VoiceName = TranscriptionModel = Modality = str


class CustomVoiceParam(TypedDict):
    """A custom voice, by its id."""

    id: str
    """The voice's id, such as `voice_1234`."""


class TranscriptionParam(TypedDict, total=False):
    """How the person's speech is transcribed."""

    model: TranscriptionModel
    """The transcription model, such as `gpt-4o-transcribe`. Default: the server's."""
    language: str
    """The spoken language as ISO-639-1, such as `en`; it improves accuracy and latency."""
    prompt: str
    """Guidance for the model's style, or a list of keywords for `whisper-1`."""
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
