"""What a browser may send and receive over its data channel."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from openai_realtime.testing.conversation import refuse
from openai_realtime.testing.mock_sessions import as_object

if TYPE_CHECKING:
    from openai_realtime.core.strict_json import Json
    from openai_realtime.dialects import JsonObject


@dataclass(frozen=True, slots=True)
class Permissions:
    """Which events may be sent and received; None: all of them."""

    client_events: Collection[Json] | None = None
    server_events: Collection[Json] | None = None
    """Objects with a `type`, and for `response.event` with the inner event's, `response_event`."""

    @classmethod
    def of_live_session(cls, session: JsonObject) -> Self:
        """Return those of `client.data_channel`."""
        channel = as_object(as_object(session.get("client")).get("data_channel"))
        client_events = channel.get("allowed_client_events")
        server_events = channel.get("allowed_server_events")
        return cls(
            client_events if isinstance(client_events, list) else None,
            server_events if isinstance(server_events, list) else None,
        )

    @property
    def is_restricted(self) -> bool:
        """Whether anything is not allowed."""
        return self.client_events is not None or self.server_events is not None

    def check_client_event(self, event: JsonObject) -> None:
        """Raise `EventError` for an event that must not be sent."""
        if self.client_events is not None and event.get("type") not in self.client_events:
            message = f"The data channel may not send {str(event.get('type'))[:80]!r}"
            refuse("event_not_allowed", message, "type")

    def allows_server_event(self, event: JsonObject) -> bool:
        """Return whether an event may be received."""
        if self.server_events is None:
            return True
        selector: JsonObject = {"type": event["type"]}
        if event["type"] == "response.event":
            selector["response_event"] = as_object(event.get("event")).get("type")
        return selector in self.server_events


EVERYTHING = Permissions()
AZURE_FILTER = Permissions(
    server_events=[
        {"type": event_type}
        for event_type in (
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "output_audio_buffer.started",
            "output_audio_buffer.stopped",
            "conversation.item.input_audio_transcription.completed",
            "conversation.item.added",
            "conversation.item.created",
            "response.output_text.delta",
            "response.output_text.done",
            "response.output_audio_transcript.delta",
            "response.output_audio_transcript.done",
        )
    ]
)
"""What Azure's `webrtcfilter=on` lets through."""
