"""Checks base URLs: only https, or an address of this machine; URL objects become texts."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import Protocol, cast
from urllib.parse import urlsplit

from openai_realtime.errors import ConfigurationError, wrapper_hint
from openai_realtime.secrets import ApiKey


class URLObject(Protocol):
    """A URL as an object, such as `httpx.URL`, pydantic's `HttpUrl` and `yarl.URL`."""

    @property
    def scheme(self) -> str:
        """The scheme, such as `https`."""
        ...

    @property
    def host(self) -> str | None:
        """The host."""
        ...


def check_base_url(
    base_url: str | URLObject,
    *,
    allow_http: bool,
    what: str = "base_url",
    example: str = "https://api.openai.com/v1",
) -> str:
    """Return `base_url` as a text without its trailing slash.

    Raises `ConfigurationError`, which names `what` but not the URL, when it is unusable.
    """
    text = url_text(base_url)
    url = text if isinstance(text, str) else ""
    parts, host, port = None, None, None
    with suppress(ValueError):
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    rule: str | None = None
    if parts is None or not host or port == 0 or not (url.isascii() and url.isprintable()):
        rule = f"be a URL such as {example}{wrapper_hint(base_url)}"
    elif " " in url or "\\" in url:
        rule = "hold no space or backslash"
    elif parts.username is not None or parts.password is not None:
        rule = "hold no user name or password; pass the key as api_key instead"
    elif "?" in url or "#" in url:
        rule = "hold no query or fragment"
    elif parts.scheme not in {"http", "https"}:
        rule = "begin with https:// or http://"
    elif parts.scheme == "http" and not allow_http and not is_loopback(host):
        rule = "be https, because plain http would show the API key to the network"
        if what in {"base_url", "OPENAI_BASE_URL"}:
            rule += "; or pass allow_http=True"
    if rule is not None:
        message = f"{what} is unusable: it must {rule}"
        raise ConfigurationError(message)
    return url.rstrip("/")


def masked_url(url: str | URLObject) -> ApiKey | URLObject:
    """Return a URL that may hold a password as a text whose repr is masked, if it is a URL."""
    text = url_text(url)
    return ApiKey(text) if isinstance(text, str) else cast("URLObject", text)


def url_text(url: object) -> object:
    """Return the text of a URL object; anything else is returned unchanged."""
    is_object = not isinstance(url, str) and hasattr(url, "scheme") and hasattr(url, "host")
    return str(url) if is_object else url


def is_loopback(host: str) -> bool:
    """Return whether `host` is a loopback address, `localhost`, or a name below `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
