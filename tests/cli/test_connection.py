from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from openai_realtime import providers
from openai_realtime.cli.connection import ProviderOptions
from openai_realtime.errors import ConfigurationError, ParameterError
from openai_realtime.providers import Provider

ENDPOINT = "https://mine.openai.azure.com"
PREVIEW = {
    "provider": "azure-preview",
    "endpoint": ENDPOINT,
    "deployment": "mine",
}


@pytest.mark.parametrize(
    ("options", "provider"),
    [
        ({}, None),
        ({"base_url": "https://gateway.example/v1", "allow_http": True}, None),
        ({"provider": "openai"}, providers.openai()),
        ({"provider": "openai", "region": "eu"}, providers.openai(region="eu")),
        ({"provider": "azure", "endpoint": ENDPOINT}, providers.azure(ENDPOINT)),
        (
            {"provider": "azure", "endpoint": ENDPOINT, "azure_auth": "token"},
            providers.azure(ENDPOINT, auth="token"),
        ),
        (PREVIEW, providers.azure_preview(ENDPOINT, "mine")),
        (
            {**PREVIEW, "api_version": "2024-10-01-preview", "azure_auth": "key"},
            providers.azure_preview(ENDPOINT, "mine", "2024-10-01-preview", auth="key"),
        ),
        ({"provider": "xai"}, providers.xai()),
        (
            {"provider": "xai", "base_url": "http://gate", "allow_http": True},
            replace(providers.xai(), base_url="http://gate"),
        ),
        (
            {"provider": "litellm", "base_url": "http://lite:4000", "allow_http": True},
            providers.litellm("http://lite:4000", allow_http=True),
        ),
    ],
    ids=repr,
)
def test_the_provider_is_what_the_options_say(
    options: dict[str, Any], provider: Provider | None
) -> None:
    assert ProviderOptions(**options).resolve() == provider


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
            {"region": "eu", "azure_auth": "key"},
            "--region with --azure-auth fits no provider",
        ),
        ({"provider": "azure"}, "--provider azure needs --endpoint"),
        (
            {"provider": "azure-preview"},
            "--provider azure-preview needs --endpoint and --deployment",
        ),
        ({"provider": "litellm"}, "--provider litellm needs --base-url"),
        (
            {"provider": "openai", "base_url": "https://gateway.example"},
            "--provider openai takes no --base-url",
        ),
        (
            {"provider": "xai", "endpoint": "x", "api_version": "y"},
            "--provider xai takes no --endpoint, no --api-version",
        ),
        (
            {"provider": "azure", "deployment": "mine", "allow_http": True},
            "--provider azure needs --endpoint and takes no --deployment, no --allow-http",
        ),
    ],
    ids=repr,
)
def test_options_that_do_not_go_together(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ParameterError) as refused:
        ProviderOptions(**options).resolve()
    assert str(refused.value) == problem


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"provider": "azure", "endpoint": "http://mine.example"},
            "endpoint is unusable: plain http would show the API key to the network; use https",
        ),
        (
            {**PREVIEW, "endpoint": ""},
            "endpoint is unusable: it is not a URL such as https://api.openai.com/v1",
        ),
        (
            {"provider": "xai", "base_url": "http://gate"},
            (
                "base_url is unusable: plain http would show the API key to the network; use https, "
                "or allow_http=True"
            ),
        ),
        (
            {"provider": "openai", "region": "e/u"},
            'region must be a short name such as "eu"',
        ),
    ],
    ids=repr,
)
def test_an_unusable_url_is_named_by_its_parameter(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        ProviderOptions(**options).resolve()
    assert str(refused.value) == problem
