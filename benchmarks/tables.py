"""Results as text: the tables on standard output, and the README's.

Owns: words. Must not know: where the results come from, nor where the text goes.
"""

from __future__ import annotations

from typing import TypedDict

from benchmarks.ratios import ratios
from benchmarks.suite import Results


class Report(TypedDict):
    """One run, as it is kept."""

    date: str
    size: str
    machine: str
    server: str
    versions: dict[str, str]
    left_out: dict[str, list[str]]
    """Peers, and the modules each would need."""
    results: Results


MARKS = ("<!-- benchmarks: `python -m benchmarks --save` -->\n", "<!-- /benchmarks -->")
"""Between which the README's part stands."""


def tables(report: Report) -> str:
    """Return a table a measure, then the ratios."""
    lines: list[str] = []
    for measure, found in report["results"].items():
        columns = list(next(iter(found.values())))
        lines += ["", f"{measure:22}" + "".join(f"{column:>18}" for column in columns)]
        for peer, figures in found.items():
            lines.append(f"{peer:22}" + "".join(f"{figures[x]:>18,.1f}" for x in columns))
    lines += ["", f"{'against the official SDK':45}{'httpx engine':27}fast engine"]
    lines += [
        f"{title:45}{httpx or '–'!s:27}{fast or '–'}"
        for title, httpx, fast in ratios(report["results"])
    ]
    lines += [
        f"left out: {peer} needs {', '.join(needs)}" for peer, needs in report["left_out"].items()
    ]
    return "\n".join(lines)


def markdown(report: Report) -> str:
    """Return what stands between the README's marks."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    rows = [
        f"| {title} | {httpx or '–'} | {fast or '–'} |"
        for title, httpx, fast in ratios(report["results"])
    ]
    return "\n".join(
        [
            "| against the official SDK (and the goal) | httpx engine | fast engine |",
            "|---|---|---|",
            *rows,
            "",
            f"{report['date']}, {report['machine']}, {report['server']} on loopback; {versions}.",
            "",
        ]
    )


def put_in(readme: str, text: str) -> str:
    """Return the README with `text` between its marks."""
    before, start, rest = readme.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not end:
        message = f"the README needs the two marks {MARKS}"
        raise ValueError(message)
    return f"{before}{start}{text}{end}{after}"
