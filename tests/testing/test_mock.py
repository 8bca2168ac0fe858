"""The mock server and routes: rejections, defaults, scripted responses, respx and pytest."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
import respx
from backends import Backend

from openai_realtime import (
    APIConnectionError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    RealtimeSessionsClient,
    SyncRealtimeSessionsClient,
)
from openai_realtime.resources.parameters import merge_objects
from openai_realtime.testing import (
    MOCK_API_KEY,
    MockRealtimeServer,
    MockResponse,
    RealtimeRoutes,
    mock_realtime,
)

pytest_plugins = ["pytester"]


def post(
    server: MockRealtimeServer, path: str = "/realtime/sessions", body: bytes = b"{}", **extra: Any
) -> tuple[int, Any]:
    credential = {"Authorization": f"Bearer {server.api_key}"}
    headers = {"Content-Type": "application/json", **extra.pop("headers", credential)}
    request = urllib.request.Request(
        server.base_url + path, data=body, headers=headers, method=extra.pop("method", "POST")
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


FORM = {
    "Authorization": f"Bearer {MOCK_API_KEY}",
    "Content-Type": "application/x-www-form-urlencoded",
}


@pytest.mark.parametrize(
    ("request_options", "status", "message"),
    [
        ({"path": "/unknown"}, 404, "Invalid URL (POST /v1/unknown)"),
        ({"method": "PUT"}, 405, "Not allowed to PUT"),
        ({"headers": {}}, 401, "Incorrect API key"),
        ({"headers": {"Authorization": "Bearer wrong"}}, 401, "Incorrect API key"),
        ({"headers": {"Authorization": MOCK_API_KEY}}, 401, "Incorrect API key"),
        ({"body": b"not json"}, 400, "not a JSON object"),
        ({"body": b"[]"}, 400, "not a JSON object"),
        ({"body": b'{"speed": 9}'}, 400, "speed must be a number from 0.25 to 1.5"),
        ({"body": b'{"modalities": ["audio"]}'}, 400, "alone"),
        (
            {"path": "/realtime/calls/rtc_1/accept", "body": b'{"model": "gpt-realtime"}'},
            400,
            "type is required",
        ),
        (
            {"path": "/realtime/calls/rtc_1/accept", "body": b'{"type": "transcription"}'},
            400,
            "type must be realtime",
        ),
        ({"path": "/realtime/calls//hangup"}, 404, "Invalid URL"),
        ({"path": "/realtime/sessions/"}, 404, "Invalid URL"),
        ({"path": "/../realtime/sessions"}, 404, "Invalid URL"),
        ({"body": b"voice=verse", "headers": FORM}, 415, "accepts application/json"),
        (
            {"path": "/realtime/calls", "body": b"{}"},
            415,
            "application/sdp and multipart/form-data",
        ),
    ],
)
def test_it_rejects_what_a_server_rejects(
    realtime_server: MockRealtimeServer, request_options: dict[str, Any], status: int, message: str
) -> None:
    sent_status, body = post(realtime_server, **request_options)
    assert sent_status == status
    assert message in body["error"]["message"]
    assert body["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("direction", ["input", "output"])
@pytest.mark.parametrize(
    ("path", "wrap"),
    [
        ("/realtime/client_secrets", lambda session: {"session": session}),
        ("/realtime/calls/rtc_1/accept", lambda session: session),
    ],
)
def test_pcm_needs_its_rate(
    realtime_server: MockRealtimeServer, direction: str, path: str, wrap: Callable[[Any], Any]
) -> None:
    encoding = {"type": "audio/pcm"}
    session = {"type": "realtime", "audio": {direction: {"format": encoding}}}
    status, body = post(realtime_server, path, json.dumps(wrap(session)).encode())
    assert status == 400
    assert body["error"]["param"].endswith(f"audio.{direction}.format.rate")
    encoding["rate"] = 24000  # type: ignore[assignment]  # as JSON
    assert post(realtime_server, path, json.dumps(wrap(session)).encode())[0] == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/realtime/sessions", {"new": 1, "turn_detection": {"type": "server_vad", "new": [2]}}),
        ("/realtime/transcription_sessions", {"new": 1}),
        (
            "/realtime/client_secrets",
            {
                "new": 1,
                "session": {
                    "type": "realtime",
                    "new": {"a": None},
                    "audio": {"output": {"voice": {"id": "voice_1", "new": 2}}},
                    "tools": [{"type": "mcp", "server_label": "a", "connector_id": "b", "new": 3}],
                    "tool_choice": {"type": "mcp", "server_label": "a", "new": 4},
                },
            },
        ),
        ("/realtime/translations/client_secrets", {"new": 1, "session": {"model": "m", "new": 2}}),
    ],
)
def test_members_that_the_types_do_not_know_are_kept(
    realtime_server: MockRealtimeServer, path: str, body: dict[str, Any]
) -> None:
    status, sent = post(realtime_server, path, json.dumps(body).encode())
    assert status == 200
    assert merge_objects(sent, body) == sent


def test_a_decision_keeps_members_that_the_types_do_not_know(
    realtime_server: MockRealtimeServer,
) -> None:
    call = realtime_server.phone(webhook_url="http://127.0.0.1:1").ring()
    body = b'{"type": "realtime", "new": 1}'
    assert post(realtime_server, f"/realtime/calls/{call.call_id}/accept", body) == (200, None)
    assert call.wait_for_decision().parameters == {"new": 1}


def test_a_translation_session_has_audio(realtime_server: MockRealtimeServer) -> None:
    path, session = "/realtime/translations/client_secrets", {"model": "gpt-realtime-translate"}
    _, plain = post(realtime_server, path, json.dumps({"session": session}).encode())
    assert plain["session"]["audio"]["input"] == {"noise_reduction": None, "transcription": None}
    audio = {"output": {"language": "de"}, "input": {"noise_reduction": {"type": "near_field"}}}
    body = json.dumps({"session": {**session, "audio": audio}}).encode()
    _, full = post(realtime_server, path, body)
    assert full["session"]["audio"]["output"] == {"language": "de"}
    assert full["session"]["audio"]["input"] == {
        "noise_reduction": {"type": "near_field"},
        "transcription": None,
    }


@pytest.mark.parametrize(
    ("provider", "path", "body", "message"),
    [
        (
            "azure",
            "/realtime/client_secrets?api-version=1",
            "{}",
            "api-version is not accepted here",
        ),
        ("azure_preview", "/sessions", "{}", "api-version must be 2025-04-01-preview"),
        ("azure_preview", "/sessions?api-version=2025-04-01-preview", "{}", "not a deployment"),
        (
            "xai",
            "/realtime/client_secrets",
            '{"session":{"type":"realtime"}}',
            "only expires_after.seconds is accepted",
        ),
        (
            "litellm",
            "/realtime/client_secrets",
            '{"session":{"type":"realtime"}}',
            "model is required",
        ),
        (
            "openai",
            "/realtime/client_secrets",
            '{"session":{"type":"realtime","output_modalities":["audio","text"]}}',
            "cannot hold both",
        ),
        ("openai", "/realtime/sessions", "{}", "beta API shape is disabled"),
        ("compatible", "/realtime/client_secrets", "{}", "Invalid URL"),
    ],
)
def test_it_rejects_what_a_provider_rejects(
    provider: Any, path: str, body: str, message: str
) -> None:
    with MockRealtimeServer(provider=provider) as server:
        status, response = post(server, path, body.encode())
    assert status in {400, 404}
    assert message in response["error"]["message"]


def test_compatible_servers_respond_in_their_own_shape() -> None:
    with MockRealtimeServer(provider="compatible") as server:
        status, body = post(server)
        assert status == 201
        assert "T" in body["client_secret"]["expires_at"]
        assert post(server, "/realtime/transcription_sessions")[0] == 201
    with MockRealtimeServer(provider="litellm", dialect="both") as server:
        assert post(server)[0] == 200
        assert post(server, "/realtime/client_secrets", b'{"model":"m"}')[1]["value"][:3] == "gAA"


@pytest.mark.parametrize("provider", ["azur", "azure-preview", ["azure"]])
def test_the_error_for_an_unknown_provider_lists_the_known_ones(provider: Any) -> None:
    with pytest.raises(
        ConfigurationError, match="unusable: it must be one of openai, azure, azure_p"
    ):
        MockRealtimeServer(provider=provider)


def test_a_server_without_keys() -> None:
    with MockRealtimeServer(provider="keyless") as server:
        assert post(server, headers={})[0] == 201


def test_it_fills_in_the_defaults(realtime_server: MockRealtimeServer) -> None:
    status, body = post(realtime_server, body=b'{"voice": "verse"}')
    assert (status, body["voice"], body["temperature"]) == (200, "verse", 0.8)
    lifetime = body["client_secret"]["expires_at"] - time.time()
    assert 58 <= lifetime <= 60


def test_without_a_required_key_it_accepts_any_key() -> None:
    with MockRealtimeServer(api_key=None) as server:
        assert post(server, headers={"Authorization": "Bearer whatever"})[0] == 200
        assert post(server, headers={"Authorization": "Bearer "})[0] == 401
        assert post(server)[0] == 200


def test_scripted_responses_come_in_order_and_then_the_defaults() -> None:
    with MockRealtimeServer() as server:
        server.respond_next(
            MockResponse(418, json={"a": 1}, headers={"x-mine": "1"}),
            MockResponse(299, body=b'"text"', headers={"Content-Type": "application/problem+json"}),
        )
        assert post(server) == (418, {"a": 1})
        assert post(server) == (299, "text")
        assert post(server)[0] == 200
        server.respond_next(MockResponse(500))
        server.forget_script()
        assert post(server)[0] == 200
        assert len(server.requests) == 4


def test_a_script_takes_only_responses_and_a_stopped_server_cannot_start() -> None:
    server = MockRealtimeServer().start()
    with pytest.raises(TypeError, match="MockResponse"):
        server.respond_next(503)  # type: ignore[arg-type]  # wrong on purpose
    server.stop()
    with pytest.raises(RuntimeError, match="make a new one"):
        server.start()


def test_realtime_routes_needs_respx(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they take seconds to load
    pytester.makepyfile(
        """
        import sys
        sys.modules["respx"] = None

        def test_routes(realtime_routes):
            pass
        """
    )
    result = pytester.runpytest_subprocess(
        "-q", "-p", "no:cacheprovider", "-p", "openai_realtime.pytest_plugin"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*realtime_routes needs respx*"])


def test_mock_realtime_needs_respx() -> None:
    program = """
import sys
sys.modules["respx"] = None
import openai_realtime.testing
try:
    from openai_realtime.testing import mock_realtime
except ModuleNotFoundError as error:
    print(error)
"""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "mock_realtime needs respx: pip install respx\n"


def test_it_stops_while_a_response_is_delayed() -> None:
    server = MockRealtimeServer().start()
    server.respond_next(MockResponse(delay=60))
    host, port = server.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        while not server.requests:
            time.sleep(0.005)
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 20
        assert connection.recv(1) == b""
    server.stop()


def test_a_malformed_request_gets_400(realtime_server: MockRealtimeServer) -> None:
    host, port = realtime_server.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert b"400" in connection.recv(4096)
    assert realtime_server.requests == []


def test_a_respx_mock_of_the_sessions_url_gives_the_typed_model(backend: Backend) -> None:
    async def body() -> Any:
        async with backend.client(api_key="sk-test") as client:
            return await client.sessions.create(voice="verse")

    with respx.mock:
        route = respx.post("https://api.openai.com/v1/realtime/sessions").mock(
            return_value=httpx.Response(
                200,
                json={"client_secret": {"value": "ek_1", "expires_at": 1}, "voice": "verse"},
                headers={"x-request-id": "req_1"},
            )
        )
        session: Any = backend.run(body)
    assert session.client_secret.value == "ek_1"
    assert (session.voice, session.meta.request_id) == ("verse", "req_1")
    assert json.loads(route.calls.last.request.content) == {"voice": "verse"}
    assert route.calls.last.request.headers["authorization"] == "Bearer sk-test"


@pytest.mark.parametrize("mocker", ["httpcore", "httpx"])
def test_the_routes_respond_as_the_server_does(backend: Backend, mocker: str) -> None:
    async def body() -> None:
        options: dict[str, Any] = {
            "api_key": "sk-right",
            "base_url": "https://gateway.example/ai/v1",
        }
        async with backend.client(**options) as client:
            session = await client.sessions.create(voice="verse")
            assert session.voice == "verse"
            transcription = await client.transcription_sessions.create()
            assert transcription.object == "realtime.transcription_session"
            with pytest.raises(BadRequestError, match=r"speed must be a number from 0.25 to 1.5"):
                await client.sessions.create(extra_body={"speed": 9})
            with pytest.raises(AuthenticationError):
                await client.with_options(api_key="sk-wrong").sessions.create()

    with respx.mock(using=mocker) as router:
        routes = mock_realtime(
            router, base_url="https://gateway.example/ai/v1/", api_key="sk-right"
        )
        backend.run(body)
    assert routes.route.call_count == len(routes.requests) == 4


@respx.mock
def test_the_global_router_is_the_default() -> None:
    realtime = mock_realtime()
    with SyncRealtimeSessionsClient(api_key="sk-any", max_retries=0) as client:
        first, second = client.sessions.create(), client.sessions.create(voice="verse")
        assert first.client_secret.value != second.client_secret.value
        realtime.respond_next(MockResponse(401), MockResponse(drop="before"))
        with pytest.raises(AuthenticationError):
            client.sessions.create()
        with pytest.raises(APIConnectionError, match="was lost"):
            client.sessions.create()
        realtime.respond_next(MockResponse(500))
        realtime.forget_script()
        assert client.sessions.create().meta.status == 200
    assert [request.json for request in realtime.requests][:2] == [{}, {"voice": "verse"}]


@respx.mock
def test_the_routes_have_gpt_live() -> None:
    realtime = mock_realtime()
    with SyncRealtimeSessionsClient(api_key="sk-any") as client:
        created = client.live.create(
            session={"model": "gpt-live-1.1"}, transport={"type": "webrtc", "sdp": "v=0\r\n"}
        )
        client.live.sessions.hangup(created.session.id)
    assert [request.path for request in realtime.requests] == [
        "/v1/live/sessions",
        f"/v1/live/sessions/{created.session.id}/hangup",
    ]


def test_the_routes_fixture_serves_a_client_without_arguments(
    realtime_routes: RealtimeRoutes,
) -> None:
    async def body() -> None:
        async with RealtimeSessionsClient() as client:
            await client.sessions.create()

    anyio.run(body)
    assert len(realtime_routes.requests) == 1


def test_the_plugin_is_found_by_pytest_itself(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from openai_realtime import SyncRealtimeSessionsClient

        def test_server(realtime_server):
            with SyncRealtimeSessionsClient() as client:
                assert client.sessions.create().client_secret.value.startswith("ek_")
            assert len(realtime_server.requests) == 1

        def test_routes(realtime_routes):
            with SyncRealtimeSessionsClient() as client:
                assert client.base_url == "https://api.openai.com/v1"
                assert client.sessions.create().client_secret.value.startswith("ek_")
            assert realtime_routes.route.called
        """
    )
    result = pytester.runpytest_subprocess(
        "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error"
    )
    result.assert_outcomes(passed=2)
