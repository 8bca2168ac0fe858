"""The events of a call, as frozen dataclasses for logs, metrics and traces, and their emitter.

    CallStarted                        once
      AttemptSent, AttemptFinished     once for each request
      RetryScheduled                   before each retry, when the wait for it begins
    CallFinished                       once, also if the call is cancelled

Rule for this file: no event contains a header, body, parameter or secret. The errors in events may,
because a server's message can quote the request; the repr of an event shows only their types.
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

AttemptCause = Literal["first", "retry", "resend", "fallback", "next", "renewal"]
"""Why a request is sent. `first`: it is the call's first request. `retry`: the request before it
failed. `resend`: the server had closed the idle connection of the request before it. `fallback`:
the server has retired the dialect of the request before it. `next`: the request before it succeeded,
and this one is made from its response. `renewal`: the server has refused the access token of the
request before it, and this one has a new token."""


class _ErrorsByType:
    """A repr that shows only the types of errors."""

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
    """The call's number in this process, the same in all its events."""
    operation: str
    """The public method's name, such as `sessions.create`."""


@dataclass(frozen=True, slots=True)
class AttemptSent:
    """A request is about to be sent."""

    call: int
    """The call's number in this process."""
    operation: str
    """The public method's name."""
    attempt: int
    """1 for the first request of the call."""
    cause: AttemptCause
    """Why it is sent."""
    method: str
    """The HTTP method."""
    url: str
    """The URL without its query."""


@dataclass(frozen=True, slots=True, repr=False)
class AttemptFinished(_ErrorsByType):
    """An attempt ended: with a status, with an error, or with both."""

    call: int
    """The call's number in this process."""
    operation: str
    """The public method's name."""
    attempt: int
    """1 for the first request of the call."""
    elapsed: float
    """Seconds since the request was sent."""
    status: int | None
    """The HTTP status; None: no response arrived."""
    request_id: str | None
    """The server's id for the request, if it sent one."""
    error: BaseException | None
    """None on success, otherwise an `APIError` or the cancellation that ended the attempt."""


@dataclass(frozen=True, slots=True, repr=False)
class RetryScheduled(_ErrorsByType):
    """Another attempt follows."""

    call: int
    """The call's number in this process."""
    operation: str
    """The public method's name."""
    attempt: int
    """The attempt that failed."""
    delay: float
    """Seconds until the next attempt."""
    reason: APIError
    """Why the attempt failed."""
    budget: int
    """The tokens left in the retry budget: 500 when it is full."""


@dataclass(frozen=True, slots=True, repr=False)
class CallFinished(_ErrorsByType):
    """A call ended."""

    call: int
    """The call's number in this process."""
    operation: str
    """The public method's name."""
    attempts: int
    """How many requests were sent."""
    elapsed: float
    """Seconds since the call began."""
    error: BaseException | None
    """None on success, otherwise an `APIError`, a cancellation, or an exception of the caller's `api_key`
    callable."""
    budget: int
    """The tokens left in the retry budget: 500 when it is full."""


@dataclass(frozen=True, slots=True)
class PoolLevel:
    """The number of ready or wanted secrets in a pool has changed."""

    pool: str
    """The pool's name."""
    ready: int
    """Secrets that live for at least the pool's `min_ttl`."""
    wanted: int
    """How many secrets the pool should have ready."""
    hits: int
    """Calls of `acquire` that returned at once, since the pool was made."""
    misses: int
    """Calls of `acquire` that had to wait, since the pool was made."""


Event = CallStarted | AttemptSent | AttemptFinished | RetryScheduled | CallFinished | PoolLevel
"""What a listener gets."""
Listener = Callable[[Event], None]
"""A callable that takes one event, on the thread and in the task of the call."""

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
        """Emit how the attempt ended, unless no request was sent."""
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
