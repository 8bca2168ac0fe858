"""A client's settings, from arguments or else from the environment, checked once.

Owns: defaults and environment variables. Must not know: resources, engines, or how a request is
sent.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypedDict, cast

from openai_realtime._version import __version__
from openai_realtime.core.deadline import Timeout
from openai_realtime.core.retry import RetryPolicy
from openai_realtime.credentials import Credential, KeySource, check_header_value
from openai_realtime.environment import ClientVariable, read_variable
from openai_realtime.errors import ConfigurationError
from openai_realtime.providers import (
    OPENAI_BASE_URL,
    Dialect,
    Provider,
    check_base_url,
    compatible,
)
from openai_realtime.secrets import ApiKey

if TYPE_CHECKING:
    from openai_realtime.core.events import Listener
    from openai_realtime.core.wire import Header


class ClientOptions(TypedDict, total=False):
    """The settings that both clients and `with_options()` take; each has a default."""

    base_url: str | None
    """Where the API is, below which paths such as `/realtime/sessions` are. Default: the
    environment's `OPENAI_BASE_URL`, else https://api.openai.com/v1."""
    provider: Provider | None
    """Who is called, where that is more than a base URL: see `openai_realtime.providers`."""
    dialect: Dialect
    """The shape of sessions that is sent: `beta` (flat), `ga` (nested), or `auto` (default): flat
    first, nested when the server has retired it, which is remembered. Default: the provider's."""
    strict: bool
    """Whether a parameter that the server's dialect cannot carry is an error. Default False: it is
    dropped, named in `meta.dropped`, and warned of once."""
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
    proxy: str | None
    """A proxy for https: `http://…`, `https://…` or `socks5://…`, with credentials if need be.
    Default: the environment's `HTTPS_PROXY` or `ALL_PROXY`, but for hosts in `NO_PROXY`. Fixed when
    the client is made: `with_options()` shares the connections. Plain http is never proxied."""
    trust_env: bool
    """Whether the environment's proxies are used. Default True."""
    on_event: Listener | None
    """A callable told of every call's events (`openai_realtime.observe`); it must be quick. Default:
    none."""
    allow_http: bool
    """Allow plain http to hosts other than loopback. Default False."""


class AsyncClientOptions(ClientOptions, total=False):
    """The async client's settings."""

    api_key: KeySource | None
    """The API key, or a callable, sync or async, that returns one and is asked at every attempt
    (rotated keys, Entra tokens). Default: the environment's `OPENAI_API_KEY`."""


class SyncClientOptions(ClientOptions, total=False):
    """The sync client's settings."""

    api_key: str | Callable[[], str] | None
    """The API key, or a callable that returns one and is asked at every attempt (rotated keys,
    Entra tokens). Default: the environment's `OPENAI_API_KEY`."""


AnyClientOptions = AsyncClientOptions | SyncClientOptions


class DialectCache:
    """What a client and its copies have found out about servers' dialects. Thread-safe."""

    __slots__ = ("_learnt", "_warnings")

    def __init__(self) -> None:
        self._learnt: dict[str, Dialect] = {}
        self._warnings: set[str] = set()

    def of(self, url: str, dialect: Dialect) -> Dialect:
        """Return the dialect to send to `url`, where `dialect` is wanted: `auto` is looked up."""
        return self._learnt.get(url, dialect) if dialect == "auto" else dialect

    def learn(self, url: str, dialect: Dialect) -> None:
        """Remember that what was meant for `url` succeeds in `dialect`."""
        self._learnt[url] = dialect

    def is_first(self, warning: str) -> bool:
        """Return whether this warning was never given before, and remember it."""
        if warning in self._warnings:
            return False
        self._warnings.add(warning)
        return True


@dataclass(frozen=True, slots=True)
class Configuration:
    """A client's checked settings. Immutable: `with_options()` makes another one."""

    provider: Provider
    strict: bool
    dialects: DialectCache
    credential: Credential
    headers: tuple[Header, ...]
    timeout: Timeout
    retry: RetryPolicy
    options: AnyClientOptions = field(repr=False)

    @classmethod
    def resolve(
        cls, options: AnyClientOptions, dialects: DialectCache | None = None
    ) -> Configuration:
        """Return the settings for `options`, the environment filling what is absent or None.

        Raises `ConfigurationError` when a setting is unknown, missing or unusable. Secrets given as
        text are masked in `options` itself, so that no frame of a traceback shows them.
        """
        _check_names(options)
        api_key, proxy = options.get("api_key"), options.get("proxy")
        if isinstance(api_key, str):
            options["api_key"] = api_key = ApiKey(api_key)
        if isinstance(proxy, str):
            options["proxy"] = ApiKey(proxy)
        provider = _provider(options)
        retry = options.get("retry", RetryPolicy())
        if "max_retries" in options:
            retry = replace(retry, max_retries=options["max_retries"])
        credential = Credential.resolve(api_key, provider)
        # What came from the environment is kept: a copy is not to be sent elsewhere later.
        everything = {**options, "provider": provider, "api_key": credential.given}
        everything.pop("base_url", None)
        kept = cast("AsyncClientOptions", everything)
        kept["organization"] = options.get("organization") or _openai_variable(
            "OPENAI_ORG_ID", provider
        )
        kept["project"] = options.get("project") or _openai_variable("OPENAI_PROJECT_ID", provider)
        return cls(
            provider=provider,
            strict=options.get("strict", False),
            dialects=dialects or DialectCache(),
            credential=credential,
            headers=_headers(kept),
            timeout=Timeout().with_total(options.get("timeout", Timeout())),
            retry=retry,
            options=kept,
        )

    def with_options(self, options: AnyClientOptions) -> Configuration:
        """Return these settings with some of them replaced.

        Another provider does not inherit the key, the organization or the project.
        """
        if fixed := {"http_client", "proxy", "transport", "trust_env"} & options.keys():
            message = (
                f"{', '.join(sorted(fixed))}: fixed when a client is made; make another client"
            )
            raise ConfigurationError(message)
        _check_names(options)
        inherited: dict[str, object] = {**self.options}
        if "base_url" in options or "provider" in options:
            del inherited["provider"]
        if "retry" in options:
            inherited.pop("max_retries", None)
        if "timeout" in options:
            inherited["timeout"] = self.timeout.with_total(options["timeout"])
        replaced = {name: value for name, value in {**options}.items() if name != "timeout"}
        merged: dict[str, object] = {**inherited, **replaced}
        provider = _provider(cast("AsyncClientOptions", merged))
        if provider.key_variable != self.provider.key_variable:
            for name in {"api_key", "organization", "project"} - options.keys():
                del merged[name]
        return self.resolve(cast("AsyncClientOptions", merged), self.dialects)


_KNOWN = AsyncClientOptions.__annotations__.keys() | ClientOptions.__annotations__.keys()


def _check_names(options: AnyClientOptions) -> None:
    for name in options.keys() - _KNOWN:
        import difflib  # noqa: PLC0415 - only to guess what was meant

        meant = difflib.get_close_matches(name, _KNOWN, n=1)
        guess = f": did you mean {meant[0]}?" if meant else ""
        message = f"{name} is not a known setting{guess}"
        raise ConfigurationError(message)


def _openai_variable(name: ClientVariable, provider: Provider) -> str | None:
    """Return a variable that is OpenAI's business, and that of what takes OpenAI's key."""
    return read_variable(name) if provider.key_variable == "OPENAI_API_KEY" else None


def _provider(options: AnyClientOptions) -> Provider:
    provider, base_url = options.get("provider"), options.get("base_url")
    if provider is not None and base_url:
        message = "pass provider=… or base_url=…, not both"
        raise ConfigurationError(message)
    if provider is None:
        base_url = base_url or read_variable("OPENAI_BASE_URL") or OPENAI_BASE_URL
        provider = compatible(base_url, allow_http=options.get("allow_http", False))
    checked = cast("object", provider)
    if not isinstance(checked, Provider):
        message = "provider is unusable: it is a value such as openai_realtime.providers.azure(…)"
        raise ConfigurationError(message)
    allow_http = options.get("allow_http", provider.allow_http)
    check_base_url(provider.base_url, allow_http=allow_http)
    dialect = options.get("dialect", provider.dialect)
    if dialect not in ("auto", "beta", "ga"):
        message = 'dialect is unusable: it is "auto", "beta" or "ga"'
        raise ConfigurationError(message)
    return replace(provider, dialect=dialect, allow_http=allow_http)


def _headers(options: AnyClientOptions) -> tuple[Header, ...]:
    headers = [
        # Compressed answers are not asked for: a session is 1 kB, and a decoder can be bombed.
        (b"Accept-Encoding", b"identity"),
        (b"User-Agent", _user_agent()),
    ]
    for name, value in (
        ("organization", options.get("organization")),
        ("project", options.get("project")),
    ):
        if value:
            header = f"OpenAI-{name.title()}".encode("ascii")
            headers.append((header, check_header_value(name, value).encode("ascii")))
    return tuple(headers)


def _user_agent() -> bytes:
    return f"openai-realtime/{__version__} Python/{platform.python_version()}".encode("ascii")
