"""The flat ("beta") and the nested ("ga") shape of sessions, each turned into the other.

Owns: which field stands where, and what a shape cannot carry. Must not know: providers, URLs,
transports, types: it works on JSON, is pure, and total: what it does not know stays where it is.

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
    temperature                     –                                    dropped, and told
    –                               session.type                         realtime or transcription
    –                               session.reasoning, parallel_…        dropped, and told
    everything else                 session.…                            by the same name
    answer: client_secret.{…}       value, expires_at
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from openai_realtime.core.strict_json import Json

JsonObject = dict[str, Json]
Kind = Literal["realtime", "transcription"]

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
"""Where a flat name stands in a nested session."""
_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
_FLAT_FORMATS = {nested: flat for flat, nested in _FORMATS.items()}
_PCM_RATE = 24000

# What a shape has no place for.
_FLAT_ONLY: dict[Kind, frozenset[str]] = {
    "realtime": frozenset({"temperature"}),
    "transcription": frozenset({"modalities"}),
}
_SEMANTIC_VAD_ONLY = frozenset({"eagerness"})
_SERVER_VAD_ONLY = frozenset(
    {"threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"}
)
_NESTED_ONLY = frozenset({"reasoning", "parallel_tool_calls"})
# How a flat request spells the secret's lifetime.
_LIFETIME: dict[Kind, str] = {"realtime": "expires_after", "transcription": "expires_at"}


class TranslatedRequest(NamedTuple):
    """A request in the other shape, and the names of what it could not carry."""

    body: JsonObject
    dropped: tuple[str, ...] = ()


def nested_request(flat: JsonObject, kind: Kind) -> TranslatedRequest:
    """Return a flat session request as a nested client-secret request."""
    rest = dict(flat)
    dropped = tuple(name for name in flat if name in _FLAT_ONLY[kind])
    for name in dropped:
        del rest[name]
    turns = rest.get("turn_detection")
    if isinstance(turns, dict):
        rest["turn_detection"], foreign = _one_kind(turns)
        dropped += foreign
    body: JsonObject = {}
    secret = rest.pop("client_secret", None)
    if isinstance(secret, dict) and _LIFETIME[kind] in secret:
        body["expires_after"] = secret[_LIFETIME[kind]]
    body["session"] = {"type": kind, **_nest(rest)}
    return TranslatedRequest(body, dropped)


def flat_request(nested: JsonObject) -> tuple[TranslatedRequest, Kind]:
    """Return a nested client-secret request as a flat session request, and the session's kind."""
    rest = dict(nested)
    lifetime = rest.pop("expires_after", None)
    session = _object(rest.pop("session", None))
    kind: Kind = "transcription" if session.pop("type", None) == "transcription" else "realtime"
    kept, dropped = _what_flat_carries(session)
    flat = _flatten(kept)
    for name in ("input_audio_format", "output_audio_format"):
        if isinstance(flat.get(name), dict):  # a rate that has no flat name
            del flat[name]
            dropped.append(".".join(MOVED[name]))
    body = {**rest, **flat}
    if lifetime is not None:
        body["client_secret"] = {_LIFETIME[kind]: lifetime}
    return TranslatedRequest(body, tuple(f"session.{name}" for name in dropped)), kind


def flat_response(answer: JsonObject) -> JsonObject:
    """Return a server's answer, whatever its shape, as a flat session object.

    Finds the secret in `client_secret`, at the top, or in `session.client_secret`, and looks into
    one wrapper after another (`data`, `result`, …). Without a secret the answer stays as it is.
    """
    answer = _unwrapped(answer)
    secret, session = _secret_and_session(answer)
    if secret is None or (session is None and isinstance(answer.get("client_secret"), dict)):
        return answer
    around = {name: answer[name] for name in answer if name not in _ENVELOPE}
    inside = {name: value for name, value in (session or {}).items() if name != "type"}
    return {**around, **_flatten(inside), "client_secret": secret}


def nested_response(answer: JsonObject) -> JsonObject:
    """Return a server's answer, whatever its shape, as `{value, expires_at, session}`."""
    answer = _unwrapped(answer)
    secret, session = _secret_and_session(answer)
    if secret is None:
        return answer
    around = {name: answer[name] for name in answer if name not in _ENVELOPE}
    if session is not None:
        return {**around, **secret, "session": session}
    if not isinstance(
        answer.get("client_secret"), dict
    ):  # a secret and nothing else, as xAI answers
        return answer
    kind: Kind = "transcription" if "transcription" in str(answer.get("object")) else "realtime"
    if "expires_at" in answer:
        around["expires_at"] = answer["expires_at"]  # the session's, in the flat shape
    return {**secret, "session": {"type": kind, **_nest(around)}}


# Where the nested shape keeps the secret and the session.
_ENVELOPE = frozenset({"value", "expires_at", "session", "client_secret"})
_WRAPPERS = ("data", "result", "response", "body")


def _unwrapped(answer: JsonObject) -> JsonObject:
    """Return the object inside `data`, `result`, … when the secret is in there and not outside."""
    for _ in _WRAPPERS:
        if _secret_and_session(answer)[0] is not None:
            break
        inner = (answer.get(name) for name in _WRAPPERS)
        found = next((value for value in inner if isinstance(value, dict)), None)
        if found is None:
            break
        answer = found
    return answer


def _secret_and_session(answer: JsonObject) -> tuple[JsonObject | None, JsonObject | None]:
    """Return the client secret, from any of the places servers put it, and the inner session."""
    given = answer.get("session")
    session = dict(given) if isinstance(given, dict) else None
    inner = _object((session or {}).pop("client_secret", None))
    if (own := _object(answer.get("client_secret"))).get("value") is not None:
        return own, session
    if isinstance(answer.get("value"), str):
        return {name: answer[name] for name in ("value", "expires_at") if name in answer}, session
    return (inner if inner.get("value") is not None else None), session


def _object(value: Json) -> JsonObject:
    return dict(value) if isinstance(value, dict) else {}


def _nest(flat: JsonObject) -> JsonObject:
    """Return flat session fields at their nested places."""
    session = {name: value for name, value in flat.items() if name not in MOVED}
    for name, place in MOVED.items():
        if name in flat:
            *folders, leaf = place
            folder = session
            for step in folders:
                folder[step] = inner = _object(folder.get(step))
                folder = inner
            folder[leaf] = _nested_value(name, flat[name])
    return session


def _flatten(session: JsonObject) -> JsonObject:
    """Return a nested session's fields under their flat names; what has none stays where it is."""
    rest = dict(session)
    audio: JsonObject = {}
    for name, value in _object(rest.get("audio")).items():
        audio[name] = dict(value) if isinstance(value, dict) else value
    rest["audio"] = audio
    flat: JsonObject = {}
    for name, place in MOVED.items():
        *folders, leaf = place
        folder: JsonObject = rest
        for step in folders:
            inner = folder.get(step)
            folder = inner if isinstance(inner, dict) else {}
        if leaf in folder:
            flat[name] = _flat_value(name, folder.pop(leaf))
    rest["audio"] = {name: value for name, value in audio.items() if value != {}}
    if not rest["audio"]:
        del rest["audio"]
    return {**rest, **flat}


def _nested_value(name: str, value: Json) -> Json:
    if name == "modalities" and isinstance(value, list) and "audio" in value:
        return ["audio"]
    if name.endswith("_format") and isinstance(value, str):
        rate: JsonObject = {"rate": _PCM_RATE} if value == "pcm16" else {}
        return {"type": _FORMATS.get(value, value), **rate}
    return value


def _one_kind(turns: JsonObject) -> tuple[JsonObject, tuple[str, ...]]:
    """Return turn detection with its type, without what only the other type has, and its names."""
    is_semantic = "eagerness" in turns and _SERVER_VAD_ONLY.isdisjoint(turns)
    kind = turns.get("type", "semantic_vad" if is_semantic else "server_vad")
    others = {"server_vad": _SEMANTIC_VAD_ONLY, "semantic_vad": _SERVER_VAD_ONLY}
    foreign = others.get(str(kind), frozenset[str]()) & turns.keys()
    own: JsonObject = {"type": kind, **turns}
    kept = {name: value for name, value in own.items() if name not in foreign}
    return kept, tuple(f"turn_detection.{name}" for name in turns if name in foreign)


def _flat_value(name: str, value: Json) -> Json:
    if name == "modalities" and value == ["audio"]:
        return ["audio", "text"]
    if name.endswith("_format") and isinstance(value, dict):
        kind, rate = value.get("type"), value.get("rate", _PCM_RATE)
        if isinstance(kind, str) and rate == _PCM_RATE and value.keys() <= {"type", "rate"}:
            return _FLAT_FORMATS.get(kind, kind)
    return value


def _what_flat_carries(session: JsonObject) -> tuple[JsonObject, list[str]]:
    """Return a nested request's session without what the flat shape cannot say, and its names."""
    kept = {name: value for name, value in session.items() if name not in _NESTED_ONLY}
    dropped = [name for name in session if name in _NESTED_ONLY]
    tools = kept.get("tools")
    if isinstance(tools, list):
        kept["tools"] = [tool for tool in tools if not _is_mcp(tool)]
        dropped += [f"tools.{index}" for index, tool in enumerate(tools) if _is_mcp(tool)]
    if _is_mcp(kept.get("tool_choice")):
        del kept["tool_choice"]
        dropped.append("tool_choice")
    return kept, dropped


def _is_mcp(value: Json) -> bool:
    return isinstance(value, dict) and value.get("type") == "mcp"
