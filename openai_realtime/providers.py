"""Who is being called: the base URL, and how a credential is presented to it.

Owns: what differs between providers, as data. Must not know: parameters, answers, transports.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from openai_realtime.errors import ConfigurationError

OPENAI_BASE_URL: Final = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class AuthScheme:
    """The header a credential travels in, and what stands before it."""

    header: str = "Authorization"
    prefix: str = "Bearer "


@dataclass(frozen=True, slots=True)
class Provider:
    """Everything that says who is called."""

    base_url: str
    auth: AuthScheme = field(default_factory=AuthScheme)

    def url(self, path: str) -> str:
        """Return the URL of an endpoint; `path` starts with a slash."""
        return self.base_url + path


def compatible(base_url: str, *, allow_http: bool = False) -> Provider:
    """Return a provider at `base_url`, such as `https://gateway.example/v1`.

    Raises `ConfigurationError` on anything but https, unless the host is this machine's loopback
    or `allow_http` is true: the API key would cross the network in the clear.
    """
    return Provider(check_base_url(base_url, allow_http=allow_http))


def check_base_url(base_url: str, *, allow_http: bool) -> str:
    """Return `base_url` without its trailing slash, or raise `ConfigurationError`."""
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = None, None
    problem: str | None = None
    if parts is None or not host or not base_url.isascii() or not base_url.isprintable():
        problem = "it is not a URL such as https://api.openai.com/v1"
    elif " " in base_url or "\\" in base_url:
        problem = "it holds a space or a backslash"
    elif parts.username is not None or parts.password is not None:
        problem = "it holds a user name or password; pass the key as api_key instead"
    elif "?" in base_url or "#" in base_url:
        problem = "it holds a query or a fragment"
    elif parts.scheme not in {"http", "https"}:
        problem = "its scheme is neither https nor http"
    elif parts.scheme == "http" and not allow_http and not is_loopback(host):
        problem = "plain http would show the API key to the network; use https, or allow_http=True"
    if problem is not None:
        message = f"base_url is unusable: {problem}"
        raise ConfigurationError(message)
    return base_url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Return whether `host` names this machine and nothing beyond it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
