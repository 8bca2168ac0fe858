"""What happens during a call, as frozen values for logs, metrics, traces and whoever else listens.

Owns: the shape of the events. Must not know: who listens. No event holds a header, a body, a
parameter or a secret. The errors in them may: a server's message can quote what was sent, and a
fault in a callable of the user's can say anything. An event's repr shows their types alone.

    CallStarted                        once
      AttemptSent, AttemptFinished     once a request
      RetryScheduled                   between two requests, where a retry is waited for
    CallFinished                       once, cancelled or not
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from openai_realtime.errors import APIError

AttemptCause = Literal["first", "retry", "resend", "fallback"]
"""Why a request is sent: it is the first; a retry; once more at once because a kept connection had
gone stale; in the other dialect because the server has retired this one."""


class _Told:
    """An event's repr, without the texts of errors."""

    __slots__ = ()

    def __repr__(self) -> str:
        values = {each.name: getattr(self, each.name) for each in fields(cast("CallStarted", self))}
        shown = (
            f"{name}={type(value).__name__ if isinstance(value, BaseException) else repr(value)}"
            for name, value in values.items()
        )
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A call begins."""

    call: int
    """The call's number in this process: what joins its events."""
    operation: str
    """The public method's name, such as `sessions.create`."""


@dataclass(frozen=True, slots=True)
class AttemptSent:
    """A request is about to go out."""

    call: int
    operation: str
    attempt: int
    """1 for the first request of the call."""
    cause: AttemptCause
    method: str
    url: str
    """Without its query."""


@dataclass(frozen=True, slots=True, repr=False)
class AttemptFinished(_Told):
    """An attempt ended: with a status, with an error, or with both."""

    call: int
    operation: str
    attempt: int
    elapsed: float
    """Seconds since it was sent."""
    status: int | None
    """None: no answer arrived."""
    request_id: str | None
    error: BaseException | None
    """None: the answer was good. An `APIError`, or the cancellation that ended it."""


@dataclass(frozen=True, slots=True, repr=False)
class RetryScheduled(_Told):
    """Another attempt follows after `delay` seconds."""

    call: int
    operation: str
    attempt: int
    """The one that failed."""
    delay: float
    reason: APIError
    budget: int
    """What is left in the retry budget: 500 when it is full."""


@dataclass(frozen=True, slots=True, repr=False)
class CallFinished(_Told):
    """A call ended after `attempts` requests and `elapsed` seconds; `error` is None on success."""

    call: int
    operation: str
    attempts: int
    elapsed: float
    error: BaseException | None
    """An `APIError`, or whatever else ended it: cancellation, a fault in a credential callable."""
    budget: int
    """What is left in the retry budget: 500 when it is full."""


@dataclass(frozen=True, slots=True)
class PoolLevel:
    """A secret pool has more or fewer secrets ready, or wants another number of them."""

    pool: str
    """The pool's name."""
    ready: int
    wanted: int
    hits: int
    """How many were given out at once, since the pool began."""
    misses: int
    """How many had to be waited for, since the pool began."""


Event = CallStarted | AttemptSent | AttemptFinished | RetryScheduled | CallFinished | PoolLevel
Listener = Callable[[Event], None]
"""Takes one event, on the thread and in the task that the call runs in."""
