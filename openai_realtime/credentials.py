"""The credential of a client: the source of the API key, and the header that carries it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar, cast

from openai_realtime.core.deadline import Deadline
from openai_realtime.core.issued_token import IssuedToken
from openai_realtime.environment import read_key_variable
from openai_realtime.errors import ConfigurationError, wrapper_hint
from openai_realtime.providers import BEARER, AuthScheme, Provider
from openai_realtime.secrets import ApiKey, Authorization, BearerToken
from openai_realtime.token_cache import TokenCache, TokenIssuer, Work

KeySource = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""An API key, or a callable, sync or async, that returns one and is called for every attempt."""

T = TypeVar("T")

# RFC 9110 §5.5 allows more; keys and ids at every provider are visible ASCII without spaces.
_TOKEN = re.compile(r"[!-~]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Credential:
    """The source of the API key, and the header that carries it. Its repr shows no key."""

    source: Authorization | Callable[[], str | Awaitable[str]] | TokenCache | None = field(
        repr=False
    )
    """The key as a header, a callable that returns a key, a cache of access tokens, or None: the
    server takes no key."""
    scheme: AuthScheme

    @classmethod
    def resolve(
        cls, api_key: KeySource | TokenIssuer | TokenCache | None, provider: Provider
    ) -> Credential:
        """Return the credential of `api_key`, or of the provider's environment variable.

        A `TokenCache` is that of the client which is copied. Raises `ConfigurationError` when there
        is no key, when no header can carry it, and when the provider does not take such a key.
        """
        if provider.auth is None:
            return cls(None, BEARER)
        if isinstance(api_key, TokenIssuer):
            api_key = TokenCache(api_key)
        if isinstance(api_key, TokenCache):
            api_key.issuer.check_provider(provider)
            return cls(api_key, BEARER)
        if callable(api_key):
            return cls(api_key, provider.auth)
        given = cast("object", api_key)
        if given is not None and not isinstance(given, str):
            message = (
                "api_key is unusable: it must be a text, a callable, workload_identity(…) or, on "
                "Azure, AzureManagedIdentity()"
                + (wrapper_hint(given) or f", not a {type(given).__name__}")
            )
            raise ConfigurationError(message)
        key = _masked(api_key if api_key is not None else environment_key(*provider.key_variables))
        if not key:
            message = (
                f"No API key for {provider.name}: pass api_key=… or set the environment variable "
                f"{' or '.join(provider.key_variables)}; the mock server needs no key: "
                "openai_realtime.testing.MockRealtimeServer, or --mock in the examples and the command"
            )
            raise ConfigurationError(message)
        scheme = BEARER if isinstance(key, BearerToken) else provider.auth
        variable = next(filter(read_key_variable, provider.key_variables), "")
        name = variable if api_key is None else "api_key"
        return cls(_authorization(key, scheme, name), scheme)

    @property
    def key_source(self) -> KeySource | None:
        """The `api_key` that makes a client with the same credential."""
        source = self.source.token if isinstance(self.source, Authorization) else self.source
        return cast("KeySource | None", source)

    @property
    def is_ephemeral(self) -> bool:
        """Whether the key is an ephemeral key (`ek_…`), such as a browser has."""
        return isinstance(self.source, Authorization) and self.source.token.startswith("ek_")

    def get(self, deadline: Deadline) -> Authorization | Awaitable[str] | Work[IssuedToken] | None:
        """Return the header with the key; None if the server takes no key.

        For an async callable, return an awaitable instead: pass the key that it returns to
        `authorization`. For an access token that has to be renewed, return that work instead, to be
        done until `deadline`. Raises what the callable raises, and `ConfigurationError` when no
        header can carry its key.
        """
        if self.source is None or isinstance(self.source, Authorization):
            return self.source
        if isinstance(self.source, TokenCache):
            return self.source.fresh() or self.source.get(deadline)
        key = _masked(self.source())
        return key if isinstance(key, Awaitable) else self.authorization(key)

    def authorization(self, key: str) -> Authorization:
        """Return the header that carries `key`; raises `ConfigurationError` when none can."""
        key = _masked(key)  # so that no traceback shows it
        return _authorization(key, self.scheme)


def bearer(secret: str) -> Authorization:
    """Return the Bearer header that carries `secret`; raises `ConfigurationError` when none can."""
    return _authorization(secret, BEARER)


def environment_key(*variables: str) -> str | None:
    """Return the first variable's value that is set; None if none is.

    All but the last variable hold a token, which is sent as a Bearer token.
    """
    *token_variables, variable = variables
    tokens = filter(None, map(read_key_variable, token_variables))
    token = next(tokens, None)
    return read_key_variable(variable) if token is None else BearerToken(token)


def _masked(key: T) -> T | ApiKey:
    """Return a key whose repr is masked; an object that is not a string is returned unchanged."""
    return ApiKey(key) if isinstance(key, str) and not isinstance(key, ApiKey) else key


def _authorization(key: object, scheme: AuthScheme, name: str = "api_key") -> Authorization:
    token = cast("ApiKey", _masked(check_header_value(name, key)))
    return Authorization(
        token, (scheme.header.encode("ascii"), f"{scheme.prefix}{token}".encode("ascii"))
    )


def check_header_value(name: str, value: object) -> str:
    """Return `value` if a header can carry it; raises `ConfigurationError`, without the value."""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        message = (
            f"{name} is unusable: it must be visible ASCII text without spaces or line breaks"
            + (wrapper_hint(value) or " (was it read from a file with a newline at its end?)")
        )
        raise ConfigurationError(message)
    return value
