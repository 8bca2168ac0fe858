"""A client's settings, from arguments or else from the environment, checked once.

Owns: defaults, environment variables, what a header value may be. Must not know: resources,
engines, or how a request is sent.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypedDict

from openai_realtime._version import __version__
from openai_realtime.core.deadline import Timeout
from openai_realtime.core.retry import RetryPolicy
from openai_realtime.errors import ConfigurationError
from openai_realtime.providers import OPENAI_BASE_URL, Provider, compatible
from openai_realtime.secrets import ApiKey, Authorization

if TYPE_CHECKING:
    from openai_realtime.core.wire import Header
    from openai_realtime.providers import AuthScheme

KeySource = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""An API key, or a callable asked for one at every attempt."""

# RFC 9110 §5.5 allows more; keys and ids at every provider are visible ASCII without spaces.
_TOKEN = re.compile(r"[!-~]+", re.ASCII)


class ClientOptions(TypedDict, total=False):
    """The settings that both clients and `with_options()` take; each has a default."""

    api_key: KeySource | None
    """The API key, or a callable that returns one, asked at every attempt (rotated keys, Entra
    tokens). Default: the environment's `OPENAI_API_KEY`."""
    base_url: str | None
    """Where the API is, below which paths such as `/realtime/sessions` are. Default: the
    environment's `OPENAI_BASE_URL`, else https://api.openai.com/v1."""
    organization: str | None
    """The `OpenAI-Organization` header. Default: the environment's `OPENAI_ORG_ID`, else none."""
    project: str | None
    """The `OpenAI-Project` header. Default: the environment's `OPENAI_PROJECT_ID`, else none."""
    timeout: float | Timeout
    """Seconds for a whole call, or a `Timeout`. Default: 30 s in all, 5 s to connect, 10 s of
    silence, 2 s for a free connection."""
    max_retries: int
    """Retries after the first attempt. Default 2; 0 turns retrying off."""
    retry: RetryPolicy
    """Everything else about retrying."""
    allow_http: bool
    """Allow plain http to hosts other than loopback. Default False."""


@dataclass(frozen=True, slots=True)
class Credential:
    """Where the API key comes from, and the header it travels in. Its repr shows no key."""

    source: Authorization | Callable[[], str | Awaitable[str]]
    scheme: AuthScheme

    @classmethod
    def resolve(cls, api_key: KeySource | None, scheme: AuthScheme) -> Credential:
        """Return the credential of `api_key`, or of the environment's OPENAI_API_KEY."""
        if callable(api_key):
            return cls(api_key, scheme)
        key = api_key if api_key is not None else os.environ.get("OPENAI_API_KEY")
        if not key:
            message = "No API key: pass api_key=… or set the environment variable OPENAI_API_KEY"
            raise ConfigurationError(message)
        return cls(_authorization(ApiKey(key), scheme), scheme)

    def ask(self) -> Authorization | Awaitable[str]:
        """Return the key's header now, or an awaitable of the key (see `present`)."""
        if isinstance(self.source, Authorization):
            return self.source
        key = self.source()
        return key if isinstance(key, Awaitable) else self.present(key)

    def present(self, key: str) -> Authorization:
        """Return the header that carries `key`; raises `ConfigurationError` if none can."""
        return _authorization(ApiKey(key), self.scheme)


def _authorization(key: ApiKey, scheme: AuthScheme) -> Authorization:
    check_header_value("api_key", key)
    return Authorization(
        key, (scheme.header.encode("ascii"), f"{scheme.prefix}{key}".encode("ascii"))
    )


@dataclass(frozen=True, slots=True)
class Configuration:
    """A client's checked settings. Immutable: `with_options()` makes another one."""

    provider: Provider
    credential: Credential
    headers: tuple[Header, ...]
    timeout: Timeout
    retry: RetryPolicy
    options: ClientOptions = field(repr=False)

    @classmethod
    def resolve(cls, options: ClientOptions) -> Configuration:
        """Return the settings for `options`, the environment filling what is absent or None.

        Raises `ConfigurationError` when the key is missing or a value is unusable. A key given as
        text is masked in `options` itself, so that no frame of a traceback shows it.
        """
        api_key = options.get("api_key")
        if isinstance(api_key, str):
            options["api_key"] = api_key = ApiKey(api_key)
        provider = compatible(
            options.get("base_url") or os.environ.get("OPENAI_BASE_URL") or OPENAI_BASE_URL,
            allow_http=options.get("allow_http", False),
        )
        retry = options.get("retry", RetryPolicy())
        if "max_retries" in options:
            retry = replace(retry, max_retries=options["max_retries"])
        return cls(
            provider=provider,
            credential=Credential.resolve(api_key, provider.auth),
            headers=_headers(
                options.get("organization") or os.environ.get("OPENAI_ORG_ID"),
                options.get("project") or os.environ.get("OPENAI_PROJECT_ID"),
            ),
            timeout=Timeout().overridden(options.get("timeout", Timeout())),
            retry=retry,
            options=options,
        )

    def with_options(self, options: ClientOptions) -> Configuration:
        """Return these settings with some of them replaced."""
        return self.resolve({**self.options, **options})


def check_header_value(name: str, value: object) -> str:
    """Return `value` if it may stand in a header, else raise `ConfigurationError` without it."""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        message = (
            f"{name} is unusable: it must be visible ASCII text without spaces or line breaks "
            "(was it read from a file with a newline at its end?)"
        )
        raise ConfigurationError(message)
    return value


def _headers(organization: str | None, project: str | None) -> tuple[Header, ...]:
    headers = [
        (b"Accept", b"application/json"),
        # Compressed answers are not asked for: a session is 1 kB, and a decoder can be bombed.
        (b"Accept-Encoding", b"identity"),
        (b"Content-Type", b"application/json"),
        (b"User-Agent", _user_agent()),
    ]
    for name, header, value in (
        ("organization", b"OpenAI-Organization", organization),
        ("project", b"OpenAI-Project", project),
    ):
        if value:
            headers.append((header, check_header_value(name, value).encode("ascii")))
    return tuple(headers)


def _user_agent() -> bytes:
    return f"openai-realtime/{__version__} Python/{platform.python_version()}".encode("ascii")
