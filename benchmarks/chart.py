"""Results as four bar charts in one SVG, legible on light and dark pages."""

from __future__ import annotations

from typing import NamedTuple
from xml.sax.saxutils import escape

from benchmarks.peers import OWN, OWN_FAST
from benchmarks.ratios import as_text
from benchmarks.tables import Report


class _Panel(NamedTuple):
    title: str
    measure: str
    figure: str
    scale: float
    """The factor from the figure to the shown unit."""
    unit: str
    more_is_better: bool = False


_PANELS = (
    _Panel("Throughput, 64 at a time", "64 at a time", "mints_per_s", 1, "mints a second", True),
    _Panel("CPU time a mint, 64 at a time", "64 at a time", "cpu_us_per_mint", 1, "µs"),
    _Panel("Process start to first secret", "cold start", "first_secret_ms", 1, "ms"),
    _Panel("p99 of a burst, 1,000 at a time", "burst", "p99_ms", 1e-3, "s"),
)
_WIDTH, _ROW, _BAR, _LABELS, _VALUES = 440, 24, 14, 140, 74
_HEAD, _MARGIN = 52, 16
_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .page { fill: #ffffff; stroke: #d1d9e0; } .title { font-size: 14px; font-weight: 600; }
  .unit { fill: #59636e; } .bold { font-weight: 600; }
  .bar { fill: #afb8c1; } .own { fill: #54aeff; } .fast { fill: #0969da; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .page { fill: #0d1117; stroke: #3d444d; } .unit { fill: #9198a1; }
    .bar { fill: #57606a; } .own { fill: #388bfd; } .fast { fill: #79c0ff; }
  }
"""
_CLASSES = {OWN: "own", OWN_FAST: "fast"}


def _bars(panel: _Panel, report: Report, left: int, top: int) -> list[str]:
    better = "more is better" if panel.more_is_better else "less is better"
    found = report["results"].get(panel.measure, {})
    values = {peer: figures[panel.figure] * panel.scale for peer, figures in found.items()}
    ranked = sorted(values, key=values.__getitem__, reverse=panel.more_is_better)
    room = _WIDTH - _LABELS - _VALUES - 2 * _MARGIN
    lines = [
        f'<text x="{left}" y="{top + 14}" class="title">{escape(panel.title)}</text>',
        f'<text x="{left}" y="{top + 32}" class="unit">{panel.unit}, {better}</text>',
    ]
    for number, peer in enumerate(ranked):
        y, width = top + _HEAD + number * _ROW, room * values[peer] / max(values.values())
        shape, x = _CLASSES.get(peer, "bar"), left + _LABELS
        # The value of a run that was cut short is a lower bound.
        sign = "> " if found[peer].get("is_cut_short") else ""
        bold = ' class="bold"' if peer in _CLASSES else ""
        lines += [
            f'<text x="{x - 8}" y="{y + 11}" text-anchor="end"{bold}>{escape(peer)}</text>',
            f'<rect x="{x}" y="{y}" width="{max(width, 1):.1f}" height="{_BAR}" rx="2" class="{shape}"/>',
            f'<text x="{x + width + 6:.1f}" y="{y + 11}"{bold}>{escape(sign)}{as_text(values[peer])}</text>',
        ]
    return lines


def chart(report: Report) -> str:
    """Return the SVG."""
    peers = max((len(found) for found in report["results"].values()), default=0)
    high = _HEAD + peers * _ROW + 12
    lines: list[str] = []
    for number, panel in enumerate(_PANELS):
        left = _MARGIN + number % 2 * _WIDTH
        lines += _bars(panel, report, left, _MARGIN + number // 2 * high)
    width, height = 2 * _WIDTH, 2 * high + _MARGIN + 18
    versions = (f"{name} {version}" for name, version in report["versions"].items())
    foot = f"{report['date']} · {report['machine']} · {' · '.join(versions)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="This SDK and its peers, measured in one run">\n'
        f"<style>{_STYLE}</style>\n"
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" class="page"/>\n'
        + "\n".join(lines)
        + f'\n<text x="{_MARGIN}" y="{height - 12}" class="unit" style="font-size:10px">'
        f"{escape(foot)}</text>\n</svg>\n"
    )
