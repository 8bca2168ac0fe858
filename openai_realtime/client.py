"""The two clients and their base class.

Rule for this file: a resource is imported when it is first used, because few programs use them all.
"""

from __future__ import annotations

import random
import time
from abc import abstractmethod
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Generic, NoReturn, Self, TypeVar, Unpack

from openai_realtime import resources, transports
from openai_realtime import secret_pool as pools
from openai_realtime.configuration import AsyncClientOptions, Configuration, SyncClientOptions
from openai_realtime.core.deadline import Deadline, deadline_passed
from openai_realtime.core.exchange import RetryContext
from openai_realtime.core.retry import RetryBudget
from openai_realtime.errors import APIConnectionError, APITimeoutError, ParameterError
from openai_realtime.logs import log_listener, set_up_from_environment
from openai_realtime.official_names import CLIENT, OfficialNames
from openai_realtime.providers import Provider
from openai_realtime.resources.resource import ConstructorSignature
from openai_realtime.transports.base import AsyncConnections, SyncConnections
from openai_realtime.transports.drivers import AsyncDriver, SyncDriver
from openai_realtime.transports.exceptions import DESCRIPTORS_TO_CONNECT
from openai_realtime.transports.factory import async_connections, sync_connections
from openai_realtime.transports.pool import MAX_CONNECTIONS
from openai_realtime.transports.proxies import Origin, origin_of

if TYPE_CHECKING:
    from openai_realtime.configuration import AnyClientOptions
    from openai_realtime.core.events import Listener

C = TypeVar("C", AsyncConnections, SyncConnections)


class BaseClient(OfficialNames, Generic[C]):
    """The base of both clients: settings, connections, and a repr that shows no key."""

    _official_names: ClassVar[Mapping[str, str]] = CLIENT

    _configuration: Configuration
    _budget: RetryBudget
    _context: RetryContext
    _connections: C
    _owns_connections: bool

    @abstractmethod
    def _attach_driver(self) -> None:
        """Create `_driver` from `_connections`, `_configuration` and `_context`."""

    def _begin(
        self,
        configuration: Configuration,
        budget: RetryBudget,
        connections: C,
        *,
        owns_connections: bool,
    ) -> None:
        set_up_from_environment()
        get_listener: Callable[[], Listener | None] = log_listener
        hook = configuration.options.get("on_event")
        if hook is not None:
            from openai_realtime import observe  # noqa: PLC0415 - few clients have a hook

            # Copies of the client share the guarded hook: it logs each exception class once.
            hook = configuration.options["on_event"] = observe.guarded(hook)
            get_listener = observe.listener_getter(hook)
        self._configuration = configuration
        self._budget = budget
        self._connections = connections
        self._owns_connections = owns_connections
        self._context = RetryContext(
            policy=configuration.retry,
            budget=budget,
            clock=time.monotonic,
            random=random.random,
            get_listener=get_listener,
        )
        self._attach_driver()

    def _copied(self, options: AnyClientOptions) -> Self:
        copy: Self = self.__class__.__new__(self.__class__)
        # The copy makes its own resources, when they are first used.
        copy.__dict__.update(
            {
                name: value
                for name, value in self.__dict__.items()
                if not isinstance(getattr(type(self), name, None), cached_property)
            }
        )
        configuration = self._configuration.with_options(options)
        copy._begin(configuration, self._budget, self._connections, owns_connections=False)
        return copy

    @contextmanager
    def _warming(self, n: int) -> Generator[tuple[Origin, Deadline]]:
        if type(n) is not int or not 0 < n <= MAX_CONNECTIONS:
            message = f"n must be a whole number from 1 to {MAX_CONNECTIONS}"
            raise ParameterError(message, param="n")
        with DESCRIPTORS_TO_CONNECT:
            from openai_realtime.resources.client_secrets import CREATE as CLIENT_SECRETS  # noqa: PLC0415 - on first use
            from openai_realtime.resources.sessions import CREATE as SESSIONS  # noqa: PLC0415

            for operation in (SESSIONS, CLIENT_SECRETS):
                operation.prepare()
        limits = self._configuration.timeout
        deadline = Deadline.after(limits.total, time.monotonic)
        origin = origin_of(self.base_url, loopback_only=self.provider.loopback_only)
        try:
            with DESCRIPTORS_TO_CONNECT:
                yield origin, deadline
        except APIConnectionError as error:
            if isinstance(error, APITimeoutError) and not deadline.remaining():
                error = deadline_passed(limits.total, possibly_acted=False)
            error.url = self.base_url
            raise error from error.__cause__

    @property
    def base_url(self) -> str:
        """The base URL of all calls, without a trailing slash."""
        return self._configuration.provider.base_url

    @property
    def provider(self) -> Provider:
        """The provider that is called: its name, paths and dialect."""
        return self._configuration.provider

    @property
    def is_closed(self) -> bool:
        """Whether it, or its `http_client`, is closed, so that calls raise `ClientClosedError`."""
        return self._connections.is_closed

    def __repr__(self) -> str:
        # If a setting is unusable, a traceback may show the client without a configuration.
        is_built = hasattr(self, "_configuration")
        return f"{type(self).__name__}({f'base_url={self.base_url!r}' if is_built else ''})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        message = f"{type(self).__name__} holds connections and a key, and cannot be pickled"
        raise TypeError(message)


class RealtimeSessionsClient(BaseClient[AsyncConnections]):
    """The async client, for asyncio and trio.

        async with RealtimeSessionsClient() as client:
            session = await client.sessions.create(model="gpt-realtime-2.1", voice="verse")
            session.client_secret.value

    Every setting is optional (`ClientOptions` documents each); the API key comes from
    `OPENAI_API_KEY` when it is not passed. Use one client for the whole process: share it between
    tasks, and close it with `async with` or `await client.aclose()`.

    To send requests through httpx (or httpx2), pass your own client as `http_client`
    (`httpx.AsyncClient`), or a transport as `transport` (`httpx.AsyncHTTPTransport(http2=True)`,
    `httpx.MockTransport(handler)`, `httpx.ASGITransport(app)`, …). This client closes neither.

    Raises `ConfigurationError` when a setting is missing or unusable.
    """

    __signature__: ConstructorSignature = ConstructorSignature(AsyncClientOptions)

    def __init__(
        self,
        *,
        http_client: transports.AsyncHttpClient | None = None,
        transport: transports.AsyncHttpTransport | None = None,
        **options: Unpack[AsyncClientOptions],
    ) -> None:
        configuration = Configuration.resolve(options)
        connections = async_connections(options, http_client, transport)
        self._begin(configuration, RetryBudget(), connections, owns_connections=True)

    def _attach_driver(self) -> None:
        self._driver = AsyncDriver(self._connections, self._configuration.credential, self._context)

    @cached_property
    @DESCRIPTORS_TO_CONNECT
    def sessions(self) -> resources.AsyncSessions:
        """Realtime sessions: `create`."""
        return resources.AsyncSessions(self._driver, self._configuration)

    @cached_property
    @DESCRIPTORS_TO_CONNECT
    def transcription_sessions(self) -> resources.AsyncTranscriptionSessions:
        """Transcription sessions: `create`."""
        return resources.AsyncTranscriptionSessions(self._driver, self._configuration)

    @cached_property
    @DESCRIPTORS_TO_CONNECT
    def client_secrets(self) -> resources.AsyncClientSecrets:
        """Client secrets in the nested shape: `create`."""
        return resources.AsyncClientSecrets(self._driver, self._configuration)

    @cached_property
    @DESCRIPTORS_TO_CONNECT
    def translations(self) -> resources.AsyncTranslations:
        """Translation sessions: `client_secrets.create`."""
        return resources.AsyncTranslations(self._driver, self._configuration)

    @cached_property
    @DESCRIPTORS_TO_CONNECT
    def calls(self) -> resources.AsyncCalls:
        """WebRTC and phone calls: `create`, `accept`, `reject`, `refer`, `hangup`."""
        return resources.AsyncCalls(self._driver, self._configuration)

    @cached_property
    @DESCRIPTORS_TO_CONNECT
    def live(self) -> resources.AsyncLive:
        """GPT-Live: `create`, `sessions`."""
        return resources.AsyncLive(self._driver, self._configuration)

    @cached_property
    @DESCRIPTORS_TO_CONNECT
    def models(self) -> resources.AsyncModels:
        """The provider's models: `retrieve`."""
        return resources.AsyncModels(self._driver, self._configuration)

    def with_options(self, **options: Unpack[AsyncClientOptions]) -> Self:
        """Return a copy of the client with some settings replaced.

        It shares the connections and the retry budget; closing the copy does not close them. Raises
        `ConfigurationError` for a setting that is unknown, unusable, or fixed (such as `proxy`).
        """
        return self._copied(options)

    async def warm_up(self, n: int = 1) -> None:
        """Open connections now, so that the first users do not wait for DNS, TCP and TLS.

        Afterwards `n` connections (1–1000, default 1) are idle, including those that were idle
        before. No request is sent. The modules and validators that the first call needs are loaded
        too. With a proxy, the connections to the proxy are opened; with your own `http_client` or
        `transport`, no connection is. Call it when the service starts: many servers close idle
        connections after a minute.

        Raises `ParameterError` when `n` is out of range, and `APIConnectionError` (or a subclass:
        `APITimeoutError`, `CertificateError`) when a connection cannot be opened; the others stay
        open, and the client stays usable.
        """
        with self._warming(n) as (origin, deadline):
            await self._connections.connect(origin, n, self._configuration.timeout, deadline)

    @DESCRIPTORS_TO_CONNECT
    def secret_pool(self, **params: Unpack[pools.SecretPoolParams]) -> pools.SecretPool:
        """Return a pool that mints sessions in advance, so that `acquire` takes microseconds.

            async with client.secret_pool(size=8, model="gpt-realtime-2.1", voice="verse") as pool:
                session = await pool.acquire()

        The parameters are those of `sessions.create` and the pool's own (`SecretPoolParams`). If
        `client_secret` sets no lifetime, secrets live for 600 seconds, or for twice `min_ttl` if
        that is more (at most 7200). Raises `ParameterError` when a parameter is wrong, and for
        `safety_identifier`, because such a secret belongs to one person.
        """
        return pools.SecretPool(self.sessions, self._configuration, self._context, params)

    async def aclose(self) -> None:
        """Close the connections; later calls raise `ClientClosedError`. It may be called twice."""
        if self._owns_connections:
            await self._connections.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.aclose()


class SyncRealtimeSessionsClient(BaseClient[SyncConnections]):
    """The blocking client, for scripts and threads.

        with SyncRealtimeSessionsClient() as client:
            session = client.sessions.create(model="gpt-realtime-2.1", voice="verse")
            session.client_secret.value

    The settings are those of `RealtimeSessionsClient`, except that `http_client` is an
    `httpx.Client`, `transport` is an `httpx.BaseTransport`, and `api_key` cannot be an async
    callable. Threads may share one client. Close it with `with` or `client.close()`.
    """

    __signature__: ConstructorSignature = ConstructorSignature(SyncClientOptions)

    def __init__(
        self,
        *,
        http_client: transports.SyncHttpClient | None = None,
        transport: transports.SyncHttpTransport | None = None,
        **options: Unpack[SyncClientOptions],
    ) -> None:
        configuration = Configuration.resolve(options)
        connections = sync_connections(options, http_client, transport)
        self._begin(configuration, RetryBudget(), connections, owns_connections=True)

    def _attach_driver(self) -> None:
        self._driver = SyncDriver(self._connections, self._configuration.credential, self._context)

    @cached_property
    @DESCRIPTORS_TO_CONNECT
    def sessions(self) -> resources.Sessions:
        """Realtime sessions: `create`."""
        return resources.Sessions(self._driver, self._configuration)

    @cached_property
    @DESCRIPTORS_TO_CONNECT
    def transcription_sessions(self) -> resources.TranscriptionSessions:
        """Transcription sessions: `create`."""
        return resources.TranscriptionSessions(self._driver, self._configuration)

    @cached_property
    @DESCRIPTORS_TO_CONNECT
    def client_secrets(self) -> resources.ClientSecrets:
        """Client secrets in the nested shape: `create`."""
        return resources.ClientSecrets(self._driver, self._configuration)

    @cached_property
    @DESCRIPTORS_TO_CONNECT
    def translations(self) -> resources.Translations:
        """Translation sessions: `client_secrets.create`."""
        return resources.Translations(self._driver, self._configuration)

    @cached_property
    @DESCRIPTORS_TO_CONNECT
    def calls(self) -> resources.Calls:
        """WebRTC and phone calls: `create`, `accept`, `reject`, `refer`, `hangup`."""
        return resources.Calls(self._driver, self._configuration)

    @cached_property
    @DESCRIPTORS_TO_CONNECT
    def live(self) -> resources.Live:
        """GPT-Live: `create`, `sessions`."""
        return resources.Live(self._driver, self._configuration)

    @cached_property
    @DESCRIPTORS_TO_CONNECT
    def models(self) -> resources.Models:
        """The provider's models: `retrieve`."""
        return resources.Models(self._driver, self._configuration)

    def with_options(self, **options: Unpack[SyncClientOptions]) -> Self:
        """Return a copy of the client with some settings replaced.

        It shares the connections and the retry budget; closing the copy does not close them. Raises
        `ConfigurationError` for a setting that is unknown, unusable, or fixed (such as `proxy`).
        """
        return self._copied(options)

    def warm_up(self, n: int = 1) -> None:
        """Open connections now, so that the first users do not wait for DNS, TCP and TLS.

        Afterwards `n` connections (1–1000, default 1) are idle, including those that were idle
        before. No request is sent. The modules and validators that the first call needs are loaded
        too. With a proxy, the connections to the proxy are opened; with your own `http_client` or
        `transport`, no connection is. Call it when the service starts: many servers close idle
        connections after a minute.

        Raises `ParameterError` when `n` is out of range, and `APIConnectionError` (or a subclass:
        `APITimeoutError`, `CertificateError`) when a connection cannot be opened; the others stay
        open, and the client stays usable.
        """
        with self._warming(n) as (origin, deadline):
            self._connections.connect(origin, n, self._configuration.timeout, deadline)

    @DESCRIPTORS_TO_CONNECT
    def secret_pool(self, **params: Unpack[pools.SecretPoolParams]) -> pools.SyncSecretPool:
        """Return a pool that mints sessions in advance, so that `acquire` takes microseconds.

            with client.secret_pool(size=8, model="gpt-realtime-2.1", voice="verse") as pool:
                session = pool.acquire()

        The parameters are those of `sessions.create` and the pool's own (`SecretPoolParams`). If
        `client_secret` sets no lifetime, secrets live for 600 seconds, or for twice `min_ttl` if
        that is more (at most 7200). Raises `ParameterError` when a parameter is wrong, and for
        `safety_identifier`, because such a secret belongs to one person.
        """
        return pools.SyncSecretPool(self.sessions, self._configuration, self._context, params)

    def close(self) -> None:
        """Close the connections; later calls raise `ClientClosedError`. It may be called twice."""
        if self._owns_connections:
            self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()
