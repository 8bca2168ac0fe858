"""OpenTelemetry, with the SDK's own exporters in memory: spans and metrics, without secrets."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from backends import Backend
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from openai_realtime import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    RetryPolicy,
    SyncRealtimeSessionsClient,
)
from openai_realtime.observe import PoolLevel
from openai_realtime.otel import OpenTelemetry
from openai_realtime.testing import MockRealtimeServer, MockResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY = MockResponse(503, headers={"retry-after-ms": "1", "x-request-id": "req_busy"})


class Telemetry:
    """A hook, and what it has recorded."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.hook = OpenTelemetry(tracer_provider=self.tracers, meter_provider=self.meters)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def attempts(self) -> list[dict[str, Any]]:
        return [dict(span.attributes or {}) for span in self.spans if span.kind is SpanKind.CLIENT]

    def points(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """Return every metric's points: attributes, and value or count."""
        data = self.reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: [
                (dict(point.attributes or {}), getattr(point, "value", getattr(point, "count", 0)))
                for point in metric.data.data_points
            ]
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    made = Telemetry()
    yield made
    made.tracers.shutdown()
    made.meters.shutdown()


def test_a_call_with_its_attempts_below_it(
    backend: Backend, realtime_server: MockRealtimeServer, telemetry: Telemetry
) -> None:
    tracer = telemetry.tracers.get_tracer("the user's")

    async def body() -> None:
        realtime_server.respond_next(BUSY)
        async with backend.client(on_event=telemetry.hook) as client:
            with tracer.start_as_current_span("a user's span"):
                await client.sessions.create(instructions="plan")

    backend.run(body)
    first, second, call, outer = telemetry.spans
    assert (outer.name, call.name, first.name) == ("a user's span", "sessions.create", "POST")
    assert call.kind is SpanKind.INTERNAL
    assert call.parent == outer.get_span_context()
    assert first.parent == second.parent == call.get_span_context()
    assert dict(call.attributes or {}) == {
        "openai_realtime.operation": "sessions.create",
        "openai_realtime.attempts": 2,
    }
    assert [call.status.status_code, first.status.status_code] == [
        StatusCode.UNSET,
        StatusCode.ERROR,
    ]
    port = int(realtime_server.base_url.split(":")[2].partition("/")[0])
    shared = {
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": port,
        "url.scheme": "http",
        "openai_realtime.operation": "sessions.create",
    }
    url = f"{realtime_server.base_url}/realtime/sessions"
    assert telemetry.attempts() == [
        {
            **shared,
            "url.full": url,
            "openai_realtime.attempt.cause": "first",
            "openai_realtime.request_id": "req_busy",
            "http.response.status_code": 503,
            "error.type": "503",
        },
        {
            **shared,
            "url.full": url,
            "openai_realtime.attempt.cause": "retry",
            "http.request.resend_count": 1,
            "openai_realtime.request_id": "req_mock_1",
            "http.response.status_code": 200,
        },
    ]
    assert telemetry.points() == {
        "http.client.request.duration": [
            ({**shared, "http.response.status_code": 503, "error.type": "503"}, 1),
            ({**shared, "http.response.status_code": 200}, 1),
        ],
        "openai_realtime.call.duration": [({"openai_realtime.operation": "sessions.create"}, 1)],
        "openai_realtime.retries": [
            (
                {
                    "openai_realtime.operation": "sessions.create",
                    "error.type": "InternalServerError",
                },
                1,
            )
        ],
        "openai_realtime.retry_budget": [({}, 500)],
    }


@pytest.mark.parametrize(
    ("base_url", "address", "port"),
    [
        ("http://127.0.0.1/v1", "127.0.0.1", 80),
        ("https://gateway.example/v1", "gateway.example", 443),
        ("https://gateway.example:8443/v1", "gateway.example", 8443),
    ],
)
def test_the_default_port_of_a_url(
    telemetry: Telemetry, base_url: str, address: str, port: int
) -> None:
    def respond(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(401)

    with (
        httpx.Client(transport=httpx.MockTransport(respond)) as own,
        SyncRealtimeSessionsClient(
            base_url=base_url, api_key="sk-x", http_client=own, on_event=telemetry.hook
        ) as client,
        pytest.raises(AuthenticationError),
    ):
        client.sessions.create(model="gpt-realtime-2.1")
    [attempt] = telemetry.attempts()
    assert (attempt["server.address"], attempt["server.port"]) == (address, port)


@pytest.mark.parametrize(
    ("response", "error", "error_type", "status"),
    [
        (MockResponse(401, {"error": {"message": "sk-hidden"}}), AuthenticationError, "401", 401),
        (MockResponse(json={"id": "ek_hidden"}), Exception, "APIResponseValidationError", 200),
        (MockResponse(delay=3), APITimeoutError, "APITimeoutError", None),
        (MockResponse(drop="before"), APIConnectionError, "APIConnectionError", None),
    ],
)
def test_errors_are_recorded_by_type_alone(
    backend: Backend,
    realtime_server: MockRealtimeServer,
    telemetry: Telemetry,
    response: MockResponse,
    error: type[Exception],
    error_type: str,
    status: int | None,
) -> None:
    async def body() -> None:
        realtime_server.respond_next(response)
        async with backend.client(on_event=telemetry.hook, timeout=0.5, max_retries=0) as client:
            with pytest.raises(error):
                await client.sessions.create(
                    instructions="a hidden plan",
                    extra_query={"token": "hidden"},
                    extra_headers={"X-Mine": "hidden"},
                )

    backend.run(body)
    (attempt,) = telemetry.attempts()
    assert attempt["error.type"] == error_type
    assert attempt.get("http.response.status_code") == status
    assert all(span.status.status_code is StatusCode.ERROR for span in telemetry.spans)
    everything = json.dumps([span.to_json() for span in telemetry.spans]) + str(telemetry.points())
    assert not any(text in everything for text in ("hidden", "sk-", "ek_", "plan", "token="))


def test_a_fallback_is_no_retry(backend: Backend, telemetry: Telemetry) -> None:
    async def body() -> None:
        with MockRealtimeServer(dialect="ga") as server:
            async with backend.client(
                base_url=server.base_url, api_key=server.api_key, on_event=telemetry.hook
            ) as client:
                await client.sessions.create()

    backend.run(body)
    causes = [attempt["openai_realtime.attempt.cause"] for attempt in telemetry.attempts()]
    assert causes == ["first", "fallback"]
    assert "openai_realtime.retries" not in telemetry.points()


def span_id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def test_a_hundred_calls_at_once_have_separate_traces(
    backend: Backend, realtime_server: MockRealtimeServer, telemetry: Telemetry
) -> None:
    tracer = telemetry.tracers.get_tracer("the user's")

    async def body() -> None:
        client: Any = backend.client(
            on_event=telemetry.hook, retry=RetryPolicy(20, base_delay=0.001)
        )
        realtime_server.respond_next(*[BUSY] * 20)

        async def one(number: int) -> None:
            with tracer.start_as_current_span(f"user {number}"):
                await client.sessions.create()

        def one_blocking(number: int) -> None:
            with tracer.start_as_current_span(f"user {number}"):
                client.wrapped.sessions.create()

        async with client:
            if backend.is_sync:
                with ThreadPoolExecutor(16) as pool:
                    list(pool.map(one_blocking, range(100)))
            else:
                async with anyio.create_task_group() as group:
                    for number in range(100):
                        group.start_soon(one, number)

    backend.run(body)
    calls = {span_id(span): span for span in telemetry.spans if span.name == "sessions.create"}
    users = {span_id(span) for span in telemetry.spans if "user" in span.name}
    assert {span.parent.span_id for span in calls.values() if span.parent} == users
    below = [span.parent.span_id for span in telemetry.spans if span.name == "POST" and span.parent]
    assert len(below) == 120
    assert set(below) == calls.keys()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_call_ends_its_spans(
    backend: str, realtime_server: MockRealtimeServer, telemetry: Telemetry
) -> None:
    realtime_server.respond_next(MockResponse(delay=5.0))

    async def body() -> None:
        async with Backend(backend).client(on_event=telemetry.hook) as client:
            with anyio.move_on_after(5) as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(client.sessions.create)
                    while not realtime_server.requests:
                        await anyio.sleep(0.005)
                    scope.cancel()

    anyio.run(body, backend=backend)
    assert [span.name for span in telemetry.spans] == ["POST", "sessions.create"]
    assert all(span.status.status_code is StatusCode.ERROR for span in telemetry.spans)
    assert "Cancelled" in telemetry.attempts()[0]["error.type"]


def test_the_metrics_of_pools(telemetry: Telemetry) -> None:
    for level in (PoolLevel("web", 0, 4, 0, 1), PoolLevel("web", 3, 4, 5, 1)):
        telemetry.hook(level)
    telemetry.hook(PoolLevel("phone", 1, 1, 2, 0))
    telemetry.hook(PoolLevel("phone", 1, 1, 1, 0))  # another one, after the first was closed
    points = telemetry.points()
    assert points["openai_realtime.pool.acquisitions"] == [
        ({"openai_realtime.pool": "web", "openai_realtime.pool.hit": False}, 1),
        ({"openai_realtime.pool": "web", "openai_realtime.pool.hit": True}, 5),
        ({"openai_realtime.pool": "phone", "openai_realtime.pool.hit": True}, 3),
    ]
    assert (
        {"openai_realtime.pool": "web", "openai_realtime.pool.state": "ready"},
        3,
    ) in points["openai_realtime.pool.secrets"]


def test_without_opentelemetry_the_error_says_what_to_install() -> None:
    program = "import sys; sys.modules['opentelemetry'] = None; import openai_realtime.otel"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "pip install opentelemetry-api (the extra otel)" in done.stderr


def test_durations_are_counted_in_the_buckets_that_the_conventions_advise(
    telemetry: Telemetry, realtime_server: MockRealtimeServer
) -> None:
    """https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpclientrequestduration"""
    advised = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
    with SyncRealtimeSessionsClient(
        base_url=realtime_server.base_url,
        api_key=realtime_server.api_key,
        on_event=telemetry.hook,
    ) as client:
        client.sessions.create()
    data = telemetry.reader.get_metrics_data()
    assert data is not None
    bounds = {
        metric.name: point.explicit_bounds
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if isinstance(point, HistogramDataPoint)
    }
    assert bounds == dict.fromkeys(
        ("http.client.request.duration", "openai_realtime.call.duration"), advised
    )
