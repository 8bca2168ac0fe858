"""The secret pool of the async client: it mints in tasks of its own.

Owns: minting in the background and waiting, on asyncio and trio. Must not know: how many to hold,
who is served first, when to try again (`secret_pool/inventory.py` decides).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import anyio
import anyio.lowlevel

from openai_realtime.errors import ClientClosedError
from openai_realtime.resources.sessions import AsyncSessions
from openai_realtime.secret_pool.base import Pool

if TYPE_CHECKING:
    from types import TracebackType

    from anyio.abc import TaskGroup

    from openai_realtime.secret_pool.inventory import PoolStats
    from openai_realtime.types.session import RealtimeSessionCreateResponse


class SecretPool(Pool[AsyncSessions]):
    """Secrets of one session, ready: for asyncio and trio. Made by `client.secret_pool(…)`.

    Open it with `async with`, and use it in that event loop; closing it cancels what it is minting.
    In a forked child `acquire` raises, and closing does nothing: open one in each process.
    """

    _block = "async with"
    _tasks: TaskGroup
    _nudged: anyio.Event
    _event_loop: object = None

    async def acquire(
        self,
        *,
        min_ttl: float | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - it ends in an error that says why
    ) -> RealtimeSessionCreateResponse:
        """Return a session whose secret lives at least `min_ttl` seconds, and is nobody else's.

        At once when there is one, else when one is minted, first come, first served; waits at most
        `timeout` seconds (0: not at all). Defaults: the pool's `min_ttl`, the client's total
        timeout. A caller that is cancelled takes no secret away.

        Raises what the provider answered last when minting fails; `APITimeoutError` when it did not
        fail and none came in time; `ClientClosedError` when the pool or its client is closed, or
        when it is asked in another event loop than the one that opened it;
        `ParameterError` when `min_ttl` is more than a secret lives.
        """
        ttl, timeout = self._asked(min_ttl, timeout)
        self._refuse_another_loop()
        # No full checkpoint: a hit shall not wait for whatever else the event loop has to do. Hits
        # in a row starve nobody for long, for they end when the pool is empty.
        await anyio.lowlevel.checkpoint_if_cancelled()
        session = self._inventory.take(ttl)
        self._nudged.set()
        if session is not None:
            return session
        served = anyio.Event()
        waiter = self._inventory.wait(ttl, served.set)
        try:
            with anyio.move_on_after(timeout):
                await served.wait()
            return self._outcome(waiter, timeout)
        finally:
            self._inventory.leave(waiter)

    def _refuse_another_loop(self) -> None:
        """Raise where the tasks that mint could not wake the caller, who would wait in vain."""
        if anyio.lowlevel.current_token().native_token is not self._event_loop:
            message = (
                "The pool was opened in another event loop: open one in each, or keep one event loop "
                "for as long as the process"
            )
            raise ClientClosedError(message)

    def stats(self) -> PoolStats:
        """Return what the pool holds and wants now, and has been through."""
        return self._inventory.stats()

    async def _refill(self) -> None:
        while not self._is_inherited:
            self._nudged = anyio.Event()
            for _ in range(self._inventory.reserve()):
                self._tasks.start_soon(self._mint)
            self._tell(self._news())
            with anyio.move_on_after(self._inventory.next_wake()):
                await self._nudged.wait()

    async def _mint(self) -> None:
        try:
            session = await self._sessions.create(**self._params)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to who waits
            self._failed(error)
        except BaseException:
            self._inventory.mint_cancelled()
            raise
        else:
            self._inventory.mint_succeeded(session, self._lives(session))
        self._nudged.set()

    async def __aenter__(self) -> Self:
        self._opening()
        self._nudged = anyio.Event()
        self._event_loop = anyio.lowlevel.current_token().native_token
        self._tasks = await anyio.create_task_group().__aenter__()
        self._tasks.start_soon(self._refill)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_inherited:
            return  # the tasks, and the event loop's side in the kernel, are the parent's
        self._inventory.close(self._closed())
        self._tell(self._news())
        self._tasks.cancel_scope.cancel()
        # What ends the body is kept from the task group: it would wrap it, or swallow it.
        await self._tasks.__aexit__(None, None, None)
