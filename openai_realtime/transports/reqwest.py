"""The fast engine, on pyreqwest (extra `fast`): Rust's reqwest, below asyncio or blocking.

Owns: sending a request, and reading its answer within bounds, in one step. Must not know: retries,
credentials, endpoints, or how a pyreqwest client is built.

pyreqwest keeps its connections on threads of its own, so all event loops and threads of a process
share them. It needs asyncio. In a child of a process that has used it, it refuses to work: there the
default engine takes over. It does not stop a request whose call was cancelled: that goes on unheard,
until the call's deadline at the latest.
"""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Generic, NamedTuple, NoReturn, TypeVar
from weakref import WeakKeyDictionary

from pyreqwest.client import Client, ClientBuilder, SyncClient, SyncClientBuilder
from pyreqwest.request import RequestBuilder, StreamRequest, SyncRequestBuilder

from openai_realtime.core.body import MAX_BODY_BYTES, whole_body
from openai_realtime.core.deadline import deadline_passed
from openai_realtime.core.head import MAX_HEAD_BYTES
from openai_realtime.core.wire import Headers, Request, Response
from openai_realtime.errors import APIConnectionError, ConfigurationError
from openai_realtime.transports import lanes
from openai_realtime.transports.lanes import check_open, pool_timeout, raise_first
from openai_realtime.transports.reqwest_clients import Key, Pool, Pools, configured
from openai_realtime.transports.reqwest_errors import is_unanswered, translate
from openai_realtime.transports.reqwest_flights import Flights
from openai_realtime.transports.translation import MALFORMED, translated
from openai_realtime.transports.turns import sync_turns, take_sync_turn

if TYPE_CHECKING:
    from types import TracebackType

    from pyreqwest.bytes import Bytes
    from pyreqwest.response import BaseResponse

    from openai_realtime.core.deadline import Deadline, Timeout
    from openai_realtime.transports.blocking_lane_engine import SyncLaneEngine
    from openai_realtime.transports.lane_engine import AsyncLaneEngine
    from openai_realtime.transports.proxies import ProxyRules

# pyreqwest reads so far ahead, and no further, before it hands an answer over. One byte more than is
# allowed tells that there are too many; nearly every answer is complete by then.
_ENOUGH = MAX_BODY_BYTES + 1
_SWITCHING_PROTOCOLS = 101

B = TypeVar("B", RequestBuilder, SyncRequestBuilder)
C = TypeVar("C", Client, SyncClient)


class _Place(NamedTuple):
    """What one event loop has of its own."""

    turns: asyncio.Semaphore
    flights: Flights


class AsyncReqwestEngine:
    """Sends requests on asyncio."""

    def __init__(self, rules: ProxyRules, *, http2: bool) -> None:
        def build(key: Key) -> Client:
            return configured(ClientBuilder(), key, http2=http2).build()

        self._rules = rules
        self._pools: Pools[Client] = Pools(build, rules)
        self._places: WeakKeyDictionary[asyncio.AbstractEventLoop, _Place] = WeakKeyDictionary()
        self._is_closed = False
        self._stand_in: AsyncLaneEngine | None = None

    async def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the answer, read to its end."""
        check_open(is_closed=self._is_closed)
        place = self._place()
        pool = self._pools.pool(request, limits)
        if pool is None:
            return await self._default_engine().send(request, limits, deadline)
        if place.turns.locked():
            await _wait_for_turn(place.turns, limits, deadline)
        else:
            await place.turns.acquire()
        try:
            with _sending(self._pools, pool):
                builder = pool.client.request(request.method, self._pools.target(request.url).url)
                outgoing = _filled(builder, request, self._pools, deadline).build_streamed()
                return _answer(*await place.flights.run(_conversation(outgoing), deadline))
        except TimeoutError:
            raise deadline_passed(limits.total, possibly_acted=True) from None
        finally:
            place.turns.release()

    async def connect(self, url: str, count: int, limits: Timeout, deadline: Deadline) -> None:
        """Have `count` idle connections to the origin of `url`, by a GET request without a key on each."""
        self._place()  # which says so where there is none
        request = Request("GET", url, (), b"")
        troubles: list[APIConnectionError] = []

        async def open_one() -> None:
            try:
                await self.send(request, limits, deadline)
            except APIConnectionError as error:
                troubles.append(error)

        async with asyncio.TaskGroup() as openers:
            for _ in range(self._pools.missing(request, limits, count)):
                openers.create_task(open_one())
        raise_first(troubles)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def aclose(self) -> None:
        """Close every idle connection; those in use close when they are done."""
        self._is_closed = True
        await self.drain()
        if self._stand_in is not None:
            await self._stand_in.aclose()

    async def drain(self) -> None:
        """Close every idle connection, and go on with new ones."""
        self._pools.drain()

    def _place(self) -> _Place:
        try:
            event_loop = asyncio.get_running_loop()
        except RuntimeError:
            message = 'transport="reqwest" needs asyncio: on trio use transport="httpx"'
            raise ConfigurationError(message) from None
        place = self._places.get(event_loop)
        if place is None:
            place = self._places[event_loop] = _Place(
                asyncio.Semaphore(lanes.MAX_CONNECTIONS), Flights(event_loop)
            )
        return place

    def _default_engine(self) -> AsyncLaneEngine:
        if self._stand_in is None:
            from openai_realtime.transports.lane_engine import AsyncLaneEngine  # noqa: PLC0415 - rarely needed

            self._stand_in = AsyncLaneEngine(self._rules)
        return self._stand_in


async def _wait_for_turn(turns: asyncio.Semaphore, limits: Timeout, deadline: Deadline) -> None:
    try:
        async with asyncio.timeout(deadline.cut(limits.pool)):
            await turns.acquire()
    except TimeoutError:
        raise pool_timeout() from None


async def _conversation(outgoing: StreamRequest) -> tuple[BaseResponse, Bytes | None]:
    head = await outgoing.__aenter__()
    body = await head.body_reader.read(_ENOUGH)
    if body is not None and len(body) >= _ENOUGH:
        await outgoing.__aexit__(None, None, None)
    return head, body


class SyncReqwestEngine:
    """Sends requests on the calling thread. Threads share it."""

    def __init__(self, rules: ProxyRules, *, http2: bool) -> None:
        def build(key: Key) -> SyncClient:
            return configured(SyncClientBuilder(), key, http2=http2).build()

        self._rules = rules
        self._pools: Pools[SyncClient] = Pools(build, rules)
        self._turns: threading.Semaphore = sync_turns()
        self._is_closed = False
        self._stand_in: SyncLaneEngine | None = None

    def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the answer, read to its end."""
        check_open(is_closed=self._is_closed)
        pool = self._pools.pool(request, limits)
        if pool is None:
            return self._default_engine().send(request, limits, deadline)
        take_sync_turn(self._turns, limits, deadline)
        try:
            with _sending(self._pools, pool):
                builder = pool.client.request(request.method, self._pools.target(request.url).url)
                outgoing = _filled(builder, request, self._pools, deadline).build_streamed()
                head = outgoing.__enter__()
                body = head.body_reader.read(_ENOUGH)
                if body is not None and len(body) >= _ENOUGH:
                    outgoing.__exit__(None, None, None)
                return _answer(head, body)
        finally:
            self._turns.release()

    def connect(self, url: str, count: int, limits: Timeout, deadline: Deadline) -> None:
        """Have `count` idle connections to the origin of `url`, by a GET request without a key on each."""
        request = Request("GET", url, (), b"")
        troubles: list[APIConnectionError] = []

        def open_one(_number: int) -> None:
            try:
                self.send(request, limits, deadline)
            except APIConnectionError as error:
                troubles.append(error)

        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - few warm up

        if missing := self._pools.missing(request, limits, count):
            with ThreadPoolExecutor(missing) as openers:
                list(openers.map(open_one, range(missing)))
        raise_first(troubles)

    def close(self) -> None:
        """Close every idle connection; those in use close when they are done."""
        self._is_closed = True
        self._pools.drain()
        if self._stand_in is not None:
            self._stand_in.close()

    def _default_engine(self) -> SyncLaneEngine:
        if self._stand_in is None:
            from openai_realtime.transports.blocking_lane_engine import SyncLaneEngine  # noqa: PLC0415 - rarely needed

            self._stand_in = SyncLaneEngine(self._rules)
        return self._stand_in


def _filled(builder: B, request: Request, pools: Pools[C], deadline: Deadline) -> B:
    """Return a builder with all that makes a request ours."""
    return (
        builder.headers(pools.headers(request.headers))
        .body_bytes(request.body)
        # pyreqwest goes on behind a call that was cancelled: no longer than this.
        .timeout(timedelta(0, deadline.remaining()))
        .streamed_read_buffer_limit(_ENOUGH)
    )


class _sending(translated, Generic[C]):  # noqa: N801 - reads as a verb
    """One request on its way through a pool: its exceptions translated, the pool kept honest."""

    __slots__ = ("_pool", "_pools", "_was_used")

    def __init__(self, pools: Pools[C], pool: Pool[C]) -> None:
        super().__init__(translate)
        self._pools: Pools[C] = pools
        self._pool: Pool[C] = pool
        self._was_used = pool.lend()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._pool.idle += 1
        else:
            self.may_be_stale = self._was_used and is_unanswered(error)
            if self.may_be_stale:  # the pool's other connections have been idle for longer
                self._pools.retire(self._pool)
        super().__exit__(kind, error, traceback)


def _answer(head: BaseResponse, body: Bytes | None) -> Response:
    """Return the answer, decoded; raises `APIConnectionError` when it is too large or damaged."""
    items = list(head.headers.items())
    if sum(map(len, chain.from_iterable(items))) > MAX_HEAD_BYTES:
        _refuse("more than 64 KiB of headers")
    status = head.status
    if status == _SWITCHING_PROTOCOLS:
        _refuse("another protocol was not asked for")
    headers = Headers.of_text(items)
    return Response(status, headers, whole_body(headers, b"" if body is None else body.to_bytes()))


def _refuse(why: str) -> NoReturn:
    message = f"{MALFORMED.told}: {why}"
    raise APIConnectionError(message, phase="receive", retryable=False, possibly_acted=True)
