"""Plays one row of the table on one backend of client, and checks all that is promised of it.

Owns: what is true of every cell. Must not know: any single fault.
"""

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
from faults.rows import SOON, How, Row
from faults.server import FaultServer
from openai_realtime import APIConnectionError, RealtimeError, RealtimeSessionsClient

if TYPE_CHECKING:
    import pytest
    from backends import Backend

# These strike when a connection is made: what was reused must be gone, so that one is.
_ON_CONNECTING = {"refuse", "accept", "handshake"}
_AMPLE = 8.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call went."""

    error: RealtimeError | None
    watch: Stopwatch
    requests: int
    plays: int


def play_cell(
    backend: Backend, server: FaultServer, row: Row, how: How, logs: pytest.LogCaptureFixture
) -> None:
    """Play the row; raises `AssertionError` where anything is not as promised."""
    descriptors = open_descriptors()

    async def body() -> Outcome:
        async with client_of(backend, server) as client:
            if how == "reused":
                await mint(client, server)
                if FAULTS[row.fault].moment in _ON_CONNECTING:
                    server.hang_up()
            outcome = await _call(client, server, row)
            server.behave()
            await mint(client, server, timeout=_AMPLE)
            return outcome

    outcome = backend.run(body)
    _check_outcome(row, how, outcome)
    _check_time(row, backend, outcome)
    secrets = [API_KEY, LOCATION_SECRET, *server.given]
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
    server.play(row.fault, row.times)
    error: RealtimeError | None = None
    with Stopwatch() as watch:
        try:
            session = await client.sessions.create(**params)
        except RealtimeError as raised:
            error = raised
    if error is None:
        assert_own(server, session, nonce)
    return Outcome(error, watch, len(server.requests) - before, server.played)


def _check_outcome(row: Row, how: How, outcome: Outcome) -> None:
    error = outcome.error
    assert (None if error is None else type(error)) is row.kind, repr(error)
    if isinstance(error, APIConnectionError):
        assert error.phase in row.phases, f"{error.phase}: {error!r}"
    requests = row.requests
    if how == "reused" and row.requests_reused is not None:
        requests = row.requests_reused
    assert outcome.requests == requests, repr(error)
    if row.plays is not None:
        assert outcome.plays == row.plays, repr(error)


def _check_time(row: Row, backend: Backend, outcome: Outcome) -> None:
    if row.timeout is None:
        outcome.watch.assert_within(0, SOON)
    else:
        outcome.watch.assert_within(row.timeout - 0.02, row.timeout + OVERRUN[backend.name])
