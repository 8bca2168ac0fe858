"""The events of a sideband: one small model for all, and typed ones for what a backend acts on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self, cast

from pydantic import ValidationError

from openai_realtime.core.strict_json import decode_json
from openai_realtime.types.base import WireModel

RECONNECTED = "sideband.reconnected"
"""The type of the event that the SDK itself adds after a connection was lost and opened again."""


class SidebandEvent(WireModel):
    """An event of a running call. `type` names it; every other field of the event is kept as it is."""

    type: str
    """The event's type, such as `response.done`."""
    event_id: str | None = None
    """The server's id of the event."""

    def __getitem__(self, name: str) -> object:
        """Return a field by its name; raises `KeyError` if the event has no such field."""
        fields = {**self.__dict__, **(self.model_extra or {})}
        return fields[name]


class SessionEvent(SidebandEvent):
    """`session.created`, `session.started`, `session.updated`, `session.closed` and their like."""

    session: Mapping[str, object] | None = None
    """The session as it is now, if the event says it."""


class ResponseDone(SidebandEvent):
    """`response.done`: the model has finished a response, or it was cancelled or failed."""

    response: Mapping[str, object]
    """The response: its `status`, its `output` items and its `usage`."""


class ErrorEvent(SidebandEvent):
    """`error`: the server refuses an event, or the session fails."""

    error: Mapping[str, object]
    """The error: its `type`, `code` and `message`."""


class Reconnected(SidebandEvent):
    """The connection was lost and is open again: events of the time between were missed."""

    seconds_missed: float
    """Seconds from the last received bytes until the new connection was open."""


_MAX_NUMBER = 2.0**53  # JSON's numbers have no limit, and Python's floats have one
_MODELS: Mapping[str, type[SidebandEvent]] = {
    "response.done": ResponseDone,
    "error": ErrorEvent,
    RECONNECTED: Reconnected,
}


def read_event(message: str) -> SidebandEvent | None:
    """Return the event in a message; None if it is not a JSON object with a type."""
    try:
        value = decode_json(message.encode())
    except ValueError:
        return None
    if not isinstance(value, dict) or not isinstance(kind := value.get("type"), str):
        return None
    fields = cast("dict[str, object]", value)
    model = _MODELS.get(kind, SessionEvent if kind.startswith("session.") else SidebandEvent)
    for candidate in (model, SidebandEvent):
        try:
            return candidate.model_validate(fields)
        except ValidationError:
            continue
    return None


@dataclass(frozen=True, slots=True)
class SidebandUsage:
    """What a call has used so far, as the sideband heard it: what it missed is not counted.

    The Realtime API bills tokens, and each response counts its context anew. The transcription of
    what people say is billed besides, by its own model's price. GPT-Live bills seconds.
    """

    responses: int = 0
    """Responses of the model."""
    input_tokens: int = 0
    """Tokens that the model read, of every kind."""
    output_tokens: int = 0
    """Tokens that the model wrote, of every kind."""
    input_text_tokens: int = 0
    """Those of `input_tokens` that were text."""
    input_audio_tokens: int = 0
    """Those of `input_tokens` that were audio."""
    input_image_tokens: int = 0
    """Those of `input_tokens` that were images."""
    cached_tokens: int = 0
    """Those of `input_tokens` that were cached, and cost less."""
    output_text_tokens: int = 0
    """Those of `output_tokens` that were text."""
    output_audio_tokens: int = 0
    """Those of `output_tokens` that were audio."""
    transcription_tokens: int = 0
    """Tokens of the transcription of what people say."""
    transcription_seconds: float = 0.0
    """Seconds of that transcription, where its model bills them."""
    seconds: float = 0.0
    """GPT-Live: the length of the session that is billed."""
    active_seconds: float = 0.0
    """GPT-Live: those of `seconds` in which the session was active."""
    paused_seconds: float = 0.0
    """GPT-Live: those of `seconds` in which it was paused."""

    def with_response(self, usage: object) -> Self:
        """Add the `usage` of a response; it is None for one that was cancelled."""
        counts = _numbers(usage)
        inputs, outputs = (
            _inner(usage, "input_token_details"),
            _inner(usage, "output_token_details"),
        )
        return replace(
            self,
            responses=self.responses + 1,
            input_tokens=self.input_tokens + int(counts.get("input_tokens", 0)),
            output_tokens=self.output_tokens + int(counts.get("output_tokens", 0)),
            input_text_tokens=self.input_text_tokens + int(inputs.get("text_tokens", 0)),
            input_audio_tokens=self.input_audio_tokens + int(inputs.get("audio_tokens", 0)),
            input_image_tokens=self.input_image_tokens + int(inputs.get("image_tokens", 0)),
            cached_tokens=self.cached_tokens + int(inputs.get("cached_tokens", 0)),
            output_text_tokens=self.output_text_tokens + int(outputs.get("text_tokens", 0)),
            output_audio_tokens=self.output_audio_tokens + int(outputs.get("audio_tokens", 0)),
        )

    def with_transcription(self, usage: object) -> Self:
        """Add the `usage` of a transcription: tokens or seconds."""
        counts = _numbers(usage)
        return replace(
            self,
            transcription_tokens=self.transcription_tokens + int(counts.get("total_tokens", 0)),
            transcription_seconds=self.transcription_seconds + counts.get("seconds", 0.0),
        )

    def with_seconds(self, usage: object) -> Self:
        """Take GPT-Live's `usage`, which is that of the whole session so far."""
        counts = _numbers(usage)
        return replace(
            self,
            seconds=max(self.seconds, counts.get("seconds", 0.0)),
            active_seconds=max(self.active_seconds, counts.get("active_seconds", 0.0)),
            paused_seconds=max(self.paused_seconds, counts.get("paused_seconds", 0.0)),
        )


def _numbers(value: object) -> Mapping[str, float]:
    """Return the members of an object that are numbers of which a sum can be made, 0 or more."""
    if not isinstance(value, Mapping):
        return {}
    return {
        str(name): number
        for name, number in cast("Mapping[object, object]", value).items()
        if isinstance(number, int | float)
        and not isinstance(number, bool)
        and 0 <= number <= _MAX_NUMBER
    }


def _inner(value: object, name: str) -> Mapping[str, float]:
    if not isinstance(value, Mapping):
        return {}
    return _numbers(cast("Mapping[str, object]", value).get(name))
