"""Providers as data: the base URL, credential header, paths, query and dialect of each.

A new provider is a function of a few lines that returns a `Provider`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, TypedDict, Unpack
from urllib.parse import urlencode, urlsplit

from openai_realtime.core.base_url import URLObject, check_base_url
from openai_realtime.core.request_additions import Additions, checked_headers, checked_query
from openai_realtime.environment import read_variable
from openai_realtime.errors import ConfigurationError

Dialect = Literal["auto", "beta", "ga"]
"""The shape of sessions: `beta` is flat, `ga` is nested; `auto` finds out which one works."""

Region = Literal["global", "us", "eu", "ae", "au", "ca", "gb", "in", "jp", "kr", "sg"]
"""A region of OpenAI's data residency. Realtime sessions: `global`, `us` and `eu` (2026-11)."""

OPENAI_BASE_URL: Final = "https://api.openai.com/v1"

_PATHS: Final = {
    "sessions": "/realtime/sessions",
    "transcription_sessions": "/realtime/transcription_sessions",
    "client_secrets": "/realtime/client_secrets",
    "translations": "/realtime/translations/client_secrets",
    "calls": "/realtime/calls",
    "sideband": "/realtime",
    "live": "/live/sessions",
    "models": "/models",
}
# Azure's preview API (retired in April 2026, still deployed) has other paths below another root.
_AZURE_PREVIEW_PATHS: Final = {
    "sessions": "/sessions",
    "transcription_sessions": "/transcription_sessions",
}
_LITELLM_PATHS: Final = {name: path for name, path in _PATHS.items() if name != "live"}
_XAI_PATHS: Final = {name: _PATHS[name] for name in ("client_secrets", "models")}
_ELEVENLABS_PATHS: Final = {"client_secrets": _PATHS["client_secrets"]}
_UNSUPPORTED_BY_ELEVENLABS: Final = (
    "audio.input.noise_reduction",
    "audio.input.transcription.model",
    "audio.input.transcription.prompt",
    "audio.output.speed",
    "parallel_tool_calls",
    "prompt",
    "truncation",
)
MAX_LIFETIME: Final = 7200
NO_QUERY: Final[Mapping[str, str]] = MappingProxyType({})
_OPENAI = re.compile(
    r"https://(?:[a-z]{2,8}(?:-[a-z]{2,8})?\.)?api\.openai\.com(?![^:/])", re.ASCII | re.IGNORECASE
)
_REGION = re.compile(r"[a-z]{2,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class AuthScheme:
    """The name of the header that carries the key, and the text before the key."""

    header: str
    """The header's name, such as `Authorization`."""
    prefix: str = ""
    """The text before the key, such as `Bearer ` with its space. Default: none."""


BEARER: Final = AuthScheme("Authorization", "Bearer ")
API_KEY: Final = AuthScheme("api-key")
_AZURE_AUTH: Final = {
    None: (API_KEY, "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN"),
    "key": (API_KEY, "AZURE_OPENAI_API_KEY", None),
    "token": (BEARER, "AZURE_OPENAI_AD_TOKEN", None),
}


class RequestDefaults(TypedDict, total=False):
    """What every request to a provider has in addition: each function of this file takes them."""

    default_headers: Additions
    """Headers, such as those of a gateway. Their values are masked wherever they are shown."""
    default_query: Additions
    """Query parameters of the URL."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A server to call, and how its API differs from OpenAI's."""

    name: str
    """The provider's name in errors and logs."""
    base_url: str
    """The URL that precedes every path, without a trailing slash."""
    dialect: Dialect = "auto"
    """The shape of sessions that the server accepts."""
    auth: AuthScheme | None = BEARER
    """The header that carries the key; None: the server takes no key."""
    key_variable: str = "OPENAI_API_KEY"
    """The environment variable of the key. A key is sent only to its own provider."""
    token_variable: str | None = None
    """The environment variable of a token, which is sent as a Bearer token in place of the key when
    it is set and no `api_key` is passed. Default: none."""
    paths: dict[str, str] = field(default_factory=_PATHS.copy)
    """The path of each endpoint that exists, below the base URL."""
    default_headers: Additions = field(default_factory=dict[str, str | None])
    """Headers of every request in addition, such as a gateway's. The header of the key, `Host` and
    framing headers are errors. Values are masked wherever they are shown. Default: none."""
    default_query: Additions = field(default_factory=dict[str, str | None])
    """The query of every request's URL, such as an API version. Its repr is masked, as some gateways
    take their key there. Default: none."""
    deployment: str | None = None
    """The Azure deployment, which replaces the `model` of every request. Default: none."""
    has_top_level_model: bool = False
    """Whether a nested request has the model at the top level too, by which LiteLLM routes."""
    takes_session: bool = True
    """Whether a request may configure the session. False for xAI: only the lifetime is sent."""
    offer_needs_secret: bool = False
    """Whether a WebRTC offer is accepted only with a client secret. True for Azure: `calls.create`
    with the key mints one first."""
    offer_query: dict[str, str] = field(default_factory=dict[str, str])
    """The query of the URL that takes WebRTC offers. Default: none; Azure: `webrtcfilter=on`."""
    unsupported: tuple[str, ...] = ("max_duration_seconds",)
    """Fields of a session that are not sent, by their paths in the nested shape, such as
    `audio.output.speed`. Default: `max_duration_seconds`, which only ElevenLabs takes."""
    flat_fields: tuple[str, ...] = ()
    """Fields of the flat shape that the provider's nested shape has too. Default: none."""
    renamed: dict[str, str] = field(default_factory=dict[str, str])
    """The provider's own names for fields of a nested session. Default: none."""
    max_lifetime: int = MAX_LIFETIME
    """The longest lifetime of a secret, in seconds."""
    allow_http: bool = False
    """Whether plain http, which shows the key to the network, may go to hosts besides loopback."""

    def __post_init__(self) -> None:
        """Mask the values of headers and query; raises `ConfigurationError` when one is unusable."""
        headers = checked_headers("default_headers", self.default_headers, self.key_header)
        query = checked_query("default_query", self.default_query)
        object.__setattr__(self, "default_headers", headers)
        object.__setattr__(self, "default_query", query)

    @property
    def key_header(self) -> str:
        """The name of the header that carries the key; empty: the server takes no key."""
        return self.auth.header if self.auth else ""

    @property
    def key_variables(self) -> tuple[str, ...]:
        """The environment variables of the credential: the first that is set is used."""
        return (
            (self.token_variable, self.key_variable)
            if self.token_variable
            else (self.key_variable,)
        )

    @property
    def loopback_only(self) -> bool:
        """Whether only an address of this machine may be called, because the URL is plain http."""
        return not self.allow_http and urlsplit(self.base_url).scheme == "http"

    @property
    def is_openai(self) -> bool:
        """Whether the base URL is OpenAI's own, in any region."""
        return _OPENAI.match(self.base_url) is not None

    def url(self, endpoint: str, *below: str, query: Mapping[str, str] = NO_QUERY) -> str:
        """Return the URL of an endpoint (a key of `paths`), or of a path below it, with `query`.

        Raises `ConfigurationError` when the provider has no such endpoint.
        """
        if endpoint not in self.paths:
            message = f"{self.name} has no {endpoint} endpoint"
            raise ConfigurationError(message)
        url = self.base_url + self.paths[endpoint]
        url = "/".join([url, *below])
        return f"{url}?{urlencode(query)}" if query else url

    def connect_url(self) -> str:
        """Return the URL to which a browser sends its WebRTC offer, with a client secret.

        It has no `default_query`, which may hold a gateway's key. Raises `ConfigurationError` when
        the provider has no calls endpoint.
        """
        return self.url("calls", query=self.offer_query)


def openai(*, region: Region | str | None = None, **defaults: Unpack[RequestDefaults]) -> Provider:
    """Return OpenAI (key: `OPENAI_API_KEY`); `region` is a data-residency region, such as `eu`.

    The API key's project must be in that region. OpenAI has realtime sessions in `us`, `eu` and
    `global` (default), not in its other regions. Raises `ConfigurationError` when `region` is not a
    region's name.
    """
    if region is None or region == "global":
        return Provider("OpenAI", OPENAI_BASE_URL, **defaults)
    if not _REGION.fullmatch(region):
        message = 'region must be a short name such as "eu"'
        raise ConfigurationError(message)
    return Provider("OpenAI", f"https://{region}.api.openai.com/v1", **defaults)


def azure(
    endpoint: str | URLObject | None = None,
    *,
    auth: Literal["key", "token"] | None = None,
    **defaults: Unpack[RequestDefaults],
) -> Provider:
    """Return Azure OpenAI's GA API at `endpoint`, such as `https://NAME.openai.azure.com`.

    A WebRTC offer is accepted there only with a client secret, and with `webrtcfilter=on` the data
    channel hides the session's instructions and tools from the browser (`calls.create`).

    Without `endpoint`, the environment's `AZURE_OPENAI_ENDPOINT` is used. `auth="key"` sends
    `api_key` in the `api-key` header (key: `AZURE_OPENAI_API_KEY`); `auth="token"` sends it as a
    Bearer token (key: `AZURE_OPENAI_AD_TOKEN`): pass a callable that returns a fresh Entra ID token.
    By default `api_key` is a key, and without it the environment decides: `AZURE_OPENAI_AD_TOKEN`
    comes before `AZURE_OPENAI_API_KEY`, as in the official SDK. Raises `ConfigurationError` when the
    endpoint is missing or not an https URL.
    """
    scheme, variable, token_variable = _azure_auth(auth)
    return Provider(
        "Azure OpenAI",
        f"{_azure_root(endpoint)}/openai/v1",
        dialect="ga",
        auth=scheme,
        key_variable=variable,
        token_variable=token_variable,
        offer_needs_secret=True,
        offer_query={"webrtcfilter": "on"},
        **defaults,
    )


def azure_preview(
    endpoint: str | URLObject | None,
    deployment: str,
    api_version: str = "2025-04-01-preview",
    *,
    auth: Literal["key", "token"] | None = None,
    **defaults: Unpack[RequestDefaults],
) -> Provider:
    """Return Azure OpenAI's preview API, which takes the flat shape; `deployment` is the model.

    `endpoint` (None: the environment's), `auth` and errors are those of `azure`.
    """
    scheme, variable, token_variable = _azure_auth(auth)
    return Provider(
        "Azure OpenAI preview",
        f"{_azure_root(endpoint)}/openai/realtimeapi",
        dialect="beta",
        auth=scheme,
        key_variable=variable,
        token_variable=token_variable,
        paths=_AZURE_PREVIEW_PATHS.copy(),
        default_headers=defaults.get("default_headers", {}),
        default_query={"api-version": api_version, **defaults.get("default_query", {})},
        deployment=deployment,
    )


def xai(**defaults: Unpack[RequestDefaults]) -> Provider:
    """Return xAI, where a secret has a lifetime and no session (key: `XAI_API_KEY`).

    The lifetime is at most 3600 seconds; without one, xAI's default is 600. The page configures the
    session itself, by WebSocket: xAI has no WebRTC and no calls.
    """
    return Provider(
        "xAI",
        "https://api.x.ai/v1",
        dialect="ga",
        key_variable="XAI_API_KEY",
        paths=_XAI_PATHS.copy(),
        takes_session=False,
        max_lifetime=3600,
        **defaults,
    )


def elevenlabs(
    base_url: str = "https://api.elevenlabs.io",
    *,
    allow_http: bool = False,
    **defaults: Unpack[RequestDefaults],
) -> Provider:
    """Return ElevenLabs' Eleven Realtime (key: `ELEVENLABS_API_KEY`, as `xi-api-key`).

    `base_url` is the host of the account's data residency, where it is not the usual one. Secrets
    are for WebSocket: there is no WebRTC, and there are no calls. Voices are ElevenLabs' voice ids.
    `max_duration_seconds` limits the session. Raises `ConfigurationError` when `base_url` is
    unusable, as `compatible` does.
    """
    host = check_base_url(base_url, allow_http=allow_http).removesuffix("/v1/convai")
    return Provider(
        "ElevenLabs",
        f"{host}/v1/convai",
        dialect="ga",
        auth=AuthScheme("xi-api-key"),
        key_variable="ELEVENLABS_API_KEY",
        paths=_ELEVENLABS_PATHS.copy(),
        unsupported=_UNSUPPORTED_BY_ELEVENLABS,
        flat_fields=("temperature",),
        renamed={"max_output_tokens": "max_response_output_tokens"},
        allow_http=allow_http,
        **defaults,
    )


def litellm(
    base_url: str | URLObject, *, allow_http: bool = False, **defaults: Unpack[RequestDefaults]
) -> Provider:
    """Return a LiteLLM proxy at `base_url`, with or without `/v1` (key: `LITELLM_API_KEY`).

    The proxy lacks some routes: `sessions.create` is sent to `/realtime/client_secrets`, because it
    has no `/realtime/sessions`; `calls.accept`, `.reject`, `.refer` and `.hangup` raise
    `NotFoundError`. It takes a WebRTC offer only with a secret of its own, and without `session`:
    `client.with_options(api_key=secret).calls.create(sdp=…)`; the call's id may be None. Its WebRTC
    routes respond with 403 until its administrator allows them.

    Raises `ConfigurationError` when `base_url` is unusable, as `compatible` does.
    """
    return Provider(
        "LiteLLM",
        check_base_url(base_url, allow_http=allow_http),
        dialect="ga",
        key_variable="LITELLM_API_KEY",
        paths=_LITELLM_PATHS.copy(),
        has_top_level_model=True,
        allow_http=allow_http,
        **defaults,
    )


def compatible(
    base_url: str | URLObject,
    *,
    dialect: Dialect = "auto",
    auth: AuthScheme | None = BEARER,
    allow_http: bool = False,
    **defaults: Unpack[RequestDefaults],
) -> Provider:
    """Return another server at `base_url`, such as `https://gateway.example/v1`.

    `auth=None` is for servers that take no key. Raises `ConfigurationError` when `base_url` is not
    a URL, and for plain http unless the host is loopback or `allow_http` is true: plain http shows
    the key to the network.
    """
    url = check_base_url(base_url, allow_http=allow_http)
    name = urlsplit(url).netloc
    return Provider(name, url, dialect=dialect, auth=auth, allow_http=allow_http, **defaults)


def _azure_auth(auth: str | None) -> tuple[AuthScheme, str, str | None]:
    """Return the header of the key, and the variables of the key and of a token in its place."""
    if auth not in _AZURE_AUTH:
        message = 'auth must be "key" or "token"'
        raise ConfigurationError(message)
    return _AZURE_AUTH[auth]


def _azure_root(endpoint: str | URLObject | None) -> str:
    """Return the endpoint without the paths that users paste with it, such as `/openai/v1`."""
    what = "endpoint"
    if endpoint is None:
        what = "AZURE_OPENAI_ENDPOINT"
        endpoint = read_variable("AZURE_OPENAI_ENDPOINT") or None
    if endpoint is None:
        message = (
            "No endpoint for Azure OpenAI: pass endpoint=… (https://NAME.openai.azure.com) or set the "
            "environment variable AZURE_OPENAI_ENDPOINT"
        )
        raise ConfigurationError(message)
    example = "https://NAME.openai.azure.com"
    root = check_base_url(endpoint, allow_http=False, what=what, example=example)
    for path in ("/v1", "/realtimeapi", "/openai"):
        root = root.removesuffix(path)
    return root
