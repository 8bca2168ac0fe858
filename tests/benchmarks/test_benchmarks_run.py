"""Every benchmark runs for a few mints on the installed peers."""

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
from benchmarks.measures import WrongSecretError
from benchmarks.peers import OFFICIAL, OWN, OWN_FAST, PEERS, RAW
from benchmarks.tables import Report

pytestmark = pytest.mark.benchmark

MEASURES = {
    "1 at a time",
    "64 at a time",
    "512 at a time",
    "64 at a time, TLS",
    "64 at a time, trio",
    "1 at a time, sync",
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
    results = report["results"]
    assert {name for name in results if not name.startswith("memory")} == MEASURES
    peers = set(results["64 at a time"])
    assert {RAW, OWN, OWN_FAST} <= peers
    assert len(peers) + len(report["left_out"]) == len(PEERS)
    for name, found in results.items():
        able = {peer.name for peer in PEERS if name.rpartition(", ")[2] in peer.also}
        assert set(found) == (able or peers) & peers
        assert all(figures for figures in found.values())
    assert all(f"left out: {peer} needs" in printed for peer in report["left_out"])
    assert OWN in (tmp_path / "chart.svg").read_text("utf-8")
    if OFFICIAL in peers and len(results) == len(MEASURES) + 2:
        assert "–" not in printed


@pytest.mark.parametrize(
    ("name", "parser"), [(OWN, "read_by_h11"), (OWN_FAST, "read_by_httptools")]
)
def test_this_sdk_is_measured_over_either_parser(name: str, parser: str) -> None:
    (peer,) = [peer for peer in PEERS if peer.name == name]
    code = (
        "from benchmarks.peers import imported\n"
        f"imported({peer.file!r}, {peer.without!r})\n"
        "from openai_realtime.transports.http1 import read_headers\n"
        "print(read_headers.__name__)"
    )
    command = [sys.executable, "-c", code]
    assert (
        subprocess.check_output(command, cwd=servers.ROOT, text=True, timeout=60) == f"{parser}\n"
    )


def test_the_bundled_server_stands_in_for_nginx_and_one_peer_may_be_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    arguments = ["--only", RAW, "--measure", "throughput"]
    report = run(tmp_path / "results.json", *arguments)
    assert report["server"] == "bundled server"
    assert {name: set(found) for name, found in report["results"].items()} == {
        "1 at a time": {RAW},
        "64 at a time": {RAW},
        "512 at a time": {RAW},
    }
    assert report["results"]["1 at a time"][RAW]["mints"] == 4


def test_a_peer_that_mints_something_else_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr("benchmarks.suite.SECRET", "ek_another")
    with pytest.raises(WrongSecretError, match="cold start: raw socket minted 'ek_benchmark"):
        run(tmp_path / "results.json", "--only", RAW, "--measure", "cold start")


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system cannot set it")
def test_a_server_and_a_peer_have_a_processor_each() -> None:
    command = [sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]
    own = servers.processors()
    for processors, expected in ((servers.FIRST, own[0]), (servers.LAST, own[-1])):
        with servers.started(command, processors) as process:
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
        "    print(*(target.base_url for target in targets[1:]), flush=True)\n"
        f"    {ending}\n"
    )
    # A server that still ran would hold standard error open, and the call would time out.
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
    assert done.stdout.count("http") == 4
