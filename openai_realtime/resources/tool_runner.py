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
from time import monotonic, sleep
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

    from openai_realtime.resources.sideband_protocol import (
        Event,
        FunctionCall,
        ResponseState,
        SidebandProtocol,
    )
    from openai_realtime.types.sideband import SidebandEvent

Tools = Mapping[str, FunctionTool]
"""Tools by the names under which the model calls them; each is made by `from_function`."""
DEFAULT_TIMEOUT: Final = 10.0
_MAX_OUTPUT_CHARACTERS = 100_000
_MAX_ERROR_CHARACTERS = 500
_MAX_RUNNING = 64
"""Functions that run at once, those included that were too slow and still occupy a thread."""
_REMEMBERED_CALLS = 1000
_OPEN_SECONDS = 1.0
"""After this time without an event of an open response, its calls are answered all the same."""
_POLL_SECONDS = 0.02


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
        self._open: dict[str, _Round] = {}

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

        async with anyio.create_task_group() as group:
            try:
                async for event in events:
                    answered, calls = self._new_calls(event)
                    if answered is not None:
                        group.start_soon(self._answer, answered, calls, threads, send)
                    result = on_event(event) if on_event is not None else None
                    if inspect.isawaitable(result):
                        await result
            except Exception as error:  # noqa: BLE001 - raised below: the group would wrap it
                errors.append(error)
            group.cancel_scope.cancel()
        if errors:
            raise errors[0]

    async def _answer(
        self,
        answered: _Round,
        calls: list[FunctionCall],
        threads: CapacityLimiter,
        send: Callable[[Event], Awaitable[None]],
    ) -> None:
        """Run functions, and send the results of their response when all are there."""
        import anyio  # noqa: PLC0415 - slow to import, and few sidebands have tools

        async def run(call: FunctionCall) -> None:
            answered.outputs[call.call_id] = await self._output(call, threads)

        async with anyio.create_task_group() as running:
            for call in calls:
                running.start_soon(run, call)
        for seconds in answered.waits():
            await anyio.sleep(seconds)
        with _logged_if_lost():
            for event in self._results(answered):
                await send(event)

    def answer_all_on_threads(
        self,
        events: Iterable[SidebandEvent],
        send: Callable[[Event], None],
        on_event: Callable[[SidebandEvent], object] | None,
    ) -> None:
        """Answer the function calls in `events` until they end; raises what `on_event` raises."""

        def answer(answered: _Round, calls: list[FunctionCall]) -> None:
            answered.outputs.update(self._outputs_of_threads(calls))
            for seconds in answered.waits():
                sleep(seconds)
            with _logged_if_lost():
                for event in self._results(answered):
                    send(event)

        for event in events:
            answered, calls = self._new_calls(event)
            if answered is not None:
                threading.Thread(target=answer, args=(answered, calls), daemon=True).start()
            if on_event is not None:
                on_event(event)

    def _new_calls(self, event: SidebandEvent) -> tuple[_Round | None, list[FunctionCall]]:
        """Return the calls that an event completes, each id once: a function may book or charge.

        They come with those of the same response; None: there are no new ones.
        """
        progress = self._protocol.progress(event)
        calls: list[FunctionCall] = []
        for call in progress.calls:
            if call.call_id not in self._known:
                self._known[call.call_id] = None
                calls.append(call)
        while len(self._known) > _REMEMBERED_CALLS:
            del self._known[next(iter(self._known))]
        answered = self._open.pop(progress.response, None)
        if answered is None or not answered.add(calls, progress.state):
            answered = _Round(calls, progress.state) if calls else None
        if answered is not None and progress.state == "open":
            self._open[progress.response] = answered
        return (answered, calls) if calls else (None, [])

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

    def _results(self, answered: _Round) -> Iterator[Event]:
        """Return the events that give the results of a response's calls to the model."""
        calls = answered.take()
        for call in calls:
            yield self._protocol.output(call, answered.outputs[call.call_id])
        if calls:
            yield self._protocol.proceed()


class _Round:
    """The function calls of one response. The model goes on when it has all their results."""

    def __init__(self, calls: list[FunctionCall], state: ResponseState) -> None:
        self.calls: list[FunctionCall] = list(calls)
        self.outputs: dict[str, str] = {}
        self._state = state
        self._heard_at = monotonic()
        self._is_taken = False
        self._lock = threading.Lock()

    def add(self, calls: list[FunctionCall], state: ResponseState) -> bool:
        """Add calls of the same response; return False if it was answered already."""
        with self._lock:
            if self._is_taken:
                return False
            self.calls += calls
            self._state, self._heard_at = state, monotonic()
            return True

    def waits(self) -> Iterator[float]:
        """Yield seconds to wait until the response has no more calls, or nothing comes of it."""
        while self._state == "open" and monotonic() < self._heard_at + _OPEN_SECONDS:
            yield _POLL_SECONDS

    def take(self) -> list[FunctionCall]:
        """Return the calls, once, when all have results; none when the response has failed."""
        with self._lock:
            if self._is_taken or len(self.outputs) < len(self.calls):
                return []
            self._is_taken = True
        if self._state == "failed":
            logger.warning("A response has failed: the results of its tools are not sent")
            return []
        return self.calls


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
        logger.info("The result of a tool could not be sent: %s", error)


def _function_of(name: str, tool: object) -> Callable[..., object]:
    function = tool.function if isinstance(tool, FunctionTool) else None
    if function is None:
        message = f"tools: {name} must be made by FunctionTool.from_function"
        raise ParameterError(message, param="tools")
    return function
