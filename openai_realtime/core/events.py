"""What happens during a call, as frozen values for logs (and whoever else listens).

Owns: the shape of the events. Must not know: who listens. No event holds a header, a body, a
parameter or a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openai_realtime.errors import APIError


@dataclass(frozen=True, slots=True)
class AttemptSent:
    """A request is about to go out."""

    operation: str
    method: str
    url: str
    attempt: int


@dataclass(frozen=True, slots=True)
class AttemptFinished:
    """An attempt ended: with a status, or with the connection's error."""

    operation: str
    attempt: int
    status: int | None
    request_id: str | None
    error: APIError | None


@dataclass(frozen=True, slots=True)
class RetryScheduled:
    """Another attempt follows after `delay` seconds."""

    operation: str
    attempt: int
    delay: float
    reason: APIError


@dataclass(frozen=True, slots=True)
class CallFinished:
    """A call ended after `attempts` requests and `elapsed` seconds; `error` is None on success."""

    operation: str
    attempts: int
    elapsed: float
    error: APIError | None


Event = AttemptSent | AttemptFinished | RetryScheduled | CallFinished
Listener = Callable[[Event], None]
