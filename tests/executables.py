"""Finds the programs that tests run, such as nginx, and packages of npm; where one is not installed,
the test is skipped."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def program(*names: str) -> str:
    """Return the path of the first of `names` that is installed.

    Where there is none the test is skipped; with `CI` set, as `.ci/run` does, it fails.
    """
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    for name in names:
        found = shutil.which(name, path=places)
        if found is not None:
            return found
    missing = f"{' or '.join(names)} is not installed"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def npm_package(name: str) -> Path:
    """Return the folder of a package of npm; where there is none the test is skipped.

    `OPENAI_NPM` names the folder into which `npm ci` put the packages of `.ci/npm`.
    """
    folder = Path(os.environ.get("OPENAI_NPM", os.devnull)) / "node_modules" / name
    if not folder.is_dir():
        pytest.skip(f"OPENAI_NPM names no folder with the npm package {name} in it")
    return folder
