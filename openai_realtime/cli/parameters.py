"""From words on a command line to the parameters of a call.

Owns: `NAME=VALUE`, dotted names, what overrides what. Must not know: files, typer, which parameters
an endpoint takes (the client checks them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from openai_realtime.cli.choices import TurnDetection
from openai_realtime.core.strict_json import decode_json
from openai_realtime.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def turn_detection_value(choice: TurnDetection) -> dict[str, object] | None:
    """Return the parameter that `--turn-detection` sets: null for `none`, else its type."""
    return None if choice is TurnDetection.NONE else {"type": choice.value}


def assemble(
    config: Mapping[str, object], options: Mapping[str, object], params: Iterable[str]
) -> dict[str, object]:
    """Return a call's parameters: `options` over `config`, and `params` over both.

    `options` has dotted names; `params` are texts such as `turn_detection.threshold=0.4`.
    """
    given: object = {**config}
    for later in (options.items(), map(parse_param, params)):
        layer: object = {}
        for name, value in later:
            layer = overlay(layer, nested(name, value))
        given = overlay(given, layer)
    return cast("dict[str, object]", given)


def parse_param(text: str) -> tuple[str, object]:
    """Return the dotted name and the value in `NAME=VALUE`; raises `ParameterError`."""
    name, equals, value = text.partition("=")
    if not equals or not all(name.split(".")):
        # The text is not quoted: a key may have been pasted into it.
        message = "--param takes NAME=VALUE, such as turn_detection.threshold=0.4"
        raise ParameterError(message)
    return name, parse_value(value)


def parse_value(text: str) -> object:
    """Return the JSON value in `text`, or the text itself when it is not JSON."""
    try:
        return decode_json(text.encode())
    except ValueError:
        return text


def nested(name: str, value: object) -> dict[str, object]:
    """Return `value` inside an object for every part of the dotted `name`."""
    for part in reversed(name.split(".")):
        value = {part: value}
    return cast("dict[str, object]", value)


def overlay(value: object, later: object) -> object:
    """Return `later` laid over `value`: objects are merged member by member, all else replaced.

    Objects whose `type` differs are two different things: the later one replaces the other, so that
    a threshold for `server_vad` does not end up in a `semantic_vad`.
    """
    if not isinstance(value, dict) or not isinstance(later, dict):
        return later
    merged = dict(cast("dict[str, object]", value))
    members = cast("dict[str, object]", later)
    if {"type"} <= merged.keys() & members.keys() and merged["type"] != members["type"]:
        return members
    for name, member in members.items():
        merged[name] = overlay(merged[name], member) if name in merged else member
    return merged
