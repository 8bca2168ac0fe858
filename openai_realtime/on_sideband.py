"""`on_sideband`: runs a function for each call, with the call's connected sideband."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Final, TypeAlias, cast

import anyio
import anyio.from_thread
import anyio.to_thread

from openai_realtime.errors import ConfigurationError, NotFoundError, RealtimeError
from openai_realtime.logs import describe, logger
from openai_realtime.resources.sideband import AsyncSideband
from openai_realtime.resources.tool_runner import DEFAULT_TIMEOUT, Tools
from openai_realtime.transports.websocket import require_websockets
from openai_realtime.types.sideband import SidebandEvent, SidebandUsage

OnSideband: TypeAlias = Callable[..., object]
"""Takes a call's sideband, and, if it has a second parameter, the call. An async function gets an
`AsyncSideband`; a plain one runs on a thread and gets a `ThreadSideband`, which has its methods
without `await`."""

MAX_SIDEBANDS: Final = 500
"""How many functions run at once in a process. A call above that has no sideband, and goes on."""
_GRACE_SECONDS = 5.0
"""How long a function may run on when its call has ended."""
_POLL_SECONDS = 0.5


class SidebandRunner:
    """Runs `on_sideband`, as often at once as it may."""

    def __init__(self, function: OnSideband) -> None:
        if not callable(cast("object", function)):
            message = "on_sideband must be a callable: it takes the sideband of a call"
            raise ConfigurationError(message)
        require_websockets()
        self._function = function
        self._is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 - its code may be async
        )
        self._takes_call = _required_parameters(function) > 1
        self._running = 0

    async def run(
        self, sideband: AsyncSideband, call: object, call_id: str, is_over: Callable[[], bool]
    ) -> bool:
        """Connect the sideband, and run the function; return whether the provider ended the call.

        It returns when the call has ended, or when the sideband cannot go on. What the function
        raises is logged, and it is cancelled 5 s after its call: `is_over` says that the call has
        ended.
        """
        if self._running >= MAX_SIDEBANDS:
            logger.warning("Call %s has no sideband: %d are running", call_id, self._running)
            return False
        self._running += 1
        try:
            async with sideband, anyio.create_task_group() as group:
                group.start_soon(_cancel_after_call, group.cancel_scope, sideband, is_over)
                await self._use(sideband, call, call_id)
                group.cancel_scope.cancel()
        except NotFoundError:
            logger.info("Call %s has no sideband: it was not accepted, or it has ended", call_id)
            return False
        except Exception as error:  # noqa: BLE001 - the call goes on
            logger.warning("Call %s has no sideband: %s", call_id, describe(error))
        finally:
            self._running -= 1
        return sideband.has_ended

    async def _use(self, sideband: AsyncSideband, call: object, call_id: str) -> None:
        try:
            await self._call(sideband, call)
        except Exception:  # noqa: BLE001 - it is the user's own
            logger.exception("on_sideband failed at call %s", call_id)
        try:
            async for _ in sideband:  # its end tells that the call has ended
                pass
        except RealtimeError as error:
            logger.warning("The sideband of call %s is lost: %s", call_id, describe(error))

    async def _call(self, sideband: AsyncSideband, call: object) -> None:
        more = (call,) if self._takes_call else ()
        if self._is_async:
            await cast("Awaitable[object]", self._function(sideband, *more))
            return
        work = partial(self._function, ThreadSideband(sideband), *more)
        # A limiter of its own: the usual 40 threads are for short work.
        result = await anyio.to_thread.run_sync(
            work, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1)
        )
        if inspect.isawaitable(result):
            await result


class ThreadSideband:
    """A call's sideband for a plain function: the methods of `Sideband`, on the function's thread."""

    def __init__(self, sideband: AsyncSideband) -> None:
        self._sideband = sideband

    @property
    def usage(self) -> SidebandUsage:
        """What the call has used, as far as the iterated events say."""
        return self._sideband.usage

    def send(self, event: Mapping[str, object]) -> None:
        """Send an event, as `Sideband.send` does."""
        anyio.from_thread.run(self._sideband.send, event)

    def greet(self, instructions: str) -> None:
        """Make the model speak first, as `Sideband.greet` does."""
        anyio.from_thread.run(self._sideband.greet, instructions)

    def run_tools(
        self,
        tools: Tools,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        on_event: Callable[[SidebandEvent], object] | None = None,
    ) -> None:
        """Answer the model's function calls until the call ends, as `Sideband.run_tools` does."""

        async def tell(event: SidebandEvent) -> None:
            if on_event is not None:
                await anyio.to_thread.run_sync(on_event, event, abandon_on_cancel=True)

        run = partial(self._sideband.run_tools, tools, timeout=timeout, on_event=tell)
        anyio.from_thread.run(run)

    def close(self, *, end_session: bool = False) -> None:
        """Close the sideband, as `Sideband.close` does."""
        anyio.from_thread.run(partial(self._sideband.close, end_session=end_session))

    def __iter__(self) -> Iterator[SidebandEvent]:
        """Iterate over the events until the call ends."""
        return self

    def __next__(self) -> SidebandEvent:
        """Return the next event."""
        event = anyio.from_thread.run(self._next)
        if event is None:
            raise StopIteration
        return event

    async def _next(self) -> SidebandEvent | None:
        return await anext(self._sideband, None)


async def _cancel_after_call(
    scope: anyio.CancelScope, sideband: AsyncSideband, is_over: Callable[[], bool]
) -> None:
    while not (sideband.has_ended or is_over()):  # noqa: ASYNC110 - neither says when it changes
        await anyio.sleep(_POLL_SECONDS)
    await anyio.sleep(_GRACE_SECONDS)
    scope.cancel()


def _required_parameters(function: OnSideband) -> int:
    """Return how many positional parameters a function has without defaults."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a function of C may have no signature
        return 1
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(each.kind in positional and each.default is each.empty for each in parameters)
