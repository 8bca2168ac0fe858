"""Runs the typed Python functions that the model calls over a sideband."""

from __future__ import annotations

import functools
import inspect
import math
import threading
from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from openai_realtime.core.peer_text import MAX_NAME_CHARACTERS, sanitize_text
from openai_realtime.errors import (
    APIConnectionError,
    ClientClosedError,
    ParameterError,
    ToolError,
)
from openai_realtime.logs import logger
from openai_realtime.types.tools import FunctionTool

if TYPE_CHECKING:
    from anyio import CapacityLimiter

    from openai_realtime.resources.sideband_protocol import Event, FunctionCall, SidebandProtocol
    from openai_realtime.types.sideband import SidebandEvent

Tools = Mapping[str, FunctionTool]
"""Tools by the names under which the model calls them; each is made by `from_function`."""
DEFAULT_TIMEOUT: Final = 10.0
_MAX_OUTPUT_CHARACTERS = 100_000
_MAX_ERROR_CHARACTERS = 500
_MAX_RUNNING = 64
"""Functions that run at once, those included that were too slow and still occupy a thread."""
_REMEMBERED_CALLS = 1000


class ToolRunner:
    """The functions by name, and what the model gets for each outcome.

    Raises `ParameterError` when a tool was not made from a function.
    """

    def __init__(self, protocol: SidebandProtocol, tools: Tools, timeout: float) -> None:
        self._protocol = protocol
        if not isinstance(cast("object", tools), Mapping) or not tools:
            message = "tools must be a mapping of names to FunctionTool.from_function(…)"
            raise ParameterError(message, param="tools")
        seconds = cast("object", timeout)
        if not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
            message = "timeout must be a finite number of seconds above 0"
            raise ParameterError(message, param="timeout")
        self._timeout = timeout
        self._functions = {name: _function_of(name, tool) for name, tool in tools.items()}
        self._adapters: dict[str, TypeAdapter[Any]] = {
            name: TypeAdapter(cast("type[Any]", _bound(function)))
            for name, function in self._functions.items()
        }
        self._free = threading.Semaphore(_MAX_RUNNING)
        self._known: dict[str, None] = {}

    async def answer_all(
        self,
        events: AsyncIterable[SidebandEvent],
        send: Callable[[Event], Awaitable[None]],
        on_event: Callable[[SidebandEvent], object] | None,
    ) -> None:
        """Answer the function calls in `events` until they end; raises what `on_event` raises."""
        import anyio  # noqa: PLC0415 - slow to import, and few sidebands have tools

        errors: list[Exception] = []
        threads = anyio.CapacityLimiter(_MAX_RUNNING)

        async def answer(calls: list[FunctionCall]) -> None:
            outputs: dict[str, str] = {}

            async def run(call: FunctionCall) -> None:
                outputs[call.call_id] = await self._output(call, threads)

            async with anyio.create_task_group() as running:
                for call in calls:
                    running.start_soon(run, call)
            with _logged_if_lost():
                for event in self._answers(calls, outputs):
                    await send(event)

        async with anyio.create_task_group() as group:
            try:
                async for event in events:
                    if calls := self._new_calls(event):
                        group.start_soon(answer, calls)
                    result = on_event(event) if on_event is not None else None
                    if inspect.isawaitable(result):
                        await result
            except Exception as error:  # noqa: BLE001 - raised below: the group would wrap it
                errors.append(error)
            group.cancel_scope.cancel()
        if errors:
            raise errors[0]

    def answer_all_on_threads(
        self,
        events: Iterable[SidebandEvent],
        send: Callable[[Event], None],
        on_event: Callable[[SidebandEvent], object] | None,
    ) -> None:
        """Answer the function calls in `events` until they end; raises what `on_event` raises."""

        def answer(calls: list[FunctionCall]) -> None:
            with _logged_if_lost():
                for event in self._answers(calls, self._outputs_of_threads(calls)):
                    send(event)

        for event in events:
            if calls := self._new_calls(event):
                threading.Thread(target=answer, args=(calls,), daemon=True).start()
            if on_event is not None:
                on_event(event)

    def _new_calls(self, event: SidebandEvent) -> list[FunctionCall]:
        """Return the calls that an event completes, each id once: a function may book or charge."""
        calls: list[FunctionCall] = []
        for call in self._protocol.function_calls(event):
            if call.call_id not in self._known:
                self._known[call.call_id] = None
                calls.append(call)
        while len(self._known) > _REMEMBERED_CALLS:
            del self._known[next(iter(self._known))]
        return calls

    async def _output(self, call: FunctionCall, threads: CapacityLimiter) -> str:
        """Return what the model gets for a call; raises only a cancellation."""
        import anyio  # noqa: PLC0415 - slow to import, and few sidebands have tools
        import anyio.to_thread  # noqa: PLC0415

        try:
            with anyio.fail_after(self._timeout):
                if inspect.iscoroutinefunction(self._functions.get(call.name)):
                    with self._counted():
                        return _as_text(await cast("Awaitable[object]", self._call(call)))
                result = await anyio.to_thread.run_sync(
                    self._counted_call, call, abandon_on_cancel=True, limiter=threads
                )
                return _as_text(await result if inspect.isawaitable(result) else result)
        except Exception as error:  # noqa: BLE001 - the model gets what it may know
            return self._failure(call, error)

    def _outputs_of_threads(self, calls: list[FunctionCall]) -> Mapping[str, str]:
        """Return what the model gets for each call, by its id; a function that hangs keeps its thread."""
        outputs: dict[str, str] = {}

        def run(call: FunctionCall) -> None:
            try:
                result = self._call(call)
                outputs[call.call_id] = _as_text(
                    _run(result, self._timeout) if inspect.isawaitable(result) else result
                )
            except Exception as error:  # noqa: BLE001 - the model gets what it may know
                outputs[call.call_id] = self._failure(call, error)
            finally:
                self._free.release()

        threads: list[threading.Thread] = []
        for call in calls:
            if self._free.acquire(blocking=False):
                threads.append(threading.Thread(target=run, args=(call,), daemon=True))
                threads[-1].start()
            else:
                outputs[call.call_id] = self._failure(call, _too_many())
        end = monotonic() + self._timeout
        for thread in threads:
            thread.join(max(0.0, end - monotonic()))
        ended = dict(outputs)
        late = [call for call in calls if call.call_id not in ended]
        return ended | {call.call_id: self._failure(call, TimeoutError()) for call in late}

    @contextmanager
    def _counted(self) -> Generator[None]:
        """Raise `ToolError` if as many functions run as may."""
        if not self._free.acquire(blocking=False):
            raise _too_many()
        try:
            yield
        finally:
            self._free.release()

    def _counted_call(self, call: FunctionCall) -> object:
        with self._counted():
            return self._call(call)

    def _call(self, call: FunctionCall) -> object:
        """Call the function, and return its result, or an awaitable; raises what it raises."""
        adapter = self._adapters.get(call.name)
        if adapter is None:
            message = f"There is no function {_shown(call)}"
            raise ToolError(message)
        try:
            function: Callable[[], object] = adapter.validate_json(call.arguments or "{}")
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False, include_context=False)
        else:
            return function()
        raise ToolError(
            "; ".join(
                f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}"
                for problem in problems
            )
        )

    def _failure(self, call: FunctionCall, error: Exception) -> str:
        """Return what the model gets when a function failed; the log has the traceback."""
        if isinstance(error, TimeoutError):
            logger.warning("The tool %s did not finish within %g s", _shown(call), self._timeout)
            text = f"{_shown(call)} did not finish in time"
        elif isinstance(error, ToolError):
            text = str(error)[:_MAX_ERROR_CHARACTERS]
        else:
            logger.error("The tool %s failed", _shown(call), exc_info=error)
            text = f"{_shown(call)} failed"
        return to_json({"error": text}).decode()

    def _answers(self, calls: list[FunctionCall], outputs: Mapping[str, str]) -> Iterator[Event]:
        """Return the events that give the results of function calls to the model."""
        for call in calls:
            yield self._protocol.output(call, outputs[call.call_id])
        yield self._protocol.proceed()


def _bound(function: Callable[..., object]) -> Callable[..., object]:
    """Return a function of the same arguments that returns the call: what validates does not call.

    So an error that the function raises, a `ValidationError` too, is not one of its arguments.
    """

    @functools.wraps(function)
    def bound(*args: object, **kwargs: object) -> Callable[[], object]:
        return functools.partial(function, *args, **kwargs)

    return bound


def _too_many() -> ToolError:
    return ToolError(f"{_MAX_RUNNING} functions are running: try again later")


def _run(awaitable: Awaitable[object], seconds: float) -> object:
    import anyio  # noqa: PLC0415 - slow to import, and few sidebands have tools

    async def result() -> object:
        with anyio.fail_after(seconds):
            return await awaitable

    return anyio.run(result)


def _as_text(result: object) -> str:
    # JSON has no NaN and no Infinity: they become texts.
    text = result if isinstance(result, str) else to_json(result, inf_nan_mode="strings").decode()
    text.encode()  # raises what a lone surrogate raises, while it is the tool's error
    return text[:_MAX_OUTPUT_CHARACTERS]


def _shown(call: FunctionCall) -> str:
    return sanitize_text(call.name, limit=MAX_NAME_CHARACTERS)


@contextmanager
def _logged_if_lost() -> Generator[None]:
    try:
        yield
    except (APIConnectionError, ClientClosedError) as error:
        logger.warning("The result of a tool could not be sent: %s", error)


def _function_of(name: str, tool: object) -> Callable[..., object]:
    function = tool.function if isinstance(tool, FunctionTool) else None
    if function is None:
        message = f"tools: {name} must be made by FunctionTool.from_function"
        raise ParameterError(message, param="tools")
    return function
