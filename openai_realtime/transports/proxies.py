"""Which proxy an https connection goes through: by argument, or as the environment says.

Owns: HTTPS_PROXY, ALL_PROXY and NO_PROXY. Must not know: connections. Plain http never goes through
a proxy: the API key would be the proxy's to read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from openai_realtime.errors import ConfigurationError
from openai_realtime.secrets import ApiKey

if TYPE_CHECKING:
    from collections.abc import Mapping

_SOCKS = frozenset({"socks5", "socks5h"})
_SCHEMES = _SOCKS | {"http", "https"}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy's address, and the credentials for it. Its repr shows no credentials."""

    url: str
    """`http://host:port`, `https://…` or `socks5://…`, without credentials."""
    auth: tuple[str, str] | None = field(repr=False, default=None)

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS 5."""
        return self.url.startswith("socks")

    @property
    def is_tls(self) -> bool:
        """Whether it is reached by TLS itself."""
        return self.url.startswith("https:")

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """Return the proxy at `url`; raises `ConfigurationError` without quoting it."""
        url = url if "://" in url else f"http://{url}"
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = None, None, None
        if parts is None or not host or parts.scheme not in _SCHEMES or not url.isascii():
            message = "proxy is unusable: it is a URL such as http://proxy.example:3128"
            raise ConfigurationError(message)
        if parts.scheme in _SOCKS and find_spec("socksio") is None:
            message = "proxy is unusable: SOCKS needs a package: pip install 'httpx[socks]'"
            raise ConfigurationError(message)
        host = f"[{host}]" if ":" in host else host
        where = f"{parts.scheme}://{host}:{port}" if port else f"{parts.scheme}://{host}"
        if parts.username is None:
            return cls(where)
        return cls(where, (ApiKey(unquote(parts.username)), ApiKey(unquote(parts.password or ""))))


@dataclass(frozen=True, slots=True)
class ProxyRules:
    """What a client was told about proxies, once, when it was made."""

    proxies: Mapping[str, str] = field(repr=False, default_factory=dict[str, str])
    """As the standard library names them: scheme (or `all`, or `no`) to URL."""

    @classmethod
    def of(cls, proxy: str | None, *, trust_env: bool) -> ProxyRules:
        """Return the rules: `proxy` for every host, else the environment's unless not trusted."""
        if proxy is not None:
            Proxy.parse(proxy)
            return cls({"https": proxy})
        if not trust_env:
            return cls()
        known = {name: found for name in ("https", "all", "no") if (found := _variable(name))}
        for name in known.keys() - {"no"}:
            Proxy.parse(known[name])  # told now, not at the first call
        return cls(known)

    def proxy_for(self, scheme: str, host: str) -> Proxy | None:
        """Return the proxy for an origin, or None to connect to it directly."""
        url = self.proxies.get("https") or self.proxies.get("all")
        if scheme != "https" or not url:
            return None
        return None if _is_exempt(host, self.proxies.get("no", "")) else Proxy.parse(url)


def _variable(name: str) -> str | None:
    """Return what the environment says; the name in lower case goes first, empty too, as for curl."""
    name = f"{name}_proxy"
    return os.environ.get(name, os.environ.get(name.upper()))


def _is_exempt(host: str, no_proxy: str) -> bool:
    """Return whether NO_PROXY names `host`, a domain it is in, or everything (`*`)."""
    names = [name.strip().lower().lstrip(".") for name in no_proxy.split(",")]
    labels = host.lower().split(".")
    suffixes = {".".join(labels[start:]) for start in range(len(labels))}
    return any(name == "*" or name in suffixes for name in names if name)
