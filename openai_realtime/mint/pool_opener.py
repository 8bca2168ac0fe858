"""Opens a secret pool in a task of its own, which ends when it is closed or the event loop ends."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from openai_realtime.secret_pool import SecretPool


class PoolOpener:
    """Opens a pool where its owner did not, also in an app whose lifespan is not run."""

    def __init__(self, pool: SecretPool) -> None:
        self._pool = pool
        self._opened: anyio.Event | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the pool, unless it was opened."""
        if self._opened is None:
            if self._pool.was_opened:
                return
            self._opened, self._closing, self._closed = anyio.Event(), anyio.Event(), anyio.Event()
            self._begin(self._opened)
        if not self._opened.is_set():
            await self._opened.wait()

    async def aclose(self) -> None:
        """Close the pool, if it was opened here. Repeatable."""
        if self._opened is not None:
            self._closing.set()
            await self._closed.wait()

    def _begin(self, opened: anyio.Event) -> None:
        async def hold() -> None:
            try:
                async with self._pool:
                    opened.set()
                    await self._closing.wait()
            finally:
                self._closed.set()

        try:
            event_loop = asyncio.get_running_loop()
        except RuntimeError:
            import trio  # noqa: PLC0415 - it is what runs, where asyncio does not

            trio.lowlevel.spawn_system_task(hold)
        else:
            # Without the context of the request that happens to be the first, such as its span.
            self._task = event_loop.create_task(hold(), context=contextvars.Context())
            # A task that is cancelled before it begins never gets to its `finally`.
            self._task.add_done_callback(lambda _: self._closed.set())
