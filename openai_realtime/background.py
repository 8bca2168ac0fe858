"""Keeps a context manager open, or runs tasks, outside of any request, also where no lifespan runs."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
from anyio.abc import TaskGroup


class Background:
    """A context manager that stays open until `aclose` or the end of the event loop."""

    def __init__(self, content: AbstractAsyncContextManager[object]) -> None:
        self._content = content
        self._opened: anyio.Event | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def was_started(self) -> bool:
        """Whether `open` was called."""
        return self._opened is not None

    @property
    def is_closed(self) -> bool:
        """Whether it was open, and is not any more."""
        return self._opened is not None and self._closed.is_set()

    async def open(self) -> None:
        """Open it, if that was not done yet, and wait until it is open."""
        if self._opened is None:
            self._opened, self._closing, self._closed = anyio.Event(), anyio.Event(), anyio.Event()
            self._start(self._opened)
        if not self._opened.is_set():
            await self._opened.wait()

    async def aclose(self) -> None:
        """Close it, if it was opened. May be called again."""
        if self._opened is not None:
            self._closing.set()
            await self._closed.wait()

    def _start(self, opened: anyio.Event) -> None:
        async def keep_open() -> None:
            try:
                async with self._content:
                    opened.set()
                    await self._closing.wait()
            finally:
                self._closed.set()

        try:
            event_loop = asyncio.get_running_loop()
        except RuntimeError:
            import trio  # noqa: PLC0415 - an app on asyncio may not have it

            trio.lowlevel.spawn_system_task(keep_open)
        else:
            # In an empty context: the first request's context holds its span, for example.
            self._task = event_loop.create_task(keep_open(), context=contextvars.Context())
            # A task that is cancelled before it starts does not run its `finally`.
            self._task.add_done_callback(lambda _: self._closed.set())


class BackgroundTasks:
    """Tasks that outlive the request that starts them: they are cancelled when the event loop ends."""

    def __init__(self) -> None:
        self._background: Background | None = None
        self._group: TaskGroup

    async def start(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Start a task, which must not raise an exception."""
        if self._background is None or self._background.is_closed:
            self._background = Background(self._running())
        await self._background.open()
        self._group.start_soon(work)

    @asynccontextmanager
    async def _running(self) -> AsyncGenerator[None]:
        async with anyio.create_task_group() as self._group:
            try:
                yield
            finally:
                self._group.cancel_scope.cancel()
