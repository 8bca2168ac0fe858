"""Where each option goes: the dotted name of the parameter that it sets, for every call there is.

Owns: these names. Must not know: values, typer, the client. An option without a place in a table is
one that the call does not take.
"""

from __future__ import annotations

SESSION = {
    "model": "model",
    "modality": "modalities",
    "instructions": "instructions",
    "voice": "voice",
    "speed": "speed",
    "temperature": "temperature",
    "max_tokens": "max_response_output_tokens",
    "turn_detection": "turn_detection",
    "input_format": "input_audio_format",
    "output_format": "output_audio_format",
    "transcription_model": "input_audio_transcription.model",
    "ttl": "client_secret.expires_after.seconds",
    "safety_identifier": "safety_identifier",
}
"""`sessions.create`"""

TRANSCRIPTION = {
    option: SESSION[option]
    for option in (
        "modality",
        "turn_detection",
        "input_format",
        "transcription_model",
        "ttl",
        "safety_identifier",
    )
}
"""`transcription_sessions.create`"""

TRANSLATION = {
    "translate": "session.audio.output.language",
    "model": "session.model",
    "transcription_model": "session.audio.input.transcription.model",
    "ttl": "expires_after.seconds",
    "safety_identifier": "safety_identifier",
}
"""`translations.client_secrets.create`"""

CALL = {"model": "model", "instructions": "instructions", "voice": "audio.output.voice"}
"""`calls.accept`, and the session of `calls.create`"""


def spelled(option: str) -> str:
    """Return an option as it is typed."""
    return f"--{option.replace('_', '-')}"


OPTION_OF = {
    "turn_detection.type": "--turn-detection",
    "status_code": "--status-code",
    **{
        prefix + place: spelled(option)
        for prefix, parameter_paths in (
            ("", SESSION),
            ("", TRANSLATION),
            ("", CALL),
            ("session.", CALL),
        )
        for option, place in parameter_paths.items()
    },
}
"""The option that sets a parameter, by the parameter's dotted name."""
