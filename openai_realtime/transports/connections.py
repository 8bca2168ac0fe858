"""One connection a lane: direct or through a proxy, each with its own network.

Owns: what httpcore objects a lane is made of, and whether it may serve again. Must not know: which
lane is used next, limits, retries.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from functools import partial
from typing import Generic, TypeVar

import anyio
import httpcore

from openai_realtime.core.deadline import Deadline
from openai_realtime.core.head import HeadGuard
from openai_realtime.transports.blocking_network import SyncLaneNetwork
from openai_realtime.transports.lanes import KEEP_ALIVE_SECONDS
from openai_realtime.transports.network import AsyncLaneNetwork, Progress
from openai_realtime.transports.proxies import Proxy, ProxyRules
from openai_realtime.transports.tls import trusted_context

_CLOSING_SECONDS = 1.0
_FIRST_SERVER_ERROR = 500

_Pool = httpcore.ConnectionPool, httpcore.AsyncConnectionPool


C = TypeVar(
    "C",
    httpcore.HTTPConnection | httpcore.ConnectionPool,
    httpcore.AsyncHTTPConnection | httpcore.AsyncConnectionPool,
)
N = TypeVar("N", AsyncLaneNetwork, SyncLaneNetwork)


class _Lane(Generic[C, N]):
    """What both kinds of lane share: httpcore's object, and whether it may serve again."""

    _connection: C
    _network: N
    was_idle: bool = False
    """Whether it has waited for a request: its server may have closed it meanwhile."""

    @property
    def _members(self) -> list[httpcore.ConnectionInterface | httpcore.AsyncConnectionInterface]:
        # A proxy is a pool to httpcore: one of a single connection here.
        if isinstance(self._connection, _Pool):
            return [*self._connection.connections]
        return [self._connection]

    @property
    def has_answer_begun(self) -> bool:
        """Whether any byte has come since the last request."""
        return self._network.guard.has_begun

    def may_serve_again(self, status: int) -> bool:
        """Return whether the answer was read to its end, nothing came behind it, and it is kept.

        After a server error it is not: who answered may be about to go.
        What came behind an answer would be taken for the next call's: a secret for somebody else.
        """
        self.was_idle = True
        members = self._members
        return (
            status < _FIRST_SERVER_ERROR
            and bool(members)
            and all(member.is_idle() and not _has_left_over(member) for member in members)
            and not self._network.holds_more()
        )

    def has_expired(self) -> bool:
        """Return whether it idled too long, or the server has closed it or said more meanwhile."""
        return any(member.has_expired() for member in self._members) or self._network.holds_more()


class AsyncLane(
    _Lane[httpcore.AsyncHTTPConnection | httpcore.AsyncConnectionPool, AsyncLaneNetwork]
):
    """An async connection with one request on it at a time."""

    def __init__(self, url: httpcore.URL, rules: ProxyRules) -> None:
        proxy = _proxy(rules, url)
        self._network = AsyncLaneNetwork(_layers(url, proxy))
        self._turn = _Turn()
        self._has_locks = True
        self._first_hop = _first_hop(url, proxy)
        if proxy is None:
            self._connection = httpcore.AsyncHTTPConnection(
                url.origin,
                ssl_context=_tls(url),
                keepalive_expiry=KEEP_ALIVE_SECONDS,
                network_backend=self._network,
            )
        else:
            kind = (
                httpcore.AsyncSOCKSProxy
                if proxy.is_socks
                else _http_proxy(httpcore.AsyncHTTPProxy, proxy)
            )
            self._connection = kind(
                proxy_url=proxy.url,
                proxy_auth=proxy.auth,
                ssl_context=_tls(url),
                max_connections=1,
                keepalive_expiry=KEEP_ALIVE_SECONDS,
                network_backend=self._network,
            )

    async def connect(self, seconds: float) -> None:
        """Connect now, to the server or the proxy before it, for a request that comes later."""
        await self._network.connect_ahead(*self._first_hop, seconds)
        self.was_idle = True

    async def handle(
        self, request: httpcore.Request, progress: Progress, *, is_alone: bool
    ) -> httpcore.Response:
        """Return the answer's head; its body is still to be read. Notes `progress`.

        `is_alone` says that no other call is on its way; those that come later change nothing.
        """
        self._turn.is_alone = is_alone
        self._network.guard = HeadGuard()
        self._network.progress = progress
        return await self._connection.handle_async_request(request)

    def unlock(self) -> None:
        """Take the locks off it, after its first answer: they are set up with the first request."""
        if self._has_locks:
            self._has_locks = False
            for member in self._members:
                _unlock(member, self._turn)

    async def aclose(self) -> None:
        """Close it, cancelled or not, without waiting long for a peer that is gone."""
        with anyio.move_on_after(_CLOSING_SECONDS, shield=True):
            await self._connection.aclose()
            await self._network.aclose()


class SyncLane(_Lane[httpcore.HTTPConnection | httpcore.ConnectionPool, SyncLaneNetwork]):
    """A blocking connection with one request on it at a time."""

    def __init__(self, url: httpcore.URL, rules: ProxyRules, deadline: Deadline) -> None:
        proxy = _proxy(rules, url)
        self._network = SyncLaneNetwork(deadline, _layers(url, proxy))
        self._first_hop = _first_hop(url, proxy)
        if proxy is None:
            self._connection = httpcore.HTTPConnection(
                url.origin,
                ssl_context=_tls(url),
                keepalive_expiry=KEEP_ALIVE_SECONDS,
                network_backend=self._network,
            )
        else:
            kind = httpcore.SOCKSProxy if proxy.is_socks else _http_proxy(httpcore.HTTPProxy, proxy)
            self._connection = kind(
                proxy_url=proxy.url,
                proxy_auth=proxy.auth,
                ssl_context=_tls(url),
                max_connections=1,
                keepalive_expiry=KEEP_ALIVE_SECONDS,
                network_backend=self._network,
            )

    def connect(self, seconds: float) -> None:
        """Connect now, to the server or the proxy before it, for a request that comes later."""
        self._network.connect_ahead(*self._first_hop, seconds)
        self.was_idle = True

    def handle(self, request: httpcore.Request, deadline: Deadline) -> httpcore.Response:
        """Return the answer's head; every socket operation from now on obeys `deadline`."""
        self._network.deadline = deadline
        self._network.guard = HeadGuard()
        return self._connection.handle_request(request)

    def close(self) -> None:
        """Close it."""
        self._connection.close()
        self._network.close()


P = TypeVar("P", httpcore.HTTPProxy, httpcore.AsyncHTTPProxy)


def _proxy(rules: ProxyRules, url: httpcore.URL) -> Proxy | None:
    return rules.proxy_for(url.scheme.decode("ascii"), url.host.decode("ascii"))


def _http_proxy(kind: type[P], proxy: Proxy) -> Callable[..., P]:
    """Return the maker of an HTTP proxy; one that is reached by TLS is trusted like the server."""
    return partial(kind, proxy_ssl_context=trusted_context()) if proxy.is_tls else kind


_DEFAULT_PORTS = {b"http": 80, b"https": 443}
_SOCKS_PORT = 1080


def _first_hop(url: httpcore.URL, proxy: Proxy | None) -> tuple[str, int, ssl.SSLContext | None]:
    """Return the host and port to connect to, and the TLS to speak with it."""
    hop = url if proxy is None else httpcore.URL(proxy.url)
    port = hop.port or _DEFAULT_PORTS.get(hop.scheme, _SOCKS_PORT)
    return hop.host.decode("ascii"), port, _tls(hop)


def _layers(url: httpcore.URL, proxy: Proxy | None) -> int:
    """Return how many TLS layers there are between here and the server."""
    own = url.scheme == b"https"
    return own + (proxy is not None and proxy.is_tls)


def _has_left_over(member: object) -> bool:
    """Return whether httpcore's parser holds bytes behind the answer, or cannot say.

    It has no public way to tell: the parser is found by its name, and not found means yes.
    """
    parser = getattr([*_onion(member)][-1], "_h11_state", None)
    return parser is None or parser.trailing_data[0] != b""


class _Turn:
    """Stands in for the locks of a connection, which has one request at a time: nobody else asks.

    anyio's locks give the other tasks a turn whenever they are taken, three times a request. Where
    calls are on their way at once that makes each turn of the event loop worth more; a call that is
    alone would only wait for it.
    """

    is_alone: bool = False

    async def acquire(self) -> None:
        if not self.is_alone:
            await asyncio.sleep(0)

    def release(self) -> None:
        """Do nothing."""


_LOCKS = ("_connect_lock", "_request_lock", "_state_lock")


def _unlock(member: object, turn: _Turn) -> None:
    """Put `turn` in place of a connection's locks on asyncio: private; what is not found stays."""
    for layer in _onion(member):
        for name in _LOCKS:
            lock = getattr(layer, name, None)
            if isinstance(getattr(lock, "_anyio_lock", None), anyio.Lock):
                setattr(lock, "_anyio_lock", turn)  # noqa: B010 - not public


def _onion(member: object) -> Iterator[object]:
    """Yield httpcore's connection and those that it wraps, the outermost first."""
    inner: object | None = member
    while inner is not None:
        yield inner
        inner = getattr(inner, "_connection", None)


def _tls(url: httpcore.URL) -> ssl.SSLContext | None:
    return trusted_context() if url.scheme == b"https" else None
