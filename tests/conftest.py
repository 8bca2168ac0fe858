"""What most tests stand on: the `backend` fixture and a clean environment."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator

import pytest
from backends import ON_HTTPTOOLS
from hypothesis import settings

from openai_realtime.environment import CLIENT_VARIABLES

# How long an example takes says more of the machine than of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# Whose processes have their coverage measured. Measured ones take twice as long, and those of other
# tests would cover no more.
MEASURED = {"browser", "cli", "observe", "testing", "test_logs", "test_options"}

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # nohup, or a shell's background job: tests interrupt this process and those that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give `backend` each backend, or the backends that a module's BACKENDS names."""
    marks = metafunc.definition.iter_markers("parametrize")
    if "backend" in metafunc.fixturenames and not any("backend" in mark.args[0] for mark in marks):
        named = getattr(metafunc.module, "BACKENDS", ON_HTTPTOOLS)
        metafunc.parametrize("backend", named, ids=str)


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are processors: the tests wait nearly as long as they work."""
    return (os.cpu_count() or 1) * 3 // 2


@pytest.fixture(autouse=True)
def clean_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if MEASURED.isdisjoint((request.path.parent.name, request.path.stem)):
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    for name in CLIENT_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def all_logs(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Every logger at DEBUG: httpcore's and anyio's too."""
    with caplog.at_level(logging.DEBUG):
        yield caplog
