"""pyreqwest's clients: how one is built, which one a request goes through, and for how long.

Owns: limits, proxies, TLS and keep-alive as pyreqwest takes them. Must not know: sending, retries.

A client is a pool of connections. Connect and read limits, proxies and the longest idle time belong
to a whole pool, so there is one for each combination in use: one or two in nearly every process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from pyreqwest.client import Client, ClientBuilder, SyncClient, SyncClientBuilder
from pyreqwest.http import HeaderMap, Url
from pyreqwest.proxy import ProxyBuilder

from openai_realtime.core.head import MAX_HEAD_BYTES
from openai_realtime.errors import ConfigurationError
from openai_realtime.transports.lanes import KEEP_ALIVE_SECONDS, MAX_CONNECTIONS

if TYPE_CHECKING:
    from openai_realtime.core.deadline import Timeout
    from openai_realtime.core.wire import Header, Request
    from openai_realtime.transports.proxies import Proxy, ProxyRules

C = TypeVar("C", Client, SyncClient)
B = TypeVar("B", ClientBuilder, SyncClientBuilder)

_MAX_POOLS = 16
_MAX_URLS = 256
_MAX_HEADERS = 64
# An HTTP/2 connection carries every call: one that has silently died must be found out.
_PING_INTERVAL = timedelta(seconds=10)
_PING_TIMEOUT = timedelta(seconds=5)


class _Headers(dict[tuple["Header", ...], HeaderMap]):
    """Headers in both forms. They hold the credential: nothing of them is shown."""

    def __repr__(self) -> str:
        return f"<{len(self)} sets of headers>"


class Pool(Generic[C]):
    """A pyreqwest client, and how many of its connections are presumed idle."""

    __slots__ = ("client", "idle")

    def __init__(self, client: C) -> None:
        self.client: C = client
        self.idle: int = 0
        """pyreqwest does not tell whether a connection has served before: this is our own count."""

    def lend(self) -> bool:
        """Return whether the next request is presumed to go out on a kept connection."""
        if self.idle <= 0:
            return False
        self.idle -= 1
        return True


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, parsed, and the proxy that leads to it."""

    url: Url
    is_tls: bool
    proxy: Proxy | None


class Key(NamedTuple):
    """What the requests of one pool have in common."""

    is_tls: bool
    proxy: Proxy | None
    connect: float
    read: float
    max_idle: float


class Pools(Generic[C]):
    """The pools of one engine, in the process that made them. Threads and event loops share it."""

    def __init__(self, build: Callable[[Key], C], rules: ProxyRules) -> None:
        self._build: Callable[[Key], C] = build
        self._rules = rules
        self._pools: dict[Key, Pool[C]] = {}
        self._targets: dict[str, Target] = {}
        self._headers = _Headers()
        self._process = os.getpid()
        self._inherited: list[dict[Key, Pool[C]]] = []

    def pool(self, request: Request, limits: Timeout) -> Pool[C] | None:
        """Return the pool for a request; None in a forked child that cannot have any."""
        if self._process != os.getpid():
            # The threads behind them are the parent's: neither used nor dropped here.
            self._inherited.append(self._pools)
            self._pools, self._process = {}, os.getpid()
        target = self.target(request.url)
        key = Key(target.is_tls, target.proxy, limits.connect, limits.read, request.max_idle)
        pool = self._pools.get(key)
        return self._new_pool(key) if pool is None else pool

    def missing(self, request: Request, limits: Timeout, count: int) -> int:
        """Return how many connections there have to be made for `count` to be idle."""
        pool = self.pool(request, limits)
        return count if pool is None else max(0, count - pool.idle)

    def _new_pool(self, key: Key) -> Pool[C] | None:
        if len(self._pools) >= _MAX_POOLS:
            del self._pools[next(iter(self._pools))]
        try:
            pool = self._pools[key] = Pool(self._build(key))
        except RuntimeError:  # pyreqwest ran in the parent process: it refuses to in its children
            return None
        except ValueError:
            message = (
                "SSL_CERT_FILE or SSL_CERT_DIR holds a certificate that cannot be read"
                if key.is_tls
                else "pyreqwest could not be set up: are there file descriptors left?"
            )
            raise ConfigurationError(message) from None
        return pool

    def target(self, url: str) -> Target:
        """Return a URL as pyreqwest takes it, with its proxy."""
        target = self._targets.get(url)
        if target is None:
            if len(self._targets) >= _MAX_URLS:
                self._targets.clear()
            try:
                parsed = Url(url)
            except ValueError:
                message = "base_url is unusable: its host's name is not valid"
                raise ConfigurationError(message) from None
            proxy = self._rules.proxy_for(parsed.scheme, parsed.host_str or "")
            target = Target(parsed, parsed.scheme == "https", proxy)
            self._targets[url] = target
        return target

    def headers(self, headers: tuple[Header, ...]) -> HeaderMap:
        """Return headers as pyreqwest takes them: nearly every request has those of the last."""
        made = self._headers.get(headers)
        if made is None:
            if len(self._headers) >= _MAX_HEADERS:
                self._headers.clear()
            made = self._headers[headers] = HeaderMap()
            for name, value in headers:
                # In no repr, and not in the tables of HTTP/2's compression.
                made.append(name.decode("ascii"), value.decode("latin-1"), is_sensitive=True)
        return made

    def retire(self, pool: Pool[C]) -> None:
        """Use a pool no more: its idle connections close, those in use when they are done."""
        for key in [key for key, member in self._pools.items() if member is pool]:
            del self._pools[key]

    def drain(self) -> None:
        """Retire every pool."""
        self._pools.clear()


def configured(builder: B, key: Key, *, http2: bool) -> B:
    """Return `builder` with every promise of ours that pyreqwest can keep by itself."""
    builder = (
        builder.no_proxy()  # not even those that reqwest would find by itself
        .follow_redirects(False)
        .referer(False)
        .default_cookie_store(False)
        .gzip(False)  # compressed bodies are decoded within bounds, by `core/body.py`
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .connect_timeout(timedelta(seconds=key.connect))
        .read_timeout(timedelta(seconds=key.read))
        .pool_idle_timeout(timedelta(seconds=min(key.max_idle, KEEP_ALIVE_SECONDS)))
        .pool_max_idle_per_host(MAX_CONNECTIONS)
        .min_tls_version("TLSv1.2")
    )
    if key.is_tls:
        from openai_realtime.transports.tls import authorities  # noqa: PLC0415 - loopback needs none

        for pem in authorities():
            builder = builder.add_root_certificate_pem(pem)
    if key.proxy is not None:
        builder = builder.proxy(_proxy(key.proxy))
    if not http2:
        return builder.http1_only()
    return (
        builder.http2(True)
        .http2_max_header_list_size(MAX_HEAD_BYTES)
        .http2_keep_alive_interval(_PING_INTERVAL)
        .http2_keep_alive_timeout(_PING_TIMEOUT)
    )


def _proxy(proxy: Proxy) -> ProxyBuilder:
    # As in httpx, it is the SOCKS proxy that resolves names.
    url = proxy.url.replace("socks5://", "socks5h://")
    builder = ProxyBuilder.https(url)
    return builder if proxy.auth is None else builder.basic_auth(*proxy.auth)
