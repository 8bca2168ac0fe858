"""The events of every call, which your own callable receives (`on_event`).

    def on_event(event: Event) -> None:
        if isinstance(event, RetryScheduled):
            print(event.operation, type(event.reason).__name__, event.delay)

    client = RealtimeSessionsClient(on_event=on_event)

Events are frozen dataclasses. The callable runs on the thread and in the task of its call, and the
call waits for it: it must return quickly, and be thread-safe if threads share the client. Its
exceptions are logged, once for each exception class, and the call continues. It cannot be a
coroutine function, because its coroutine would never be awaited.
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
    """Return a listener that calls `hook`, and logs its exceptions instead of raising them.

    A guarded hook is returned unchanged.
    Raises `ConfigurationError` when `hook` is not callable, or a coroutine function.
    """
    return hook if isinstance(hook, _Guarded) else _Guarded(hook)


def listener_getter(hook: Listener) -> Callable[[], Listener]:
    """Return a function that returns the current listener: `hook`, and the log if enabled."""

    def log_and_call(event: Event) -> None:
        log_event(event)
        hook(event)

    return lambda: hook if log_listener() is None else log_and_call


class _Guarded:
    """A hook whose exceptions are logged, once for each exception class, and not raised."""

    def __init__(self, hook: Listener) -> None:
        call: object = getattr(hook, "__call__", None)  # noqa: B004 - the method itself is needed
        if call is None or any(map(inspect.iscoroutinefunction, (hook, call))):
            message = "on_event must be a callable, not a coroutine function, that takes one event"
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
                    "on_event raised %s for %s: the call continues; each error class is logged once",
                    error_class.__name__,
                    type(event).__name__,
                    exc_info=error,
                )
