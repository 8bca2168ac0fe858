"""Translates sessions between the flat ("beta") and the nested ("ga") shape; knows a session's API by its model.

Rules for this file: its functions are pure, take and return JSON, and depend on no provider, URL or
model class. They accept any JSON object, and leave unknown fields where they are.

    flat                            nested                               note
    -----------------------------   ----------------------------------   ----------------------------
    modalities                      session.output_modalities            audio implies its transcript
    voice, speed                    session.audio.output.…
    input_audio_format              session.audio.input.format           pcm16 = audio/pcm at 24 kHz
    output_audio_format             session.audio.output.format
    input_audio_transcription       session.audio.input.transcription
    input_audio_noise_reduction     session.audio.input.noise_reduction
    turn_detection                  session.audio.input.turn_detection   nested: its type is required
    max_response_output_tokens      session.max_output_tokens
    client_secret.expires_after     expires_after                        transcription: …expires_at
    temperature                     –                                    dropped and reported
    –                               session.type                         realtime or transcription
    –                               session.reasoning, parallel_…        dropped and reported
    everything else                 session.…                            by the same name
    response: client_secret.{…}     value, expires_at
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import Literal, NamedTuple

from openai_realtime.core.strict_json import Json

JsonObject = dict[str, Json]
SessionType = Literal["realtime", "transcription"]
SessionAPI = Literal["realtime", "live"]
"""The API of a session: Realtime, or GPT-Live, which has sessions of another shape."""

MOVED: dict[str, tuple[str, ...]] = {
    "modalities": ("output_modalities",),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "input_audio_format": ("audio", "input", "format"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "max_response_output_tokens": ("max_output_tokens",),
}
"""The path in a nested session of each flat field that has another place or name there."""
_NESTED_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
_FLAT_FORMATS = {nested: flat for flat, nested in _NESTED_FORMATS.items()}
_PCM_RATE = 24000

# Fields that the other shape does not have.
_FLAT_ONLY: dict[SessionType, frozenset[str]] = {
    "realtime": frozenset({"temperature"}),
    "transcription": frozenset({"modalities"}),
}
_NESTED_ONLY = frozenset({"reasoning", "parallel_tool_calls"})
# Fields that only one type of turn detection has.
_SEMANTIC_VAD_ONLY = frozenset({"eagerness"})
_SERVER_VAD_ONLY = frozenset(
    {"threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"}
)
# The field of a flat `client_secret` that holds the secret's lifetime.
_LIFETIME: dict[SessionType, str] = {"realtime": "expires_after", "transcription": "expires_at"}
# The fields of a response that hold the secret and the session.
_ENVELOPE = frozenset({"value", "expires_at", "session", "client_secret"})
_WRAPPERS = ("data", "result", "response", "body")
# gpt-live-transcribe transcribes the speech of Realtime sessions.
_LIVE_MODEL = re.compile(r"gpt-live-(?!transcribe)", re.ASCII)


def api_of(session: Mapping[str, object]) -> SessionAPI:
    """Return the API of a session: GPT-Live for a model `gpt-live-*`, or with the type `live`."""
    model = session.get("model")
    is_live = isinstance(model, str) and _LIVE_MODEL.match(model) is not None
    return "live" if is_live or session.get("type") == "live" else "realtime"


class TranslatedRequest(NamedTuple):
    """A request in the other shape, and the paths of the fields that this shape does not have."""

    body: JsonObject
    dropped: tuple[str, ...] = ()


def without_fields(fields: JsonObject, paths: Iterable[str]) -> TranslatedRequest:
    """Return `fields` without the fields at some dotted paths, and the paths of those it had."""
    dropped: list[str] = []
    for path in paths:
        *parents, last = path.split(".")
        parent: Json = fields
        for name in parents:
            parent = parent.get(name) if isinstance(parent, dict) else None
        if isinstance(parent, dict) and last in parent:
            fields = _without_path(fields, [*parents, last])
            dropped.append(path)
    return TranslatedRequest(fields, tuple(dropped))


def _without_path(fields: JsonObject, path: list[str]) -> JsonObject:
    name, *rest = path
    if not rest:
        return _without(fields, {name})
    return {**fields, name: _without_path(_object(fields[name]), rest)}


def flat_path(nested: str) -> str:
    """Return the dotted path of a nested session's field in a flat session."""
    for flat, moved in MOVED.items():
        prefix = ".".join(moved)
        if nested == prefix or nested.startswith(f"{prefix}."):
            return flat + nested.removeprefix(prefix)
    return nested


def nested_request(flat: JsonObject, session_type: SessionType) -> TranslatedRequest:
    """Return a flat session request as a nested client-secret request."""
    dropped = tuple(name for name in flat if name in _FLAT_ONLY[session_type])
    session = _without(flat, dropped)
    turn_detection = session.get("turn_detection")
    if isinstance(turn_detection, dict):
        session["turn_detection"], misplaced = _typed_turn_detection(turn_detection)
        dropped += misplaced
    body: JsonObject = {}
    secret = session.pop("client_secret", None)
    if isinstance(secret, dict) and _LIFETIME[session_type] in secret:
        body["expires_after"] = secret[_LIFETIME[session_type]]
    body["session"] = {"type": session_type, **_nest(session)}
    return TranslatedRequest(body, dropped)


def flat_request(nested: JsonObject) -> tuple[TranslatedRequest, SessionType]:
    """Return a nested client-secret request as a flat session request, and the session's type."""
    body = dict(nested)
    lifetime = body.pop("expires_after", None)
    session = _object(body.pop("session", None))
    is_transcription = session.pop("type", None) == "transcription"
    session_type: SessionType = "transcription" if is_transcription else "realtime"
    session, dropped = _without_nested_only(session)
    flat = _flatten(session)
    for name in ("input_audio_format", "output_audio_format"):
        if isinstance(flat.get(name), dict):  # a rate that has no flat name
            del flat[name]
            dropped.append(".".join(MOVED[name]))
    body.update(flat)
    if lifetime is not None:
        body["client_secret"] = {_LIFETIME[session_type]: lifetime}
    return TranslatedRequest(body, tuple(f"session.{name}" for name in dropped)), session_type


def flat_response(response: JsonObject) -> JsonObject:
    """Return a server's response of any shape as a flat session object.

    The secret may be in `client_secret`, at the top level, or in `session.client_secret`, and all
    of it may be inside wrappers (`data`, `result`, …). A response without a secret is not changed.
    """
    response = _unwrap(response)
    secret, session = _secret_and_session(response)
    if secret is None or (session is None and isinstance(response.get("client_secret"), dict)):
        return response
    inner = _flatten(_without(session or {}, {"type"}))
    return {**_without(response, _ENVELOPE), **inner, "client_secret": secret}


def nested_response(response: JsonObject) -> JsonObject:
    """Return a server's response of any shape as `{value, expires_at, session}`.

    The secret may be where `flat_response` looks for it. Without one, nothing is changed.
    """
    response = _unwrap(response)
    secret, session = _secret_and_session(response)
    if secret is None:
        return response
    others = _without(response, _ENVELOPE)
    if session is not None:
        return {**others, **secret, "session": session}
    if not isinstance(response.get("client_secret"), dict):
        return response  # a secret without a session, as xAI sends it
    is_transcription = "transcription" in str(response.get("object"))
    session_type: SessionType = "transcription" if is_transcription else "realtime"
    if "expires_at" in response:
        others["expires_at"] = response["expires_at"]  # in the flat shape, it is the session's
    return {**secret, "session": {"type": session_type, **_nest(others)}}


def _unwrap(response: JsonObject) -> JsonObject:
    """Return the response, or the object inside its wrappers if the response has no secret."""
    for _ in _WRAPPERS:
        if _secret_and_session(response)[0] is not None:
            break
        candidates = (response.get(name) for name in _WRAPPERS)
        inner = next((value for value in candidates if isinstance(value, dict)), None)
        if inner is None:
            break
        response = inner
    return response


def _secret_and_session(response: JsonObject) -> tuple[JsonObject | None, JsonObject | None]:
    """Return the client secret from any of its places, and the inner session without it."""
    inner = response.get("session")
    session = dict(inner) if isinstance(inner, dict) else None
    in_session = _object(session.pop("client_secret", None)) if session is not None else {}
    secret = _object(response.get("client_secret"))
    if secret.get("value") is None and isinstance(response.get("value"), str):
        secret = {name: response[name] for name in ("value", "expires_at") if name in response}
    elif secret.get("value") is None:
        secret = in_session
    return (secret if secret.get("value") is not None else None), session


def _object(value: Json) -> JsonObject:
    """Return a copy of a JSON object; for any other value, an empty object."""
    return dict(value) if isinstance(value, dict) else {}


def _without(fields: JsonObject, names: Container[str]) -> JsonObject:
    return {name: value for name, value in fields.items() if name not in names}


def _nest(flat: JsonObject) -> JsonObject:
    """Return flat session fields as a nested session."""
    session = _without(flat, MOVED)
    for name, (*parents, last) in MOVED.items():
        if name in flat:
            target = session
            for key in parents:
                target[key] = child = _object(target.get(key))
                target = child
            target[last] = _nested_value(name, flat[name])
    return session


def _flatten(session: JsonObject) -> JsonObject:
    """Return a nested session with flat fields; a field without a flat name stays in place."""
    audio: JsonObject = {
        name: dict(value) if isinstance(value, dict) else value
        for name, value in _object(session.get("audio")).items()
    }
    remaining: JsonObject = {**session, "audio": audio}
    flat: JsonObject = {}
    for name, (*parents, last) in MOVED.items():
        source = remaining
        for key in parents:
            child = source.get(key)
            source = child if isinstance(child, dict) else {}
        if last in source:
            flat[name] = _flat_value(name, source.pop(last))
    remaining["audio"] = {name: value for name, value in audio.items() if value != {}}
    if not remaining["audio"]:
        del remaining["audio"]
    return {**remaining, **flat}


def _nested_value(name: str, value: Json) -> Json:
    if name == "modalities" and isinstance(value, list) and "audio" in value:
        return ["audio"]
    if name.endswith("_format") and isinstance(value, str):
        rate: JsonObject = {"rate": _PCM_RATE} if value == "pcm16" else {}
        return {"type": _NESTED_FORMATS.get(value, value), **rate}
    return value


def _flat_value(name: str, value: Json) -> Json:
    if name == "modalities" and value == ["audio"]:
        return ["audio", "text"]
    if name.endswith("_format") and isinstance(value, dict):
        encoding, rate = value.get("type"), value.get("rate", _PCM_RATE)
        if isinstance(encoding, str) and rate == _PCM_RATE and value.keys() <= {"type", "rate"}:
            return _FLAT_FORMATS.get(encoding, encoding)
    return value


def _typed_turn_detection(turn_detection: JsonObject) -> tuple[JsonObject, tuple[str, ...]]:
    """Return turn detection with its type, without the other type's fields; and their paths."""
    is_semantic = "eagerness" in turn_detection and _SERVER_VAD_ONLY.isdisjoint(turn_detection)
    vad_type = turn_detection.get("type", "semantic_vad" if is_semantic else "server_vad")
    of_other_type = {"server_vad": _SEMANTIC_VAD_ONLY, "semantic_vad": _SERVER_VAD_ONLY}
    misplaced = of_other_type.get(str(vad_type), frozenset[str]())
    typed: JsonObject = {"type": vad_type, **turn_detection}
    return _without(typed, misplaced), tuple(
        f"turn_detection.{name}" for name in turn_detection if name in misplaced
    )


def _without_nested_only(session: JsonObject) -> tuple[JsonObject, list[str]]:
    """Return a nested session without the fields that the flat shape lacks, and their paths."""
    remaining = _without(session, _NESTED_ONLY)
    dropped = [name for name in session if name in _NESTED_ONLY]
    tools = remaining.get("tools")
    if isinstance(tools, list):
        remaining["tools"] = [tool for tool in tools if not _is_mcp(tool)]
        dropped += [f"tools.{index}" for index, tool in enumerate(tools) if _is_mcp(tool)]
    if _is_mcp(remaining.get("tool_choice")):
        del remaining["tool_choice"]
        dropped.append("tool_choice")
    return remaining, dropped


def _is_mcp(value: Json) -> bool:
    return isinstance(value, dict) and value.get("type") == "mcp"
