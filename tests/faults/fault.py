"""What a fault is: a name, the moment when it strikes, and a small function that plays it.

Owns: the table of faults by name. Must not know: any fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from faults.fault_server_dialogue import Dialogue

Moment = Literal["refuse", "accept", "handshake", "idle", "read", "request"]
"""`refuse`: nobody is let in; `accept`: let in, nothing said yet; `handshake`: instead of TLS's;
`idle`: between requests; `read`: bytes of a request are waiting; `request`: it was read whole."""

Play = Callable[[Dialogue], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave."""

    name: str
    moment: Moment
    play: Play
    certificate: str | None = None
    """The certificate or TLS setting to shake hands with, where that is the fault."""


FAULTS: dict[str, Fault] = {}


def fault(moment: Moment, certificate: str | None = None) -> Callable[[Play], Play]:
    """Put the function that follows into the table, under its own name."""

    def register(play: Play) -> Play:
        add(play.__name__, moment, play, certificate)
        return play

    return register


def add(name: str, moment: Moment, play: Play, certificate: str | None = None) -> None:
    """Put a fault into the table; names are unique."""
    assert name not in FAULTS, name
    FAULTS[name] = Fault(name, moment, play, certificate)
