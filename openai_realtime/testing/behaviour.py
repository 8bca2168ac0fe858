"""What a realtime server answers, as a function: request in, answer out.

Owns: the mock's checks, its defaults and its error texts. Must not know: sockets, respx, pytest.
Parameters are checked by the client's own types, so that the mock refuses what the client refuses
(reached with `extra_body`, or by another client).
"""

from __future__ import annotations

import itertools
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from openai_realtime.core.answers import Json, decode_json
from openai_realtime.core.wire import Headers
from openai_realtime.errors import ParameterError
from openai_realtime.resources import sessions, transcription_sessions

MOCK_API_KEY = "sk-mock-key-for-tests"
"""The key that the mock accepts unless it is told another."""

JsonObject = dict[str, Json]


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that the mock received."""

    method: str
    path: str
    """The path with its query, such as `/v1/realtime/sessions?x=1`."""
    headers: Headers
    body: bytes
    connection: int = 0
    """A number that requests on the same connection share."""

    @property
    def json(self) -> Json:
        """The decoded JSON body; raises `ValueError` when it is none."""
        return decode_json(self.body)


@dataclass(frozen=True, slots=True)
class MockAnswer:
    """An answer to give instead of the usual one."""

    status: int = 200
    json: object = None
    """The body as JSON. Ignored when `body` is set."""
    body: bytes | None = None
    """The body as bytes, for what is no JSON."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    delay: float = 0.0
    """Seconds to wait first."""
    drop: Literal["no", "before", "during"] = "no"
    """Hang up instead of answering (`before`), or halfway through the body (`during`)."""

    def content(self) -> bytes:
        """Return the body's bytes."""
        return json.dumps(self.json).encode() if self.body is None else self.body


class Behaviour:
    """Answers as the flat ("beta") realtime endpoints do. Every secret it mints is another one."""

    def __init__(self, *, api_key: str | None) -> None:
        self._api_key = api_key
        self._numbers = itertools.count(1)

    def answer(self, request: RecordedRequest) -> MockAnswer:
        """Return the answer to one request."""
        number = next(self._numbers)
        answer = self._checked(request)
        headers = {"x-request-id": f"req_mock_{number}", "openai-processing-ms": "1"}
        return MockAnswer(answer.status, answer.json, headers={**headers, **answer.headers})

    def _checked(self, request: RecordedRequest) -> MockAnswer:
        path = request.path.partition("?")[0]
        mint = _ENDPOINTS.get(path.removeprefix("/v1"))
        if mint is None:
            return refusal(404, f"Invalid URL ({request.method} {path})")
        if request.method != "POST":
            return refusal(405, f"Not allowed to {request.method} on {path}")
        if not self._is_authorized(request.headers.get("authorization", "")):
            return refusal(401, "Incorrect API key provided", code="invalid_api_key")
        try:
            given = request.json
        except ValueError:
            given = None
        if not isinstance(given, dict):
            return refusal(400, "The body is not a JSON object", code="invalid_json")
        try:
            return MockAnswer(200, mint(given))
        except ParameterError as error:
            return refusal(400, str(error), code="invalid_value", param=error.param)

    def _is_authorized(self, authorization: str) -> bool:
        scheme, _, key = authorization.partition(" ")
        return scheme == "Bearer" and (key == self._api_key if self._api_key else bool(key))


def refusal(
    status: int, message: str, *, code: str | None = None, param: str | None = None
) -> MockAnswer:
    """Return an error answer in OpenAI's shape."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return MockAnswer(status, {"error": error})


def mint_session(given: JsonObject) -> JsonObject:
    """Return the session object for the flat session parameters `given`."""
    sessions.PARAMETERS.encode(given)
    if given.get("modalities") == ["audio"]:
        message = 'modalities cannot be ["audio"] alone: use ["text"] or ["audio", "text"]'
        raise ParameterError(message, param="modalities")
    return {
        "id": f"sess_{secrets.token_hex(10)}",
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
        "temperature": 0.8,
        "max_response_output_tokens": "inf",
        "tools": [],
        "tool_choice": "auto",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "include": None,
        **given,
        "client_secret": _secret(given, "expires_after"),
    }


def mint_transcription_session(given: JsonObject) -> JsonObject:
    """Return the session object for the flat transcription parameters `given`."""
    transcription_sessions.PARAMETERS.encode(given)
    return {
        "id": f"sess_{secrets.token_hex(10)}",
        "object": "realtime.transcription_session",
        "expires_at": 0,
        "modalities": ["audio", "text"],
        "input_audio_format": "pcm16",
        "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": None, "prompt": ""},
        "input_audio_noise_reduction": None,
        "turn_detection": _TURN_DETECTION,
        "include": None,
        **given,
        "client_secret": _secret(given, "expires_at"),
    }


_TURN_DETECTION: JsonObject = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "create_response": True,
    "interrupt_response": True,
}

_ENDPOINTS: dict[str, Callable[[JsonObject], JsonObject]] = {
    sessions.PATH: mint_session,
    transcription_sessions.PATH: mint_transcription_session,
}


def _secret(given: JsonObject, spelling: str) -> JsonObject:
    seconds: Json = given
    for name in ("client_secret", spelling, "seconds"):
        seconds = seconds.get(name) if isinstance(seconds, dict) else None
    lifetime = seconds if isinstance(seconds, int) else 60
    return {"value": f"ek_{secrets.token_hex(16)}", "expires_at": int(time.time()) + lifetime}
