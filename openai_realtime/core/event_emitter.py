"""Tells the events of one call to who listens. Where nobody does, there is none.

Owns: what joins and times a call's events. Must not know: what follows from any of them.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from openai_realtime.core.events import (
    AttemptCause,
    AttemptFinished,
    AttemptSent,
    CallFinished,
    CallStarted,
    Listener,
    RetryScheduled,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_realtime.core.retry import RetryBudget
    from openai_realtime.core.wire import Request
    from openai_realtime.errors import APIError

_numbers = itertools.count(1)


class CallEventEmitter:
    """Tells one call's events."""

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
        """Tell that a request is about to go out."""
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
        """Tell how the attempt ended, if it was sent at all."""
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
        """Tell that another attempt follows."""
        self._listener(
            RetryScheduled(
                self._number, self._operation, self._attempt, delay, reason, self._budget.tokens
            )
        )

    def call_finished(self, error: BaseException | None) -> None:
        """Tell how the call ended."""
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
