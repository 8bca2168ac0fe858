"""The row of a fault: what a call that meets the fault must come to, and the rows that many share."""

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

Transport = Literal["plain", "TLS"]
ConnectionUse = Literal["fresh", "reused"]

ATTEMPTS = 3
SOON = 1.0
STALLED = 0.1
BOTH_TRANSPORTS: tuple[Transport, ...] = ("plain", "TLS")


@dataclass(frozen=True, slots=True)
class Row:
    """A fault, and the expectation for a call that meets it at every attempt."""

    fault: str
    error_type: type[APIError] | None
    """The type of the exception; None: the call succeeds."""
    phases: tuple[str, ...] = ()
    """The phases that an `APIConnectionError` may name."""
    requests: int = 1
    """The complete requests that the server receives while it misbehaves."""
    injections: int | None = None
    """How often the fault applies, where that is not once for each request."""
    requests_reused: int | None = None
    """The same as `requests` on a reused connection, where it differs."""
    timeout: float | None = None
    """The call's time limit, where the time limit ends the call."""
    times: int | None = None
    """How often the server misbehaves before it responds normally again; None: always."""
    transports: tuple[Transport, ...] = ("plain",)
    connection_uses: tuple[ConnectionUse, ...] = ("fresh", "reused")
    instructions: int = 0
    """The length of the instructions in the request: a large one fills the socket's buffers."""


def lost(fault: str, requests_reused: int | None = None) -> Row:
    """Return the row of a response that does not begin or does not end."""
    return Row(
        fault,
        APIConnectionError,
        ("receive",),
        ATTEMPTS,
        requests_reused=requests_reused,
        transports=BOTH_TRANSPORTS,
    )


def cut_off(
    fault: str,
    *,
    transports: tuple[Transport, ...] = BOTH_TRANSPORTS,
    error_type: type[APIError],
    injections: int,
) -> Row:
    """Return the row of a fault that applies before a complete request was sent."""
    phases = ("connect",) if transports == ("TLS",) else ("connect", "send", "receive")
    return Row(fault, error_type, phases, 0, injections=injections, transports=transports)


def malformed(fault: str) -> Row:
    """Return the row of a response that is not HTTP, or that exceeds a bound."""
    return Row(fault, APIConnectionError, ("receive",))


def stalls(
    fault: str,
    requests: int = 1,
    transports: tuple[Transport, ...] = BOTH_TRANSPORTS,
    instructions: int = 0,
) -> Row:
    """Return the row of a response that does not arrive within the call's time limit."""
    return Row(
        fault,
        APITimeoutError,
        ("total",),
        requests,
        injections=None if requests else 1,
        timeout=STALLED,
        transports=transports,
        instructions=instructions,
    )


def unusable(fault: str) -> Row:
    """Return the row of a success without a usable secret."""
    return Row(fault, APIResponseValidationError)


def refused(status: int, error_type: type[APIError], requests: int = 1) -> Row:
    """Return the row of an error response."""
    return Row(f"status_{status}", error_type, requests=requests)


def fine(fault: str) -> Row:
    """Return the row of an unusual response that is valid."""
    return Row(fault, None)


def retry_after(status: int, error_type: type[APIError]) -> list[Row]:
    """Return the rows of a status with a Retry-After header."""
    # The client does not begin a wait that ends after the deadline, and ignores an invalid one.
    in_time = {"soon", "nonsense", "negative", "past"}
    return [
        Row(
            f"status_{status}_retry_{when}",
            error_type,
            requests=ATTEMPTS if when in in_time else 1,
        )
        for when in RETRY_AFTER
        if when != "wait"
    ]
