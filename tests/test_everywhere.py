"""One unchanged call works on every kind of server."""

import time
from dataclasses import replace
from typing import Any

import anyio
import pytest
from backends import Backend

from openai_realtime import (
    APIResponseValidationError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    DroppedParameterWarning,
    NotFoundError,
    ParameterError,
    RealtimeSessionCreateResponse,
    RealtimeSessionsClient,
    RetryPolicy,
)
from openai_realtime.testing import MockRealtimeServer, MockResponse

THE_CALL: dict[str, Any] = {
    "model": "gpt-realtime-2.1",
    "voice": "verse",
    "modalities": ["audio", "text"],
    "turn_detection": None,
    "temperature": 0.8,
}
SERVERS: list[dict[str, Any]] = [
    {"dialect": "beta"},
    {"dialect": "ga"},
    {"provider": "openai"},
    {"provider": "azure"},
    {"provider": "azure_preview"},
    {"provider": "xai"},
    {"provider": "elevenlabs"},
    {"provider": "litellm"},
    {"provider": "bifrost"},
    {"provider": "compatible"},
]
# Fields whose values the servers choose.
CHOSEN = {"id", "client_secret", "expires_at"}


def fields_of(session: RealtimeSessionCreateResponse) -> dict[str, Any]:
    """Return the fields of the server's response, without those that it chose."""
    fields = session.model_dump(exclude_unset=True)
    return {name: value for name, value in fields.items() if name not in CHOSEN}


@pytest.mark.filterwarnings("ignore::openai_realtime.DroppedParameterWarning")
@pytest.mark.parametrize("settings", SERVERS, ids=lambda settings: "-".join(settings.values()))
def test_one_unchanged_call_mints_everywhere(backend: Backend, settings: dict[str, Any]) -> None:
    async def mint(server: MockRealtimeServer) -> RealtimeSessionCreateResponse:
        async with backend.client(provider=server.provider, api_key=server.api_key) as client:
            session = await client.sessions.create(**THE_CALL)
            assert session.client_secret.value
            # What the flat shape promises, also where it is sent in the nested one.
            assert 58 <= (session.client_secret.seconds_left or 0) <= 60
            assert session.speed == 1.0
            again = await client.sessions.create(**THE_CALL)
            assert again.meta.attempts == 1
            assert again.client_secret.value != session.client_secret.value
            return session

    with MockRealtimeServer(dialect="beta") as reference, MockRealtimeServer(**settings) as server:
        expected = fields_of(backend.run(lambda: mint(reference)))
        returned = fields_of(backend.run(lambda: mint(server)))
    assert returned.pop("model", "") in {"gpt-realtime-2.1", "mock-deployment", ""}
    expected.pop("model")
    assert returned == {name: expected[name] for name in returned}
    missing = expected.keys() - returned.keys()
    if settings == {"provider": "xai"}:
        assert returned == {}
    else:
        lacking = {"input_audio_noise_reduction", "prompt", "speed", "truncation"}
        is_elevenlabs = settings == {"provider": "elevenlabs"}
        assert missing - {"temperature"} == (lacking if is_elevenlabs else set())
        assert returned["voice"] == "verse"
        assert returned["turn_detection"] is None


def test_a_retired_dialect_costs_one_request_once(backend: Backend) -> None:
    async def body(server: MockRealtimeServer) -> None:
        async with backend.client(
            provider=server.provider, api_key=server.api_key, max_retries=0
        ) as client:
            with pytest.warns(
                DroppedParameterWarning, match="does not accept temperature"
            ) as warnings:
                first = await client.sessions.create(temperature=0.8, voice="verse")
            assert len(warnings) == 1
            assert (first.meta.attempts, first.meta.dropped) == (2, ("temperature",))
            second = await client.sessions.create(temperature=0.8)  # the warning came once
            third = await client.with_options(timeout=5).sessions.create()
            assert (second.meta.attempts, second.meta.dropped) == (1, ("temperature",))
            assert (third.meta.attempts, third.meta.dropped) == (1, ())
            await client.transcription_sessions.create()  # another endpoint has its own fallback
        paths = [request.path.removeprefix("/v1/realtime/") for request in server.requests]
        assert paths == [
            "sessions",
            *["client_secrets"] * 3,
            "transcription_sessions",
            "client_secrets",
        ]
        assert server.requests[1].json == {
            "expires_after": {"anchor": "created_at", "seconds": 60},
            "session": {"type": "realtime", "audio": {"output": {"voice": "verse"}}},
        }

    with MockRealtimeServer(dialect="ga") as server:
        backend.run(lambda: body(server))


RETIRED = [
    MockResponse(404),
    MockResponse(410, json={"error": "gone"}),
    MockResponse(400, json={"error": {"message": "x", "code": "beta_api_shape_disabled"}}),
    MockResponse(
        400,
        json={"error": {"message": "Model gpt-realtime-2 is only available on the GA API."}},
    ),
]


@pytest.mark.parametrize("response", RETIRED, ids=lambda response: str(response.status))
def test_every_response_for_a_retired_dialect(
    response: MockResponse, realtime_server: MockRealtimeServer, backend: Backend
) -> None:
    realtime_server.respond_next(response)

    async def body() -> None:
        async with backend.client() as client:
            assert (await client.sessions.create()).meta.attempts == 2

    backend.run(body)


@pytest.mark.parametrize(
    "response",
    [
        MockResponse(
            400, json={"error": {"message": "unknown parameter", "code": "unknown_parameter"}}
        ),
        MockResponse(401, json={"error": "who?"}),
        MockResponse(404, json={"error": {"message": "x", "code": "model_not_found"}}),
        MockResponse(400, json={"error": "foo is in beta; use a newer API version"}),
    ],
)
def test_other_errors_cause_no_fallback(
    response: MockResponse, realtime_server: MockRealtimeServer, backend: Backend
) -> None:
    realtime_server.respond_next(response)

    async def body() -> None:
        async with backend.client() as client:
            with pytest.raises((BadRequestError, AuthenticationError, NotFoundError)):
                await client.sessions.create()

    backend.run(body)
    assert len(realtime_server.requests) == 1


@pytest.mark.parametrize("header", ["OpenAI-Beta", "openai-beta"])
def test_a_beta_header_never_sends_a_nested_call_to_the_flat_endpoint(
    backend: Backend, header: str
) -> None:
    """OpenAI treats a request with this header as flat, and responds that the flat shape is disabled."""

    async def body(server: MockRealtimeServer) -> None:
        wrong: Any = {"extra_headers": {header: "realtime=v1"}}
        async with backend.client(base_url=server.base_url, api_key=server.api_key) as client:
            calls: list[Any] = [
                lambda: client.client_secrets.create(**wrong),
                lambda: client.translations.client_secrets.create(
                    session={"model": "gpt-realtime-translate"}, **wrong
                ),
                lambda: client.calls.create(sdp="v=0", **wrong),
                lambda: client.calls.hangup("rtc_1", **wrong),
                # A flat call that fell back, and one that is nested from the beginning.
                lambda: client.sessions.create(**wrong),
                lambda: client.with_options(dialect="ga").sessions.create(**wrong),
            ]
            for call in calls:
                with pytest.raises(BadRequestError, match="beta_api_shape_disabled") as caught:
                    await call()
                assert "OpenAI-Beta header" in str(caught.value)
                assert 'dialect="auto"' not in str(caught.value)
            # The same for a response without a clear reason.
            for response in (MockResponse(404), MockResponse(410)):
                server.respond_next(response)
                with pytest.raises(APIStatusError, match="OpenAI-Beta header"):
                    await client.client_secrets.create(**wrong)

    with MockRealtimeServer(dialect="ga") as server:
        backend.run(lambda: body(server))
        paths = [request.path.removeprefix("/v1/realtime/") for request in server.requests]
    assert paths == [
        "client_secrets",
        "translations/client_secrets",
        "calls",
        "calls/rtc_1/hangup",
        "sessions",
        *["client_secrets"] * 4,
    ]


@pytest.mark.parametrize(
    "response",
    [
        MockResponse(400, json={"error": {"message": "x", "code": "beta_api_shape_disabled"}}),
        MockResponse(404, json={"error": {"message": "x", "code": "beta_api_shape_disabled"}}),
        MockResponse(400, json={"error": "The beta API is retired: use the GA API."}),
    ],
)
def test_what_retires_the_flat_shape_does_not_retire_the_nested_one(
    response: MockResponse, realtime_server: MockRealtimeServer, backend: Backend
) -> None:
    realtime_server.respond_next(response)

    async def body() -> None:
        async with backend.client() as client:
            with pytest.raises((BadRequestError, NotFoundError)):
                await client.client_secrets.create()

    backend.run(body)
    assert len(realtime_server.requests) == 1


def test_a_404_on_both_is_the_first_error_with_a_hint(backend: Backend) -> None:
    async def body(base_url: str) -> None:
        async with backend.client(base_url=base_url, api_key="sk-x") as client:
            for create in (client.sessions.create, client.client_secrets.create):
                with pytest.raises(
                    NotFoundError, match="Neither the flat nor the nested"
                ) as caught:
                    await create()
                assert caught.value.attempts == 2
                assert "wrong/realtime/" in caught.value.message

    with MockRealtimeServer(api_key=None) as server:
        backend.run(lambda: body(f"{server.base_url}/wrong"))
        paths = [request.path.rpartition("/")[2] for request in server.requests]
    assert paths == ["sessions", "client_secrets", "client_secrets", "sessions"]


def test_the_fallback_retries_and_fails_like_any_call(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client(retry=RetryPolicy(base_delay=0.001)) as client:
            realtime_server.respond_next(MockResponse(404), MockResponse(503), MockResponse(503))
            assert (await client.sessions.create()).meta.attempts == 4
            other = client.with_options(base_url=realtime_server.base_url + "/")
            realtime_server.respond_next(MockResponse(401))
            with pytest.raises(AuthenticationError):
                await other.sessions.create()

    backend.run(body)


def test_a_fallback_that_mints_nothing_is_not_remembered(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client() as client:
            realtime_server.respond_next(MockResponse(404), MockResponse(json={"value": ""}))
            with pytest.raises(APIResponseValidationError):
                await client.sessions.create()
            await client.sessions.create()

    backend.run(body)
    assert realtime_server.requests[-1].path == "/v1/realtime/sessions"


@pytest.mark.parametrize(("dialect", "path"), [("beta", "sessions"), ("ga", "client_secrets")])
def test_an_explicit_dialect_is_used(
    backend: Backend, realtime_server: MockRealtimeServer, dialect: Any, path: str
) -> None:
    async def body() -> None:
        async with backend.client(dialect=dialect) as client:
            await client.sessions.create(voice="verse")
            realtime_server.respond_next(MockResponse(404))
            with pytest.raises(NotFoundError):
                await client.sessions.create()
            await client.client_secrets.create(session={"type": "realtime", "model": "m"})

    backend.run(body)
    paths = [request.path.removeprefix("/v1/realtime/") for request in realtime_server.requests]
    assert paths == [path] * 3


def test_strict_refuses_before_anything_is_minted(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client(dialect="ga", strict=True) as client:
            with pytest.raises(ParameterError, match="temperature") as caught:
                await client.sessions.create(temperature=0.8)
            assert caught.value.param == "temperature"
            with pytest.warns(DroppedParameterWarning):
                await client.sessions.create(temperature=0.8, strict=False)
        async with backend.client() as client:
            realtime_server.respond_next(MockResponse(410))
            with pytest.raises(ParameterError, match="strict=True"):
                await client.sessions.create(temperature=0.8, strict=True)

    backend.run(body)
    assert len(realtime_server.requests) == 2


@pytest.mark.parametrize("dialect", ["beta", "ga"])
def test_nested_methods_work_on_flat_servers_too(backend: Backend, dialect: Any) -> None:
    async def body(server: MockRealtimeServer) -> None:
        async with backend.client(provider=server.provider, api_key=server.api_key) as client:
            secret = await client.client_secrets.create(
                expires_after={"seconds": 120},
                session={
                    "type": "realtime",
                    "model": "gpt-realtime-2.1",
                    "output_modalities": ["audio"],
                    "audio": {
                        "input": {"turn_detection": None, "format": {"type": "audio/pcmu"}},
                        "output": {"voice": "verse", "speed": 1.5},
                    },
                },
            )
            assert secret.client_secret is secret
            assert 118 <= (secret.seconds_left or 0) <= 120
            session: Any = secret.session
            assert (session.type, session.model) == ("realtime", "gpt-realtime-2.1")
            assert session.output_modalities == ["audio"]
            assert session.audio.output.voice == "verse"
            assert session.audio.input.format.type == "audio/pcmu"
            assert session.audio.input.turn_detection is None
            spoken = await client.client_secrets.create(
                session={
                    "type": "transcription",
                    "audio": {"input": {"transcription": {"model": "gpt-transcribe"}}},
                }
            )
            transcription: Any = spoken.session
            assert transcription.type == "transcription"
            assert transcription.audio.input.transcription.model == "gpt-transcribe"

    with MockRealtimeServer(dialect=dialect) as server:
        backend.run(lambda: body(server))


@pytest.mark.parametrize("dialect", ["beta", "ga"])
def test_a_secret_lives_no_longer_than_requested(backend: Backend, dialect: Any) -> None:
    """Independent of the server's clock and of the shape of the requested lifetime."""
    late = {"expires_at": int(time.time()) + 5000}
    responses = {
        "beta": MockResponse(json={"client_secret": {"value": "ek_1", **late}}),
        "ga": MockResponse(json={"value": "ek_1", **late}),
    }
    ten: Any = {"seconds": 10}

    async def body(server: MockRealtimeServer) -> None:
        async with backend.client(
            base_url=server.base_url, api_key=server.api_key, dialect=dialect
        ) as client:
            calls: list[Any] = [
                client.sessions.create(client_secret={"expires_after": ten}),
                client.sessions.create(extra_body={"client_secret": {"expires_after": ten}}),
                client.transcription_sessions.create(client_secret={"expires_after": ten}),
                client.client_secrets.create(expires_after=ten, session={"type": "realtime"}),
            ]
            for call in calls:
                server.respond_next(responses[dialect])
                minted = await call
                assert 5 < minted.client_secret.seconds_left <= 10
                assert minted.client_secret.expires_at == late["expires_at"]
            server.respond_next(responses[dialect])
            unlimited = client.sessions if dialect == "beta" else client.client_secrets
            assert ((await unlimited.create()).client_secret.seconds_left or 0) > 4000

    with MockRealtimeServer() as server:
        backend.run(lambda: body(server))


def test_a_deployment_is_the_model_whatever_is_named(backend: Backend) -> None:
    async def body(server: MockRealtimeServer) -> None:
        async with backend.client(provider=server.provider, api_key=server.api_key) as client:
            with pytest.warns(DroppedParameterWarning, match="does not accept model"):
                flat = await client.sessions.create(model="gpt-realtime-2.1")
            assert (flat.model, flat.meta.dropped) == ("mock-deployment", ("model",))
            assert (await client.sessions.create(model="mock-deployment")).meta.dropped == ()
            assert (await client.sessions.create()).meta.dropped == ()
            with pytest.warns(DroppedParameterWarning, match=r"does not accept session\.model"):
                secret = await client.client_secrets.create(
                    session={"type": "realtime", "model": "m"}
                )
            session: Any = secret.session
            assert session.model == "mock-deployment"
            sessions: list[Any] = [
                {"type": "realtime"},
                {"type": "realtime", "model": "mock-deployment"},
            ]
            for wanted in sessions:
                secret = await client.client_secrets.create(session=wanted)
                assert secret.meta.dropped == ()
            await client.transcription_sessions.create()

    with MockRealtimeServer(provider="azure_preview") as server:
        backend.run(lambda: body(server))


@pytest.mark.filterwarnings("ignore::openai_realtime.DroppedParameterWarning")
def test_quirks(backend: Backend) -> None:
    async def body(server: MockRealtimeServer, name: str) -> None:
        async with backend.client(provider=server.provider, api_key=server.api_key) as client:
            session = await client.sessions.create(
                model="m", client_secret={"expires_after": {"seconds": 90}}
            )
            secret = await client.client_secrets.create(
                expires_after={"seconds": 90}, session={"type": "realtime", "model": "m"}
            )
            assert 88 <= (session.client_secret.seconds_left or 0) <= 90
            assert 88 <= (secret.seconds_left or 0) <= 90
            sent = [request.json for request in server.requests]
            if name == "xai":
                assert sent == [{"expires_after": {"seconds": 90}}] * 2
                assert (session.meta.dropped, secret.meta.dropped) == (("model",), ("session",))
                assert secret.session is None
                bare = await client.sessions.create()
                assert bare.meta.dropped == ()
                assert server.requests[-1].json == {"expires_after": {"seconds": 60}}
                await client.client_secrets.create()
                assert server.requests[-1].json == {}
            elif name == "litellm":
                await client.transcription_sessions.create(
                    input_audio_transcription={"model": "gpt-transcribe"}
                )
                spoken: Any = server.requests[-1].json
                assert spoken["model"] == "gpt-transcribe"
                await client.client_secrets.create(extra_body={"model": "beside"})
                assert {body["model"] for body in sent if isinstance(body, dict)} == {"m"}
                assert session.client_secret.value.startswith("gAAAAAB")
            elif name == "azure":
                assert session.meta.request_id == "req_mock_1"
                assert "?" not in server.requests[0].path
                assert "authorization" not in server.requests[0].headers

    for name in ("xai", "litellm", "azure"):
        with MockRealtimeServer(provider=name) as server:
            backend.run(lambda s=server, n=name: body(s, n))  # type: ignore[misc]  # bound on purpose


def test_where_there_is_no_other_endpoint_the_error_is_the_servers(backend: Backend) -> None:
    async def body(server: MockRealtimeServer, endpoint: str) -> None:
        path = server.provider.paths[endpoint]
        provider = replace(server.provider, paths={endpoint: path}, dialect="auto")
        async with backend.client(provider=provider, api_key=server.api_key) as client:
            if endpoint == "sessions":
                server.respond_next(MockResponse(404))
                with pytest.raises(NotFoundError, match="404"):
                    await client.sessions.create()
            else:  # there is no flat endpoint to try first
                assert (await client.sessions.create()).meta.attempts == 1

    for endpoint in ("sessions", "client_secrets"):
        with MockRealtimeServer() as server:
            backend.run(lambda s=server, e=endpoint: body(s, e))  # type: ignore[misc]  # bound on purpose
            assert len(server.requests) == 1


def test_a_server_without_keys(backend: Backend) -> None:
    with MockRealtimeServer(provider="keyless") as server:

        async def body() -> None:
            async with backend.client(provider=server.provider) as client:
                await client.sessions.create()

        backend.run(body)
        assert "authorization" not in server.requests[0].headers


def test_a_copy_shares_the_dialect_cache() -> None:
    async def body(server: MockRealtimeServer) -> None:
        async with RealtimeSessionsClient(
            provider=server.provider, api_key=server.api_key
        ) as client:
            copy = client.with_options(timeout=3)
            await copy.sessions.create()
            assert (await client.sessions.create()).meta.attempts == 1

    with MockRealtimeServer(dialect="ga") as server:
        anyio.run(body, server)
