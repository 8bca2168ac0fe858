"""Measures by how much the machine itself delayed a test, as the control for every promise about time.

Two things that the library does not influence tell a busy machine from a slow library: how long this
thread was ready to run without a processor, and how late a timer of another process fired meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Self

# Prints when each late timer was due, and its delay. It ends with its parent process.
_BARE_TIMER = """
import os, time
parent = os.getppid()
while os.getppid() == parent:
    due = time.monotonic() + 0.005
    time.sleep(0.005)
    late = time.monotonic() - due
    if late > 0.002:
        print(due, late, flush=True)
"""


class BareTimer:
    """A process that only sleeps, and reports how late it woke up."""

    def __init__(self) -> None:
        descriptor, name = tempfile.mkstemp()
        self._lines = Path(name)
        self._process = subprocess.Popen([sys.executable, "-c", _BARE_TIMER], stdout=descriptor)
        os.close(descriptor)

    def latest(self, started: float, ended: float) -> float:
        """Return the greatest delay of a timer that was due between two moments."""
        time.sleep(0.01)  # for the last one to be written
        written, _, _ = self._lines.read_text(encoding="ascii").rpartition("\n")
        rows = (line.split() for line in written.splitlines())
        late = [float(delay) for due, delay in rows if started - 0.1 < float(due) < ended]
        return max(late, default=0.0)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._lines.unlink()


@cache
def bare_timer() -> BareTimer:
    """Return this process's bare timer."""
    return BareTimer()


def waited_for_a_processor() -> float:
    """Return how many seconds this thread was ready without running; 0 where the system has no count."""
    try:
        _, waited, _ = Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()
    except FileNotFoundError:
        return 0.0
    return int(waited) / 1e9


class Stopwatch:
    """Measures how long a block takes, and by how much the machine delayed it."""

    def __enter__(self) -> Self:
        bare_timer()
        self._waited = waited_for_a_processor()
        self._started = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = time.monotonic()
        self._waited = waited_for_a_processor() - self._waited

    @property
    def elapsed(self) -> float:
        """The duration in seconds."""
        return self._ended - self._started

    @property
    def delayed_by(self) -> float:
        """The seconds that the machine may have added."""
        return self._waited + bare_timer().latest(self._started, self._ended)

    def assert_within(self, least: float, most: float) -> None:
        """Check the duration. It may exceed `most` by what the machine added."""
        assert self.elapsed > least, f"{self.elapsed:.3f} s"
        if self.elapsed >= most:
            assert self.elapsed < most + self.delayed_by, (
                f"{self.elapsed:.3f} s, of which the machine explains {self.delayed_by:.3f}"
            )
