"""Translation sessions: their parameters and responses."""

from typing import Annotated, Literal, NotRequired, Required

from pydantic import with_config
from typing_extensions import TypedDict

from openai_realtime.types.annotations import STRICT, Between
from openai_realtime.types.audio import (
    NoiseReduction,
    Transcription,
    TranscriptionModel,
)
from openai_realtime.types.base import RequestOptions, WireModel
from openai_realtime.types.client_secret import ExpiresAfterParam, NestedSecretResponse


class TranslationTranscriptionParam(TypedDict):
    """How the speech is transcribed in addition to the translation."""

    model: TranscriptionModel
    """The transcription model, such as `gpt-realtime-whisper`."""


class TranslationNoiseReductionParam(TypedDict):
    """The filter that removes noise from the audio before it is translated."""

    type: Literal["near_field", "far_field"]
    """`near_field` for headsets, `far_field` for laptops and conference rooms."""
    strength: NotRequired[Annotated[float, Between(0)]]
    """How much noise is suppressed, 0 or more; a higher value suppresses more. Default 1."""


class TranslationInputParam(TypedDict, total=False):
    """The speech that is translated."""

    transcription: TranslationTranscriptionParam | None
    """How the speech is transcribed. Default, and None: no transcription."""
    noise_reduction: TranslationNoiseReductionParam | None
    """Noise reduction. Default, and None: off."""


class TranslationOutputParam(TypedDict, total=False):
    """The translated speech."""

    language: str
    """The language to translate into, as ISO-639-1, such as `es`."""


class TranslationAudioParam(TypedDict, total=False):
    """Audio in and out."""

    input: TranslationInputParam
    """The speech that is translated."""
    output: TranslationOutputParam
    """The translated speech."""


class TranslationSessionParam(TypedDict):
    """A translation session. It has no type in a request."""

    model: str
    """The translation model, such as `gpt-realtime-translate`."""
    audio: NotRequired[TranslationAudioParam]
    """Audio in and out."""


@with_config(STRICT)
class TranslationParameters(TypedDict, total=False):
    """The parameters of a translation session's client secret."""

    expires_after: ExpiresAfterParam
    """The secret's lifetime. Default: 600 seconds."""
    session: Required[TranslationSessionParam]
    """The session that the secret opens."""


class TranslationClientSecretCreateParams(TranslationParameters, RequestOptions, total=False):
    """The keyword arguments of `translations.client_secrets.create`."""


class TranslationInput(WireModel):
    """The speech that is translated."""

    transcription: Transcription | None = None
    """How the speech is transcribed; None: no transcription."""
    noise_reduction: NoiseReduction | None = None
    """Noise reduction; None: off."""


class TranslationOutput(WireModel):
    """The translated speech."""

    language: str | None = None
    """The language it is in, as ISO-639-1."""


class TranslationAudio(WireModel):
    """Audio in and out."""

    input: TranslationInput | None = None
    """The speech that is translated."""
    output: TranslationOutput | None = None
    """The translated speech."""


class RealtimeTranslationSession(WireModel):
    """A translation session."""

    type: Literal["translation"] | str | None = None
    """Always `translation`."""
    id: str | None = None
    """The session's id, such as `sess_…`."""
    expires_at: int | None = None
    """When the session expires, in Unix seconds."""
    model: str | None = None
    """The translation model."""
    audio: TranslationAudio | None = None
    """Audio in and out."""


class TranslationClientSecretCreateResponse(NestedSecretResponse):
    """A client secret (`value`, `expires_at`, …) and the translation session that it opens."""

    session: RealtimeTranslationSession | None = None
    """The session that the secret opens; None if the server does not send it."""
