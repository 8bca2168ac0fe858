"""The hints for parameters of another shape or method, by their dotted names."""

from __future__ import annotations

from openai_realtime.dialects import MOVED

_NESTED = "belongs to the nested shape: use client_secrets.create(session=…)"
_LIFETIME = "is set by client_secret={'expires_after': …}"

SESSIONS = {
    "audio": _NESTED,
    "expires_after": _LIFETIME,
    "max_output_tokens": "is max_response_output_tokens here",
    "output_modalities": "is modalities here",
    "session": _NESTED,
}
"""`sessions.create`"""

TRANSCRIPTION_SESSIONS = {
    "audio": _NESTED,
    "expires_after": _LIFETIME,
    "model": "is set by input_audio_transcription={'model': …}",
    "session": _NESTED,
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
