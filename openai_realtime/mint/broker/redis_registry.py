"""The registry in Redis, for several processes: one script, by Redis' own clock.

Each process also has the calls that it is to end in its own table. So it ends them in time while
Redis is away, and stores them again when Redis has lost its data. Sweeps take over what a process
that died has left.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from openai_realtime.errors import ConfigurationError
from openai_realtime.logs import describe
from openai_realtime.mint.broker.life import CallRecord, CallTable, EndReason
from openai_realtime.mint.broker.registry import (
    CallLimits,
    RecordResult,
    RegistryUnavailableError,
)
from openai_realtime.mint.limiter import DEFAULT_GLOBAL_LIMITS, DEFAULT_LIMITS, Limiter
from openai_realtime.mint.redis_storage import (
    MICROSECONDS,
    MOVING_WINDOWS,
    PREFIX,
    RedisStorage,
    rate_keys,
)

if TYPE_CHECKING:
    from openai_realtime.mint.redis_storage import RedisConnections

_REMEMBERED_SECONDS = 60.0
"""How long the end of a call is stored again after Redis has lost its data."""
_BATCH = 200


@cache
def _script() -> str:
    return MOVING_WINDOWS + files("openai_realtime.mint.broker").joinpath("calls.lua").read_text(
        "utf-8"
    )


class RedisRegistry:
    """The calls of all processes that use the same Redis (5 or newer) or Valkey."""

    is_shared = True

    def __init__(self, connections: RedisConnections, counters: str, limits: CallLimits) -> None:
        self.table: CallTable = CallTable()
        self._connections = connections
        self._limits = {
            "counters": json.loads(counters),
            "per_principal": limits.per_principal,
            "in_all": -1 if limits.in_all is None else limits.in_all,
            "ends_oldest": limits.ends_oldest,
        }
        self._process = secrets.token_hex(8)
        self._unfinished: dict[str, CallRecord] = {}
        """The calls that ended while Redis was away."""
        self._to_tell: list[CallRecord] = []
        """The calls whose end this process tells of, and has not told yet."""
        self._ended: dict[str, float] = {}
        """When the last calls ended, by id."""
        self._epoch: str | None = None
        """When Redis' data began."""

    async def open(self) -> None:
        """Raise `ConfigurationError` on trio."""
        await self._connections.open()

    async def reserve(self, call: CallRecord) -> Sequence[float]:
        """As `Registry.reserve`."""
        arguments = {**self._limits, "call": _fields(call)}
        try:
            result = await self._run("reserve", arguments, rate_keys(call.principal))
        except RegistryUnavailableError:
            self._unfinished[call.id] = call  # it may have been reserved
            raise
        waits = [wait / MICROSECONDS for wait in result["waits"]]
        if not any(waits):
            self.table.add(call)
            self._take_over([result["replaced"]] if "replaced" in result else [])
        return waits

    async def record(self, call: CallRecord) -> RecordResult:
        """As `Registry.record`."""
        call.silent_at = math.inf  # the sweeps see to it: any process may take the heartbeats
        result = await self._run("record", {"call": _fields(call)})
        if "reason" in result:
            call.ask_to_end(result["reason"], time.monotonic())
        self.table.add(call)
        return cast("RecordResult", result["result"])

    async def beat(self, call_id: str) -> None:
        """As `Registry.beat`."""
        await self._run("beat", {"id": call_id})

    async def principal_of(self, call_id: str) -> str | None:
        """As `Registry.principal_of`."""
        call = self.table.get(call_id)
        if call is not None:
            return call.principal
        principal: str | None = (await self._run("principal_of", {"id": call_id})).get("principal")
        return principal

    async def take(self, call_ids: Collection[str], reason: EndReason) -> list[CallRecord]:
        """As `Registry.take`."""
        try:
            result = await self._run("take", {"ids": list(call_ids), "reason": reason})
        except RegistryUnavailableError:
            calls = [self.table.get(each) for each in call_ids]
            if None in calls:
                raise
            return self._end(cast("list[CallRecord]", calls), reason)
        return self._take_over(result["calls"])

    async def running(self, principal: str | None) -> list[CallRecord]:
        """As `Registry.running`."""
        arguments = {} if principal is None else {"principal": principal}
        result = await self._run("running", arguments)
        return [self.table.get(fields["id"]) or _call(fields) for fields in result["calls"]]

    async def request_end(self, provider_id: str | None) -> int:
        """Let the service hang up the call with this id, or all; return how many there are.

        For operators: a process of the service does it within a second, and tells of the end. May
        raise `RegistryUnavailableError`.
        """
        arguments = {} if provider_id is None else {"provider_ids": [provider_id]}
        count: int = (await self._run("request_end", arguments))["count"]
        return count

    async def postpone(self, call: CallRecord) -> None:
        """As `Registry.postpone`."""
        delay = max(0.0, call.next_attempt - time.monotonic())
        arguments = {
            "id": call.id,
            "reason": call.reason,
            "delay": _micros(delay),
            "has_slot": call.has_slot,
        }
        with suppress(RegistryUnavailableError):
            await self._run("postpone", arguments)

    async def finish(self, call: CallRecord) -> bool:
        """As `Registry.finish`. While Redis is away, `synchronize` tells of the end later."""
        self.table.remove(call.id)
        self._unfinished[call.id] = call
        with suppress(RegistryUnavailableError):
            return bool(await self._finish([call]))
        return False

    async def synchronize(self) -> list[CallRecord]:
        """As `Registry.synchronize`."""
        # Kept until they are returned: Redis may fail between the two steps.
        self._to_tell += await self._finish([*self._unfinished.values()][:_BATCH])
        result = await self._run("synchronize", {})
        self._take_over(result["calls"])
        for call_id in result["gone"]:
            self.table.remove(call_id)
        is_new, self._epoch = self._epoch not in {None, result["epoch"]}, result["epoch"]
        if is_new or result["owned"] < len(self.table):
            await self._restore()
        told, self._to_tell = self._to_tell, []
        return told

    async def leave(self) -> None:
        """As `Registry.leave`."""
        with suppress(RegistryUnavailableError):
            await self._run("leave", {})

    async def _finish(self, calls: Sequence[CallRecord]) -> list[CallRecord]:
        """Delete calls; return those whose end this process tells of."""
        if not calls:
            return []
        result = await self._run("finish", {"ids": [call.id for call in calls]})
        first = result["told"]
        told = [call for call in calls if call.id in first and call.id not in self._ended]
        now = time.monotonic()
        for call in calls:
            if call.id not in result["unsure"]:
                self._unfinished.pop(call.id, None)
                self._ended[call.id] = now
        for call_id in [each for each, at in self._ended.items() if at < now - _REMEMBERED_SECONDS]:
            del self._ended[call_id]
        return [call for call in told if call.reason is not None]

    async def _restore(self) -> None:
        """Store this process' calls again: Redis does not have all of them."""
        calls, ended = [*self.table], [*self._ended]
        for start in range(0, max(len(calls), len(ended)), _BATCH):
            batch = slice(start, start + _BATCH)
            arguments = {"calls": [_fields(call) for call in calls[batch]], "ended": ended[batch]}
            await self._run("restore", arguments)

    def _take_over(self, calls: Iterable[Mapping[str, Any]]) -> list[CallRecord]:
        """Take calls into the table, as Redis has them; return them."""
        taken: list[CallRecord] = []
        for fields in calls:
            call = self.table.get(fields["id"]) or _call(fields)
            if call.reason is None and "reason" in fields:
                self._end([call], fields["reason"])
            elif call.provider_id is not None or fields["left"] <= 0:
                self.table.add(call)
            taken.append(call)
        return taken

    def _end(self, calls: list[CallRecord], reason: EndReason) -> list[CallRecord]:
        for call in calls:
            call.ask_to_end(reason, time.monotonic())
            self.table.add(call)
        return calls

    async def _run(
        self, command: str, arguments: Mapping[str, object], more_keys: Sequence[str] = ()
    ) -> dict[str, Any]:
        everything = json.dumps({**arguments, "process": self._process})
        try:
            result = await self._connections.run(
                _script(), [f"{PREFIX}calls:", *more_keys], command, everything
            )
        except Exception as error:  # noqa: BLE001 - whatever the cause, it cannot be used
            message = f"Redis does not work: {describe(error)}. Check its URL, and that it runs"
            raise RegistryUnavailableError(message) from None
        members: dict[str, Any] = json.loads(cast("bytes", result))
        # Lua has one type for lists and objects: an empty list comes as an object.
        return {name: value if value != {} else [] for name, value in members.items()}


def _micros(seconds: float) -> int:
    return round(seconds * MICROSECONDS)


def _fields(call: CallRecord) -> dict[str, object]:
    """Return a call as the script takes it: times as microseconds from now."""
    now = time.monotonic()
    fields: dict[str, object] = {
        "id": call.id,
        "principal": call.principal,
        "api": call.api,
        "left": _micros(call.deadline - now),
        "has_slot": call.has_slot,
    }
    if call.provider_id is not None:
        fields["provider_id"] = call.provider_id
        fields["age"] = _micros(now - call.began)
        fields["lasts"] = _micros(call.lasts_until - now)
    if call.heartbeat is not None:
        fields["heartbeat"] = _micros(call.heartbeat)
    if call.reason is not None:
        fields["reason"] = call.reason
    return fields


def _call(fields: Mapping[str, Any]) -> CallRecord:
    """Return the call that the script describes."""
    now = time.monotonic()
    deadline = now + fields["left"] / MICROSECONDS
    call = CallRecord(fields["id"], fields["principal"], deadline, fields["api"])
    call.has_slot = fields["has_slot"]
    if "provider_id" in fields:
        call.provider_id = fields["provider_id"]
        call.began = now - fields["age"] / MICROSECONDS
        call.lasts_until = now + fields["lasts"] / MICROSECONDS
    if "heartbeat" in fields:
        call.heartbeat = fields["heartbeat"] / MICROSECONDS
    if "reason" in fields:
        call.reason = fields["reason"]
        call.next_attempt = now
    return call


@asynccontextmanager
async def operators_registry(url: str) -> AsyncGenerator[RedisRegistry]:
    """Give the registry of a service with this `storage`, to look at it and to end calls.

    Raises `ConfigurationError` when `url` is not one of Redis, or is unusable.
    """
    limiter = Limiter(url, DEFAULT_LIMITS, DEFAULT_GLOBAL_LIMITS)
    storage = limiter.storage
    if not isinstance(storage, RedisStorage):
        message = "storage is unusable: only calls in Redis can be seen from here: redis://…"
        raise ConfigurationError(message)
    try:
        yield RedisRegistry(
            storage.connections, storage.counters, CallLimits(1, None, ends_oldest=False)
        )
    finally:
        await limiter.aclose()
