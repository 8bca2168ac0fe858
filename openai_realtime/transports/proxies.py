"""Finds the host to connect to for a URL: the origin, or the argument's or environment's proxy.

Rule for this file: plain http never goes through a proxy, which could read the API key.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from openai_realtime.core.base_url import URLObject, masked_url
from openai_realtime.environment import read_variable
from openai_realtime.errors import ConfigurationError, wrapper_hint
from openai_realtime.secrets import ApiKey
from openai_realtime.transports.connection import Connection

if TYPE_CHECKING:
    from openai_realtime.environment import ClientVariable
    from openai_realtime.transports.connection import Layer

_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080}
# Desktop environments write `socks`. In all three SOCKS schemes the proxy resolves the origin's
# name.
_SCHEMES = {
    "http": "http",
    "https": "https",
    "socks": "socks5",
    "socks5": "socks5",
    "socks5h": "socks5",
}


_VARIABLES: Final[tuple[tuple[ClientVariable, ClientVariable], ...]] = (
    ("https_proxy", "HTTPS_PROXY"),
    ("all_proxy", "ALL_PROXY"),
)


class Origin(NamedTuple):
    """The part of a URL that decides which connections it can use."""

    scheme: str
    host: str
    """A name or an IP address, without brackets."""
    port: int
    loopback_only: bool = False
    """Whether it may only be reached at an address of this machine."""


@lru_cache(maxsize=256)
def origin_of(url: str, *, loopback_only: bool) -> Origin:
    """Return the origin of an http or https URL, with its default port filled in."""
    parts = urlsplit(url)
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    return Origin(parts.scheme, parts.hostname or "", port, loopback_only)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy's address, and the credentials for it. Its repr shows no credentials."""

    scheme: str
    """`http`, `https` (reached by TLS itself) or `socks5`."""
    host: str
    port: int
    auth: tuple[str, str] | None = field(repr=False, default=None)
    """The user name and the password."""

    @property
    def url(self) -> str:
        """Its URL without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @classmethod
    def parse(cls, url: str | URLObject, source: str = "proxy") -> Proxy:
        """Return the proxy at `url`; raises `ConfigurationError`, which does not quote the URL."""
        url = masked_url(url)
        proxy = _read(url) if isinstance(url, str) else None
        if proxy is None:
            example = f"http://proxy.example:3128{wrapper_hint(url)}"
            message = f"{source} is unusable: it must be a URL such as {example}"
            raise ConfigurationError(message)
        if proxy.scheme == "socks5" and find_spec("socksio") is None:
            message = (
                f"{source} is unusable: it must be http or https without the package for SOCKS "
                "(pip install 'httpx[socks]')"
            )
            raise ConfigurationError(message)
        return proxy


def _read(url: str) -> Proxy | None:
    """Return the proxy at `url`, or None if it is not a proxy's URL."""
    with suppress(ValueError):
        parts = urlsplit(url if "://" in url else f"http://{url}")
        scheme, port = _SCHEMES.get(parts.scheme), parts.port
        if parts.hostname and scheme and port != 0 and url.isascii() and url.isprintable():
            auth: tuple[str, str] | None = None
            if parts.username is not None:
                auth = ApiKey(unquote(parts.username)), ApiKey(unquote(parts.password or ""))
            return Proxy(scheme, parts.hostname, port or _DEFAULT_PORTS[scheme], auth)
    return None


class Route(NamedTuple):
    """The host and port to connect to, and the connection to open there."""

    host: str
    port: int
    connection: Connection


@dataclass(frozen=True, slots=True)
class ProxyRules:
    """A client's proxy settings. The environment is read when a connection is opened."""

    proxy: Proxy | None
    """The proxy for every https origin, or None to use the environment's."""
    trust_env: bool

    @classmethod
    def of(cls, proxy: str | URLObject | None, *, trust_env: bool) -> ProxyRules:
        """Return the rules; raises `ConfigurationError` if `proxy` is unusable."""
        return cls(None if proxy is None else Proxy.parse(proxy), trust_env)

    def proxy_for(self, origin: Origin) -> Proxy | None:
        """Return the proxy for an origin, or None to connect to it directly.

        Raises `ConfigurationError` if the environment variable that applies is unusable.
        """
        if origin.scheme != "https" or self.proxy is not None or not self.trust_env:
            return self.proxy if origin.scheme == "https" else None
        for names in _VARIABLES:
            source, url = _variable(*names)
            url = ApiKey(url)
            if url:
                exempt = _variable("no_proxy", "NO_PROXY")
                if _is_exempt(origin.host, origin.port, exempt[1]):
                    return None
                return _parsed(url, source)
        return None

    def route(self, origin: Origin, *, is_websocket: bool = False) -> Route:
        """Return the route to an origin, with a connection that is not open yet."""
        route = self._route(origin)
        if not is_websocket:
            return route
        from openai_realtime.transports.websocket import WebSocketConnection  # noqa: PLC0415 - few programs use it

        return route._replace(connection=WebSocketConnection(route.connection))

    def _route(self, origin: Origin) -> Route:
        if origin.scheme == "http":
            return Route(origin.host, origin.port, Connection())
        from openai_realtime.transports.tls import TlsLayer, trusted_context  # noqa: PLC0415 - 12 ms

        context = trusted_context()
        proxy = self.proxy_for(origin)
        if proxy is None:
            return Route(origin.host, origin.port, Connection([TlsLayer(context, origin.host)]))
        from openai_realtime.transports.tunnels import ConnectTunnel, SocksTunnel  # noqa: PLC0415

        layers: list[Layer] = [TlsLayer(context, proxy.host)] if proxy.scheme == "https" else []
        kind = SocksTunnel if proxy.scheme == "socks5" else ConnectTunnel
        layers += [kind(origin, proxy), TlsLayer(context, origin.host)]
        return Route(proxy.host, proxy.port, Connection(layers))


@lru_cache(maxsize=8)
def _parsed(url: str, source: str) -> Proxy:
    return Proxy.parse(url, source)


def _variable(in_lower_case: ClientVariable, in_upper_case: ClientVariable) -> tuple[str, str]:
    """Return a variable's name and value; the lower-case one wins, even if empty, as in curl."""
    value = read_variable(in_lower_case)
    if value is not None:
        return in_lower_case, value
    return in_upper_case, read_variable(in_upper_case) or ""


def _is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Return whether NO_PROXY names an origin.

    It is a list of host names, domains (`.example`, `*.example`), addresses, networks
    (`10.0.0.0/8`), each with a port or without, and `*` for everything.
    """
    return any(_matches(entry.strip().lower(), host.lower(), port) for entry in no_proxy.split(","))


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    name, separator, digits = entry.rpartition(":")
    if separator and digits.isdecimal() and (":" not in name or name.endswith("]")):
        if digits.lstrip("0") != str(port):
            return False
        entry = name
    entry = entry.removeprefix("[").removesuffix("]")
    try:
        address = ip_address(host)
    except ValueError:
        domain = entry.removeprefix("*").strip(".")
        return bool(domain) and f".{host.rstrip('.')}".endswith(f".{domain}")
    try:
        return address in ip_network(entry, strict=False)
    except ValueError:
        return False
