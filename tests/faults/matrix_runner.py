"""Runs one row of the table on one backend, and checks everything that is promised of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faults.bad_responses import API_KEY, LOCATION_SECRET
from faults.calling import (
    OVERRUN,
    assert_no_new_descriptors,
    assert_own,
    client_of,
    mint,
    new_nonce,
    open_descriptors,
)
from faults.fault import FAULTS
from faults.leak_checks import assert_nowhere, shown_by, shown_by_logs
from faults.machine_delays import Stopwatch
from faults.rows import SOON, ConnectionUse, Row
from faults.server import FaultServer
from openai_realtime import APIConnectionError, RealtimeError, RealtimeSessionsClient

if TYPE_CHECKING:
    import pytest
    from backends import Backend

# These apply when a connection is made, so a reused connection is closed first.
_ON_CONNECTING = {"refuse", "accept", "handshake"}
_AMPLE = 8.0  # less than the Retry-After of a row that is too late
_LATE = 0.005


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one call, as the client and the server saw it."""

    error: RealtimeError | None
    watch: Stopwatch
    requests: int
    injections: int


def run_row(
    backend: Backend,
    server: FaultServer,
    row: Row,
    connection_use: ConnectionUse,
    logs: pytest.LogCaptureFixture,
) -> None:
    """Run the row. Raises `AssertionError` when a promise is broken."""
    descriptors = open_descriptors()

    async def body() -> Outcome:
        async with client_of(backend, server) as client:
            if connection_use == "reused":
                await mint(client, server)
                if FAULTS[row.fault].moment in _ON_CONNECTING:
                    server.hang_up()
            outcome = await _call(client, server, row)
            server.clear_fault()
            await mint(client, server, timeout=_AMPLE)
            return outcome

    outcome = backend.run(body)
    _check_outcome(row, connection_use, outcome)
    _check_time(row, backend, outcome)
    secrets = [API_KEY, LOCATION_SECRET, *server.secrets]
    if outcome.error is not None:
        assert_nowhere(secrets, shown_by(outcome.error))
    assert_nowhere(secrets, shown_by_logs(logs))
    server.hang_up()
    assert_no_new_descriptors(descriptors, server)


async def _call(client: RealtimeSessionsClient, server: FaultServer, row: Row) -> Outcome:
    nonce = new_nonce()
    params: dict[str, Any] = {"extra_headers": {"X-Nonce": nonce}, "timeout": row.timeout or _AMPLE}
    if row.instructions:
        params["instructions"] = "x" * row.instructions
    before = len(server.requests)
    server.inject(row.fault, row.times)
    error: RealtimeError | None = None
    with Stopwatch() as watch:
        try:
            session = await client.sessions.create(**params)
        except RealtimeError as raised:
            error = raised
    if error is None:
        assert_own(server, session, nonce)
    return Outcome(error, watch, len(server.requests) - before, server.injections)


def _check_outcome(row: Row, connection_use: ConnectionUse, outcome: Outcome) -> None:
    error = outcome.error
    assert (None if error is None else type(error)) is row.error_type, repr(error)
    if isinstance(error, APIConnectionError):
        assert error.phase in row.phases, f"{error.phase}: {error!r}"
    requests = row.requests
    if connection_use == "reused" and row.requests_reused is not None:
        requests = row.requests_reused
    found = (outcome.requests, outcome.injections)
    expected = (requests, outcome.injections if row.injections is None else row.injections)
    # The time limit may end a call before a busy machine has let the server read.
    is_early = row.timeout is not None and found < expected and outcome.watch.delayed_by > _LATE
    assert found == expected or is_early, repr(error)


def _check_time(row: Row, backend: Backend, outcome: Outcome) -> None:
    if row.timeout is None:
        outcome.watch.assert_within(0, SOON)
    else:
        outcome.watch.assert_within(row.timeout - 0.02, row.timeout + OVERRUN[backend.name])
