"""The error for wrong parameters: what is wrong, where, and what to write instead.

Rule for this file: a message states what the parameter takes in the words of this package; it quotes
no value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final, cast, get_args, get_origin

from pydantic import Tag
from typing_extensions import get_type_hints, is_typeddict

from openai_realtime.dialects import MOVED
from openai_realtime.errors import NOT_GIVEN_MESSAGE, ParameterError, is_not_given, suggestion
from openai_realtime.types.base import RequestOptions

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# An error's path contains pydantic's names of union members, which are not field names.
_UNION_MEMBER = re.compile(r"[A-Z]\w*|.*[\[(-].*|str|int|float|bool|dict|none", re.DOTALL)
_TYPES: Final = {
    "bool_type": "True or False",
    "invalid-json-value": "a JSON value",
    "string_type": "text",
    "string_unicode": "Unicode text",
}
"""What a parameter takes, by pydantic's type of the error."""
_LENGTHS: Final = {"too_long": "at most", "too_short": "at least"}
_OFF: Final = frozenset({"", "disabled", "none", "null", "off"})
"""What people write for a setting that None switches off, or as its `type`."""

_NESTED = "belongs to the nested shape: use client_secrets.create(session=…)"
_LIFETIME = "is set by client_secret={'expires_after': …}"

SESSIONS = {
    "audio": _NESTED,
    "expires_after": _LIFETIME,
    "max_output_tokens": "is max_response_output_tokens here",
    "output_modalities": "is modalities here",
    "session": _NESTED,
    "type": _NESTED,
}
"""`sessions.create`"""

TRANSCRIPTION_SESSIONS = {
    "audio": _NESTED,
    "expires_after": _LIFETIME,
    "model": "is set by input_audio_transcription={'model': …}",
    "session": _NESTED,
    "type": _NESTED,
}
"""`transcription_sessions.create`"""

ACCEPT = {
    **{flat: f"is {'.'.join(nested)} here" for flat, nested in MOVED.items()},
    "temperature": "does not exist in the nested shape: leave it out",
}
"""`calls.accept`: a nested session"""

CLIENT_SECRETS = {
    "client_secret": "is expires_after=… here",
    **{
        f"{prefix}{flat}": f"is session.{'.'.join(nested)} here"
        for flat, nested in MOVED.items()
        for prefix in ("", "session.")
    },
    "session.temperature": ACCEPT["temperature"],
}
"""`client_secrets.create`"""

_IS_IN_SESSION = "is session.{} here"
_DELEGATED = "is session.delegation.responses.{} here, with a delegation of type responses"
_LIVE_SESSION = {
    "voice": "is session.audio.output.voice here",
    "tools": _DELEGATED.format("tools"),
    "tool_choice": _DELEGATED.format("tool_choice"),
    "parallel_tool_calls": _DELEGATED.format("parallel_tool_calls"),
    "reasoning": _DELEGATED.format("reasoning"),
    "max_output_tokens": _DELEGATED.format("max_output_tokens"),
    "audio.output.format": "is negotiated by WebRTC and SIP: leave it out",
    "audio.format": "is negotiated by WebRTC and SIP: leave it out",
    "client_secret": "does not exist: GPT-Live has no client secrets",
    **dict.fromkeys(
        (
            "audio.input",
            "audio.output.speed",
            "expires_after",
            "include",
            "modalities",
            "output_modalities",
            "prompt",
            "speed",
            "temperature",
            "tracing",
            "truncation",
            "turn_detection",
        ),
        "does not exist in GPT-Live: leave it out",
    ),
}
_LIVE = {
    **{f"session.{name}": hint for name, hint in _LIVE_SESSION.items()},
    **{
        name: _IS_IN_SESSION.format(name)
        for name in ("audio", "client", "delegation", "input", "instructions", "model", "store")
    },
}
_OF_WEBRTC = "exists for WebRTC only: leave it out"

LIVE = {
    **_LIVE,
    "sdp": "is transport={'type': 'webrtc', 'sdp': …} here",
    "session.type": "is for phone calls only: leave it out",
}
"""`live.create`"""

LIVE_ACCEPT = {
    **_LIVE,
    "session.client": _OF_WEBRTC,
    "session.idle_timeout_s": _OF_WEBRTC,
    "session.wake_policy": _OF_WEBRTC,
    "transport": _OF_WEBRTC,
}
"""`live.sessions.accept`"""


def parameter_error(
    problems: list[ErrorDetails], typed_dict: type, hints: Mapping[str, str]
) -> ParameterError:
    """Return one error that names each problem once, with its field.

    `hints` maps dotted names that are not parameters of this endpoint to what to write instead.
    """
    fields: dict[object, list[tuple[tuple[str, ...], ErrorDetails]]] = {}
    for problem in problems:
        path = _path(problem)
        fields.setdefault(path[0] if path else "", []).append((path, problem))
    by_path: dict[str, list[ErrorDetails]] = {}
    for candidates in fields.values():
        # In a union, the member in which validation got deepest is probably the one that was meant.
        deepest = max(len(path) for path, _ in candidates)
        for path, problem in candidates:
            if len(path) == deepest:
                by_path.setdefault(".".join(path), []).append(problem)
    sentences = (
        f"{path} {_sentence(here, typed_dict, hints.get(path))}" for path, here in by_path.items()
    )
    return ParameterError("; ".join(sentences), param=next(iter(by_path)))


def _sentence(problems: list[ErrorDetails], typed_dict: type, hint: str | None) -> str:
    """Return what is wrong with one field: each member of a union reports a problem of its own."""
    first, *others = dict.fromkeys(
        hint if hint and problem["type"] == "extra_forbidden" else _message(problem, typed_dict)
        for problem in problems
    )
    # "must be 'auto', or a dict": the verb is said once.
    others = [
        text.removeprefix("must be ") if first.startswith("must be ") else text for text in others
    ]
    return ", or ".join([first, *others]) + _off_hint(problems[0], typed_dict)


def _path(problem: ErrorDetails) -> tuple[str, ...]:
    location = problem["loc"]
    named = problem["type"] in {"extra_forbidden", "missing"}
    return tuple(
        str(step)
        for index, step in enumerate(location)
        if isinstance(step, int)
        or not _UNION_MEMBER.fullmatch(step)
        or (named and index == len(location) - 1)
    )


def _message(problem: ErrorDetails, typed_dict: type) -> str:
    value = cast("object", problem["input"])
    if problem["type"] == "extra_forbidden":
        return _unknown_key_message(problem, typed_dict)
    if problem["type"] == "missing":
        return "is required"
    if is_not_given(value):
        return NOT_GIVEN_MESSAGE
    if value is None:
        return "cannot be None: leave it out for the server's default"
    return _wrong_type_message(problem, typed_dict)


def _unknown_key_message(problem: ErrorDetails, typed_dict: type) -> str:
    *parents, name = problem["loc"]
    known = _keys_at(typed_dict, parents)
    if not parents:
        # A misspelt option is suggested too; an option itself is unknown where only parameters
        # are accepted, such as in a session file.
        known |= RequestOptions.__annotations__.keys() - {name}
    guess = suggestion(str(name), known)
    sent = "extra_body sends what the SDK does not know"
    if any(isinstance(step, int) for step in parents):
        sent += ", but replaces a whole list: write all of it there"
    return f"is not a known parameter{guess} ({sent})"


def _wrong_type_message(problem: ErrorDetails, typed_dict: type) -> str:
    kind, instance_of = problem["type"], problem.get("ctx", {}).get("class")
    if kind in _TYPES:
        return f"must be {_TYPES[kind]}"
    if kind == "dict_type":
        keys = ", ".join(sorted(_keys_at(typed_dict, problem["loc"])))
        return f"must be a dict (keys: {keys})" if keys else "must be a dict"
    if kind in {"list_type", "sequence_str"} or instance_of == "Sequence":
        is_text = str in _items_at(typed_dict, problem["loc"])
        return f"must be a list of {'texts' if is_text else 'dicts'}"
    if instance_of:
        return f"must be a {instance_of}"
    if kind in _LENGTHS:
        bound = problem.get("ctx", {})
        return (
            f"must have {_LENGTHS[kind]} {bound.get('max_length', bound.get('min_length'))} items"
        )
    return problem["msg"].replace("Input should be", "must be")


def _off_hint(problem: ErrorDetails, typed_dict: type) -> str:
    """Return a hint if the value looks like an attempt to switch off what None switches off."""
    value = cast("object", problem["input"])
    if isinstance(value, dict):
        value = cast("dict[str, object]", value).get("type")
    if value is not False and not (isinstance(value, str) and value.lower() in _OFF):
        return ""
    location = problem["loc"]
    for length in range(len(location), 0, -1):
        name = location[length - 1]
        hints = (each.get(str(name)) for each in _hints_at(typed_dict, location[: length - 1]))
        if any(type(None) in get_args(hint) for hint in hints):
            return f"; None as {name} switches it off"
    return ""


def _keys_at(typed_dict: type, path: Iterable[int | str]) -> set[str]:
    """Return the keys of the TypedDict at an error's path below `typed_dict`."""
    return {key for hints in _hints_at(typed_dict, path) for key in hints}


def _hints_at(typed_dict: type, path: Iterable[int | str]) -> list[dict[str, object]]:
    """Return the type hints of each TypedDict at an error's path below `typed_dict`."""
    reached = {typed_dict.__name__: typed_dict}
    for step in path:
        if step in reached:  # the name or the tag of a member of a union
            reached = {str(step): reached[str(step)]}
            continue
        inner = [hints[str(step)] for hints in _all_hints(reached.values()) if step in hints]
        if inner:  # otherwise it is an index of a list, or a step of validation
            reached = dict(pair for hint in inner for pair in _typed_dicts(hint))
    return _all_hints(reached.values())


def _items_at(typed_dict: type, location: tuple[int | str, ...]) -> list[object]:
    """Return the types of the items of each list that the field at an error's path may be."""
    while _UNION_MEMBER.fullmatch(str(location[-1])):
        location = location[:-1]
    *parents, name = location
    hints = [each.get(str(name)) for each in _hints_at(typed_dict, parents)]
    items: list[object] = []
    while hints:
        hint = hints.pop()
        arguments = get_args(hint)
        if get_origin(hint) in {list, Sequence}:
            items += (
                get_args(each)[0] if get_origin(each) is Annotated else each for each in arguments
            )
        else:
            hints += arguments
    return items


def _all_hints(typed_dicts: Iterable[type]) -> list[dict[str, object]]:
    return [get_type_hints(each, include_extras=True) for each in typed_dicts]


def _typed_dicts(hint: object, tag: str | None = None) -> Iterator[tuple[str, type]]:
    """Yield each TypedDict in a type hint, with its tag or else its name, as in an error's path."""
    if isinstance(hint, type) and is_typeddict(hint):
        yield tag or hint.__name__, hint
        return
    arguments = get_args(hint)  # those of `Annotated` include its tag
    tag = next((each.tag for each in arguments if isinstance(each, Tag)), tag)
    for inner in arguments:
        yield from _typed_dicts(inner, tag)
