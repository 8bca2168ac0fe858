"""An accepted call: its conversation, and the sidebands and the data channel that hear it."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from openai_realtime.core.strict_json import decode_json
from openai_realtime.dialects import JsonObject
from openai_realtime.testing.conversation import (
    Conversation,
    EndReason,
    EventError,
    Speaker,
    new_event,
)
from openai_realtime.testing.data_channel import Permissions
from openai_realtime.testing.mock_sessions import as_object

_MAX_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Utterance:
    """What the caller or the model said."""

    speaker: Speaker
    """`caller` or `model`."""
    text: str
    """The words."""
    seconds: float
    """When it was said: seconds after the call began to ring, or after a WebRTC call was created."""


class Listener(Protocol):
    """What hears a call's events: a sideband, or the caller's data channel."""

    permissions: Permissions

    def send(self, event: JsonObject) -> None:
        """Send an event. Returns at once."""
        ...

    def close(self) -> None:
        """Close the connection normally, after the events that were sent. Returns at once."""
        ...


class RunningCall:
    """Lets everything that listens hear what each client's event leads to.

    Rule: its owner holds the lock of `changed` while it calls a method.
    """

    def __init__(  # noqa: PLR0913 - what its owner knows
        self,
        conversation: Conversation,
        changed: threading.Condition,
        seconds: Callable[[], float],
        *,
        usage: Callable[[], Iterable[JsonObject]] | None,
        usage_interval: float,
        on_close_requested: Callable[[], None],
        has_opening: bool,
    ) -> None:
        self.events: deque[JsonObject] = deque(maxlen=_MAX_KEPT)
        """The events that clients sent."""
        self.transcript: deque[Utterance] = deque(maxlen=_MAX_KEPT)
        """What the caller and the model said."""
        self._conversation = conversation
        self._opening = conversation.opening()
        self._changed = changed
        self._seconds = seconds
        self._usage = usage
        self._usage_interval = usage_interval
        self._on_close_requested = on_close_requested
        self._has_opening = has_opening
        self._listeners: list[Listener] = []
        self._recent = deque([(seconds(), self._opening)], maxlen=_MAX_KEPT)
        self._has_ended = False
        self._timer: threading.Timer | None = None
        conversation.on_speech = self._note_speech

    def join(self, listener: Listener, *, is_sideband: bool) -> None:
        """Add what hears the events from now on.

        The data channel begins with the session; a sideband with what its API sends when it joins.
        """
        if not is_sideband or self._has_opening:
            _send(listener, self._opening)
        if is_sideband and self._conversation.replayed_seconds:
            since = self._seconds() - self._conversation.replayed_seconds
            for at, event in self._recent:
                if at >= since:
                    _send(listener, event)
        if self._conversation.announces_permissions and listener.permissions.is_restricted:
            message = "This data channel is restricted: client.data_channel says what it carries"
            _send(listener, new_event("info", code="data_channel_permissions", message=message))
        self._listeners.append(listener)
        if self._timer is None:
            self._start_timer()

    def leave(self, listener: Listener) -> None:
        """Remove what heard the events; nothing happens if it was removed before."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def receive(self, message: str | bytes, sender: Listener) -> None:
        """Take a client's message. Only the sender hears its errors."""
        try:
            event = as_object(
                decode_json(message.encode() if isinstance(message, str) else message)
            )
        except ValueError:
            event = {}
        try:
            sender.permissions.check_client_event(event)
        except EventError as error:
            _send(sender, self._conversation.error(event, error))
            return
        self.events.append(event)
        for each in self._conversation.respond(event):
            if each["type"] == "error":
                _send(sender, each)
            else:
                self._emit(each)
        if self._conversation.is_closing:
            self._on_close_requested()
        self._changed.notify_all()

    def play(self, events: Callable[[Conversation], Iterable[JsonObject]]) -> None:
        """Let everything that listens hear some of the conversation's events."""
        self._emit_all(events(self._conversation))
        self._changed.notify_all()

    def end(self, reason: EndReason) -> None:
        """Send the last events, and close what listens."""
        self._has_ended = True
        if self._timer is not None:
            self._timer.cancel()
        self.play(lambda conversation: conversation.ending(reason))
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    def _emit_all(self, events: Iterable[JsonObject]) -> None:
        for event in events:
            self._emit(event)

    def _emit(self, event: JsonObject) -> None:
        self._recent.append((self._seconds(), event))
        for listener in self._listeners:
            _send(listener, event)

    def _note_speech(self, speaker: Speaker, text: str) -> None:
        self.transcript.append(Utterance(speaker, text, self._seconds()))

    def _start_timer(self) -> None:
        if self._usage is not None and not math.isinf(self._usage_interval):
            self._timer = threading.Timer(self._usage_interval, self._report_usage)
            self._timer.daemon = True
            self._timer.start()

    def _report_usage(self) -> None:
        with self._changed:
            if self._usage is not None and not self._has_ended:
                self._emit_all(self._usage())
                self._start_timer()


def _send(listener: Listener, event: JsonObject) -> None:
    if listener.permissions.allows_server_event(event):
        listener.send(event)
