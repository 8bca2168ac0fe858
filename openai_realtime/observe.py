"""Sight into every call: what happens, told as frozen values to a callable of yours.

    def on_event(event: Event) -> None:
        if isinstance(event, RetryScheduled):
            print(event.operation, type(event.reason).__name__, event.delay)

    client = RealtimeSessionsClient(on_event=on_event)

Owns: the public names of events, and what a faulty hook may do (nothing). Must not know: clients,
or what a hook does with an event.

A hook runs on the thread and in the task of its call, before the call goes on: it must be quick,
and where threads share a client, safe to be called by several at once. What it raises is logged,
once a kind, and the call goes on. It is no coroutine function: nobody would await it.
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
    """Return `hook` with its exceptions logged, once a kind; one that is guarded stays as it is.

    Raises `ConfigurationError` when `hook` cannot be called with an event, or would be a coroutine.
    """
    return hook if isinstance(hook, _Guarded) else _Guarded(hook)


def listening(hook: Listener) -> Callable[[], Listener]:
    """Return what says who listens now: `hook`, and the log while its level asks for it."""

    def tell(event: Event) -> None:
        log_event(event)
        hook(event)

    return lambda: hook if log_listener() is None else tell


class _Guarded:
    """A hook whose exceptions end here."""

    def __init__(self, hook: Listener) -> None:
        call: object = getattr(hook, "__call__", None)  # noqa: B004 - what it is, not whether
        if call is None or any(map(inspect.iscoroutinefunction, (hook, call))):
            message = "on_event is unusable: it is a plain callable that takes one event"
            raise ConfigurationError(message)
        self._hook = hook
        self._told: set[type[Exception]] = set()

    def __call__(self, event: Event) -> None:
        try:
            self._hook(event)
        except Exception as error:  # noqa: BLE001 - whatever a hook does, the call goes on
            kind = type(error)
            if kind not in self._told:
                self._told.add(kind)
                logger.warning(
                    "on_event raised %s at %s: told once, the call goes on",
                    kind.__name__,
                    type(event).__name__,
                    exc_info=error,
                )
