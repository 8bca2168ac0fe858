from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys
from typing import Any

import pytest
from pydantic import RedisDsn, SecretStr

from mint.service import app_for, browser, request_secret
from openai_realtime import (
    ConfigurationError,
    ParameterError,
    RealtimeSessionsClient,
    SyncRealtimeSessionsClient,
    providers,
)
from openai_realtime.mint import mint_app, mint_endpoint
from openai_realtime.testing import MockRealtimeServer

KEY = "a key of the server's own"
NEEDED: dict[str, Any] = {
    "session": {"model": "gpt-realtime-2.1"},
    "authorize": lambda _: "ann",
}


@pytest.fixture
def client() -> RealtimeSessionsClient:
    return RealtimeSessionsClient(api_key="sk-x")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"authorize": None},
            "authorize is required: without it, anyone could mint at your expense$",
        ),
        ({"authorize": "ann"}, "authorize must be a callable"),
        (
            {"session": None},
            "session is required: the parameters of the session, chosen by the server$",
        ),
        (
            {"session": "gpt-realtime-2.1"},
            'session must be a dict, such as the parameters ."model"',
        ),
        ({"session": {"client_secret": {}}}, "lifetime"),
        ({"session": {"type": "realtime", "expires_after": {}}}, "lifetime"),
        ({"session": {"voise": "verse"}}, "did you mean voice"),
        ({"session": {"type": "realtime", "voice": "verse"}}, "voice"),
        ({"session": {"speed": 9}}, "speed must be"),
        ({"origin": ["https://a.example"]}, "did you mean origins"),
        ({"nonsense": 1}, "nonsense is not a known option$"),
        (
            {"default_headers": {"x-tenant": "t"}},
            "default_headers is .*: it is a setting of the client",
        ),
        ({"origins": "https://a.example"}, "a list"),
        ({"origins": ["*"]}, "every page"),
        ({"origins": ["https://*.a.example"]}, "every page"),
        ({"origins": ["null"]}, "every page"),
        ({"origins": [None]}, "it must be text"),
        ({"origins": ["https://a.example/"]}, "without a path or a slash at its end"),
        ({"origins": ["https://A.example"]}, "lower case"),
        ({"origins": ["a.example"]}, "written like"),
        ({"origins": ["https://a.example:443"]}, "default port"),
        ({"origins": ["http://a.example:80"]}, "default port"),
        ({"origins": ["https://a.example:65536"]}, "it must have a port from 1 to 65535"),
        ({"origins": ["tauri://localhost:01"]}, "it must have a port from 1 to 65535"),
        ({"origins": ["https://ä.example"]}, "written like"),
        ({"origins": ["https://user@a.example"]}, "written like"),
        ({"origins": ["https://[::1"]}, "written like"),
        ({"origins": ["capacitor://"]}, "written like"),
        ({"origins": ["capacitor:localhost"]}, "written like"),
        ({"origins": ["capacitor://localhost/"]}, "without a path or a slash at its end"),
        ({"origins": ["Capacitor://localhost"]}, "lower case"),
        ({"origins": ["capacitor://local host"]}, "written like"),
        ({"origins": ["capacitor://*"]}, "every page"),
        ({"origins": ["file://localhost"]}, "another scheme, because no browser sends file:"),
        ({"origins": ["wss://a.example"]}, "another scheme, because no browser sends wss:"),
        ({"allow": {"voise": ["verse"]}}, "voise is unusable: it must be one of"),
        ({"allow": {"client_secret": ["x"]}}, "client_secret is unusable"),
        ({"allow": {"base_url": ["x"]}}, "base_url is unusable"),
        ({"allow": {"extra_body": ["x"]}}, "extra_body is unusable"),
        ({"allow": {"voice": "verse"}}, "a list"),
        ({"allow": ["voice"]}, 'allow must be a dict, such as ."voice"'),
        ({"pool": "a pool"}, "pool must be the async client's secret_pool"),
        ({"allow": {"tools": [[]]}}, "texts, numbers"),
        ({"allow": {"speed": [1.0, 9]}}, "speed must be"),
        (
            {"session": {"type": "transcription"}, "allow": {"voice": ["verse"]}},
            "session.audio.output",
        ),
        ({"lifetime": 9}, "10 to 7200 seconds"),
        ({"lifetime": 7201}, "10 to 7200 seconds"),
        ({"lifetime": True}, "10 to 7200 seconds"),
        ({"limits": "often"}, "limits is unusable"),
        ({"global_limits": ""}, "global_limits is unusable"),
        ({"storage": "memcached://x"}, "storage is unusable"),
        ({"storage": "redis://"}, "storage is unusable"),
        ({"storage": "redis://:hunter2@host:port/0"}, "storage is unusable"),
        ({"storage": "redis://:hunter2@host/0?sockt_timeout=1"}, "storage is unusable"),
        ({"storage": None}, "storage is unusable"),
        ({"storage": SecretStr("redis://h")}, "not a SecretStr: call .get_secret_value"),
        ({"safety_key": SecretStr("x" * 32)}, "not a SecretStr: call .get_secret_value"),
        (
            {"storage": RedisDsn("redis://:hunter2@host:6379/0?sockt_timeout=1")},
            "storage is unusable",
        ),
        ({"safety_key": ""}, "16 bytes"),
        ({"safety_key": "short"}, "16 bytes"),
        ({"safety_key": KEY, "pool": "a pool"}, "a pooled secret belongs to no person yet"),
        ({"trusted_proxies": -1}, "trusted_proxies is unusable"),
        ({"trusted_proxies": True}, "trusted_proxies is unusable"),
        ({"trusted_proxies": "1"}, "trusted_proxies is unusable"),
    ],
    ids=str,
)
def test_it_does_not_start_with_unusable_options(
    client: RealtimeSessionsClient, options: dict[str, Any], message: str
) -> None:
    for make in (mint_app, mint_endpoint):
        with pytest.raises((ConfigurationError, ParameterError), match=message) as caught:
            make(client, **{**NEEDED, **options})
        assert "hunter2" not in f"{caught.value} {caught.value.__context__}"


def test_it_does_not_start_without_authorize(client: RealtimeSessionsClient) -> None:
    with pytest.raises(ConfigurationError, match="authorize is required"):
        mint_app(client, session={"model": "gpt-realtime-2.1"})  # type: ignore[call-arg]  # wrong on purpose


@pytest.mark.parametrize("make", [mint_app, mint_endpoint])
def test_the_sync_client_and_its_pool_are_refused(
    client: RealtimeSessionsClient, make: Any
) -> None:
    with SyncRealtimeSessionsClient(api_key="sk-x") as sync:
        with pytest.raises(
            ConfigurationError, match=r"a RealtimeSessionsClient \(async\), or a callable"
        ):
            make(sync, **NEEDED)
        with pytest.raises(ConfigurationError, match=r"the async client's secret_pool\("):
            make(client, **NEEDED, pool=sync.secret_pool())


def test_the_endpoint_does_not_take_the_options_of_the_app(client: RealtimeSessionsClient) -> None:
    with pytest.raises(ConfigurationError, match="metrics is not a known option"):
        mint_endpoint(client, **NEEDED, metrics=True)  # type: ignore[call-arg]  # wrong on purpose


@pytest.mark.parametrize(
    ("provider", "url"),
    [
        (providers.openai(), "https://api.openai.com/v1/realtime/calls"),
        (providers.openai(region="eu"), "https://eu.api.openai.com/v1/realtime/calls"),
        (
            providers.azure("https://name.openai.azure.com"),
            "https://name.openai.azure.com/openai/v1/realtime/calls?webrtcfilter=on",
        ),
        (providers.litellm("https://proxy.example/v1"), "https://proxy.example/v1/realtime/calls"),
        (providers.xai(), None),
        (providers.azure_preview("https://name.openai.azure.com", "deployment"), None),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_connect_url_is_the_calls_endpoint_of_the_provider(
    provider: providers.Provider, url: str | None
) -> None:
    client = RealtimeSessionsClient(provider=provider, api_key="k")
    assert client.provider.name == provider.name
    if url is None:
        with pytest.raises(ConfigurationError, match="connect_url is required"):
            mint_endpoint(client, **NEEDED)
    given: dict[str, Any] = {} if url else {"connect_url": "wss://voice.example"}
    made = mint_endpoint(client, **NEEDED, **given)
    assert made._connect_url == (url or "wss://voice.example")


def test_the_provider_gets_a_pseudonym(provider: MockRealtimeServer) -> None:
    with browser(app_for(provider, safety_key=KEY), user="ann@example.com") as page:
        request_secret(page)
        request_secret(page, {"x-user": "bob@example.com"})
        request_secret(page)
    identifiers = [request.headers["openai-safety-identifier"] for request in provider.requests]
    ann = hmac.new(KEY.encode(), b"ann@example.com", hashlib.sha256).hexdigest()
    assert identifiers[0] == identifiers[2] == ann
    assert identifiers[1] != ann
    assert {len(identifier) for identifier in identifiers} == {64}


@pytest.mark.parametrize("missing", ["starlette", "prometheus_client"])
def test_without_the_extra_it_says_what_to_install(missing: str) -> None:
    program = f"""
import sys
sys.modules["{missing}"] = None
import openai_realtime.mint
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    last = done.stderr.strip().splitlines()[-1]
    assert f"openai_realtime.mint needs {missing}" in last
    assert "pip install prometheus-client redis starlette uvicorn (the extra mint)" in last


@pytest.mark.parametrize("missing", ["redis", "openai_realtime.mint.redis_storage"])
def test_without_redis_it_says_what_to_install(missing: str) -> None:
    program = f"""
import sys
sys.modules["{missing}"] = None
from openai_realtime.mint.limiter import Limiter
Limiter("memory://", "1/minute", "1/minute")
print("memory does without")
Limiter(sys.argv[1], "1/minute", "1/minute")
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "redis://:hunter2@127.0.0.1"],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.stdout == "memory does without\n"
    last = done.stderr.strip().splitlines()[-1]
    if missing == "redis":
        assert last.endswith(
            "storage is unusable: it must be memory:// without redis (pip install redis)"
        )
    else:
        assert last.startswith("ModuleNotFoundError: import of openai_realtime.mint.redis_storage")
    assert "hunter2" not in done.stderr


def test_another_missing_module_does_not_mention_the_extra() -> None:
    program = """
import sys
sys.modules["pydantic"] = None
import openai_realtime.mint
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    last = done.stderr.splitlines()[-1]  # the lines above quote the package's source
    assert "pydantic" in last
    assert "openai-realtime[mint]" not in last
