"""What Prometheus reads: counters by outcome and a histogram of durations, as text.

Owns: the numbers and the exposition format (version 0.0.4). Must not know: requests. One process
counts its own: Prometheus adds up a fleet.
"""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_REQUESTS: Final = "openai_realtime_mint_requests_total"
_IN_PROGRESS: Final = "openai_realtime_mint_requests_in_progress"
_DURATION: Final = "openai_realtime_mint_duration_seconds"


class Metrics:
    """Counts requests."""

    def __init__(self) -> None:
        self._outcomes: Counter[str] = Counter()
        self._durations = [0] * (len(_BUCKETS) + 1)
        self._seconds = 0.0
        self._in_progress = 0

    def began(self) -> None:
        """Count a request that began."""
        self._in_progress += 1

    def ended(self, outcome: str, seconds: float) -> None:
        """Count a request that ended; `outcome` is one of a few fixed codes."""
        self._in_progress -= 1
        self._outcomes[outcome] += 1
        self._seconds += seconds
        slower_than = sum(seconds > bucket for bucket in _BUCKETS)
        self._durations[slower_than] += 1

    def text(self) -> str:
        """Return the numbers in Prometheus' text format."""
        lines = _head(_REQUESTS, "counter", "Requests for a client secret, by outcome.")
        lines += [
            f'{_REQUESTS}{{outcome="{outcome}"}} {count}'
            for outcome, count in sorted(self._outcomes.items())
        ]
        lines += _head(_IN_PROGRESS, "gauge", "Requests for a client secret being answered.")
        lines.append(f"{_IN_PROGRESS} {self._in_progress}")
        lines += _head(_DURATION, "histogram", "Seconds from a request to its answer.")
        ends = [*map(repr, _BUCKETS), "+Inf"]
        counts = list(accumulate(self._durations))
        lines += [
            f'{_DURATION}_bucket{{le="{end}"}} {count}'
            for end, count in zip(ends, counts, strict=True)
        ]
        lines += [f"{_DURATION}_sum {self._seconds!r}", f"{_DURATION}_count {counts[-1]}"]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
