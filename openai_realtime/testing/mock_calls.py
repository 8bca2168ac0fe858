"""A call at the mock: your code's decisions on it, its events, and everything that hears them."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from openai_realtime.core.strict_json import Json
from openai_realtime.dialects import JsonObject
from openai_realtime.testing.conversation import Conversation, EndReason
from openai_realtime.testing.data_channel import Permissions
from openai_realtime.testing.live_conversation import LiveConversation
from openai_realtime.testing.mock_sessions import as_object, new_id, realtime_session
from openai_realtime.testing.profiles import MockResponse, error_response
from openai_realtime.testing.realtime_conversation import RealtimeConversation
from openai_realtime.testing.running_call import Listener, RunningCall, Utterance

T = TypeVar("T")

DecisionKind = Literal["accepted", "rejected", "referred", "hung_up", "missed", "ended"]
"""The outcome of a call; `missed`: it was neither accepted nor rejected in time; `ended`: not by your
code, but by the caller or the connection."""

CallState = Literal["ringing", "accepted", "rejected", "referred", "hung_up", "missed", "ended"]
"""The state of a call."""

_KINDS: dict[str, DecisionKind] = {
    "accept": "accepted",
    "reject": "rejected",
    "refer": "referred",
    "hangup": "hung_up",
}
_REQUIRED_STATES: dict[str, CallState] = {
    "accept": "ringing",
    "reject": "ringing",
    "refer": "accepted",
    "hangup": "accepted",
}
"""The state that each action needs. By OpenAI's reference, refer and hangup need an active call."""

_WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class CallDecision:
    """One decision on a call."""

    kind: DecisionKind
    """What was decided; `missed`: nothing, in time."""
    parameters: dict[str, Json]
    """The request's parameters: a session, a status code, a target URI. `type` is left out."""
    seconds: float
    """The time of the decision, in seconds after the call began to ring."""
    is_live: bool = False
    """Whether it was made at GPT-Live's endpoints."""


class MockCall:
    """A call at the mock's endpoints, by phone or WebRTC. Safe to use from any thread.

    It rings until it is accepted or rejected, or is missed after `answer_within` seconds (default:
    never). While it is accepted, sidebands may join it, and the methods below play its two people:

        call = server.calls[-1]
        call.caller_says("A table for four, please")
        call_id = call.model_calls("find_table", {"people": 4})
        assert call.wait_for_output(call_id) == '{"table": 40}'
    """

    def __init__(  # noqa: PLR0913 - options, by name
        self,
        call_id: str,
        answer_within: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
        *,
        session_id: str = "",
        is_phone: bool = True,
        usage_interval: float = math.inf,
    ) -> None:
        self.call_id = call_id
        """The call's id at the Realtime API, `rtc_…`; empty if it is a GPT-Live call only."""
        self.session_id = session_id
        """The call's id at GPT-Live, `live_…`; empty if it is a Realtime call only."""
        self._answer_within = answer_within
        self._clock = clock
        self._is_phone = is_phone
        self._usage_interval = usage_interval
        self._began = clock()
        self._decisions: list[CallDecision] = []
        self._changed = threading.Condition()
        self._running: RunningCall | None = None

    @property
    def decisions(self) -> list[CallDecision]:
        """The decisions so far, oldest first."""
        with self._changed:
            self._note_missed()
            return list(self._decisions)

    @property
    def state(self) -> CallState:
        """The call's state now."""
        decisions = self.decisions
        return decisions[-1].kind if decisions else "ringing"

    @property
    def events(self) -> list[JsonObject]:
        """The events that clients sent, over sidebands and the data channel: the last 1,000."""
        with self._changed:
            return [] if self._running is None else list(self._running.events)

    @property
    def transcript(self) -> list[Utterance]:
        """What the caller and the model said: the last 1,000 utterances, oldest first."""
        with self._changed:
            return [] if self._running is None else list(self._running.transcript)

    def caller_says(self, text: str) -> None:
        """Let the caller say something; the model does not respond by itself.

        Raises `RuntimeError` unless the call is accepted.
        """
        self._play(lambda conversation: conversation.caller_says(text))

    def model_says(self, text: str) -> None:
        """Let the model say something, as a response. Raises `RuntimeError` unless it is accepted."""
        self._play(lambda conversation: conversation.model_says(text))

    def model_calls(self, name: str, arguments: Mapping[str, object] | str = "{}") -> str:
        """Let the model call a function, and return the id of this function call.

        `arguments` are sent as JSON; a text is sent as it is. GPT-Live needs `delegation` of type
        `responses`. After your code has sent the output and `response.create`, the model says the
        output. Raises `RuntimeError` unless the call is accepted.
        """
        call_id = new_id("call")
        text = arguments if isinstance(arguments, str) else json.dumps(dict(arguments))
        self._play(lambda conversation: conversation.model_calls(call_id, name, text))
        return call_id

    def model_delegates(self) -> str:
        """Let GPT-Live give your code a task, and return the task's id, the `delegation_id`.

        The session needs `delegation` of type `client`, which is the default. The model says what your
        code sends with `session.commentary.append`. Raises `RuntimeError` unless the call is accepted.
        """
        delegation_id = new_id("delegation")
        self._play(lambda conversation: conversation.model_delegates(delegation_id))
        return delegation_id

    def hang_up(self, reason: EndReason | None = None) -> None:
        """End the call from the caller's side: the sidebands are closed normally, with code 1000.

        `reason` is what GPT-Live's `session.closed` says: by default `remote_hangup` on the phone and
        `connection_lost` in a browser; `expired` and `content` end it as the server does. Does nothing
        if the call is over; raises `RuntimeError` if it is still ringing.
        """
        with self._changed:
            if self.state == "ringing":
                message = "The call is still ringing"
                raise RuntimeError(message)
            default: EndReason = "remote_hangup" if self._is_phone else "connection_lost"
            self._end("ended", reason or default)

    def wait_for_event(self, event_type: str, *, timeout: float = _WAIT_SECONDS) -> JsonObject:
        """Return the first event of a type that a client sent. Blocks.

        Raises `TimeoutError` if there is none within `timeout` seconds (5).
        """

        def found() -> JsonObject | None:
            return next((each for each in self.events if each.get("type") == event_type), None)

        return self._wait_for(found, timeout, f"No client has sent {event_type}")

    def wait_for_output(self, call_id: str, *, timeout: float = _WAIT_SECONDS) -> str:
        """Return the output that a client sent for a function call of `model_calls`. Blocks.

        Raises `TimeoutError` if there is none within `timeout` seconds (5).
        """

        def found() -> str | None:
            for item in (as_object(event.get("item")) for event in self.events):
                if item.get("type") == "function_call_output" and item.get("call_id") == call_id:
                    return str(item.get("output"))
            return None

        return self._wait_for(found, timeout, "No client has sent the function's output")

    def wait_for_speech(self, *, timeout: float = _WAIT_SECONDS) -> Utterance:
        """Return the first thing that the model said. Blocks.

        Raises `TimeoutError` if it says nothing within `timeout` seconds (5).
        """

        def found() -> Utterance | None:
            return next((each for each in self.transcript if each.speaker == "model"), None)

        return self._wait_for(found, timeout, "The model has said nothing")

    def may_be_joined(self, *, is_live: bool) -> bool:
        """Return whether a sideband of an API may join: the call is accepted there."""
        with self._changed:
            return self._running is not None and not self._is_over() and is_live is self._is_live()

    def join(self, listener: Listener, *, is_sideband: bool) -> bool:
        """Add what hears the events from now on; returns False if the call is not accepted."""
        with self._changed:
            running = self._running
            if running is None or self._is_over():
                return False
            running.join(listener, is_sideband=is_sideband)
            return True

    def leave(self, listener: Listener) -> None:
        """Remove what heard the events; nothing happens if it was removed before."""
        with self._changed:
            if self._running is not None:
                self._running.leave(listener)

    def receive(self, message: str | bytes, sender: Listener) -> None:
        """Take a client's message, unless the call is over."""
        with self._changed:
            if self._running is not None and not self._is_over():
                self._running.receive(message, sender)

    def respond_to_speech(self, heard: str, said: str) -> None:
        """Let the caller speak and the model respond, unless the call is over."""
        with self._changed:
            if self._running is not None and not self._is_over():
                self._running.play(lambda conversation: conversation.caller_says(heard))
                self._running.play(lambda conversation: conversation.model_says(said))

    def close(self) -> None:
        """End the call, if it is accepted: the server stops."""
        with self._changed:
            self._end("ended", "close_requested")

    def act(
        self, action: str, parameters: dict[str, Json], *, is_live: bool = False
    ) -> MockResponse:
        """Apply an action to the call, and return the endpoint's response."""
        with self._changed:
            self._note_missed()
            state = self._decisions[-1].kind if self._decisions else "ringing"
            # The API whose request came first has the call.
            if state not in {"ringing", "missed"} and is_live is not self._is_live():
                return decision_already_made()
            if self._is_over():
                return unknown_session() if is_live else unknown_call()
            if state != _REQUIRED_STATES[action]:
                still_ringing = state == "ringing"
                if not still_ringing:
                    return decision_already_made()
                return error_response(400, "The call is still ringing: accept it first")
            if action == "accept":
                self._decide("accepted", parameters, is_live=is_live)
                self._begin(parameters, is_live=is_live)
            elif action == "reject":
                self._decide("rejected", parameters, is_live=is_live)
            else:
                self._end(_KINDS[action], "close_requested", parameters)
            return MockResponse(body=b"")

    def _first_decision(self, kind: DecisionKind | None, timeout: float) -> CallDecision | None:
        """Return the first decision of `kind` (None: of any kind).

        Returns None if there is no such decision within `timeout` seconds, or before the call ends.
        """
        deadline = self._clock() + timeout
        with self._changed:
            while True:
                self._note_missed()
                for decision in self._decisions:
                    if kind in {None, decision.kind}:
                        return decision
                if self._clock() >= deadline or self._is_over():
                    return None
                remaining = min(deadline, self._missed_at()) - self._clock()
                self._changed.wait(max(0.0, remaining))

    def _wait_for(self, found: Callable[[], T | None], timeout: float, missing: str) -> T:
        deadline = self._clock() + timeout
        with self._changed:
            while (value := found()) is None:
                remaining = deadline - self._clock()
                if remaining <= 0:
                    message = f"{missing} in {timeout:g} s: the call is {self.state}"
                    raise TimeoutError(message)
                self._changed.wait(remaining)
            return value

    def _play(self, events: Callable[[Conversation], Iterable[JsonObject]]) -> None:
        with self._changed:
            if self._running is None or self._is_over():
                message = f"The call is {self.state}: only an accepted one has events"
                raise RuntimeError(message)
            self._running.play(events)

    def _begin(self, parameters: dict[str, Json], *, is_live: bool) -> None:
        conversation: Conversation
        usage: Callable[[], Iterable[JsonObject]] | None = None
        if is_live:
            session = as_object(parameters.get("session"))
            conversation = live = LiveConversation(
                self.session_id, session, self._clock, is_phone=self._is_phone
            )
            usage = live.usage
        else:
            conversation = RealtimeConversation(realtime_session(parameters))
        self._running = RunningCall(
            conversation,
            self._changed,
            lambda: self._clock() - self._began,
            usage=usage,
            usage_interval=self._usage_interval,
            on_close_requested=lambda: self._end("hung_up", "close_requested"),
            # A sideband that joins a phone call of the Realtime API hears the session first.
            has_opening=self._is_phone and not is_live,
        )

    def _end(
        self, kind: DecisionKind, reason: EndReason, parameters: dict[str, Json] | None = None
    ) -> None:
        """End the call, if it is accepted."""
        if self._running is not None and not self._is_over():
            self._decide(kind, parameters or {}, is_live=self._is_live())
            self._running.end(reason)

    def _decide(self, kind: DecisionKind, parameters: dict[str, Json], *, is_live: bool) -> None:
        seconds = self._clock() - self._began
        self._decisions.append(CallDecision(kind, parameters, seconds, is_live))
        self._changed.notify_all()

    def _is_live(self) -> bool:
        """Return whether a call that is decided was decided at GPT-Live's endpoints."""
        return self._decisions[0].is_live

    def _note_missed(self) -> None:
        if self._clock() >= self._missed_at():
            self._decisions.append(CallDecision("missed", {}, self._answer_within))
            self._changed.notify_all()

    def _missed_at(self) -> float:
        return math.inf if self._decisions else self._began + self._answer_within

    def _is_over(self) -> bool:
        return bool(self._decisions) and self._decisions[-1].kind != "accepted"


class Peers(Protocol):
    """The WebRTC peers of the calls that clients create."""

    def answer(self, call: MockCall, offer: str, permissions: Permissions, dcid: int | None) -> str:
        """Return the SDP answer of a new peer, which joins the call.

        `dcid` is the id of a data channel that was negotiated beforehand. Raises `ParameterError` for
        an unusable offer.
        """
        ...


def decision_already_made() -> MockResponse:
    """Return the error response for a call that was accepted or rejected, at this API or the other."""
    message = "The call is accepted already, or rejected"
    return error_response(400, message, code="decision_already_made")


def unknown_call() -> MockResponse:
    """Return the error response for a call that is over or never existed."""
    return error_response(
        404, "No call with this id is ringing or active", code="call_id_not_found"
    )


def unknown_session() -> MockResponse:
    """Return the error response for a GPT-Live session that is over or never existed."""
    message = "No session with this id is ringing or active"
    return error_response(404, message, code="session_id_not_found")
