"""Every shape that the official OpenAPI document allows is accepted.

The document is not part of the project: the test looks for it beside the checkout
(`../shared/spec/realtime.openapi.json`), and is skipped where there is none.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openai_realtime import (
    ClientSecretCreateResponse,
    RealtimeSessionCreateResponse,
    RealtimeTranscriptionSessionCreateResponse,
    ResponseMeta,
    TranslationClientSecretCreateResponse,
)
from openai_realtime.core.wire import Headers, Response
from openai_realtime.dialects import flat_response, nested_response
from openai_realtime.resources import calls, client_secrets, sessions, translations
from openai_realtime.resources import transcription_sessions as transcriptions
from openai_realtime.resources.responses import parse_response

DOCUMENT = Path(__file__).parents[2] / "shared" / "spec" / "realtime.openapi.json"
pytestmark = pytest.mark.skipif(not DOCUMENT.is_file(), reason="the document is not here")

# Valid values for fields that the document describes more loosely than any server.
VALID: dict[str, Any] = {
    "connector_id": "connector_gmail",
    "target_uri": "tel:+14155550123",
    "status_code": 486,
    "sdp": "v=0",
    "temperature": 0.8,
    "threshold": 0.5,
    "tool_choice": "auto",
}
# A function without a name or a type is no function; the document forgets to require them.
FUNCTION = {"type", "name", "description", "parameters"}


def schemas() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))["components"][
        "schemas"
    ]
    return loaded


def examples(schema: dict[str, Any], name: str = "") -> list[Any]:  # noqa: PLR0911 - a case a keyword
    """Return values that a schema allows: each alternative of each part at least once."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return examples(schemas()[name], name)
    if name in VALID:
        return [VALID[name]]
    for key in ("oneOf", "anyOf", "allOf"):
        if key in schema:
            inherited = {"title": schema["title"]} if "title" in schema else {}
            return [
                value for part in schema[key] for value in examples({**inherited, **part}, name)
            ]
    if "const" in schema:
        return [schema["const"]]
    if "enum" in schema:
        return list(schema["enum"])
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        return list(_objects(schema))
    if kind == "array" or "items" in schema:
        return [[], *([value] for value in examples(schema["items"]))]
    low = schema.get("minimum", 1)
    plain: dict[str | None, list[Any]] = {
        "string": ["server_vad" if name == "type" else "pcm16" if "format" in name else "text"],
        "integer": [low, schema.get("maximum", max(low, 5))],
        "number": [low, schema.get("maximum", low)],
        "boolean": [True, False],
        "null": [None],
    }
    return plain[kind]


def _objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    properties: dict[str, Any] = schema.get("properties", {})
    values = {name: examples(part, name) for name, part in properties.items()}
    required = set(schema.get("required", []))
    if properties.keys() == FUNCTION:
        required |= {"type", "name"}
    first = {name: options[0] for name, options in values.items()}
    yield {name: first[name] for name in properties if name in required}
    if properties:
        yield first
    for name, options in values.items():
        for option in options[1:]:
            yield {**{other: first[other] for other in required}, name: option}


def body_of(path: str, media: str = "application/json") -> dict[str, Any]:
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    content: dict[str, Any] = document["paths"][path]["post"]["requestBody"]["content"]
    schema: dict[str, Any] = content[media]["schema"]
    return schema


REQUESTS = {
    "/realtime/sessions": sessions.CREATE.parameters,
    "/realtime/transcription_sessions": transcriptions.CREATE.parameters,
    "/realtime/client_secrets": client_secrets.CREATE.parameters,
    "/realtime/translations/client_secrets": translations.CREATE.parameters,
    "/realtime/calls/{call_id}/accept": calls.ACTIONS["accept"],
    "/realtime/calls/{call_id}/reject": calls.ACTIONS["reject"],
    "/realtime/calls/{call_id}/refer": calls.ACTIONS["refer"],
}


@pytest.mark.parametrize("path", REQUESTS)
def test_every_request_is_accepted_and_sent_unchanged(path: str) -> None:
    accepted = 0
    for example in examples(body_of(path)):
        if path.endswith("/sessions"):
            # The document describes the whole session here, with the secret that comes back.
            example.pop("client_secret", None)
        if path.endswith("/accept"):
            example.pop("type", None)  # the client sets it
        assert json.loads(REQUESTS[path].encode(example)) == example
        accepted += 1
    assert accepted > (30 if "session" in path and "transcription" not in path else 0)


def test_every_call_is_accepted() -> None:
    for example in examples(body_of("/realtime/calls", "multipart/form-data")):
        assert calls.CREATE.validate(example) == example


RESPONSES: list[tuple[str, Any, Any]] = [
    ("RealtimeSessionCreateRequest", RealtimeSessionCreateResponse, flat_response),
    (
        "RealtimeTranscriptionSessionCreateResponse",
        RealtimeTranscriptionSessionCreateResponse,
        flat_response,
    ),
    ("RealtimeCreateClientSecretResponse", ClientSecretCreateResponse, nested_response),
    (
        "RealtimeTranslationClientSecretCreateResponse",
        TranslationClientSecretCreateResponse,
        nested_response,
    ),
]


@pytest.mark.parametrize(
    ("name", "model", "parse_shape"), RESPONSES, ids=[row[0] for row in RESPONSES]
)
def test_every_response_is_read_whole(name: str, model: Any, parse_shape: Any) -> None:
    count = 0
    for example in examples({"$ref": f"#/components/schemas/{name}"}):
        response = Response(200, Headers(), json.dumps(example).encode())
        parsed = parse_response(response, ResponseMeta(), model, parse_shape)
        assert parsed.meta.unreadable == {}
        assert json.loads(parsed.model_dump_json(exclude_unset=True)) == example
        count += 1
    assert count > 5


def test_the_nested_session_is_read_by_the_flat_model() -> None:
    """What the document calls the response of /realtime/sessions is nested, and has no secret."""
    for example in examples({"$ref": "#/components/schemas/RealtimeSessionCreateResponse"}):
        wrapped = {"value": "ek_1", "expires_at": 7, "session": example}
        response = Response(200, Headers(), json.dumps(wrapped).encode())
        parsed = parse_response(
            response, ResponseMeta(), RealtimeSessionCreateResponse, flat_response
        )
        assert parsed.client_secret.value == "ek_1"
