"""Tells whether something intercepts httpx or httpcore now: calls then go where it meets them.

respx, pytest-httpx, pytest-httpx2 and vcrpy put functions of their own in the place of methods of
httpx, httpcore, httpx2 or httpcore2, which a client's own connections do not use. Every call looks
anew, so it does not matter whether a client was made before the mock began.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from functools import partial, partialmethod
from types import ModuleType
from typing import TYPE_CHECKING, cast

from openai_realtime.transports.drivers import SyncEngine
from openai_realtime.transports.exceptions import client_closed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openai_realtime.transports.drivers import AsyncEngine
    from openai_realtime.transports.proxies import ProxyRules

_CARRIERS = {"httpx": "httpx", "httpcore": "httpx", "httpx2": "httpx2", "httpcore2": "httpx2"}
"""Which library carries a call to what intercepts a package."""

_ASYNC, _SYNC = "handle_async_request", "handle_request"
_modules = sys.modules


class _Method:
    """A method that interceptors replace, as it was found last when it was its package's own."""

    __slots__ = ("_class_name", "_name", "members", "method", "owner", "package")

    def __init__(self, package: str, class_name: str, name: str) -> None:
        self.package = package
        self._class_name = class_name
        self._name = name
        self.owner: object = None
        self.members: Mapping[str, object] = {}
        self.method: object = None

    def is_replaced(self) -> bool:
        """Return whether its code is of another package now."""
        module = _modules.get(self.package)
        if not isinstance(module, ModuleType):
            return False
        owner = getattr(module, self._class_name, None)
        method = getattr(owner, self._name, None)
        if method is not None and not _is_of(module, method):
            return True
        self.members = getattr(owner, "__dict__", {})
        self.method = self.members.get(self._name)
        self.owner = owner
        return False


_HTTPX_ASYNC = _Method("httpx", "AsyncHTTPTransport", _ASYNC)
_HTTPCORE_ASYNC = _Method("httpcore", "AsyncConnectionPool", _ASYNC)
_HTTPX2_ASYNC = _Method("httpx2", "AsyncHTTPTransport", _ASYNC)
_HTTPCORE2_ASYNC = _Method("httpcore2", "AsyncConnectionPool", _ASYNC)
_HTTPX_SYNC = _Method("httpx", "HTTPTransport", _SYNC)
_HTTPCORE_SYNC = _Method("httpcore", "ConnectionPool", _SYNC)
_HTTPX2_SYNC = _Method("httpx2", "HTTPTransport", _SYNC)
_HTTPCORE2_SYNC = _Method("httpcore2", "ConnectionPool", _SYNC)


class AsyncInterception(ABC):
    """What async connections of a client's own inherit to give way to httpx."""

    _rules: ProxyRules
    is_closed: bool

    @abstractmethod
    def _running(self) -> AsyncEngine:
        """Return the engine of its own, for what runs now."""

    def current(self) -> AsyncEngine:
        """Return the engine to send by now: its own, or httpx's while something intercepts it."""
        if self.is_closed:
            raise client_closed()
        # It runs at every call, so it is written out: a loop would take twice as long. Members are
        # compared, because the attribute is a new object at each look where OpenTelemetry wraps it.
        found = _modules
        try:
            is_as_seen = (
                (
                    "httpx" not in found
                    or (
                        found["httpx"].AsyncHTTPTransport is _HTTPX_ASYNC.owner
                        and _HTTPX_ASYNC.members[_ASYNC] is _HTTPX_ASYNC.method
                        and ("respx.mocks" not in found or not _mocked_by_respx())
                    )
                )
                and (
                    "httpcore" not in found
                    or (
                        found["httpcore"].AsyncConnectionPool is _HTTPCORE_ASYNC.owner
                        and _HTTPCORE_ASYNC.members[_ASYNC] is _HTTPCORE_ASYNC.method
                    )
                )
                and (
                    "httpx2" not in found
                    or (
                        found["httpx2"].AsyncHTTPTransport is _HTTPX2_ASYNC.owner
                        and _HTTPX2_ASYNC.members[_ASYNC] is _HTTPX2_ASYNC.method
                    )
                )
                and (
                    "httpcore2" not in found
                    or (
                        found["httpcore2"].AsyncConnectionPool is _HTTPCORE2_ASYNC.owner
                        and _HTTPCORE2_ASYNC.members[_ASYNC] is _HTTPCORE2_ASYNC.method
                    )
                )
            )
        except (AttributeError, KeyError):  # it is being imported, or the method is inherited
            is_as_seen = False
        if not is_as_seen:
            package = _carrier(_HTTPX_ASYNC, _HTTPCORE_ASYNC, _HTTPX2_ASYNC, _HTTPCORE2_ASYNC)
            if package is not None:
                from openai_realtime.transports.httpx_client import PlainAsyncEngine  # noqa: PLC0415 - few

                return PlainAsyncEngine(package, self._rules)
        return self._running()


class SyncInterception(SyncEngine):
    """What a sync engine with connections of its own inherits to give way to httpx."""

    _rules: ProxyRules
    is_closed: bool

    def current(self) -> SyncEngine:
        """Return the engine to send by now: itself, or httpx's while something intercepts it."""
        if self.is_closed:
            raise client_closed()
        found = _modules  # written out as above
        try:
            is_as_seen = (
                (
                    "httpx" not in found
                    or (
                        found["httpx"].HTTPTransport is _HTTPX_SYNC.owner
                        and _HTTPX_SYNC.members[_SYNC] is _HTTPX_SYNC.method
                        and ("respx.mocks" not in found or not _mocked_by_respx())
                    )
                )
                and (
                    "httpcore" not in found
                    or (
                        found["httpcore"].ConnectionPool is _HTTPCORE_SYNC.owner
                        and _HTTPCORE_SYNC.members[_SYNC] is _HTTPCORE_SYNC.method
                    )
                )
                and (
                    "httpx2" not in found
                    or (
                        found["httpx2"].HTTPTransport is _HTTPX2_SYNC.owner
                        and _HTTPX2_SYNC.members[_SYNC] is _HTTPX2_SYNC.method
                    )
                )
                and (
                    "httpcore2" not in found
                    or (
                        found["httpcore2"].ConnectionPool is _HTTPCORE2_SYNC.owner
                        and _HTTPCORE2_SYNC.members[_SYNC] is _HTTPCORE2_SYNC.method
                    )
                )
            )
        except (AttributeError, KeyError):  # it is being imported, or the method is inherited
            is_as_seen = False
        if not is_as_seen:
            package = _carrier(_HTTPX_SYNC, _HTTPCORE_SYNC, _HTTPX2_SYNC, _HTTPCORE2_SYNC)
            if package is not None:
                from openai_realtime.transports.httpx_client import PlainSyncEngine  # noqa: PLC0415 - few

                return PlainSyncEngine(package, self._rules)
        return self


def _carrier(*methods: _Method) -> str | None:
    """Return the library that carries calls to an interceptor, or None where there is none."""
    for method in methods:
        if method.is_replaced():
            return _CARRIERS[method.package]
    return _mocked_by_respx()


def _is_of(module: ModuleType, method: object) -> bool:
    """Return whether a method's code is of the package that it is found in.

    Its `__module__` does not tell: vcrpy copies it. A wrapper that forwards attributes, as wrapt's
    does for OpenTelemetry, counts as what it wraps. What has no code to look at, such as a `Mock`, is
    of no package.
    """
    while isinstance(method, partial | partialmethod):
        method = method.func
    names: object = getattr(method, "__globals__", None)
    if not isinstance(names, dict):
        return False
    found = cast("dict[str, object]", names).get("__name__")
    return isinstance(found, str) and _root(found) == _root(module.__name__)


def _root(module_name: str) -> str:
    return module_name.partition(".")[0]


def _mocked_by_respx() -> str | None:
    """Return the library that respx mocks now, or None.

    In httpx's clients it replaces a method without a public name: that it has routers tells.
    """
    try:
        mockers = _modules["respx.mocks"].Mocker.registry.values()
    except (AttributeError, KeyError):  # it is being imported, or not at all
        return None
    for mocker in mockers:
        if mocker.routers:
            for target in mocker.targets:
                if (carrier := _CARRIERS.get(_root(target))) is not None:
                    return carrier
    return None
