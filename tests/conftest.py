"""What most tests stand on: the `flavour` fixture and a clean environment.

Owns: fixtures. Must not know: any single test.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from flavours import ON_HTTPX
from hypothesis import settings

# How long an example takes says more of the machine than of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# Whose processes have their coverage measured. Measured ones take twice as long, and those of other
# tests would cover no more.
MEASURED = {"browser", "cli", "observe", "testing", "test_logs", "test_options"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give `flavour` every way to call the default engine, or those that a module's FLAVOURS names."""
    marks = metafunc.definition.iter_markers("parametrize")
    if "flavour" in metafunc.fixturenames and not any("flavour" in mark.args[0] for mark in marks):
        is_httpx_only = metafunc.definition.get_closest_marker("httpx_only")
        named = getattr(metafunc.module, "FLAVOURS", ON_HTTPX)
        metafunc.parametrize("flavour", ON_HTTPX if is_httpx_only else named, ids=str)


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are processors: the tests wait nearly as long as they work."""
    return (os.cpu_count() or 1) * 3 // 2


@pytest.fixture(autouse=True)
def clean_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if MEASURED.isdisjoint((request.path.parent.name, request.path.stem)):
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    for name in (
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_ORG_ID",
        "OPENAI_PROJECT_ID",
        "OPENAI_REALTIME_LOG",
        "OPENAI_REALTIME_TRANSPORT",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def all_logs(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Every logger at DEBUG: httpcore's and anyio's too."""
    with caplog.at_level(logging.DEBUG):
        yield caplog
