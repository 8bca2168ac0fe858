"""R11: however much a server sends, memory does not grow by more than 8 MiB.

That each of these ends in one typed error is in the matrix; the decoder's own limits are in
`tests/core/test_small_values.py`.
"""

from __future__ import annotations

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
MAX_GROWTH = {"httpx": 8 * MIB, "reqwest": 24 * MIB}
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


def test_r11_memory_is_bounded(flavour: Flavour, plain: FaultServer) -> None:
    plain.play(Fault("by nonce", "request", play_by_nonce))
    arguments = [str(flavour), plain.base_url, API_KEY, "a good answer", *BOMBS]
    process = subprocess.run(
        [sys.executable, "-m", "faults.measuring", *arguments],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    growth, *raised = process.stdout.split()
    assert len(raised) == len(BOMBS)
    assert int(growth) <= MAX_GROWTH[flavour.transport], f"{int(growth) / MIB:.1f} MiB"
