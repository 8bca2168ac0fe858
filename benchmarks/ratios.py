"""Issue 5's table: this SDK against the official one, or against the raw socket, in one run.

Owns: the goals, and what reaches them. Must not know: how anything was measured.
"""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.peers import FAST_ENGINE, HTTPX_ENGINE, OFFICIAL, RAW
from benchmarks.suite import Results


class Goal(NamedTuple):
    """One row: a figure of a measure, and the ratio to reach on each engine."""

    title: str
    measure: str
    figure: str
    httpx: float | None
    fast: float
    more_is_better: bool = False
    against: str = OFFICIAL


GOALS = (
    Goal("mints/s, 1 in flight", "1 in flight", "mints_per_s", 2.3, 2.8, more_is_better=True),
    Goal("mints/s, 64 in flight", "64 in flight", "mints_per_s", 2.5, 12, more_is_better=True),
    Goal("mints/s, 512 in flight", "512 in flight", "mints_per_s", 4, 16, more_is_better=True),
    Goal("CPU a mint, 64 in flight", "64 in flight", "cpu_us_per_mint", 0.40, 0.08),
    Goal("process start to first secret", "cold start", "first_secret_ms", 0.38, 0.22),
    Goal("one mint every 6 s, 40 ms away: median", "sparse", "median_ms", 0.35, 0.35),
    # By the mint, since a peer's run may have been cut short.
    Goal("burst of 5,000, 1,000 in flight: time", "burst", "wall_us_per_mint", 0.25, 0.12),
    Goal("burst of 5,000, 1,000 in flight: p99", "burst", "p99_ms", 0.25, 0.12),
    Goal("peak memory, 10,000 mints", "memory", "peak_mib", 0.6, 0.6),
    Goal(
        "mints/s, 64 in flight, against a raw socket",
        "64 in flight",
        "mints_per_s",
        None,
        0.45,
        more_is_better=True,
        against=RAW,
    ),
)


class Ratio(NamedTuple):
    """What an engine reached."""

    value: float
    target: float
    more_is_better: bool

    @property
    def is_met(self) -> bool:
        """Tell whether the goal is reached, as precisely as it is shown."""
        shown, target = round(self.value, 2), self.target
        return shown >= target if self.more_is_better else shown <= target

    def __str__(self) -> str:
        sign = "≥" if self.more_is_better else "≤"
        return f"{self.value:.2f} × ({sign} {self.target:g} ×) {'✓' if self.is_met else '✗'}"


def ratios(results: Results) -> list[tuple[str, Ratio | None, Ratio | None]]:
    """Return each goal's title and what the httpx engine and the fast one reached.

    None stands for what was not measured or has no goal.
    """

    def ratio(goal: Goal, peer: str, target: float | None) -> Ratio | None:
        found = results.get(goal.measure, {})
        if target is None or peer not in found or goal.against not in found:
            return None
        value = found[peer][goal.figure] / found[goal.against][goal.figure]
        return Ratio(value, target, goal.more_is_better)

    return [
        (goal.title, ratio(goal, HTTPX_ENGINE, goal.httpx), ratio(goal, FAST_ENGINE, goal.fast))
        for goal in GOALS
    ]
