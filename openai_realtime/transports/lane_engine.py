"""The default engine, async: httpx's own transport layer (httpcore), one connection a lane.

Owns: how many connections there are, which are kept, and for whom: each process and each event loop
has its own. Must not know: retries, credentials, endpoints.

A pool's cost grows with its connections, and a cancelled call can leave its books wrong. A lane is
one connection with one request on it: it goes back for the next call after a clean answer, and is
closed after anything else. What is mocked by `respx` is mocked here, because the connections are
httpcore's own.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import anyio
import httpcore
from anyio.lowlevel import current_token

from openai_realtime.core.body import BodyReader
from openai_realtime.core.deadline import deadline_passed
from openai_realtime.core.wire import Headers, Request, Response
from openai_realtime.errors import APIConnectionError
from openai_realtime.transports import lanes
from openai_realtime.transports.connections import AsyncLane
from openai_realtime.transports.httpcore_requests import (
    AsyncContent,
    engine_request,
    origin_of,
    parsed_url,
)
from openai_realtime.transports.lanes import (
    Lanes,
    check_open,
    pool_timeout,
    raise_first,
)
from openai_realtime.transports.network import Progress
from openai_realtime.transports.proxies import ProxyRules
from openai_realtime.transports.quiet import quietly

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from openai_realtime.core.deadline import Deadline, Timeout


@dataclass(slots=True)
class _AsyncPlace:
    """One event loop's lanes, in the process that made them."""

    process: int
    lanes: Lanes[AsyncLane] = field(default_factory=lambda: Lanes(time.monotonic))
    turns: anyio.Semaphore = field(
        default_factory=lambda: anyio.Semaphore(lanes.MAX_CONNECTIONS, fast_acquire=True)
    )
    watch: AsyncGenerator[None, None] | None = None

    async def drain(self) -> None:
        """Close every idle connection."""
        if self.process == os.getpid():
            for lane in self.lanes.drain():
                await lane.aclose()

    async def until_the_loop_ends(self) -> AsyncGenerator[None, None]:
        """Close the idle connections when the event loop ends, whoever forgot to close the client.

        Event loops close their unfinished async generators before they go: later nobody could.
        """
        try:
            yield
        finally:
            await self.drain()


class AsyncLaneEngine:
    """Sends requests on asyncio and trio. Each event loop has connections of its own."""

    def __init__(self, rules: ProxyRules) -> None:
        self._rules = rules
        self._places: WeakKeyDictionary[object, _AsyncPlace] = WeakKeyDictionary()
        self._inherited: list[_AsyncPlace] = []
        self._is_closed = False

    async def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the answer, read to its end."""
        progress = Progress()
        with anyio.move_on_after(deadline.remaining()):
            return await self._send(request, limits, deadline, progress)
        raise deadline_passed(limits.total, possibly_acted=progress.was_sent)

    async def _send(
        self, request: Request, limits: Timeout, deadline: Deadline, progress: Progress
    ) -> Response:
        place = await self._place()
        outgoing = engine_request(request, AsyncContent(request.body), limits, deadline)
        origin = origin_of(outgoing.url)
        trouble = quietly()
        if place.turns.value:
            place.turns.acquire_nowait()
        else:
            await _wait_for_turn(place.turns, limits, deadline)
        is_alone = place.turns.value == lanes.MAX_CONNECTIONS - 1
        try:
            with trouble:
                lane = await self._lane(place, outgoing.url, request.max_idle)
                try:
                    response = await lane.handle(outgoing, progress, is_alone=is_alone)
                    headers = Headers.of_raw(response.headers)
                    body = BodyReader(headers)
                    await _read(response, lane, body)
                    answer = Response(response.status, headers, body.finish())
                    lane.unlock()
                except BaseException:
                    trouble.may_be_stale = lane.was_idle and not lane.has_answer_begun
                    await lane.aclose()
                    raise
                if self._is_closed or not lane.may_serve_again(answer.status):
                    await lane.aclose()
                elif stale := place.lanes.keep(origin, lane):
                    await stale.aclose()
                return answer
        finally:
            if trouble.was_stale:  # the others have been idle for longer
                for other in place.lanes.drain(origin):
                    await other.aclose()
            place.turns.release()

    async def connect(self, url: str, count: int, limits: Timeout, deadline: Deadline) -> None:
        """Have `count` idle connections to the origin of `url`: open what is missing, all at once."""
        target, _ = parsed_url(url)
        troubles: list[APIConnectionError] = []

        async def open_one(place: _AsyncPlace) -> None:
            lane = AsyncLane(target, self._rules)
            try:
                with quietly():
                    await lane.connect(limits.connect)
            except APIConnectionError as error:
                troubles.append(error)
            finally:
                if self._is_closed or not lane.was_idle:
                    await lane.aclose()
                else:
                    place.lanes.keep(origin_of(target), lane)

        with anyio.move_on_after(deadline.remaining()):
            place = await self._place()
            async with anyio.create_task_group() as openers:
                for _ in range(count - place.lanes.count(origin_of(target))):
                    openers.start_soon(open_one, place)
            return raise_first(troubles)
        raise deadline_passed(limits.total, possibly_acted=False)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)

    async def aclose(self) -> None:
        """Close every idle connection of this event loop; those in use close when they are done."""
        self._is_closed = True
        await self.drain()

    async def drain(self) -> None:
        """Close every idle connection of this event loop, and go on with new ones."""
        place = self._places.pop(current_token().native_token, None)
        if place is not None and place.watch is not None:
            await place.drain()
            await place.watch.aclose()

    async def _place(self) -> _AsyncPlace:
        check_open(is_closed=self._is_closed)
        event_loop = current_token().native_token
        place = self._places.get(event_loop)
        if place is not None and place.process != os.getpid():
            # The parent goes on using these connections, and its event loop's selector is shared:
            # they are neither used nor closed here, only kept from the garbage collector.
            self._inherited.append(place)
            place = None
        if place is None:
            place = self._places[event_loop] = _AsyncPlace(os.getpid())
            place.watch = place.until_the_loop_ends()
            await anext(place.watch)
        return place

    async def _lane(self, place: _AsyncPlace, url: httpcore.URL, max_idle: float) -> AsyncLane:
        while (lane := place.lanes.take(origin_of(url), max_idle)) is not None:
            if not lane.has_expired():
                return lane
            await lane.aclose()
        return AsyncLane(url, self._rules)


async def _wait_for_turn(turns: anyio.Semaphore, limits: Timeout, deadline: Deadline) -> None:
    with anyio.move_on_after(deadline.cut(limits.pool)):
        await turns.acquire()
        return
    raise pool_timeout()


async def _read(response: httpcore.Response, lane: AsyncLane, body: BodyReader) -> None:
    """Read a body to its end, or until it is too large."""
    try:
        async for chunk in response.aiter_stream():
            body.feed(chunk)
            if body.is_too_large:
                # Reading then fails inside httpcore's generators, which ends them all. Left
                # half-run they would be the garbage collector's, and trio warns of that.
                await lane.aclose()
        await response.aclose()
    except httpcore.ReadError:
        if not body.is_too_large:
            raise
