"""The common part of the asyncio and trio engines: one connection pool for each event loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakKeyDictionary

from openai_realtime.errors import RealtimeError
from openai_realtime.transports import pool as pools
from openai_realtime.transports.pool import Lease, Pool
from openai_realtime.transports.proxies import origin_of
from openai_realtime.transports.sockets import SocketConnection

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine

    from openai_realtime.core.deadline import Deadline, Timeout
    from openai_realtime.core.wire import Request, Response
    from openai_realtime.transports.proxies import Origin, ProxyRules
    from openai_realtime.transports.sockets import Event


class LoopConnection(SocketConnection, ABC):
    """A connection that an event loop uses."""

    @abstractmethod
    async def exchange(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Send a request and return its response; raises `APIConnectionError` if none comes."""

    @abstractmethod
    async def receive(self, seconds: float) -> None:
        """Receive until a WebSocket has a message or is closed.

        Raises `APITimeoutError` if nothing comes for `seconds`, and `APIConnectionError` if the
        connection fails.
        """

    @abstractmethod
    async def write_out(self, encode: Callable[[], bytes], seconds: float) -> None:
        """Send what `encode` returns, within `seconds`; raises `APIConnectionError` otherwise.

        Nothing else is encoded before it is on its way: TLS records count.
        """


class Slots:
    """The free request slots of an event loop. Waiting requests get one in order of arrival."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[Event] = deque()

    def take(self) -> bool:
        """Take a slot if one is free; return whether it was."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def wait(self, granted: Event) -> None:
        """Wait for a slot. `granted` is set when this request has one."""
        self._waiting.append(granted)
        try:
            await granted.wait()
        except BaseException:
            if granted.is_set():
                self.release()
            else:
                self._waiting.remove(granted)
            raise

    def release(self) -> None:
        """Give a slot back, or pass it on to the request that has waited longest."""
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._free += 1


K = TypeVar("K")
C = TypeVar("C", bound=LoopConnection)


class LoopPool(Pool[C, Slots]):
    """The connections of one event loop; idle ones are closed when it ends.

    The client may not have been closed by then. So an async generator closes them: an event loop
    closes its unfinished async generators before it ends.
    """

    is_closed: bool

    def __init__(self) -> None:
        super().__init__(Slots(pools.MAX_CONNECTIONS))
        self._watch = self._until_the_loop_ends()
        with suppress(StopIteration):  # it yields at once
            self._watch.__anext__().send(None)

    async def aclose(self) -> None:
        """Close idle connections, and from now on each that becomes idle."""
        self.is_closed = True
        await self._watch.aclose()

    async def settle(self) -> None:
        """Wait until the sockets of closed connections are closed."""

    async def _until_the_loop_ends(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            if not self.is_inherited:  # pragma: no branch - else this is a forked child
                # Since Python 3.15 a call may use a pool that is being garbage-collected.
                self.is_closed = True
                self.close_idle()
                await self.settle()


class LoopEngine(ABC, Generic[K, C]):
    """Sends requests on the running event loop (`K`). Each event loop has its own connections."""

    reads_ahead: bool = False
    """Whether the event loop may hold received bytes that it has not passed on yet."""

    def __init__(self, rules: ProxyRules) -> None:
        self._rules = rules
        self._pools: WeakKeyDictionary[K, Callable[[], LoopPool[C] | None]] = WeakKeyDictionary()
        self._inherited: list[LoopPool[C]] = []
        self.is_closed: bool = False
        """Whether connections are closed as soon as they become idle."""

    async def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the response, read to its end."""
        if request.is_upgrade:
            return await self._upgrade(request, limits, deadline)
        pool = self._pool()
        if not pool.slots.take():
            await self._wait_for_slot(pool.slots, deadline.clamp(limits.pool))
        if self.reads_ahead:
            await self._settle_reads(pool.slots)
        with Lease(pool, request) as lease:
            if lease.connection is None:
                lease.connection = await self._open(lease.origin, deadline.clamp(limits.connect))
                lease.check_new()
            lease.response = await lease.connection.exchange(request, limits, deadline)
            pool.is_closed = pool.is_closed or self.is_closed
        return lease.response

    async def _upgrade(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the response to a handshake; with status 101 it has the open connection."""
        from openai_realtime.transports.websocket import (  # noqa: PLC0415 - few programs use it
            upgraded,
            with_new_key,
        )

        origin = origin_of(request.url, loopback_only=request.loopback_only)
        opened = await self._open(origin, deadline.clamp(limits.connect), is_websocket=True)
        request = with_new_key(request)
        with upgraded(opened, request) as handshake:
            handshake.response = await opened.exchange(request, limits, deadline)
        return handshake.response

    async def _settle_reads(self, slots: Slots) -> None:
        """Let the loop pass on bytes that it has read: later they would count as the response."""
        try:
            for _ in range(2):
                await self.sleep(0)
        except BaseException:
            slots.release()
            raise

    async def connect(
        self, origin: Origin, count: int, limits: Timeout, deadline: Deadline
    ) -> None:
        """Open connections to an origin, concurrently, until `count` are idle."""
        pool = self._pool()
        errors: list[RealtimeError] = []

        async def open_one() -> None:
            try:
                pool.keep(origin, await self._open(origin, deadline.clamp(limits.connect)))
            except RealtimeError as error:
                errors.append(error)

        await self._run_together(open_one, count - pool.count(origin))
        if errors:
            raise errors[0]

    async def aclose(self) -> None:
        """Close every idle connection of this event loop; busy ones close after their call."""
        self.is_closed = True
        reference = self._pools.pop(self._loop(), None)
        pool = None if reference is None else reference()
        if pool is not None and not pool.is_inherited:
            await pool.aclose()

    def _pool(self) -> LoopPool[C]:
        loop = self._loop()
        reference = self._pools.get(loop)
        pool = None if reference is None else reference()
        if pool is not None and pool.is_inherited:
            # The parent still uses these connections, and the child shares its event loop's
            # selector. They are neither used nor closed here, only kept from the garbage collector.
            self._inherited.append(pool)
            pool = None
        if pool is None or pool.is_closed:
            pool, self._pools[loop] = self._new_pool()
        return pool

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Wait."""

    @abstractmethod
    def _loop(self) -> K:
        """Return the object that identifies the running event loop."""

    @abstractmethod
    def _new_pool(self) -> tuple[LoopPool[C], Callable[[], LoopPool[C] | None]]:
        """Return a new pool, and a function that returns it, or None once it is freed."""

    @abstractmethod
    async def _wait_for_slot(self, slots: Slots, limit: float) -> None:
        """Wait for a slot; raises `APITimeoutError` after `limit` seconds."""

    @abstractmethod
    async def _run_together(
        self, work: Callable[[], Coroutine[None, None, None]], count: int
    ) -> None:
        """Run `work` `count` times, concurrently."""

    @abstractmethod
    async def _open(self, origin: Origin, limit: float, *, is_websocket: bool = False) -> C:
        """Return a new connection, open within `limit` seconds; raises `APIConnectionError`."""
