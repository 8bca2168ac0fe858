"""What the engines for asyncio and trio share: one pool of connections for each event loop."""

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
        """Send a request and return its response; raises `APIConnectionError` where there is none."""


class Slots:
    """How many more requests may be under way on an event loop. Those that wait are served in turn."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[Event] = deque()

    def take(self) -> bool:
        """Take a slot if one is free; return whether it was."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def wait(self, given: Event) -> None:
        """Wait for a slot, which is taken when `given` is set."""
        self._waiting.append(given)
        try:
            await given.wait()
        except BaseException:
            if given.is_set():
                self.release()
            else:
                self._waiting.remove(given)
            raise

    def release(self) -> None:
        """Give a slot back, to the request that waits longest if there is one."""
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._free += 1


K = TypeVar("K")
C = TypeVar("C", bound=LoopConnection)


class LoopPool(Pool[C, Slots]):
    """The connections of one event loop; those that idle are closed when it ends.

    The client may not have been closed. An event loop closes its unfinished async generators at its
    end: later it is too late.
    """

    def __init__(self) -> None:
        super().__init__(Slots(pools.MAX_CONNECTIONS))
        self._watch = self._until_the_loop_ends()
        with suppress(StopIteration):  # it yields at once
            self._watch.__anext__().send(None)

    async def aclose(self) -> None:
        """Close what is idle, and what becomes idle from now on."""
        self.is_closed = True
        await self._watch.aclose()

    async def settle(self) -> None:
        """Wait until the sockets of closed connections are closed."""

    async def _until_the_loop_ends(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            if not self.is_inherited:  # pragma: no branch - else this is a forked child
                self.close_idle()
                await self.settle()


class LoopEngine(ABC, Generic[K, C]):
    """Sends requests on the running event loop (`K`). Each event loop has connections of its own."""

    reads_ahead: bool = False
    """Whether the event loop may hold received bytes that no connection has seen yet."""

    def __init__(self, rules: ProxyRules) -> None:
        self._rules = rules
        self._pools: WeakKeyDictionary[K, Callable[[], LoopPool[C] | None]] = WeakKeyDictionary()
        self._inherited: list[LoopPool[C]] = []
        self.is_closed: bool = False
        """Whether what becomes idle is closed."""

    async def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the response, read to its end."""
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

    async def _settle_reads(self, slots: Slots) -> None:
        """Let the loop pass on what it has read, which would otherwise be taken for the response."""
        try:
            for _ in range(2):
                await self.sleep(0)
        except BaseException:
            slots.release()
            raise

    async def connect(
        self, origin: Origin, count: int, limits: Timeout, deadline: Deadline
    ) -> None:
        """Have `count` idle connections to an origin: open what is missing, all at once."""
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
        """Close every idle connection of this event loop; those in use close when they are done."""
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
            # The parent goes on using these connections, and its event loop's selector is shared:
            # they are neither used nor closed here, only kept from the garbage collector.
            self._inherited.append(pool)
            pool = None
        if pool is None:
            pool, self._pools[loop] = self._new_pool()
        return pool

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Wait."""

    @abstractmethod
    def _loop(self) -> K:
        """Return what stands for the running event loop."""

    @abstractmethod
    def _new_pool(self) -> tuple[LoopPool[C], Callable[[], LoopPool[C] | None]]:
        """Return a pool, and what returns it later, as long as it is there."""

    @abstractmethod
    async def _wait_for_slot(self, slots: Slots, limit: float) -> None:
        """Wait for a slot; raises `APITimeoutError` after `limit` seconds."""

    @abstractmethod
    async def _run_together(
        self, work: Callable[[], Coroutine[None, None, None]], count: int
    ) -> None:
        """Run `work` so many times, all at once."""

    @abstractmethod
    async def _open(self, origin: Origin, limit: float) -> C:
        """Return a new connection, open within `limit` seconds; raises `APIConnectionError`."""
