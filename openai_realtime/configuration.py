"""A client's settings, which come from its arguments and the environment, and are checked once."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypedDict, cast

from openai_realtime import core
from openai_realtime._version import __version__
from openai_realtime.core.base_url import URLObject, check_base_url, masked_url
from openai_realtime.core.deadline import Timeout
from openai_realtime.core.request_additions import (
    Additions,
    checked_headers,
    checked_query,
    encoded_headers,
    header_lines,
    merged_headers,
)
from openai_realtime.core.retry import RetryPolicy
from openai_realtime.core.wire import Header
from openai_realtime.credentials import Credential, KeySource, check_header_value
from openai_realtime.environment import ClientVariable, read_variable
from openai_realtime.errors import NOT_GIVEN_MESSAGE, ConfigurationError, not_given_in, suggestion
from openai_realtime.official_names import SETTINGS, official_hint
from openai_realtime.providers import (
    OPENAI_BASE_URL,
    Dialect,
    Provider,
    compatible,
)
from openai_realtime.secrets import ApiKey
from openai_realtime.token_cache import TokenIssuer


class ClientOptions(TypedDict, total=False):
    """The settings that both clients and `with_options()` take; each has a default."""

    base_url: str | URLObject | None
    """The URL that precedes every path, such as `/realtime/sessions`. Default: the environment's
    `OPENAI_BASE_URL`, else https://api.openai.com/v1."""
    provider: Provider | None
    """The server to call, where it differs from OpenAI in more than its base URL: see
    `openai_realtime.providers`. Default: OpenAI, or a compatible server at `base_url`."""
    dialect: Dialect
    """The shape of sessions that is sent: `beta` (flat), `ga` (nested), or `auto`, which sends the
    flat shape first, changes to the nested one if the server has retired the flat one, and stores
    the result. Default: the provider's, which is `auto` for OpenAI; in place of `auto`, the
    environment's `OPENAI_REALTIME_DIALECT`."""
    strict: bool
    """Whether a parameter that the server's dialect does not have raises `ParameterError`. Default
    False: it is not sent, `meta.dropped` names it, and one `DroppedParameterWarning` is issued."""
    organization: str | None
    """The `OpenAI-Organization` header. Default: the environment's `OPENAI_ORG_ID`, else none."""
    project: str | None
    """The `OpenAI-Project` header. Default: the environment's `OPENAI_PROJECT_ID`, else none."""
    default_headers: Additions | None
    """Headers of every request in addition, such as a gateway's (`cf-aig-authorization`). A header
    replaces the client's or the provider's of the same name; a call's `extra_headers` replace it;
    None removes it. `Authorization`, the key's own header, `Host`, `Content-Type` and other framing
    headers are errors. Values are masked wherever they are shown. `with_options()` merges them.
    Default: those of the environment's `OPENAI_CUSTOM_HEADERS` (`NAME: VALUE` lines), which only
    servers that take `OPENAI_API_KEY` get, and which the provider's own replace."""
    default_query: Additions | None
    """Query parameters of every request's URL in addition. They replace the provider's of the same
    name; a call's `extra_query` replaces them; None removes one. `with_options()` merges them.
    Default: none."""
    timeout: float | Timeout
    """Seconds for a whole call, or a `Timeout`. Default: 30 s in all, 5 s to connect, 10 s between
    two bytes received, 2 s to wait for a free connection."""
    max_retries: int
    """Retries after the first attempt. Default 2; 0 turns retrying off."""
    retry: RetryPolicy
    """The other settings of retries. Default: `RetryPolicy()`; `max_retries` replaces its own."""
    proxy: str | URLObject | None
    """A proxy for https: `http://…`, `https://…` or `socks5://…`, with a user name and password if
    it needs them. Default: the environment's `HTTPS_PROXY` or `ALL_PROXY`, except for hosts in
    `NO_PROXY`. `with_options()` cannot change it. Plain http never goes through a proxy."""
    trust_env: bool
    """Whether the proxy variables of the environment are used. Default True."""
    on_event: core.Listener | None
    """A callable that takes every event of every call (`openai_realtime.observe`); it must return
    quickly, because the call waits for it. Default: none."""
    allow_http: bool
    """Whether plain http to hosts other than loopback is allowed. Default False."""


class AsyncClientOptions(ClientOptions, total=False):
    """The async client's settings."""

    api_key: KeySource | TokenIssuer | None
    """The API key, or a callable, sync or async, that returns one and is called for every attempt
    (rotated keys, Entra tokens), or `workload_identity(…)`, or on Azure `AzureManagedIdentity()`.
    Default: the environment's `OPENAI_API_KEY`."""


class SyncClientOptions(ClientOptions, total=False):
    """The sync client's settings."""

    api_key: str | Callable[[], str] | TokenIssuer | None
    """The API key, or a callable that returns one and is called for every attempt (rotated keys,
    Entra tokens), or `workload_identity(…)`, or on Azure `AzureManagedIdentity()`. Default: the
    environment's `OPENAI_API_KEY`."""


AnyClientOptions = AsyncClientOptions | SyncClientOptions


class DialectCache:
    """The dialect that each server accepts, and the warnings that were issued. It is thread-safe.

    A client and its copies share one.
    """

    __slots__ = ("_dialects", "_warnings")

    def __init__(self) -> None:
        self._dialects: dict[str, Dialect] = {}
        self._warnings: dict[str, object] = {}

    def resolve(self, key: str, dialect: Dialect) -> Dialect:
        """Return `dialect`; in place of `auto`, the dialect that is stored for `key`, if any."""
        return self._dialects.get(key, dialect) if dialect == "auto" else dialect

    def store(self, key: str, dialect: Dialect) -> None:
        """Store the dialect that the server and endpoint of `key` accept."""
        self._dialects[key] = dialect

    def add_warning(self, warning: str) -> bool:
        """Store a warning; return whether it is new."""
        added = object()
        return self._warnings.setdefault(warning, added) is added  # `setdefault` is atomic


@dataclass(frozen=True, slots=True)
class Configuration:
    """A client's checked settings. They are immutable."""

    provider: Provider
    strict: bool
    dialects: DialectCache
    credential: Credential
    headers: tuple[Header, ...] = field(repr=False)
    """The headers of every request but the key's, those of the body, and `Accept`."""
    query: Additions = field(repr=False)
    """The query of every request's URL."""
    timeout: Timeout
    retry: RetryPolicy
    options: AnyClientOptions = field(repr=False)

    @classmethod
    def resolve(
        cls, options: AnyClientOptions, dialects: DialectCache | None = None
    ) -> Configuration:
        """Return the checked settings; the environment fills in those that are absent or None.

        Raises `ConfigurationError` when a setting is unknown, missing or unusable. Secrets in
        `options` become masked strings in place, so that no frame of a traceback shows them.
        """
        _check_names(options)
        _check_additions(options)
        api_key, proxy = options.get("api_key"), options.get("proxy")
        if isinstance(api_key, str) and not isinstance(api_key, ApiKey):
            options["api_key"] = api_key = ApiKey(api_key)
        if proxy is not None:
            options["proxy"] = masked_url(proxy)
        provider = _provider(options)
        retry = options.get("retry", RetryPolicy())
        if "max_retries" in options:
            retry = replace(retry, max_retries=options["max_retries"])
        credential = Credential.resolve(api_key, provider)
        # Values from the environment are stored, so that later copies have the same values.
        resolved = cast("AsyncClientOptions", {**options})
        resolved.pop("base_url", None)
        resolved["provider"], resolved["api_key"] = provider, credential.key_source
        resolved["organization"] = _header_value(
            "organization", options.get("organization"), "OPENAI_ORG_ID", provider
        )
        resolved["project"] = _header_value(
            "project", options.get("project"), "OPENAI_PROJECT_ID", provider
        )
        return cls(
            provider=provider,
            strict=options.get("strict", False),
            dialects=dialects or DialectCache(),
            credential=credential,
            headers=_headers(resolved, provider),
            query={**provider.default_query, **(options.get("default_query") or {})},
            timeout=Timeout().with_total(options.get("timeout", Timeout())),
            retry=retry,
            options=resolved,
        )

    def with_options(self, options: AnyClientOptions) -> Configuration:
        """Return a copy of these settings with some of them replaced.

        `default_headers` and `default_query` are merged. A new provider whose key comes from another
        environment variable inherits neither them nor the key, organization and project. Raises `ConfigurationError` as `resolve` does, and for a setting
        that is fixed.
        """
        if fixed := {"http_client", "proxy", "transport", "trust_env"} & options.keys():
            message = (
                f"{', '.join(sorted(fixed))}: with_options() cannot change it; make another client"
            )
            raise ConfigurationError(message)
        _check_names(options)
        _check_additions(options)
        inherited: dict[str, object] = {**self.options}
        if "base_url" in options or "provider" in options:
            del inherited["provider"]
        if "retry" in options:
            inherited.pop("max_retries", None)
        if "timeout" in options:
            inherited["timeout"] = self.timeout.with_total(options["timeout"])
        replaced: dict[str, object] = {**options}
        replaced.pop("timeout", None)
        merged = {**inherited, **replaced}
        provider = _provider(cast("AsyncClientOptions", merged))
        if provider.key_variable != self.provider.key_variable:
            for name in _OF_ONE_PROVIDER - options.keys():
                merged.pop(name, None)
        else:
            merged["default_headers"] = merged_headers(
                self.options.get("default_headers") or {}, options.get("default_headers") or {}
            )
            merged["default_query"] = {
                **(self.options.get("default_query") or {}),
                **(options.get("default_query") or {}),
            }
        return self.resolve(cast("AsyncClientOptions", merged), self.dialects)


_OF_ONE_PROVIDER = frozenset(
    {"api_key", "default_headers", "default_query", "organization", "project"}
)
"""The settings that may hold a key, or that mean nothing to another provider."""
CLIENT_SETTINGS: Final = frozenset(AsyncClientOptions.__annotations__)
"""The names of a client's settings."""


def _check_names(options: AnyClientOptions) -> None:
    for name in options.keys() - CLIENT_SETTINGS:
        hint = official_hint(SETTINGS, name) or suggestion(name, CLIENT_SETTINGS)
        message = f"{name} is not a known setting{hint}"
        raise ConfigurationError(message)
    if (not_given := not_given_in(options)) is not None:
        message = f"{not_given} {NOT_GIVEN_MESSAGE}"
        raise ConfigurationError(message)


def _openai_variable(name: ClientVariable, provider: Provider) -> str | None:
    """Return the variable's value if the provider takes OpenAI's key, else None."""
    return read_variable(name) if provider.key_variable == "OPENAI_API_KEY" else None


def _header_value(
    name: str, given: str | None, variable: ClientVariable, provider: Provider
) -> str | None:
    """Return the setting, else the variable's value; an error names the one that it is."""
    value, source = (given, name) if given else (_openai_variable(variable, provider), variable)
    return check_header_value(source, value) if value else None


def _check_additions(options: AnyClientOptions) -> None:
    """Mask `default_headers` and `default_query` in place; raises `ConfigurationError`."""
    headers, query = options.get("default_headers"), options.get("default_query")
    if headers is not None:
        options["default_headers"] = checked_headers("default_headers", headers)
    if query is not None:
        options["default_query"] = checked_query("default_query", query)


def _provider(options: AnyClientOptions) -> Provider:
    provider, base_url = options.get("provider"), options.get("base_url")
    if provider is not None and base_url:
        message = "pass provider=… or base_url=…, not both"
        raise ConfigurationError(message)
    if provider is None:
        allow_http, variable = options.get("allow_http", False), read_variable("OPENAI_BASE_URL")
        if variable and not base_url:
            base_url = check_base_url(variable, allow_http=allow_http, what="OPENAI_BASE_URL")
        provider = compatible(base_url or OPENAI_BASE_URL, allow_http=allow_http)
    checked = cast("object", provider)
    if not isinstance(checked, Provider):
        message = "provider must be a Provider, such as openai_realtime.providers.azure(…)"
        raise ConfigurationError(message)
    allow_http = options.get("allow_http", provider.allow_http)
    check_base_url(provider.base_url, allow_http=allow_http)
    dialect, source = options.get("dialect", provider.dialect), "dialect"
    variable = read_variable("OPENAI_REALTIME_DIALECT")
    if variable and dialect == "auto" and "dialect" not in options:
        dialect, source = cast("Dialect", variable), "OPENAI_REALTIME_DIALECT"
    if dialect not in ("auto", "beta", "ga"):
        message = f'{source} must be "auto", "beta" or "ga"'
        raise ConfigurationError(message)
    headers = provider.default_headers
    if custom := _openai_variable("OPENAI_CUSTOM_HEADERS", provider):
        of_variable = checked_headers(
            "OPENAI_CUSTOM_HEADERS", header_lines(custom), provider.key_header
        )
        headers = merged_headers(of_variable, headers)
    return replace(provider, dialect=dialect, allow_http=allow_http, default_headers=headers)


def _headers(options: AnyClientOptions, provider: Provider) -> tuple[Header, ...]:
    headers = [
        # No compression: responses have about 1 kB, and a compressed one could expand endlessly.
        (b"Accept-Encoding", b"identity"),
        (b"User-Agent", _user_agent()),
    ]
    for name, value in (
        ("organization", options.get("organization")),
        ("project", options.get("project")),
    ):
        if value:
            header = f"OpenAI-{name.title()}".encode("ascii")
            headers.append((header, value.encode("ascii")))
    by_name: dict[bytes, Header | None] = {name.lower(): (name, value) for name, value in headers}
    by_name.update(encoded_headers(provider.default_headers))
    added = options.get("default_headers") or {}
    by_name.update(encoded_headers(checked_headers("default_headers", added, provider.key_header)))
    return tuple(header for header in by_name.values() if header is not None)


def _user_agent() -> bytes:
    return f"openai-realtime/{__version__} Python/{platform.python_version()}".encode("ascii")
