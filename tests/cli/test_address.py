from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from openai_realtime import providers
from openai_realtime.cli.address import Address
from openai_realtime.cli.choices import AzureAuth, ProviderName
from openai_realtime.errors import ConfigurationError, ParameterError
from openai_realtime.providers import Provider

ENDPOINT = "https://mine.openai.azure.com"
PREVIEW = {
    "provider": ProviderName.AZURE_PREVIEW,
    "endpoint": ENDPOINT,
    "deployment": "mine",
}


@pytest.mark.parametrize(
    ("options", "provider"),
    [
        ({}, None),
        ({"base_url": "https://gateway.example/v1", "allow_http": True}, None),
        ({"provider": ProviderName.OPENAI}, providers.openai()),
        ({"provider": ProviderName.OPENAI, "region": "eu"}, providers.openai(region="eu")),
        ({"provider": ProviderName.AZURE, "endpoint": ENDPOINT}, providers.azure(ENDPOINT)),
        (
            {"provider": ProviderName.AZURE, "endpoint": ENDPOINT, "azure_auth": AzureAuth.TOKEN},
            providers.azure(ENDPOINT, auth="token"),
        ),
        (PREVIEW, providers.azure_preview(ENDPOINT, "mine")),
        (
            {**PREVIEW, "api_version": "2024-10-01-preview", "azure_auth": AzureAuth.KEY},
            providers.azure_preview(ENDPOINT, "mine", "2024-10-01-preview", auth="key"),
        ),
        ({"provider": ProviderName.XAI}, providers.xai()),
        (
            {"provider": ProviderName.XAI, "base_url": "http://gate", "allow_http": True},
            replace(providers.xai(), base_url="http://gate"),
        ),
        (
            {"provider": ProviderName.LITELLM, "base_url": "http://lite:4000", "allow_http": True},
            providers.litellm("http://lite:4000", allow_http=True),
        ),
    ],
    ids=repr,
)
def test_the_provider_is_what_the_options_say(
    options: dict[str, Any], provider: Provider | None
) -> None:
    assert Address(**options).resolve() == provider


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"region": "eu"}, "--region needs --provider openai"),
        ({"endpoint": ENDPOINT}, "--endpoint needs --provider azure or azure-preview"),
        (
            {"endpoint": ENDPOINT, "deployment": "mine"},
            "--endpoint with --deployment needs --provider azure-preview",
        ),
        (
            {"region": "eu", "azure_auth": AzureAuth.KEY},
            "--region with --azure-auth fits no provider",
        ),
        ({"provider": ProviderName.AZURE}, "--provider azure needs --endpoint"),
        (
            {"provider": ProviderName.AZURE_PREVIEW},
            "--provider azure-preview needs --endpoint and --deployment",
        ),
        ({"provider": ProviderName.LITELLM}, "--provider litellm needs --base-url"),
        (
            {"provider": ProviderName.OPENAI, "base_url": "https://gateway.example"},
            "--provider openai takes no --base-url",
        ),
        (
            {"provider": ProviderName.XAI, "endpoint": "x", "api_version": "y"},
            "--provider xai takes no --endpoint, no --api-version",
        ),
        (
            {"provider": ProviderName.AZURE, "deployment": "mine", "allow_http": True},
            "--provider azure needs --endpoint and takes no --deployment, no --allow-http",
        ),
    ],
    ids=repr,
)
def test_options_that_do_not_go_together(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ParameterError) as refused:
        Address(**options).resolve()
    assert str(refused.value) == problem


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"provider": ProviderName.AZURE, "endpoint": "http://mine.example"},
            "endpoint is unusable: plain http would show the API key to the network; use https",
        ),
        (
            {**PREVIEW, "endpoint": ""},
            "endpoint is unusable: it is not a URL such as https://api.openai.com/v1",
        ),
        (
            {"provider": ProviderName.XAI, "base_url": "http://gate"},
            (
                "base_url is unusable: plain http would show the API key to the network; use https, "
                "or allow_http=True"
            ),
        ),
        (
            {"provider": ProviderName.OPENAI, "region": "e/u"},
            'region is unusable: it is a short name such as "eu"',
        ),
    ],
    ids=repr,
)
def test_an_unusable_address_is_told_by_its_option(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Address(**options).resolve()
    assert str(refused.value) == problem
