"""The two clients: what they are built from, how long they live, and what hangs on them.

Owns: lifecycle and `with_options()`. Must not know: retries, requests, or how anything is sent.
What is called is imported when it is first asked for: who only mints does not wait for the rest.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Self, Unpack

from openai_realtime.any_client import AnyClient
from openai_realtime.configuration import AsyncClientOptions, Configuration, SyncClientOptions
from openai_realtime.core.retry import RetryBudget
from openai_realtime.transports.base import (
    AsyncConnections,
    AsyncDriver,
    SyncConnections,
    SyncDriver,
)
from openai_realtime.transports.factory import async_connections, sync_connections

if TYPE_CHECKING:
    from types import TracebackType

    from openai_realtime.resources.calls import AsyncCalls, Calls
    from openai_realtime.resources.client_secrets import AsyncClientSecrets, ClientSecrets
    from openai_realtime.resources.sessions import AsyncSessions, Sessions
    from openai_realtime.resources.transcription_sessions import (
        AsyncTranscriptionSessions,
        TranscriptionSessions,
    )
    from openai_realtime.resources.translations import AsyncTranslations, Translations
    from openai_realtime.secret_pool import SecretPool, SyncSecretPool
    from openai_realtime.transports.httpx_client import (
        AsyncHttpClient,
        AsyncHttpTransport,
        SyncHttpClient,
        SyncHttpTransport,
    )
    from openai_realtime.types.session import SecretPoolParams


class RealtimeSessionsClient(AnyClient[AsyncConnections]):
    """The async client, for asyncio and trio.

        async with RealtimeSessionsClient() as client:
            session = await client.sessions.create(model="gpt-realtime", voice="verse")
            session.client_secret.value

    Every setting is optional (`ClientOptions` documents each); the API key comes from
    `OPENAI_API_KEY` when it is not passed. One client serves a whole process: share it between
    tasks, and close it with `async with` or `await client.aclose()`.

    To send through httpx (or httpx2), pass a client of your own as `http_client`
    (`httpx.AsyncClient`), or a transport as `transport` (`httpx.AsyncHTTPTransport(http2=True)`,
    `httpx.MockTransport(handler)`, `httpx.ASGITransport(app)`, …). It stays yours to close. Raises
    `ConfigurationError` when a setting is missing or unusable.
    """

    def __init__(
        self,
        *,
        http_client: AsyncHttpClient | None = None,
        transport: AsyncHttpTransport | None = None,
        **options: Unpack[AsyncClientOptions],
    ) -> None:
        configuration = Configuration.resolve(options)
        connections = async_connections(options, http_client, transport)
        self._begin(configuration, RetryBudget(), connections, owns_connections=True)

    def _attach_driver(self) -> None:
        self._driver = AsyncDriver(self._connections, self._configuration.credential, self._context)

    @cached_property
    def sessions(self) -> AsyncSessions:
        """Realtime sessions: `create`."""
        from openai_realtime.resources.sessions import AsyncSessions  # noqa: PLC0415 - on first use

        return AsyncSessions(self._driver, self._configuration)

    @cached_property
    def transcription_sessions(self) -> AsyncTranscriptionSessions:
        """Transcription sessions: `create`."""
        from openai_realtime.resources.transcription_sessions import AsyncTranscriptionSessions  # noqa: PLC0415 - on first use

        return AsyncTranscriptionSessions(self._driver, self._configuration)

    @cached_property
    def client_secrets(self) -> AsyncClientSecrets:
        """Client secrets in the nested shape: `create`."""
        from openai_realtime.resources.client_secrets import AsyncClientSecrets  # noqa: PLC0415 - on first use

        return AsyncClientSecrets(self._driver, self._configuration)

    @cached_property
    def translations(self) -> AsyncTranslations:
        """Translation sessions: `client_secrets.create`."""
        from openai_realtime.resources.translations import AsyncTranslations  # noqa: PLC0415 - on first use

        return AsyncTranslations(self._driver, self._configuration)

    @cached_property
    def calls(self) -> AsyncCalls:
        """WebRTC and phone calls: `create`, `accept`, `reject`, `refer`, `hangup`."""
        from openai_realtime.resources.calls import AsyncCalls  # noqa: PLC0415 - on first use

        return AsyncCalls(self._driver, self._configuration)

    def with_options(self, **options: Unpack[AsyncClientOptions]) -> Self:
        """Return a client with some settings replaced, on the same connections and retry budget.

        Closing the copy closes nothing: the connections are the original's.
        """
        return self._copied(options)

    async def warm_up(self, n: int = 1) -> None:
        """Open connections now, so that the first users do not wait for DNS, TCP and TLS.

        Afterwards `n` connections (1–1000) are idle; those that already were count. Nothing is sent
        on them. What the first call would import and build, it finds there. Through a proxy, the way
        to the proxy is opened; a client or transport of your own is left as it is. Servers close
        connections that stay silent, many after a minute: call it when the service starts.

        Raises `APIConnectionError` (`APITimeoutError`, `CertificateError`) when one cannot be
        opened; the others stay open, and calls may be made all the same.
        """
        with self._warming(n) as (origin, deadline):
            await self._connections.connect(origin, n, self._configuration.timeout, deadline)

    def secret_pool(self, **params: Unpack[SecretPoolParams]) -> SecretPool:
        """Return a pool that mints ahead, so that a session is there in microseconds.

            async with client.secret_pool(size=8, model="gpt-realtime", voice="verse") as pool:
                session = await pool.acquire()

        Takes what `sessions.create` takes, and the pool's own settings (`SecretPoolParams`). Unless
        `client_secret` says how long a secret lives, 600 seconds are asked for, or twice `min_ttl`.
        Raises `ParameterError`, also for `safety_identifier`: such a secret is one person's.
        """
        from openai_realtime.secret_pool import SecretPool  # noqa: PLC0415 - few make one

        return SecretPool(self.sessions, self._configuration, self._context, params)

    async def aclose(self) -> None:
        """Close the connections. Repeatable; calls made afterwards raise `ClientClosedError`."""
        if self._owns_connections:
            await self._connections.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


class SyncRealtimeSessionsClient(AnyClient[SyncConnections]):
    """The blocking client, for scripts and threads.

        with SyncRealtimeSessionsClient() as client:
            session = client.sessions.create(model="gpt-realtime", voice="verse")
            session.client_secret.value

    Settings are those of `RealtimeSessionsClient`; here `http_client` is an `httpx.Client`,
    `transport` an `httpx.BaseTransport`, and `api_key` no async callable. Threads may share one
    client. Close it with `with` or `client.close()`.
    """

    def __init__(
        self,
        *,
        http_client: SyncHttpClient | None = None,
        transport: SyncHttpTransport | None = None,
        **options: Unpack[SyncClientOptions],
    ) -> None:
        configuration = Configuration.resolve(options)
        connections = sync_connections(options, http_client, transport)
        self._begin(configuration, RetryBudget(), connections, owns_connections=True)

    def _attach_driver(self) -> None:
        self._driver = SyncDriver(self._connections, self._configuration.credential, self._context)

    @cached_property
    def sessions(self) -> Sessions:
        """Realtime sessions: `create`."""
        from openai_realtime.resources.sessions import Sessions  # noqa: PLC0415 - on first use

        return Sessions(self._driver, self._configuration)

    @cached_property
    def transcription_sessions(self) -> TranscriptionSessions:
        """Transcription sessions: `create`."""
        from openai_realtime.resources.transcription_sessions import TranscriptionSessions  # noqa: PLC0415 - on first use

        return TranscriptionSessions(self._driver, self._configuration)

    @cached_property
    def client_secrets(self) -> ClientSecrets:
        """Client secrets in the nested shape: `create`."""
        from openai_realtime.resources.client_secrets import ClientSecrets  # noqa: PLC0415 - on first use

        return ClientSecrets(self._driver, self._configuration)

    @cached_property
    def translations(self) -> Translations:
        """Translation sessions: `client_secrets.create`."""
        from openai_realtime.resources.translations import Translations  # noqa: PLC0415 - on first use

        return Translations(self._driver, self._configuration)

    @cached_property
    def calls(self) -> Calls:
        """WebRTC and phone calls: `create`, `accept`, `reject`, `refer`, `hangup`."""
        from openai_realtime.resources.calls import Calls  # noqa: PLC0415 - on first use

        return Calls(self._driver, self._configuration)

    def with_options(self, **options: Unpack[SyncClientOptions]) -> Self:
        """Return a client with some settings replaced, on the same connections and retry budget.

        Closing the copy closes nothing: the connections are the original's.
        """
        return self._copied(options)

    def warm_up(self, n: int = 1) -> None:
        """Open connections now: as `RealtimeSessionsClient.warm_up`, blocking."""
        with self._warming(n) as (origin, deadline):
            self._connections.connect(origin, n, self._configuration.timeout, deadline)

    def secret_pool(self, **params: Unpack[SecretPoolParams]) -> SyncSecretPool:
        """Return a pool that mints ahead: as `RealtimeSessionsClient.secret_pool`, for threads."""
        from openai_realtime.secret_pool import SyncSecretPool  # noqa: PLC0415 - few make one

        return SyncSecretPool(self.sessions, self._configuration, self._context, params)

    def close(self) -> None:
        """Close the connections. Repeatable; calls made afterwards raise `ClientClosedError`."""
        if self._owns_connections:
            self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
