"""This SDK's figures divided by another peer's figures of the same run."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.peers import HTTPX, OFFICIAL, OWN, OWN_FAST, RAW
from benchmarks.suite import Results


class _Row(NamedTuple):
    title: str
    measure: str
    figure: str
    against: str = OFFICIAL


_BURST = "burst of 5,000, 1,000 at a time"
_ROWS = (
    _Row("mints a second, 1 at a time", "1 at a time", "mints_per_s"),
    _Row("mints a second, 64 at a time", "64 at a time", "mints_per_s"),
    _Row("mints a second, 512 at a time", "512 at a time", "mints_per_s"),
    _Row("mints a second, 64 at a time, TLS", "64 at a time, TLS", "mints_per_s"),
    _Row("mints a second, 1 at a time, sync", "1 at a time, sync", "mints_per_s"),
    _Row(
        "mints a second, 64 at a time, on trio, against httpx",
        "64 at a time, trio",
        "mints_per_s",
        against=HTTPX,
    ),
    _Row(
        "mints a second, 64 at a time, against a raw socket",
        "64 at a time",
        "mints_per_s",
        against=RAW,
    ),
    _Row("CPU time a mint, 64 at a time", "64 at a time", "cpu_us_per_mint"),
    _Row("process start to first secret", "cold start", "first_secret_ms"),
    _Row("one mint every 6 s, 40 ms away: median", "sparse", "median_ms"),
    # The time of one mint, because a peer's run may have been cut short.
    _Row(f"{_BURST}: time", "burst", "wall_us_per_mint"),
    _Row(f"{_BURST}: p99", "burst", "p99_ms"),
    _Row("peak memory, 10,000 mints", "memory", "peak_mib"),
    _Row("peak memory, 512 at a time, TLS", "memory, 512 at a time, TLS", "peak_mib"),
)


class _PlainRow(NamedTuple):
    title: str
    measure: str
    figure: str
    scale: float
    """The factor from the figure to the shown unit."""
    unit: str
    is_better: str
    """The words after the factor."""


_PLAIN_ROWS = (
    _PlainRow(
        "secrets a second, 64 at a time", "64 at a time", "mints_per_s", 1, "", "times as many"
    ),
    _PlainRow(
        "processor time for each", "64 at a time", "cpu_us_per_mint", 1e-3, " ms", "times less"
    ),
    _PlainRow(
        "process start to first secret", "cold start", "first_secret_ms", 1e-3, " s", "times faster"
    ),
    _PlainRow("the slowest 1 % of 5,000 at once", "burst", "p99_ms", 1e-3, " s", "times faster"),
)


def as_text(value: float) -> str:
    """Return a figure with three digits or more."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def plain_ratios(results: Results) -> list[tuple[str, str, str, str]]:
    """Return each title with the official SDK's figure, this SDK's, and their ratio in words."""

    def shown(row: _PlainRow, figures: dict[str, float]) -> str:
        sign = "> " if figures.get("is_cut_short") else ""  # it is a lower bound
        return f"{sign}{as_text(figures[row.figure] * row.scale)}{row.unit}"

    rows: list[tuple[str, str, str, str]] = []
    for row in _PLAIN_ROWS:
        official, own = results[row.measure][OFFICIAL], results[row.measure][OWN]
        factor = own[row.figure] / official[row.figure]
        words = f"{max(factor, 1 / factor):.2g} {row.is_better}"
        rows.append((row.title, shown(row, official), shown(row, own), words))
    return rows


def ratios(results: Results) -> list[tuple[str, str | None, str | None]]:
    """Return each title with the ratios over h11 and over httptools; None where not measured.

    A ratio is a factor from 1 on (`6.5 ×`), and a percentage below (`26%`).
    """

    def ratio(row: _Row, peer: str) -> str | None:
        found = results.get(row.measure, {})
        if peer not in found or row.against not in found:
            return None
        value = found[peer][row.figure] / found[row.against][row.figure]
        return f"{value:.1f} ×" if value >= 1 else f"{value:.0%}"

    return [(row.title, ratio(row, OWN), ratio(row, OWN_FAST)) for row in _ROWS]
