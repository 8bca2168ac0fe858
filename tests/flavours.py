"""The three ways to call the client, from one test body.

Owns: how a sync client is awaited, and on which backend a body runs. Must not know: any test.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import anyio
import anyio.to_thread

from openai_realtime import RealtimeSessionsClient, SyncRealtimeSessionsClient
from openai_realtime.transports import lanes

if TYPE_CHECKING:
    import pytest

    from openai_realtime import RealtimeSessionCreateResponse
    from openai_realtime.configuration import ClientOptions
    from openai_realtime.secret_pool import SyncSecretPool

T = TypeVar("T")


class AwaitedSyncClient:
    """The sync client with an `await` before every call, so that one test body serves all."""

    def __init__(self, client: SyncRealtimeSessionsClient) -> None:
        self.wrapped = client
        self.sessions = _Awaited(client.sessions)
        self.transcription_sessions = _Awaited(client.transcription_sessions)
        self.client_secrets = _Awaited(client.client_secrets)
        self.translations = _AwaitedTranslations(client)
        self.calls = _Awaited(client.calls)

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


class _Awaited:
    def __init__(self, resource: object) -> None:
        self._resource = resource

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._resource, name)

        async def call(*args: Any, **params: Any) -> Any:
            return method(*args, **params)

        return call


def limit_connections(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let clients made from now on have `count` connections at once."""
    monkeypatch.setattr(lanes, "MAX_CONNECTIONS", count)


@dataclass(frozen=True)
class Flavour:
    """One way to call: the async client on a backend, or the sync client, over one engine."""

    name: str
    transport: str = "httpx"

    @classmethod
    def parse(cls, text: str) -> Flavour:
        """Return the flavour that `str()` made a text of."""
        return cls(*text.split("-"))

    def __str__(self) -> str:
        return self.name if self.transport == "httpx" else f"{self.name}-{self.transport}"

    @property
    def is_fast(self) -> bool:
        return self.transport == "reqwest"

    @property
    def is_sync(self) -> bool:
        return self.name == "sync"

    def client(self, **options: Any) -> RealtimeSessionsClient:
        """Return a client whose calls are awaited, whichever it is."""
        if self.is_fast and "http_client" not in options:
            options.setdefault("transport", self.transport)
        if self.is_sync:
            return AwaitedSyncClient(SyncRealtimeSessionsClient(**options))  # type: ignore[return-value]  # it is called alike
        return RealtimeSessionsClient(**options)

    def engine(self, client: Any) -> Any:
        """Return the engine of a client that `client()` made."""
        return client.wrapped._engine if self.is_sync else client._engine

    def run(self, body: Callable[[], Awaitable[T]]) -> T:
        """Run a test body to its end."""
        return anyio.run(body, backend="asyncio" if self.is_sync else self.name)


ON_HTTPX = tuple(map(Flavour, ("asyncio", "trio", "sync")))
ON_REQWEST = tuple(Flavour(name, "reqwest") for name in ("asyncio", "sync"))
"""pyreqwest needs asyncio, so there is no trio."""

ON_EITHER = ON_HTTPX + ON_REQWEST
