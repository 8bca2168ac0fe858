"""What both APIs' simulated conversations share: a call's events, without a model and without I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, NoReturn

from openai_realtime.testing.mock_sessions import new_id

if TYPE_CHECKING:
    from openai_realtime.core.strict_json import Json
    from openai_realtime.dialects import JsonObject

EventHandler = Callable[["JsonObject"], Iterator["JsonObject"]]
"""Takes a client's event and yields the server events that follow it."""
Speaker = Literal["caller", "model"]
EndReason = Literal["close_requested", "remote_hangup", "connection_lost", "expired", "content"]
"""Why a call ended, in GPT-Live's terms."""

GREETING = "Hello, I am the mock server."
SPEECH_RESPONSE = "Hello, I hear you. I am the mock server, and this is your own voice."
TRANSCRIPT = "One second of sound, which the mock does not understand."


class EventError(Exception):
    """A client's event is refused, with the `error` event's code and message."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param

    def described(self) -> JsonObject:
        """Return the members of the `error` event's error, without the id of the client's event."""
        return {
            "type": "invalid_request_error",
            "code": self.code,
            "message": self.message,
            "param": self.param,
        }


def refuse(code: str, message: str, param: str | None = None) -> NoReturn:
    """Raise the `EventError` of an event that is refused."""
    raise EventError(code, message, param)


class Conversation(ABC):
    """One call's server events. The mock introduces itself, and repeats what it was told."""

    handlers: Mapping[str, EventHandler]
    """What follows each client event that is supported."""
    replayed_seconds: float = 0.0
    """A sideband that joins hears the events of the last seconds again."""
    announces_permissions: bool = False
    """Whether a restricted data channel is told so."""
    is_closing: bool = False
    """Whether the client has asked to end the call."""

    def __init__(self) -> None:
        self.on_speech: Callable[[Speaker, str], None] = lambda _speaker, _text: None
        """Called with what the caller and the model say."""

    def respond(self, event: JsonObject) -> Iterator[JsonObject]:
        """Yield the events that follow one of the client's."""
        name = str(event.get("type"))
        try:
            if name not in self.handlers:
                message = f"The mock does not support the event type {name[:80]!r}"
                refuse("invalid_value", message, "type")
            yield from self.handlers[name](event)
        except EventError as error:
            yield self.error(event, error)

    @abstractmethod
    def opening(self) -> JsonObject:
        """Return the first event of the data channel."""

    @abstractmethod
    def error(self, event: JsonObject, error: EventError) -> JsonObject:
        """Return the error event for a client's event."""

    @abstractmethod
    def caller_says(self, text: str) -> Iterator[JsonObject]:
        """Yield the events that follow speech of the caller, without the model's response."""

    @abstractmethod
    def model_says(self, text: str) -> Iterator[JsonObject]:
        """Yield the events of a spoken response."""

    @abstractmethod
    def model_calls(self, call_id: str, name: str, arguments: str) -> Iterator[JsonObject]:
        """Yield the events of a function call; raises `RuntimeError` if the session cannot have one."""

    @abstractmethod
    def model_delegates(self, delegation_id: str) -> Iterator[JsonObject]:
        """Yield the event of a task for the client; raises `RuntimeError` if it cannot have one."""

    @abstractmethod
    def ending(self, reason: EndReason) -> Iterator[JsonObject]:
        """Yield the last events."""

    def outputs_said(self, outputs: list[str]) -> str:
        """Return what the model says after functions have returned."""
        return f"The function returned: {' '.join(outputs)}"


def new_event(event_type: str, **fields: Json) -> JsonObject:
    """Return a server's event with a new id."""
    return {"type": event_type, "event_id": new_id("event"), **fields}


def words_of(text: str) -> list[str]:
    """Return the words of a text, each with the space that follows it, as transcripts are sent."""
    return text.replace(" ", " \0").split("\0")
