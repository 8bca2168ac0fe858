"""This SDK's figures over another peer's of the same run, and the goals they should reach."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.peers import HTTPX, OFFICIAL, OWN, OWN_FAST, RAW
from benchmarks.suite import Results


class Goal(NamedTuple):
    """One row: a figure of a measure, and the ratio to reach over h11 and over httptools."""

    title: str
    measure: str
    figure: str
    h11: float
    httptools: float
    against: str = OFFICIAL


_BURST = "burst of 5,000, 1,000 at a time"
GOALS = (
    Goal("mints a second, 1 at a time", "1 at a time", "mints_per_s", 3.3, 5.5),
    Goal("mints a second, 64 at a time", "64 at a time", "mints_per_s", 6.5, 13),
    Goal("mints a second, 512 at a time", "512 at a time", "mints_per_s", 12, 25),
    Goal("mints a second, 64 at a time, TLS", "64 at a time, TLS", "mints_per_s", 6, 11),
    Goal("mints a second, 1 at a time, sync", "1 at a time, sync", "mints_per_s", 3.2, 5),
    Goal(
        "mints a second, 64 at a time, on trio, against httpx",
        "64 at a time, trio",
        "mints_per_s",
        12,
        30,
        against=HTTPX,
    ),
    Goal(
        "mints a second, 64 at a time, against a raw socket",
        "64 at a time",
        "mints_per_s",
        0.25,
        0.5,
        against=RAW,
    ),
    Goal("CPU time a mint, 64 at a time", "64 at a time", "cpu_us_per_mint", 0.15, 0.08),
    Goal("process start to first secret", "cold start", "first_secret_ms", 0.25, 0.22),
    Goal("one mint every 6 s, 40 ms away: median", "sparse", "median_ms", 0.33, 0.33),
    # By the mint, since a peer's run may have been cut short.
    Goal(f"{_BURST}: time", "burst", "wall_us_per_mint", 0.1, 0.05),
    Goal(f"{_BURST}: p99", "burst", "p99_ms", 0.1, 0.05),
    Goal("peak memory, 10,000 mints", "memory", "peak_mib", 0.55, 0.55),
    Goal("peak memory, 512 at a time, TLS", "memory, 512 at a time, TLS", "peak_mib", 0.6, 0.6),
)


def _shown(ratio: float) -> str:
    return f"{ratio:.1f} ×" if ratio >= 1 else f"{ratio:.0%}"


class Ratio(NamedTuple):
    """What this SDK reached: as a factor from 1 on, else in percent."""

    value: float
    goal: float
    more_is_better: bool

    @property
    def is_met(self) -> bool:
        """Whether the goal is reached, as precisely as both are shown."""
        value, goal = round(self.value, 2 if self.value < 1 else 1), self.goal
        return value >= goal if self.more_is_better else value <= goal

    def __str__(self) -> str:
        return _shown(self.value)

    def beside_the_goal(self) -> str:
        """Return the ratio, its goal, and whether it is met."""
        sign = "≥" if self.more_is_better else "≤"
        return f"{self} ({sign} {_shown(self.goal)}) {'✓' if self.is_met else '✗'}"


def ratios(results: Results) -> list[tuple[str, Ratio | None, Ratio | None]]:
    """Return each title, and the ratios over h11 and httptools; None where it was not measured."""

    def ratio(row: Goal, peer: str, goal: float) -> Ratio | None:
        found = results.get(row.measure, {})
        if peer not in found or row.against not in found:
            return None
        value = found[peer][row.figure] / found[row.against][row.figure]
        return Ratio(value, goal, row.figure == "mints_per_s")

    return [
        (row.title, ratio(row, OWN, row.h11), ratio(row, OWN_FAST, row.httptools)) for row in GOALS
    ]
