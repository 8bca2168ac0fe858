"""A simulated call of the Realtime API: its server events, in the shape of the nested ("GA") API."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NoReturn

from openai_realtime.resources.parameters import merge_objects
from openai_realtime.testing.conversation import (
    GREETING,
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

_SESSION_SECONDS = 3600
_AUDIO_TOKENS_OF_WORD = 6  # a word takes about 0.3 s, and 50 ms of the model's audio are one token
_RATE_LIMITS: Json = [
    {"name": "requests", "limit": 1000, "remaining": 999, "reset_seconds": 0.06},
    {"name": "tokens", "limit": 50_000, "remaining": 49_000, "reset_seconds": 1.2},
]


class RealtimeConversation(Conversation):
    """One call's server events. There is no model: it introduces itself, and repeats what it was told."""

    def __init__(self, session: JsonObject) -> None:
        super().__init__()
        self._session = {**session, "expires_at": int(time.time()) + _SESSION_SECONDS}
        self._last_item_id: str | None = None
        self._items: dict[str, JsonObject] = {}
        self._function_calls: set[Json] = set()
        self._outputs: list[str] = []
        self._received_text = ""
        self._words = len(str(session.get("instructions", "")).split())
        self.handlers: Mapping[str, EventHandler] = {
            "session.update": self._update_session,
            "conversation.item.create": self._create_item,
            "conversation.item.delete": self._delete_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.truncate": self._truncate_item,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
            "input_audio_buffer.clear": self._clear_input,
            "output_audio_buffer.clear": self._clear_output,
        }

    def opening(self) -> JsonObject:
        """Return the first event of the data channel."""
        return new_event("session.created", session=self._session)

    def error(self, event: JsonObject, error: EventError) -> JsonObject:
        """Return the error event for a client's event."""
        described: JsonObject = {**error.described(), "event_id": event.get("event_id")}
        return new_event("error", error=described)

    def caller_says(self, text: str) -> Iterator[JsonObject]:
        """Yield the events that follow speech of the caller, without the model's response."""
        self.on_speech("caller", text)
        self._words += len(text.split())
        item_id = new_id("item")
        yield new_event("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=0)
        yield new_event("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=1000)
        yield new_event("input_audio_buffer.committed", item_id=item_id)
        content: Json = [{"type": "input_audio", "transcript": None}]
        item: JsonObject = {"id": item_id, "type": "message", "role": "user", "content": content}
        yield from self._add_item(item)
        audio_input = as_object(as_object(self._session.get("audio")).get("input"))
        if audio_input.get("transcription") is None:
            return
        part: JsonObject = {"item_id": item_id, "content_index": 0}
        name = "conversation.item.input_audio_transcription"
        yield new_event(f"{name}.delta", **part, delta=text)
        usage: JsonObject = {"type": "duration", "seconds": 1}
        yield new_event(f"{name}.completed", **part, transcript=text, usage=usage)

    def model_says(self, text: str) -> Iterator[JsonObject]:
        """Yield the events of a spoken response."""
        yield from self._speak(text, {})

    def model_calls(self, call_id: str, name: str, arguments: str) -> Iterator[JsonObject]:
        """Yield the events of a function call."""
        response = _new_response({})
        self._function_calls.add(call_id)
        item: JsonObject = {
            "id": new_id("item"),
            "type": "function_call",
            "name": name,
            "call_id": call_id,
            "arguments": arguments,
            "status": "completed",
        }
        began: JsonObject = {**item, "arguments": "", "status": "in_progress"}
        of_item: JsonObject = {"response_id": response["id"], "output_index": 0}
        of_call: JsonObject = {**of_item, "item_id": item["id"], "call_id": call_id}
        yield from self._begin_response(response)
        yield new_event("response.output_item.added", **of_item, item=began)
        yield new_event("response.function_call_arguments.delta", **of_call, delta=arguments)
        yield new_event(
            "response.function_call_arguments.done", **of_call, name=name, arguments=arguments
        )
        yield from self._add_item(item)
        yield new_event("response.output_item.done", **of_item, item=item)
        yield self._response_done(response, item, arguments)

    def model_delegates(self, delegation_id: str) -> Iterator[JsonObject]:
        """Raise `RuntimeError`: this API has functions only."""
        message = f"The Realtime API has no delegation such as {delegation_id}: use model_calls"
        raise RuntimeError(message)

    def ending(self, reason: EndReason) -> Iterator[JsonObject]:
        """Yield the last events: an error where the call is at its longest."""
        if reason == "expired":
            message = "Your session hit the maximum duration of 60 minutes"
            yield self.error({}, EventError("session_expired", message))

    def _update_session(self, event: JsonObject) -> Iterator[JsonObject]:
        if not isinstance(event.get("session"), dict):
            _missing("session")
        self._session = merge_objects(self._session, as_object(event["session"]))
        yield new_event("session.updated", session=self._session)

    def _create_item(self, event: JsonObject) -> Iterator[JsonObject]:
        if not isinstance(event.get("item"), dict):
            _missing("item")
        item: JsonObject = {"id": new_id("item"), **as_object(event["item"])}
        if item.get("type") == "function_call_output":
            if item.get("call_id") not in self._function_calls:
                message = "No function call with this call_id is in the conversation"
                refuse("invalid_tool_call_id", message, "item.call_id")
            self._outputs.append(str(item.get("output", "")))
        contents = item.get("content")
        for content in contents if isinstance(contents, list) else []:
            self._received_text = str(as_object(content).get("text", ""))
            self._words += len(self._received_text.split())
        yield from self._add_item(item)

    def _delete_item(self, event: JsonObject) -> Iterator[JsonObject]:
        item = self._item_of(event)
        del self._items[str(item["id"])]
        yield new_event("conversation.item.deleted", item_id=item["id"])

    def _retrieve_item(self, event: JsonObject) -> Iterator[JsonObject]:
        yield new_event("conversation.item.retrieved", item=self._item_of(event))

    def _truncate_item(self, event: JsonObject) -> Iterator[JsonObject]:
        place = {name: event.get(name) for name in ("content_index", "audio_end_ms")}
        item_id = self._item_of(event)["id"]
        yield new_event("conversation.item.truncated", item_id=item_id, **place)

    def _item_of(self, event: JsonObject) -> JsonObject:
        item = self._items.get(str(event.get("item_id")))
        if item is None:
            message = "No item with this id is in the conversation"
            refuse("item_not_found", message, "item_id")
        return item

    def _create_response(self, event: JsonObject) -> Iterator[JsonObject]:
        options = as_object(event.get("response"))
        text, self._received_text = self._received_text, ""
        outputs, self._outputs = self._outputs, []
        if outputs:
            said = self.outputs_said(outputs)
        elif options.get("instructions"):
            said = f"I was told: {options['instructions']}"
        else:
            said = f"You said: {text}" if text else GREETING
        yield from self._speak(said, options)

    def _cancel_response(self, _event: JsonObject) -> Iterator[JsonObject]:
        refuse("response_cancel_not_active", "No response is in progress")

    def _clear_input(self, _event: JsonObject) -> Iterator[JsonObject]:
        yield new_event("input_audio_buffer.cleared")

    def _clear_output(self, _event: JsonObject) -> Iterator[JsonObject]:
        yield new_event("output_audio_buffer.cleared")

    def _add_item(self, item: JsonObject) -> Iterator[JsonObject]:
        previous, self._last_item_id = self._last_item_id, str(item["id"])
        self._items[self._last_item_id] = item
        yield new_event("conversation.item.added", previous_item_id=previous, item=item)
        yield new_event("conversation.item.done", previous_item_id=previous, item=item)

    def _begin_response(self, response: JsonObject) -> Iterator[JsonObject]:
        yield new_event("response.created", response={**response, "status": "in_progress"})
        yield new_event("rate_limits.updated", rate_limits=_RATE_LIMITS)

    def _speak(self, text: str, options: JsonObject) -> Iterator[JsonObject]:
        self.on_speech("model", text)
        response = _new_response(options)
        item: JsonObject = {"id": new_id("item"), "type": "message", "role": "assistant"}
        of_item: JsonObject = {"response_id": response["id"], "output_index": 0}
        of_part: JsonObject = {**of_item, "item_id": item["id"], "content_index": 0}
        yield from self._begin_response(response)
        yield new_event("response.output_item.added", **of_item, item={**item, "content": []})
        yield from self._add_item({**item, "content": []})
        yield new_event("response.content_part.added", **of_part, part={"type": "audio"})
        yield new_event("output_audio_buffer.started", response_id=response["id"])
        for word in words_of(text):
            yield new_event("response.output_audio_transcript.delta", **of_part, delta=word)
        yield new_event("response.output_audio.done", **of_part)
        yield new_event("response.output_audio_transcript.done", **of_part, transcript=text)
        yield new_event(
            "response.content_part.done", **of_part, part={"type": "audio", "transcript": text}
        )
        item["content"] = [{"type": "output_audio", "transcript": text}]
        item["status"] = "completed"
        yield new_event("response.output_item.done", **of_item, item=item)
        yield new_event("output_audio_buffer.stopped", response_id=response["id"])
        yield self._response_done(response, item, text)

    def _response_done(self, response: JsonObject, item: JsonObject, text: str) -> JsonObject:
        """Return the event with the response's usage: each word is a token, and some of audio."""
        words = len(text.split())
        is_spoken = item["type"] == "message"
        audio = words * _AUDIO_TOKENS_OF_WORD if is_spoken else 0
        usage: JsonObject = {
            "total_tokens": self._words + words + audio,
            "input_tokens": self._words,
            "output_tokens": words + audio,
            "input_token_details": {
                "text_tokens": self._words,
                "audio_tokens": 0,
                "image_tokens": 0,
                "cached_tokens": 0,
                "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
            },
            "output_token_details": {"text_tokens": words, "audio_tokens": audio},
        }
        self._words += words
        output: Json = [item]
        done: JsonObject = {**response, "status": "completed", "output": output, "usage": usage}
        return new_event("response.done", response=done)


def _new_response(options: JsonObject) -> JsonObject:
    response: JsonObject = {"id": new_id("resp"), "object": "realtime.response"}
    return response | {name: options[name] for name in ("metadata",) if name in options}


def _missing(name: str) -> NoReturn:
    refuse("missing_required_parameter", f"{name} must be an object", name)
