"""The broker of one process: it trades offers, and ends the calls in its table in time."""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVarTuple, Unpack

import anyio

from openai_realtime.background import Background
from openai_realtime.errors import APIError, RealtimeError
from openai_realtime.mint.broker.events import (
    CallListener,
    CallMetrics,
    call_event,
    running_call,
)
from openai_realtime.mint.broker.life import RESERVATION_GRACE, CallRecord, EndReason
from openai_realtime.mint.broker.registry import RegistryUnavailableError
from openai_realtime.mint.errors import (
    CALL_ENDED,
    LIMITER_DOWN,
    NOT_RECORDED,
    TOO_BUSY,
    TOO_MANY_CALLS,
    TOO_OFTEN,
    EndpointError,
    endpoint_error_for,
)
from openai_realtime.mint.limiter import longest_wait
from openai_realtime.mint.telemetry import logger

if TYPE_CHECKING:
    from openai_realtime.mint.broker.provider_calls import BegunCall, Offer, ProviderCalls
    from openai_realtime.mint.broker.registry import CallSettings, Registry
    from openai_realtime.mint.request_body import Choice
    from openai_realtime.mint.telemetry import AccessEntry
    from openai_realtime.on_sideband import SidebandRunner

Arguments = TypeVarTuple("Arguments")

_CODES = (TOO_OFTEN, TOO_BUSY, TOO_MANY_CALLS, TOO_BUSY)
"""The codes for the waits of `Registry.reserve`."""
_NEVER_BEGAN = frozenset({"not_recorded", "possible_orphan"})
"""The reasons of calls that no browser could join: `on_call` is not told of them."""
_ADDRESS_BYTES: Final = 32
_HANG_UPS_AT_ONCE = 100
_HANG_UP_WAIT = 3.0
"""How long a request to hang up waits for the first attempt."""
_SYNCHRONIZE_SECONDS = 1.0
_SHUTDOWN_SECONDS = 5.0
_POLL_SECONDS = 0.01
_LONGEST_WAIT = 1.0
_PAUSE_SECONDS = 2.0
"""After how many seconds of delay this process counts as having been stopped."""


@dataclass(slots=True)
class Trade:
    """A request for a call: what is traded for whom, and what becomes of it."""

    principal: str = field(repr=False)
    pseudonym: str
    offer: Offer
    chosen: Mapping[str, Choice]
    entry: AccessEntry
    address: str = field(default_factory=lambda: secrets.token_urlsafe(_ADDRESS_BYTES), repr=False)
    """The call's own address: those who know it may hang up."""
    was_abandoned: bool = False
    """Whether the browser has disconnected."""
    answer: str | None = field(default=None, repr=False)
    """The SDP answer, when the call runs."""
    error: Exception | None = None
    done: anyio.Event = field(default_factory=anyio.Event)


def call_id_of(address: str) -> str:
    """Return the id under which the call with this address is stored: the address itself is not."""
    return hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()


class Broker:
    """Begins calls, and ends them in time."""

    def __init__(
        self,
        provider: ProviderCalls,
        registry: Registry,
        settings: CallSettings,
        listener: CallListener,
        metrics: CallMetrics,
    ) -> None:
        self.registry: Registry = registry
        self.settings: CallSettings = settings
        self._provider = provider
        self._listener = listener
        self._metrics = metrics
        self._background: Background | None = None
        self._hanging_up: dict[str, anyio.Event] = {}

    async def open(self) -> None:
        """Start to end calls in time; the first request does it otherwise.

        Raises `ConfigurationError` for Redis on trio, which cannot work.
        """
        await self.registry.open()
        if self._background is None or self._background.is_closed:
            self._background = Background(self._running())
        await self._background.open()

    async def aclose(self) -> None:
        """Hang up this process' calls, or leave them to the other processes, within 5 s."""
        if self._background is not None:
            await self._background.aclose()

    async def begin(self, trade: Trade) -> str:
        """Return the SDP answer for the trade's offer; raises `EndpointError`.

        The trade is not cancelled with the request: its call would be lost, but it is hung up.
        """
        await self.open()
        self._group.start_soon(self._trade, trade)
        try:
            await trade.done.wait()
        finally:
            trade.was_abandoned = trade.answer is None and trade.error is None
        if trade.error is not None:
            raise trade.error
        assert trade.answer is not None, "a trade has an answer or an error"  # noqa: S101 - for the type checker
        return trade.answer

    async def hang_up(self, call_ids: Sequence[str], reason: EndReason) -> int:
        """Ask calls to end, wait for the first attempts, 3 s at most; return how many were there.

        Raises `RegistryUnavailableError`.
        """
        await self.open()
        calls = await self.registry.take(call_ids, reason)
        now = time.monotonic()
        attempts = [
            self._start_hang_up(call)
            for call in calls
            if call.id in self._hanging_up or (call.phase == "ending" and call.next_attempt <= now)
        ]
        with anyio.move_on_after(_HANG_UP_WAIT):
            for attempt in attempts:
                await attempt.wait()
        return len(calls)

    @asynccontextmanager
    async def _running(self) -> AsyncGenerator[None]:
        self._is_closing = False
        self._trades = 0
        self._wake = anyio.Event()
        self._limit = anyio.CapacityLimiter(_HANG_UPS_AT_ONCE)
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                group.start_soon(self._end_in_time)
                group.start_soon(self._synchronize)
                try:
                    yield
                finally:
                    with anyio.move_on_after(_SHUTDOWN_SECONDS, shield=True):
                        await self._shut_down()
                    group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self.registry.leave()

    def _start(
        self, work: Callable[[Unpack[Arguments]], Awaitable[None]], *arguments: *Arguments
    ) -> None:
        """Start work for one call. If it fails, the other calls still end in time."""

        async def run() -> None:
            try:
                await work(*arguments)
            except Exception:  # noqa: BLE001 - whatever the cause, it concerns one call
                logger.exception("The work for a call failed")

        self._group.start_soon(run)

    async def _shut_down(self) -> None:
        """Hang up every call of this process, or, if others will do it, finish what is under way."""
        self._is_closing = True
        if not self.registry.is_shared:
            await self.registry.take([call.id for call in self.registry.table], "shutdown")
        # In a group of its own: at the end of an event loop, the other tasks are cancelled.
        async with anyio.create_task_group() as self._group:
            while self._trades or self._hanging_up or self._has_more_to_hang_up():
                self._act_on_due_calls()
                await anyio.sleep(_POLL_SECONDS)

    def _has_more_to_hang_up(self) -> bool:
        table = self.registry.table
        return not self.registry.is_shared and any(call.phase == "ending" for call in table)

    async def _trade(self, trade: Trade) -> None:
        self._trades += 1
        try:
            trade.answer = await self._traded(trade)
        except Exception as error:  # noqa: BLE001 - it is raised in the request's task
            trade.error = error
        finally:
            self._trades -= 1
            trade.done.set()

    async def _traded(self, trade: Trade) -> str:
        """Reserve, trade, record: only then is there an answer."""
        call = await self._reserve(trade)
        if trade.was_abandoned or call.reason is not None:
            await self.registry.finish(call)
            raise EndpointError(CALL_ENDED)
        answer = await self._answer(call, trade)
        if answer.id is None:
            await self._finish_orphan(call)
            trade.entry.error = "The provider's response to the offer has no usable call id"
            raise EndpointError(NOT_RECORDED)
        call.begin(
            answer.id,
            time.monotonic(),
            max_duration=self.settings.max_duration,
            provider_maximum=self._provider.maximum,
            heartbeat=self.settings.heartbeat,
        )
        await self._record(call, trade)
        return answer.sdp

    async def _reserve(self, trade: Trade) -> CallRecord:
        try:
            deadline = time.monotonic() + self._provider.trade_seconds + RESERVATION_GRACE
            call_id = call_id_of(trade.address)
            call = CallRecord(
                call_id, trade.pseudonym, deadline, self._provider.api, person=trade.principal
            )
            waits = await self.registry.reserve(call)
        except RegistryUnavailableError as error:
            trade.entry.error = str(error)
            raise EndpointError(LIMITER_DOWN, retry_after=1) from None
        except RealtimeError as error:  # the client cannot be made
            trade.entry.failed(error)
            raise endpoint_error_for(error) from None
        exceeded = longest_wait(waits, _CODES)
        if exceeded is not None:
            raise EndpointError(exceeded.code, retry_after=exceeded.retry_after)
        self._wake.set()  # it may have replaced another call
        return call

    async def _answer(self, call: CallRecord, trade: Trade) -> BegunCall:
        """Return the provider's answer. Without one, the reservation ends, or waits for its end."""
        identifier = trade.pseudonym if self.settings.sends_safety_identifier else None
        try:
            answer = await self._provider.trade(trade.offer, trade.chosen, identifier)
        except Exception as error:
            if not (isinstance(error, APIError) and error.possibly_acted):
                await self.registry.finish(call)
            if not isinstance(error, RealtimeError):
                raise
            trade.entry.failed(error)
            raise endpoint_error_for(error) from None
        trade.entry.succeeded(answer.meta)
        return answer

    async def _record(self, call: CallRecord, trade: Trade) -> None:
        try:
            result = await self.registry.record(call)
        except RegistryUnavailableError as error:
            trade.entry.error = str(error)
            result = "gone"
        if result == "taken":
            call.provider_id = None  # hanging it up would end another call
            await self._finish_orphan(call)
            trade.entry.error = "The provider's response to the offer has the id of another call"
            raise EndpointError(NOT_RECORDED)
        if result == "gone":
            trade.entry.error = trade.entry.error or "The call's reservation has ended"
            self._end_here(call, "not_recorded")
            raise EndpointError(NOT_RECORDED)
        self._metrics.began()
        self._start(self._listener.tell, call_event("began", call))
        if self._is_closing and not self.registry.is_shared:
            call.ask_to_end("shutdown", time.monotonic())
        elif trade.was_abandoned:
            call.ask_to_end("disconnected", time.monotonic())
        if call.reason is not None:
            self._end_here(call, call.reason)
            raise EndpointError(CALL_ENDED)
        if self.settings.sidebands is not None:
            self._start(self._run_sideband, call, self.settings.sidebands)
        self._wake.set()

    async def _run_sideband(self, call: CallRecord, sidebands: SidebandRunner) -> None:
        """Run `on_sideband`. When the sideband says that the call is over, hang up what is left."""
        table = self.registry.table

        def is_over() -> bool:
            return table.get(call.id) is not call or time.monotonic() >= call.lasts_until

        call_id = str(call.provider_id)
        sideband = self._provider.sideband(call_id)
        if await sidebands.run(sideband, running_call(call), call_id, is_over):
            call.is_set_up = True
            await self.hang_up([call.id], "peer_left")

    def _end_here(self, call: CallRecord, reason: EndReason) -> None:
        call.ask_to_end(reason, time.monotonic())
        self.registry.table.add(call)
        self._start_hang_up(call)

    async def _end_in_time(self) -> None:
        """Hang up each call when it is due."""
        table = self.registry.table
        while True:
            self._wake = anyio.Event()
            self._act_on_due_calls()
            wait = min(table.next_due() - time.monotonic(), _LONGEST_WAIT)
            wakes_at = time.monotonic() + wait
            with anyio.move_on_after(wait):
                await self._wake.wait()
            if time.monotonic() - wakes_at > _PAUSE_SECONDS:
                table.forgive_silence(time.monotonic())

    def _act_on_due_calls(self) -> None:
        for call in self.registry.table.take_due(time.monotonic()):
            if call.phase == "running":
                call.expire(time.monotonic())
            if call.phase == "ending":
                self._start_hang_up(call)
            else:
                self._start(self._finish_orphan, call)

    async def _synchronize(self) -> None:
        is_available = True
        while True:
            try:
                for call in await self.registry.synchronize():
                    self._start(self._tell_end, call)
                is_available = True
            except RegistryUnavailableError as error:
                if is_available:
                    logger.warning("The registry of calls is unusable: %s", error)
                is_available = False
            except Exception:  # noqa: BLE001 - the next exchange may work
                logger.exception("The registry of calls failed")
            self._wake.set()
            await anyio.sleep(_SYNCHRONIZE_SECONDS)

    def _start_hang_up(self, call: CallRecord) -> anyio.Event:
        """Start an attempt, unless one is under way; return what is set after it."""
        attempt = self._hanging_up.get(call.id)
        if attempt is None:
            attempt = self._hanging_up[call.id] = anyio.Event()
            call.next_attempt = math.inf
            self._start(self._hang_up_once, call, attempt)
        return attempt

    async def _hang_up_once(self, call: CallRecord, attempt: anyio.Event) -> None:
        try:
            async with self._limit:
                result = await self._provider.hang_up(str(call.provider_id), call.api)
            self._metrics.hung_up(result.outcome)
            is_told = False
            if call.has_ended(result.outcome, time.monotonic(), result.retry_after):
                is_told = await self.registry.finish(call)
            elif self.registry.table.get(call.id) is call:
                self.registry.table.add(call)
                await self.registry.postpone(call)
                self._wake.set()
            if result.error is not None:
                logger.warning("A call could not be hung up: %s", result.error)
            attempt.set()
            if is_told:
                await self._tell_end(call)
        finally:
            attempt.set()
            del self._hanging_up[call.id]
            if math.isinf(call.next_attempt) and math.isinf(call.ended):  # it was cancelled
                call.next_attempt = time.monotonic()
                self.registry.table.add(call)

    async def _finish_orphan(self, call: CallRecord) -> None:
        call.expire(time.monotonic())
        if await self.registry.finish(call):
            await self._tell_end(call)

    async def _tell_end(self, call: CallRecord) -> None:
        self._metrics.ended(call)
        if call.reason not in _NEVER_BEGAN:
            await self._listener.tell(call_event("ended", call))
