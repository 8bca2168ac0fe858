"""What happens during a call, as frozen values for logs, metrics and traces, and what emits them.

    CallStarted                        once
      AttemptSent, AttemptFinished     once a request
      RetryScheduled                   between two requests, where a retry is waited for
    CallFinished                       once, cancelled or not

Rules for this file:

- No event holds a header, a body, a parameter or a secret. Its errors may: a server's message can
  quote what was sent. So an event's repr shows the types of errors alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, cast

from openai_realtime.errors import APIError

if TYPE_CHECKING:
    from openai_realtime.core.retry import RetryBudget
    from openai_realtime.core.wire import Request

AttemptCause = Literal["first", "retry", "resend", "fallback"]
"""Why a request is sent: it is the first of its call; a retry; sent again at once because the server had
closed an idle connection; or sent in the other dialect because the server has retired this one."""


class _ErrorsByType:
    """A repr that shows errors by their type."""

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
    """The call's number in this process, which all its events carry."""
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
class AttemptFinished(_ErrorsByType):
    """An attempt ended: with a status, with an error, or with both."""

    call: int
    operation: str
    attempt: int
    elapsed: float
    """Seconds since it was sent."""
    status: int | None
    """None: no response arrived."""
    request_id: str | None
    error: BaseException | None
    """None: the response was good. Otherwise an `APIError`, or the cancellation that ended it."""


@dataclass(frozen=True, slots=True, repr=False)
class RetryScheduled(_ErrorsByType):
    """Another attempt follows after `delay` seconds."""

    call: int
    operation: str
    attempt: int
    """The one that failed."""
    delay: float
    reason: APIError
    budget: int
    """The tokens left in the retry budget: 500 when it is full."""


@dataclass(frozen=True, slots=True, repr=False)
class CallFinished(_ErrorsByType):
    """A call ended after `attempts` requests and `elapsed` seconds; `error` is None on success."""

    call: int
    operation: str
    attempts: int
    elapsed: float
    error: BaseException | None
    """An `APIError`, a cancellation, or what a credential callable raised."""
    budget: int
    """The tokens left in the retry budget: 500 when it is full."""


@dataclass(frozen=True, slots=True)
class PoolLevel:
    """A secret pool has more or fewer secrets ready, or wants another number of them."""

    pool: str
    """The pool's name."""
    ready: int
    wanted: int
    hits: int
    """How many callers got one at once, since the pool was made."""
    misses: int
    """How many callers had to wait, since the pool was made."""


Event = CallStarted | AttemptSent | AttemptFinished | RetryScheduled | CallFinished | PoolLevel
Listener = Callable[[Event], None]
"""Takes one event, on the thread and in the task that the call runs in."""

_numbers = itertools.count(1)


class CallEventEmitter:
    """Emits the events of one call to a listener. A call without a listener has no emitter."""

    __slots__ = (
        "_attempt",
        "_began",
        "_budget",
        "_clock",
        "_is_sent",
        "_listener",
        "_number",
        "_operation",
        "_sent_at",
    )

    def __init__(
        self, listener: Listener, clock: Callable[[], float], budget: RetryBudget, operation: str
    ) -> None:
        self._listener = listener
        self._clock = clock
        self._budget = budget
        self._operation = operation
        self._number = next(_numbers)
        self._attempt = 0
        self._is_sent = False
        self._sent_at = 0.0
        self._began = clock()
        listener(CallStarted(self._number, operation))

    def attempt_sent(self, request: Request, attempt: int, cause: AttemptCause) -> None:
        """Emit that a request is about to be sent."""
        self._attempt = attempt
        self._is_sent = True
        self._sent_at = self._clock()
        self._listener(
            AttemptSent(
                self._number, self._operation, attempt, cause, request.method, request.display_url
            )
        )

    def attempt_finished(
        self, status: int | None, request_id: str | None, error: BaseException | None
    ) -> None:
        """Emit how the attempt ended, if it was sent at all."""
        if not self._is_sent:
            return
        self._is_sent = False
        self._listener(
            AttemptFinished(
                self._number,
                self._operation,
                self._attempt,
                self._clock() - self._sent_at,
                status,
                request_id,
                error,
            )
        )

    def retry_scheduled(self, delay: float, reason: APIError) -> None:
        """Emit that another attempt follows."""
        self._listener(
            RetryScheduled(
                self._number, self._operation, self._attempt, delay, reason, self._budget.tokens
            )
        )

    def call_finished(self, error: BaseException | None) -> None:
        """Emit how the call ended."""
        self._listener(
            CallFinished(
                self._number,
                self._operation,
                self._attempt,
                self._clock() - self._began,
                error,
                self._budget.tokens,
            )
        )
