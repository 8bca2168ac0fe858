"""Every public name of the official SDK's client works here, has a hint, or is in a short list."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

import openai_realtime
from openai_realtime import (
    AsyncClientOptions,
    ConfigurationError,
    RealtimeSessionsClient,
    SyncClientOptions,
    SyncRealtimeSessionsClient,
)
from openai_realtime.official_names import CALL, ERROR, PACKAGE, RESPONSE, SETTINGS
from openai_realtime.types import Model, RealtimeCall

if TYPE_CHECKING:
    from collections.abc import Iterable

openai = pytest.importorskip("openai")
pytestmark = pytest.mark.sdks

CLIENTS = [
    ("OpenAI", SyncRealtimeSessionsClient),
    ("AsyncOpenAI", RealtimeSessionsClient),
    ("AzureOpenAI", SyncRealtimeSessionsClient),
    ("AsyncAzureOpenAI", RealtimeSessionsClient),
]
OURS = SyncClientOptions.__annotations__.keys() | AsyncClientOptions.__annotations__.keys()
DEPRECATED = {"model_computed_fields", "model_fields"}
"""Attributes that pydantic deprecates on an object of the class."""
NOT_FOR_USERS = [
    "lib",
    "pagination",
    "resources",
    "types",
    "annotations",
    "auth",
    "version",
    "providers",
    "override",
    "file_from_path",
    "Transport",
    "ProxiesTypes",
    "NoneType",
    "RequestOptions",
    "DataResidency",
    "BaseModel",
    "Stream",
    "AsyncStream",
    "APIResponse",
    "AsyncAPIResponse",
    "HttpxBinaryResponseContent",
]
"""Names of the package `openai` that belong to its machinery."""
OTHER_APIS = [
    "AssistantEventHandler",
    "AsyncAssistantEventHandler",
    "AsyncBedrockOpenAI",
    "BedrockOpenAI",
    "AsyncComputerDriver",
    "AsyncComputerToolset",
    "ComputerDriver",
    "ComputerToolset",
    "ContentFilterFinishReasonError",
    "LengthFinishReasonError",
    "OAuthError",
    "ReconnectingEvent",
    "ReconnectingOverrides",
    "WebSocketConnectionClosedError",
    "WebSocketQueueFullError",
    "bedrock_token_provider",
    "pydantic_function_tool",
    "pydantic_responses_function_tool",
    "Audio",
    "ChatCompletion",
    "Completion",
    "Customer",
    "Deployment",
    "Edit",
    "Embedding",
    "Engine",
    "ErrorObject",
    "File",
    "FineTune",
    "FineTuningJob",
    "Image",
    "Model",
    "Moderation",
]
"""Names of the package `openai` that belong to its other APIs, or to its versions before 1.0."""


def public(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.startswith("_")]


def assert_works_or_is_hinted(ours: object, names: Iterable[str]) -> None:
    unknown: list[str] = []
    for name in names:
        try:
            getattr(ours, name)
        except AttributeError as error:
            if f"attribute {name!r}: " not in str(error):
                unknown.append(name)
    assert unknown == []


def attributes_of(theirs: object) -> list[str]:
    return public({*dir(theirs), *vars(theirs)})


@pytest.mark.parametrize(("theirs", "ours"), CLIENTS)
def test_the_settings(theirs: str, ours: Any) -> None:
    official = getattr(openai, theirs)
    constructed = inspect.signature(official.__init__).parameters
    copied = inspect.signature(official.copy).parameters
    for name in public({*constructed, *copied} - {"self", "http_client"}):
        if name in OURS:
            continue
        with pytest.raises(ConfigurationError) as caught:
            ours(api_key="sk-x", **{name: None})
        assert str(caught.value) == f"{name} is not a known setting: {SETTINGS[name]}"


@pytest.mark.parametrize(("theirs", "ours"), CLIENTS)
def test_the_attributes_of_clients(theirs: str, ours: Any) -> None:
    azure = {"azure_endpoint": "https://h", "api_version": "v"} if "Azure" in theirs else {}
    official = getattr(openai, theirs)(api_key="sk-x", **azure)
    assert_works_or_is_hinted(ours(api_key="sk-x"), attributes_of(official))


@pytest.mark.parametrize(("theirs", "ours"), CLIENTS[:2])
def test_the_attributes_of_resources(theirs: str, ours: Any) -> None:
    official, client = getattr(openai, theirs)(api_key="sk-x"), ours(api_key="sk-x")
    for resource, mine in (
        (official.realtime.calls, client.calls),
        (official.realtime.client_secrets, client.client_secrets),
        (official.realtime.translations, client.translations),
        (official.realtime.translations.client_secrets, client.translations.client_secrets),
        (official.beta.realtime.sessions, client.sessions),
        (official.beta.realtime.transcription_sessions, client.transcription_sessions),
        (official.models, client.models),
    ):
        assert_works_or_is_hinted(mine, attributes_of(resource))


def test_the_parameters_of_methods() -> None:
    official, client = openai.OpenAI(api_key="sk-x"), SyncRealtimeSessionsClient(api_key="sk-x")
    methods = [
        (official.realtime.client_secrets.create, client.client_secrets.create),
        (
            official.realtime.translations.client_secrets.create,
            client.translations.client_secrets.create,
        ),
        (official.beta.realtime.sessions.create, client.sessions.create),
        (
            official.beta.realtime.transcription_sessions.create,
            client.transcription_sessions.create,
        ),
        (official.models.retrieve, client.models.retrieve),
        *(
            (getattr(official.realtime.calls, name), getattr(client.calls, name))
            for name in ("create", "accept", "reject", "refer", "hangup")
        ),
    ]
    for theirs, ours in methods:
        missing = inspect.signature(theirs).parameters.keys() - inspect.signature(ours).parameters
        assert missing <= EXCEPT.get(ours.__qualname__, set()), ours


EXCEPT = {"Models.retrieve": {"extra_body"}, "Calls.accept": {"type"}}
"""Parameters without a use: a GET has no body; a call is accepted with a realtime session."""


def test_the_attributes_of_responses() -> None:
    official = openai.BaseModel.construct()
    assert_works_or_is_hinted(Model(id="m"), {*attributes_of(official), "_request_id"} - DEPRECATED)
    raw = openai.APIResponse
    names = public(dir(raw))
    assert {"headers", "status_code", "http_request"} <= {*names} & RESPONSE.keys()


def test_the_attributes_of_a_call() -> None:
    ours = RealtimeCall(None, "v=0", openai_realtime.ResponseMeta())
    content = {"text", "content", "read", "json", "response", "_request_id"}
    assert_works_or_is_hinted(ours, content)
    assert content <= CALL.keys()


def test_the_attributes_of_errors() -> None:
    import httpx2  # noqa: PLC0415

    response = httpx2.Response(400, request=httpx2.Request("POST", "https://h"))
    official = openai.BadRequestError("m", response=response, body=None)
    ours = openai_realtime.BadRequestError("m")
    names = attributes_of(official)
    assert {"response", "request", "body", "status_code"} <= {*names}
    assert_works_or_is_hinted(ours, names)
    assert {"response", "request"} <= ERROR.keys()


def test_the_names_of_the_package() -> None:
    names = {*public(dir(openai))} - {*NOT_FOR_USERS, *OTHER_APIS}
    # With `import openai as client`, its attributes are those of a client.
    names -= {*public(dir(openai.OpenAI(api_key="sk-x"))), *PACKAGE}
    settings = {"azure_endpoint", "azure_ad_token", "azure_ad_token_provider", "http_client"}
    assert_works_or_is_hinted(openai_realtime, names - settings)
    assert_works_or_is_hinted(openai_realtime, PACKAGE)


def test_no_hint_is_for_a_name_that_works() -> None:
    sync = SyncRealtimeSessionsClient(api_key="sk-x")
    assert not {*PACKAGE} & {*dir(openai_realtime)}
    assert not {*SETTINGS} & {*OURS}
    # `close` is a method of the sync client alone.
    assert {name for name in type(sync)._official_names if hasattr(sync, name)} <= {"close", "live"}
    assert not [name for name in RESPONSE if hasattr(Model(id="m"), name)]
