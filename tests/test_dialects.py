"""Translation between the flat and the nested shape: tables, and the round trip as an identity."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_realtime.core.strict_json import Json
from openai_realtime.dialects import (
    SessionType,
    flat_path,
    flat_request,
    flat_response,
    nested_request,
    nested_response,
    without_fields,
)

Object = dict[str, Any]

REQUESTS: list[tuple[str, Object, Object]] = [
    # a flat request's fields, the nested session's
    ("model", {"model": "m"}, {"model": "m"}),
    ("both modalities", {"modalities": ["audio", "text"]}, {"output_modalities": ["audio"]}),
    ("text alone", {"modalities": ["text"]}, {"output_modalities": ["text"]}),
    ("voice", {"voice": "verse"}, {"audio": {"output": {"voice": "verse"}}}),
    ("custom voice", {"voice": {"id": "v"}}, {"audio": {"output": {"voice": {"id": "v"}}}}),
    ("speed", {"speed": 1.5}, {"audio": {"output": {"speed": 1.5}}}),
    (
        "pcm",
        {"input_audio_format": "pcm16"},
        {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}},
    ),
    (
        "g711",
        {"input_audio_format": "g711_ulaw", "output_audio_format": "g711_alaw"},
        {
            "audio": {
                "input": {"format": {"type": "audio/pcmu"}},
                "output": {"format": {"type": "audio/pcma"}},
            }
        },
    ),
    (
        "a newer format",
        {"input_audio_format": "opus"},
        {"audio": {"input": {"format": {"type": "opus"}}}},
    ),
    (
        "input features switched off",
        {
            "input_audio_transcription": None,
            "input_audio_noise_reduction": None,
            "turn_detection": None,
        },
        {
            "audio": {
                "input": {"transcription": None, "noise_reduction": None, "turn_detection": None}
            }
        },
    ),
    (
        "turn detection",
        {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}},
        {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}}},
    ),
    ("tokens", {"max_response_output_tokens": "inf"}, {"max_output_tokens": "inf"}),
    (
        "the same by name",
        {
            "instructions": "i",
            "tools": [{"type": "function", "name": "f"}],
            "tool_choice": "auto",
            "tracing": None,
            "truncation": "auto",
            "prompt": {"id": "p"},
            "include": [],
            "brand_new": {"a": 1},
        },
        {
            "instructions": "i",
            "tools": [{"type": "function", "name": "f"}],
            "tool_choice": "auto",
            "tracing": None,
            "truncation": "auto",
            "prompt": {"id": "p"},
            "include": [],
            "brand_new": {"a": 1},
        },
    ),
    (
        "a field named audio",
        {"audio": {"x": 1}, "speed": 1},
        {"audio": {"x": 1, "output": {"speed": 1}}},
    ),
]


@pytest.mark.parametrize(
    ("flat", "nested"), [row[1:] for row in REQUESTS], ids=[r[0] for r in REQUESTS]
)
def test_requests_both_ways(flat: Object, nested: Object) -> None:
    before = copy.deepcopy(flat)
    there = nested_request(flat, "realtime")
    assert there.body == {"session": {"type": "realtime", **nested}}
    assert there.dropped == ()
    back, session_type = flat_request(there.body)
    assert (back.body, back.dropped, session_type) == (flat, (), "realtime")
    assert flat == before


@pytest.mark.parametrize(
    ("session_type", "lifetime_field"),
    [("realtime", "expires_after"), ("transcription", "expires_at")],
)
def test_the_lifetime_of_the_secret(session_type: SessionType, lifetime_field: str) -> None:
    flat: Object = {"client_secret": {lifetime_field: {"anchor": "created_at", "seconds": 60}}}
    there = nested_request(flat, session_type)
    assert there.body == {
        "expires_after": {"anchor": "created_at", "seconds": 60},
        "session": {"type": session_type},
    }
    assert flat_request(there.body) == (there.__class__(flat), session_type)


def test_turn_detection_gets_the_type_that_the_nested_shape_requires() -> None:
    for turn_detection, vad_type in (
        ({"threshold": 0.5}, "server_vad"),
        ({"eagerness": "low"}, "semantic_vad"),
    ):
        body: Any = nested_request({"turn_detection": dict(turn_detection)}, "realtime").body
        assert body["session"]["audio"]["input"]["turn_detection"] == {
            "type": vad_type,
            **turn_detection,
        }


@pytest.mark.parametrize(
    ("flat", "session_type", "dropped"),
    [
        ({"temperature": 0.8, "voice": "verse"}, "realtime", ("temperature",)),
        ({"modalities": ["text"], "include": None}, "transcription", ("modalities",)),
        (
            {"turn_detection": {"type": "semantic_vad", "threshold": 0.2, "eagerness": "low"}},
            "realtime",
            ("turn_detection.threshold",),
        ),
        (
            {"turn_detection": {"threshold": 0.2, "eagerness": "low"}},
            "realtime",
            ("turn_detection.eagerness",),
        ),
    ],
)
def test_fields_that_the_nested_shape_does_not_have(
    flat: Object, session_type: SessionType, dropped: tuple[str, ...]
) -> None:
    translation = nested_request(flat, session_type)
    assert translation.dropped == dropped
    assert dropped[0].rpartition(".")[2] not in json.dumps(translation.body)


def test_fields_that_the_flat_shape_does_not_have() -> None:
    mcp: Json = {"type": "mcp", "server_label": "s"}
    function: Json = {"type": "function", "name": "f"}
    translation, session_type = flat_request(
        {
            "session": {
                "type": "realtime",
                "reasoning": {"effort": "low"},
                "parallel_tool_calls": True,
                "tools": [function, mcp],
                "tool_choice": mcp,
                "audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}},
            }
        }
    )
    assert session_type == "realtime"
    assert set(translation.dropped) == {
        "session.reasoning",
        "session.parallel_tool_calls",
        "session.tools.1",
        "session.tool_choice",
        "session.audio.input.format",
    }
    assert translation.body == {"tools": [function]}


def test_requests_without_a_session() -> None:
    assert flat_request({})[0].body == {}
    assert flat_request({"session": None})[0].body == {}
    assert flat_request({"session": {"type": "transcription"}})[1] == "transcription"


FLAT_RESPONSE: Object = {
    "id": "sess_1",
    "object": "realtime.session",
    "expires_at": 0,
    "model": "m",
    "modalities": ["audio", "text"],
    "voice": "verse",
    "input_audio_format": "pcm16",
    "input_audio_transcription": None,
    "turn_detection": {"type": "server_vad"},
    "max_response_output_tokens": "inf",
    "new": 1,
    "client_secret": {"value": "ek_1", "expires_at": 7},
}
NESTED_RESPONSE: Object = {
    "value": "ek_1",
    "expires_at": 7,
    "session": {
        "type": "realtime",
        "id": "sess_1",
        "object": "realtime.session",
        "expires_at": 0,
        "model": "m",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "turn_detection": {"type": "server_vad"},
            },
            "output": {"voice": "verse"},
        },
        "max_output_tokens": "inf",
        "new": 1,
    },
}


def test_responses_both_ways() -> None:
    assert flat_response(NESTED_RESPONSE) == FLAT_RESPONSE
    assert nested_response(FLAT_RESPONSE) == NESTED_RESPONSE
    assert flat_response(FLAT_RESPONSE) == FLAT_RESPONSE
    assert nested_response(NESTED_RESPONSE) == NESTED_RESPONSE


SECRET: Object = {"value": "ek_1", "expires_at": 7}


@pytest.mark.parametrize(
    "response",
    [
        {"client_secret": SECRET},
        SECRET,
        {**SECRET, "session": None},
        {**SECRET, "session": {}},
        {"session": {"client_secret": SECRET}},
        {"data": {"client_secret": SECRET}},
        {"status": "ok", "result": {"data": SECRET}},
        {"response": {"session": {"client_secret": SECRET}}},
        {"client_secret": None, **SECRET},
        {"client_secret": {"value": None}, "session": {"client_secret": SECRET}},
    ],
)
def test_the_secret_is_found_at_every_known_place(response: Object) -> None:
    before = copy.deepcopy(response)
    assert flat_response(response)["client_secret"] == SECRET
    nested = nested_response(response)
    assert (nested["value"], nested["expires_at"]) == ("ek_1", 7)
    assert response == before


@pytest.mark.parametrize(
    "response",
    [
        {},
        {"value": 5},
        {"client_secret": "ek_1"},
        {"session": {"value": "ek_1"}},
        {"data": [SECRET]},
        {"data": {"data": {"data": {"data": {"data": {"data": SECRET}}}}}},
        {"error": {"message": "no"}},
    ],
)
def test_no_secret_is_invented(response: Object) -> None:
    assert not isinstance(flat_response(response).get("client_secret"), dict)
    assert not isinstance(nested_response(response).get("value"), str)


def test_a_secret_with_its_unknown_fields_survives() -> None:
    response: Object = {**NESTED_RESPONSE, "scope": "x"}
    assert flat_response(response)["scope"] == "x"
    odd: Object = {
        "value": "ek_1",
        "session": {
            "audio": {"input": {"gain": 2}, "stereo": True},
            "output_modalities": ["smell"],
        },
    }
    assert flat_response(odd) == {
        "modalities": ["smell"],
        "audio": {"input": {"gain": 2}, "stereo": True},
        "client_secret": {"value": "ek_1"},
    }


def test_a_flat_transcription_response_becomes_a_nested_one() -> None:
    response: Object = {"object": "realtime.transcription_session", "client_secret": SECRET}
    assert nested_response(response)["session"] == {
        "type": "transcription",
        "object": "realtime.transcription_session",
    }


TEXT = st.text(max_size=5)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
IN_BOTH_SHAPES = st.fixed_dictionaries(
    {},
    optional={
        "model": TEXT,
        "modalities": st.sampled_from([["audio", "text"], ["text"], []]),
        "instructions": TEXT,
        "voice": TEXT | st.fixed_dictionaries({"id": TEXT}),
        "speed": st.floats(0.25, 1.5),
        "input_audio_format": st.sampled_from(["pcm16", "g711_ulaw", "g711_alaw", "opus"]),
        "output_audio_format": st.sampled_from(["pcm16", "g711_ulaw", "g711_alaw"]),
        "input_audio_transcription": st.none()
        | st.dictionaries(st.sampled_from(["model", "language", "prompt"]), TEXT),
        "input_audio_noise_reduction": st.none()
        | st.fixed_dictionaries({"type": st.sampled_from(["near_field", "far_field"])}),
        "turn_detection": st.none()
        | st.fixed_dictionaries(
            {"type": st.just("server_vad")},
            optional={"threshold": st.floats(0, 1), "create_response": st.booleans()},
        )
        | st.fixed_dictionaries(
            {"type": st.just("semantic_vad")},
            optional={"eagerness": TEXT, "interrupt_response": st.booleans()},
        ),
        "max_response_output_tokens": st.integers(1, 4096) | st.just("inf"),
        "tools": st.lists(st.fixed_dictionaries({"type": st.just("function"), "name": TEXT})),
        "tool_choice": TEXT | st.fixed_dictionaries({"type": st.just("function"), "name": TEXT}),
        "tracing": st.none() | st.just("auto") | st.dictionaries(TEXT, TEXT, max_size=2),
        "truncation": st.sampled_from(["auto", "disabled"]),
        "prompt": st.none() | st.fixed_dictionaries({"id": TEXT}),
        "include": st.none() | st.lists(TEXT),
        "unknown": ANYTHING,
    },
)


@settings(max_examples=80)
@given(
    IN_BOTH_SHAPES,
    st.sampled_from(["realtime", "transcription"]),
    st.none() | st.integers(10, 7200),
)
def test_the_round_trip_of_a_request_is_the_identity(
    flat: Object, session_type: SessionType, lifetime: int | None
) -> None:
    if session_type == "transcription":
        flat.pop("modalities", None)
    if lifetime is not None:
        lifetime_field = "expires_after" if session_type == "realtime" else "expires_at"
        flat["client_secret"] = {lifetime_field: {"seconds": lifetime}}
    there = nested_request(flat, session_type)
    back, back_type = flat_request(there.body)
    assert (there.dropped, back.dropped, back_type) == ((), (), session_type)
    assert back.body == flat
    assert nested_request(back.body, session_type) == there


@settings(max_examples=80)
@given(IN_BOTH_SHAPES)
def test_the_round_trip_of_a_response_is_the_identity(flat: Object) -> None:
    response: Object = {**flat, "object": "realtime.session", "client_secret": SECRET}
    assert flat_response(nested_response(response)) == response


@given(
    st.dictionaries(st.sampled_from([*FLAT_RESPONSE, *NESTED_RESPONSE, "data", "type"]), ANYTHING)
)
def test_any_json_object_is_translated_without_exception_or_side_effect(
    value: dict[str, Json],
) -> None:
    before = copy.deepcopy(value)
    flat_response(value)
    nested_response(value)
    nested_request(value, "realtime")
    flat_request(value)
    flat_request({"session": value})
    assert value == before


@pytest.mark.parametrize(
    ("paths", "remaining", "dropped"),
    [
        ([], {"a": {"b": {"c": 1, "d": 2}, "e": None}, "f": 3}, ()),
        (["f"], {"a": {"b": {"c": 1, "d": 2}, "e": None}}, ("f",)),
        (["a.b.c"], {"a": {"b": {"d": 2}, "e": None}, "f": 3}, ("a.b.c",)),
        (["a.b.d", "a.e"], {"a": {"b": {"c": 1}}, "f": 3}, ("a.b.d", "a.e")),
        (
            ["a.e.x", "f.x", "g.h", "a.b.c.x"],
            {"a": {"b": {"c": 1, "d": 2}, "e": None}, "f": 3},
            (),
        ),
    ],
)
def test_fields_are_removed_by_their_paths(
    paths: list[str], remaining: Object, dropped: tuple[str, ...]
) -> None:
    fields: Object = {"a": {"b": {"c": 1, "d": 2}, "e": None}, "f": 3}
    before = copy.deepcopy(fields)
    assert without_fields(fields, paths) == (remaining, dropped)
    assert fields == before


@pytest.mark.parametrize(
    ("nested", "flat"),
    [
        ("audio.output.speed", "speed"),
        ("audio.input.noise_reduction.type", "input_audio_noise_reduction.type"),
        ("audio.input.transcription.model", "input_audio_transcription.model"),
        ("max_output_tokens", "max_response_output_tokens"),
        ("prompt", "prompt"),
        ("audio.output.voicemail", "audio.output.voicemail"),
    ],
)
def test_the_flat_path_of_a_nested_field(nested: str, flat: str) -> None:
    assert flat_path(nested) == flat
