"""ElevenLabs: a provider with its own header, path, names and parameters."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from backends import Backend

from openai_realtime import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    DroppedParameterWarning,
    ParameterError,
)
from openai_realtime.testing import MockRealtimeServer, MockResponse

PATH = "/v1/convai/realtime/client_secrets"
# Each parameter that ElevenLabs does not take, flat and nested.
UNSUPPORTED: dict[str, dict[str, Any]] = {
    "input_audio_noise_reduction": {
        "audio": {"input": {"noise_reduction": {"type": "near_field"}}}
    },
    "input_audio_transcription.model": {"audio": {"input": {"transcription": {"model": "x"}}}},
    "input_audio_transcription.prompt": {"audio": {"input": {"transcription": {"prompt": "x"}}}},
    "speed": {"audio": {"output": {"speed": 1.1}}},
    "prompt": {"prompt": {"id": "p"}},
    "truncation": {"truncation": "auto"},
}
FLAT: dict[str, Any] = {
    "input_audio_noise_reduction": {"type": "near_field"},
    "input_audio_transcription": {"model": "x", "prompt": "x", "language": "en"},
    "speed": 1.1,
    "prompt": {"id": "p"},
    "truncation": "auto",
}


@pytest.fixture(scope="module")
def mock() -> Iterator[MockRealtimeServer]:
    with MockRealtimeServer(provider="elevenlabs") as server:
        yield server


@pytest.fixture
def server(mock: MockRealtimeServer) -> MockRealtimeServer:
    mock.requests.clear()
    return mock


def client_of(backend: Backend, server: MockRealtimeServer, **options: Any) -> Any:
    return backend.client(provider=server.provider, api_key=server.api_key, **options)


def test_a_flat_call_is_sent_in_its_own_words(backend: Backend, server: MockRealtimeServer) -> None:
    async def body() -> None:
        async with client_of(backend, server) as client:
            session = await client.sessions.create(
                model="eleven_realtime_v1_mini",
                voice="a-voice-id",
                temperature=0.7,
                max_response_output_tokens=100,
                max_duration_seconds=900,
            )
            assert session.meta.dropped == ()
            assert session.max_response_output_tokens == 100
            assert session.client_secret.value

    backend.run(body)
    (request,) = server.requests
    assert (request.path, request.headers["xi-api-key"]) == (PATH, server.api_key)
    assert "authorization" not in request.headers
    assert request.json == {
        "expires_after": {"anchor": "created_at", "seconds": 60},
        "session": {
            "type": "realtime",
            "model": "eleven_realtime_v1_mini",
            "audio": {"output": {"voice": "a-voice-id"}},
            "temperature": 0.7,
            "max_response_output_tokens": 100,
            "max_duration_seconds": 900,
        },
    }


def test_a_nested_call(backend: Backend, server: MockRealtimeServer) -> None:
    async def body() -> None:
        async with client_of(backend, server) as client:
            secret = await client.client_secrets.create(
                session={"type": "realtime", "max_output_tokens": 5, "max_duration_seconds": 60}
            )
            assert (secret.meta.dropped, secret.session.max_output_tokens) == ((), 5)
            assert secret.session.max_duration_seconds == 60
            await client.client_secrets.create()

    backend.run(body)
    assert [request.json for request in server.requests] == [
        {
            "session": {
                "type": "realtime",
                "max_response_output_tokens": 5,
                "max_duration_seconds": 60,
            }
        },
        {},
    ]


def test_what_it_does_not_take_is_not_sent(backend: Backend, server: MockRealtimeServer) -> None:
    async def body() -> None:
        async with client_of(backend, server) as client:
            with pytest.warns(DroppedParameterWarning, match="ElevenLabs does not accept"):
                session = await client.sessions.create(**FLAT)
            assert session.meta.dropped == tuple(UNSUPPORTED)
            for nested in UNSUPPORTED.values():
                with pytest.warns(DroppedParameterWarning, match=r"session\."):
                    secret = await client.client_secrets.create(
                        session={"type": "realtime", **nested}
                    )
                assert len(secret.meta.dropped) == 1
                with pytest.raises(ParameterError, match="remove strict=True") as caught:
                    await client.client_secrets.create(
                        session={"type": "realtime", **nested}, strict=True
                    )
                assert caught.value.param == secret.meta.dropped[0]

    backend.run(body)
    flat, *others = server.requests
    assert flat.json == {
        "expires_after": {"anchor": "created_at", "seconds": 60},
        "session": {"type": "realtime", "audio": {"input": {"transcription": {"language": "en"}}}},
    }
    assert len(others) == len(UNSUPPORTED)
    for request in others:
        sent: Any = request.json
        assert "near_field" not in str(sent)
        assert not {"prompt", "truncation"} & sent["session"].keys()


def test_extra_body_sends_what_it_is_not_known_to_take(
    backend: Backend, server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with client_of(backend, server) as client:
            with pytest.raises(BadRequestError, match="truncation"):
                await client.client_secrets.create(
                    extra_body={"session": {"type": "realtime", "truncation": "auto"}}
                )

    backend.run(body)


def test_the_mock_takes_only_its_own_names(server: MockRealtimeServer) -> None:
    url, headers = f"{server.base_url}/realtime/client_secrets", {"xi-api-key": server.api_key}
    session = {"type": "realtime", "max_output_tokens": 5}
    refused = httpx.post(url, headers=headers, json={"session": session})
    assert refused.status_code == 400
    assert "max_output_tokens" in refused.text
    bearer = {"authorization": f"Bearer {server.api_key}"}
    assert httpx.post(url, headers=bearer, json={}).status_code == 401


def test_its_errors_are_read(backend: Backend, server: MockRealtimeServer) -> None:
    detail = {"status": "invalid_api_key", "message": "Invalid API key"}
    server.respond_next(MockResponse(401, json={"detail": detail}))

    async def body() -> None:
        async with client_of(backend, server) as client:
            with pytest.raises(AuthenticationError, match="401: Invalid API key"):
                await client.sessions.create()
            with pytest.raises(ConfigurationError, match="ElevenLabs has no calls endpoint"):
                await client.calls.create(sdp="v=0")
        with MockRealtimeServer(dialect="both") as openai:
            async with backend.client(base_url=openai.base_url, api_key=openai.api_key) as client:
                # Only ElevenLabs takes it, in either shape and in a call.
                with pytest.warns(DroppedParameterWarning, match="max_duration_seconds"):
                    nested = await client.sessions.create(max_duration_seconds=60)
                beta = client.with_options(dialect="beta")
                flat = await beta.sessions.create(max_duration_seconds=60)
                assert nested.meta.dropped == flat.meta.dropped == ("max_duration_seconds",)
                with pytest.warns(DroppedParameterWarning, match="max_duration_seconds"):
                    made = await client.calls.create(
                        sdp="v=0", session={"type": "realtime", "max_duration_seconds": 60}
                    )
                assert made.meta.dropped == ("session.max_duration_seconds",)
            assert not any(b"max_duration" in request.body for request in openai.requests)

    backend.run(body)


@pytest.mark.parametrize("seconds", [59, 7201])
def test_the_range_of_the_duration(
    backend: Backend, server: MockRealtimeServer, seconds: int
) -> None:
    async def body() -> None:
        async with client_of(backend, server) as client:
            with pytest.raises(ParameterError, match="max_duration_seconds must be"):
                await client.sessions.create(max_duration_seconds=seconds)

    backend.run(body)
    assert server.requests == []
