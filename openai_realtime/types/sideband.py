"""The events of a sideband: one small model for all, and typed ones for what a backend acts on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pydantic import BaseModel, ConfigDict, ValidationError

from openai_realtime.core.strict_json import decode_json

RECONNECTED = "sideband.reconnected"
"""The type of the event that the SDK itself adds after a connection was lost and opened again."""


class SidebandEvent(BaseModel):
    """An event of a running call. `type` names it; every other field of the event is kept as it is."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    type: str
    event_id: str | None = None

    def __getitem__(self, name: str) -> object:
        """Return a field by its name; raises `KeyError` if the event has no such field."""
        fields = {**self.__dict__, **(self.model_extra or {})}
        return fields[name]


class SessionEvent(SidebandEvent):
    """`session.created`, `session.started`, `session.updated`, `session.closed` and their like."""

    session: Mapping[str, object] | None = None


class ResponseDone(SidebandEvent):
    """`response.done`: the model has finished a response, or it was cancelled or failed."""

    response: Mapping[str, object]


class ErrorEvent(SidebandEvent):
    """`error`: the server refuses an event, or the session fails."""

    error: Mapping[str, object]


class Reconnected(SidebandEvent):
    """The connection was lost and is open again: events of the time between were missed."""

    seconds_missed: float
    """Seconds from the last received bytes until the new connection was open."""


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
