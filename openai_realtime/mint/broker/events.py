"""What the server is told of calls: the facts about one, the events for `on_call`, and the metrics."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

import anyio
import anyio.to_thread
from prometheus_client import Counter, Gauge

from openai_realtime.dialects import SessionAPI
from openai_realtime.mint.broker.life import EndReason
from openai_realtime.mint.telemetry import logger

if TYPE_CHECKING:
    from openai_realtime.mint.broker.life import CallRecord, CallTable
    from openai_realtime.mint.telemetry import Metrics

_SECONDS: Final = 5.0
"""How long `on_call` may take."""


@dataclass(frozen=True, slots=True)
class CallEvent:
    """A call has begun or ended."""

    type: Literal["began", "ended"]
    """What has happened."""
    call_id: str
    """The provider's id of the call: `client.calls.hangup` takes it, or that of a GPT-Live session
    `client.live.sessions.hangup`."""
    pseudonym: str
    """The principal's pseudonym: HMAC-SHA256 with `safety_key`."""
    api: SessionAPI = "realtime"
    """The provider's API: `realtime` or `live`."""
    principal: str | None = field(default=None, repr=False)
    """The principal that `authorize` returned; None in a process that did not begin the call."""
    reason: EndReason | None = None
    """Why it ended; None when it began."""
    duration: float | None = None
    """How many seconds it took, from the provider's 201; None when it began."""


@dataclass(frozen=True, slots=True)
class RunningCall:
    """A call that runs."""

    call_id: str
    """The provider's id of the call: `client.calls.hangup` takes it, or that of a GPT-Live session
    `client.live.sessions.hangup`."""
    pseudonym: str
    """The principal's pseudonym: HMAC-SHA256 with `safety_key`."""
    seconds: float
    """For how many seconds it has run."""
    seconds_left: float
    """After how many seconds it is hung up."""
    api: SessionAPI = "realtime"
    """The provider's API: `realtime` or `live`."""
    principal: str | None = field(default=None, repr=False)
    """The principal that `authorize` returned; None in a process that did not begin the call."""


def running_call(call: CallRecord) -> RunningCall:
    """Return the public facts of a recorded call."""
    now = time.monotonic()
    return RunningCall(
        str(call.provider_id),
        call.principal,
        now - call.began,
        max(0.0, call.deadline - now),
        call.api,
        call.person,
    )


def call_event(kind: Literal["began", "ended"], call: CallRecord) -> CallEvent:
    """Return what `on_call` is told of a call."""
    has_ended = kind == "ended"
    return CallEvent(
        kind,
        call_id=str(call.provider_id),
        pseudonym=call.principal,
        api=call.api,
        principal=call.person,
        reason=call.reason if has_ended else None,
        duration=call.ended - call.began if has_ended else None,
    )


OnCall: TypeAlias = Callable[[CallEvent], Awaitable[None] | None]
"""Takes a `CallEvent`: an async function, or a plain one, which runs on a thread."""


class CallListener:
    """Calls `on_call`: the beginning of a call before its end, for 5 s at most each time."""

    def __init__(self, on_call: OnCall | None) -> None:
        self._on_call = on_call
        self._is_async = inspect.iscoroutinefunction(on_call) or inspect.iscoroutinefunction(
            getattr(on_call, "__call__", None)  # noqa: B004 - its code may be async
        )
        self._telling: dict[str, anyio.Event] = {}

    async def tell(self, event: CallEvent) -> None:
        """Call `on_call`; what it raises is logged."""
        if self._on_call is None:
            return
        before, done = self._telling.get(event.call_id), anyio.Event()
        self._telling[event.call_id] = done
        try:
            if before is not None:
                await before.wait()
            with anyio.move_on_after(_SECONDS) as limit:
                await self._call(self._on_call, event)
            if limit.cancelled_caught:
                logger.warning("on_call did not return within %g s", _SECONDS)
        except Exception:  # noqa: BLE001 - it is the user's own
            logger.exception("on_call failed")
        finally:
            done.set()
            if self._telling.get(event.call_id) is done:
                del self._telling[event.call_id]

    async def _call(self, on_call: OnCall, event: CallEvent) -> None:
        if self._is_async:
            await cast("Awaitable[None]", on_call(event))
        else:
            result = await anyio.to_thread.run_sync(on_call, event, abandon_on_cancel=True)
            if inspect.isawaitable(result):
                await result


class CallMetrics:
    """The metrics of calls, in the registry of an endpoint's metrics."""

    NAMES: Final = (
        "openai_realtime_calls_running",
        "openai_realtime_calls_begun_total",
        "openai_realtime_calls_ended_total",
        "openai_realtime_calls_possible_orphans_total",
        "openai_realtime_calls_hang_ups_total",
    )
    """The names of the samples."""

    def __init__(self, metrics: Metrics, table: CallTable) -> None:
        registry = metrics.registry
        metrics.samples.extend(self.NAMES)
        running, begun, ended, orphans, hang_ups = self.NAMES
        Gauge(
            running, "Running calls that this process is to end.", registry=registry
        ).set_function(lambda: float(sum(call.phase != "reserved" for call in table)))
        self._begun = Counter(begun, "Calls that began.", registry=registry)
        self._ended = Counter(ended, "Calls that ended, by reason.", ["reason"], registry=registry)
        self._orphans = Counter(
            orphans,
            "Trades with an unknown outcome: a call that no browser can join may exist.",
            registry=registry,
        )
        self._hang_ups = Counter(
            hang_ups, "Attempts to hang up, by outcome.", ["outcome"], registry=registry
        )

    def began(self) -> None:
        """Count a call that began."""
        self._begun.inc()

    def ended(self, call: CallRecord) -> None:
        """Count a call that ended, once among all processes."""
        if call.reason == "possible_orphan":
            self._orphans.inc()
        else:
            self._ended.labels(call.reason).inc()

    def hung_up(self, outcome: str) -> None:
        """Count an attempt to hang up."""
        self._hang_ups.labels(outcome).inc()
