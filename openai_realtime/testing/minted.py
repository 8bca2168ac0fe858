"""The sessions that the mock mints: what was asked for, with a server's defaults around it.

Owns: the defaults, in both shapes. Must not know: HTTP. Parameters are checked by the client's own
types, so that the mock refuses what the client refuses (reached with `extra_body`, or by another
client).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

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

SDP_ANSWER = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
"""A placeholder for a peer's answer: enough to be recognised, not enough to connect."""

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
    "model": "gpt-realtime",
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
    "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": None, "prompt": ""},
    "input_audio_noise_reduction": None,
    "turn_detection": _TURN_DETECTION,
    "include": None,
}


def new_id(prefix: str) -> str:
    """Return an id such as `sess_…` that was never used before."""
    return f"{prefix}_{secrets.token_hex(10)}"


def _flat_session(given: JsonObject) -> JsonObject:
    sessions.CREATE.parameters.validate(given)
    if given.get("modalities") == ["audio"]:
        message = 'modalities cannot be ["audio"] alone: use ["text"] or ["audio", "text"]'
        raise ParameterError(message, param="modalities")
    secret = _secret(given.get("client_secret"), "expires_after", 60)
    return {"id": new_id("sess"), **_SESSION, "temperature": 0.8, **given, "client_secret": secret}


def _flat_transcription_session(given: JsonObject) -> JsonObject:
    transcription_sessions.CREATE.parameters.validate(given)
    secret = _secret(given.get("client_secret"), "expires_at", 60)
    own: JsonObject = {"id": new_id("sess"), "modalities": ["audio", "text"]}
    return {**own, **_TRANSCRIPTION, **given, "client_secret": secret}


def _nested_session(given: JsonObject) -> JsonObject:
    client_secrets.CREATE.parameters.validate(given)
    session = given.get("session")
    session = session if isinstance(session, dict) else {}
    if session.get("output_modalities") == ["audio", "text"]:
        message = "session.output_modalities cannot hold both"
        raise ParameterError(message, param="session.output_modalities")
    secret = _secret(given, "expires_after", 600)
    defaults = _TRANSCRIPTION if session.get("type") == "transcription" else _SESSION
    usual = nested_response({**defaults, "id": new_id("sess"), "client_secret": secret})
    return merge_objects(usual, {"session": session})


def _translation(given: JsonObject) -> JsonObject:
    translations.CREATE.parameters.validate(given)
    secret = _secret(given, "expires_after", 600)
    session: JsonObject = {"id": new_id("sess"), "type": "translation", **secret}
    del session["value"]
    return {**secret, "session": merge_objects(session, _object(given["session"]))}


MINTS: dict[str, Callable[[JsonObject], JsonObject]] = {
    "sessions": _flat_session,
    "transcription_sessions": _flat_transcription_session,
    "client_secrets": _nested_session,
    "translations": _translation,
}
"""What each endpoint mints; raises `ParameterError` for what a server refuses."""


def _secret(given: Json, spelling: str, usual: int) -> JsonObject:
    seconds = _object(_object(given).get(spelling)).get("seconds")
    lifetime = seconds if isinstance(seconds, int) else usual
    return {"value": f"ek_{secrets.token_hex(16)}", "expires_at": int(time.time()) + lifetime}


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}
