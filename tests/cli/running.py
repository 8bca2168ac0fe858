"""How tests run the command: in this process, or as a shell would.

Owns: processes, and the types of the fixtures in `conftest.py`. Must not know: any command.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator

    from typer.testing import Result

COMMAND = [sys.executable, "-m", "openai_realtime.cli"]


class Invoke(Protocol):
    """Runs the command in this process."""

    def __call__(self, *arguments: str, stdin: bytes | None = None) -> Result: ...


class Shell(Protocol):
    """Runs the command in a process of its own."""

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]: ...


@contextmanager
def started(*arguments: str) -> Generator[subprocess.Popen[str]]:
    """Start the command in a process of its own, and end it when the block is over."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
