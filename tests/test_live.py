"""GPT-Live over HTTP: what is sent, what is refused before, and what the errors say."""

import json
import re
from typing import Any

import httpx
import pytest
from backends import Backend

from openai_realtime import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    BadRequestError,
    ConfigurationError,
    InternalServerError,
    NotFoundError,
    ParameterError,
    RetryPolicy,
    SyncRealtimeSessionsClient,
)
from openai_realtime.resources import live
from openai_realtime.testing import MockRealtimeServer, MockResponse
from openai_realtime.types import FunctionTool, LiveCreateResponse

OFFER = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\na=ice-pwd:password-of-the-offer\r\n"
QUICK = RetryPolicy(base_delay=0.001)
SESSION: Any = {"model": "gpt-live-1.1"}
TRANSPORT: Any = {"type": "webrtc", "sdp": OFFER}
CREATED = {"session": {"id": "sess_123"}, "transport": {"type": "webrtc", "sdp": "v=0\r\nsecret"}}


def merged(value: Any, **members: Any) -> Any:
    return {**value, **members}


def find_table(people: int) -> str:
    """Find a table."""
    return f"for {people}"


FULL: Any = {
    "model": "gpt-live-1",
    "instructions": None,
    "audio": {"output": {"voice": "willow"}},
    "client": {
        "data_channel": {
            "allowed_client_events": ["session.close", "session.input_audio.mute"],
            "allowed_server_events": [
                {"type": "error"},
                {"type": "session.closed"},
                {"type": "response.event", "response_event": "response.done"},
            ],
        }
    },
    "delegation": {
        "type": "responses",
        "acknowledgement_delay_ms": 0,
        "responses": {
            "model": "gpt-5.5",
            "instructions": "Be exact.",
            "max_output_tokens": 16,
            "parallel_tool_calls": None,
            "reasoning": {"effort": "xhigh", "summary": None},
            "text": {"verbosity": "low"},
            "service_tier": "ultrafast",
            "tools": [
                {"type": "function", "name": "f", "strict": True, "parameters": None},
                {"type": "mcp", "server_label": "s", "server_url": "https://mcp.example"},
                {"type": "web_search"},
                {"type": "shell", "environment": {"type": "local"}},
            ],
            "tool_choice": {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "f"}],
            },
        },
    },
    "input": [
        {"role": "developer", "content": [{"text": "a"}], "id": None},
        {"role": "user", "content": [{"text": "b", "type": "input_text"}]},
        {
            "role": "assistant",
            "content": [{"text": "c", "type": "output_text"}],
            "type": "message",
            "status": "incomplete",
        },
    ],
    "triggers": [
        {
            "type": "decisions",
            "event_type": "session.input_transcript.delta",
            "decisions": {"questions": [{"type": "predicate", "instructions": "Angry?"}]},
        }
    ],
    "idle_timeout_s": 30,
    "wake_policy": {"type": "speech", "vad_threshold": 1},
    "safety_identifier": "user-1",
    "store": True,
}


def test_a_session_is_started(backend: Backend, realtime_server: MockRealtimeServer) -> None:
    async def body() -> None:
        async with backend.client() as client:
            created = await client.live.create(session=SESSION, transport=TRANSPORT)
            assert re.fullmatch("live_[0-9a-f]+", created.session.id)
            assert created.transport.type == "webrtc"
            assert created.transport.sdp.startswith("v=0")
            assert (created.meta.status, created.meta.attempts) == (201, 1)
            assert "v=0" not in repr(created) + str(created.transport)
            await client.live.create(session=FULL, transport=merged(TRANSPORT, dcid=0))
        first, second = realtime_server.requests
        assert (first.method, first.path) == ("POST", "/v1/live/sessions")
        assert first.headers["content-type"] == first.headers["accept"] == "application/json"
        assert first.json == {"session": SESSION, "transport": TRANSPORT}
        assert second.json == {"session": FULL, "transport": {**TRANSPORT, "dcid": 0}}

    backend.run(body)


def test_actions(backend: Backend, realtime_server: MockRealtimeServer) -> None:
    async def body() -> None:
        async with backend.client() as client:
            sessions = client.live.sessions
            await sessions.accept("live_1", session={"type": "live", "model": "gpt-live-1"})
            await sessions.accept(session_id="live_1", session={"model": "gpt-live-1"})
            await sessions.reject("live_1", status_code=486)
            await sessions.refer(session_id="live_1", target_uri="sip:agent@example.com")
            await sessions.hangup("sess_1")
            await sessions.hangup(session_id="live:1@x", extra_query={"a": "b"})
        sent = [
            (request.path.removeprefix("/v1/live/sessions/"), request.body)
            for request in realtime_server.requests
        ]
        accept = b'{"session":{"type":"live","model":"gpt-live-1"}}'
        assert sent == [
            ("live_1/accept", accept),
            ("live_1/accept", accept),
            ("live_1/reject", b'{"status_code":486}'),
            ("live_1/refer", b'{"target_uri":"sip:agent@example.com"}'),
            ("sess_1/hangup", b""),
            ("live:1@x/hangup?a=b", b""),
        ]

    backend.run(body)


def test_the_safety_identifier_is_in_the_body(realtime_server: MockRealtimeServer) -> None:
    with SyncRealtimeSessionsClient() as client:
        client.live.create(session=SESSION, transport=TRANSPORT, safety_identifier="user-1")
        client.live.create(
            session=merged(SESSION, safety_identifier="user-2"),
            transport=TRANSPORT,
            safety_identifier="user-1",
        )
        client.live.sessions.accept("live_1", session=SESSION, safety_identifier="user-1")
        with pytest.raises(ParameterError, match="safety_identifier must be 1 to 64"):
            client.live.create(session=SESSION, transport=TRANSPORT, safety_identifier="")
    requests: list[Any] = [request.json for request in realtime_server.requests]
    identifiers = [request["session"]["safety_identifier"] for request in requests]
    assert identifiers == ["user-1", "user-2", "user-1"]
    assert all("openai-safety-identifier" not in each.headers for each in realtime_server.requests)


def test_extra_body_sends_what_is_unknown(realtime_server: MockRealtimeServer) -> None:
    realtime_server.respond_next(MockResponse(201, json=CREATED))
    with SyncRealtimeSessionsClient() as client:
        created = client.live.create(
            session=SESSION, transport=TRANSPORT, extra_body={"session": {"mood": "calm"}}
        )
        assert created.session.id == "sess_123"
        with pytest.raises(ParameterError, match="extra_body must have an object as session"):
            client.live.create(session=SESSION, transport=TRANSPORT, extra_body={"session": None})
        # A server refuses it, as the client would without extra_body.
        with pytest.raises(BadRequestError) as caught:
            client.live.create(
                session=SESSION, transport=TRANSPORT, extra_body={"session": {"mood": "calm"}}
            )
    assert (caught.value.code, caught.value.param) == ("unknown_parameter", "session.mood")
    sent: Any = realtime_server.requests[0].json
    assert sent["session"] == {**SESSION, "mood": "calm"}


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"mood": "calm"}, "session.mood", "is not a known parameter"),
    ({"model": None}, "session.model", "cannot be None"),
    ({"type": "live"}, "session.type", "is for phone calls only"),
    ({"voice": "marin"}, "session.voice", r"is session\.audio\.output\.voice here"),
    ({"tools": []}, "session.tools", r"is session\.delegation\.responses\.tools here"),
    ({"temperature": 1}, "session.temperature", "does not exist in GPT-Live"),
    ({"turn_detection": None}, "session.turn_detection", "does not exist in GPT-Live"),
    ({"audio": {"input": {}}}, "session.audio.input", "does not exist in GPT-Live"),
    ({"audio": {"output": {"format": {}}}}, "session.audio.output.format", "is negotiated"),
    ({"audio": {"output": {"voice": {"id": "x" * 129}}}}, "session.audio.output.voice.id", "128"),
    ({"client": {}}, "session.client.data_channel", "is required"),
    ({"input": [{"role": "system", "content": []}]}, "session.input.0", "developer, user or"),
    ({"input": [{"role": "user", "content": []}]}, "session.input.0.content", "at least 1"),
    (
        {"input": [{"role": "user", "content": [{"text": "a"}] * 2}]},
        "session.input.0.content",
        "must have at most 1 item",
    ),
    (
        {"input": [{"role": "assistant", "content": [{"text": "a"}]}]},
        "session.input.0.content.0.type",
        "is required",
    ),
    (
        {"input": [{"role": "user", "content": [{"text": "a"}]}] * 129},
        "session.input",
        "must have at most 128 items",
    ),
    ({"input": ["a"]}, "session.input.0", "must be an object whose role is"),
    ({"idle_timeout_s": 1.5}, "session.idle_timeout_s", "must be a whole number"),
    ({"idle_timeout_s": -1}, "session.idle_timeout_s", "must be a whole number"),
    (
        {"wake_policy": {"type": "speech", "vad_threshold": 1.1}},
        "session.wake_policy.vad_threshold",
        "from 0 to 1",
    ),
    ({"store": 1}, "session.store", "must be True or False"),
    ({"triggers": ["a"]}, "session.triggers.0", "must be a dict"),
    ({"delegation": "client"}, "session.delegation", "type is client, responses or decisions"),
    ({"delegation": {"type": "x"}}, "session.delegation", "type is client, responses or decisions"),
    (
        {"delegation": {"type": "client", "acknowledgement_delay_ms": -1}},
        "session.delegation.acknowledgement_delay_ms",
        "must be a whole number 0 or more",
    ),
    ({"delegation": {"type": "responses"}}, "session.delegation.responses", "is required"),
    ({"delegation": {"type": "decisions"}}, "session.delegation.decisions", "is required"),
]
RESPONSES: list[tuple[dict[str, Any], str, str]] = [
    ({"max_output_tokens": 15}, "max_output_tokens", "must be a whole number 16 or more"),
    ({"service_tier": "fast"}, "service_tier", "must be 'auto'"),
    ({"tool_choice": "sometimes"}, "tool_choice", "must be 'auto', 'none' or 'required'"),
    (
        {"tool_choice": {"type": "function", "name": "a b"}},
        "tool_choice.name",
        "a function's name of 1 to 64",
    ),
    ({"tools": [{"type": "function"}]}, "tools.0.name", "is required"),
    ({"text": {"verbosity": "x"}}, "text.verbosity", "must be 'low'"),
    ({"reasoning": {"effort": "x"}}, "reasoning.effort", "must be 'none'"),
    ({"mood": 1}, "mood", "is not a known parameter"),
]
CHANNEL: list[tuple[dict[str, Any], str, str]] = [
    ({"allowed_client_events": "none"}, "allowed_client_events", "must be 'all' or a list"),
    ({"allowed_client_events": 5}, "allowed_client_events", "must be a list of texts"),
    ({"allowed_client_events": None}, "allowed_client_events", "cannot be None"),
    ({"allowed_client_events": ["Close"]}, "allowed_client_events.0", "must be an event's type"),
    ({"allowed_client_events": ["a." + "b" * 255]}, "allowed_client_events.0", "256"),
    ({"allowed_client_events": ["error"] * 257}, "allowed_client_events", "at most 256 items"),
    ({"allowed_server_events": "none"}, "allowed_server_events", "must be 'all' or a list"),
    (
        {"allowed_server_events": ["error"]},
        "allowed_server_events.0",
        "must be an object such as {'type': 'session.closed'}, not a string",
    ),
    (
        {"allowed_server_events": [{"type": "response.event"}]},
        "allowed_server_events.0",
        "must have response_event if",
    ),
    (
        {"allowed_server_events": [{"type": "error", "response_event": "response.done"}]},
        "allowed_server_events.0",
        "and only then",
    ),
    ({"allowed_server_events": [{"type": "error"}] * 257}, "allowed_server_events", "at most 256"),
]
WRONG += [
    (
        {"delegation": {"type": "responses", "responses": {"model": "m", **wrong}}},
        f"session.delegation.responses.{param}",
        message,
    )
    for wrong, param, message in RESPONSES
]
WRONG += [
    ({"client": {"data_channel": wrong}}, f"session.client.data_channel.{param}", message)
    for wrong, param, message in CHANNEL
]


@pytest.mark.parametrize(("session", "param", "message"), WRONG)
def test_a_wrong_session_is_not_sent(
    realtime_server: MockRealtimeServer, session: dict[str, Any], param: str, message: str
) -> None:
    with SyncRealtimeSessionsClient() as client, pytest.raises(ParameterError) as caught:
        client.live.create(session=merged(SESSION, **session), transport=TRANSPORT)
    assert caught.value.param == param
    assert re.search(message, str(caught.value)) or message in str(caught.value)
    assert realtime_server.requests == []


@pytest.mark.parametrize(
    ("action", "arguments", "params", "param", "message"),
    [
        ("create", [], {"transport": TRANSPORT}, "session", "session is required"),
        ("create", [], {"session": SESSION}, "transport", "transport is required"),
        ("create", [], {"session": SESSION, "sdp": OFFER}, "transport", "is transport={'type'"),
        (
            "create",
            [],
            {"session": SESSION, "transport": {"type": "webrtc", "sdp": ""}},
            "transport.sdp",
            "an SDP offer, which is not empty",
        ),
        (
            "create",
            [],
            {"session": SESSION, "transport": {"type": "sip", "sdp": OFFER}},
            "transport.type",
            "must be 'webrtc'",
        ),
        (
            "create",
            [],
            {"session": SESSION, "transport": {**TRANSPORT, "dcid": -1}},
            "transport.dcid",
            "from 0 to 65534",
        ),
        ("create", [], {"session": SESSION, "transport": TRANSPORT, "model": "m"}, "model", "is s"),
        ("accept", ["live_1"], {"session": {}}, "session.model", "is required"),
        (
            "accept",
            ["live_1"],
            {"session": {**SESSION, "client": {}}},
            "session.client",
            "exists for WebRTC only",
        ),
        ("reject", ["live_1"], {}, "status_code", "status_code is required"),
        ("reject", ["live_1"], {"status_code": 299}, "status_code", "from 300 to 699"),
        ("reject", ["live_1"], {"status_code": 700}, "status_code", "from 300 to 699"),
        ("refer", ["live_1"], {}, "target_uri", "target_uri is required"),
        ("refer", ["live_1"], {"target_uri": " "}, "target_uri", "a tel: or sip: URI"),
        ("hangup", [""], {}, "session_id", "session_id must be"),
        ("hangup", [".."], {}, "session_id", "session_id must be"),
        ("hangup", ["a/b"], {}, "session_id", "session_id must be"),
        ("hangup", ["live_1\n"], {}, "session_id", "session_id must be"),
        ("hangup", [1], {}, "session_id", "session_id must be"),
        ("hangup", ["live_1"], {"why": 1}, "why", "why is not a known parameter"),
    ],
)
def test_wrong_arguments_are_not_sent(
    realtime_server: MockRealtimeServer,
    action: str,
    arguments: list[Any],
    params: dict[str, Any],
    param: str,
    message: str,
) -> None:
    with SyncRealtimeSessionsClient() as client:
        resource: Any = client.live if action == "create" else client.live.sessions
        with pytest.raises(ParameterError) as caught:
            getattr(resource, action)(*arguments, **params)
    assert caught.value.param == param
    assert message in str(caught.value)
    assert realtime_server.requests == []


def test_nothing_is_repeated_when_it_may_have_happened(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client(retry=QUICK) as client:
            for response in (MockResponse(drop="before"), MockResponse(500), MockResponse(409)):
                realtime_server.respond_next(response)
                with pytest.raises(
                    (APIConnectionError, InternalServerError, APIStatusError)
                ) as caught:
                    await client.live.create(session=SESSION, transport=TRANSPORT)
                assert caught.value.attempts == 1
            realtime_server.respond_next(MockResponse(503, headers={"x-should-retry": "true"}))
            await client.live.create(session=SESSION, transport=TRANSPORT)
            realtime_server.respond_next(MockResponse(500))
            with pytest.raises(InternalServerError):
                await client.live.sessions.hangup("live_1")
        assert len(realtime_server.requests) == 6

    backend.run(body)


@pytest.mark.parametrize(
    ("body", "lacking"),
    [
        (b"", "JSON"),
        (b"[]", "JSON"),
        (b'{"session": {"id": ""}, "transport": {"sdp": "v=0"}}', "session.id"),
        (b'{"session": {"id": "live_1"}, "transport": {"type": "sip"}}', "transport.sdp"),
        (b'{"session": {"id": "live_1"}, "transport": {"sdp": "<p>"}}', "transport.sdp"),
    ],
)
def test_a_success_without_a_session_is_an_error(
    realtime_server: MockRealtimeServer, body: bytes, lacking: str
) -> None:
    realtime_server.respond_next(MockResponse(201, body=body))
    with (
        SyncRealtimeSessionsClient() as client,
        pytest.raises(APIResponseValidationError, match=rf"\({lacking}\)") as caught,
    ):
        client.live.create(session=SESSION, transport=TRANSPORT)
    assert caught.value.possibly_acted  # the session may have begun


def test_the_response_keeps_unknown_fields() -> None:
    more = {**CREATED, "session": {"id": "sess_123", "mood": "calm"}}
    response = LiveCreateResponse.model_validate(more)
    assert response.model_dump() == more
    assert "secret" not in repr(response)


def test_tools_made_of_functions_are_sent(realtime_server: MockRealtimeServer) -> None:
    made = FunctionTool.from_function(find_table)
    with SyncRealtimeSessionsClient() as client:
        client.live.create(
            session={
                "model": "gpt-live-1",
                "delegation": {"type": "responses", "responses": {"model": "m", "tools": [made]}},
            },
            transport=TRANSPORT,
        )
    sent: Any = realtime_server.requests[0].json
    assert sent["session"]["delegation"]["responses"]["tools"][0]["name"] == "find_table"


def test_credentials_of_tools_are_masked(realtime_server: MockRealtimeServer) -> None:
    tool: Any = {"type": "mcp", "server_label": "s", "authorization": "oauth-token-of-the-tool"}
    echo = {"error": {"message": "wrong: oauth-token-of-the-tool"}}
    realtime_server.respond_next(MockResponse(400, json=echo))
    session: Any = {
        "model": "gpt-live-1",
        "delegation": {"type": "responses", "responses": {"model": "m", "tools": [tool]}},
    }
    with SyncRealtimeSessionsClient() as client, pytest.raises(BadRequestError) as caught:
        client.live.create(session=session, transport=TRANSPORT)
    assert "oauth-token" not in str(caught.value)


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        ("openai", "/v1/live/sessions"),
        ("azure", "/openai/v1/live/sessions"),
        ("bifrost", "/v1/live/sessions"),
    ],
)
def test_providers_with_live(backend: Backend, provider: Any, path: str) -> None:
    async def body(server: MockRealtimeServer) -> None:
        async with backend.client(provider=server.provider, api_key=server.api_key) as client:
            created = await client.live.create(session=SESSION, transport=TRANSPORT)
            await client.live.sessions.hangup(created.session.id)
            with pytest.raises(NotFoundError, match="The session has ended") as caught:
                await client.live.sessions.hangup(created.session.id)
            assert caught.value.code == "session_id_not_found"
        assert [each.path for each in server.requests] == [
            path,
            *[f"{path}/{created.session.id}/hangup"] * 2,
        ]
        if provider == "azure":
            assert server.requests[0].headers["api-key"] == server.api_key

    with MockRealtimeServer(provider=provider) as server:
        backend.run(lambda: body(server))


@pytest.mark.parametrize("provider", ["xai", "elevenlabs", "litellm", "azure_preview"])
def test_providers_without_live(provider: Any) -> None:
    with MockRealtimeServer(provider=provider) as server:
        with SyncRealtimeSessionsClient(provider=server.provider, api_key="k") as client:
            with pytest.raises(ConfigurationError, match="has no GPT-Live: OpenAI and Azure"):
                client.live.create(session=SESSION, transport=TRANSPORT)
            with pytest.raises(ConfigurationError, match="has no GPT-Live"):
                client.live.sessions.hangup("live_1")
        assert server.requests == []


def refused(server: MockRealtimeServer, call: Any) -> APIStatusError:
    with (
        SyncRealtimeSessionsClient(provider=server.provider, api_key=server.api_key) as client,
        pytest.raises(APIStatusError) as caught,
    ):
        call(client)
    return caught.value


@pytest.mark.parametrize(
    ("session", "status", "code", "param"),
    [
        ({"model": "gpt-realtime-2.1"}, 400, "invalid_model", "session.model"),
        ({"audio": {"output": {"voice": "robot"}}}, 403, "forbidden", "audio.output.voice"),
        ({"instructions": "a " * 16_385}, 400, "invalid_value", "session.instructions"),
        ({"triggers": [{"type": "decisions"}]}, 400, "invalid_value", "session.triggers"),
        ({"triggers": FULL["triggers"] * 2}, 400, "invalid_value", "session.triggers"),
    ],
)
def test_what_the_mock_refuses(session: dict[str, Any], status: int, code: str, param: str) -> None:
    with MockRealtimeServer(provider="openai") as server:
        error = refused(
            server,
            lambda client: client.live.create(
                session=merged(SESSION, **session), transport=TRANSPORT
            ),
        )
    assert (error.status_code, error.code, error.param) == (status, code, param)


def test_the_models_of_both_apis_are_apart() -> None:
    model = "gpt-live-1"
    calls: list[Any] = [
        lambda client: client.client_secrets.create(session={"type": "realtime", "model": model}),
        lambda client: client.calls.create(sdp=OFFER, session={"type": "realtime", "model": model}),
        lambda client: client.calls.accept("rtc_1", model=model),
        lambda client: client.live.sessions.accept("live_1", session={"model": "gpt-realtime"}),
    ]
    with MockRealtimeServer(provider="openai") as server:
        for call in calls:
            error = refused(server, call)
            assert (error.status_code, error.code) == (400, "invalid_model")
            assert "client.live" in str(error.hint)
            assert "broker=True" in str(error.hint)


def test_a_client_secret_starts_no_live_session() -> None:
    with (
        MockRealtimeServer(provider="openai") as server,
        SyncRealtimeSessionsClient(provider=server.provider, api_key=server.api_key) as client,
    ):
        secret = client.client_secrets.create().value
        browser = client.with_options(api_key=str(secret))
        with pytest.raises(APIStatusError, match="it has no client secrets") as caught:
            browser.live.create(session=SESSION, transport=TRANSPORT)
    assert caught.value.status_code == 401


def test_azure_takes_deployments_and_no_decisions() -> None:
    delegation: Any = {"type": "decisions", "decisions": {"model": "m", "questions": []}}
    session: Any = {"model": "my-deployment"}
    with MockRealtimeServer(provider="azure") as server:
        error = refused(
            server,
            lambda client: client.live.create(
                session=merged(session, delegation=delegation), transport=TRANSPORT
            ),
        )
    assert error.param == "session.delegation.type"


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {"session": SESSION, "transport": {"type": "webrtc", "sdp": "x"}}, "transport.sdp"),
        ("", {"session": SESSION}, "transport"),
        ("/live_1/accept", {"session": SESSION}, "session.type"),
        ("/live_1/reject", {}, "status_code"),
    ],
)
def test_what_the_mock_refuses_from_other_clients(
    realtime_server: MockRealtimeServer, path: str, body: object, param: str
) -> None:
    response = httpx.post(
        f"{realtime_server.base_url}/live/sessions{path}",
        content=json.dumps(body),
        headers={"authorization": f"Bearer {realtime_server.api_key}"},
    )
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


def test_the_docstrings_say_what_it_costs_and_what_the_browser_sees() -> None:
    for resource in (live.AsyncLive, live.Live):
        text = " ".join(str(resource.create.__doc__).split())
        assert "OpenAI bills 15 seconds of the session at once" in text
        assert "browser sees every event" in text
