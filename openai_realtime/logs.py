"""Logs the events of calls to the logger `openai_realtime`, without headers and bodies.

Retries are logged at INFO, attempts and calls at DEBUG. `OPENAI_REALTIME_LOG=debug` (or `info`)
writes them to stderr without any set-up.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

from openai_realtime.core.peer_text import visible
from openai_realtime.environment import read_variable
from openai_realtime.errors import RealtimeError

if TYPE_CHECKING:
    from openai_realtime.core.events import Event, Listener

logger: logging.Logger = logging.getLogger("openai_realtime")
_MAX_CHARACTERS = 1000


@cache
def set_up_from_environment() -> None:
    """Write the log at the level in `OPENAI_REALTIME_LOG`: `debug` or `info`; once per process.

    It goes to stderr, unless the program has set up logging itself.
    """
    level = (read_variable("OPENAI_REALTIME_LOG") or "").strip().upper()
    if level not in {"DEBUG", "INFO"}:
        return
    logger.setLevel(level)
    if not logger.hasHandlers():  # otherwise each line would be written twice
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)


def log_listener() -> Listener | None:
    """Return `log_event` while the logger's level is INFO or below, else None."""
    return log_event if logger.isEnabledFor(logging.INFO) else None


def log_event(event: Event) -> None:
    """Write one event to the log."""
    from openai_realtime.core.events import (  # noqa: PLC0415 - loaded with the first event
        AttemptFinished,
        AttemptSent,
        CallFinished,
        RetryScheduled,
    )

    match event:
        case AttemptSent():
            logger.debug(
                "%s: attempt %d: %s %s", event.operation, event.attempt, event.method, event.url
            )
        case AttemptFinished():
            logger.debug(
                "%s: attempt %d: %s (request id %s)",
                event.operation,
                event.attempt,
                type(event.error).__name__ if event.status is None else event.status,
                event.request_id,
            )
        case RetryScheduled():
            logger.info(
                "%s: attempt %d failed with %s; the next one follows in %.3f s",
                event.operation,
                event.attempt,
                type(event.reason).__name__,
                event.delay,
            )
        case CallFinished():
            logger.debug(
                "%s: %s after %d attempts and %.3f s",
                event.operation,
                "done" if event.error is None else type(event.error).__name__,
                event.attempts,
                event.elapsed,
            )
        case _:  # `CallStarted` and `PoolLevel` are not logged
            pass


def describe(error: Exception) -> str:
    """Return the text of an error for operators: one printable line of at most 1,000 characters.

    For an error of this package it is the error's message, which holds no secret: for a provider's
    error that is the status, code and message. For any other error it is the name of its type.
    """
    if not isinstance(error, RealtimeError):
        return type(error).__name__
    return visible(" ".join(str(error)[:_MAX_CHARACTERS].split()))
