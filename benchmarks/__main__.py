"""`python -m benchmarks`: measures this SDK and its peers, prints tables, and saves the results."""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import servers, suite
from benchmarks.chart import chart
from benchmarks.peers import PEERS
from benchmarks.servers import ROOT
from benchmarks.tables import Report, markdown, plain_markdown, put_in, tables

RESULTS, CHART, README, PAGE = (
    ROOT / "benchmarks" / "results.json",
    ROOT / "docs" / "images" / "chart.svg",
    ROOT / "README.md",
    ROOT / "docs" / "explanation" / "speed.md",
)
PACKAGES = ("openai", "httpx", "httpx2", "aiohttp", "trio", "h11", "httptools", "pydantic")


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _machine() -> str:
    return f"{len(servers.processors()) or '?'} cores, {platform.system()} {platform.machine()}"


def measure(size: suite.Size, only: str, measures: tuple[str, ...]) -> Report:
    """Measure the peers whose name contains `only` and whose modules are installed."""
    selected = [peer for peer in PEERS if only in peer.name]
    left_out = {peer.name: needs for peer in selected if (needs := peer.missing())}
    peers = tuple(peer for peer in selected if peer.name not in left_out)
    with servers.running() as targets:
        plan = suite.Suite(size, peers, targets, lambda text: print(text, file=sys.stderr))
        plan.run(measures)
        return {
            "date": datetime.now(UTC).date().isoformat(),
            "size": size.name,
            "machine": _machine(),
            "server": targets.name,
            "versions": _versions(),
            "left_out": left_out,
            "failed": plan.failed,
            "results": plan.results(),
        }


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--quick", action="store_true", help="one round, smaller")
    parser.add_argument("--handful", action="store_true", help="a few mints, to check that it runs")
    parser.add_argument(
        "--only", default="", metavar="PEER", help="only peers whose name contains this"
    )
    parser.add_argument("--measure", action="append", choices=suite.MEASURES)
    parser.add_argument("--json", type=Path, metavar="PATH")
    parser.add_argument("--svg", type=Path, metavar="PATH")
    parser.add_argument(
        "--save", action="store_true", help="save into benchmarks/, the README and docs/"
    )
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="PATH",
        help="show the JSON of an earlier run, and measure nothing",
    )
    options = parser.parse_args(arguments)
    size = suite.HANDFUL if options.handful else suite.QUICK if options.quick else suite.FULL
    report: Report = (
        json.loads(options.source.read_text("utf-8"))
        if options.source
        else measure(size, options.only, tuple(options.measure or suite.MEASURES))
    )
    print(tables(report))
    if options.json:
        options.json.write_text(_as_text(report), "utf-8")
    if options.svg:
        options.svg.write_text(chart(report), "utf-8")
    if report["failed"]:
        sys.exit(1)
    if options.save:
        RESULTS.write_text(_as_text(report), "utf-8")
        CHART.write_text(chart(report), "utf-8")
        for path, text in ((README, plain_markdown(report)), (PAGE, markdown(report))):
            path.write_text(put_in(path.read_text("utf-8"), text), "utf-8")


def _as_text(report: Report) -> str:
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


def _exit(_signal: int, _frame: object) -> None:
    sys.exit(143)


if __name__ == "__main__":
    # A normal exit removes the servers' folders.
    signal.signal(signal.SIGTERM, _exit)
    main()
