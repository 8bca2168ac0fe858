"""What `help()`, `inspect.signature`, editors and dependency-injection containers see of the methods."""

from __future__ import annotations

import inspect
import pydoc
import typing
from typing import Any

import jedi
import pytest

import openai_realtime
from openai_realtime import (
    RealtimeSessionsClient,
    SyncRealtimeSessionsClient,
    mint,
    testing,
    webhooks,
)
from openai_realtime.configuration import AsyncClientOptions, SyncClientOptions
from openai_realtime.resources.resource import NOT_GIVEN
from openai_realtime.types.call import (
    CallAcceptParams,
    CallCreateParams,
    CallHangupParams,
    CallReferParams,
    CallRejectParams,
)
from openai_realtime.types.live import (
    LiveAcceptParams,
    LiveCreateParams,
    LiveHangupParams,
    LiveReferParams,
    LiveRejectParams,
)
from openai_realtime.types.model import ModelRetrieveParams
from openai_realtime.types.nested_session import ClientSecretCreateParams
from openai_realtime.types.session import SessionCreateParams, TranscriptionSessionCreateParams
from openai_realtime.types.translation import TranslationClientSecretCreateParams

METHODS: dict[str, Any] = {
    "sessions.create": SessionCreateParams,
    "transcription_sessions.create": TranscriptionSessionCreateParams,
    "client_secrets.create": ClientSecretCreateParams,
    "translations.client_secrets.create": TranslationClientSecretCreateParams,
    "calls.create": CallCreateParams,
    "calls.accept": CallAcceptParams,
    "calls.reject": CallRejectParams,
    "calls.refer": CallReferParams,
    "calls.hangup": CallHangupParams,
    "live.create": LiveCreateParams,
    "live.sessions.accept": LiveAcceptParams,
    "live.sessions.reject": LiveRejectParams,
    "live.sessions.refer": LiveReferParams,
    "live.sessions.hangup": LiveHangupParams,
    "models.retrieve": ModelRetrieveParams,
}
CLIENTS: dict[str, Any] = {
    "async": RealtimeSessionsClient(api_key="sk-test"),
    "sync": SyncRealtimeSessionsClient(api_key="sk-test"),
}


def method_of(client: str, path: str) -> Any:
    found = CLIENTS[client]
    for name in path.split("."):
        found = getattr(found, name)
    return found


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("path", METHODS)
def test_a_signature_names_every_keyword(client: str, path: str) -> None:
    params = METHODS[path]
    parameters = dict(inspect.signature(method_of(client, path)).parameters)
    if "create" not in path:
        names = {"models": "model", "live": "session_id"}
        first = parameters.pop(names.get(path.partition(".")[0], "call_id"))
        assert (first.kind, first.annotation) == (first.POSITIONAL_OR_KEYWORD, str)
    assert parameters.keys() == params.__annotations__.keys()
    for name, parameter in parameters.items():
        assert parameter.kind is parameter.KEYWORD_ONLY
        is_required = name in params.__required_keys__
        assert parameter.default is (parameter.empty if is_required else NOT_GIVEN)
        assert "Annotated" not in str(parameter.annotation), "a reader wants the type"


@pytest.mark.parametrize("path", METHODS)
def test_both_clients_say_the_same(path: str) -> None:
    asynchronous, synchronous = method_of("async", path), method_of("sync", path)
    assert asynchronous.__doc__ == synchronous.__doc__
    assert inspect.signature(asynchronous) == inspect.signature(synchronous)
    assert inspect.iscoroutinefunction(asynchronous)
    assert not inspect.iscoroutinefunction(synchronous)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("path", METHODS)
def test_type_hints_can_be_read(client: str, path: str) -> None:
    hints = typing.get_type_hints(method_of(client, path))
    assert hints["params"] == typing.Unpack[METHODS[path]]
    assert hints["return"] is not Any


PUBLIC = [
    pytest.param(getattr(module, name), id=f"{module.__name__}.{name}")
    for module in (openai_realtime, mint, testing, webhooks)
    for name in module.__all__
    if callable(getattr(module, name))
]


@pytest.mark.parametrize("called", PUBLIC)
def test_type_hints_of_every_public_name_can_be_read(called: Any) -> None:
    if typing.get_origin(called) is None:
        typing.get_type_hints(called)
    if inspect.isclass(called):
        members = inspect.getmembers(called, inspect.isfunction)
        own = [
            each
            for name, each in members
            if name[0] != "_" and "openai_realtime" in each.__module__
        ]
        for method in own:
            typing.get_type_hints(method)


@pytest.mark.parametrize(
    ("client", "options"),
    [
        (RealtimeSessionsClient, AsyncClientOptions),
        (SyncRealtimeSessionsClient, SyncClientOptions),
    ],
)
def test_a_constructor_shows_every_setting(client: type, options: Any) -> None:
    signature = inspect.signature(client)
    expected = {*typing.get_type_hints(options), "http_client", "transport"}
    assert signature.parameters.keys() == expected
    assert all(each.kind is each.KEYWORD_ONLY for each in signature.parameters.values())
    assert signature.return_annotation is client
    completed = jedi.Interpreter("made(max_ret", [{"made": client}]).complete()
    assert "max_retries=" in {completion.name for completion in completed}


def test_help_shows_names_types_and_defaults() -> None:
    shown = pydoc.plain(pydoc.render_doc(CLIENTS["sync"].sessions.create))
    assert "voice: str | openai_realtime.types.audio.CustomVoiceParam = NOT_GIVEN" in shown
    assert "temperature: float = NOT_GIVEN" in shown
    assert "Mint a realtime session" in shown


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("client.sessions.create(voi", {"voice="}),
        ("client.calls.reject(stat", {"status_code="}),
        ("client.translations.client_secrets.create(sess", {"session="}),
    ],
)
def test_an_interactive_prompt_completes_keywords(
    client: str, typed: str, expected: set[str]
) -> None:
    completed = jedi.Interpreter(typed, [{"client": CLIENTS[client]}]).complete()
    assert expected <= {completion.name for completion in completed}
