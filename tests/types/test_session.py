"""The session model: unknown fields and values survive, equality is what the server said."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from openai_realtime import (
    RealtimeSessionCreateResponse,
    RealtimeTranscriptionSessionCreateResponse,
    ResponseMeta,
)

FROM_A_SERVER: dict[str, Any] = {
    "id": "sess_001",
    "object": "realtime.session",
    "model": "gpt-realtime-9",
    "expires_at": 0,
    "modalities": ["audio", "text", "smell"],
    "instructions": "Be friendly.",
    "voice": {"id": "voice_1"},
    "input_audio_format": "opus48",
    "output_audio_format": "pcm16",
    "input_audio_transcription": {"model": "whisper-9", "future": 1},
    "input_audio_noise_reduction": {"type": "mid_field"},
    "turn_detection": {"type": "psychic_vad", "threshold": 0.1, "aura": True},
    "tools": [{"type": "telepathy", "name": "f", "parameters": {"type": "object"}, "x": None}],
    "tool_choice": {"type": "function", "name": "f"},
    "temperature": 0.7,
    "max_response_output_tokens": 200,
    "speed": 1.1,
    "tracing": {"workflow_name": "w", "metadata": {"a": [1]}, "y": 2},
    "truncation": {"type": "retention_ratio", "retention_ratio": 0.5, "z": 1},
    "prompt": {"id": "p", "variables": {"a": {"type": "input_text"}}},
    "include": ["everything"],
    "client_secret": {"value": "ek_abc123", "expires_at": 1234567890, "scope": "new"},
    "brand_new": {"deep": [None, {"a": 1}]},
}


def test_everything_survives_a_round_trip() -> None:
    session = RealtimeSessionCreateResponse.model_validate(FROM_A_SERVER)
    dumped = json.loads(session.model_dump_json(exclude_unset=True))
    assert dumped == FROM_A_SERVER
    assert RealtimeSessionCreateResponse.model_validate_json(session.model_dump_json()) == session
    assert (session.model_extra or {})["brand_new"] == {"deep": [None, {"a": 1}]}


def test_nested_values_have_their_types() -> None:
    session = RealtimeSessionCreateResponse.model_validate(FROM_A_SERVER)
    assert session.turn_detection is not None
    assert session.turn_detection.type == "psychic_vad"
    assert session.tools is not None
    assert session.tools[0].name == "f"
    assert not isinstance(session.voice, str | None)
    assert session.voice.id == "voice_1"
    assert not isinstance(session.truncation, str | None)
    assert session.truncation.retention_ratio == 0.5


@pytest.mark.parametrize("given", [{}, {"speed": None}])
def test_speed_is_one_unless_told(given: dict[str, None]) -> None:
    session = RealtimeSessionCreateResponse.model_validate(
        {"client_secret": {"value": "ek_1"}, **given}
    )
    assert session.speed == 1.0


@pytest.mark.parametrize(
    "model", [RealtimeSessionCreateResponse, RealtimeTranscriptionSessionCreateResponse]
)
def test_a_secret_is_required(model: type[RealtimeSessionCreateResponse]) -> None:
    secrets: list[dict[str, Any]] = [{}, {"client_secret": None}, {"client_secret": {}}]
    for secret in secrets:
        with pytest.raises(ValidationError, match="client_secret"):
            model.model_validate(secret)


def test_equality_is_what_the_server_said() -> None:
    first = RealtimeSessionCreateResponse.model_validate(FROM_A_SERVER)
    second = RealtimeSessionCreateResponse.model_validate(FROM_A_SERVER)
    second.with_meta(ResponseMeta(status=201, attempts=3))
    assert first == second
    assert first != RealtimeSessionCreateResponse.model_validate({**FROM_A_SERVER, "id": "other"})
    assert first != RealtimeSessionCreateResponse.model_validate({**FROM_A_SERVER, "newer": 1})
    assert first != FROM_A_SERVER
    assert (first.meta.status, second.meta.attempts) == (0, 3)
    assert "meta" not in second.model_dump()
    with pytest.raises(TypeError, match="unhashable"):
        hash(first)
