"""Performs the operations by which a token cache gets a token, for both drivers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, cast

import anyio
import anyio.to_thread

from openai_realtime.core.deadline import deadline_passed
from openai_realtime.errors import ConfigurationError
from openai_realtime.token_cache import CallSource, SendRequest, renewal_timed_out
from openai_realtime.transports.base import runs_on_asyncio

if TYPE_CHECKING:
    from concurrent.futures import Future

    from openai_realtime.core.deadline import Timeout
    from openai_realtime.core.exchange import T
    from openai_realtime.token_cache import Operation, Work
    from openai_realtime.transports.base import AsyncConnections, SyncConnections


async def do_async(work: Work[T], connections: AsyncConnections, limits: Timeout) -> T:
    """Do the work on the running event loop and return its result; raises what the work raises."""
    try:
        operation = next(work)
        while True:
            try:
                result = await _perform_async(operation, connections, limits)
            except BaseException as error:  # noqa: BLE001 - the work raises it again
                operation = work.throw(error)
            else:
                operation = work.send(result)
    except StopIteration as end:
        return cast("T", end.value)


def do_sync(work: Work[T], connections: SyncConnections, limits: Timeout) -> T:
    """Do the work on this thread and return its result; raises what the work raises."""
    try:
        operation = next(work)
        while True:
            try:
                result = _perform_sync(operation, connections, limits)
            except BaseException as error:  # noqa: BLE001 - the work raises it again
                operation = work.throw(error)
            else:
                operation = work.send(result)
    except StopIteration as end:
        return cast("T", end.value)


async def _perform_async(
    operation: Operation, connections: AsyncConnections, limits: Timeout
) -> object:
    deadline = operation.deadline
    if isinstance(operation, SendRequest):
        engine = connections.direct() if operation.is_direct else connections.current()
        return await engine.send(operation.request, limits, deadline)
    with anyio.move_on_after(deadline.remaining()):
        if isinstance(operation, CallSource):
            return await _call(operation.function)
        return await _result_of(operation.renewal)
    if isinstance(operation, CallSource):
        raise deadline_passed(limits.total, possibly_acted=False)
    raise renewal_timed_out()


def _perform_sync(operation: Operation, connections: SyncConnections, limits: Timeout) -> object:
    deadline = operation.deadline
    if isinstance(operation, SendRequest):
        engine = connections.direct() if operation.is_direct else connections.current()
        return engine.send(operation.request, limits, deadline)
    if isinstance(operation, CallSource):
        return _check_is_sync(operation.function())
    with suppress(TimeoutError):
        return operation.renewal.result(deadline.remaining())
    raise renewal_timed_out()


def _check_is_sync(result: object) -> object:
    if not isinstance(result, Awaitable):
        return result
    if isinstance(result, Coroutine):
        result.close()  # otherwise Python warns that it was never awaited
    message = "subject_token is an async callable: the sync client needs a sync one"
    raise ConfigurationError(message)


async def _call(function: Callable[[], object]) -> object:
    """Call a function, on a thread if it is a sync one, and await its result if it can be."""
    if iscoroutinefunction(function):
        return await function()
    # In a tuple, because trio refuses functions that return an awaitable.
    (result,) = await anyio.to_thread.run_sync(lambda: (function(),), abandon_on_cancel=True)
    return await cast("Awaitable[object]", result) if isinstance(result, Awaitable) else result


async def _result_of(renewal: Future[T]) -> T:
    """Wait for a renewal, which may end on another thread or event loop, and return its result."""
    ended = anyio.Event()
    call_soon: Callable[[Callable[[], object]], object]
    if runs_on_asyncio():
        from asyncio import get_running_loop  # noqa: PLC0415 - not needed by trio alone

        call_soon = get_running_loop().call_soon_threadsafe
    else:
        from trio.lowlevel import current_trio_token  # noqa: PLC0415 - may not be installed

        call_soon = current_trio_token().run_sync_soon

    def wake(_: object) -> None:
        with suppress(RuntimeError):  # the event loop has ended meanwhile
            call_soon(ended.set)

    renewal.add_done_callback(wake)
    await ended.wait()
    return renewal.result()
