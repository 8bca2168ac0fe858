"""The fixtures `invoke` and `shell`, and a terminal that is the same everywhere.

Owns: fixtures. Must not know: any single test.
"""

from __future__ import annotations

import os
import subprocess

import pytest
from typer.testing import CliRunner, Result

from cli.running import COMMAND, Invoke, Shell
from openai_realtime.cli.app import app


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.fixture(autouse=True)
def no_providers_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "AZURE_OPENAI_AD_TOKEN",
        "AZURE_OPENAI_API_KEY",
        "LITELLM_API_KEY",
        "XAI_API_KEY",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def invoke() -> Invoke:
    def run(*arguments: str, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(
            app, list(arguments), input=stdin, prog_name="openai-realtime", catch_exceptions=False
        )

    return run


@pytest.fixture
def shell() -> Shell:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, **environment},
            timeout=20,
            check=False,
        )

    return run
