"""Chooses how a client sends: its own connections, the user's client or transport, or httpx.

Rule for this file: while something intercepts httpx or httpcore, calls go through httpx. respx,
pytest-httpx, pytest-httpx2 and vcrpy replace methods of httpx, httpcore, httpx2 or httpcore2, which
a client's own connections do not use. Every call checks for that, so a client may be made before a
mock begins.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial, partialmethod
from types import ModuleType
from typing import TYPE_CHECKING, cast

from openai_realtime.errors import ConfigurationError
from openai_realtime.transports.base import runs_on_asyncio
from openai_realtime.transports.exceptions import client_closed
from openai_realtime.transports.proxies import ProxyRules

if TYPE_CHECKING:
    from openai_realtime.configuration import AnyClientOptions
    from openai_realtime.core.deadline import Deadline, Timeout
    from openai_realtime.transports.asyncio_engine import AsyncioEngine
    from openai_realtime.transports.base import (
        AsyncConnections,
        AsyncEngine,
        SyncConnections,
        SyncEngine,
    )
    from openai_realtime.transports.httpx_client import (
        AsyncHttpClient,
        AsyncHttpTransport,
        SyncHttpClient,
        SyncHttpTransport,
    )
    from openai_realtime.transports.proxies import Origin
    from openai_realtime.transports.trio_engine import TrioEngine

_NO_PROXY = ProxyRules(None, trust_env=False)
_CARRIERS = {"httpx": "httpx", "httpcore": "httpx", "httpx2": "httpx2", "httpcore2": "httpx2"}
"""For each package that may be intercepted, the library through which a call then goes."""


class _Watched:
    """A method that interceptors replace, and its last known original."""

    __slots__ = ("class_name", "members", "method", "name", "owner", "package")

    def __init__(self, package: str, class_name: str, name: str) -> None:
        self.package = package
        self.class_name = class_name
        self.name = name
        self.owner: object = None
        self.members: Mapping[str, object] = {name: None}
        self.method: object = None

    def is_replaced(self, module: object) -> bool:
        """Return whether its code now belongs to another package."""
        owner = getattr(module, self.class_name, None)
        method = getattr(owner, self.name, None)
        if not isinstance(module, ModuleType) or method is None:
            return False
        if not _is_of(module, method):
            return True
        self.members = getattr(owner, "__dict__", {})
        self.method = self.members.get(self.name)
        self.owner = owner
        return False


_Methods = tuple[_Watched, ...]
_ASYNC: _Methods = (
    _Watched("httpx", "AsyncHTTPTransport", "handle_async_request"),
    _Watched("httpcore", "AsyncConnectionPool", "handle_async_request"),
    _Watched("httpx2", "AsyncHTTPTransport", "handle_async_request"),
    _Watched("httpcore2", "AsyncConnectionPool", "handle_async_request"),
)
_SYNC: _Methods = (
    _Watched("httpx", "HTTPTransport", "handle_request"),
    _Watched("httpcore", "ConnectionPool", "handle_request"),
    _Watched("httpx2", "HTTPTransport", "handle_request"),
    _Watched("httpcore2", "ConnectionPool", "handle_request"),
)


def _carrier(methods: _Methods) -> str | None:
    """Return the library through which calls reach an interceptor, or None without one."""
    modules = sys.modules
    if not (
        "httpx" in modules or "httpcore" in modules or "httpx2" in modules or "httpcore2" in modules
    ):
        return None
    for watched in methods:
        if watched.package in modules:
            module = modules[watched.package]
            # Inline, because it runs at every call. It compares the class's members:
            # OpenTelemetry's wrapper is a new object at every access of the attribute.
            if (
                getattr(module, watched.class_name, None) is not watched.owner
                or watched.method is None
                or watched.members[watched.name] is not watched.method
            ) and watched.is_replaced(module):
                return _CARRIERS[watched.package]
    return _mocked_by_respx() if "respx.mocks" in modules else None


def _is_of(module: ModuleType, method: object) -> bool:
    """Return whether a method's code belongs to the package of the module that has it.

    `__module__` does not show that: vcrpy copies it. A wrapper that forwards attributes (wrapt's,
    which OpenTelemetry uses) counts as the method that it wraps. An object without code, such as a
    `Mock`, belongs to no package.
    """
    while isinstance(method, partial | partialmethod):
        method = method.func
    names: object = getattr(method, "__globals__", None)
    if not isinstance(names, dict):
        return False
    module_name = cast("dict[str, object]", names).get("__name__")
    return isinstance(module_name, str) and _root(module_name) == _root(module.__name__)


def _root(module_name: str) -> str:
    return module_name.partition(".")[0]


def _mocked_by_respx() -> str | None:
    """Return the library that respx mocks now, or None.

    respx replaces a private method of httpx's clients, so its public list of routers is read.
    """
    try:
        mockers = list(sys.modules["respx.mocks"].Mocker.registry.values())
    except (AttributeError, KeyError):  # respx is not imported, or not yet completely
        return None
    for mocker in mockers:
        if mocker.routers:
            for target in mocker.targets:
                if (carrier := _CARRIERS.get(_root(target))) is not None:
                    return carrier
    return None


class OwnAsyncConnections:
    """A client's own connections, on asyncio or trio."""

    def __init__(self, rules: ProxyRules) -> None:
        self._rules = rules
        # Threads may share the client, each with an event loop. `setdefault` of a dict is atomic.
        self._engines: dict[str, AsyncioEngine | TrioEngine] = {}
        self.is_closed: bool = False
        """Whether it was closed, so that calls raise `ClientClosedError`."""

    def current(self) -> AsyncEngine:
        """Return the engine for the next request: httpx's while something intercepts httpx."""
        if self.is_closed:
            raise client_closed()
        package = _carrier(_ASYNC)
        if package is None:
            return self._own()
        from openai_realtime.transports.httpx_client import PlainAsyncEngine  # noqa: PLC0415 - rare

        return PlainAsyncEngine(package, self._rules)

    def direct(self) -> AsyncEngine:
        """Return the engine for plain http, which never goes through a proxy."""
        return self.current()

    def _own(self) -> AsyncioEngine | TrioEngine:
        if "trio" in sys.modules and not runs_on_asyncio():
            if "trio" not in self._engines:
                from openai_realtime.transports.trio_engine import TrioEngine  # noqa: PLC0415

                self._engines.setdefault("trio", TrioEngine(self._rules))
            return self._engines["trio"]
        if "asyncio" not in self._engines:
            from openai_realtime.transports.asyncio_engine import AsyncioEngine  # noqa: PLC0415

            self._engines.setdefault("asyncio", AsyncioEngine(self._rules))
        return self._engines["asyncio"]

    async def connect(
        self, origin: Origin, count: int, limits: Timeout, deadline: Deadline
    ) -> None:
        """Open connections to an origin until `count` are idle; none while httpx is used."""
        own = self._own()
        if self.current() is own:  # an interceptor uses no connection
            await own.connect(origin, count, limits, deadline)

    async def aclose(self) -> None:
        """Close this event loop's idle connections; busy ones close after their call."""
        self.is_closed = True
        for engine in list(self._engines.values()):
            engine.is_closed = True
        await self._own().aclose()


class OwnSyncConnections:
    """A client's own connections, which its threads share."""

    def __init__(self, rules: ProxyRules) -> None:
        from openai_realtime.transports.sync_engine import ThreadEngine  # noqa: PLC0415 - rare

        self._rules = rules
        self._own = ThreadEngine(rules)
        self.is_closed: bool = False
        """Whether it was closed, so that calls raise `ClientClosedError`."""

    def current(self) -> SyncEngine:
        """Return the engine for the next request: httpx's while something intercepts httpx."""
        if self.is_closed:
            raise client_closed()
        package = _carrier(_SYNC)
        if package is None:
            return self._own
        from openai_realtime.transports.httpx_client import PlainSyncEngine  # noqa: PLC0415 - rare

        return PlainSyncEngine(package, self._rules)

    def direct(self) -> SyncEngine:
        """Return the engine for plain http, which never goes through a proxy."""
        return self.current()

    def connect(self, origin: Origin, count: int, limits: Timeout, deadline: Deadline) -> None:
        """Open connections to an origin until `count` are idle; none while httpx is used."""
        if self.current() is self._own:  # an interceptor uses no connection
            self._own.connect(origin, count, limits, deadline)

    def close(self) -> None:
        """Close the idle connections; busy ones close after their call."""
        self.is_closed = True
        self._own.close()


def async_connections(
    options: AnyClientOptions,
    http_client: AsyncHttpClient | None,
    transport: AsyncHttpTransport | None,
) -> AsyncConnections:
    """Return the async client's connections; raises `ConfigurationError` for options that clash."""
    _check_alone(options, http_client, transport)
    if http_client is None and transport is None:
        return OwnAsyncConnections(_proxy_rules(options))
    from openai_realtime.transports.httpx_client import AsyncHttpxEngine  # noqa: PLC0415 - rare

    engine = AsyncHttpxEngine.over(http_client, transport)
    engine.make_own = partial(OwnAsyncConnections, _NO_PROXY)
    return engine


def sync_connections(
    options: AnyClientOptions,
    http_client: SyncHttpClient | None,
    transport: SyncHttpTransport | None,
) -> SyncConnections:
    """Return the sync client's connections; raises `ConfigurationError` for options that clash."""
    _check_alone(options, http_client, transport)
    if http_client is None and transport is None:
        return OwnSyncConnections(_proxy_rules(options))
    from openai_realtime.transports.httpx_client import SyncHttpxEngine  # noqa: PLC0415 - rare

    engine = SyncHttpxEngine.over(http_client, transport)
    engine.make_own = partial(OwnSyncConnections, _NO_PROXY)
    return engine


def _check_alone(options: AnyClientOptions, http_client: object, transport: object) -> None:
    if http_client is not None and transport is not None:
        message = "pass transport=… or http_client=…, not both: a client has its own transport"
        raise ConfigurationError(message)
    for name, value in (("http_client", http_client), ("transport", transport)):
        if value is not None and options.get("proxy"):
            message = f"pass proxy=… or {name}=…, not both: your own {name} has its own proxies"
            raise ConfigurationError(message)


def _proxy_rules(options: AnyClientOptions) -> ProxyRules:
    return ProxyRules.of(options.get("proxy"), trust_env=options.get("trust_env", True))
