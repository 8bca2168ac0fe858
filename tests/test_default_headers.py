"""Headers and a query for all calls: from the environment, the provider, the client and the call."""

from __future__ import annotations

import logging
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import anyio
import httpx
import pytest

from openai_realtime import (
    APIStatusError,
    ConfigurationError,
    ParameterError,
    RealtimeSessionsClient,
    SyncRealtimeSessionsClient,
)
from openai_realtime.configuration import Configuration
from openai_realtime.core.request_additions import header_lines
from openai_realtime.mint import mint_app
from openai_realtime.providers import (
    AuthScheme,
    Provider,
    azure,
    azure_preview,
    compatible,
    litellm,
    openai,
    xai,
)
from openai_realtime.testing import MockRealtimeServer, MockResponse

if TYPE_CHECKING:
    from backends import Backend

GATEWAY_KEY = "gateway-key-0123456789"
ENDPOINT = "https://name.openai.azure.com"


def headers_of(configuration: Configuration) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in configuration.headers}


def resolve(**options: Any) -> Configuration:
    merged: Any = {"api_key": "sk-x", **options}
    return Configuration.resolve(merged)


def test_every_request_has_them(realtime_server: MockRealtimeServer, backend: Backend) -> None:
    async def body() -> None:
        async with backend.client(
            dialect="beta",
            default_headers={"cf-aig-authorization": f"Bearer {GATEWAY_KEY}", "X-Tenant": "a"},
            default_query={"tenant": "a b", "debug": "1"},
        ) as client:
            await client.sessions.create(voice="verse")
            await client.client_secrets.create()
            await client.sessions.create(
                extra_headers={"x-tenant": "b", "User-Agent": None},
                extra_query={"debug": None, "tenant": "c"},
            )
            copy = client.with_options(
                default_headers={"X-TENANT": "c", "X-More": "1"}, default_query={"debug": "2"}
            )
            await copy.sessions.create()

    backend.run(body)
    requests = realtime_server.requests
    assert all(
        request.headers["cf-aig-authorization"] == f"Bearer {GATEWAY_KEY}" for request in requests
    )
    assert [request.headers["x-tenant"] for request in requests] == ["a", "a", "b", "c"]
    assert "user-agent" not in requests[2].headers
    assert requests[3].headers["x-more"] == "1"
    queries = [parse_qs(request.path.partition("?")[2]) for request in requests]
    assert queries == [
        {"tenant": ["a b"], "debug": ["1"]},
        {"tenant": ["a b"], "debug": ["1"]},
        {"tenant": ["c"]},
        {"tenant": ["a b"], "debug": ["2"]},
    ]


def test_both_requests_of_a_call_at_azure_have_them(backend: Backend) -> None:
    with MockRealtimeServer(provider="azure") as server:

        async def body() -> None:
            async with backend.client(
                provider=server.provider,
                api_key=server.api_key,
                default_headers={"X-Tenant": "a", "X-Gateway": GATEWAY_KEY},
                default_query={"tenant": "a"},
            ) as client:
                await client.calls.create(sdp="v=0\r\n", session={"type": "realtime", "model": "m"})

        backend.run(body)
        requests = server.requests
    assert [request.path.partition("?")[0].rpartition("/")[2] for request in requests] == [
        "client_secrets",
        "calls",
    ]
    assert [request.headers["x-tenant"] for request in requests] == ["a", "a"]
    assert [request.headers["x-gateway"] for request in requests] == [GATEWAY_KEY, GATEWAY_KEY]
    assert [request.path.partition("?")[2] for request in requests] == [
        "tenant=a",
        "webrtcfilter=on&tenant=a",
    ]


def test_later_sources_replace_earlier_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "OPENAI_CUSTOM_HEADERS", "X-A: environment\nX-B: environment\nx-c: environment"
    )
    monkeypatch.setenv("OPENAI_ORG_ID", "of-the-environment")
    provider = compatible(
        "https://h",
        default_headers={"x-b": "provider", "X-C": "provider"},
        default_query={"a": "provider", "b": "provider"},
    )
    configuration = resolve(
        provider=provider,
        default_headers={"X-C": "client", "openai-organization": "mine"},
        default_query={"b": "client"},
    )
    shown = headers_of(configuration)
    assert shown.pop("User-Agent").startswith("openai-realtime/")
    assert shown == {
        "Accept-Encoding": "identity",
        "openai-organization": "mine",
        "X-A": "environment",
        "x-b": "provider",
        "X-C": "client",
    }
    assert configuration.query == {"a": "provider", "b": "client"}
    # A copy merges, and None removes.
    monkeypatch.delenv("OPENAI_CUSTOM_HEADERS")
    copied = configuration.with_options(
        {"default_headers": {"x-a": None, "X-D": "copy"}, "default_query": {"a": None}}
    )
    again = copied.with_options({"max_retries": 1, "default_headers": None, "default_query": None})
    for each in (copied, again):
        assert headers_of(each).keys() == shown.keys() - {"X-A"} | {"X-D", "User-Agent"}
        assert each.query == {"a": None, "b": "client"}


def test_another_provider_gets_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Gateway: {GATEWAY_KEY}")
    first = resolve(default_headers={"X-Mine": GATEWAY_KEY}, default_query={"key": GATEWAY_KEY})
    assert {"X-Gateway", "X-Mine"} <= headers_of(first).keys()
    second = first.with_options({"provider": xai(), "api_key": "xai-1"})
    assert headers_of(second).keys() == {"Accept-Encoding", "User-Agent"}
    assert second.query == {}
    third = first.with_options(
        {"provider": xai(), "api_key": "xai-1", "default_headers": {"X-New": "1"}}
    )
    assert headers_of(third).keys() == {"Accept-Encoding", "User-Agent", "X-New"}
    # The same key, so the same headers: another base URL of the same account.
    fourth = first.with_options({"base_url": "https://h"})
    assert {"X-Gateway", "X-Mine"} <= headers_of(fourth).keys()


@pytest.mark.parametrize(
    "provider",
    [
        openai(default_headers={"X-T": "1"}, default_query={"t": "1"}),
        openai(region="eu", default_headers={"X-T": "1"}, default_query={"t": "1"}),
        azure(ENDPOINT, default_headers={"X-T": "1"}, default_query={"t": "1"}),
        azure_preview(ENDPOINT, "d", default_headers={"X-T": "1"}, default_query={"t": "1"}),
        xai(default_headers={"X-T": "1"}, default_query={"t": "1"}),
        litellm("https://h", default_headers={"X-T": "1"}, default_query={"t": "1"}),
        compatible("https://h", default_headers={"X-T": "1"}, default_query={"t": "1"}),
    ],
    ids=lambda provider: provider.name,
)
def test_every_provider_takes_them(provider: Provider) -> None:
    configuration = resolve(provider=provider)
    assert headers_of(configuration)["X-T"] == "1"
    assert configuration.query["t"] == "1"
    assert ("api-version" in configuration.query) == (provider.deployment is not None)


NEVER = (
    "Authorization", "aUTHORIZATION", "api-key", "Host", "Content-Type", "Content-Length", "Accept",
    "Transfer-Encoding", "Connection", "Cookie", "Expect", "TE", "Trailer", "Upgrade", "Keep-Alive",
    "Accept-Encoding", "Proxy-Authorization", "Sec-WebSocket-Key", "sec-websocket-extensions",
)  # fmt: skip


@pytest.mark.parametrize("name", NEVER)
def test_the_clients_own_headers_cannot_be_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = f": {name} is set by the client and cannot be replaced$"
    with pytest.raises(ConfigurationError, match=f"^default_headers{reason}"):
        SyncRealtimeSessionsClient(api_key="sk-x", default_headers={name: GATEWAY_KEY})
    with pytest.raises(ConfigurationError, match=f"^default_headers{reason}"):
        compatible("https://h", default_headers={name: GATEWAY_KEY})
    with SyncRealtimeSessionsClient(api_key="sk-x") as client:
        with pytest.raises(ConfigurationError, match=f"^default_headers{reason}"):
            client.with_options(default_headers={name: GATEWAY_KEY})
        with pytest.raises(ParameterError, match=f"^extra_headers{reason}"):
            client.sessions.create(extra_headers={name: GATEWAY_KEY})
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"{name}: {GATEWAY_KEY}")
    with pytest.raises(ConfigurationError, match=f"^OPENAI_CUSTOM_HEADERS{reason}"):
        SyncRealtimeSessionsClient(api_key="sk-x")


def test_the_header_of_a_providers_key_cannot_be_set() -> None:
    mine = Provider("Mine", "https://h", auth=AuthScheme("X-Key"))
    with pytest.raises(ConfigurationError, match="x-key is set by the client"):
        resolve(provider=mine, default_headers={"x-key": GATEWAY_KEY})
    with pytest.raises(ConfigurationError, match="x-key is set by the client"):
        replace(mine, default_headers={"x-key": GATEWAY_KEY})


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("default_headers", [("X-A", "b")], "default_headers must be a mapping of header names"),
        ("default_headers", {"X A": GATEWAY_KEY}, "default_headers: a header's name is not valid"),
        ("default_headers", {"X-A": f"{GATEWAY_KEY}\r\nHost: h"}, "X-A must be visible ASCII text"),
        ("default_headers", {"X-A": f"é{GATEWAY_KEY}"}, "X-A must be visible ASCII text"),
        ("default_headers", {"X-A": 7}, "X-A must be visible ASCII text"),
        ("default_query", [("a", "b")], "default_query must be a mapping of names to texts"),
        ("default_query", {"a": 7}, "default_query must be a mapping of names to texts"),
        ("default_query", {7: "a"}, "default_query must be a mapping of names to texts"),
        ("default_query", {"a": "\ud800"}, "default_query must be a mapping of names to texts"),
    ],
)
def test_unusable_ones_are_refused_without_their_values(
    setting: str, value: Any, reason: str
) -> None:
    for make in (resolve, lambda **settings: compatible("https://h", **settings)):
        with pytest.raises(ConfigurationError, match=reason) as caught:
            make(**{setting: value})
        assert GATEWAY_KEY not in "".join(traceback.format_exception(caught.value))


def test_the_lines_of_the_variable() -> None:
    """As in the official SDK: lines without a colon are ignored, and the last of a name counts."""
    assert header_lines("") == {}
    assert header_lines("X-A: b: c \r\n\nno colon\n x-d :e\nX-A: last\nX-F:") == {
        "X-A": "last",
        "x-d": "e",
        "X-F": "",
    }


def test_an_unusable_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X A: {GATEWAY_KEY}")
    with pytest.raises(ConfigurationError, match="^OPENAI_CUSTOM_HEADERS: a header's name"):
        SyncRealtimeSessionsClient(api_key="sk-x")
    # It is for servers that take OpenAI's key.
    SyncRealtimeSessionsClient(api_key="xai-1", provider=xai()).close()


def test_no_value_is_shown(
    realtime_server: MockRealtimeServer, backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    events: list[object] = []
    echo = {"error": {"message": f"bad token {GATEWAY_KEY}", "code": GATEWAY_KEY}}
    realtime_server.respond_next(
        MockResponse(400, json=echo, headers={"X-Echo": f"Bearer {GATEWAY_KEY}"})
    )
    provider = compatible(
        realtime_server.base_url,
        default_headers={"X-Provider": GATEWAY_KEY},
        default_query={"key": GATEWAY_KEY},
    )

    async def body() -> list[object]:
        async with backend.client(
            provider=provider,
            on_event=events.append,
            default_headers={"cf-aig-authorization": f"Bearer {GATEWAY_KEY}"},
            default_query={"sig": GATEWAY_KEY},
        ) as client:
            with pytest.raises(APIStatusError) as caught:
                await client.sessions.create()
            frames = traceback.TracebackException.from_exception(
                caught.value, capture_locals=True
            ).format()
            return [
                client, provider, caught.value, caught.value.body, caught.value.headers,
                dict(caught.value.headers), caught.value.code, *frames,
            ]  # fmt: skip

    shown = backend.run(body)
    assert realtime_server.requests[0].headers["x-provider"] == GATEWAY_KEY
    assert f"key={GATEWAY_KEY}" in realtime_server.requests[0].path
    for value in [*shown, *events, caplog.text, Configuration.resolve({"provider": provider})]:
        # The test's own frame has the key.
        lines = [line for line in f"{value}\n{value!r}".splitlines() if "GATEWAY_KEY" not in line]
        assert GATEWAY_KEY not in "\n".join(lines)


@pytest.mark.parametrize("name", ["default_headers", "default_query"])
@pytest.mark.parametrize("wrong", [{"timeout": "soon"}, {"dialect": "alpha"}, {"base_url": "h"}])
def test_no_frame_of_the_package_shows_a_value(name: str, wrong: dict[str, Any]) -> None:
    with SyncRealtimeSessionsClient(api_key="sk-x") as client:
        for make in (SyncRealtimeSessionsClient, client.with_options):
            settings: Any = {"api_key": "sk-x", name: {"X-A": GATEWAY_KEY}, **wrong}
            with pytest.raises(ConfigurationError) as caught:
                make(**settings)
            captured = traceback.TracebackException.from_exception(
                caught.value, capture_locals=True
            )
            frames = [frame for frame in captured.stack if "openai_realtime/" in frame.filename]
            assert len(frames) >= 3
            assert all(GATEWAY_KEY not in str(frame.locals) for frame in frames)


def test_the_dialect_of_the_environment(
    realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_REALTIME_DIALECT", "ga")
    with SyncRealtimeSessionsClient() as client:
        client.sessions.create(voice="verse")
        assert client.provider.dialect == "ga"
        with client.with_options(dialect="auto") as copy:
            assert copy.provider.dialect == "auto"
    assert realtime_server.requests[0].path.endswith("/realtime/client_secrets")
    # A provider whose dialect is known keeps it.
    assert resolve(provider=azure_preview(ENDPOINT, "d")).provider.dialect == "beta"
    monkeypatch.setenv("OPENAI_REALTIME_DIALECT", "nested")
    with pytest.raises(ConfigurationError, match='^OPENAI_REALTIME_DIALECT must be "auto", "beta"'):
        SyncRealtimeSessionsClient()
    assert resolve(dialect="beta").provider.dialect == "beta"


def test_azures_endpoint_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_ENDPOINT$"):
        azure()
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", f"{ENDPOINT}/")
    assert azure().base_url == f"{ENDPOINT}/openai/v1"
    assert azure_preview(None, "d").base_url == f"{ENDPOINT}/openai/realtimeapi"
    assert azure("https://other.openai.azure.com").base_url.startswith("https://other.")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "name")
    with pytest.raises(ConfigurationError, match="^AZURE_OPENAI_ENDPOINT is unusable"):
        azure()


@pytest.mark.parametrize("make", [azure, lambda *_, **auth: azure_preview(ENDPOINT, "d", **auth)])
def test_azures_token_comes_before_its_key(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the official SDK: an argument, then the token, then the key."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "key-of-the-environment")
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "token-of-the-environment")

    def header(configuration: Configuration) -> tuple[str, str]:
        authorization: Any = configuration.credential.source
        name, value = authorization.header
        return name.decode(), value.decode()

    from_environment = Configuration.resolve({"provider": make(ENDPOINT)})
    token = ("Authorization", "Bearer token-of-the-environment")
    assert header(from_environment) == token
    assert "of-the-environment" not in f"{from_environment!r} {from_environment.options!r}"
    monkeypatch.delenv("AZURE_OPENAI_AD_TOKEN")
    assert header(from_environment.with_options({"max_retries": 1})) == token
    assert header(from_environment.with_options({"api_key": "key-1"})) == ("api-key", "key-1")
    environments_key = ("api-key", "key-of-the-environment")
    assert header(Configuration.resolve({"provider": make(ENDPOINT)})) == environments_key
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "token-of-the-environment")
    explicit = make(ENDPOINT, auth="key")
    assert header(Configuration.resolve({"provider": explicit})) == environments_key
    argument = Configuration.resolve({"provider": make(ENDPOINT), "api_key": "key-1"})
    assert header(argument) == ("api-key", "key-1")
    monkeypatch.delenv("AZURE_OPENAI_AD_TOKEN")
    monkeypatch.delenv("AZURE_OPENAI_API_KEY")
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_AD_TOKEN or AZURE_OPENAI_API_KEY; "):
        SyncRealtimeSessionsClient(provider=make(ENDPOINT))


def test_the_mint_service_sends_them(realtime_server: MockRealtimeServer) -> None:
    async def ask() -> httpx.Response:
        async with RealtimeSessionsClient(
            default_headers={"X-Tenant": "a"}, default_query={"key": GATEWAY_KEY}
        ) as client:
            app = mint_app(client, session={"model": "gpt-realtime-2.1"}, authorize=lambda _: "me")
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://mint") as browser:
                return await browser.post("/client-secret", json={})

    response = anyio.run(ask)
    assert response.status_code == 200
    assert realtime_server.requests[0].headers["x-tenant"] == "a"
    # What the page gets has no query: it may hold a gateway's key.
    assert response.json()["connect_url"] == f"{realtime_server.base_url}/realtime/calls"
