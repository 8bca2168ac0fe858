"""The sessions that the mock mints: the requested parameters, and a server's defaults.

The SDK's own types check the parameters that they know. Other parameters are kept, because servers
know more than this version.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, cast

from openai_realtime.dialects import nested_response
from openai_realtime.errors import ParameterError
from openai_realtime.resources import (
    client_secrets,
    sessions,
    transcription_sessions,
    translations,
)
from openai_realtime.resources.parameters import merge_objects

if TYPE_CHECKING:
    from openai_realtime.core.strict_json import Json
    from openai_realtime.dialects import JsonObject

SDP_ANSWER = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=openai-realtime mock\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
)
"""A placeholder for a peer's SDP answer: it can be parsed, but no call can be connected with it."""

_TURN_DETECTION: JsonObject = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "create_response": True,
    "interrupt_response": True,
}
_SESSION: JsonObject = {
    "object": "realtime.session",
    "expires_at": 0,
    "model": "gpt-realtime-2.1",
    "modalities": ["audio", "text"],
    "instructions": "You are a helpful assistant.",
    "voice": "alloy",
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16",
    "input_audio_transcription": None,
    "input_audio_noise_reduction": None,
    "turn_detection": _TURN_DETECTION,
    "speed": 1.0,
    "max_response_output_tokens": "inf",
    "tools": [],
    "tool_choice": "auto",
    "tracing": None,
    "truncation": "auto",
    "prompt": None,
    "include": None,
}
_TRANSCRIPTION: JsonObject = {
    "object": "realtime.transcription_session",
    "expires_at": 0,
    "input_audio_format": "pcm16",
    "input_audio_transcription": {"model": "gpt-transcribe", "language": None, "prompt": ""},
    "input_audio_noise_reduction": None,
    "turn_detection": _TURN_DETECTION,
    "include": None,
}


def new_id(prefix: str) -> str:
    """Return a new random id, such as `sess_…`."""
    return f"{prefix}_{secrets.token_hex(10)}"


def realtime_session(parameters: JsonObject) -> JsonObject:
    """Return a call's session: the server's defaults with `parameters` of the nested shape."""
    flat: JsonObject = {
        **_SESSION,
        "id": new_id("sess"),
        "client_secret": {"value": "", "expires_at": 0},
    }
    return merge_objects(as_object(nested_response(flat)["session"]), parameters)


def _flat_session(parameters: JsonObject) -> JsonObject:
    sessions.CREATE.parameters.validate(parameters, keep_unknown=True)
    if parameters.get("modalities") == ["audio"]:
        message = 'modalities cannot be ["audio"] alone: use ["text"] or ["audio", "text"]'
        raise ParameterError(message, param="modalities")
    secret = _secret(parameters.get("client_secret"), "expires_after", 60)
    return {
        "id": new_id("sess"),
        **_SESSION,
        "temperature": 0.8,
        **parameters,
        "client_secret": secret,
    }


def _flat_transcription_session(parameters: JsonObject) -> JsonObject:
    transcription_sessions.CREATE.parameters.validate(parameters, keep_unknown=True)
    secret = _secret(parameters.get("client_secret"), "expires_at", 60)
    own: JsonObject = {"id": new_id("sess"), "modalities": ["audio", "text"]}
    return {**own, **_TRANSCRIPTION, **parameters, "client_secret": secret}


def _nested_session(parameters: JsonObject) -> JsonObject:
    client_secrets.CREATE.parameters.validate(parameters, keep_unknown=True)
    session = as_object(parameters.get("session"))
    if session:
        check_session(session, "session.")
    secret = _secret(parameters, "expires_after", 600)
    defaults = _TRANSCRIPTION if session.get("type") == "transcription" else _SESSION
    response = nested_response({**defaults, "id": new_id("sess"), "client_secret": secret})
    return merge_objects(response, {**_beside_expiry(parameters), "session": session})


def _translation(parameters: JsonObject) -> JsonObject:
    translations.CREATE.parameters.validate(parameters, keep_unknown=True)
    secret = _secret(parameters, "expires_after", 600)
    defaults: JsonObject = {
        "id": new_id("sess"),
        "type": "translation",
        "expires_at": secret["expires_at"],
        "audio": {"input": {"noise_reduction": None, "transcription": None}, "output": {}},
    }
    return merge_objects({**secret, "session": defaults}, _beside_expiry(parameters))


def _beside_expiry(parameters: JsonObject) -> JsonObject:
    return {name: parameters[name] for name in parameters if name != "expires_after"}


def check_session(session: JsonObject, path: str) -> None:
    """Raise `ParameterError` for a nested session that the types accept and a server rejects.

    `path` is the session's place in the request: "session.", or "" for the whole body.
    """
    if "type" not in session:
        _refuse(f"{path}type", "is required")
    if session.get("output_modalities") == ["audio", "text"]:
        _refuse(f"{path}output_modalities", "cannot hold both")
    audio = as_object(session.get("audio"))
    for direction in ("input", "output"):
        encoding = as_object(as_object(audio.get(direction)).get("format"))
        if encoding.get("type") == "audio/pcm" and "rate" not in encoding:
            _refuse(f"{path}audio.{direction}.format.rate", "is required for audio/pcm")


def _refuse(param: str, problem: str) -> NoReturn:
    message = f"{param} {problem}"
    raise ParameterError(message, param=param)


CREATE_SESSION: dict[str, Callable[[JsonObject], JsonObject]] = {
    "sessions": _flat_session,
    "transcription_sessions": _flat_transcription_session,
    "client_secrets": _nested_session,
    "translations": _translation,
}
"""Makes each endpoint's session; raises `ParameterError` for parameters that a server rejects."""


def _secret(options: Json, lifetime_name: str, default_seconds: int) -> JsonObject:
    seconds = as_object(as_object(options).get(lifetime_name)).get("seconds")
    lifetime = seconds if isinstance(seconds, int) else default_seconds
    return {"value": f"ek_{secrets.token_hex(16)}", "expires_at": int(time.time()) + lifetime}


def as_object(value: Json) -> JsonObject:
    """Return `value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def secret_in(body: JsonObject) -> tuple[str, float]:
    """Return a session's secret, and when it expires."""
    inner = body.get("client_secret")
    secret = inner if isinstance(inner, dict) else body
    return str(secret.get("value")), cast("float", secret.get("expires_at"))
