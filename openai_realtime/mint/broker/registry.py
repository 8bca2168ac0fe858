"""Where calls are counted and found: the options, the protocol of a registry, and the one in memory."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from openai_realtime.errors import RealtimeError
from openai_realtime.mint.broker.life import CallRecord, CallTable, EndReason
from openai_realtime.mint.limiter import MemoryStorage

if TYPE_CHECKING:
    from openai_realtime.on_sideband import SidebandRunner

MAX_RETRY_AFTER: Final = 30.0
"""The longest wait in seconds that a refusal for calls at once names: a call may end earlier."""
RecordResult: TypeAlias = Literal["recorded", "gone", "taken"]
"""What became of a call's id: it is recorded; or the reservation has ended; or another call has
this id."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How many calls there may be at once."""

    per_principal: int
    in_all: int | None
    ends_oldest: bool
    """Whether a principal's oldest call ends for a new one, instead of a refusal."""


@dataclass(frozen=True, slots=True)
class CallSettings:
    """The options of calls."""

    max_duration: float
    """Seconds from the provider's 201 to the hang-up."""
    heartbeat: float | None
    """Seconds without a heartbeat until the hang-up; None: no heartbeat is needed."""
    sends_safety_identifier: bool
    sidebands: SidebandRunner | None = None
    """Runs `on_sideband`; None: there is none."""


class Registry(Protocol):
    """The calls of all processes that share it.

    Each method may raise `RegistryUnavailableError` where its description says so, within 2 s.
    """

    table: CallTable
    """The calls that this process is to end."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes end this one's calls when it stops."""
        ...

    async def open(self) -> None:
        """Raise `ConfigurationError` where it cannot work."""
        ...

    async def reserve(self, call: CallRecord) -> Sequence[float]:
        """Count one call, if every limit allows it; return four waits in seconds.

        They are for the principal's rates, the rates of all, the principal's calls at once, and the
        calls at once of all. The call is counted, and in the table, if all are 0; otherwise nothing
        is counted. May raise `RegistryUnavailableError`.
        """
        ...

    async def record(self, call: CallRecord) -> RecordResult:
        """Record the provider's id of a call. May raise `RegistryUnavailableError`."""
        ...

    async def beat(self, call_id: str) -> None:
        """Take a heartbeat. May raise `RegistryUnavailableError`."""
        ...

    async def principal_of(self, call_id: str) -> str | None:
        """Return the pseudonym of a call's principal; None: there is no such call.

        May raise `RegistryUnavailableError`.
        """
        ...

    async def take(self, call_ids: Collection[str], reason: EndReason) -> list[CallRecord]:
        """Ask calls to end, and take them into this process' table; return those that were there.

        A call that is still reserved stays where it is traded, and ends there. May raise
        `RegistryUnavailableError`.
        """
        ...

    async def running(self, principal: str | None) -> list[CallRecord]:
        """Return the calls of a principal (None: of all) that have not been asked to end.

        May raise `RegistryUnavailableError`.
        """
        ...

    async def postpone(self, call: CallRecord) -> None:
        """Take note of the time of the next attempt, and whether the call has a slot."""
        ...

    async def finish(self, call: CallRecord) -> bool:
        """Delete a call; return whether it is this process that tells of its end."""
        ...

    async def synchronize(self) -> list[CallRecord]:
        """Exchange calls with the other processes, once a second.

        Returns the calls whose end this process tells of only now. May raise
        `RegistryUnavailableError`.
        """
        ...

    async def leave(self) -> None:
        """Leave this process' calls to the others."""
        ...


class RegistryUnavailableError(RealtimeError):
    """The registry does not work. The message says why."""


def slot_wait(deadline: float, now: float) -> float:
    """Return the seconds to wait for the slot of a call that must end at `deadline`."""
    return min(MAX_RETRY_AFTER, max(1.0, deadline - now))


class MemoryRegistry:
    """The calls of this process. Only one event loop may use it."""

    is_shared = False

    def __init__(self, storage: MemoryStorage, limits: CallLimits) -> None:
        self.table: CallTable = CallTable()
        self._storage = storage
        self._limits = limits
        self._slots: dict[str, CallRecord] = {}
        self._slots_of: dict[str, dict[str, CallRecord]] = {}
        """The calls that count against the limits, the oldest first: all, and by principal."""
        self._provider_ids: set[str] = set()

    async def open(self) -> None:
        """Do nothing."""

    async def reserve(self, call: CallRecord) -> Sequence[float]:
        """As `Registry.reserve`."""
        now = time.monotonic()
        own = self._slots_of.get(call.principal, {})
        replaced = own_wait = all_wait = None
        if len(own) >= self._limits.per_principal:
            oldest = next(iter(own.values()))
            if self._limits.ends_oldest:
                replaced = oldest
            else:
                own_wait = slot_wait(oldest.deadline, now)
        in_all = len(self._slots) - (replaced is not None)
        if self._limits.in_all is not None and in_all >= self._limits.in_all:
            all_wait = slot_wait(next(iter(self._slots.values())).deadline, now)
        waits = await self._storage.hit(call.principal, (own_wait or 0.0, all_wait or 0.0))
        if any(waits):
            return waits
        if replaced is not None:
            self._free_slot(replaced)
            self._end(replaced, "replaced", now)
        self._slots[call.id] = call
        self._slots_of.setdefault(call.principal, {})[call.id] = call
        self.table.add(call)
        return waits

    async def record(self, call: CallRecord) -> RecordResult:
        """As `Registry.record`."""
        if self.table.get(call.id) is None:
            return "gone"
        provider_id = str(call.provider_id)
        if provider_id in self._provider_ids:
            return "taken"
        self._provider_ids.add(provider_id)
        self.table.add(call)
        return "recorded"

    async def beat(self, call_id: str) -> None:
        """As `Registry.beat`."""
        call = self.table.get(call_id)
        if call is not None:
            call.beat(time.monotonic())

    async def principal_of(self, call_id: str) -> str | None:
        """As `Registry.principal_of`."""
        call = self.table.get(call_id)
        return None if call is None else call.principal

    async def take(self, call_ids: Collection[str], reason: EndReason) -> list[CallRecord]:
        """As `Registry.take`."""
        now = time.monotonic()
        calls = [call for each in call_ids if (call := self.table.get(each)) is not None]
        for call in calls:
            self._end(call, reason, now)
        return calls

    async def running(self, principal: str | None) -> list[CallRecord]:
        """As `Registry.running`."""
        slots = self._slots if principal is None else self._slots_of.get(principal, {})
        return [call for call in slots.values() if call.reason is None]

    async def postpone(self, call: CallRecord) -> None:
        """As `Registry.postpone`."""
        if not call.has_slot:
            self._free_slot(call)

    async def finish(self, call: CallRecord) -> bool:
        """As `Registry.finish`."""
        self._free_slot(call)
        self._provider_ids.discard(str(call.provider_id))
        is_first, call.was_told = not call.was_told, True
        return self.table.remove(call.id) and is_first

    async def synchronize(self) -> list[CallRecord]:
        """Return no call: there is no other process."""
        return []

    async def leave(self) -> None:
        """Do nothing: nothing ends a call after its process."""

    def _end(self, call: CallRecord, reason: EndReason, now: float) -> None:
        call.ask_to_end(reason, now)
        self.table.add(call)

    def _free_slot(self, call: CallRecord) -> None:
        call.has_slot = False
        self._slots.pop(call.id, None)
        own = self._slots_of.get(call.principal, {})
        own.pop(call.id, None)
        if not own:
            self._slots_of.pop(call.principal, None)
