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
    """`session.created`, `session.started`, `session.updated` and their like."""

    session: Mapping[str, object] | None = None
    """The session as it is now, if the event says it."""


class SessionClosedEvent(SessionEvent):
    """GPT-Live, `session.closed`: the session has ended. The iteration ends after this event."""

    reason: str | None = None
    """Why: `close_requested`, `expired`, `content`, `remote_hangup`, or `connection_lost`, as after a
    browser that closes its peer connection."""
    usage: Mapping[str, object] | None = None
    """The session's final usage: its `seconds`, and where known `active_seconds`, `paused_seconds`."""


class SessionUsageUpdatedEvent(SessionEvent):
    """GPT-Live, `session.usage.updated`: about every 15 s at OpenAI, every 60 s at Azure."""

    usage: Mapping[str, object]
    """The usage since the session began, as in `session.closed`: do not add these up."""
    context_window: Mapping[str, object] | None = None
    """`usage_ratio`: how much of the model's context is used, 0–1; None where it is unknown."""


class DelegationCreatedEvent(SessionEvent):
    """GPT-Live, `session.delegation.created`: the model gives a task to your server or a backend."""

    delegation: Mapping[str, object]
    """Its `id`, which your events name as `delegation_id`, and its `target`: `client` (your server),
    `responses` or `decisions`."""
    offset_ms: int | None = None
    """When, in milliseconds since the session began."""


class ResponseEvent(SidebandEvent):
    """GPT-Live, `response.event`: an event of the Responses API, from the model that has the task."""

    event: Mapping[str, object]
    """The Responses API's event, such as `response.output_item.done` with a function call. The final
    events have no `output`."""
    delegation_id: str | None = None
    """The id of the task; None where the event belongs to none."""


class DecisionEvent(SidebandEvent):
    """GPT-Live, `decision.*`: a decision is made (`decision.event`), or an item for it has changed."""

    event: Mapping[str, object] | None = None
    """`decision.event`: the Decision API's event, `decision.completed`, whose `decision` has the
    answers."""
    delegation_id: str | None = None
    """The id of the task; None for a trigger."""
    source_event_id: str | None = None
    """The id of the transcript's event that fired the trigger; None for a task."""
    trigger_id: str | None = None
    """The id of this firing of the trigger; None for a task."""
    item: Mapping[str, object] | None = None
    """`decision.item.created`: the item."""
    item_id: str | None = None
    """`decision.item.deleted`: the item's id."""


class InfoEvent(SidebandEvent):
    """GPT-Live, `info`: a notice, such as the permissions of the browser's data channel."""

    code: str
    """What it is about, such as `data_channel_permissions`."""
    message: str | None = None
    """The notice for people."""


class ResponseDone(SidebandEvent):
    """`response.done`: the model has finished a response, or it was cancelled or failed."""

    response: Mapping[str, object]
    """The response: its `status`, its `output` items and its `usage`."""


class ErrorEvent(SidebandEvent):
    """`error`: the server refuses an event, or the session fails."""

    error: Mapping[str, object]
    """The error: its `type`, `code` and `message`."""


class Reconnected(SidebandEvent):
    """The connection was lost and is open again: events of the time between may be missing."""

    seconds_missed: float
    """Seconds whose events are missing: from the last received event until the new connection was
    open. GPT-Live repeats the last 3 seconds: they are not counted, and events that were read before
    are left out. 0 or more."""


_MAX_NUMBER = 2.0**53  # JSON's numbers have no limit, and Python's floats have one
_FAMILIES: Mapping[str, type[SidebandEvent]] = {"session": SessionEvent, "decision": DecisionEvent}
_MODELS: Mapping[str, type[SidebandEvent]] = {
    "response.done": ResponseDone,
    "error": ErrorEvent,
    "info": InfoEvent,
    "session.closed": SessionClosedEvent,
    "session.usage.updated": SessionUsageUpdatedEvent,
    "session.delegation.created": DelegationCreatedEvent,
    "response.event": ResponseEvent,
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
    family = _FAMILIES.get(kind.partition(".")[0], SidebandEvent)
    model = _MODELS.get(kind, family)
    for candidate in (model, SidebandEvent):
        try:
            return candidate.model_validate(fields)
        except ValidationError:
            continue
    return None


@dataclass(frozen=True, slots=True)
class SidebandUsage:
    """What a call has used so far, as the sideband heard it.

    The Realtime API bills tokens, and each response counts its context anew: what the sideband missed
    is not counted. The transcription of what people say is billed besides, by its own model's price.
    GPT-Live bills seconds, and each event says them since the session began: nothing is missed. The
    tokens of the model to which it delegates are billed besides.
    """

    responses: int = 0
    """Responses of the model; GPT-Live: of the model to which it delegates, as all tokens below."""
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
    """GPT-Live: the length of the session that is billed; OpenAI bills 15 s at once."""
    active_seconds: float = 0.0
    """GPT-Live: those of `seconds` in which the session was active."""
    paused_seconds: float = 0.0
    """GPT-Live: those of `seconds` in which it was paused."""

    def with_response(self, usage: object) -> Self:
        """Add the `usage` of a response; it is None for one that was cancelled."""
        counts = _numbers(usage)
        inputs, outputs = (
            # The Responses API has another name for it.
            _inner(usage, "input_token_details") or _inner(usage, "input_tokens_details"),
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

    def with_seconds(self, usage: object, *, is_final: bool) -> Self:
        """Take GPT-Live's `usage`, which is that of the whole session so far.

        Only the final one may be smaller: another one is older, and came late.
        """
        counts = _numbers(usage)
        if not is_final and counts.get("seconds", 0.0) < self.seconds:
            return self
        return replace(
            self,
            seconds=counts.get("seconds", self.seconds),
            active_seconds=counts.get("active_seconds", self.active_seconds),
            paused_seconds=counts.get("paused_seconds", self.paused_seconds),
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
