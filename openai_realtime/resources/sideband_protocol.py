"""What a server says over a sideband, in each API's way: a greeting, a tool's result; and what it reads.

Function calls, in the Realtime API: `response.done` lists them. In GPT-Live with Responses delegation,
a `response.event` holds an event of the Responses API: `response.output_item.done` has one call, and a
last event, without output, says that there are no more. In both, an item gives each result to the
model, and after all of them one `response.create` makes the model go on.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final, Literal, NamedTuple, TypeAlias, cast

from openai_realtime.core.exchange import Call
from openai_realtime.errors import APIResponseValidationError, ParameterError
from openai_realtime.resources.parameters import Parameters, encode_json
from openai_realtime.resources.requests import CallArguments
from openai_realtime.transports.websocket import UpgradedResponse
from openai_realtime.types.call import CallConnectParameters
from openai_realtime.types.sideband import (
    ResponseDone,
    ResponseEvent,
    SessionClosedEvent,
    SessionUsageUpdatedEvent,
    SidebandUsage,
)

if TYPE_CHECKING:
    from openai_realtime.configuration import Configuration
    from openai_realtime.core.meta import ResponseMeta
    from openai_realtime.core.strict_json import Json
    from openai_realtime.core.wire import Response
    from openai_realtime.types.sideband import SidebandEvent

Event: TypeAlias = Mapping[str, object]
CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
_CONNECT = Parameters(CallConnectParameters)
_ENDS_OF_RESPONSES: Mapping[object, Literal["complete", "failed"]] = {
    "response.completed": "complete",
    "response.failed": "failed",
    "response.incomplete": "failed",
}


def connect_call(
    configuration: Configuration, call_id: str, params: Mapping[str, object]
) -> Call[UpgradedResponse]:
    """Return the handshake of `calls.connect`."""
    check_call_id(call_id)
    url = configuration.provider.url("sideband", query={"call_id": call_id})
    hint = "The call has ended, call_id is wrong, or the call belongs to another project"
    arguments = CallArguments.split(configuration, params)
    _CONNECT.validate(arguments.parameters)
    return handshake_call("calls.connect", arguments, url, hint)


def handshake_call(
    operation: str, arguments: CallArguments, url: str, hint: str
) -> Call[UpgradedResponse]:
    """Return the call that opens a sideband; `hint` is for a 404."""
    if arguments.extra_body:
        message = f"extra_body must be empty in {operation}: a handshake has no body"
        raise ParameterError(message, param="extra_body")
    request = replace(arguments.get(url), is_upgrade=True)
    return Call(operation, request, _read_upgrade, arguments.timeout, hints={404: hint})


def checked_greeting(instructions: object) -> str:
    """Return the instructions of a greeting; raises `ParameterError` when they are no text."""
    if isinstance(instructions, str) and instructions.strip():
        return instructions
    message = 'instructions must be a text, such as "Greet the caller by name."'
    raise ParameterError(message, param="instructions")


def check_call_id(call_id: object) -> None:
    """Raise `ParameterError` for what cannot be a call's id."""
    if not isinstance(call_id, str) or not CALL_ID.fullmatch(call_id):
        message = "call_id must be 1 to 128 letters, digits, _ and -, such as rtc_123"
        raise ParameterError(message, param="call_id")


def _read_upgrade(response: Response, _meta: ResponseMeta) -> UpgradedResponse:
    """Return the response with its connection; raises `APIResponseValidationError` without one."""
    if isinstance(response, UpgradedResponse):
        return response
    message = "The server responded to the handshake, but did not switch to WebSocket"
    raise APIResponseValidationError(message)


def encode_event(event: object) -> str:
    """Return an event as JSON; raises `ParameterError` when it is not a JSON object with a type."""
    members: Event = cast("Event", event) if isinstance(event, Mapping) else {}
    if not isinstance(members.get("type"), str):
        message = "event must be a mapping with a type, such as {'type': 'response.create'}"
        raise ParameterError(message, param="event")
    return encode_json(cast("Json", dict(members))).decode()


class FunctionCall(NamedTuple):
    """A call of a function by the model."""

    call_id: str
    name: str
    arguments: str
    """JSON, as the model wrote it."""


ResponseState: TypeAlias = Literal["open", "complete", "failed"]
"""`open`: more calls may come. `failed`: the model does not wait for their results."""


class ResponseProgress(NamedTuple):
    """What an event says of a response: function calls, and whether more of them may come."""

    calls: list[FunctionCall]
    state: ResponseState = "complete"
    """Whether more calls may come."""
    response: str = ""
    """What identifies an open response."""


NO_PROGRESS: Final = ResponseProgress([])


class SidebandProtocol(ABC):
    """One API's events."""

    repeated_seconds: ClassVar[float] = 0.0
    """The last seconds of events, which the server repeats on a new connection."""
    media: ClassVar[frozenset[str]] = frozenset()
    """The types of events with audio, which are left out."""

    @abstractmethod
    def greeting(self, instructions: str) -> Event:
        """Return the event that makes the model speak first."""

    @abstractmethod
    def ending(self) -> Event:
        """Return the event that ends the session; raises `ParameterError` if there is none."""

    @abstractmethod
    def progress(self, event: SidebandEvent) -> ResponseProgress:
        """Return what an event says of a response."""

    @abstractmethod
    def output(self, call: FunctionCall, output: str) -> Event:
        """Return the event that gives a function's result to the model."""

    @abstractmethod
    def count(self, event: SidebandEvent, usage: SidebandUsage) -> SidebandUsage:
        """Return the usage with that of an event."""

    def proceed(self) -> Event:
        """Return the event that makes the model go on, after the results of all its calls."""
        return {"type": "response.create"}


class RealtimeProtocol(SidebandProtocol):
    """The Realtime API."""

    def greeting(self, instructions: str) -> Event:
        """Return the event that makes the model speak first."""
        return {"type": "response.create", "response": {"instructions": instructions}}

    def ending(self) -> Event:
        """Raise `ParameterError`: no event ends a call."""
        message = (
            "end_session is for GPT-Live: a Realtime call ends by client.calls.hangup(call_id)"
        )
        raise ParameterError(message, param="end_session")

    def progress(self, event: SidebandEvent) -> ResponseProgress:
        """Return what an event says of a response."""
        if isinstance(event, ResponseDone):
            return ResponseProgress(_calls_in(event.response.get("output")))
        return NO_PROGRESS

    def output(self, call: FunctionCall, output: str) -> Event:
        """Return the event that gives a function's result to the model."""
        return {"type": "conversation.item.create", "item": _output_item(call, output)}

    def count(self, event: SidebandEvent, usage: SidebandUsage) -> SidebandUsage:
        """Return the usage with that of an event."""
        if isinstance(event, ResponseDone):
            return usage.with_response(event.response.get("usage"))
        if event.type == "conversation.item.input_audio_transcription.completed":
            return usage.with_transcription((event.model_extra or {}).get("usage"))
        return usage


class LiveProtocol(SidebandProtocol):
    """GPT-Live."""

    repeated_seconds: ClassVar[float] = 3.0
    media: ClassVar[frozenset[str]] = frozenset(
        {"session.input_audio.append", "session.output_audio.delta"}
    )

    def greeting(self, instructions: str) -> Event:
        """Return the event that makes the model speak first."""
        return {
            "type": "session.instructions.append",
            "content": instructions,
            "delegation_id": None,
        }

    def ending(self) -> Event:
        """Return the event that ends the session."""
        return {"type": "session.close"}

    def progress(self, event: SidebandEvent) -> ResponseProgress:
        """Return what an event says of a response."""
        if not isinstance(event, ResponseEvent):
            return NO_PROGRESS
        inner, response = event.event, event.delegation_id or ""
        if inner.get("type") == "response.output_item.done":
            calls = _calls_in([inner.get("item")])
            # Without a task's id, the last event cannot be recognized.
            return ResponseProgress(calls, "open" if response else "complete", response)
        state: ResponseState = _ENDS_OF_RESPONSES.get(inner.get("type"), "open")
        output = _object(inner.get("response")).get("output") if state == "complete" else None
        return ResponseProgress(_calls_in(output), state, response)

    def output(self, call: FunctionCall, output: str) -> Event:
        """Return the event that gives a function's result to the model."""
        return {"type": "response.item.create", "item": _output_item(call, output)}

    def count(self, event: SidebandEvent, usage: SidebandUsage) -> SidebandUsage:
        """Return the usage with that of an event: its seconds are those since the session began."""
        if isinstance(event, SessionUsageUpdatedEvent):
            return usage.with_seconds(event.usage, is_final=False)
        if isinstance(event, SessionClosedEvent):
            return usage.with_seconds(event.usage, is_final=True)
        if isinstance(event, ResponseEvent) and event.event.get("type") in _ENDS_OF_RESPONSES:
            return usage.with_response(_object(event.event.get("response")).get("usage"))
        return usage


def _object(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _calls_in(items: object) -> list[FunctionCall]:
    calls: list[FunctionCall] = []
    for item in map(_object, cast("list[object]", items) if isinstance(items, list) else []):
        call_id, name = item.get("call_id"), item.get("name")
        arguments = item.get("arguments", "")
        if (
            item.get("type") == "function_call"
            and item.get("status", "completed") == "completed"
            and isinstance(call_id, str)
            and isinstance(name, str)
            and isinstance(arguments, str)
        ):
            calls.append(FunctionCall(call_id, name, arguments))
    return calls


def _output_item(call: FunctionCall, output: str) -> Event:
    return {"type": "function_call_output", "call_id": call.call_id, "output": output}
