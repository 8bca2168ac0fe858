"""How tests run the command: in this process, or in a process of its own as a shell does."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from typer.testing import Result

COMMAND = [sys.executable, "-m", "openai_realtime"]


class Invoke(Protocol):
    """Runs the command in this process."""

    def __call__(self, *arguments: str, stdin: bytes | None = None) -> Result: ...


class Shell(Protocol):
    """Runs the command in a process of its own."""

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]: ...


@contextmanager
def started(
    *arguments: str, descriptors: int | None = None, log: Path | None = None
) -> Generator[subprocess.Popen[str]]:
    """Start the command in a process of its own, and end it when the block is over.

    `descriptors` is how many it may have open; `log` is where stderr goes, instead of a pipe.
    """
    limited = ["sh", "-c", f'ulimit -n {descriptors} && exec "$0" "$@"'] if descriptors else []
    with (
        log.open("wb") if log else nullcontext(subprocess.PIPE) as stderr,
        subprocess.Popen(
            [*limited, *COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()
