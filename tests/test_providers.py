"""Providers: their URLs, dialects and keys, and the settings that fit to them."""

from typing import Any

import httpx
import pytest

from openai_realtime import (
    ConfigurationError,
    ParameterError,
    RetryPolicy,
    SyncRealtimeSessionsClient,
    Timeout,
)
from openai_realtime.configuration import Configuration
from openai_realtime.providers import (
    API_KEY,
    BEARER,
    AuthScheme,
    Provider,
    azure,
    azure_preview,
    compatible,
    elevenlabs,
    litellm,
    openai,
    xai,
)

ENDPOINT = "https://name.openai.azure.com"


@pytest.mark.parametrize(
    ("provider", "endpoint", "url"),
    [
        (openai(), "sessions", "https://api.openai.com/v1/realtime/sessions"),
        (openai(region="eu"), "sessions", "https://eu.api.openai.com/v1/realtime/sessions"),
        (openai(region="global"), "sessions", "https://api.openai.com/v1/realtime/sessions"),
        (
            openai(),
            "translations",
            "https://api.openai.com/v1/realtime/translations/client_secrets",
        ),
        (azure(ENDPOINT), "client_secrets", f"{ENDPOINT}/openai/v1/realtime/client_secrets"),
        (azure(f"{ENDPOINT}/openai/v1/"), "calls", f"{ENDPOINT}/openai/v1/realtime/calls"),
        (azure(f"{ENDPOINT}/openai/realtimeapi"), "calls", f"{ENDPOINT}/openai/v1/realtime/calls"),
        (azure(f"{ENDPOINT}/openai"), "calls", f"{ENDPOINT}/openai/v1/realtime/calls"),
        (
            azure_preview(ENDPOINT, "d"),
            "sessions",
            f"{ENDPOINT}/openai/realtimeapi/sessions",
        ),
        (
            azure_preview(ENDPOINT, "d", "2024-10-01-preview"),
            "transcription_sessions",
            f"{ENDPOINT}/openai/realtimeapi/transcription_sessions",
        ),
        (xai(), "client_secrets", "https://api.x.ai/v1/realtime/client_secrets"),
        (
            elevenlabs(),
            "client_secrets",
            "https://api.elevenlabs.io/v1/convai/realtime/client_secrets",
        ),
        (
            elevenlabs("https://eu.example/v1/convai/"),
            "client_secrets",
            "https://eu.example/v1/convai/realtime/client_secrets",
        ),
        (litellm("https://h/v1/"), "client_secrets", "https://h/v1/realtime/client_secrets"),
        (compatible("https://h"), "sessions", "https://h/realtime/sessions"),
    ],
)
def test_urls(provider: Provider, endpoint: str, url: str) -> None:
    assert provider.url(endpoint) == url


def test_urls_below_an_endpoint() -> None:
    url = azure(ENDPOINT).url("calls", "rtc_1", "accept")
    assert url == f"{ENDPOINT}/openai/v1/realtime/calls/rtc_1/accept"


def test_a_missing_endpoint_raises_before_anything_is_sent() -> None:
    with SyncRealtimeSessionsClient(provider=xai(), api_key="k") as client:
        with pytest.raises(ConfigurationError, match="xAI has no translations endpoint"):
            client.translations.client_secrets.create(session={"model": "m"})
        with pytest.raises(ConfigurationError, match="xAI has no calls endpoint"):
            client.calls.hangup("rtc_1")


@pytest.mark.parametrize(
    ("provider", "dialect", "auth", "variable"),
    [
        (openai(), "auto", BEARER, "OPENAI_API_KEY"),
        (azure(ENDPOINT), "ga", API_KEY, "AZURE_OPENAI_API_KEY"),
        (azure(ENDPOINT, auth="token"), "ga", BEARER, "AZURE_OPENAI_AD_TOKEN"),
        (azure_preview(ENDPOINT, "d"), "beta", API_KEY, "AZURE_OPENAI_API_KEY"),
        (azure_preview(ENDPOINT, "d", auth="token"), "beta", BEARER, "AZURE_OPENAI_AD_TOKEN"),
        (xai(), "ga", BEARER, "XAI_API_KEY"),
        (elevenlabs(), "ga", AuthScheme("xi-api-key"), "ELEVENLABS_API_KEY"),
        (litellm("https://h"), "ga", BEARER, "LITELLM_API_KEY"),
        (compatible("https://h"), "auto", BEARER, "OPENAI_API_KEY"),
        (compatible("https://h", dialect="beta", auth=None), "beta", None, "OPENAI_API_KEY"),
    ],
)
def test_dialects_and_keys(
    provider: Provider,
    dialect: str,
    auth: AuthScheme | None,
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (provider.dialect, provider.auth, provider.key_variable) == (dialect, auth, variable)
    if auth is None:
        assert Configuration.resolve({"provider": provider}).credential.source is None
        return
    with pytest.raises(ConfigurationError, match=rf"{variable}; the mock server needs no key: "):
        SyncRealtimeSessionsClient(provider=provider)
    monkeypatch.setenv(variable, "key-1")
    authorization: Any = Configuration.resolve({"provider": provider}).credential.source
    assert authorization.header == (auth.header.encode(), f"{auth.prefix}key-1".encode())


def test_no_provider_gets_the_key_or_organization_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "openais-own")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://other.example/v1")
    with pytest.raises(ConfigurationError, match="XAI_API_KEY"):
        SyncRealtimeSessionsClient(provider=xai())
    configuration = Configuration.resolve({"provider": xai(), "api_key": "xai-1"})
    assert configuration.provider.base_url == "https://api.x.ai/v1"
    assert b"openais-own" not in b"".join(value for _, value in configuration.headers)
    explicit = Configuration.resolve({"provider": xai(), "api_key": "xai-1", "project": "p"})
    assert (b"OpenAI-Project", b"p") in explicit.headers


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"provider": xai(), "base_url": "https://h"}, "not both"),
        ({"dialect": "alpha"}, '"auto", "beta" or "ga"'),
        ({"provider": Provider("x", "http://evil.example")}, "plain http"),
    ],
)
def test_settings_that_contradict_each_other(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        SyncRealtimeSessionsClient(api_key="sk-x", **options)


def test_with_options_changes_the_provider() -> None:
    with SyncRealtimeSessionsClient(api_key="xai-1", provider=xai()) as client:
        with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
            client.with_options(base_url="https://h/v1")  # xAI's key is for xAI alone
        other = client.with_options(base_url="https://h/v1", api_key="sk-y")
        assert (client.base_url, other.base_url) == ("https://api.x.ai/v1", "https://h/v1")
        assert other.with_options(provider=openai()).base_url == "https://api.openai.com/v1"


def test_a_copy_does_not_read_the_environment_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://one.example/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "one")
    first = Configuration.resolve({})
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name)
    copied = first.with_options({"max_retries": 1})
    assert copied.provider == first.provider
    assert copied.credential == first.credential
    assert copied.headers == first.headers


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"basurl": "x"}, r"basurl is not a known setting: did you mean base_url\?"),
        ({"default_header": {}}, r"is not a known setting: did you mean default_headers\?"),
        ({"provider": "azure"}, "provider must be a Provider"),
        ({"base_url": 5}, "base_url is unusable"),
        ({"api_key": b"sk-x"}, "api_key is unusable"),
        ({"max_retries": "2"}, "whole number"),
        ({"max_retries": 1.5}, "whole number"),
    ],
)
def test_unknown_and_unusable_settings(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        SyncRealtimeSessionsClient(**{"api_key": "sk-x", **options})


def test_proxy_and_http_client_exclude_each_other() -> None:
    with httpx.Client() as own, pytest.raises(ConfigurationError, match="not both"):
        SyncRealtimeSessionsClient(api_key="sk-x", proxy="http://p:1", http_client=own)


@pytest.mark.parametrize("options", [{"proxy": "http://p"}, {"trust_env": False}, {"tiemout": 3}])
def test_settings_that_with_options_refuses(options: dict[str, Any]) -> None:
    with (
        SyncRealtimeSessionsClient(api_key="sk-x") as client,
        pytest.raises(ConfigurationError, match=next(iter(options))),
    ):
        client.with_options(**options)


def test_copies_of_a_subclass_keep_its_attributes() -> None:
    class TenantClient(SyncRealtimeSessionsClient):
        def __init__(self) -> None:
            super().__init__(api_key="sk-x", max_retries=0, timeout=Timeout(60, connect=1))
            self.tenant = "t"

    with TenantClient() as client:
        copied = client.with_options(retry=RetryPolicy(max_retries=5), timeout=10)
        assert copied.tenant == "t"
        assert copied._configuration.retry.max_retries == 5
        assert copied._configuration.timeout == Timeout(10, connect=1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: openai(region="EU.evil.example/"),
        lambda: openai(region=""),
        lambda: azure("http://name.openai.azure.com"),
        lambda: azure("https://name.openai.azure.com", auth="tokn"),  # type: ignore[arg-type]  # wrong on purpose
        lambda: azure("https://user:pass@name.openai.azure.com"),
        lambda: azure_preview("nonsense", "d"),
        lambda: litellm("http://proxy.example"),
        lambda: elevenlabs("http://proxy.example"),
        lambda: compatible("http://gateway.example"),
    ],
)
def test_unusable_providers(make: Any) -> None:
    with pytest.raises(ConfigurationError):
        make()


def test_plain_http_where_it_is_allowed() -> None:
    assert litellm("http://proxy.example", allow_http=True).base_url == "http://proxy.example"
    assert compatible("http://127.0.0.1:1").name == "127.0.0.1:1"
    provider = compatible("http://gateway.example", allow_http=True)
    assert SyncRealtimeSessionsClient(provider=provider, api_key="k").base_url == provider.base_url
    with pytest.raises(
        ConfigurationError, match="endpoint is unusable: it must be https.*network$"
    ):
        azure("http://name.openai.azure.com")


def test_a_new_provider_needs_one_line() -> None:
    provider = Provider("Mine", "https://mine.example", "ga", auth=AuthScheme("x-key"))
    configuration = Configuration.resolve({"provider": provider, "api_key": "k"})
    authorization: Any = configuration.credential.source
    assert authorization.header == (b"x-key", b"k")


def test_only_the_client_sets_the_header_of_its_credential() -> None:
    mine = Provider("Mine", "https://mine.example", "ga", auth=AuthScheme("X-Key"))
    with (
        SyncRealtimeSessionsClient(provider=mine, api_key="k") as client,
        pytest.raises(ParameterError, match="x-key is set by the client"),
    ):
        client.sessions.create(extra_headers={"x-key": "another"})
