"""The default engine: httpx's own transport layer (httpcore), one connection a lane.

Owns: connections, their limits and their life. Must not know: retries, credentials, endpoints.

A pool's cost grows with its connections, and a cancelled call can leave its books wrong. A lane is
one connection with one request on it: it goes back for the next call after a clean answer, and is
closed after anything else. What is mocked by `respx` is mocked here, because the connections are
httpcore's own.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import anyio
import httpcore
from anyio.lowlevel import current_token

from openai_realtime.core.body import BodyReader
from openai_realtime.core.wire import Headers, Request, Response
from openai_realtime.errors import APITimeoutError, ClientClosedError
from openai_realtime.transports.deadline_network import DeadlineNetwork
from openai_realtime.transports.httpcore_requests import AsyncContent, engine_request, origin_of
from openai_realtime.transports.lanes import KEEP_ALIVE_SECONDS, Lanes
from openai_realtime.transports.tls import trusted_context
from openai_realtime.transports.translation import translated

if TYPE_CHECKING:
    import ssl

    from openai_realtime.core.deadline import Deadline, Timeout

MAX_CONNECTIONS = 1000
_CLOSING_SECONDS = 1.0
_FIRST_SERVER_ERROR = 500


def _tls(url: httpcore.URL) -> ssl.SSLContext | None:
    return trusted_context() if url.scheme == b"https" else None


def _may_be_kept(
    status: int, lane: httpcore.ConnectionInterface | httpcore.AsyncConnectionInterface
) -> bool:
    """Return whether a lane may serve another call: not after a 5xx, nor when it is not idle."""
    return status < _FIRST_SERVER_ERROR and lane.is_idle()


def _pool_timeout() -> APITimeoutError:
    return APITimeoutError(
        f"No connection became free in time: {MAX_CONNECTIONS} are busy",
        phase="pool",
        hint="Fewer calls at once, or more processes",
    )


def _closed() -> ClientClosedError:
    return ClientClosedError("The client is closed")


@dataclass(slots=True)
class _AsyncPlace:
    """One event loop's lanes, in the process that made them."""

    lanes: Lanes[httpcore.AsyncConnectionInterface] = field(
        default_factory=lambda: Lanes(time.monotonic)
    )
    turns: anyio.Semaphore = field(
        default_factory=lambda: anyio.Semaphore(MAX_CONNECTIONS, fast_acquire=True)
    )
    process: int = field(default_factory=os.getpid)


class AsyncLaneEngine:
    """Sends requests on asyncio and trio. Each event loop has connections of its own."""

    def __init__(self) -> None:
        self._places: WeakKeyDictionary[object, _AsyncPlace] = WeakKeyDictionary()
        self._inherited: list[_AsyncPlace] = []
        self._is_closed = False

    async def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the answer, read to its end."""
        place = self._place()
        await self._take_turn(place, limits.pool)
        try:
            with translated():
                outgoing = engine_request(request, AsyncContent(request.body), limits, deadline)
                lane = await self._lane(place, outgoing.url)
                try:
                    response = await lane.handle_async_request(outgoing)
                    headers = Headers(response.headers)
                    body = BodyReader(headers)
                    await _read(response, lane, body)
                    answer = Response(response.status, headers, body.finish())
                except BaseException:
                    await _aclose(lane)
                    raise
                if self._is_closed or not _may_be_kept(answer.status, lane):
                    await _aclose(lane)
                elif stale := place.lanes.keep(origin_of(outgoing.url), lane):
                    await _aclose(stale)
                return answer
        finally:
            place.turns.release()

    async def aclose(self) -> None:
        """Close every idle connection of this event loop; those in use close when they are done."""
        self._is_closed = True
        await self.drain()

    async def drain(self) -> None:
        """Close every idle connection of this event loop, and go on with new ones."""
        place = self._places.get(current_token().native_token)
        if place is not None and place.process == os.getpid():
            for lane in place.lanes.drain():
                await _aclose(lane)

    def _place(self) -> _AsyncPlace:
        if self._is_closed:
            raise _closed()
        event_loop = current_token().native_token
        place = self._places.get(event_loop)
        if place is not None and place.process != os.getpid():
            # The parent goes on using these connections, and its event loop's selector is shared:
            # they are neither used nor closed here, only kept from the garbage collector.
            self._inherited.append(place)
            place = None
        if place is None:
            place = self._places[event_loop] = _AsyncPlace()
        return place

    async def _take_turn(self, place: _AsyncPlace, seconds: float) -> None:
        try:
            place.turns.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(seconds) as waiting:
                await place.turns.acquire()
            if waiting.cancelled_caught:
                raise _pool_timeout() from None

    async def _lane(
        self, place: _AsyncPlace, url: httpcore.URL
    ) -> httpcore.AsyncConnectionInterface:
        while (lane := place.lanes.take(origin_of(url))) is not None:
            if not lane.has_expired():
                return lane
            await _aclose(lane)
        return httpcore.AsyncHTTPConnection(
            url.origin,
            ssl_context=_tls(url),
            keepalive_expiry=KEEP_ALIVE_SECONDS,
        )


async def _read(
    response: httpcore.Response, lane: httpcore.AsyncConnectionInterface, body: BodyReader
) -> None:
    """Read a body to its end, or until it is too large."""
    try:
        async for chunk in response.aiter_stream():
            body.feed(chunk)
            if body.is_too_large:
                # Reading then fails inside httpcore's generators, which ends them all. Left
                # half-run they would be the garbage collector's, and trio warns of that.
                await _aclose(lane)
        await response.aclose()
    except httpcore.ReadError:
        if not body.is_too_large:
            raise


async def _aclose(lane: httpcore.AsyncConnectionInterface) -> None:
    """Close a connection, cancelled or not, without waiting long for a peer that is gone."""
    with anyio.move_on_after(_CLOSING_SECONDS, shield=True):
        await lane.aclose()


class _SyncLane(httpcore.HTTPConnection):
    """A connection whose every socket operation obeys the deadline of the call that uses it."""

    def __init__(self, url: httpcore.URL, deadline: Deadline) -> None:
        self.network = DeadlineNetwork(deadline)
        super().__init__(
            url.origin,
            ssl_context=_tls(url),
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=self.network,
        )


@dataclass(slots=True)
class _SyncPlace:
    """One process's lanes."""

    lanes: Lanes[_SyncLane] = field(default_factory=lambda: Lanes(time.monotonic))
    turns: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(MAX_CONNECTIONS))
    process: int = field(default_factory=os.getpid)


class SyncLaneEngine:
    """Sends requests on the calling thread. Threads share it; a forked child starts afresh."""

    def __init__(self) -> None:
        self._here = _SyncPlace()
        self._is_closed = False

    def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the answer, read to its end."""
        place = self._place()
        if not place.turns.acquire(timeout=deadline.cut(limits.pool)):
            raise _pool_timeout()
        try:
            with translated():
                outgoing = engine_request(request, request.body, limits, deadline)
                lane = self._lane(place, outgoing.url, deadline)
                try:
                    response = lane.handle_request(outgoing)
                    headers = Headers(response.headers)
                    body = BodyReader(headers)
                    for chunk in response.iter_stream():
                        body.feed(chunk)
                        if body.is_too_large:
                            break
                    response.close()
                    answer = Response(response.status, headers, body.finish())
                except BaseException:
                    lane.close()
                    raise
                if self._is_closed or not _may_be_kept(answer.status, lane):
                    lane.close()
                elif stale := place.lanes.keep(origin_of(outgoing.url), lane):
                    stale.close()
                return answer
        finally:
            place.turns.release()

    def close(self) -> None:
        """Close every idle connection; those in use close when they are done."""
        self._is_closed = True
        if self._here.process == os.getpid():
            for lane in self._here.lanes.drain():
                lane.close()

    def _place(self) -> _SyncPlace:
        if self._is_closed:
            raise _closed()
        if self._here.process != os.getpid():
            # The parent goes on using these connections. Closing our copies of their descriptors
            # sends nothing: neither TCP's FIN nor TLS's close_notify.
            for lane in self._here.lanes.drain():
                lane.close()
            self._here = _SyncPlace()
        return self._here

    def _lane(self, place: _SyncPlace, url: httpcore.URL, deadline: Deadline) -> _SyncLane:
        while (lane := place.lanes.take(origin_of(url))) is not None:
            if not lane.has_expired():
                lane.network.deadline = deadline
                return lane
            lane.close()
        return _SyncLane(url, deadline)
