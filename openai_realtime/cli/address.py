"""From the options that say who is called to a `Provider`.

Owns: which of these options go together. Must not know: keys, the mock, what is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

from openai_realtime import providers
from openai_realtime.cli import connection_options as options
from openai_realtime.cli.choices import ProviderName
from openai_realtime.cli.parameter_paths import spelled
from openai_realtime.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from openai_realtime.providers import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The options that say who is called, as they were given; None is the default."""

    provider: options.ProviderName = None
    base_url: options.BaseUrl = None
    region: options.Region = None
    endpoint: options.Endpoint = None
    deployment: options.Deployment = None
    api_version: options.ApiVersion = None
    azure_auth: options.AzureAuth = None
    allow_http: options.AllowHttp = False

    def resolve(self) -> Provider | None:
        """Return the provider; None: what the client makes of `--base-url`.

        Raises `ParameterError` when the options do not go together.
        """
        given = self.given()
        if self.provider is None:
            _check_without_provider([name for name in given if name not in _COMPATIBLE])
            return None
        _check_with_provider(self.provider, given)
        arguments = {_ARGUMENTS.get(name, name): given[name] for name in given}
        return _ROWS[self.provider].make(**arguments)

    def given(self) -> dict[str, object]:
        """Return the options that were given, `--provider` itself aside, in their usual order."""
        values = {field.name: getattr(self, field.name) for field in fields(Address)}
        del values["provider"]
        return {name: value for name, value in values.items() if value not in (None, False)}


def _xai(base_url: str | None = None, *, allow_http: bool = False) -> Provider:
    """Return xAI, or what stands before it at `base_url`."""
    provider = providers.xai()
    if base_url is None:
        return provider
    return replace(provider, base_url=providers.check_base_url(base_url, allow_http=allow_http))


@dataclass(frozen=True, slots=True)
class _Row:
    """A provider: what makes it, which options it needs, and which it takes besides."""

    make: Callable[..., Provider]
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


_ROWS: Final = {
    ProviderName.OPENAI: _Row(providers.openai, takes=("region",)),
    ProviderName.AZURE: _Row(providers.azure, needs=("endpoint",), takes=("azure_auth",)),
    ProviderName.AZURE_PREVIEW: _Row(
        providers.azure_preview,
        needs=("endpoint", "deployment"),
        takes=("api_version", "azure_auth"),
    ),
    ProviderName.XAI: _Row(_xai, takes=("base_url", "allow_http")),
    ProviderName.LITELLM: _Row(providers.litellm, needs=("base_url",), takes=("allow_http",)),
}
_COMPATIBLE: Final = frozenset({"base_url", "allow_http"})
_ARGUMENTS: Final = {"azure_auth": "auth"}


def _check_with_provider(name: ProviderName, given: Mapping[str, object]) -> None:
    row = _ROWS[name]
    missing = [option for option in row.needs if option not in given]
    unwanted = [option for option in given if option not in row.needs + row.takes]
    problems = [f"needs {_listed(missing, ' and ')}"] if missing else []
    if unwanted:
        problems.append(f"takes no {_listed(unwanted, ', no ')}")
    if problems:
        message = f"--provider {name} {' and '.join(problems)}"
        raise ParameterError(message)


def _check_without_provider(unwanted: list[str]) -> None:
    if not unwanted:
        return
    takers = [name for name, row in _ROWS.items() if {*unwanted} <= {*row.needs, *row.takes}]
    told = _listed(unwanted, " with ")
    if takers:
        message = f"{told} needs --provider {' or '.join(takers)}"
    else:
        message = f"{told} fits no provider"
    raise ParameterError(message)


def _listed(given: Iterable[str], between: str) -> str:
    return between.join(map(spelled, given))
