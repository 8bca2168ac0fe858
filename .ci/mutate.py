"""Runs mutmut over one group of `[tool.mutmut.groups]`: `mutate.py GROUP [SIZE OF THE SAMPLE]`.

mutmut has one list of tests, and runs each mutant against all of them that reach it. So each group
has its own copy of the checkout, `build/mutants/GROUP`, where `mutmut show NAME` shows a mutant.
"""

import json
import random
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MUTMUT = (sys.executable, "-m", "mutmut", "run", "--max-children=1")
SEED = 13


def copy_checkout(group: str) -> Path:
    """Return a new copy of what the tests need, whose `[tool.mutmut]` has the group's settings."""
    directory = ROOT / "build" / "mutants" / group
    shutil.rmtree(directory, ignore_errors=True)
    for name in ("openai_realtime", "tests"):
        shutil.copytree(ROOT / name, directory / name)
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, directory)
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    settings = tomllib.loads(text)["tool"]["mutmut"]["groups"][group]
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    header = "[tool.mutmut]\n"
    changed = text.replace(header, header + "\n".join(lines) + "\n")
    (directory / "pyproject.toml").write_text(changed, "utf-8")
    return directory


def sample(directory: Path, size: int) -> list[str]:
    """Return the names of some of the mutants, the same ones for the same code."""
    # mutmut makes the mutants, runs the tests once, finds no mutant of this name, and ends.
    made = subprocess.run([*MUTMUT, "none"], cwd=directory, capture_output=True, check=False)  # noqa: S603 - one of ours
    if not (directory / "mutants" / "mutmut-stats.json").exists():
        sys.exit(made.stdout.decode())
    results = sorted(directory.glob("mutants/**/*.meta"))
    names = [name for file in results for name in json.loads(file.read_text())["exit_code_by_key"]]
    sys.stdout.write(f"{size} of {len(names)} mutants\n")
    return random.Random(SEED).sample(names, size)  # noqa: S311 - no secret


def main(group: str, size: str | None = None) -> int:
    """Run every mutant of the group, or a sample; return mutmut's exit status."""
    directory = copy_checkout(group)
    names = [] if size is None else sample(directory, int(size))
    return subprocess.run([*MUTMUT, *names], cwd=directory, check=False).returncode  # noqa: S603 - one of ours


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
