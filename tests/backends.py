"""The backends on which one test body runs: asyncio, trio and sync, over either HTTP parser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import anyio
import anyio.lowlevel
import anyio.to_thread

from openai_realtime import RealtimeSessionsClient, SyncRealtimeSessionsClient
from openai_realtime.transports import http1, pool
from openai_realtime.transports.http1 import read_by_h11, read_by_httptools

if TYPE_CHECKING:
    import pytest

    from openai_realtime import RealtimeSessionCreateResponse
    from openai_realtime.configuration import ClientOptions
    from openai_realtime.secret_pool import SyncSecretPool

T = TypeVar("T")


class AwaitedSyncClient:
    """The sync client with awaitable methods, so that one test body runs on every backend."""

    def __init__(self, client: SyncRealtimeSessionsClient) -> None:
        self.wrapped = client
        self.sessions = _Awaited(client.sessions)
        self.transcription_sessions = _Awaited(client.transcription_sessions)
        self.client_secrets = _Awaited(client.client_secrets)
        self.translations = _AwaitedTranslations(client)
        self.calls = _Awaited(client.calls)
        self.live = _AwaitedLive(client)
        self.models = _Awaited(client.models)

    @property
    def is_closed(self) -> bool:
        return self.wrapped.is_closed

    async def warm_up(self, n: int = 1) -> None:
        self.wrapped.warm_up(n)

    def with_options(self, **options: Unpack[ClientOptions]) -> AwaitedSyncClient:
        return AwaitedSyncClient(self.wrapped.with_options(**options))

    def secret_pool(self, **params: Any) -> AwaitedSyncPool:
        return AwaitedSyncPool(self.wrapped.secret_pool(**params))

    async def aclose(self) -> None:
        self.wrapped.close()

    async def __aenter__(self) -> Self:
        self.wrapped.__enter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        self.wrapped.close()


class AwaitedSyncPool:
    """The sync secret pool; its `acquire` is awaited in a thread, and cannot be cancelled."""

    def __init__(self, pool: SyncSecretPool) -> None:
        self.wrapped = pool
        self.stats = pool.stats

    async def acquire(self, **options: Any) -> RealtimeSessionCreateResponse:
        return await anyio.to_thread.run_sync(partial(self.wrapped.acquire, **options))

    async def __aenter__(self) -> Self:
        self.wrapped.__enter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        self.wrapped.close()


class _AwaitedTranslations:
    def __init__(self, client: SyncRealtimeSessionsClient) -> None:
        self.client_secrets = _Awaited(client.translations.client_secrets)


class _AwaitedLive:
    def __init__(self, client: SyncRealtimeSessionsClient) -> None:
        self.create = _Awaited(client.live).create
        self.sessions = _Awaited(client.live.sessions)


class _Awaited:
    def __init__(self, resource: object) -> None:
        self._resource = resource

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._resource, name)

        async def call(*args: Any, **params: Any) -> Any:
            return method(*args, **params)

        return call


def limit_connections(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Limit the clients that are created from now on to `count` connections."""
    monkeypatch.setattr(pool, "MAX_CONNECTIONS", count)


@dataclass(frozen=True)
class Backend:
    """The async client on one library, or the sync client, over one HTTP parser."""

    name: str
    parser: str = (
        "httptools" if find_spec("httptools") else "h11"
    )  # some Pythons have no wheel of it

    @classmethod
    def parse(cls, text: str) -> Backend:
        """Return the backend of a text that `str()` returned."""
        return cls(*text.split("-"))

    def __str__(self) -> str:
        return f"{self.name}-{self.parser}"

    @property
    def is_sync(self) -> bool:
        return self.name == "sync"

    def client(self, **options: Any) -> RealtimeSessionsClient:
        """Return a client whose calls are awaited, also when it is the sync one."""
        if self.is_sync:
            return AwaitedSyncClient(SyncRealtimeSessionsClient(**options))  # type: ignore[return-value]  # it has the same methods
        return RealtimeSessionsClient(**options)

    def engine(self, client: Any) -> Any:
        """Return the engine of a client for the running event loop or thread."""
        connections = client.wrapped._connections if self.is_sync else client._connections
        return connections.current()

    async def close_idle(self, client: Any) -> None:
        """Close every idle connection, so that the next call opens one."""
        self.engine(client)._pool().close_idle()
        await anyio.lowlevel.checkpoint()  # asyncio's transports close their sockets

    def run(self, body: Callable[[], Awaitable[T]]) -> T:
        """Run a test body to its end."""
        usual = http1.read_headers
        http1.read_headers = read_by_h11 if self.parser == "h11" else read_by_httptools
        try:
            return anyio.run(body, backend="asyncio" if self.is_sync else self.name)
        finally:
            http1.read_headers = usual


BACKENDS = ("asyncio", "trio", "sync")
ON_HTTPTOOLS = tuple(map(Backend, BACKENDS))
# Each library once, and each parser at least once. What a parser reads is the same on every library,
# because only the connection calls it, with bytes: `transports/test_parsers_agree.py` compares the two.
ON_BOTH_PARSERS = (Backend("asyncio"), Backend("trio"), Backend("sync", "h11"))
