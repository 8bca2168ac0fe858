from __future__ import annotations

import pytest

from openai_realtime.cli.choices import TurnDetection
from openai_realtime.cli.parameters import (
    assemble,
    nested,
    overlay,
    parse_param,
    parse_value,
    turn_detection_value,
)
from openai_realtime.errors import ParameterError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.4", 0.4),
        ("12", 12),
        ("true", True),
        ("null", None),
        ('"12"', "12"),
        ('["text"]', ["text"]),
        ('{"type": "server_vad"}', {"type": "server_vad"}),
        ("verse", "verse"),
        ("", ""),
        ("inf", "inf"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("{not json", "{not json"),
        ("[" * 100 + "]" * 100, "[" * 100 + "]" * 100),
        ("9" * 5000, "9" * 5000),
        ("\udcff", "\udcff"),
    ],
)
def test_a_value_is_json_or_else_text(text: str, value: object) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("voice=verse", "voice", "verse"),
        ("turn_detection.threshold=0.4", "turn_detection.threshold", 0.4),
        ("instructions=a=b", "instructions", "a=b"),
        ("instructions=", "instructions", ""),
    ],
)
def test_a_param_is_a_name_and_a_value(text: str, name: str, value: object) -> None:
    assert parse_param(text) == (name, value)


@pytest.mark.parametrize("text", ["", "voice", "=verse", ".voice=x", "voice.=x", "a..b=x", "sk-a"])
def test_a_param_without_a_name_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ParameterError) as refused:
        parse_param(text)
    assert str(refused.value) == ("--param takes NAME=VALUE, such as turn_detection.threshold=0.4")


def test_dots_nest() -> None:
    assert nested("a", 1) == {"a": 1}
    assert nested("a.b.c", 1) == {"a": {"b": {"c": 1}}}


@pytest.mark.parametrize(
    ("value", "later", "merged"),
    [
        (1, 2, 2),
        ({"a": 1}, None, None),
        (None, {"a": 1}, {"a": 1}),
        ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"type": "x", "a": 1}, {"type": "x", "b": 2}, {"type": "x", "a": 1, "b": 2}),
        ({"type": "x", "a": 1}, {"type": "y", "b": 2}, {"type": "y", "b": 2}),
        ({"a": 1}, {"type": "y"}, {"a": 1, "type": "y"}),
        ({"type": "x"}, {"a": 1}, {"type": "x", "a": 1}),
    ],
)
def test_objects_are_merged_unless_they_are_different_things(
    value: object, later: object, merged: object
) -> None:
    assert overlay(value, later) == merged


def test_options_override_the_config_and_params_both() -> None:
    config = {"model": "a", "voice": "a", "speed": 1.0, "turn_detection": {"threshold": 0.5}}
    assembled = assemble(
        config,
        {"voice": "b", "speed": 1.1, "turn_detection.type": "server_vad"},
        ["speed=1.2", "turn_detection.threshold=0.4", "turn_detection.prefix_padding_ms=10"],
    )
    assert assembled == {
        "model": "a",
        "voice": "b",
        "speed": 1.2,
        "turn_detection": {"type": "server_vad", "threshold": 0.4, "prefix_padding_ms": 10},
    }
    assert config["turn_detection"] == {"threshold": 0.5}, "the config itself is left alone"


def test_of_params_the_last_one_counts() -> None:
    assert assemble({}, {}, ["a=1", "a.b=2", "a.c=3"]) == {"a": {"b": 2, "c": 3}}
    assert assemble({}, {}, ["a.b=2", "a=1"]) == {"a": 1}


@pytest.mark.parametrize(
    ("choice", "value"),
    [
        (TurnDetection.NONE, None),
        (TurnDetection.SERVER_VAD, {"type": "server_vad"}),
        (TurnDetection.SEMANTIC_VAD, {"type": "semantic_vad"}),
    ],
)
def test_no_turn_detection_is_null(choice: TurnDetection, value: object) -> None:
    assert turn_detection_value(choice) == value
