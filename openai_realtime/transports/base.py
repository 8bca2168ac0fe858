"""What drivers need of engines and of a client's connections, as protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from openai_realtime.core.deadline import Deadline, Timeout
    from openai_realtime.core.wire import Request, Response
    from openai_realtime.transports.proxies import Origin


class AsyncEngine(Protocol):
    """Sends one request and reads its response to the end, by the deadline.

    Raises `APIConnectionError` when there is no whole response, `APITimeoutError` among them.
    """

    async def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the response, with any status."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SyncEngine(Protocol):
    """Sends one request and reads its response to the end, by the deadline.

    Raises `APIConnectionError` when there is no whole response, `APITimeoutError` among them.
    """

    def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the response, with any status."""
        ...


class AsyncConnections(Protocol):
    """A client's connections to servers."""

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, so that calls raise `ClientClosedError`."""
        ...

    def current(self) -> AsyncEngine:
        """Return the engine for the next request; raises `ClientClosedError` after a close."""
        ...

    def direct(self) -> AsyncEngine:
        """Return the engine for a metadata service: it uses no proxy, and no client of the user."""
        ...

    async def connect(
        self, origin: Origin, count: int, limits: Timeout, deadline: Deadline
    ) -> None:
        """Open connections to an origin until `count` are idle. Over httpx it does nothing."""
        ...

    async def aclose(self) -> None:
        """Close every connection. May be called again."""
        ...


class SyncConnections(Protocol):
    """A client's connections to servers."""

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, so that calls raise `ClientClosedError`."""
        ...

    def current(self) -> SyncEngine:
        """Return the engine for the next request; raises `ClientClosedError` after a close."""
        ...

    def direct(self) -> SyncEngine:
        """Return the engine for a metadata service: it uses no proxy, and no client of the user."""
        ...

    def connect(self, origin: Origin, count: int, limits: Timeout, deadline: Deadline) -> None:
        """Open connections to an origin until `count` are idle. Over httpx it does nothing."""
        ...

    def close(self) -> None:
        """Close every connection. May be called again."""
        ...


def runs_on_asyncio() -> bool:
    """Return whether an asyncio task is running; in trio's guest mode none is."""
    import asyncio  # noqa: PLC0415 - not needed by trio alone

    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False
