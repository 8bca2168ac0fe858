"""The two clients: what they are built from, how long they live, and what hangs on them.

Owns: lifecycle and `with_options()`. Must not know: retries, requests, or how anything is sent.
"""

from __future__ import annotations

import random
import time
from abc import abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, NoReturn, Self, TypeVar, Unpack

from openai_realtime.configuration import (
    AnyClientOptions,
    AsyncClientOptions,
    Configuration,
    SyncClientOptions,
)
from openai_realtime.core.deadline import Deadline
from openai_realtime.core.exchange import RetryContext
from openai_realtime.core.retry import RetryBudget
from openai_realtime.errors import APIConnectionError, ParameterError
from openai_realtime.logs import set_up_from_environment
from openai_realtime.observe import guarded, listening
from openai_realtime.resources.calls import AsyncCalls, Calls
from openai_realtime.resources.client_secrets import CREATE as CLIENT_SECRETS
from openai_realtime.resources.client_secrets import AsyncClientSecrets, ClientSecrets
from openai_realtime.resources.sessions import CREATE as SESSIONS
from openai_realtime.resources.sessions import AsyncSessions, Sessions
from openai_realtime.resources.transcription_sessions import (
    AsyncTranscriptionSessions,
    TranscriptionSessions,
)
from openai_realtime.resources.translations import AsyncTranslations, Translations
from openai_realtime.transports.drivers import AsyncDriver, AsyncEngine, SyncDriver, SyncEngine
from openai_realtime.transports.engines import async_engine, sync_engine
from openai_realtime.transports.injected import AsyncHttpClient, SyncHttpClient
from openai_realtime.transports.lanes import MAX_CONNECTIONS

if TYPE_CHECKING:
    from types import TracebackType

    from openai_realtime.providers import Provider
    from openai_realtime.secret_pool import SecretPool, SyncSecretPool
    from openai_realtime.types.secret_pool import SecretPoolParams


E = TypeVar("E", AsyncEngine, SyncEngine)


class _Client(Generic[E]):
    """What both clients share: checked settings, the engine, a repr that shows no key."""

    _configuration: Configuration
    _budget: RetryBudget
    _context: RetryContext
    _engine: E
    _owns_engine: bool

    @abstractmethod
    def _attach_resources(self, context: RetryContext) -> None:
        """Make the resources over `_engine` and `_configuration`."""

    def _begin(
        self, configuration: Configuration, budget: RetryBudget, engine: E, *, owns_engine: bool
    ) -> None:
        set_up_from_environment()
        # Kept guarded: a copy for every request shall not warn of the same fault anew.
        hook = configuration.options["on_event"] = guarded(configuration.options.get("on_event"))
        self._configuration = configuration
        self._budget = budget
        self._engine = engine
        self._owns_engine = owns_engine
        self._context = RetryContext(
            policy=configuration.retry,
            budget=budget,
            clock=time.monotonic,
            random=random.random,
            listening=listening(hook),
        )
        self._attach_resources(self._context)

    def _copied(self, options: AnyClientOptions) -> Self:
        copy = self.__class__.__new__(self.__class__)
        copy.__dict__.update(self.__dict__)
        configuration = self._configuration.with_options(options)
        copy._begin(configuration, self._budget, self._engine, owns_engine=False)  # noqa: SLF001 - its own class
        return copy

    @contextmanager
    def _warming(self, n: int) -> Generator[Deadline]:
        if type(n) is not int or not 0 < n <= MAX_CONNECTIONS:
            message = f"n must be a whole number from 1 to {MAX_CONNECTIONS}"
            raise ParameterError(message, param="n")
        for mint in (SESSIONS, CLIENT_SECRETS):
            mint.prepare()
        try:
            yield Deadline.after(self._configuration.timeout.total, time.monotonic)
        except APIConnectionError as error:
            error.url = self.base_url
            raise

    @property
    def base_url(self) -> str:
        """Where calls go, without a trailing slash."""
        return self._configuration.provider.base_url

    @property
    def provider(self) -> Provider:
        """Who is called: name, paths, dialect."""
        return self._configuration.provider

    def __repr__(self) -> str:
        # Shown in tracebacks too, where a setting was refused and there is no configuration yet.
        is_built = hasattr(self, "_configuration")
        return f"{type(self).__name__}({f'base_url={self.base_url!r}' if is_built else ''})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        message = f"{type(self).__name__} holds connections and a key, and cannot be pickled"
        raise TypeError(message)


class RealtimeSessionsClient(_Client[AsyncEngine]):
    """The async client, for asyncio and trio.

        async with RealtimeSessionsClient() as client:
            session = await client.sessions.create(model="gpt-realtime", voice="verse")
            session.client_secret.value

    Every setting is optional (`ClientOptions` documents each); the API key comes from
    `OPENAI_API_KEY` when it is not passed. One client serves a whole process: share it between
    tasks, and close it with `async with` or `await client.aclose()`.

    `http_client` is an `httpx.AsyncClient` (or httpx2's) of your own to send through; it stays
    yours to close. Raises `ConfigurationError` when a setting is missing or unusable.
    """

    sessions: AsyncSessions
    """Realtime sessions: `create`."""
    transcription_sessions: AsyncTranscriptionSessions
    """Transcription sessions: `create`."""
    client_secrets: AsyncClientSecrets
    """Client secrets in the nested shape: `create`."""
    translations: AsyncTranslations
    """Translation sessions: `client_secrets.create`."""
    calls: AsyncCalls
    """WebRTC and phone calls: `create`, `accept`, `reject`, `refer`, `hangup`."""

    def __init__(
        self,
        *,
        http_client: AsyncHttpClient | None = None,
        **options: Unpack[AsyncClientOptions],
    ) -> None:
        configuration = Configuration.resolve(options)
        engine = async_engine(options, http_client)
        self._begin(configuration, RetryBudget(), engine, owns_engine=True)

    def _attach_resources(self, context: RetryContext) -> None:
        configuration = self._configuration
        driver = AsyncDriver(self._engine, configuration.credential, context)
        self.sessions = AsyncSessions(driver, configuration)
        self.transcription_sessions = AsyncTranscriptionSessions(driver, configuration)
        self.client_secrets = AsyncClientSecrets(driver, configuration)
        self.translations = AsyncTranslations(driver, configuration)
        self.calls = AsyncCalls(driver, configuration)

    def with_options(self, **options: Unpack[AsyncClientOptions]) -> Self:
        """Return a client with some settings replaced, on the same connections and retry budget.

        Closing the copy closes nothing: the connections are the original's.
        """
        return self._copied(options)

    async def warm_up(self, n: int = 1) -> None:
        """Open connections now, so that the first users do not wait for DNS, TCP and TLS.

        Afterwards `n` connections (1–1000) are idle; those that already were count. Nothing is sent
        on them, but on `reqwest` a GET without the key. What the first call would build, it finds built. Through a proxy, the way to the
        proxy is opened; a client of your own (`http_client`) is left as it is. Servers close
        connections that stay silent, many after a minute: call it when the service starts.

        Raises `APIConnectionError` (`APITimeoutError`, `CertificateError`) when one cannot be
        opened; the others stay open, and calls may be made all the same.
        """
        with self._warming(n) as deadline:
            await self._engine.connect(self.base_url, n, self._configuration.timeout, deadline)

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
        if self._owns_engine:
            await self._engine.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


class SyncRealtimeSessionsClient(_Client[SyncEngine]):
    """The blocking client, for scripts and threads.

        with SyncRealtimeSessionsClient() as client:
            session = client.sessions.create(model="gpt-realtime", voice="verse")
            session.client_secret.value

    Settings are those of `RealtimeSessionsClient`; `http_client` is an `httpx.Client` here, and
    `api_key` no async callable. Threads may share one client. Close it with `with` or
    `client.close()`.
    """

    sessions: Sessions
    """Realtime sessions: `create`."""
    transcription_sessions: TranscriptionSessions
    """Transcription sessions: `create`."""
    client_secrets: ClientSecrets
    """Client secrets in the nested shape: `create`."""
    translations: Translations
    """Translation sessions: `client_secrets.create`."""
    calls: Calls
    """WebRTC and phone calls: `create`, `accept`, `reject`, `refer`, `hangup`."""

    def __init__(
        self,
        *,
        http_client: SyncHttpClient | None = None,
        **options: Unpack[SyncClientOptions],
    ) -> None:
        configuration = Configuration.resolve(options)
        engine = sync_engine(options, http_client)
        self._begin(configuration, RetryBudget(), engine, owns_engine=True)

    def _attach_resources(self, context: RetryContext) -> None:
        configuration = self._configuration
        driver = SyncDriver(self._engine, configuration.credential, context)
        self.sessions = Sessions(driver, configuration)
        self.transcription_sessions = TranscriptionSessions(driver, configuration)
        self.client_secrets = ClientSecrets(driver, configuration)
        self.translations = Translations(driver, configuration)
        self.calls = Calls(driver, configuration)

    def with_options(self, **options: Unpack[SyncClientOptions]) -> Self:
        """Return a client with some settings replaced, on the same connections and retry budget.

        Closing the copy closes nothing: the connections are the original's.
        """
        return self._copied(options)

    def warm_up(self, n: int = 1) -> None:
        """Open connections now: as `RealtimeSessionsClient.warm_up`, blocking."""
        with self._warming(n) as deadline:
            self._engine.connect(self.base_url, n, self._configuration.timeout, deadline)

    def secret_pool(self, **params: Unpack[SecretPoolParams]) -> SyncSecretPool:
        """Return a pool that mints ahead: as `RealtimeSessionsClient.secret_pool`, for threads."""
        from openai_realtime.secret_pool import SyncSecretPool  # noqa: PLC0415 - few make one

        return SyncSecretPool(self.sessions, self._configuration, self._context, params)

    def close(self) -> None:
        """Close the connections. Repeatable; calls made afterwards raise `ClientClosedError`."""
        if self._owns_engine:
            self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
