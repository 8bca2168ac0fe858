"""Results as text: the tables on standard output, in the README and in docs/."""

from __future__ import annotations

from typing import TypedDict

from benchmarks.peers import OWN, OWN_FAST
from benchmarks.ratios import plain_ratios, ratios
from benchmarks.suite import Results


class Report(TypedDict):
    """One run, as it is saved."""

    date: str
    size: str
    machine: str
    server: str
    versions: dict[str, str]
    left_out: dict[str, list[str]]
    """Peers, and the modules each would need."""
    failed: list[str]
    """Measures that a peer did not finish, each with the peer's name."""
    results: Results


MARKS = ("<!-- benchmarks: `python -m benchmarks --save` -->\n", "<!-- /benchmarks -->")
"""The lines before and after the table in a Markdown file."""


def tables(report: Report) -> str:
    """Return a table a measure, then the ratios."""
    lines: list[str] = []
    for measure, found in report["results"].items():
        columns = list(next(iter(found.values())))
        lines += ["", f"{measure:28}" + "".join(f"{column:>20}" for column in columns)]
        for peer, figures in found.items():
            lines.append(f"{peer:28}" + "".join(f"{figures[x]:>20,.1f}" for x in columns))
    lines += ["", f"{'against the official SDK':55}{OWN:>20}{OWN_FAST:>20}"]
    for title, own, fast in ratios(report["results"]):
        lines.append(f"{title:55}{own or '–':>20}{fast or '–':>20}")
    lines += [
        f"left out: {peer} needs {', '.join(needs)}" for peer, needs in report["left_out"].items()
    ]
    lines += [f"failed, see above: {what}" for what in report["failed"]]
    return "\n".join(lines)


def markdown(report: Report) -> str:
    """Return the text between the marks of the page about speed."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    rows = [
        f"| {title} | {own or '–'} | {fast or '–'} |"
        for title, own, fast in ratios(report["results"])
    ]
    return "\n".join(
        [
            f"| against the official SDK | {OWN} | {OWN_FAST} |",
            "|---|--:|--:|",
            *rows,
            "",
            f"{report['date']}, {report['machine']}, {report['server']} on loopback; {versions}.",
            "",
        ]
    )


def plain_markdown(report: Report) -> str:
    """Return the text between the README's marks."""
    head = ["| | official SDK | this SDK | |", "|---|--:|--:|---|"]
    rows = [f"| {' | '.join(row)} |" for row in plain_ratios(report["results"])]
    return "\n".join([*head, *rows, ""])


def put_in(page: str, text: str) -> str:
    """Return a page with `text` between its marks."""
    before, start, rest = page.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not end:
        message = f"the page needs the two marks {MARKS}"
        raise ValueError(message)
    return f"{before}{start}{text}{end}{after}"
