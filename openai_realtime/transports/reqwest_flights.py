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
"""

from __future__ import annotations

import asyncio
import math
from asyncio import _set_running_loop  # pyright: ignore[reportPrivateUsage]  # what event loops are entered by
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from openai_realtime.core.deadline import Deadline

T = TypeVar("T")


class _Flight(Generic[T]):
    """A request on its way. To pyreqwest it is the future that is awaited."""

    __slots__ = ("conversation", "deadline", "outcome")

    def __init__(
        self,
        conversation: Coroutine[object, None, T],
        deadline: Deadline,
        outcome: asyncio.Future[T],
    ) -> None:
        self.conversation: Coroutine[object, None, T] = conversation
        self.deadline: Deadline = deadline
        self.outcome: asyncio.Future[T] = outcome

    def __iter__(self) -> Iterator[object]:
        yield self


class Flights:
    """The requests of one event loop. Only `call_soon_threadsafe` may be called by other threads."""

    def __init__(self, event_loop: asyncio.AbstractEventLoop) -> None:
        self._event_loop = event_loop
        self._on_their_way: set[_Flight[Any]] = set()
        self._due: deque[_Flight[Any]] = deque()
        """Those to be driven at the next turn: they depart, or there is news for them."""
        self._is_turn_coming = False
        self._driven: _Flight[Any] | None = None
        self._check: asyncio.TimerHandle | None = None
        self._checked_at = math.inf

    async def run(self, conversation: Coroutine[object, None, T], deadline: Deadline) -> T:
        """Return what `conversation` returns; it awaits pyreqwest alone.

        Raises `TimeoutError` when it has not ended by `deadline`. It is closed then, and when the
        caller is cancelled.
        """
        outcome: asyncio.Future[T] = self._event_loop.create_future()
        flight = _Flight(conversation, deadline, outcome)
        if deadline.at < self._checked_at:
            self._check_at(deadline)
        self._due.append(flight)
        if not self._on_their_way:
            self._take_turn()
        elif not self._is_turn_coming:
            self._is_turn_coming = True
            self._event_loop.call_soon(self._take_turn)
        self._on_their_way.add(flight)
        try:
            return await outcome
        finally:
            self._on_their_way.discard(flight)
            conversation.close()

    def create_future(self) -> object:
        """Return what is awaited: the flight that is driven."""
        return self._driven

    def call_soon_threadsafe(self, _release: object, flight: _Flight[Any]) -> None:
        """Have a flight driven, since there is news for it."""
        self._due.append(flight)
        # A turn clears this before it looks who is due: whoever finds it set is not overlooked.
        if not self._is_turn_coming:
            self._is_turn_coming = True
            self._event_loop.call_soon_threadsafe(self._take_turn)

    def is_closed(self) -> bool:
        """Return whether the event loop is: then there is nobody to tell."""
        return self._event_loop.is_closed()

    def _take_turn(self) -> None:
        self._is_turn_coming = False
        _set_running_loop(self)  # type: ignore[arg-type]  # as much of one as pyreqwest asks for
        try:
            for _ in range(len(self._due)):
                flight = self._due.popleft()
                if not flight.outcome.done():
                    self._drive(flight)
        finally:
            _set_running_loop(self._event_loop)

    def _drive(self, flight: _Flight[Any]) -> None:
        self._driven = flight
        try:
            awaited = flight.conversation.send(None)
        except StopIteration as end:
            flight.outcome.set_result(end.value)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the caller's
            flight.outcome.set_exception(error)
        else:
            if awaited is None:  # the news came before the future was made
                self.call_soon_threadsafe(None, flight)

    def _check_at(self, deadline: Deadline) -> None:
        """Have the overdue ended at `deadline`, which is the next."""
        if self._check is not None:
            self._check.cancel()
        self._checked_at = deadline.at
        self._check = self._event_loop.call_later(deadline.remaining(), self._end_the_overdue)

    def _end_the_overdue(self) -> None:
        self._check, self._checked_at = None, math.inf
        in_time: list[Deadline] = []
        for flight in self._on_their_way:
            if flight.deadline.remaining() > 0:
                in_time.append(flight.deadline)
            elif not flight.outcome.done():
                flight.outcome.set_exception(TimeoutError())
        if in_time:
            self._check_at(min(in_time, key=lambda deadline: deadline.at))
