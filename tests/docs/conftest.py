"""The fixture that runs a page's program beside the files which the page shows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from markdown_blocks import Program, execute, find_program, write_titled

from openai_realtime.testing import MOCK_API_KEY, MockRealtimeServer

RunProgram = Callable[..., dict[str, Any]]


@pytest.fixture
def folder_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Returns the folder with the titled blocks of a page, now the working one."""
    modules: list[str] = []

    def fill(page: str) -> Path:
        modules.extend(path.stem for path in write_titled(page, tmp_path))
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(tmp_path)
        return tmp_path

    yield fill
    for name in modules:
        sys.modules.pop(name, None)


@pytest.fixture
def run_program(
    folder_of: Callable[[str], Path],
    realtime_server: MockRealtimeServer,
    monkeypatch: pytest.MonkeyPatch,
) -> RunProgram:
    """Runs the program of a page ("README.md", "how-to/flask.md") that contains a text.

    Returns its names, for a test that goes on with them.
    """

    def run(page: str, containing: str, *, without: str = "\0") -> dict[str, Any]:
        program: Program = find_program(page, containing, without=without)
        folder_of(program.page)
        return execute(program, realtime_server, monkeypatch)

    return run


@pytest.fixture(autouse=True)
def azure_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of azure-identity that pages use: the real package needs an account of Azure."""

    def get_bearer_token_provider(_credential: object, *scopes: str) -> Callable[[], str]:
        assert scopes == ("https://cognitiveservices.azure.com/.default",)
        return lambda: MOCK_API_KEY

    identity = ModuleType("azure.identity")
    vars(identity).update(
        DefaultAzureCredential=object, get_bearer_token_provider=get_bearer_token_provider
    )
    monkeypatch.setitem(sys.modules, "azure", ModuleType("azure"))
    monkeypatch.setitem(sys.modules, "azure.identity", identity)
