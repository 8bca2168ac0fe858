"""The options that select a server and configure the connection, and the client for them."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final, Literal, Unpack, cast

import openai_realtime
from openai_realtime import providers
from openai_realtime.cli.options import flag, given_options, option, option_name
from openai_realtime.cli.parameters import read_api_key
from openai_realtime.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from openai_realtime import SyncRealtimeSessionsClient
    from openai_realtime.configuration import ClientOptions, SyncClientOptions
    from openai_realtime.testing import profiles

ProviderName = Literal["openai", "azure", "azure-preview", "xai", "litellm"]
_PROVIDER = "Provider"
_CONNECTION = "Connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderOptions:
    """The options that select a provider; None is the default."""

    provider: ProviderName | None = option(
        _PROVIDER,
        "NAME",
        "The provider to call: openai, azure, azure-preview, xai or litellm. Default: any server with "
        "OpenAI's API, at the base URL.",
    )
    base_url: str | None = option(
        _PROVIDER,
        "URL",
        "The API's URL: of any compatible server, of LiteLLM, or of a gateway to xAI. Default: "
        "OPENAI_BASE_URL, else https://api.openai.com/v1.",
    )
    region: str | None = option(_PROVIDER, "NAME", "openai: a data-residency region, such as eu.")
    endpoint: str | None = option(
        _PROVIDER,
        "URL",
        "azure, azure-preview: the resource, such as https://NAME.openai.azure.com.",
    )
    deployment: str | None = option(
        _PROVIDER, "NAME", "azure-preview: the deployment, which is the model there."
    )
    api_version: str | None = option(
        _PROVIDER, "VERSION", "azure-preview: the API's version. Default: 2025-04-01-preview."
    )
    azure_auth: Literal["key", "token"] | None = option(
        _PROVIDER,
        "KIND",
        "azure, azure-preview: key (default), from AZURE_OPENAI_API_KEY, or token, an Entra ID token "
        "from AZURE_OPENAI_AD_TOKEN.",
    )
    allow_http: bool = flag(
        _CONNECTION,
        "--allow-http",
        "Allow plain http to other hosts than this one: the key crosses the network unencrypted.",
    )

    def resolve(self) -> providers.Provider | None:
        """Return the provider, or None when `--base-url` and the environment decide.

        Raises `ParameterError` when the options contradict each other.
        """
        given = self.given()
        if self.provider is None:
            _check_without_provider([name for name in given if name not in _COMPATIBLE])
            return None
        _check_with_provider(self.provider, given)
        arguments = {name.removeprefix("azure_"): value for name, value in given.items()}
        return _PROVIDERS[self.provider](**arguments)

    def given(self) -> dict[str, object]:
        """Return the given options of this class but `--provider`, in the order of the fields."""
        names = {field.name for field in fields(ProviderOptions)} - {"provider"}
        return {name: value for name, value in given_options(self).items() if name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions(ProviderOptions):
    """All options of a connection; None is the client's default."""

    api_key_file: str | None = option(
        _CONNECTION,
        "FILE",
        "Read the API key from this file (- is stdin). Default: OPENAI_API_KEY, or the provider's own "
        "variable, which the error names when it is missing. There is no option for the key itself: "
        "other users could read it in the process list.",
    )
    timeout: float | None = option(
        _CONNECTION, "SECONDS", "Time for the whole call, retries included. Default: 30."
    )
    max_retries: int | None = option(
        _CONNECTION, "NUMBER", "Retries after the first attempt. Default: 2."
    )
    mock: bool = flag(
        _CONNECTION,
        "--mock",
        "Call a mock server inside this process: it needs no key and no network.",
    )

    @contextmanager
    def client(self, **options: Unpack[ClientOptions]) -> Generator[SyncRealtimeSessionsClient]:
        """Open a client of the server, real or mock."""
        with self.settings() as settings:
            merged: SyncClientOptions = {**settings, **options}
            with openai_realtime.SyncRealtimeSessionsClient(**merged) as client:
                yield client

    @contextmanager
    def settings(self, *, webrtc: bool = False) -> Generator[SyncClientOptions]:
        """Yield a client's options; with `--mock`, a mock server runs until the block ends.

        `webrtc`: the mock server takes part in WebRTC calls too.
        """
        limits: ClientOptions = {}
        if self.timeout is not None:
            limits["timeout"] = self.timeout
        if self.max_retries is not None:
            limits["max_retries"] = self.max_retries
        if not self.mock:
            yield {**self._real_server(), **limits}
            return
        self._check_mock()
        from openai_realtime.testing import MockRealtimeServer  # noqa: PLC0415 - only --mock needs it

        with MockRealtimeServer(provider=profile_name(self.provider), webrtc=webrtc) as server:
            yield {"api_key": server.api_key, "provider": server.provider, **limits}

    def _real_server(self) -> SyncClientOptions:
        provider = self.resolve()
        variable = "OPENAI_API_KEY" if provider is None else provider.key_variable
        api_key = read_api_key(self.api_key_file, variable)
        if provider is None:
            return {"api_key": api_key, "base_url": self.base_url, "allow_http": self.allow_http}
        return {"api_key": api_key, "provider": provider}

    def _check_mock(self) -> None:
        # --allow-http does not select a server.
        given = [name for name in self.given() if name != "allow_http"]
        if self.api_key_file is not None:
            given.append("api_key_file")
        if given:
            message = f"--mock has its own server and key: it takes no {_listed(given, ', no ')}"
            raise ParameterError(message)


def profile_name(provider: str | None) -> profiles.ProviderName | None:
    """Return the mock server's name for a provider."""
    return cast("profiles.ProviderName", provider.replace("-", "_")) if provider else None


def _xai(base_url: str | None = None, *, allow_http: bool = False) -> providers.Provider:
    """Return xAI, or a gateway to it at `base_url`."""
    provider = providers.xai()
    if base_url is None:
        return provider
    return replace(provider, base_url=providers.check_base_url(base_url, allow_http=allow_http))


_PROVIDERS: Final[Mapping[ProviderName, Callable[..., providers.Provider]]] = {
    "openai": providers.openai,
    "azure": providers.azure,
    "azure-preview": providers.azure_preview,
    "xai": _xai,
    "litellm": providers.litellm,
}
"""The function that makes each provider. Its parameters are the options that the provider takes."""
_COMPATIBLE: Final = frozenset({"base_url", "allow_http"})
"""The options that need no `--provider`."""


def _provider_options(name: ProviderName) -> dict[str, bool]:
    """Return the options that a provider takes, each with whether it is required."""
    parameters = inspect.signature(_PROVIDERS[name]).parameters.values()
    return {
        "azure_auth" if each.name == "auth" else each.name: each.default is each.empty
        for each in parameters
    }


def _check_with_provider(name: ProviderName, given: Mapping[str, object]) -> None:
    options = _provider_options(name)
    missing = [each for each, is_required in options.items() if is_required and each not in given]
    unwanted = [each for each in given if each not in options]
    problems = [f"needs {_listed(missing, ' and ')}"] if missing else []
    if unwanted:
        problems.append(f"takes no {_listed(unwanted, ', no ')}")
    if problems:
        message = f"--provider {name} {' and '.join(problems)}"
        raise ParameterError(message)


def _check_without_provider(unwanted: list[str]) -> None:
    if not unwanted:
        return
    names = [name for name in _PROVIDERS if {*unwanted} <= _provider_options(name).keys()]
    problem = f"needs --provider {' or '.join(names)}" if names else "fits no provider"
    message = f"{_listed(unwanted, ' with ')} {problem}"
    raise ParameterError(message)


def _listed(options: Iterable[str], separator: str) -> str:
    return separator.join(map(option_name, options))
