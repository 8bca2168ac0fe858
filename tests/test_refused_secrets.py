"""A secret that is refused is in no local variable of the package: error reporters send those away."""

import traceback
from collections.abc import Callable
from typing import Any

import pytest

from openai_realtime import ConfigurationError, RealtimeSessionsClient, SyncRealtimeSessionsClient
from openai_realtime.environment import CLIENT_VARIABLES
from openai_realtime.mint import mint_app
from openai_realtime.webhooks import WebhookVerifier

SECRET = "a-long-secret"
HERE = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in CLIENT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def local_variables(act: Callable[[], object]) -> list[str]:
    """Return the local variables of the package's frames behind the `ConfigurationError` of `act`."""
    with pytest.raises(ConfigurationError) as caught:
        act()
    found = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert SECRET not in str(caught.value)
    of_the_package = [frame for frame in found.stack if "/openai_realtime/" in frame.filename]
    return [f"{frame.name}: {frame.locals}" for frame in of_the_package]


def assert_masked(act: Callable[[], object]) -> None:
    lines = local_variables(act)
    assert lines
    assert [line for line in lines if SECRET in line] == []


def test_a_key_of_the_environment_or_a_callable(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("OPENAI_API_KEY", f"{SECRET}\n")
    assert_masked(SyncRealtimeSessionsClient)
    rotated = SyncRealtimeSessionsClient(base_url=HERE, api_key=lambda: f"{SECRET}\n")
    assert_masked(rotated.sessions.create)


@pytest.mark.anyio
async def test_a_key_that_is_awaited() -> None:
    async def rotated() -> str:
        return f"{SECRET}\n"

    client = RealtimeSessionsClient(base_url=HERE, api_key=rotated)
    with pytest.raises(ConfigurationError) as caught:
        await client.sessions.create()

    def again() -> None:
        raise caught.value

    assert_masked(again)


def test_a_webhook_secret(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("OPENAI_WEBHOOK_SECRET", f"'whsec_{SECRET}'")
    assert_masked(WebhookVerifier)
    assert_masked(lambda: WebhookVerifier(["whsec_" + SECRET]))


@pytest.mark.parametrize(
    "url",
    ["ftp://user:{}@h", "user:{}@h:99999", "http://user:{}@h:0", "http://user:{}@h\x7f:1", "[{}"],
)
def test_a_proxys_password(url: str, environment: pytest.MonkeyPatch) -> None:
    assert_masked(lambda: SyncRealtimeSessionsClient(api_key="k", proxy=url.format(SECRET)))
    environment.setenv("https_proxy", url.format(SECRET))
    assert_masked(SyncRealtimeSessionsClient(api_key="k", max_retries=0).sessions.create)


@pytest.mark.parametrize(
    "option",
    [
        {"storage": f"redis://:{SECRET}@127.0.0.1:port"},
        {"storage": SECRET},
        {"safety_key": SECRET},
        {"safety_key": 2 * SECRET, "limits": "never"},
    ],
)
def test_options_of_the_mint_service(option: dict[str, Any]) -> None:
    client = RealtimeSessionsClient(api_key="k")
    assert_masked(
        lambda: mint_app(client, session={"model": "m"}, authorize=lambda _: None, **option)
    )
