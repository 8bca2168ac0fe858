"""A row of the table: a fault, and what must become of a call that meets it.

Owns: the shape of expectations, and those that many faults share. Must not know: any single fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faults.bad_responses import RETRY_AFTER
from openai_realtime import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APITimeoutError,
)

Over = Literal["plain", "TLS"]
How = Literal["fresh", "reused"]

ATTEMPTS = 3
SOON = 1.0
STALLED = 0.1


@dataclass(frozen=True, slots=True)
class Row:
    """A fault, and what becomes of a call that meets it at every attempt."""

    fault: str
    kind: type[APIError] | None
    """The exception; None: the call succeeds."""
    phases: tuple[str, ...] = ()
    """Where it may say that it stopped, if it is an `APIConnectionError`."""
    requests: int = 1
    """Complete requests that the server sees while it misbehaves."""
    plays: int | None = None
    """How often the fault strikes, where that is not once a request."""
    requests_reused: int | None = None
    """The same as `requests`, on a reused connection, where that differs."""
    timeout: float | None = None
    """The call's time limit, where it is what ends the call."""
    times: int | None = None
    """How often the server misbehaves before it behaves again; None: always."""
    over: tuple[Over, ...] = ("plain",)
    how: tuple[How, ...] = ("fresh", "reused")
    instructions: int = 0
    """Characters of instructions to send along: many fill the socket's buffers."""


BOTH: tuple[Over, ...] = ("plain", "TLS")


def lost(fault: str, requests_reused: int | None = None) -> Row:
    """Return the row of an answer that never began or never ended."""
    return Row(
        fault,
        APIConnectionError,
        ("receive",),
        ATTEMPTS,
        requests_reused=requests_reused,
        over=BOTH,
    )


def cut_off(fault: str, *, over: tuple[Over, ...] = BOTH, kind: type[APIError], plays: int) -> Row:
    """Return the row of a fault that strikes before any request was sent whole."""
    phases = ("connect",) if over == ("TLS",) else ("connect", "send", "receive")
    return Row(fault, kind, phases, 0, plays=plays, over=over)


def malformed(fault: str) -> Row:
    """Return the row of an answer that is no HTTP, or more of it than anybody needs."""
    return Row(fault, APIConnectionError, ("receive",))


def stalls(
    fault: str, requests: int = 1, over: tuple[Over, ...] = BOTH, instructions: int = 0
) -> Row:
    """Return the row of an answer that does not come while the call has time."""
    return Row(
        fault,
        APITimeoutError,
        ("total",),
        requests,
        plays=None if requests else 1,
        timeout=STALLED,
        over=over,
        instructions=instructions,
    )


def unusable(fault: str) -> Row:
    """Return the row of a success without a usable secret."""
    return Row(fault, APIResponseValidationError)


def refused(status: int, kind: type[APIError], requests: int = 1) -> Row:
    """Return the row of an error that the server answers with."""
    return Row(f"status_{status}", kind, requests=requests)


def fine(fault: str) -> Row:
    """Return the row of what only looks like a fault."""
    return Row(fault, None)


def retry_after(status: int, kind: type[APIError]) -> list[Row]:
    """Return the rows of a status that says when to come back."""
    # A wait that cannot end in time is not begun; one that is nonsense is not asked for.
    in_time = {"soon", "nonsense", "negative", "past"}
    return [
        Row(f"status_{status}_retry_{when}", kind, requests=ATTEMPTS if when in in_time else 1)
        for when in RETRY_AFTER
        if when != "wait"
    ]
