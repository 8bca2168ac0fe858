"""OpenTelemetry: a trace of every call, and metrics, by the HTTP semantic conventions.

    from openai_realtime import RealtimeSessionsClient
    from openai_realtime.otel import OpenTelemetry

    client = RealtimeSessionsClient(on_event=OpenTelemetry())

Needs the extra `otel` (`pip install opentelemetry-api`); set up the exporters as for any other instrumentation.

A call is an INTERNAL span named by its method (`sessions.create`), a child of the current span; each
of its requests is a CLIENT span named `POST` below it. Headers, bodies, parameters, instructions and
secrets are not recorded, URLs are recorded without their query, and no trace context is sent to the
provider.

    metric                               kind       attributes
    -----------------------------------  ---------  ------------------------------------------------
    http.client.request.duration         histogram  the conventions' attributes, the operation
    openai_realtime.call.duration        histogram  the operation, error.type
    openai_realtime.retries              counter    the operation, error.type (the reason)
    openai_realtime.retry_budget         gauge      none; 0 (spent) to 500 (full)
    openai_realtime.pool.secrets         gauge      the pool, its state (`ready` or `wanted`)
    openai_realtime.pool.acquisitions    counter    the pool, hit (whether a secret was ready)
"""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

from openai_realtime._version import __version__
from openai_realtime.core.events import (
    AttemptFinished,
    AttemptSent,
    CallFinished,
    CallStarted,
    Event,
    PoolLevel,
    RetryScheduled,
)
from openai_realtime.lazy_imports import missing_package

try:
    from opentelemetry import metrics, trace
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
except ModuleNotFoundError as _error:
    raise missing_package(_error, __name__, {"opentelemetry"}, extra="otel") from None

_FIRST_ERROR_STATUS = 400
# The buckets that the conventions recommend for http.client.request.duration.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)

_Attributes = dict[str, str | int | float | bool]


class _CallSpans:
    """The spans of a call that has not finished."""

    __slots__ = ("attempt", "call", "request")

    def __init__(self, call: Span) -> None:
        self.call = call
        self.attempt: Span = trace.INVALID_SPAN
        self.request: _Attributes = {}
        """The attributes that the span and the metric of the current request share."""


class OpenTelemetry:
    """Turns events into spans and metrics; pass it as `on_event`.

    `tracer_provider` and `meter_provider` default to the global ones. Clients and threads may share
    one object.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer("openai_realtime", __version__, tracer_provider)
        meter = metrics.get_meter("openai_realtime", __version__, meter_provider)
        self._request_duration = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._call_duration = meter.create_histogram(
            "openai_realtime.call.duration",
            unit="s",
            description="Duration of calls, retries and waiting included.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._retries = meter.create_counter(
            "openai_realtime.retries", unit="{retry}", description="Retries scheduled."
        )
        self._budget = meter.create_gauge(
            "openai_realtime.retry_budget", unit="{token}", description="Retry budget left."
        )
        self._pool_secrets = meter.create_gauge(
            "openai_realtime.pool.secrets", unit="{secret}", description="Secrets in a pool."
        )
        self._acquisitions = meter.create_counter(
            "openai_realtime.pool.acquisitions",
            unit="{acquisition}",
            description="Secrets acquired from a pool.",
        )
        self._calls: dict[int, _CallSpans] = {}
        self._pools: dict[str, PoolLevel] = {}
        self._pools_lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Record one event."""
        match event:
            case CallStarted():
                self._calls[event.call] = _CallSpans(
                    self._tracer.start_span(event.operation, attributes=_operation(event))
                )
            case AttemptSent():
                self._attempt_sent(self._calls[event.call], event)
            case AttemptFinished():
                self._attempt_finished(self._calls[event.call], event)
            case RetryScheduled():
                reason = {"error.type": _error_type(event.reason)}
                self._retries.add(1, {**_operation(event), **reason})
                self._budget.set(event.budget)
            case CallFinished():
                self._call_finished(self._calls.pop(event.call).call, event)
            case _:
                self._pool_level(event)

    def _attempt_sent(self, spans: _CallSpans, event: AttemptSent) -> None:
        parts = urlsplit(event.url)
        spans.request = {
            "http.request.method": event.method,
            "server.address": parts.hostname or "",
            "server.port": parts.port or (443 if parts.scheme == "https" else 80),
            "url.scheme": parts.scheme,
            **_operation(event),
        }
        attributes: _Attributes = {
            **spans.request,
            "url.full": event.url,
            "openai_realtime.attempt.cause": event.cause,
        }
        if event.attempt > 1:
            attributes["http.request.resend_count"] = event.attempt - 1
        spans.attempt = self._tracer.start_span(
            event.method,
            trace.set_span_in_context(spans.call),
            kind=SpanKind.CLIENT,
            attributes=attributes,
        )

    def _attempt_finished(self, spans: _CallSpans, event: AttemptFinished) -> None:
        outcome: _Attributes = {}
        if event.status is not None:
            outcome["http.response.status_code"] = event.status
        if event.error is not None:
            is_error_status = event.status is not None and event.status >= _FIRST_ERROR_STATUS
            outcome["error.type"] = (
                str(event.status) if is_error_status else _error_type(event.error)
            )
        self._request_duration.record(event.elapsed, {**spans.request, **outcome})
        if event.request_id is not None:
            spans.attempt.set_attribute("openai_realtime.request_id", event.request_id)
        spans.attempt.set_attributes(outcome)
        _end(spans.attempt, event.error)

    def _call_finished(self, span: Span, event: CallFinished) -> None:
        outcome: _Attributes = {}
        if event.error is not None:
            outcome["error.type"] = _error_type(event.error)
        self._call_duration.record(event.elapsed, {**_operation(event), **outcome})
        self._budget.set(event.budget)
        span.set_attributes({**outcome, "openai_realtime.attempts": event.attempts})
        _end(span, event.error)

    def _pool_level(self, event: PoolLevel) -> None:
        with self._pools_lock:
            before = self._pools.get(event.pool)
            if before is None or before.hits + before.misses > event.hits + event.misses:
                # This is the first level of a pool, or of a later pool of the same name.
                before = PoolLevel(event.pool, 0, 0, 0, 0)
            self._pools[event.pool] = event
        pool = {"openai_realtime.pool": event.pool}
        self._pool_secrets.set(event.ready, {**pool, "openai_realtime.pool.state": "ready"})
        self._pool_secrets.set(event.wanted, {**pool, "openai_realtime.pool.state": "wanted"})
        for hit, count in (
            (True, event.hits - before.hits),
            (False, event.misses - before.misses),
        ):
            if count > 0:
                self._acquisitions.add(count, {**pool, "openai_realtime.pool.hit": hit})


def _operation(event: CallStarted | AttemptSent | RetryScheduled | CallFinished) -> _Attributes:
    return {"openai_realtime.operation": event.operation}


def _error_type(error: BaseException) -> str:
    return type(error).__qualname__


def _end(span: Span, error: BaseException | None) -> None:
    """End a span; an error sets its status, without the message, which may quote parameters."""
    if error is not None:
        span.set_status(Status(StatusCode.ERROR))
    span.end()
