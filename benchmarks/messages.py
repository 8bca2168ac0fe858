"""The request of every peer, and the response of every server: a session of about 1 kB."""

from __future__ import annotations

import json

PATH = "/v1/realtime/client_secrets"
"""The endpoint that every peer calls, because all of them support it."""

PARAMETERS = {
    "session": {"type": "realtime", "model": "gpt-realtime-2.1", "instructions": "Be brief."}
}
"""The body of every request."""

SECRET = "ek_benchmark_0123456789abcdef0123456789abcdef"  # noqa: S105 - of no use
"""The secret in every response."""

_EXPIRES_AT = 4_102_444_800
_TURN_DETECTION = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_RESPONSE = {
    "value": SECRET,
    "expires_at": _EXPIRES_AT,
    "session": {
        "object": "realtime.session",
        "id": "sess_0123456789abcdef01234",
        "type": "realtime",
        "model": "gpt-realtime-2.1",
        "instructions": "Your knowledge cutoff is 2023-10. You are a helpful, witty, and friendly AI. "
        "Act like a human, but remember that you are not a human. Talk quickly.",
        "output_modalities": ["audio"],
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "include": None,
        "expires_at": 0,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": _TURN_DETECTION,
            },
            "output": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "voice": "verse",
                "speed": 1.0,
            },
        },
    },
}

RESPONSE_BODY = json.dumps(_RESPONSE).encode()
"""It holds no single quote, which would end a string in nginx's configuration."""
