"""Which replacements of httpx's methods count as interceptors, and the cost of the check."""

import functools
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any
from unittest import mock

import httpcore
import httpcore2
import httpx
import httpx2
import pytest
import respx
import wrapt
from backends import ON_HTTPTOOLS, Backend
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

from openai_realtime import ClientClosedError, ConfigurationError
from openai_realtime.testing import MockRealtimeServer
from openai_realtime.transports.asyncio_engine import AsyncioEngine
from openai_realtime.transports.httpx_client import PlainAsyncEngine, PlainSyncEngine
from openai_realtime.transports.sync_engine import ThreadEngine
from openai_realtime.transports.trio_engine import TrioEngine

BACKENDS = ON_HTTPTOOLS
ENGINES = {"asyncio": AsyncioEngine, "sync": ThreadEngine, "trio": TrioEngine}


def carrier(backend: Backend) -> str | None:
    """Return the library that a client's calls go through, or None for its own connections."""

    async def body() -> Any:
        async with backend.client(api_key="sk-x") as client:
            return backend.engine(client)

    engine = backend.run(body)
    if not isinstance(engine, PlainSyncEngine | PlainAsyncEngine):
        assert isinstance(engine, ENGINES[backend.name])
        return None
    assert isinstance(engine, PlainSyncEngine) is backend.is_sync
    name: str = engine._library.__name__
    return name


def method_of(backend: Backend, package: Any) -> tuple[type[Any], str]:
    """Return where an interceptor of a package puts its function."""
    kind = "ConnectionPool" if "httpcore" in package.__name__ else "HTTPTransport"
    if backend.is_sync:
        return getattr(package, kind), "handle_request"
    return getattr(package, f"Async{kind}"), "handle_async_request"


PACKAGES = pytest.mark.parametrize(
    ("package", "library"),
    [(httpx, "httpx"), (httpcore, "httpx"), (httpx2, "httpx2"), (httpcore2, "httpx2")],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)


def as_a_function(_genuine: Any) -> Any:
    return lambda *_: None


def as_vcrpy_8_does(genuine: Any) -> Any:
    """Its stubs of httpcore: `functools.wraps` copies `__module__` and sets `__wrapped__`."""

    @functools.wraps(genuine)
    def replaced(*_: object) -> None: ...

    assert replaced.__module__ == genuine.__module__
    return replaced


def as_a_bound_method(_genuine: Any) -> Any:
    return Interceptor().method


def as_a_callable(_genuine: Any) -> Any:
    return Interceptor()


def as_a_partial(_genuine: Any) -> Any:
    return functools.partial(as_a_function, 1)


def as_a_partial_method(_genuine: Any) -> Any:
    return functools.partialmethod(Interceptor.method, 1)


def as_a_mock(_genuine: Any) -> Any:
    return mock.MagicMock()


def as_an_async_mock(_genuine: Any) -> Any:
    return mock.AsyncMock()


def as_an_autospec(genuine: Any) -> Any:
    return mock.create_autospec(genuine)


def as_a_wrapper_of_a_function(genuine: Any) -> Any:
    """An interceptor that OpenTelemetry wraps in turn."""
    return observed(as_a_function(genuine))


class Interceptor:
    def __call__(self, *_: object) -> None: ...

    def method(self, *_: object) -> None: ...


def observed(genuine: Any) -> Any:
    def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    return wrapt.FunctionWrapper(genuine, wrapper)


@PACKAGES
@pytest.mark.parametrize(
    "replace",
    [
        as_a_function,
        as_vcrpy_8_does,
        as_a_bound_method,
        as_a_callable,
        as_a_partial,
        as_a_partial_method,
        as_a_mock,
        as_an_async_mock,
        as_an_autospec,
        as_a_wrapper_of_a_function,
    ],
)
def test_a_method_that_is_replaced(
    backend: Backend,
    package: Any,
    library: str,
    replace: Callable[[Any], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner, name = method_of(backend, package)
    assert carrier(backend) is None
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, replace(getattr(owner, name)))
        assert carrier(backend) == library
        assert carrier(backend) == library  # what was found is not taken for the package's own
    assert carrier(backend) is None


@PACKAGES
def test_a_class_that_is_replaced(
    backend: Backend, package: Any, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name = method_of(backend, package)
    kinds: list[tuple[Any, str | None]] = [
        (mock.MagicMock(), library),
        (type("Replaced", (owner,), {name: as_a_function(None)}), library),
        (type("Inherited", (owner,), {}), None),
        (type("Other", (), {}), None),
    ]
    for replaced, expected in kinds:
        with monkeypatch.context() as patched:
            patched.setattr(package, owner.__name__, replaced)
            assert carrier(backend) == expected
            assert carrier(backend) == expected
    assert carrier(backend) is None


@PACKAGES
def test_what_is_not_loaded_whole(
    backend: Backend, package: Any, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for odd in (None, types.ModuleType(package.__name__), mock.MagicMock()):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, package.__name__, odd)
            assert carrier(backend) is None
    with monkeypatch.context() as patched:
        patched.delitem(sys.modules, package.__name__)
        assert carrier(backend) is None


def test_what_only_looks_on(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrapper of wrapt's, by which OpenTelemetry and others instrument, is what it wraps."""
    for package in (httpx, httpcore, httpx2, httpcore2):
        owner, name = method_of(backend, package)
        monkeypatch.setattr(owner, name, observed(getattr(owner, name)))
        assert carrier(backend) is None


def test_opentelemetry_with_and_without_a_mock(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    instrumentor = HTTPXClientInstrumentor()
    owner, name = method_of(backend, httpx)
    genuine = getattr(owner, name)
    instrumentor.instrument()
    try:
        assert getattr(owner, name) is not genuine
        assert carrier(backend) is None
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, as_a_function(None))
            assert carrier(backend) == "httpx"
        assert carrier(backend) is None
    finally:
        instrumentor.uninstrument()
    assert carrier(backend) is None


def test_httpx2_under_the_name_of_httpx(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `httpx2.alias_httpx()` does to a process: its methods are then httpx2's own."""
    monkeypatch.setitem(sys.modules, "httpx", httpx2)
    monkeypatch.setitem(sys.modules, "httpcore", httpcore2)
    assert carrier(backend) is None
    owner, name = method_of(backend, httpx2)
    monkeypatch.setattr(owner, name, as_a_function(None))
    assert carrier(backend) == "httpx2"


@pytest.mark.parametrize(
    ("targets", "library"),
    [
        (["httpx._client.Client"], "httpx"),
        (["httpx2._client.Client"], "httpx2"),
        (["aiohttp.client.ClientSession"], None),
        (["aiohttp.client.ClientSession", "httpcore2._sync.x"], "httpx2"),
    ],
)
def test_a_mocker_of_respx_with_routers(
    backend: Backend, targets: list[str], library: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    mocker: Any = respx.mocks.Mocker.registry["httpx"]
    monkeypatch.setattr(mocker, "targets", targets)
    assert carrier(backend) is None
    monkeypatch.setattr(mocker, "routers", [respx.Router()])
    assert carrier(backend) == library


def test_a_respx_that_is_loaded_half(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "respx.mocks", types.ModuleType("respx.mocks"))
    assert carrier(backend) is None


def test_a_client_that_is_closed_says_so(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name = method_of(backend, httpx)
    client = backend.client(api_key="sk-x")
    backend.run(client.aclose)
    monkeypatch.setattr(owner, name, as_a_function(None))
    with pytest.raises(ClientClosedError):
        backend.engine(client)
    with pytest.raises(ClientClosedError):
        backend.run(client.warm_up)


def test_httpcore2_without_httpx2(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name = method_of(backend, httpcore2)
    monkeypatch.setitem(sys.modules, "httpx2", None)
    monkeypatch.setattr(owner, name, as_a_function(None))
    with pytest.raises(ConfigurationError, match="pip install httpx2"):
        carrier(backend)


def test_sentry_and_opentelemetry_divert_no_call(realtime_server: MockRealtimeServer) -> None:
    """In a process of its own: Sentry's instrumentation cannot be taken back."""
    program = """
import asyncio
import httpx, httpx2
import sentry_sdk
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from sentry_sdk.integrations.httpx import HttpxIntegration
from sentry_sdk.integrations.httpx2 import Httpx2Integration

genuine = httpx.Client.send, httpx.HTTPTransport.handle_request
sentry_sdk.init(integrations=[HttpxIntegration(), Httpx2Integration()])
HTTPXClientInstrumentor().instrument()
assert httpx.Client.send is not genuine[0]
assert httpx.HTTPTransport.handle_request is not genuine[1]

from openai_realtime import RealtimeSessionsClient, SyncRealtimeSessionsClient

with SyncRealtimeSessionsClient() as client:
    assert type(client._connections.current()).__name__ == "ThreadEngine"
    client.sessions.create()

async def main():
    async with RealtimeSessionsClient() as client:
        assert type(client._connections.current()).__name__ == "AsyncioEngine"
        await client.sessions.create()

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(realtime_server.requests) == 2
    for request in realtime_server.requests:
        assert not {"traceparent", "sentry-trace"} & set(request.headers)


CHECKING = """
import sys, timeit
{imports}
from openai_realtime.transports.factory import OwnAsyncConnections, OwnSyncConnections
from openai_realtime.transports.proxies import ProxyRules

class Plain:
    def _running(self):
        return self
    def nothing(self):
        return self._running()

class AsyncConnections(OwnAsyncConnections):
    def _own(self):
        return self

plain, rules = Plain(), ProxyRules(None, trust_env=False)
libraries = {{"httpx", "httpcore", "httpx2", "httpcore2", "respx"}}
assert sorted(libraries & sys.modules.keys()) == sorted({names!r})
for own in (AsyncConnections(rules), OwnSyncConnections(rules)):
    assert type(own.current()).__name__ in ("AsyncConnections", "ThreadEngine")
    took = {{"own.current()": [], "plain.nothing()": []}}
    for _ in range(500):  # in turn, and in bits shorter than a busy machine's turns
        for statement in took:
            took[statement].append(timeit.timeit(statement, globals=globals(), number=500))
    print(min(took["own.current()"]) / min(took["plain.nothing()"]))
"""


@pytest.mark.parametrize(
    ("names", "most"),
    [
        ([], 8),  # 3.5 where a call of a method took 0.04 µs
        (["httpcore", "httpx"], 20),  # 7.5 there
        (["httpcore", "httpcore2", "httpx", "httpx2", "respx"], 50),  # 22 there
    ],
    ids=["nothing imported", "httpx", "everything"],
)
def test_the_check_costs_next_to_nothing(names: list[str], most: float) -> None:
    """So many calls of a method that does nothing; a look at the disk or a lock would be hundreds."""
    imports = "\n".join(f"import {name}" for name in names)
    done = subprocess.run(
        [sys.executable, "-c", CHECKING.format(imports=imports, names=names)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    ratios = [float(line) for line in done.stdout.split()]
    assert len(ratios) == 2
    assert max(ratios) < most, ratios
