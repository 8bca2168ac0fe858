"""What the mock says on a call: an event of the client's in, the server's events out.

Owns: the events and their order. Must not know: WebRTC, threads, time. It is no model: it says that
it is a mock, and repeats what it was told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from openai_realtime.resources.parameters import merge_objects
from openai_realtime.testing.minted import new_id

if TYPE_CHECKING:
    from openai_realtime.core.strict_json import Json
    from openai_realtime.dialects import JsonObject

_HEARD = "Hello, I hear you. I am the mock server, and this is your own voice."
_GREETING = "Hello, I am the mock server."


class Conversation:
    """One call's events, in the shape of the nested ("GA") API."""

    def __init__(self, session: JsonObject) -> None:
        self._session = session
        self._last_item: str | None = None
        self._said = ""
        self._acts: dict[str, Callable[[JsonObject], Iterator[JsonObject]]] = {
            "session.update": self._update,
            "conversation.item.create": self._create_item,
            "response.create": self._create_response,
            "input_audio_buffer.clear": self._clear,
        }

    def begin(self) -> Iterator[JsonObject]:
        """Yield what the server says first."""
        yield _event("session.created", session=self._session)

    def hear(self) -> Iterator[JsonObject]:
        """Yield what the server says when it has heard the person speak for the first time."""
        item_id = new_id("item")
        yield _event("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=0)
        yield _event("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=1000)
        yield _event("input_audio_buffer.committed", item_id=item_id)
        content: Json = [{"type": "input_audio", "transcript": None}]
        item: JsonObject = {"id": item_id, "type": "message", "role": "user", "content": content}
        yield from self._add(item)
        yield from self._respond(_HEARD)

    def answer(self, event: JsonObject) -> Iterator[JsonObject]:
        """Yield the server's events after one of the client's."""
        act = self._acts.get(str(event.get("type")))
        if act is None:
            yield _refusal(event)
        else:
            yield from act(event)

    def _update(self, event: JsonObject) -> Iterator[JsonObject]:
        self._session = merge_objects(self._session, _object(event.get("session")))
        yield _event("session.updated", session=self._session)

    def _create_item(self, event: JsonObject) -> Iterator[JsonObject]:
        item: JsonObject = {"id": new_id("item"), **_object(event.get("item"))}
        contents = item.get("content")
        for content in contents if isinstance(contents, list) else []:
            self._said = str(_object(content).get("text", ""))
        yield from self._add(item)

    def _create_response(self, _given: JsonObject) -> Iterator[JsonObject]:
        said, self._said = self._said, ""
        yield from self._respond(f"You said: {said}" if said else _GREETING)

    def _clear(self, _given: JsonObject) -> Iterator[JsonObject]:
        yield _event("input_audio_buffer.cleared")

    def _add(self, item: JsonObject) -> Iterator[JsonObject]:
        before, self._last_item = self._last_item, str(item["id"])
        yield _event("conversation.item.added", previous_item_id=before, item=item)
        yield _event("conversation.item.done", previous_item_id=before, item=item)

    def _respond(self, text: str) -> Iterator[JsonObject]:
        response: JsonObject = {"id": new_id("resp"), "object": "realtime.response"}
        item: JsonObject = {"id": new_id("item"), "type": "message", "role": "assistant"}
        part: JsonObject = {
            "response_id": response["id"],
            "item_id": item["id"],
            "output_index": 0,
            "content_index": 0,
        }
        yield _event("response.created", response={**response, "status": "in_progress"})
        yield from self._add({**item, "content": []})
        for word in text.replace(" ", " \0").split("\0"):
            yield _event("response.output_audio_transcript.delta", **part, delta=word)
        yield _event("response.output_audio_transcript.done", **part, transcript=text)
        content: Json = [{"type": "output_audio", "transcript": text}]
        output: Json = [{**item, "content": content}]
        yield _event(
            "response.done", response={**response, "status": "completed", "output": output}
        )


def _event(kind: str, **rest: Json) -> JsonObject:
    return {"type": kind, "event_id": new_id("event"), **rest}


def _refusal(event: JsonObject) -> JsonObject:
    error: JsonObject = {
        "type": "invalid_request_error",
        "code": "invalid_value",
        "message": f"The mock knows no event of type {str(event.get('type'))[:80]!r}",
        "param": "type",
        "event_id": event.get("event_id"),
    }
    return _event("error", error=error)


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}
