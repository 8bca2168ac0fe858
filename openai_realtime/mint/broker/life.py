"""A call's life as data, and its decisions: when it is due, why it ends, when it is hung up again.

    reserved   it counts against the limits, and its offer is being traded at the provider
    running    the provider has responded with 201, and the provider's id is recorded
    ending     it has a reason to end; it is hung up until that has certainly worked
    ended      it is not in any table

No function here waits, and each takes the time in seconds of a monotonic clock.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from openai_realtime.dialects import SessionAPI

Phase: TypeAlias = Literal["reserved", "running", "ending"]
EndReason: TypeAlias = Literal[
    "max_duration",
    "page",
    "server",
    "replaced",
    "silent",
    "disconnected",
    "shutdown",
    "peer_left",
    "not_recorded",
    "possible_orphan",
]
"""Why a call ends: its time is over; the page, or the server, hung up; `at_limit="end_oldest"`
replaced it with another one; its page sent no heartbeat, or disconnected before the answer; the
service shut down; its sideband said that it is over, because the browser left; its id could not be recorded; or the trade's outcome is unknown."""
HangUpOutcome: TypeAlias = Literal["hung_up", "not_found", "failed"]
"""How one attempt to hang up went: 200, 404, or anything else."""

RESERVATION_GRACE: Final = 5.0
"""Seconds for which a reservation outlives the deadline of its trade."""
SETUP_SECONDS: Final = 10.0
"""Seconds after the 201 in which a 404 may mean that the call is not set up yet."""
MAX_BACKOFF: Final = 30.0
"""The longest wait in seconds between two attempts to hang up."""
_SPARE_ENTRIES = 64


@dataclass(slots=True, eq=False)
class CallRecord:
    """One call. Times are in seconds of this process' monotonic clock."""

    id: str
    """The SHA-256 of the call's address."""
    principal: str
    """The principal's pseudonym."""
    deadline: float
    """When the reservation ends; after the 201, when the call's own time is over."""
    api: SessionAPI = "realtime"
    """The provider's API that hangs it up."""
    provider_id: str | None = field(default=None, repr=False)
    """The provider's id of the call; None while it is reserved."""
    began: float = -math.inf
    """When the provider responded with 201."""
    lasts_until: float = math.inf
    """When the provider itself has ended the call, whatever happened here."""
    heartbeat: float | None = None
    """After how many seconds without a heartbeat it is hung up; None: never."""
    silent_at: float = math.inf
    """When that time is over."""
    reason: EndReason | None = None
    """Why it ends; the first reason stays."""
    next_attempt: float = math.inf
    """When it is hung up again; infinite while an attempt is under way."""
    attempts: int = 0
    """How many attempts to hang up have failed."""
    has_slot: bool = True
    """Whether it counts against the limit of calls at once."""
    scheduled: float = math.inf
    """The time of its entry in a `CallTable`."""
    person: str | None = field(default=None, repr=False)
    """The principal, in the process that began the call."""
    ended: float = math.inf
    """When the provider confirmed that it is over."""
    was_told: bool = False
    """Whether its end was told here."""
    is_set_up: bool = False
    """Whether the provider has certainly set it up, so that a 404 means that it has ended."""

    @property
    def phase(self) -> Phase:
        """The phase of its life."""
        if self.provider_id is None:
            return "reserved"
        return "running" if self.reason is None else "ending"

    @property
    def due(self) -> float:
        """When something must be done about it."""
        phase = self.phase
        if phase == "reserved":
            return self.deadline
        return self.next_attempt if phase == "ending" else min(self.deadline, self.silent_at)

    def begin(
        self,
        provider_id: str,
        now: float,
        *,
        max_duration: float,
        provider_maximum: float,
        heartbeat: float | None,
    ) -> None:
        """Take the provider's 201. If the call was asked to end meanwhile, it is ending."""
        self.provider_id = provider_id
        self.began = now
        self.deadline = now + max_duration
        self.lasts_until = now + provider_maximum
        self.heartbeat = heartbeat
        self.beat(now)
        if self.reason is not None:
            self.next_attempt = now

    def beat(self, now: float) -> None:
        """Take a heartbeat."""
        if self.heartbeat is not None:
            self.silent_at = now + self.heartbeat

    def ask_to_end(self, reason: EndReason, now: float) -> bool:
        """Take a reason to end; return False if it has one already.

        A reserved call ends when its trade is over: until then there is nothing to hang up.
        """
        if self.reason is not None:
            return False
        self.reason = reason
        if self.provider_id is not None:
            self.next_attempt = now
        return True

    def expire(self, now: float) -> None:
        """Take the reason for which it is due."""
        if self.phase == "reserved":
            self.reason = "possible_orphan"
        elif self.deadline <= now:
            self.ask_to_end("max_duration", now)
        else:
            self.ask_to_end("silent", now)

    def has_ended(self, outcome: HangUpOutcome, now: float, retry_after: float | None) -> bool:
        """Take the outcome of an attempt to hang up; return whether the call has ended.

        If it has not, the next attempt is after 1, 2, 4, … 30 s; `retry_after` is what the
        provider asked for. A 404 is final only when the call must have been set up.
        """
        if outcome == "hung_up" or now >= self.lasts_until:
            self.ended = now
            return True
        delay = min(MAX_BACKOFF, max(2.0 ** min(self.attempts, 10), retry_after or 0.0))
        self.attempts += 1
        if outcome == "not_found":
            self.has_slot = False
            until_set_up = self.began + SETUP_SECONDS - now
            if until_set_up <= 0 or self.is_set_up:
                self.ended = now
                return True
            delay = min(delay, until_set_up)
        self.next_attempt = min(now + delay, self.lasts_until)
        return False


class CallTable:
    """The calls that this process is to end, in the order in which they are due."""

    def __init__(self) -> None:
        self._calls: dict[str, CallRecord] = {}
        self._due: list[tuple[float, int, CallRecord]] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[CallRecord]:
        return iter(tuple(self._calls.values()))

    def get(self, call_id: str) -> CallRecord | None:
        """Return the call with this id, if it is here."""
        return self._calls.get(call_id)

    def add(self, call: CallRecord) -> None:
        """Add a call, or, if it is here already, take note that it may be due earlier."""
        self._calls[call.id] = call
        # An entry that is too early costs one look; it is put back then.
        if call.due < call.scheduled:
            call.scheduled = call.due
            heapq.heappush(self._due, (call.due, next(self._numbers), call))

    def remove(self, call_id: str) -> bool:
        """Remove a call; return whether it was here."""
        was_here = self._calls.pop(call_id, None) is not None
        if len(self._due) > 2 * len(self._calls) + _SPARE_ENTRIES:
            self._due = [entry for entry in self._due if self._calls.get(entry[2].id) is entry[2]]
            heapq.heapify(self._due)
        return was_here

    def next_due(self) -> float:
        """Return the time at which to ask for calls that are due: infinite if there are none."""
        return self._due[0][0] if self._due else math.inf

    def take_due(self, now: float) -> list[CallRecord]:
        """Return the calls that are due. Add those again that must be due later."""
        due: list[CallRecord] = []
        while self._due and self._due[0][0] <= now:
            time, _, call = heapq.heappop(self._due)
            if time != call.scheduled or self._calls.get(call.id) is not call:
                continue
            call.scheduled = math.inf
            if call.due <= now:
                due.append(call)
            else:
                self.add(call)
        return due

    def forgive_silence(self, now: float) -> None:
        """Take a heartbeat of every call: this process could not take them for a while."""
        for call in self._calls.values():
            call.beat(now)
