"""Strict JSON, and error responses as exceptions, by tables."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_realtime import errors
from openai_realtime.core.error_responses import status_error
from openai_realtime.core.peer_text import Sanitizer, sanitize_text
from openai_realtime.core.retry import RetryPolicy
from openai_realtime.core.strict_json import Json, decode_json, nests_too_deeply
from openai_realtime.core.wire import Headers, Response
from openai_realtime.secrets import MASK

KEY = "0a1b2c3d4e5f67890"  # no shape gives it away: Azure's keys look so
TABBED: Json = {"message": "many\n  \twords"}


def error_of(
    status: int, body: bytes = b"", headers: dict[str, str] | None = None
) -> errors.APIStatusError:
    response = Response(status, Headers(headers or {}), body)
    return status_error(response, policy=RetryPolicy(), sanitizer=Sanitizer((KEY,)))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (300, errors.RedirectError),
        (301, errors.RedirectError),
        (307, errors.RedirectError),
        (399, errors.RedirectError),
        (400, errors.BadRequestError),
        (401, errors.AuthenticationError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (409, errors.ConflictError),
        (418, errors.APIStatusError),
        (422, errors.UnprocessableEntityError),
        (429, errors.RateLimitError),
        (500, errors.InternalServerError),
        (529, errors.InternalServerError),
        (199, errors.APIStatusError),
    ],
)
def test_the_class_goes_by_the_status(status: int, kind: type[errors.APIStatusError]) -> None:
    error = error_of(status)
    assert type(error) is kind
    assert error.status_code == status
    assert error.message == "The server gave no reason"
    assert error.body is None


@pytest.mark.parametrize(
    ("body", "message", "code", "kind", "param"),
    [
        (
            {"error": {"message": "No", "type": "t", "code": "c", "param": "p"}},
            "No",
            "c",
            "t",
            "p",
        ),
        ({"error": {"message": "No", "code": 7, "param": ["a", 0]}}, "No", "7", None, "a.0"),
        (
            {"error": {"message": " ", "code": "", "param": []}, "x": "é"},
            '{"error": {"message": " ", "code": "", "param": []}, "x": "é"}',
            None,
            None,
            None,
        ),
        ({"error": {"detail": "No"}}, "No", None, None, None),
        ({"error": "No"}, "No", None, None, None),
        ({"error": "No", "code": "c"}, "No", "c", None, None),
        ({"detail": "No"}, "No", None, None, None),
        (
            {"detail": [{"loc": ["voice"], "msg": "né"}]},
            '[{"loc": ["voice"], "msg": "né"}]',
            None,
            None,
            None,
        ),
        ({"message": 7, "error": [], "detail": "No"}, "No", None, None, None),
        ({"message": "No", "code": True}, "No", None, None, None),
        ({"title": "No"}, "No", None, None, None),
        ({"error_description": "No", "error": ""}, "No", None, None, None),
        ({"unheard": "of"}, '{"unheard": "of"}', None, None, None),
        (["No"], '["No"]', None, None, None),
        ("No", "No", None, None, None),
        (None, "The server gave no reason", None, None, None),
        ({}, "The server gave no reason", None, None, None),
        (TABBED, "many words", None, None, None),
    ],
)
def test_the_message_is_found(
    body: Json, message: str, code: str | None, kind: str | None, param: str | None
) -> None:
    error = error_of(400, json.dumps(body).encode())
    assert error.message == message
    assert (error.code, error.type, error.param) == (code, kind, param)
    inner = body.get("error") if isinstance(body, dict) else None
    expected = inner or body  # the provider's error object, as in the official SDK
    assert error.body == (expected if body != TABBED else {"message": r"many\n  \twords"})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The server gave no reason"),
        (b"  \n", "The server gave no reason"),
        (b"upstream connect error", "upstream connect error"),
        (b"<html><head><title> 502 Bad\nGateway </title></head><body>x</body>", "502 Bad Gateway"),
        (b"<h1>Not <b>here</b></h1><style>p{}</style>", "Not here"),
        (b"<TITLE>Not here</TITLE><p>x</p>", "Not here"),
        (b"<SCRIPT>\nx()\n</SCRIPT><p>Not here</p>", "Not here"),
        (b"\xff\xfe\x00", "\ufffd\ufffd\\x00"),
        (b"1 < 2 <b>and 3 < 4", "1 < 2 and 3 < 4"),
        (b"<p>4 > 3 <b>and 2 > 1</b>", "4 > 3 and 2 > 1"),
        (b"<script async defer src=x>x()</script>Not here", "Not here"),
        (b"<title> </title><p>No title", "No title"),
        (b"<style>p{}<b>x</b><p>never closed", "The server gave no reason"),
        (b"<script><style></script>Here</style>", "Here"),
        (b"<>empty</>", "empty"),
        (b"<title>Not &lt;here&gt; &amp; now&#8238;</title>", r"Not <here> & now\u202e"),
        (b"<p>" + "".join(f"&#{ord(each)};" for each in KEY).encode(), MASK),
        (b"<p>a &#" + b"9" * 5000 + b"; b &#" + b"0" * 5000 + b"65; c", "a \ufffd b A c"),
        (b'{"error": ', '{"error":'),
    ],
)
def test_text_and_html_are_read(body: bytes, message: str) -> None:
    assert error_of(502, body).message == message


def test_a_page_is_read_further_than_it_is_shown() -> None:
    assert error_of(502, b"<style>" + b"x" * 10_000 + b"</style>Not here").message == "Not here"


def test_code_type_and_param_are_cut_to_200_characters() -> None:
    names = dict.fromkeys(("code", "type", "param"), "x" * 300)
    error = error_of(400, json.dumps(names).encode())
    assert {error.code, error.type, error.param} == {"x" * 199 + "…"}


@pytest.mark.parametrize(
    ("length", "message"),
    [(500, "x" * 500), (501, "x" * 499 + "…"), (10_000, "x" * 499 + "…")],
)
def test_a_long_message_is_cut(length: int, message: str) -> None:
    assert error_of(500, json.dumps({"message": "x" * length}).encode()).message == message


def test_facts_come_from_the_headers() -> None:
    headers = {"X-Request-Id": "req_1", "retry-after": "7"}
    error = error_of(429, b'{"error":{"message":"Slow down"}}', headers)
    assert (error.request_id, error.retry_after, error.retryable) == ("req_1", 7.0, True)
    assert error.headers["x-request-id"] == "req_1"
    assert error_of(500, headers={"apim-request-id": "azure"}).request_id == "azure"
    sent = {"Location": "https://h/?k=1", "x-a": f"b {KEY}", "x-b": "ek_0123", f"x-{KEY}": "c"}
    assert dict(error_of(307, headers=sent).headers) == {
        "location": MASK,
        "x-a": f"b {MASK}",
        "x-b": MASK,
    }
    assert str(error) == (
        "429: Slow down (request id req_1, attempt 1, retry after 7 s). "
        "Slow down, or ask the provider for a higher rate limit"
    )


REDIRECTED = "Redirects are never followed: set base_url to the final address"


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (300, None, REDIRECTED),
        (308, None, REDIRECTED),
        (399, "insufficient_quota", REDIRECTED),
        (400, None, None),
        (
            400,
            "beta_api_shape_disabled",
            'The server has retired the flat shape: use dialect="auto" or "ga"',
        ),
        (
            401,
            None,
            "Check the API key: it may be wrong, revoked, or meant for another provider or base_url",
        ),
        (403, None, "Check that the key's project may use the Realtime API and this model"),
        (
            404,
            "model_not_found",
            "Check the model name (at Azure, the deployment's), and that the key's project may use it",
        ),
        (
            404,
            "DeploymentNotFound",
            "Check the model name (at Azure, the deployment's), and that the key's project may use it",
        ),
        (404, "call_id_not_found", None),
        *[
            (404, code, "Check base_url (it ends in /v1 at most providers) and the model name")
            for code in (None, "404", "not_found", "NotFound", "ResourceNotFound")
        ],
        (429, None, "Slow down, or ask the provider for a higher rate limit"),
        (
            429,
            "insufficient_quota",
            "The account has no credit left: add some; waiting does not help",
        ),
        (500, None, None),
    ],
)
def test_hints(status: int, code: str | None, hint: str | None) -> None:
    assert error_of(status, json.dumps({"error": {"code": code}}).encode()).hint == hint


@pytest.mark.parametrize(
    ("status", "details", "retryable"),
    [
        (503, {}, True),
        (418, {}, False),
        (429, {"code": "rate_limit_exceeded", "type": "requests"}, True),
        (429, {"code": "insufficient_quota", "type": "requests"}, False),
        (429, {"code": "429", "type": "insufficient_quota"}, False),
    ],
)
def test_whether_trying_again_may_help(
    status: int, details: dict[str, str], *, retryable: bool
) -> None:
    assert error_of(status, json.dumps({"error": details}).encode()).retryable is retryable


def test_whether_the_server_may_have_acted() -> None:
    acted = {status for status in range(300, 600) if error_of(status).possibly_acted}
    assert acted == {408, 500, 502, 504, 520, 521, 522, 523, 524}


def test_a_short_text_under_a_secrets_name_masks_nothing_else() -> None:
    body = {"error": {"message": "Unknown value for voice", "key": "e", "token": "1234567"}}
    error = error_of(400, json.dumps(body).encode())
    assert error.message == "Unknown value for voice"
    long = {"error": {"message": "Not with 12345678", "token": "12345678"}}
    assert error_of(400, json.dumps(long).encode()).message == "Not with **********"


def test_used_up_quota_may_be_told_by_the_type() -> None:
    error = error_of(429, b'{"error":{"type":"insufficient_quota","code":null}}')
    assert not error.retryable


def test_no_secret_is_echoed() -> None:
    body = {
        "error": {
            "message": f"Wrong key: {KEY} (Bearer abcd1234, ek_0123456789, opaque-1, opaque-2)",
            "code": "invalid_api_key",
            KEY: [KEY, 1],
            "list": [{"Token": "opaque-2"}, {"token": ""}, None],
            "value": {"deep": "sess-98765432", "token": 3, "listed": ["opaque-1"]},
        },
        "client_secret": "opaque-1",
    }
    error = error_of(401, json.dumps(body).encode())
    message = f"Wrong key: {MASK} ({MASK}, {MASK}, {MASK}, {MASK})"
    assert error.message == message
    assert error.body == {
        "message": message,
        "code": "invalid_api_key",
        MASK: [MASK, 1],
        "list": [{"Token": MASK}, {"token": MASK}, None],
        "value": {"deep": MASK, "token": 3, "listed": [MASK]},
    }
    assert error.code == "invalid_api_key"
    assert error_of(401, f"<p>{KEY}</p>".encode()).body == f"<p>{MASK}</p>"


def test_a_secret_in_a_header_is_masked_wherever_it_is_quoted() -> None:
    headers = {"X-Api-Key": "opaque-gateway-key", "x-note": "no opaque-gateway-key"}
    error = error_of(401, b'{"error": "Wrong: opaque-gateway-key"}', headers)
    assert error.message == f"Wrong: {MASK}"
    assert dict(error.headers) == {"x-api-key": MASK, "x-note": f"no {MASK}"}


@pytest.mark.parametrize(
    "name",
    ["api_key", "api-key", "Authorization", "client_secret", "key", "secret", "token", "value"],
)
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert Sanitizer().json([{name: "opaque", "a": {name: [1, "b"]}}]) == [
        {name: MASK, "a": {name: [1, "b"]}}
    ]


@pytest.mark.parametrize(
    "text", ["sk-abcd", "sk_abcd", "ek_1234", "rk-1234", "sess-a.b/c", "Bearer a=bc"]
)
def test_a_secret_is_known_by_its_shape(text: str) -> None:
    assert sanitize_text(f"not '{text}', task-abcd, Bearers or sk-abc") == (
        f"not '{MASK}', task-abcd, Bearers or sk-abc"
    )


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "it is not JSON (Expecting value at character 0)"),
        (b"<html>", "it is not JSON (Expecting value at character 0)"),
        (b'{"a":NaN}', "it holds NaN, which JSON does not have"),
        (b"[Infinity]", "it holds Infinity, which JSON does not have"),
        (b"-Infinity", "it holds -Infinity, which JSON does not have"),
        (b"\xff", "it is not UTF-8"),
        ('"é"'.encode("utf-16"), "it is not UTF-8"),
        (b"[" * 65 + b"]" * 65, "it is nested too deeply"),
        (b"[" * 65 + b"]" * 64 + b",1]", "it is nested too deeply"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "it is nested too deeply"),
        (b"[" * 200_000, "it is nested too deeply"),
        (b"1" * 5000, "it holds a number with thousands of digits"),
    ],
)
def test_what_is_not_json(body: bytes, why: str) -> None:
    with pytest.raises(ValueError, match="^it ") as caught:
        decode_json(body)
    assert str(caught.value) == why
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("limit", [0, 1_000_000])
def test_a_process_without_a_limit_for_digits_has_ours(limit: int) -> None:
    """Libraries switch Python's off for the whole process: 900,000 digits would take minutes."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(limit)
    try:
        assert decode_json(b"[7, -" + b"8" * 4000 + b"]") == [7, -int("8" * 4000)]
        with pytest.raises(ValueError, match="it holds a number with thousands of digits"):
            decode_json(b"[" + b"9" * 900_000 + b"]")
    finally:
        sys.set_int_max_str_digits(before)


def test_a_member_that_is_named_twice_is_refused_where_it_is_asked_for() -> None:
    with pytest.raises(ValueError, match="^an object in it has two members of one name$"):
        decode_json(b'{"a":{"b":1,"b":2}}', unique_names=True)
    assert decode_json(b'{"a":{"b":1,"b":2}}') == {"a": {"b": 2}}


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 65,
        b'{"a":' * 65,
        b'[{"a":"]"},' + b"[" * 64,
        b'["\\"]",' + b"[" * 64,
        b'["\\\\",' + b"[" * 64,
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
def test_depth_is_seen_before_anything_is_parsed(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From Python 3.14 on, the C scanner of `json` recurses until the stack is used up."""

    def parse(*_: object, **__: object) -> None:
        pytest.fail("it was parsed")

    monkeypatch.setattr(json, "loads", parse)
    with pytest.raises(ValueError, match="nested too deeply"):
        decode_json(body)


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b"[" * 100 + b'"',
        b'["\\"' + b"[" * 100 + b'"]',
        b"[" + b"[]," * 100 + b"{}]",
        b"[" * 64 + b"]" * 64,
        b'"' + b"[" * 100,
        b'"' + b"[" * 100 + b"\\",
        b'"' + b'\\"[' * 100,
    ],
)
def test_what_is_not_deep_is_not_taken_for_it(body: bytes) -> None:
    assert not nests_too_deeply(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'"\ud83d\ude00 \u00e9"', "😀 é"),
        (rb'"\ud800"', "\ufffd"),
        (
            rb'{"a\ud800": ["\udc00b", {"c": "\ud83dd"}, 1]}',
            {"a\ufffd": ["\ufffdb", {"c": "\ufffdd"}, 1]},
        ),
    ],
)
def test_lone_surrogates_are_replaced(body: bytes, value: Json) -> None:
    assert decode_json(body) == value


@pytest.mark.parametrize(
    "value", [{}, [], None, 1.5, "NaN", {"a": [{"b": "Infinity"}]}, json.loads("[" * 64 + "]" * 64)]
)
def test_what_is_json(value: Json) -> None:
    assert decode_json(json.dumps(value).encode()) == value
    assert decode_json(b"\xef\xbb\xbf" + json.dumps(value).encode()) == value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


BRACKETS = st.text(st.sampled_from('[]{}"\\,:x'))


@given(st.recursive(BRACKETS, lambda inner: st.lists(inner) | st.dictionaries(BRACKETS, inner)))
def test_depth_is_that_of_the_value(value: Json) -> None:
    def depth(value: Json) -> int:
        inner = list(value.values()) if isinstance(value, dict) else value
        return 1 + max(map(depth, inner), default=0) if isinstance(inner, list) else 0

    for levels in (64 - depth(value), 65 - depth(value)):
        body = b"[" * levels + json.dumps(value).encode() + b"]" * levels
        assert nests_too_deeply(body) is (levels + depth(value) > 64)


@given(st.integers(100, 599), st.one_of(st.binary(), JSON.map(lambda v: json.dumps(v).encode())))
def test_any_answer_becomes_one_error(status: int, body: bytes) -> None:
    error = error_of(status, body)
    assert isinstance(error, errors.APIStatusError)
    assert error.message
    assert str(status) in str(error)
    assert len(error.message) <= 500


def test_members_named_twice_are_refused_where_that_is_asked() -> None:
    assert decode_json(b'[{"a":1,"a":2},{"a":3}]') == [{"a": 2}, {"a": 3}]
    assert decode_json(b'[{"a":1},{"a":2}]', unique_names=True) == [{"a": 1}, {"a": 2}]
    with pytest.raises(ValueError, match="has two members of one name"):
        decode_json(b'[{"b":{"a":1,"a":1}}]', unique_names=True)
