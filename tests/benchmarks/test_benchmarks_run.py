"""Every benchmark runs, each for a handful of mints, on the peers that are installed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import servers
from benchmarks.__main__ import main
from benchmarks.peers import FAST_ENGINE, HTTPX_ENGINE, OFFICIAL, RAW
from benchmarks.suite import BenchmarkError
from benchmarks.tables import Report

pytestmark = pytest.mark.benchmark

MEASURES = {
    "1 in flight",
    "64 in flight",
    "512 in flight",
    "sync, 1 threads",
    "sync, 8 threads",
    "burst",
    "sparse",
    "cold start",
}


def run(path: Path, *arguments: str) -> Report:
    main(["--handful", "--json", str(path), *arguments])
    report: Report = json.loads(path.read_text("utf-8"))
    return report


def test_every_measure_runs_on_every_peer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run(tmp_path / "results.json", "--svg", str(tmp_path / "chart.svg"))
    printed = capsys.readouterr().out
    assert set(report["results"]) - {"memory"} == MEASURES
    peers = set(report["results"]["64 in flight"])
    assert {RAW, HTTPX_ENGINE, FAST_ENGINE} <= peers
    assert len(peers) + len(report["left_out"]) == 9
    for name, found in report["results"].items():
        assert set(found) == peers or name.startswith("sync")
        assert all(figures for figures in found.values())
    assert all(f"left out: {peer} needs" in printed for peer in report["left_out"])
    assert HTTPX_ENGINE in (tmp_path / "chart.svg").read_text("utf-8")
    if OFFICIAL in peers:
        assert "–" not in printed.partition("against the official SDK")[2].partition("against a")[0]


def test_the_bundled_server_stands_in_for_nginx_and_one_peer_may_be_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    arguments = ["--only", RAW, "--measure", "throughput"]
    report = run(tmp_path / "results.json", *arguments)
    assert report["server"] == "bundled server"
    assert {name: set(found) for name, found in report["results"].items()} == {
        "1 in flight": {RAW},
        "64 in flight": {RAW},
        "512 in flight": {RAW},
    }
    assert report["results"]["1 in flight"][RAW]["mints"] == 4


def test_a_peer_that_mints_something_else_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr("benchmarks.suite.SECRET", "ek_another")
    with pytest.raises(BenchmarkError, match="cold start: raw socket minted 'ek_benchmark"):
        run(tmp_path / "results.json", "--only", RAW, "--measure", "cold start")


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not tell")
def test_a_server_and_a_peer_have_a_processor_each() -> None:
    ask = [sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]
    own = servers.processors()
    for processors, expected in ((servers.FIRST, own[0]), (servers.LAST, own[-1])):
        with servers.started(ask, processors) as process:
            assert json.loads(process.stdout.read()) == [expected]
    assert servers.processors() == own


@pytest.mark.parametrize(
    "ending",
    ["os.kill(os.getpid(), getattr(signal, 'SIGKILL', signal.SIGTERM))", "raise ValueError"],
)
def test_no_server_outlives_the_process_that_started_it(tmp_path: Path, ending: str) -> None:
    code = (
        "import os, signal\n"
        "from benchmarks import servers\n"
        "with servers.running() as targets:\n"
        "    print(*targets[1:4], flush=True)\n"
        f"    {ending}\n"
    )
    # The servers hold this end of standard error open for as long as they live.
    done: Any = subprocess.run(
        [sys.executable, "-c", code],
        cwd=servers.ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        timeout=60,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout.count("http") == 3
