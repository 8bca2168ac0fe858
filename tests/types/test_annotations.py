"""A part of a response becomes the model that its type names, however the response is read."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from openai_realtime import (
    ClientSecretCreateResponse,
    FunctionTool,
    RealtimeSessionCreateResponse,
)
from openai_realtime.types.nested_session import NestedRealtimeSession, NestedTranscriptionSession
from openai_realtime.types.tools import McpTool

SESSIONS: list[tuple[dict[str, Any], type]] = [
    ({"type": "realtime", "model": "m"}, NestedRealtimeSession),
    ({"type": "transcription", "include": ["x"]}, NestedTranscriptionSession),
    ({"model": "m"}, NestedRealtimeSession),
    ({"type": "something new", "model": "m"}, NestedRealtimeSession),
    ({"type": None}, NestedRealtimeSession),
    ({}, NestedRealtimeSession),
]


def response(session: object) -> dict[str, object]:
    return {"value": "ek_0123456789", "session": session}


@pytest.mark.parametrize(("session", "kind"), SESSIONS)
def test_a_session(session: dict[str, Any], kind: type) -> None:
    from_json = ClientSecretCreateResponse.model_validate_json(json.dumps(response(session)))
    from_python = ClientSecretCreateResponse.model_validate(response(session))
    for read in (from_json, from_python):
        assert type(read.session) is kind
        assert read.model_dump(exclude_unset=True)["session"] == session
    again = ClientSecretCreateResponse.model_validate(response(from_json.session))
    assert again.session == from_json.session


def test_no_session() -> None:
    assert ClientSecretCreateResponse.model_validate(response(None)).session is None


@pytest.mark.parametrize(
    "session",
    [
        {"type": "transcription", "include": 5},
        {"type": "realtime", "model": 5},
        {"type": ["x"]},
        {"type": {}},
        {"tools": [{"type": {}}]},
        5,
    ],
)
def test_what_does_not_fit_its_type_is_not_taken_for_another(session: object) -> None:
    with pytest.raises(ValidationError):
        ClientSecretCreateResponse.model_validate_json(json.dumps(response(session)))
    with pytest.raises(ValidationError):
        ClientSecretCreateResponse.model_validate(response(session))


@pytest.mark.parametrize(
    ("tool", "kind"),
    [
        ({"type": "function", "name": "f"}, FunctionTool),
        ({"type": "mcp", "server_label": "s"}, McpTool),
        ({"name": "f"}, FunctionTool),
        ({"type": "something new"}, FunctionTool),
    ],
)
def test_a_tool(tool: dict[str, Any], kind: type) -> None:
    for session in (NestedRealtimeSession, RealtimeSessionCreateResponse):
        members = {"tools": [tool], "client_secret": {"value": "ek_1", "expires_at": 1}}
        read = session.model_validate_json(json.dumps(members))
        assert read.tools is not None
        assert type(read.tools[0]) is kind
        assert read.model_dump(exclude_unset=True)["tools"] == [tool]
