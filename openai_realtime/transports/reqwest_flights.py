"""One event loop's requests on their way through pyreqwest: sent together, woken together, ended in time.

Owns: who drives pyreqwest's coroutines, when, and until when. Must not know: requests, answers.

Awaited as they are, pyreqwest's coroutines have its thread wake the event loop once an answer, by a
write to a pipe; and where many calls are on their way, that thread and the loop's take the interpreter
from each other at every step. Three things spare a busy process more than half of its time:

- What is to be sent while others are on their way is sent at the loop's next turn, all at once: the
  answers then come together too.
- pyreqwest asks for the running loop, makes a future of it and calls it from its thread when there is
  news (as PyO3's coroutines do: `get_running_loop`, `create_future`, `call_soon_threadsafe`). While it
  is driven here, it finds this object instead, which wakes the loop for the first news alone.
- One timer ends whatever has outlived its deadline, instead of one for each call.

A thread that has woken an event loop, and comes back to an interpreter that is ending, aborts the
process (Python 3.11: one script in twenty). So the interpreter waits for it before it ends.
"""

from __future__ import annotations

import asyncio
import atexit
import math
import time
import weakref
from asyncio import _set_running_loop  # pyright: ignore[reportPrivateUsage]  # what event loops are entered by
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from openai_realtime.core.deadline import Deadline

T = TypeVar("T")

_LAST_MOMENTS = 0.02  # seconds

atexit.register(time.sleep, _LAST_MOMENTS)


class _Flight:
    """A request on its way. To pyreqwest it is the future that is awaited."""

    __slots__ = ("conversation", "deadline", "outcome")

    def __init__(
        self,
        conversation: Coroutine[object, None, Any],
        deadline: Deadline,
        outcome: asyncio.Future[Any],
    ) -> None:
        self.conversation: Coroutine[object, None, Any] = conversation
        self.deadline: Deadline = deadline
        self.outcome: asyncio.Future[Any] = outcome

    def __iter__(self) -> Iterator[object]:
        yield self


class Flights:
    """The requests of one event loop, which it does not keep alive.

    Other threads may call `call_soon_threadsafe`. Whoever finds this object as the running loop by
    chance (a signal handler, a finalizer) and asks for anything else is handed on to the real one.
    """

    def __init__(self, event_loop: asyncio.AbstractEventLoop) -> None:
        self._event_loop = weakref.ref(event_loop)
        self._on_their_way: set[_Flight] = set()
        self._due: deque[_Flight] = deque()
        """Those to be driven at the next turn: they depart, or there is news for them."""
        self._is_turn_coming = False
        self._driven: _Flight | None = None
        self._checked_at = math.inf
        """When the overdue are looked for next, on the deadlines' clock."""

    async def run(self, conversation: Coroutine[object, None, T], deadline: Deadline) -> T:
        """Return what `conversation` returns; it awaits pyreqwest alone.

        Raises `TimeoutError` when it has not ended by `deadline`. It is closed then, and when the
        caller is cancelled.
        """
        event_loop = self._loop()
        outcome: asyncio.Future[T] = event_loop.create_future()
        flight = _Flight(conversation, deadline, outcome)
        if deadline.at < self._checked_at:
            self._check_at(deadline)
        self._due.append(flight)
        if not self._on_their_way:
            self._take_turn()
        else:
            self._announce_turn(event_loop.call_soon)
        self._on_their_way.add(flight)
        try:
            return await outcome
        finally:
            self._on_their_way.discard(flight)
            conversation.close()

    def create_future(self) -> object:
        """Return what is awaited: the flight that is driven."""
        return self._driven or self._loop().create_future()

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any) -> object:
        """Have a flight driven, since there is news for it."""
        flight: object = args[0] if len(args) == 1 else None
        if not isinstance(flight, _Flight):
            return self._loop().call_soon_threadsafe(callback, *args)
        self._due.append(flight)
        self._announce_turn(self._loop().call_soon_threadsafe)
        return None

    def is_closed(self) -> bool:
        """Return whether the event loop is: then there is nobody to tell."""
        event_loop = self._event_loop()
        return event_loop is None or event_loop.is_closed()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop(), name)

    def _loop(self) -> asyncio.AbstractEventLoop:
        event_loop = self._event_loop()
        if event_loop is None:
            message = "Event loop is closed"  # as one that still is there says it
            raise RuntimeError(message)
        return event_loop

    def _announce_turn(self, soon: Callable[[Callable[[], None]], object]) -> None:
        # Set before the turn can begin, which clears it before it looks who is due: whoever finds it
        # set is not overlooked.
        if not self._is_turn_coming:
            self._is_turn_coming = True
            try:
                soon(self._take_turn)
            except BaseException:
                self._is_turn_coming = False
                raise

    def _take_turn(self) -> None:
        self._is_turn_coming = False
        event_loop = self._loop()
        _set_running_loop(self)  # type: ignore[arg-type]  # as much of one as pyreqwest asks for
        try:
            for _ in range(len(self._due)):
                flight = self._due.popleft()
                if not flight.outcome.done():
                    self._drive(flight)
        finally:
            self._driven = None  # it holds an answer
            _set_running_loop(event_loop)
            if self._due:
                self._announce_turn(event_loop.call_soon)

    def _drive(self, flight: _Flight) -> None:
        self._driven = flight
        outcome = flight.outcome
        try:
            awaited = flight.conversation.send(None)
        except StopIteration as end:
            if not outcome.done():  # a signal may have cancelled it meanwhile
                outcome.set_result(end.value)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the caller's
            if not outcome.done():
                outcome.set_exception(error)
        else:
            if awaited is None:  # the news came before the future was made
                self._due.append(flight)

    def _check_at(self, deadline: Deadline) -> None:
        """Have the overdue ended at `deadline`, which is the next."""
        self._checked_at = deadline.at
        # No handle is kept: it would keep the loop.
        self._loop().call_later(deadline.remaining(), self._end_the_overdue, deadline.at)

    def _end_the_overdue(self, checked_at: float) -> None:
        if checked_at != self._checked_at:
            return  # a sooner check has looked after what this one was for
        self._checked_at = math.inf
        in_time: list[Deadline] = []
        for flight in self._on_their_way:
            if flight.deadline.remaining() > 0:
                in_time.append(flight.deadline)
            elif not flight.outcome.done():
                flight.outcome.set_exception(TimeoutError())
        if in_time:
            self._check_at(min(in_time, key=lambda deadline: deadline.at))
