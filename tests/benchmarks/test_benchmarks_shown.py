"""The ratios, tables and chart of a run, and that the README and docs/ show the saved run."""

import json
import xml.etree.ElementTree as ET

import pytest

from benchmarks.__main__ import CHART, PAGE, README, RESULTS, main
from benchmarks.chart import chart
from benchmarks.peers import HTTPX, OFFICIAL, OWN, OWN_FAST, PEERS, RAW
from benchmarks.ratios import plain_ratios, ratios
from benchmarks.suite import Results
from benchmarks.tables import MARKS, Report, markdown, plain_markdown, put_in, tables

SAVED: Report = json.loads(RESULTS.read_text("utf-8"))
REPORT: Report = {
    "date": "2026-11-24",
    "size": "full",
    "machine": "2 cores, Linux x86_64",
    "server": "nginx",
    "versions": {"Python": "3.11.7", "openai": "3.54.0"},
    "left_out": {"aiohttp": ["aiohttp"]},
    "failed": ["burst: httpx"],
    "results": {
        "64 at a time": {
            RAW: {"mints_per_s": 20_000, "cpu_us_per_mint": 45},
            OFFICIAL: {"mints_per_s": 800, "cpu_us_per_mint": 1250},
            OWN: {"mints_per_s": 5200, "cpu_us_per_mint": 187},
            OWN_FAST: {"mints_per_s": 8800, "cpu_us_per_mint": 150},
        },
        "64 at a time, trio": {
            HTTPX: {"mints_per_s": 200},
            OFFICIAL: {"mints_per_s": 100},
            OWN: {"mints_per_s": 2400},
        },
        "burst": {
            OFFICIAL: {"wall_us_per_mint": 4000, "p99_ms": 4000, "is_cut_short": 1},
            OWN: {"wall_us_per_mint": 400, "p99_ms": 1000.1, "is_cut_short": 0},
        },
    },
}


def shown_ratios(title: str) -> list[str | None]:
    (row,) = [row for row in ratios(REPORT["results"]) if row[0] == title]
    return list(row[1:])


def test_a_ratio_is_this_sdks_figure_over_the_others() -> None:
    rate, burst = "mints a second, 64 at a time", "burst of 5,000, 1,000 at a time"
    assert shown_ratios(rate) == ["6.5 ×", "11.0 ×"]
    assert shown_ratios(f"{rate}, against a raw socket") == ["26%", "44%"]
    assert shown_ratios(f"{rate}, on trio, against httpx") == ["12.0 ×", None]
    assert shown_ratios("CPU time a mint, 64 at a time") == ["15%", "12%"]
    assert shown_ratios(f"{burst}: time") == ["10%", None]
    assert shown_ratios(f"{burst}: p99") == ["25%", None]
    assert shown_ratios("peak memory, 10,000 mints") == [None, None]


def test_the_tables_have_every_figure_and_what_was_left_out() -> None:
    lines = tables(REPORT).splitlines()
    assert [line.split() for line in lines if line.startswith(f"{OWN} ")] == [
        ["this", "SDK", "5,200.0", "187.0"],
        ["this", "SDK", "2,400.0"],
        ["this", "SDK", "400.0", "1,000.1", "0.0"],
    ]
    (rate,) = [line for line in lines if line.startswith("mints a second, 64 at a time  ")]
    assert rate.removeprefix("mints a second, 64 at a time").split() == ["6.5", "×", "11.0", "×"]
    assert not {"≥", "≤", "✓", "✗"} & set("".join(lines))
    assert lines[-2:] == ["left out: aiohttp needs aiohttp", "failed, see above: burst: httpx"]


def test_the_page_gets_the_ratios_the_date_and_the_versions() -> None:
    text = put_in(f"before\n{MARKS[0]}old\n{MARKS[1]}\nafter\n", markdown(REPORT))
    assert "\n| mints a second, 64 at a time | 6.5 × | 11.0 × |\n" in text
    assert "\n| CPU time a mint, 64 at a time | 15% | 12% |\n" in text
    assert not {"≥", "≤", "✓", "✗"} & set(text)
    assert (
        "2026-11-24, 2 cores, Linux x86_64, nginx on loopback; Python 3.11.7, openai 3.54.0" in text
    )
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    with pytest.raises(ValueError, match="two marks"):
        put_in("no marks", "")


def test_the_chart_has_a_bar_for_every_figure_and_they_rank() -> None:
    drawn = ET.fromstring(chart(REPORT))
    bars = [x for x in drawn.iter() if x.get("class") in {"bar", "own", "fast"}]
    assert [x.get("class") for x in bars[:4]] == ["bar", "fast", "own", "bar"]
    widths = [float(x.get("width", 0)) for x in bars[:4]]
    assert widths == pytest.approx(
        [widths[0], widths[0] * 0.44, widths[0] * 0.26, widths[0] * 0.04], abs=0.1
    )
    assert len(bars) == 10
    texts = [x.text for x in drawn.iter() if x.text]
    assert "> 4" in texts  # seconds, of what was cut short
    assert "1" in texts
    assert "prefers-color-scheme: dark" in chart(REPORT)


def test_the_saved_run_is_complete() -> None:
    assert SAVED["size"] == "full"
    assert SAVED["left_out"] == {}
    for name, found in SAVED["results"].items():
        able = {peer.name for peer in PEERS if name.rpartition(", ")[2] in peer.also}
        assert set(found) == (able or {peer.name for peer in PEERS})
    assert all(ratio for _, *both in ratios(SAVED["results"]) for ratio in both)


def test_a_plain_ratio_has_both_figures_and_words() -> None:
    results: Results = {
        "64 at a time": {
            OFFICIAL: {"mints_per_s": 800, "cpu_us_per_mint": 1250},
            OWN: {"mints_per_s": 5200, "cpu_us_per_mint": 125},
        },
        "cold start": {OFFICIAL: {"first_secret_ms": 1400}, OWN: {"first_secret_ms": 480}},
        "burst": {OFFICIAL: {"p99_ms": 4000, "is_cut_short": 1}, OWN: {"p99_ms": 1000}},
    }
    assert [row[1:] for row in plain_ratios(results)] == [
        ("800", "5,200", "6.5 times as many"),
        ("1.25 ms", "0.125 ms", "10 times less"),
        ("1.4 s", "0.48 s", "2.9 times faster"),
        ("> 4 s", "1 s", "4 times faster"),
    ]


def test_the_readme_the_page_and_the_chart_show_the_saved_run() -> None:
    for page, text in ((README, plain_markdown(SAVED)), (PAGE, markdown(SAVED))):
        shown = page.read_text("utf-8")
        assert put_in(shown, text) == shown
        assert f"{CHART.name})" in shown
    assert CHART.read_text("utf-8") == chart(SAVED)


def test_a_saved_run_can_be_shown_again(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--from", str(RESULTS)])
    assert capsys.readouterr().out == f"{tables(SAVED)}\n"
