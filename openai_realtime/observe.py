"""The events of every call, for a callable of yours (`on_event`).

    def on_event(event: Event) -> None:
        if isinstance(event, RetryScheduled):
            print(event.operation, type(event.reason).__name__, event.delay)

    client = RealtimeSessionsClient(on_event=on_event)

Events are frozen dataclasses. A hook runs on the thread and in the task of its call, before the call
continues: it must be quick, and thread-safe where threads share a client. Its exceptions are logged,
once for each exception class, and the call continues. A coroutine function is refused: its coroutine
would never be awaited.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from openai_realtime.core.events import (
    AttemptCause,
    AttemptFinished,
    AttemptSent,
    CallFinished,
    CallStarted,
    Event,
    Listener,
    PoolLevel,
    RetryScheduled,
)
from openai_realtime.errors import ConfigurationError
from openai_realtime.logs import log_event, log_listener, logger

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "AttemptCause",
    "AttemptFinished",
    "AttemptSent",
    "CallFinished",
    "CallStarted",
    "Event",
    "Listener",
    "PoolLevel",
    "RetryScheduled",
]


def guarded(hook: Listener) -> Listener:
    """Return `hook` with its exceptions logged and not raised; a guarded one is returned as it is.

    Raises `ConfigurationError` when `hook` is not callable, or a coroutine function.
    """
    return hook if isinstance(hook, _Guarded) else _Guarded(hook)


def listening(hook: Listener) -> Callable[[], Listener]:
    """Return what returns the current listener: `hook`, and the log too while its level allows it."""

    def log_and_call(event: Event) -> None:
        log_event(event)
        hook(event)

    return lambda: hook if log_listener() is None else log_and_call


class _Guarded:
    """A hook whose exceptions are logged, once for each exception class, and not raised."""

    def __init__(self, hook: Listener) -> None:
        call: object = getattr(hook, "__call__", None)  # noqa: B004 - the method itself is needed
        if call is None or any(map(inspect.iscoroutinefunction, (hook, call))):
            message = "on_event is unusable: it is a plain callable that takes one event"
            raise ConfigurationError(message)
        self._hook = hook
        self._logged: set[type[Exception]] = set()

    def __call__(self, event: Event) -> None:
        try:
            self._hook(event)
        except Exception as error:  # noqa: BLE001 - a hook must not end the call
            error_class = type(error)
            if error_class not in self._logged:
                self._logged.add(error_class)
                logger.warning(
                    "on_event raised %s at %s: the call continues; each exception class is logged once",
                    error_class.__name__,
                    type(event).__name__,
                    exc_info=error,
                )
