"""R11: however much a server sends, memory does not grow by more than 8 MiB.

That each of these ends in one typed error is in the matrix; the decoder's own limits are in
`tests/core/test_small_values.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flavours import ON_EITHER, Flavour

from faults.bad_answers import API_KEY
from faults.fault import FAULTS, Fault

if TYPE_CHECKING:
    from faults.server import FaultServer
    from faults.talk import Talk

FLAVOURS = ON_EITHER
MIB = 1024 * 1024
# hyper reads up to 400 KiB at once, and a body is held twice while it is handed over.
MAX_GROWTH = {"httpx": 8 * MIB, "reqwest": 16 * MIB}
# pyreqwest's allocator takes huge pages, of 2 MiB: what is measured is what is put into them.
SMALL_PAGES = {"MIMALLOC_ALLOW_THP": "0"}
BOMBS = [
    "gzip_bomb",
    "gzip_bomb_as_error",
    "endless_body",
    "endless_chunks",
    "endless_header_line",
    "endless_trailers",
    "endless_chunk_size",
    "endless_interim_answers",
    "json_of_100_000_levels",
]


def play_by_nonce(talk: Talk) -> None:
    """Play the fault that the request names."""
    fault = FAULTS.get(talk.request.nonce)
    if fault is None:
        talk.answer_well()
    else:
        fault.play(talk)


def measured(flavour: Flavour, server: FaultServer, bombs: list[str]) -> tuple[str, list[str]]:
    """Return by how much a process of its own grew, and what was raised there."""
    server.play(Fault("by nonce", "request", play_by_nonce))
    arguments = [str(flavour), server.base_url, API_KEY, "a good answer", *bombs]
    process = subprocess.run(
        [sys.executable, "-m", "faults.measuring", *arguments],
        cwd=Path(__file__).parents[1],
        env={**os.environ, **SMALL_PAGES},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    growth, *raised = process.stdout.split()
    return growth, raised


def test_a_process_ends_well_while_bytes_still_come(flavour: Flavour, plain: FaultServer) -> None:
    """pyreqwest's threads go on reading behind a call that has failed."""
    _, raised = measured(flavour, plain, ["endless_trailers"])
    assert raised == ["APIConnectionError"]


def test_r11_memory_is_bounded(flavour: Flavour, plain: FaultServer) -> None:
    growth, raised = measured(flavour, plain, BOMBS)
    assert len(raised) == len(BOMBS)
    assert int(growth) <= MAX_GROWTH[flavour.transport], f"{int(growth) / MIB:.1f} MiB"
