"""The fixtures `invoke` and `shell`, and a terminal that is the same on every machine."""

from __future__ import annotations

import logging
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from cli.command_runners import COMMAND, Invoke, Shell
from openai_realtime.cli import service
from openai_realtime.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Generator

    from openai_realtime.cli.service import ListeningSocket


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


@pytest.fixture(autouse=True)
def no_handlers_are_left() -> Generator[None]:
    """`serve` logs to stderr until its process ends: here, until the test ends."""
    yield
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if type(handler) is logging.StreamHandler:
            root.removeHandler(handler)


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
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The settings of each service that was to run."""
    seen: list[dict[str, Any]] = []

    def run(listening: ListeningSocket, client: Any, options: Any, **rest: Any) -> None:
        seen.append({"host": listening.host, "client": client, **options, **rest})

    monkeypatch.setattr(service, "run", run)
    return seen
