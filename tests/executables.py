"""Finds the programs that tests run, such as nginx; the test is skipped where one is not installed."""

from __future__ import annotations

import os
import shutil

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
