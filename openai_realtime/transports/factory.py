"""Which engine a client sends by: its own connections, or what its user handed in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from openai_realtime.errors import ConfigurationError
from openai_realtime.transports.interception import AsyncInterception
from openai_realtime.transports.proxies import ProxyRules

if TYPE_CHECKING:
    from openai_realtime.configuration import AnyClientOptions
    from openai_realtime.core.deadline import Deadline, Timeout
    from openai_realtime.transports.asyncio_engine import AsyncioEngine
    from openai_realtime.transports.drivers import AsyncConnections, SyncConnections
    from openai_realtime.transports.http1 import Origin
    from openai_realtime.transports.httpx_client import (
        AsyncHttpClient,
        AsyncHttpTransport,
        SyncHttpClient,
        SyncHttpTransport,
    )
    from openai_realtime.transports.trio_engine import TrioEngine


class OwnAsyncConnections(AsyncInterception):
    """A client's own connections: asyncio's or trio's, by what runs the call."""

    def __init__(self, rules: ProxyRules) -> None:
        self._rules = rules
        self._asyncio: AsyncioEngine | None = None
        self._trio: TrioEngine | None = None
        self.is_closed: bool = False
        """Whether it was closed: then calls raise `ClientClosedError`."""

    def _running(self) -> AsyncioEngine | TrioEngine:
        if "trio" in sys.modules and not _runs_on_asyncio():
            if self._trio is None:
                from openai_realtime.transports.trio_engine import TrioEngine  # noqa: PLC0415

                self._trio = TrioEngine(self._rules)
            return self._trio
        if self._asyncio is None:
            from openai_realtime.transports.asyncio_engine import AsyncioEngine  # noqa: PLC0415

            self._asyncio = AsyncioEngine(self._rules)
        return self._asyncio

    async def connect(
        self, origin: Origin, count: int, limits: Timeout, deadline: Deadline
    ) -> None:
        """Have `count` idle connections to an origin, as far as that can be had."""
        own = self._running()
        if self.current() is own:  # what intercepts httpx needs none
            await own.connect(origin, count, limits, deadline)

    async def close_idle(self) -> None:
        """Close what is idle here, and go on with new connections."""
        await self._running().close_idle()

    async def aclose(self) -> None:
        """Close what is idle here; what is in use is closed when it is done. Repeatable."""
        self.is_closed = True
        for engine in (self._asyncio, self._trio):
            if engine is not None:
                engine.is_closed = True
        await self._running().aclose()


def _runs_on_asyncio() -> bool:
    """Return whether an asyncio task runs now; in trio's guest mode none does."""
    import asyncio  # noqa: PLC0415 - trio alone does not need it

    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


def async_connections(
    options: AnyClientOptions,
    http_client: AsyncHttpClient | None,
    transport: AsyncHttpTransport | None,
) -> AsyncConnections:
    """Return the async client's connections; or raise `ConfigurationError`."""
    _check_alone(options, http_client, transport)
    if http_client is not None:
        from openai_realtime.transports.httpx_client import AsyncHttpxEngine  # noqa: PLC0415 - chosen

        return AsyncHttpxEngine.over_client(http_client)
    if transport is not None:
        from openai_realtime.transports.httpx_client import AsyncHttpxEngine  # noqa: PLC0415 - chosen

        return AsyncHttpxEngine.over_transport(transport)
    return OwnAsyncConnections(_proxy_rules(options))


def sync_connections(
    options: AnyClientOptions,
    http_client: SyncHttpClient | None,
    transport: SyncHttpTransport | None,
) -> SyncConnections:
    """Return the sync client's connections; or raise `ConfigurationError`."""
    _check_alone(options, http_client, transport)
    if http_client is not None:
        from openai_realtime.transports.httpx_client import SyncHttpxEngine  # noqa: PLC0415 - chosen

        return SyncHttpxEngine.over_client(http_client)
    if transport is not None:
        from openai_realtime.transports.httpx_client import SyncHttpxEngine  # noqa: PLC0415 - chosen

        return SyncHttpxEngine.over_transport(transport)
    from openai_realtime.transports.sync_engine import SyncEngine  # noqa: PLC0415 - chosen

    return SyncEngine(_proxy_rules(options))


def _check_alone(options: AnyClientOptions, http_client: object, transport: object) -> None:
    if http_client is not None and transport is not None:
        message = "pass transport=… or http_client=…, not both: a client has its own transport"
        raise ConfigurationError(message)
    for name, given in (("http_client", http_client), ("transport", transport)):
        if given is not None and options.get("proxy"):
            message = f"pass proxy=… or {name}=…, not both: one of your own has its own proxies"
            raise ConfigurationError(message)


def _proxy_rules(options: AnyClientOptions) -> ProxyRules:
    return ProxyRules.of(options.get("proxy"), trust_env=options.get("trust_env", True))
