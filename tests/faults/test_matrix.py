"""Every fault, on every backend of client, on fresh and on reused connections.

Each cell proves at once: the exception and its phase (R4, R10, R11, S1, S8), how many requests were
made (R3, R4, R7), that time limits hold (R1), that no descriptor leaks and the next call succeeds
with its own secret (R9, R12), and that no key or secret shows (S6). `cells.py` has the checks,
`table.py` the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from backends import ON_BOTH_PARSERS

from faults.fault import FAULTS
from faults.matrix_runner import play_cell
from faults.rows import How, Over, Row
from faults.server import FaultServer
from faults.table import ROWS

if TYPE_CHECKING:
    from backends import Backend


def is_played(row: Row, over: Over, how: How, backend: Backend) -> bool:
    """Leave out what another cell tells already.

    Every row is played on every backend over both parsers; in every way that it can come about, on
    asyncio over httptools and in threads over h11.
    """
    if str(backend) in {"asyncio-httptools", "sync-h11"}:
        return True
    return over == row.over[-1] and how == row.how[-1]


CELLS = [
    pytest.param(
        row,
        over,
        how,
        backend,
        id=f"{row.fault}{'_once' if row.times else ''}-{over}-{how}-{backend}",
    )
    for row in ROWS
    for over in row.over
    for how in row.how
    for backend in ON_BOTH_PARSERS
    if is_played(row, over, how, backend)
]


@pytest.mark.parametrize(("row", "over", "how", "backend"), CELLS)
def test_cell(
    row: Row,
    over: str,
    how: How,
    backend: Backend,
    elsewhere: FaultServer,
    request: pytest.FixtureRequest,
    all_logs: pytest.LogCaptureFixture,
) -> None:
    server: FaultServer = request.getfixturevalue("plain" if over == "plain" else "secure")
    play_cell(backend, server, row, how, all_logs)
    assert elsewhere.records == []


def test_every_fault_has_a_row() -> None:
    waits = {"status_429_retry_wait", "status_503_retry_wait"}  # longer than a cell has time for
    assert {row.fault for row in ROWS} == FAULTS.keys() - waits
