"""Every fault, on every backend, on fresh and on reused connections.

Each case proves at once: the exception and its phase (R4, R10, R11, S1, S8), how many requests were
made (R3, R4, R7), that time limits hold (R1), that no descriptor leaks and the next call succeeds
with its own secret (R9, R12), and that no key or secret shows (S6). `matrix_runner.py` has the checks,
`table.py` the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from backends import ON_BOTH_PARSERS

from faults.fault import FAULTS
from faults.matrix_runner import run_row
from faults.rows import ConnectionUse, Row, Transport
from faults.server import FaultServer
from faults.table import CONNECTION, ROWS, TIME, TLS

if TYPE_CHECKING:
    from backends import Backend


OF_SOCKETS = [*CONNECTION, *TIME, *TLS]


def is_tested(
    row: Row, transport: Transport, connection_use: ConnectionUse, backend: Backend
) -> bool:
    """Return whether a case proves something that another case does not.

    Every row runs on every backend, and on asyncio with every transport and connection use. Where the
    fault is one of sockets, time or TLS, it does so in threads too, whose engine reads by itself.
    """
    if backend.name == "asyncio" or (backend.is_sync and row in OF_SOCKETS):
        return True
    return transport == row.transports[-1] and connection_use == row.connection_uses[-1]


CASES = [
    pytest.param(
        row,
        transport,
        connection_use,
        backend,
        id=f"{row.fault}{'_once' if row.times else ''}-{transport}-{connection_use}-{backend}",
    )
    for row in ROWS
    for transport in row.transports
    for connection_use in row.connection_uses
    for backend in ON_BOTH_PARSERS
    if is_tested(row, transport, connection_use, backend)
]


@pytest.mark.parametrize(("row", "transport", "connection_use", "backend"), CASES)
def test_row(
    row: Row,
    transport: Transport,
    connection_use: ConnectionUse,
    backend: Backend,
    redirect_target: FaultServer,
    request: pytest.FixtureRequest,
    all_logs: pytest.LogCaptureFixture,
) -> None:
    server: FaultServer = request.getfixturevalue("plain" if transport == "plain" else "secure")
    run_row(backend, server, row, connection_use, all_logs)
    assert redirect_target.records == []


def test_every_fault_has_a_row() -> None:
    waits = {"status_429_retry_wait", "status_503_retry_wait"}  # longer than a case has time for
    assert {row.fault for row in ROWS} == FAULTS.keys() - waits
