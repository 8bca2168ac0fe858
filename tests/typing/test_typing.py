"""Strict mypy and strict pyright accept the right calls and reject the wrong ones.

`right_calls.py` has the right calls; `wrong_calls.py` has the wrong ones, each with its expected errors.
That the project itself is clean is checked by `.ci/run`, beside the linters.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EXPECTATION = re.compile(r"# mypy: (?P<mypy>[a-z -]+), pyright: (?P<pyright>[A-Za-z ]+)$")


class Finding(NamedTuple):
    file: str
    line: int
    code: str


def run(*command: str, cwd: Path) -> str:
    # The checkers' own coverage is not measured.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    finished = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert finished.returncode in {0, 1}, finished.stdout + finished.stderr
    return finished.stdout


def mypy(*arguments: str, cwd: Path) -> set[Finding]:
    output = run("mypy", "--strict", "--output=json", "--no-error-summary", *arguments, cwd=cwd)
    messages: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]
    return {
        Finding(Path(message["file"]).name, message["line"], message["code"])
        for message in messages
        if message["severity"] == "error"
    }


def pyright(*arguments: str, cwd: Path) -> set[Finding]:
    output = run("pyright", "--outputjson", "--pythonpath", sys.executable, *arguments, cwd=cwd)
    report: dict[str, Any] = json.loads(output)
    assert report["summary"]["filesAnalyzed"] > 0, output
    return {
        Finding(
            Path(message["file"]).name,
            message["range"]["start"]["line"] + 1,
            message.get("rule", message["message"]),
        )
        for message in report["generalDiagnostics"]
    }


# A checker takes half a minute of processor time, and longer where several programs share it.
pytestmark = pytest.mark.timeout(600)

CHECKERS = {"mypy": mypy, "pyright": pyright}


@pytest.mark.parametrize("checker", CHECKERS)
def test_right_calls_are_accepted_and_wrong_ones_rejected(checker: str, tmp_path: Path) -> None:
    """In a user's project without a plug-in or settings, and each wrong call for its own reason."""
    for name in ("right_calls.py", "wrong_calls.py"):
        shutil.copy(HERE / name, tmp_path)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}', encoding="utf-8")
    # The cache of the project's own runs is for other settings.
    cache = ROOT / ".mypy_cache" / "typing"
    options = ("--config-file=", f"--cache-dir={cache}") if checker == "mypy" else ()
    findings = CHECKERS[checker](*options, "right_calls.py", "wrong_calls.py", cwd=tmp_path)
    assert sorted(found for found in findings if found.file == "right_calls.py") == []
    lines = (HERE / "wrong_calls.py").read_text(encoding="utf-8").splitlines()
    expected = {
        Finding("wrong_calls.py", number, code)
        for number, line in enumerate(lines, start=1)
        if (expectation := EXPECTATION.search(line))
        for code in expectation[checker].split()
    }
    assert {found for found in findings if found.file == "wrong_calls.py"} == expected
