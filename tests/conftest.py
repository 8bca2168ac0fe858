"""Fixtures of every test: the `backend` parameter, a clean environment, and logging."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from datetime import date

import coverage
import pytest
from backends import ON_HTTPTOOLS
from hypothesis import settings

from openai_realtime.core.retirements import RetirementNotices
from openai_realtime.environment import CLIENT_VARIABLES

# An example has no deadline, because a busy machine would exceed it. `-m fuzz` runs many more of them.
settings.register_profile("unhurried", deadline=None, max_examples=50)
settings.load_profile("unhurried")

# The tests that measure the coverage of the processes they start. A measured process takes twice as
# long, and the processes of other tests would cover no further line.
MEASURED = {
    "browser",
    "cli",
    "observe",
    "testing",
    "test_logs",
    "test_options",
    "test_route",
    "test_wsgi",
}

# Tests start some two hundred processes: none is to compile its modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # nohup, or a shell's background job: tests interrupt this process and those that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize `backend` with every backend, or with a module's BACKENDS."""
    marks = metafunc.definition.iter_markers("parametrize")
    if "backend" in metafunc.fixturenames and not any("backend" in mark.args[0] for mark in marks):
        named = getattr(metafunc.module, "BACKENDS", ON_HTTPTOOLS)
        metafunc.parametrize("backend", named, ids=str)


def pytest_xdist_auto_num_workers() -> int:
    """Return 1.5 times the number of processors, because the tests also wait."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_sessionfinish() -> None:
    """Save the measurement now: xdist kills a worker that takes more than 10 s to leave."""
    measurement = coverage.Coverage.current()
    if measurement is not None:
        measurement.save()


@pytest.fixture(autouse=True)
def clean_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if MEASURED.isdisjoint((request.path.parent.name, request.path.stem)):
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    for name in CLIENT_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def long_before_every_retirement(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test fails because a day has come."""
    notices = RetirementNotices(lambda: date(2025, 1, 1))
    monkeypatch.setattr("openai_realtime.resources.requests.NOTICES", notices)


@pytest.fixture
def unmeasured() -> Iterator[None]:
    """Pause the coverage measurement, for tests that run the same lines very often."""
    measurement = coverage.Coverage.current()
    if measurement is not None:
        measurement.stop()
    yield
    if measurement is not None:
        measurement.start()


@pytest.fixture
def all_logs(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Capture every logger at DEBUG, also those of httpcore and anyio."""
    with caplog.at_level(logging.DEBUG):
        yield caplog
