"""The providers that a command can call, the options that each takes, and sources of tokens."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, cast

import openai_realtime
from openai_realtime import providers
from openai_realtime.cli.parameters import option_name
from openai_realtime.core.base_url import check_base_url
from openai_realtime.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from openai_realtime import SubjectTokenSource
    from openai_realtime.testing import profiles

ProviderName = Literal["openai", "azure", "azure-preview", "xai", "elevenlabs", "litellm"]


def profile_name(provider: str | None) -> profiles.ProviderName | None:
    """Return the mock server's name for a provider."""
    return cast("profiles.ProviderName", provider.replace("-", "_")) if provider else None


def _xai(base_url: str | None = None, *, allow_http: bool = False) -> providers.Provider:
    """Return xAI, or a gateway to it at `base_url`."""
    provider = providers.xai()
    url = provider.base_url if base_url is None else base_url
    return replace(provider, base_url=check_base_url(url, allow_http=allow_http))


PROVIDERS: Final[Mapping[ProviderName, Callable[..., providers.Provider]]] = {
    "openai": providers.openai,
    "azure": providers.azure,
    "azure-preview": providers.azure_preview,
    "xai": _xai,
    "elevenlabs": providers.elevenlabs,
    "litellm": providers.litellm,
}
"""The function that makes each provider. Its parameters are the options that the provider takes."""
COMPATIBLE: Final = frozenset({"base_url", "allow_http"})
"""The options that need no `--provider`."""


def provider_options(name: ProviderName) -> dict[str, bool]:
    """Return the options that a provider takes, each with whether it is required."""
    parameters = inspect.signature(PROVIDERS[name]).parameters.values()
    return {
        "azure_auth" if each.name == "auth" else each.name: (
            each.default is each.empty or each.name == "endpoint"
        )
        for each in parameters
        if each.kind is not each.VAR_KEYWORD
    }


def check_with_provider(name: ProviderName, given: Mapping[str, object]) -> None:
    """Raise `ParameterError` if a provider does not take these options, or needs others."""
    options = provider_options(name)
    missing = [each for each, is_required in options.items() if is_required and each not in given]
    unwanted = [each for each in given if each not in options]
    problems = [f"needs {listed(missing, ' and ')}"] if missing else []
    if unwanted:
        problems.append(f"takes no {listed(unwanted, ', no ')}")
    if problems:
        message = f"--provider {name} {' and '.join(problems)}"
        raise ParameterError(message)


def check_without_provider(unwanted: list[str]) -> None:
    """Raise `ParameterError` if options are given that need a provider."""
    if not unwanted:
        return
    names = [name for name in PROVIDERS if {*unwanted} <= provider_options(name).keys()]
    problem = f"needs --provider {' or '.join(names)}" if names else "fits no provider"
    message = f"{listed(unwanted, ' with ')} {problem}"
    raise ParameterError(message)


def listed(options: Iterable[str], separator: str) -> str:
    """Return the options of these fields as text."""
    return separator.join(map(option_name, options))


def token_source(name: str | None) -> SubjectTokenSource:
    """Return the source of a workload identity's subject tokens: `azure`, `gcp` or a file's path.

    None is the file of a pod's service account.
    """
    match name:
        case None:
            return openai_realtime.SubjectTokenFile()
        case "azure":
            return openai_realtime.AzureManagedIdentity()
        case "gcp":
            return openai_realtime.GcpMetadata()
        case path:
            return openai_realtime.SubjectTokenFile(path)
