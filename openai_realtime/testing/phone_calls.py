"""The calls at the mock, by phone or WebRTC, and what was decided about them.

Owns: a call's states, and what the calls endpoints answer in each. Must not know: how the user's
code hears of a call (`phone.py`), or HTTP.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from openai_realtime.testing.messages import MockResponse, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_realtime.dialects import JsonObject

DecisionKind = Literal["accepted", "rejected", "referred", "hung_up", "missed"]
"""What became of a call; `missed`: nobody accepted or rejected it in time."""

CallState = Literal["ringing", "accepted", "rejected", "referred", "hung_up", "missed"]
"""What a call is."""

_KINDS: dict[str, DecisionKind] = {
    "accept": "accepted",
    "reject": "rejected",
    "refer": "referred",
    "hangup": "hung_up",
}
_FROM: dict[str, CallState] = {
    "accept": "ringing",
    "reject": "ringing",
    "refer": "accepted",
    "hangup": "accepted",
}
"""The state that a call must be in: refer and hangup are for active calls, says OpenAI."""


@dataclass(frozen=True, slots=True)
class CallDecision:
    """One thing that was decided about a call."""

    kind: DecisionKind
    parameters: JsonObject
    """What was sent along: a session, a status code, a target URI. `type` is left out."""
    seconds: float
    """When, in seconds since it began to ring."""


class MockCall:
    """A call as the mock's endpoints see it. Safe to use from any thread.

    It rings, and is missed after `answer_within` seconds (default: never).
    """

    def __init__(
        self,
        call_id: str,
        answer_within: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.call_id = call_id
        """The call's id, `rtc_…`."""
        self._answer_within = answer_within
        self._clock = clock
        self._began = clock()
        self._decisions: list[CallDecision] = []
        self._changed = threading.Condition()

    @property
    def decisions(self) -> list[CallDecision]:
        """What was decided so far, oldest first."""
        with self._changed:
            self._note_missed()
            return list(self._decisions)

    @property
    def state(self) -> CallState:
        """What the call is now."""
        decisions = self.decisions
        return decisions[-1].kind if decisions else "ringing"

    def wait_for(self, kind: DecisionKind | None, timeout: float) -> CallDecision | None:
        """Return the first decision of a kind (None: of any), or None when `timeout` is over.

        It is over early when the call is, and no such decision can come any more.
        """
        end = self._clock() + timeout
        with self._changed:
            while True:
                self._note_missed()
                for decision in self._decisions:
                    if kind in {None, decision.kind}:
                        return decision
                left = min(end, self._next_change()) - self._clock()
                if self._clock() >= end or self._is_over():
                    return None
                self._changed.wait(max(0.0, left))

    def act(self, action: str, parameters: JsonObject) -> MockResponse:
        """Take an action on the call, and return the endpoint's answer."""
        with self._changed:
            self._note_missed()
            state = self._decisions[-1].kind if self._decisions else "ringing"
            if self._is_over():
                return unknown_call()
            if state != _FROM[action]:
                told = {"ringing": "still ringing: accept it first", "accepted": "accepted already"}
                return refusal(400, f"The call is {told[state]}")
            seconds = self._clock() - self._began
            self._decisions.append(CallDecision(_KINDS[action], parameters, seconds))
            self._changed.notify_all()
            return MockResponse(body=b"")

    def _note_missed(self) -> None:
        if not self._decisions and self._clock() >= self._began + self._answer_within:
            self._decisions.append(CallDecision("missed", {}, self._answer_within))
            self._changed.notify_all()

    def _next_change(self) -> float:
        return math.inf if self._decisions else self._began + self._answer_within

    def _is_over(self) -> bool:
        return bool(self._decisions) and self._decisions[-1].kind != "accepted"


def unknown_call() -> MockResponse:
    """Return the answer for a call that is over, or that there never was."""
    return refusal(404, "No call with this id is ringing or active", code="call_id_not_found")
