"""Cancels a coroutine at its n-th suspension point."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any

import anyio


async def is_cancelled_at(step: int, begin: Callable[[], Coroutine[Any, Any, Any]]) -> bool:
    """Run a coroutine, and cancel it at suspension `step`. Returns whether it reached that step."""
    with anyio.CancelScope() as scope:
        await _Driven(begin(), step, scope)
    return scope.cancelled_caught


class _Driven:
    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], step: int, scope: anyio.CancelScope
    ) -> None:
        self._coroutine = coroutine
        self._step = step
        self._scope = scope

    def __await__(self) -> Generator[Any, Any, Any]:
        send: Callable[[], Any] = lambda: self._coroutine.send(None)  # noqa: E731 - replaced below
        for count in range(1_000_000):
            try:
                waiting_for = send()
            except StopIteration as stop:
                return stop.value
            if count == self._step:
                self._scope.cancel()
            send = yield from self._wait(waiting_for)
        raise AssertionError

    def _wait(self, waiting_for: Any) -> Generator[Any, Any, Callable[[], Any]]:
        """Wait for the coroutine's awaitable, and return the call that resumes the coroutine."""
        try:
            result = yield waiting_for
        except BaseException as error:  # noqa: BLE001 - handed on to the coroutine
            thrown = error
            return lambda: self._coroutine.throw(thrown)
        return lambda: self._coroutine.send(result)
