"""Settings: where they come from, and which are refused when the client is made."""

import copy
import time
import traceback
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from pydantic import HttpUrl, SecretStr

from openai_realtime import ConfigurationError, RetryPolicy, SyncRealtimeSessionsClient, Timeout
from openai_realtime.configuration import Configuration
from openai_realtime.core.base_url import check_base_url, is_loopback
from openai_realtime.core.deadline import Deadline
from openai_realtime.providers import azure, compatible, litellm
from openai_realtime.secrets import Authorization
from openai_realtime.transports.proxies import Proxy
from openai_realtime.webhooks import WebhookVerifier


def settings(**options: Any) -> Configuration:
    merged: Any = {"api_key": "sk-argument", **options}
    return Configuration.resolve(merged)


def key_of(configuration: Configuration) -> str:
    source = configuration.credential.source
    assert isinstance(source, Authorization)
    assert source.header == (b"Authorization", f"Bearer {source.token}".encode())
    return source.token


def test_arguments_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://environment.example/v1/")
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj")
    from_environment = Configuration.resolve({"api_key": None, "base_url": None})
    assert key_of(from_environment) == "sk-environment"
    assert from_environment.provider.base_url == "https://environment.example/v1"
    assert {b"OpenAI-Organization", b"OpenAI-Project"} < {
        name for name, _ in from_environment.headers
    }
    from_arguments = settings(base_url="https://argument.example/v1", organization="mine")
    assert key_of(from_arguments) == "sk-argument"
    assert from_arguments.provider.base_url == "https://argument.example/v1"
    assert (b"OpenAI-Organization", b"mine") in from_arguments.headers


def test_defaults() -> None:
    defaults = settings()
    assert defaults.provider.base_url == "https://api.openai.com/v1"
    assert defaults.timeout == Timeout(total=30.0, connect=5.0, read=10.0, pool=2.0)
    assert defaults.retry == RetryPolicy()
    assert b"OpenAI-Project" not in {name for name, _ in defaults.headers}


def test_with_options_replaces_some_and_keeps_the_rest() -> None:
    first = settings(timeout=7, organization="org", retry=RetryPolicy(base_delay=1.0))
    second = first.with_options({"max_retries": 5, "api_key": "sk-other"})
    assert (second.timeout.total, second.retry.max_retries, second.retry.base_delay) == (7, 5, 1.0)
    assert (key_of(second), key_of(first)) == ("sk-other", "sk-argument")
    assert first.retry.max_retries == 2
    assert (b"OpenAI-Organization", b"org") in second.headers


def test_a_missing_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY") as caught:
        SyncRealtimeSessionsClient()
    # It says what to try without one.
    assert "openai_realtime.testing.MockRealtimeServer, or --mock" in str(caught.value)
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        SyncRealtimeSessionsClient()
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        SyncRealtimeSessionsClient(api_key="")


@pytest.mark.parametrize(
    ("variable", "value", "make"),
    [
        ("OPENAI_API_KEY", "sk-1\n", SyncRealtimeSessionsClient),
        ("OPENAI_BASE_URL", "nonsense", SyncRealtimeSessionsClient),
        ("OPENAI_BASE_URL", "http://gateway.example", SyncRealtimeSessionsClient),
        ("OPENAI_ORG_ID", "an org", SyncRealtimeSessionsClient),
        ("OPENAI_PROJECT_ID", "a project", SyncRealtimeSessionsClient),
        ("AZURE_OPENAI_ENDPOINT", "my-resource", azure),
        (
            "AZURE_OPENAI_AD_TOKEN",
            "a token",
            lambda: SyncRealtimeSessionsClient(provider=azure("https://NAME.openai.azure.com")),
        ),
    ],
)
def test_an_unusable_variable_is_named(
    variable: str, value: str, make: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=f"^{variable} is unusable: it must be ") as caught:
        make()
    assert value.strip() not in str(caught.value)


@pytest.mark.parametrize("name", ["api_key", "organization", "project"])
@pytest.mark.parametrize(
    "value", ["secret-1\n", "\rsecret-1", "secret-1\0", "secret 1", "secret-é", "secret-1\x7f"]
)
def test_a_value_that_no_header_can_carry_is_refused_and_not_shown(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name) as caught:
        settings(**{name: value})
    shown = "".join(traceback.format_exception(caught.value))
    assert value not in shown
    assert "secret" not in str(caught.value)


def test_no_frame_of_the_package_shows_an_unusable_key() -> None:
    try:
        SyncRealtimeSessionsClient(api_key="sk-0123456789\n")
    except ConfigurationError as error:
        captured = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in captured.stack if "openai_realtime" in frame.filename]
    assert len(frames) >= 4
    assert all("0123456789" not in str(frame.locals) for frame in frames)


@pytest.mark.parametrize(
    ("base_url", "reason"),
    [
        ("", "must be a URL such as https://api.openai.com/v1$"),
        ("api.openai.com/v1", "must be a URL such as https://api.openai.com/v1$"),
        ("https://", "must be a URL such as https://api.openai.com/v1$"),
        ("https://[::1/v1", "must be a URL such as https://api.openai.com/v1$"),
        ("https://h:port/v1", "must be a URL such as https://api.openai.com/v1$"),
        ("https://h:0/v1", "must be a URL such as https://api.openai.com/v1$"),
        ("http://localhost:0/v1", "must be a URL such as https://api.openai.com/v1$"),
        ("https://h:99999/v1", "must be a URL such as https://api.openai.com/v1$"),
        ("https://hé.example/v1", "must be a URL such as https://api.openai.com/v1$"),
        ("https://h/v1\r\nX: y", "must be a URL such as https://api.openai.com/v1$"),
        ("https://h/v 1", "space"),
        ("https://h\\@evil/v1", "backslash"),
        ("https://user:pass@h/v1", "user name"),
        ("https://user@h/v1", "user name"),
        ("https://h/v1?x=1", "query"),
        ("https://h/v1#x", "fragment"),
        ("ftp://h/v1", "must begin with https:// or http://"),
        ("http://h/v1", "allow_http"),
        ("http://127.0.0.1.evil.example/v1", "allow_http"),
        ("http://localhost.evil.example/v1", "allow_http"),
        ("http://10.0.0.1/v1", "allow_http"),
    ],
)
def test_base_urls_that_are_refused(base_url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        check_base_url(base_url, allow_http=False)
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "normalized"),
    [
        ("https://h/v1/", "https://h/v1"),
        ("HTTPS://h", "HTTPS://h"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://localhost:8000/v1//", "http://localhost:8000/v1"),
        ("http://app.localhost", "http://app.localhost"),
    ],
)
def test_base_urls_that_are_accepted(base_url: str, normalized: str) -> None:
    assert check_base_url(base_url, allow_http=False) == normalized


def test_plain_http_can_be_allowed() -> None:
    assert settings(base_url="http://h/v1", allow_http=True).provider.base_url == "http://h/v1"


def test_loopback_addresses() -> None:
    assert is_loopback("127.9.9.9")
    assert not is_loopback("0.0.0.0")


def test_a_configuration_shows_no_key() -> None:
    configuration = settings()
    assert "sk-argument" not in repr(configuration)
    assert "sk-argument" not in repr(copy.copy(configuration).options)


@pytest.mark.parametrize("make", [httpx.URL, HttpUrl])
def test_url_objects_are_taken_as_their_texts(make: Callable[[str], Any]) -> None:
    url = make("https://gateway.example/v1")
    for provider in (settings(base_url=url).provider, compatible(url), litellm(url)):
        assert provider.base_url == "https://gateway.example/v1"
    assert (
        azure(make("https://n.openai.azure.com")).base_url == "https://n.openai.azure.com/openai/v1"
    )
    proxied = settings(proxy=make("http://me:hunter2@proxy.example:3128"))
    proxy = Proxy.parse(str(proxied.options["proxy"]))
    assert (proxy.host, proxy.auth) == ("proxy.example", ("me", "hunter2"))
    assert "hunter2" not in repr(proxied.options)
    assert settings(proxy=None).options["proxy"] is None


SECRET = SecretStr("sk-0123456789")


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: settings(api_key=SECRET), "api_key"),
        (
            lambda: settings(api_key=lambda: SECRET).credential.get(Deadline(9.0, time.monotonic)),
            "api_key",
        ),
        (lambda: settings(organization=SECRET), "organization"),
        (lambda: settings(base_url=SECRET), "base_url"),
        (lambda: settings(default_headers={"X-Key": SECRET}), "default_headers: X-Key"),
        (lambda: settings(default_query={"key": SECRET}), "default_query"),
        (lambda: azure(SECRET), "endpoint"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: SyncRealtimeSessionsClient(api_key="k", proxy=SECRET), "proxy"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: WebhookVerifier(SECRET), "The webhook secret"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: WebhookVerifier([SECRET]), "The webhook secret"),  # type: ignore[list-item]  # wrong on purpose
    ],
)
def test_a_secret_str_is_refused_with_what_to_call(make: Callable[[], object], name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert str(caught.value).startswith(name)
    assert "not a SecretStr: call .get_secret_value()" in str(caught.value)
    assert "0123456789" not in str(caught.value)


@pytest.mark.parametrize("name", ["timeout", "max_retries", "api_key", "organization"])
def test_not_given_of_the_official_sdk_is_refused(name: str) -> None:
    for marker in (openai.omit, openai.NOT_GIVEN):
        with pytest.raises(ConfigurationError, match=f"^{name} is omit or NOT_GIVEN: leave it out"):
            settings(**{name: marker})


def test_a_name_instead_of_azures_endpoint() -> None:
    with pytest.raises(ConfigurationError, match="a URL such as https://NAME.openai.azure.com$"):
        azure("my-resource")
