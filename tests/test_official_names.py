"""Errors about names of the official SDK say what they are called here, and nothing else changes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import openai_realtime
from openai_realtime import (
    BadRequestError,
    ConfigurationError,
    RealtimeSessionCreateResponse,
    RealtimeSessionsClient,
    ResponseMeta,
    SyncRealtimeSessionsClient,
)
from openai_realtime.official_names import SETTINGS
from openai_realtime.testing import MockRealtimeServer, MockResponse
from openai_realtime.types import RealtimeCall

SECRET = {"client_secret": {"value": "ek_0123456789", "expires_at": 1}}


def objects() -> dict[str, Any]:
    client = SyncRealtimeSessionsClient(api_key="sk-x")
    return {
        "client": client,
        "async client": RealtimeSessionsClient(api_key="sk-x"),
        "resource": client.sessions,
        "calls": client.calls,
        "translations": client.translations,
        "response": RealtimeSessionCreateResponse.model_validate(SECRET),
        "call": RealtimeCall("rtc_1", "v=0", ResponseMeta()),
        "error": BadRequestError("wrong"),
    }


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        (
            "client",
            "beta",
            "sessions, transcription_sessions, client_secrets, translations and calls",
        ),
        ("client", "realtime", "its parts are attributes of the client"),
        ("client", "with_raw_response", r"\.meta"),
        ("client", "chat", "use the openai package"),
        ("client", "copy", "with_options"),
        ("client", "webhooks", "WebhookVerifier"),
        ("client", "max_retries", "with_options"),
        ("async client", "close", "aclose"),
        ("resource", "with_raw_response", r"\.meta"),
        ("resource", "with_streaming_response", r"\.meta"),
        ("resource", "connect", r"client\.calls\.connect\(call_id\)"),
        ("translations", "with_raw_response", r"\.meta"),
        ("response", "_request_id", r"meta\.request_id"),
        ("response", "to_dict", r"model_dump\(\)"),
        ("response", "to_json", r"model_dump_json\(\)"),
        ("call", "text", r"\.sdp"),
        ("error", "response", "status_code, headers"),
        ("error", "request", "method and url"),
    ],
)
def test_an_attribute_of_the_official_sdk(kind: str, name: str, hint: str) -> None:
    it = objects()[kind]
    with pytest.raises(AttributeError, match=rf"has no attribute '{name}': .*{hint}"):
        getattr(it, name)
    assert not hasattr(it, name)
    assert getattr(it, name, None) is None
    assert name not in dir(it)


def test_any_other_attribute_has_the_usual_error() -> None:
    for it in objects().values():
        with pytest.raises(AttributeError, match=r"no attribute 'nonsense'$"):
            it.nonsense  # noqa: B018


def test_copies_and_pickles_are_as_before() -> None:
    made = objects()
    for kind in ("response", "call", "error"):
        for copied in (copy.copy(made[kind]), copy.deepcopy(made[kind])):
            assert type(copied) is type(made[kind])
            assert not hasattr(copied, "to_dict")
    assert str(pickle.loads(pickle.dumps(made["error"]))) == str(made["error"])
    assert pickle.loads(pickle.dumps(made["call"])) == made["call"]


def test_a_field_of_the_server_comes_before_a_hint() -> None:
    response = RealtimeSessionCreateResponse.model_validate(
        {**SECRET, "to_dict": "a field", "request_id": "r"}
    )
    extra: Any = response
    assert (extra.to_dict, extra.request_id) == ("a field", "r")


def test_the_error_of_a_property_is_not_replaced() -> None:
    class TenantClient(SyncRealtimeSessionsClient):
        @property
        def tenant(self) -> object:
            return self.headers  # type: ignore[attr-defined]  # wrong on purpose

    client = TenantClient(api_key="sk-x")
    with pytest.raises(AttributeError, match=r"no attribute 'headers'$"):
        client.tenant  # noqa: B018


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("azure_endpoint", r"provider=azure\(endpoint\)"),
        ("azure_ad_token_provider", 'api_key, with provider=azure\\(endpoint, auth="token"\\)'),
        ("azure_deployment", "azure_preview"),
        ("api_version", "azure_preview"),
        ("webhook_secret", "WebhookVerifier"),
        ("websocket_base_url", "opens no voice connection"),
        ("data_residency", "region="),
        ("set_default_headers", "None as a value removes"),
    ],
)
def test_a_setting_of_the_official_sdk(name: str, hint: str) -> None:
    settings: Any = {name: "x"}
    for make in (
        lambda: SyncRealtimeSessionsClient(api_key="sk-x", **settings),
        lambda: RealtimeSessionsClient(api_key="sk-x", **settings),
        lambda: SyncRealtimeSessionsClient(api_key="sk-x").with_options(**settings),
    ):
        with pytest.raises(ConfigurationError, match=f"^{name} is not a known setting: .*{hint}"):
            make()
    assert name in SETTINGS


def test_a_name_of_the_package() -> None:
    package: Any = openai_realtime
    with pytest.raises(AttributeError, match="no attribute 'OpenAI': it is SyncRealtimeSessionsC"):
        package.OpenAI  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'nonsense'$"):
        package.nonsense  # noqa: B018
    assert not hasattr(package, "AzureOpenAI")
    assert "OpenAI" not in dir(package)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"error": {"message": "m", "code": "c"}}, {"message": "m", "code": "c"}),
        ({"error": "text"}, "text"),
        ({"error": ["a"]}, ["a"]),
        ({"error": None, "detail": "d"}, {"error": None, "detail": "d"}),
        ({"detail": "d"}, {"detail": "d"}),
        (["a"], ["a"]),
    ],
)
def test_the_body_of_an_error_is_the_providers_object(
    realtime_server: MockRealtimeServer, body: Any, shown: object
) -> None:
    """As `error.body` of the official SDK."""
    realtime_server.respond_next(MockResponse(400, json=body))
    with SyncRealtimeSessionsClient() as client, pytest.raises(BadRequestError) as caught:
        client.sessions.create()
    assert caught.value.body == shown
