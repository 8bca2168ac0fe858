"""A simulated GPT-Live session: its server events."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NoReturn

from openai_realtime.resources.parameters import merge_objects
from openai_realtime.testing.conversation import (
    Conversation,
    EndReason,
    EventError,
    EventHandler,
    new_event,
    refuse,
    words_of,
)
from openai_realtime.testing.mock_sessions import as_object, new_id

if TYPE_CHECKING:
    from openai_realtime.core.strict_json import Json
    from openai_realtime.dialects import JsonObject

_SESSION_SECONDS = 7200
_FIRST_SECONDS = 15
"""Seconds that a session bills at once."""
_CONTEXT_SECONDS = 24_000  # of about 128,000 tokens
_WORD_MS = 300
_MAX_APPENDED_TOKENS = 500
_MUTABLE = frozenset({"delegation", "triggers"})
_PRIMARY_ONLY = ("session.start", "session.input_audio.append")
_KEYS = frozenset("0123456789ABCD*#")


class LiveConversation(Conversation):
    """One session's server events. There is no model: it repeats what it was told."""

    replayed_seconds: float = 3.0
    announces_permissions: bool = True

    def __init__(
        self,
        session_id: str,
        session: JsonObject,
        clock: Callable[[], float],
        *,
        is_phone: bool,
    ) -> None:
        super().__init__()
        self._session = _resource(session_id, session)
        self._clock = clock
        self._began = clock()
        self._is_phone = is_phone
        self._close_event: JsonObject = {}
        self._spoken_until = 0
        self._function_calls: dict[Json, Json] = {}
        self._client_delegations: set[Json] = {None}
        self._outputs: list[str] = []
        self._received_text = ""
        self._delegation_id: Json = None
        self._sequence = 0
        self.handlers: Mapping[str, EventHandler] = {
            "session.update": self._update_session,
            "session.instructions.append": self._append,
            "session.thinking.append": self._append,
            "session.commentary.append": self._append,
            "session.input_audio.mute": self._mute,
            "session.input_audio.unmute": self._unmute,
            "session.output_audio.fixture.play": self._play_fixture,
            "session.close": self._close,
            "response.item.create": self._create_item,
            "response.create": self._create_response,
            "transport.dtmf.send": self._send_key,
            **dict.fromkeys(_PRIMARY_ONLY, self._refuse_primary),
        }

    def opening(self) -> JsonObject:
        """Return the first event of the data channel."""
        return new_event("session.started", session=self._session)

    def error(self, event: JsonObject, error: EventError) -> JsonObject:
        """Return the error event for a client's event."""
        described: JsonObject = {**error.described(), **_client_event_id(event)}
        return new_event("error", error=described, **_client_event_id(event))

    def caller_says(self, text: str) -> Iterator[JsonObject]:
        """Yield the events that follow speech of the caller, without the model's response."""
        self.on_speech("caller", text)
        yield from self._transcript("session.input_transcript.delta", text)

    def model_says(self, text: str) -> Iterator[JsonObject]:
        """Yield the events of a spoken response."""
        self.on_speech("model", text)
        yield from self._transcript("session.output_transcript.delta", text)

    def model_calls(self, call_id: str, name: str, arguments: str) -> Iterator[JsonObject]:
        """Yield the events of a function call; raises `RuntimeError` without Responses delegation."""
        if not self._has_backend():
            message = "A GPT-Live session calls functions only with delegation of type responses"
            raise RuntimeError(message)
        response_id = new_id("resp")
        self._delegation_id = new_id("delegation")
        self._function_calls[call_id] = self._delegation_id
        yield self._delegation(self._delegation_id, target="responses", response_id=response_id)
        item: JsonObject = {
            "id": new_id("fc"),
            "type": "function_call",
            "call_id": call_id,
            "name": name,
            "arguments": arguments,
            "status": "completed",
        }
        yield from self._response(response_id, item)

    def model_delegates(self, delegation_id: str) -> Iterator[JsonObject]:
        """Yield the event of a task for the client; raises `RuntimeError` without such delegation."""
        if as_object(self._session["delegation"]).get("type") != "client":
            message = (
                "A GPT-Live session has tasks for the client only with delegation of type client"
            )
            raise RuntimeError(message)
        self._client_delegations.add(delegation_id)
        yield self._delegation(delegation_id, target="client")

    def _delegation(self, delegation_id: str, **fields: Json) -> JsonObject:
        delegation: JsonObject = {"id": delegation_id, "type": "delegation", **fields}
        offset = self._now_ms()
        return new_event("session.delegation.created", delegation=delegation, offset_ms=offset)

    def ending(self, reason: EndReason) -> Iterator[JsonObject]:
        """Yield `session.closed` with the final usage."""
        yield new_event(
            "session.closed",
            reason=reason,
            session=self._session,
            usage=self._usage(),
            **_client_event_id(self._close_event),
        )

    def usage(self) -> Iterator[JsonObject]:
        """Yield the event that reports the usage from time to time: the seconds so far."""
        ratio = min(1.0, (self._clock() - self._began) / _CONTEXT_SECONDS)
        window: JsonObject = {"usage_ratio": ratio}
        yield new_event("session.usage.updated", usage=self._usage(), context_window=window)

    def _usage(self) -> JsonObject:
        return {"seconds": max(_FIRST_SECONDS, math.ceil(self._clock() - self._began))}

    def _now_ms(self) -> int:
        return int((self._clock() - self._began) * 1000)

    def _transcript(self, event_type: str, text: str) -> Iterator[JsonObject]:
        start = max(self._now_ms(), self._spoken_until)
        for word in words_of(text):
            end = start + _WORD_MS
            yield new_event(event_type, delta=word, start_ms=start, end_ms=end)
            start = end
        self._spoken_until = start

    def _has_backend(self) -> bool:
        return as_object(self._session["delegation"]).get("type") == "responses"

    def _response(self, response_id: str, item: JsonObject) -> Iterator[JsonObject]:
        """Yield a response of the backend: as at OpenAI, only the events of items have the output."""
        backend = as_object(as_object(self._session["delegation"]).get("responses"))
        response: JsonObject = {
            "id": response_id,
            "object": "response",
            "created_at": int(time.time()),
            "model": backend.get("model"),
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        }
        tokens = len(str(item).split())
        usage: JsonObject = {
            "input_tokens": tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 2 * tokens,
        }
        began: JsonObject = {**response, "status": "in_progress"}
        done: JsonObject = {**response, "status": "completed", "usage": usage}
        yield self._inner("response.created", response=began)
        unfinished: JsonObject = {**item, "status": "in_progress"}
        place: JsonObject = {"output_index": 0}
        yield self._inner("response.output_item.added", **place, item=unfinished)
        if item["type"] == "function_call":
            of_call: JsonObject = {**place, "item_id": item["id"]}
            arguments = item["arguments"]
            name = "response.function_call_arguments"
            yield self._inner(f"{name}.delta", **of_call, delta=arguments)
            yield self._inner(f"{name}.done", **of_call, name=item["name"], arguments=arguments)
        yield self._inner("response.output_item.done", **place, item=item)
        yield self._inner("response.completed", response=done)

    def _inner(self, event_type: str, **fields: Json) -> JsonObject:
        event: JsonObject = {"type": event_type, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return new_event("response.event", delegation_id=self._delegation_id, event=event)

    def _update_session(self, event: JsonObject) -> Iterator[JsonObject]:
        changes = event.get("session")
        if not isinstance(changes, dict):
            refuse("missing_required_parameter", "session must be an object", "session")
        for name in changes.keys() - _MUTABLE:
            _immutable(f"session.{name[:80]}")
        delegation = as_object(changes.get("delegation"))
        current = as_object(self._session["delegation"])
        if "delegation" in changes and delegation.get("type") != current["type"]:
            _immutable("session.delegation.type")
        self._session = merge_objects(self._session, changes)
        yield new_event("session.updated", session=self._session, **_client_event_id(event))

    def _append(self, event: JsonObject) -> Iterator[JsonObject]:
        content = event.get("content")
        if not isinstance(content, str) or not content.strip():
            refuse("missing_required_parameter", "content must be a text", "content")
        if len(content.split()) > _MAX_APPENDED_TOKENS:
            message = f"content has more than {_MAX_APPENDED_TOKENS} tokens"
            refuse("string_above_max_length", message, "content")
        if "delegation_id" not in event:
            message = "delegation_id is required: null, or the id of a client delegation"
            refuse("missing_required_parameter", message, "delegation_id")
        if event["delegation_id"] not in self._client_delegations:
            message = "No client delegation has this id"
            refuse("delegation_not_found", message, "delegation_id")
        now, kind = self._now_ms(), str(event["type"])
        yield new_event(f"{kind}ed", start_ms=now, end_ms=now, **_client_event_id(event))
        if kind == "session.instructions.append":
            yield from self.model_says(f"I was told: {content}")
        elif kind == "session.commentary.append":
            yield from self.model_says(content)

    def _mute(self, event: JsonObject) -> Iterator[JsonObject]:
        yield new_event("session.input_audio.muted", **_client_event_id(event))

    def _unmute(self, event: JsonObject) -> Iterator[JsonObject]:
        yield new_event("session.input_audio.unmuted", **_client_event_id(event))

    def _play_fixture(self, event: JsonObject) -> Iterator[JsonObject]:
        for moment in ("playing", "played"):
            name = f"session.output_audio.fixture.{moment}"
            yield new_event(name, **_client_event_id(event))

    def _close(self, event: JsonObject) -> Iterator[JsonObject]:
        self._close_event = event
        self.is_closing = True
        yield from ()

    def _create_item(self, event: JsonObject) -> Iterator[JsonObject]:
        self._check_backend()
        item = as_object(event.get("item"))
        if item.get("type") == "function_call_output":
            if item.get("call_id") not in self._function_calls:
                message = "No function call has this call_id"
                refuse("invalid_tool_call_id", message, "item.call_id")
            self._delegation_id = self._function_calls[item["call_id"]]
            self._outputs.append(str(item.get("output", "")))
        contents = item.get("content")
        for content in contents if isinstance(contents, list) else []:
            self._received_text = str(as_object(content).get("text", ""))
        yield from ()

    def _create_response(self, _event: JsonObject) -> Iterator[JsonObject]:
        self._check_backend()
        text, self._received_text = self._received_text, ""
        outputs, self._outputs = self._outputs, []
        said = self.outputs_said(outputs) if outputs else f"You said: {text}"
        part: JsonObject = {"type": "output_text", "text": said, "annotations": []}
        item: JsonObject = {
            "id": new_id("msg"),
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [part],
        }
        yield from self._response(new_id("resp"), item)
        yield from self.model_says(said)

    def _check_backend(self) -> None:
        if not self._has_backend():
            message = "This event requires delegation of type responses"
            refuse("invalid_value", message, "type")

    def _send_key(self, event: JsonObject) -> Iterator[JsonObject]:
        if not self._is_phone:
            message = "transport.dtmf.send is for phone calls only"
            refuse("invalid_value", message, "type")
        if event.get("event") not in _KEYS:
            refuse("invalid_value", "event must be one of 0-9, A-D, * and #", "event")
        yield new_event("transport.dtmf.sent", event=event["event"], **_client_event_id(event))

    def _refuse_primary(self, event: JsonObject) -> Iterator[JsonObject]:
        message = f"{event['type']} is for the primary WebSocket only"
        refuse("event_not_allowed", message, "type")


def _resource(session_id: str, session: JsonObject) -> JsonObject:
    """Return a session with the server's defaults."""
    defaults: JsonObject = {
        "id": session_id,
        "expires_at": int(time.time()) + _SESSION_SECONDS,
        "status": "active",
        "audio": {"output": {"voice": "marin"}},
        "store": False,
    }
    given = {name: value for name, value in session.items() if name != "type"}
    delegation = given.get("delegation") or {"type": "client"}
    return merge_objects(defaults, {**given, "delegation": delegation})


def _client_event_id(event: JsonObject) -> JsonObject:
    return {"client_event_id": event["event_id"]} if "event_id" in event else {}


def _immutable(param: str) -> NoReturn:
    message = f"{param} cannot change after the session has started"
    refuse("immutable_field_update", message, param)
