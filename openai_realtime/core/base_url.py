"""Checks base URLs: only https, or an address of this machine."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import cast
from urllib.parse import urlsplit

from openai_realtime.errors import ConfigurationError


def check_base_url(base_url: str, *, allow_http: bool, what: str = "base_url") -> str:
    """Return `base_url` without its trailing slash.

    Raises `ConfigurationError`, which names `what` but not the URL, when it is unusable.
    """
    value = cast("object", base_url)
    parts, host, port = None, None, None
    if isinstance(value, str):
        with suppress(ValueError):
            parts = urlsplit(base_url)
            host, port = parts.hostname, parts.port
    problem: str | None = None
    if (
        parts is None
        or not host
        or port == 0
        or not base_url.isascii()
        or not base_url.isprintable()
    ):
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
        problem = "plain http would show the API key to the network; use https"
        if what == "base_url":
            problem += ", or allow_http=True"
    if problem is not None:
        message = f"{what} is unusable: {problem}"
        raise ConfigurationError(message)
    return base_url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Return whether `host` is a loopback address, `localhost`, or a name below `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
