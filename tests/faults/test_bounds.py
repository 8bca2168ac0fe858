"""R11: however much a server sends, memory does not grow by more than 8 MiB.

The matrix tests that each of these faults ends in one typed error; `tests/core/test_small_values.py`
tests the decoder's own limits.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from backends import ON_BOTH_PARSERS, Backend

from faults.bad_responses import API_KEY
from faults.fault import FAULTS, Fault

if TYPE_CHECKING:
    from faults.fault_server_dialogue import Dialogue
    from faults.server import FaultServer

BACKENDS = ON_BOTH_PARSERS
MIB = 1024 * 1024
MAX_GROWTH = 8 * MIB
BOMBS = [
    "gzip_bomb",
    "gzip_bomb_as_error",
    "endless_body",
    "endless_chunks",
    "endless_header_line",
    "endless_trailers",
    "endless_chunk_size",
    "endless_interim_responses",
    "json_of_100_000_levels",
]


def run_fault_of_nonce(dialogue: Dialogue) -> None:
    """Run the fault that the request's nonce names."""
    fault = FAULTS.get(dialogue.request.nonce)
    if fault is None:
        dialogue.respond_normally()
    else:
        fault.run(dialogue)


def measured(backend: Backend, server: FaultServer, bombs: list[str]) -> tuple[str, list[str]]:
    """Return by how much another process grew, and the names of the exceptions raised there."""
    server.inject(Fault("by nonce", "request", run_fault_of_nonce))
    arguments = [str(backend), server.base_url, API_KEY, "a good response", *bombs]
    process = subprocess.run(
        [sys.executable, "-m", "faults.measuring", *arguments],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    growth, *raised = process.stdout.split()
    return growth, raised


def test_r11_memory_is_bounded(backend: Backend, plain: FaultServer) -> None:
    growth, raised = measured(backend, plain, BOMBS)
    assert len(raised) == len(BOMBS)
    assert int(growth) <= MAX_GROWTH, f"{int(growth) / MIB:.1f} MiB"
