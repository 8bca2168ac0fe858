"""The secret pool of the async client: mints in background tasks, on asyncio and trio."""

from __future__ import annotations

from typing import Self

import anyio
import anyio.abc
import anyio.lowlevel

from openai_realtime.errors import ClientClosedError
from openai_realtime.resources.sessions import AsyncSessions
from openai_realtime.secret_pool.base import BasePool
from openai_realtime.secret_pool.inventory import PoolStats
from openai_realtime.types.session import RealtimeSessionCreateResponse


class SecretPool(BasePool[AsyncSessions]):
    """A pool of sessions that are minted in advance, for asyncio and trio.

    `client.secret_pool(…)` makes it. Open it with `async with`, and use it in that event loop.
    Closing it cancels the running mints. In a forked process `acquire` raises `ClientClosedError`,
    and closing does nothing: open one pool in each process.
    """

    _block = "async with"
    _tasks: anyio.abc.TaskGroup
    _changed: anyio.Event
    _event_loop: object = None

    async def acquire(
        self,
        *,
        min_ttl: float | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - it ends in an error that says why
    ) -> RealtimeSessionCreateResponse:
        """Return a session whose secret lives at least `min_ttl` more seconds. No other caller gets it.

        Returns at once when the pool has one. Otherwise it waits until one is minted, at most
        `timeout` seconds (0: does not wait), first come, first served. `min_ttl` defaults to the
        pool's, `timeout` to the client's total timeout. If the caller is cancelled, the session
        stays in the pool.

        Raises the error of the last mint when minting fails, `APITimeoutError` when minting works
        but takes too long, `ClientClosedError` when the pool or its client is closed or when
        another event loop opened the pool, and `ParameterError` when an argument is out of range:
        `min_ttl` must be less than the lifetime of the secrets.
        """
        ttl, timeout = self._checked(min_ttl, timeout)
        self._refuse_another_loop()
        # Not a full checkpoint, so that a hit does not wait for other tasks. A series of hits ends
        # when the pool is empty, so other tasks do not wait for long either.
        await anyio.lowlevel.checkpoint_if_cancelled()
        session = self._inventory.take(ttl)
        self._changed.set()
        if session is not None:
            return session
        served = anyio.Event()
        waiter = self._inventory.wait(ttl, served.set)
        try:
            with anyio.move_on_after(timeout):
                await served.wait()
            return self._result(waiter, timeout)
        finally:
            self._inventory.leave(waiter)

    def _refuse_another_loop(self) -> None:
        """Raise in another event loop, where the minting tasks cannot wake the caller."""
        if anyio.lowlevel.current_token().native_token is not self._event_loop:
            message = (
                "The pool was opened in another event loop: open one pool in each event loop, or "
                "use one event loop for the whole process"
            )
            raise ClientClosedError(message)

    def stats(self) -> PoolStats:
        """Return the pool's current levels, and its counts since it was made."""
        return self._inventory.stats()

    async def _refill(self) -> None:
        while not self._is_inherited:
            self._changed = anyio.Event()
            for _ in range(self._inventory.reserve()):
                self._tasks.start_soon(self._mint)
            self._emit_level(self._new_level())
            with anyio.move_on_after(self._inventory.next_wake()):
                await self._changed.wait()

    async def _mint(self) -> None:
        try:
            session = await self._sessions.create(**self._params)
        except Exception as error:  # noqa: BLE001 - the callers that wait get it, whatever it is
            self._mint_failed(error)
        except BaseException:
            self._inventory.mint_cancelled()
            raise
        else:
            self._inventory.mint_succeeded(session, self._lifetime_left(session))
        self._changed.set()

    async def __aenter__(self) -> Self:
        self._begin()
        self._changed = anyio.Event()
        self._event_loop = anyio.lowlevel.current_token().native_token
        self._tasks = await anyio.create_task_group().__aenter__()
        self._tasks.start_soon(self._refill)
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        if self._is_inherited:
            return  # the tasks and the event loop belong to the parent
        self._inventory.close(self._closed_error())
        self._emit_level(self._new_level())
        self._tasks.cancel_scope.cancel()
        # The task group would wrap or suppress the exception of the `async with` block.
        await self._tasks.__aexit__(None, None, None)
