"""Trace a mint that is retried, with OpenTelemetry, and draw the trace.

    pip install '.[otel]' opentelemetry-sdk
    OPENAI_API_KEY=sk-… python examples/opentelemetry_trace.py
    python examples/opentelemetry_trace.py --mock    # no key, no network; the first response is a 503

If your service has an exporter already, `on_event=OpenTelemetry()` is all you need.
"""

from __future__ import annotations

import os
import sys
from operator import attrgetter

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from openai_realtime import SyncRealtimeSessionsClient
from openai_realtime.otel import OpenTelemetry
from openai_realtime.testing import MockRealtimeServer, MockResponse


def main() -> None:
    """Mint one secret, and draw its trace."""
    exporter = InMemorySpanExporter()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    with SyncRealtimeSessionsClient(on_event=OpenTelemetry(tracer_provider=tracers)) as client:
        session = client.sessions.create(model="gpt-realtime-2.1")
    print(session.client_secret.value)
    call, *attempts = sorted(exporter.get_finished_spans(), key=attrgetter("start_time"))
    print(f"{call.name:40}{milliseconds(call)}")
    for attempt in attempts:
        attributes = attempt.attributes or {}
        branch = "└─" if attempt is attempts[-1] else "├─"
        status, why = (
            attributes["http.response.status_code"],
            attributes["openai_realtime.attempt.cause"],
        )
        what = f"{branch} {attempt.name} {attributes['server.address']!s}"
        print(f"{what:40}{milliseconds(attempt)}  {status!s}  {why!s}")


def milliseconds(span: ReadableSpan) -> str:
    """Return how long a span took."""
    return f"{((span.end_time or 0) - (span.start_time or 0)) / 1e6:6.1f} ms"


if __name__ == "__main__":
    if "--mock" in sys.argv:
        with MockRealtimeServer() as server:
            server.respond_next(MockResponse(503))
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY"] = server.api_key
            main()
    else:
        main()
