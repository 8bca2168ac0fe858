"""The access log (logger `openai_realtime.mint`, a line per request) and the Prometheus metrics.

Rule for this file: a log line holds no secret and no header, and a principal only as its pseudonym.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from openai_realtime.errors import APIError, RealtimeError
from openai_realtime.logs import describe

if TYPE_CHECKING:
    from openai_realtime.core.meta import ResponseMeta

logger: logging.Logger = logging.getLogger("openai_realtime.mint")

METRICS_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_REQUESTS: Final = "openai_realtime_mint_requests_total"
_IN_PROGRESS: Final = "openai_realtime_mint_requests_in_progress"
_DURATION: Final = "openai_realtime_mint_duration_seconds"
# All but the creation times, which prometheus_client adds to each series.
_SAMPLES: Final = (
    _REQUESTS,
    _IN_PROGRESS,
    f"{_DURATION}_bucket",
    f"{_DURATION}_sum",
    f"{_DURATION}_count",
)


@dataclass(slots=True)
class AccessEntry:
    """The facts about a request. Each field is also an attribute of the log record."""

    request_id: str
    http_method: str
    client_address: str | None
    outcome: str = "cancelled"
    """`minted`, `call_began`, `hung_up`, `heartbeat`, `preflight`, `disconnected`, `cancelled`, or the
    name of an `ErrorCode`."""
    status: int = 0
    """The HTTP status; 499: the client disconnected before there was a response."""
    seconds: float = 0.0
    principal: str | None = None
    """The principal's pseudonym."""
    provider_request_id: str | None = None
    attempts: int | None = None
    """How many requests the SDK sent to the provider."""
    error: str | None = None
    """The failure, for operators. The client does not get this text."""

    def failed(self, error: RealtimeError) -> None:
        """Take the facts of an error of the provider or the SDK."""
        self.error = describe(error)
        if isinstance(error, APIError):
            self.attempts, self.provider_request_id = error.attempts, error.request_id

    def succeeded(self, meta: ResponseMeta) -> None:
        """Take the facts of the provider's response."""
        self.attempts, self.provider_request_id = meta.attempts, meta.request_id

    def write(self) -> None:
        """Write the line: a warning when the service, the limiter or the provider failed."""
        level = logging.INFO if self.error is None else logging.WARNING
        logger.log(
            level,
            "%s %d %s in %.3f s (request id %s)%s",
            self.http_method,
            self.status,
            self.outcome,
            self.seconds,
            self.request_id,
            f": {self.error}" if self.error else "",
            extra=asdict(self),
        )


class Metrics:
    """The metrics of one service in one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry: CollectorRegistry = CollectorRegistry()
        """The registry, for the metrics of calls."""
        self.samples: list[str] = [*_SAMPLES]
        """The names of the samples that `text` returns."""
        self._requests = Counter(
            _REQUESTS,
            "Requests to the service, by outcome.",
            ["outcome"],
            registry=self.registry,
        )
        self._in_progress = Gauge(
            _IN_PROGRESS,
            "Requests to the service that have no response yet.",
            registry=self.registry,
        )
        self._duration = Histogram(
            _DURATION,
            "Seconds from a request to its response.",
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def began(self) -> None:
        """Count a request that began."""
        self._in_progress.inc()

    def ended(self, outcome: str, seconds: float) -> None:
        """Count a request that ended; `outcome` is one of a few fixed names."""
        self._in_progress.dec()
        self._requests.labels(outcome).inc()
        self._duration.observe(seconds)

    def text(self) -> str:
        """Return the metrics in Prometheus' text format, version 0.0.4."""
        return generate_latest(self.registry.restricted_registry(self.samples)).decode()
