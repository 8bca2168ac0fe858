"""Redacted strings: the repr is masked, the value is not changed."""

import copy
import json
import pickle
import traceback

import httpx
import pytest
from pydantic import TypeAdapter, ValidationError
from rich.pretty import pretty_repr

from openai_realtime import BadRequestError, SyncRealtimeSessionsClient
from openai_realtime.core.peer_text import Sanitizer, sanitize_text
from openai_realtime.core.strict_json import Json
from openai_realtime.secrets import MASK, ApiKey, Authorization, EphemeralKey, RedactedBytes
from openai_realtime.types import McpToolParam, RealtimeSessionParam

SECRET = EphemeralKey("ek_0123456789")


def test_every_repr_is_masked() -> None:
    shown = [
        repr(SECRET),
        f"{SECRET!r}",
        f"{[SECRET]} { ({'a': SECRET}) }",
        repr(ApiKey("sk-0123456789")),
        repr(Authorization(ApiKey("sk-0123456789"), (b"Authorization", b"Bearer sk-0123456789"))),
    ]
    for text in shown:
        assert "0123456789" not in text
        assert MASK in text


def test_the_value_is_not_changed() -> None:
    assert f"Bearer {SECRET}" == "Bearer ek_0123456789"
    assert SECRET == "ek_0123456789"
    assert json.dumps({"value": SECRET}) == '{"value": "ek_0123456789"}'
    assert SECRET.encode() == b"ek_0123456789"


def test_parts_keep_the_mask() -> None:
    """A project's key has 164 characters: rich shows the first 80 of a local variable."""
    key = ApiKey("sk-proj-" + "0123456789" * 16)
    for shown in (pretty_repr({"key": key}, max_string=80), repr(key[:80]), repr(key[-1])):
        assert "0123456789" not in shown
        assert MASK in shown
    assert (key[:3], key[-1]) == ("sk-", "9")


def test_copies_keep_the_mask_and_pickles_are_refused() -> None:
    for duplicate in (copy.copy(SECRET), copy.deepcopy(SECRET), copy.deepcopy([SECRET])[0]):
        assert duplicate == SECRET
        assert MASK in repr(duplicate)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(SECRET, protocol)


@pytest.mark.parametrize("value", ["", " ", "a b", "a\n", "é", "x" * 4097, 7, None])
def test_values_that_pydantic_refuses(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(EphemeralKey).validate_python(value)


def test_values_that_pydantic_accepts() -> None:
    value = TypeAdapter(EphemeralKey).validate_json('"ek_1"')
    assert type(value) is EphemeralKey
    assert len(TypeAdapter(EphemeralKey).validate_python("x" * 4096)) == 4096


@pytest.mark.parametrize(
    "text",
    [
        "key sk-proj-0123456789 is wrong",
        "key: 'ek_0123456789'",
        "Authorization: Bearer 0123456789",
        'rk-0123456789, sess_0123456789;"',
    ],
)
def test_keys_are_masked_by_their_shape(text: str) -> None:
    assert "0123456789" not in sanitize_text(text)
    assert MASK in sanitize_text(text)


def test_ordinary_words_are_left_alone() -> None:
    text = "The task-force asked: risk-free, sketch, ek, sk-1"
    assert sanitize_text(text) == text


def test_json_is_masked_by_member_name() -> None:
    value: Json = {
        "Token": "a",
        "value": ["b"],
        "list": [{"secret": "c", "n": 1}],
        "key": 2,
        "a": "x",
    }
    assert Sanitizer().json(value) == {
        "Token": MASK,
        "value": ["b"],
        "list": [{"secret": MASK, "n": 1}],
        "key": 2,
        "a": "x",
    }


MCP_TOKEN = "Ynot-a-shape-of-any-provider"


def repeat_the_request(request: httpx.Request) -> httpx.Response:
    """Respond as a server does that quotes what it was sent, and the token of `Bearer …` alone."""
    message = f"wrong: {request.read().decode()} {MCP_TOKEN}-2"
    return httpx.Response(400, json={"error": {"message": message, "param": MCP_TOKEN}})


def test_the_credentials_of_an_mcp_tool_are_masked_in_errors() -> None:
    tool: McpToolParam = {
        "type": "mcp",
        "server_label": "s",
        "server_url": "https://mcp.example",
        "authorization": MCP_TOKEN,
        "headers": {"X-Tenant": f"Bearer {MCP_TOKEN}-2"},
    }
    session: RealtimeSessionParam = {"type": "realtime", "tools": [tool]}
    transport = httpx.MockTransport(repeat_the_request)
    with SyncRealtimeSessionsClient(api_key="sk-x", transport=transport) as client:
        for call in (
            lambda: client.client_secrets.create(session=session),
            lambda: client.calls.create(sdp="v=0", session=session),
            lambda: client.calls.accept("rtc_1", tools=[tool]),
        ):
            with pytest.raises(BadRequestError) as caught:
                call()
            error = caught.value
            shown = "".join(traceback.format_exception(error)) + repr((vars(error), error.body))
            assert "wrong" in shown
            assert MCP_TOKEN not in shown


def test_the_repr_of_bytes_is_masked() -> None:
    value = RedactedBytes(b"Bearer gateway-key")
    assert "gateway" not in f"{value!r}"
    assert bytes(value) == b"Bearer gateway-key"
