"""The session model: unknown fields and values survive, equality is what the server said."""

import json
import math
import sys
from types import FrameType
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ValidationError

from openai_realtime import (
    ClientSecret,
    ClientSecretCreateResponse,
    FunctionTool,
    RealtimeSessionCreateResponse,
    RealtimeTranscriptionSessionCreateResponse,
    ResponseMeta,
    TranslationClientSecretCreateResponse,
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
    assert isinstance(session.tools[0], FunctionTool)
    assert session.tools[0].name == "f"
    assert not isinstance(session.voice, str | None)
    assert session.voice.id == "voice_1"
    assert not isinstance(session.truncation, str | None)
    assert session.truncation.retention_ratio == 0.5


@pytest.mark.parametrize(
    ("given", "speed"),
    [({}, 1.0), ({"speed": None}, 1.0), ({"speed": 1.25}, 1.25), ({"speed": 2}, 2.0)],
)
def test_speed_is_one_where_the_server_does_not_say(given: dict[str, Any], speed: float) -> None:
    fields = {"client_secret": {"value": "ek_1"}, **given}
    for session in (
        RealtimeSessionCreateResponse.model_validate(fields),
        RealtimeSessionCreateResponse.model_validate_json(json.dumps(fields)),
    ):
        assert session.speed == speed
        assert isinstance(session.speed, float)
        dumped = session.model_dump_json(exclude_unset=True)
        assert json.loads(dumped).get("speed", 1.0) == speed


@pytest.mark.parametrize(
    ("speed", "kind", "message"),
    [
        (
            "fast",
            "float_parsing",
            "Input should be a valid number, unable to parse string as a number",
        ),
        ([], "float_type", "Input should be a valid number"),
        (math.inf, "finite_number", "Input should be a finite number"),
        (math.nan, "finite_number", "Input should be a finite number"),
    ],
)
def test_a_wrong_speed_is_one_error(speed: object, kind: str, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RealtimeSessionCreateResponse.model_validate(
            {"client_secret": {"value": "ek_1"}, "speed": speed}
        )
    (error,) = caught.value.errors(include_url=False, include_input=False)
    assert error == {"type": kind, "loc": ("speed",), "msg": message}


def test_speed_is_a_number_in_json_schema_and_dumps() -> None:
    modes: list[Literal["validation", "serialization"]] = ["validation", "serialization"]
    for mode in modes:
        properties = RealtimeSessionCreateResponse.model_json_schema(mode=mode)["properties"]
        assert properties["speed"] == {"default": 1.0, "title": "Speed", "type": "number"}
    wrong: dict[str, Any] = {"speed": "fast"}
    session = RealtimeSessionCreateResponse.model_construct(**wrong)
    with pytest.warns(UserWarning, match="Expected `float`"):
        assert session.model_dump(include={"speed"}) == {"speed": "fast"}


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (
            RealtimeSessionCreateResponse,
            {
                "speed": 1.1,
                "voice": "verse",
                "turn_detection": {"type": "server_vad"},
                "tools": [{"type": "function", "name": "f"}],
                "client_secret": {"value": "ek_1", "expires_at": 1234567890},
            },
        ),
        (
            RealtimeTranscriptionSessionCreateResponse,
            {"client_secret": {"value": "ek_1", "expires_at": 1234567890}},
        ),
        (
            ClientSecretCreateResponse,
            {
                "value": "ek_1",
                "expires_at": 1234567890,
                "session": {
                    "type": "realtime",
                    "audio": {"output": {"voice": "verse", "speed": 1.1}},
                    "tools": [{"type": "function", "name": "f"}, {"type": "mcp"}],
                },
            },
        ),
        (
            TranslationClientSecretCreateResponse,
            {"value": "ek_1", "expires_at": 1234567890, "session": {"type": "translation"}},
        ),
    ],
)
def test_a_usual_response_is_read_without_python_functions(
    model: type[BaseModel], fields: dict[str, Any]
) -> None:
    """A mint reads one response, and a call from Rust to Python costs as much as five fields."""
    assert python_functions_while_reading(model, fields) == []


def test_the_recorder_of_python_functions_sees_one() -> None:
    assert python_functions_while_reading(ClientSecret, {"value": "ek_1", "expires_at": "7"}) == [
        "parse_expiry"
    ]


def python_functions_while_reading(model: type[BaseModel], fields: dict[str, Any]) -> list[str]:
    text = json.dumps(fields)
    model.model_validate_json(text)  # builds the validator
    validator = model.__pydantic_validator__
    called: list[str] = []

    def record(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            called.append(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(record)
    try:
        validator.validate_json(text)
    finally:
        sys.setprofile(before)
    return called


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
