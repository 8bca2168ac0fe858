"""The table of faults: each has a name, the moment when it applies, and a function that misbehaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from faults.fault_server_dialogue import Dialogue

Moment = Literal["refuse", "accept", "handshake", "idle", "read", "request"]
"""`refuse`: no connection is accepted; `accept`: one was accepted; `handshake`: before TLS's handshake;
`idle`: between requests; `read`: a request's first bytes have arrived; `request`: it was read whole."""

FaultFunction = Callable[[Dialogue], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which the server misbehaves."""

    name: str
    moment: Moment
    run: FaultFunction
    certificate: str | None = None
    """The certificate or TLS setting for the handshake, where that is the fault."""


FAULTS: dict[str, Fault] = {}


def fault(
    moment: Moment, certificate: str | None = None
) -> Callable[[FaultFunction], FaultFunction]:
    """Return a decorator that adds a function to the table, under its own name."""

    def register(run: FaultFunction) -> FaultFunction:
        add(run.__name__, moment, run, certificate)
        return run

    return register


def add(name: str, moment: Moment, run: FaultFunction, certificate: str | None = None) -> None:
    """Add a fault to the table. Names are unique."""
    assert name not in FAULTS, name
    FAULTS[name] = Fault(name, moment, run, certificate)
