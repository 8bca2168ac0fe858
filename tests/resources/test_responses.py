"""From a 2xx response to a session or one error: by tables, and for any bytes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_realtime import (
    APIResponseValidationError,
    RealtimeSessionCreateResponse,
    ResponseMeta,
)
from openai_realtime.core.wire import Headers, Response
from openai_realtime.dialects import flat_response
from openai_realtime.resources.responses import parse_response

SECRET = "ek_0123456789"
GOOD: dict[str, Any] = {"client_secret": {"value": SECRET, "expires_at": 7}}


def read(body: object, **headers: str) -> RealtimeSessionCreateResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = Response(200, Headers(named), content)
    return parse_response(
        response, ResponseMeta(attempts=2), RealtimeSessionCreateResponse, flat_response
    )


def test_a_session() -> None:
    session = read({**GOOD, "voice": "verse"}, date="Thu, 01 Jan 1970 00:00:05 GMT")
    assert (session.client_secret.value, session.voice) == (SECRET, "verse")
    assert session.meta.attempts == 2
    assert 1.5 < (session.client_secret.seconds_left or 0) <= 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "its body is empty"),
        (b" \n", "its body is empty"),
        (b"<html>", "it is not JSON .*content type is text/html"),
        (b"\xff", "not UTF-8"),
        ([GOOD], "JSON array, not an object"),
        ("ek_0123456789", "JSON string, not an object"),
        (5, "JSON number"),
        (True, "JSON boolean"),
        (None, "JSON null"),
        ({**GOOD, "error": {"message": "over"}}, "it reports an error: over"),
        ({**GOOD, "error": "over"}, "it reports an error: over"),
        ({**GOOD, "error": {}}, "it reports an error"),
        ({}, "client_secret is missing"),
        ({"client_secret": None}, "client_secret is not an object"),
        ({"client_secret": SECRET}, "client_secret is not an object"),
        ({"client_secret": {}}, "client_secret.value is missing"),
        ({"client_secret": {"value": None}}, "client_secret.value is not text"),
        ({"client_secret": {"value": ""}}, "client_secret.value is empty"),
        ({"client_secret": {"value": "e\nk"}}, "not visible ASCII"),
        ({"client_secret": {"value": "x" * 4097}}, "longer than 4096"),
        ({"client_secret": {"value": SECRET, "expires_at": -1}}, "expires_at is neither"),
        ({"client_secret": {"value": SECRET, "expires_at": "soon"}}, "expires_at is neither"),
        (b'{"client_secret":{"value":"ek_0123456789","expires_at":NaN}}', "holds NaN"),
        (
            b'{"client_secret":{"value":"ek_0123456789","expires_at":1e999}}',
            "expires_at is neither",
        ),
        (b'{"client_secret":{"value":"ek_0123456789"},"x":Infinity}', "holds Infinity"),
        (b'{"client_secret":{"value":"ek_0123456789"},"x":' + b"[" * 70 + b"]" * 70 + b"}", "deep"),
    ],
)
def test_what_is_no_session(body: object, message: str) -> None:
    with pytest.raises(APIResponseValidationError, match=message) as caught:
        read(body, content_type="text/html")
    error = caught.value
    assert "without a usable client secret" in str(error)
    assert error.hint
    assert error.__context__ is None
    assert "0123456789" not in f"{error} {error.body!r}"


def test_the_shape_of_what_came_is_kept_without_its_texts() -> None:
    with pytest.raises(APIResponseValidationError) as caught:
        read({"token": SECRET, "n": [1, {"deep": SECRET}]})
    assert caught.value.body == {"token": "**********", "n": [1, {"deep": "**********"}]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", "high"),
        ("voice", 5),
        ("tools", "none"),
        ("turn_detection", [1]),
        ("speed", "fast"),
        ("modalities", {"audio": True}),
    ],
)
def test_an_odd_optional_field_costs_nobody_their_secret(field: str, value: object) -> None:
    session = read({**GOOD, field: value, "id": "sess_1"})
    assert session.client_secret.value == SECRET
    assert session.id == "sess_1"
    assert getattr(session, field) == RealtimeSessionCreateResponse.model_fields[field].default
    assert session.meta.unreadable == {field: value}


@pytest.mark.parametrize(
    "body",
    [
        {**GOOD, "instructions": "NaN and Infinity"},
        {**GOOD, "error": None},
        {**GOOD, "tools": [{"parameters": {"a": [{}] * 100}}]},
    ],
)
def test_what_only_looks_suspicious_is_read(body: dict[str, Any]) -> None:
    session = read(body)
    assert session.client_secret.value == SECRET
    assert session.meta.unreadable == {}
    assert json.loads(session.model_dump_json(exclude_unset=True)) == body


@pytest.mark.parametrize(
    "more",
    [
        {"value": "ek_LEAKED_0123"},
        {"session": {"client_secret": {"value": "ek_LEAKED_0123"}}},
        {"tools": [{"type": "mcp", "authorization": "LEAKED", "headers": {"X": "LEAKED"}}]},
        {"new": {"headers": {"X": "LEAKED"}}},
        {"note": ["sk-LEAKED_0123"]},
    ],
)
def test_no_secret_shows_in_an_answer_wherever_it_stands(more: dict[str, Any]) -> None:
    session = read({**GOOD, **more})
    assert session.client_secret.value == SECRET
    assert "LEAKED" not in f"{session!r} {session}"


def test_a_session_around_a_flat_secret_is_read() -> None:
    session = read({**GOOD, "session": {"model": "m", "audio": {"output": {"voice": "verse"}}}})
    assert (session.model, session.voice) == ("m", "verse")


def test_lone_surrogates_are_replaced() -> None:
    body = b'{"client_secret":{"value":"ek_0123456789"},"voice":"\\ud800","\\udfff":["\\u00e9\\ud83d\\ude00"]}'
    session = read(body)
    assert session.voice == "\ufffd"
    assert json.loads(session.model_dump_json())["\ufffd"] == ["é\U0001f600"]


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_session_or_one_error(body: bytes) -> None:
    with pytest.raises(APIResponseValidationError):
        read(body)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers())
            for name in [*RealtimeSessionCreateResponse.model_fields, "error"]
        },
    ),
    st.booleans(),
)
def test_any_object_is_a_session_with_a_secret_or_one_error(body: Any, good: bool) -> None:
    try:
        session = read({**body, **GOOD} if good else body)
    except APIResponseValidationError:
        assert not good or body.get("error") is not None
    else:
        assert session.client_secret.value == SECRET
