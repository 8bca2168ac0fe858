"""The transcription session in the flat ("beta") shape: parameters, and the answer with the secret.

Owns: `transcription_sessions.create`'s parameters and answer. Must not know: how either travels.
"""

from typing import Literal

from pydantic import with_config
from typing_extensions import TypedDict

from openai_realtime.types.audio import (
    AudioFormat,
    Modality,
    NoiseReduction,
    NoiseReductionParam,
    Transcription,
    TranscriptionParam,
)
from openai_realtime.types.client_secret import FlatSecretResponse, TranscriptionClientSecretParam
from openai_realtime.types.constraints import STRICT
from openai_realtime.types.options import RequestOptions
from openai_realtime.types.session_values import Include
from openai_realtime.types.turn_detection import TurnDetection, TurnDetectionParam


@with_config(STRICT)
class TranscriptionSessionParameters(TypedDict, total=False):
    """What a transcription session can be told. Absent: the server's default. None: off."""

    input_audio_format: AudioFormat
    """`pcm16` (24 kHz, mono, 16-bit little-endian; default), `g711_ulaw` or `g711_alaw`."""
    input_audio_transcription: TranscriptionParam
    """The transcription model, its language and its prompt."""
    input_audio_noise_reduction: NoiseReductionParam | None
    """Noise reduction of the input. Default, and None: off."""
    turn_detection: TurnDetectionParam | None
    """How the end of a turn is heard. Default: `server_vad`; None: the client says."""
    modalities: list[Modality]
    """What the server may send: `text`, `audio`. Default: the server's."""
    include: list[Include] | None
    """More to put into the server's events. Default: nothing more."""
    client_secret: TranscriptionClientSecretParam
    """How long the secret may live. Default: the server's."""


class TranscriptionSessionCreateParams(TranscriptionSessionParameters, RequestOptions, total=False):
    """The keyword arguments of `transcription_sessions.create`."""


class RealtimeTranscriptionSessionCreateResponse(FlatSecretResponse):
    """A transcription session and the ephemeral client secret that opens it."""

    id: str | None = None
    """The session's id, such as `sess_…`."""
    object: Literal["realtime.transcription_session"] | str | None = None
    """Always `realtime.transcription_session`."""
    expires_at: int | None = None
    """When the session expires, in Unix seconds; often 0. Not when the secret does."""
    modalities: list[Modality] | None = None
    """What the server may send."""
    input_audio_format: AudioFormat | None = None
    """`pcm16` (24 kHz, mono, 16-bit little-endian), `g711_ulaw` or `g711_alaw`."""
    input_audio_transcription: Transcription | None = None
    """The transcription model, its language and its prompt."""
    input_audio_noise_reduction: NoiseReduction | None = None
    """Noise reduction of the input; None: off."""
    turn_detection: TurnDetection | None = None
    """How the end of a turn is heard; None: the client says."""
    include: list[Include] | None = None
    """More that is put into the server's events."""
