"""Fuzzing: each parser returns a valid value or its one error, for any text of a peer.

A short run is part of the suite; `python -m pytest -m fuzz` is a long one. `tests/faults/test_any_bytes.py`
fuzzes HTTP/1.1 itself.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import Headers as RequestHeaders
from starlette.requests import Request
from webhooks import deliveries

from fuzz.texts import (
    KEY,
    SECRET,
    bodies,
    damaged,
    encoded,
    header_values,
    headers,
    objects,
    texts,
    values,
)
from openai_realtime import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    ClientSecretCreateResponse,
    RealtimeCallIncoming,
    RealtimeSessionCreateResponse,
    WebhookVerificationError,
    WebhookVerifier,
)
from openai_realtime.cli.auth import anyone_on_this_machine, bearer_tokens
from openai_realtime.cli.failures import failure_of
from openai_realtime.cli.output import meta_line, session_rows
from openai_realtime.configuration import Configuration
from openai_realtime.core.error_responses import status_error
from openai_realtime.core.meta import parse_duration, response_meta
from openai_realtime.core.peer_text import Sanitizer, sanitize_text, visible
from openai_realtime.core.retry import RetryPolicy, parse_http_date, parse_retry_after
from openai_realtime.core.strict_json import decode_json
from openai_realtime.core.wire import MAX_BODY_BYTES, Headers, Response, whole_body
from openai_realtime.dialects import flat_response, nested_response
from openai_realtime.mint.authorization import client_address
from openai_realtime.mint.cors import CorsPolicy
from openai_realtime.mint.errors import EndpointError
from openai_realtime.mint.request_body import check_content_type
from openai_realtime.resources.calls import action_call, begin_call
from openai_realtime.resources.create_operation import is_retired
from openai_realtime.resources.responses import parse_response
from openai_realtime.types.client_secret import MAX_UNIX_SECONDS, ClientSecret, parse_expiry

CONFIGURATION = Configuration.resolve({"api_key": KEY})
VERIFIER = WebhookVerifier(deliveries.SECRET, clock=lambda: deliveries.NOW)
MODELS: dict[Any, Any] = {
    RealtimeSessionCreateResponse: flat_response,
    ClientSecretCreateResponse: nested_response,
}


def assert_safe(*shown: object, longest: int = 3000, knows_key: bool = True) -> None:
    """Check that shown texts have no secret and no control characters, and are not too long."""
    for text in map(str, shown):
        assert text.isprintable(), ascii(text)
        assert len(text) <= longest
        assert not knows_key or KEY not in text.lower()
        assert "sk-proj-1234" not in text
        assert "ek_12345678" not in text


def everything_in(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value, *(found for member in value.values() for found in everything_in(member))]
    if isinstance(value, list):
        return [found for member in value for found in everything_in(member)]
    return [value]


def response_of(status: int, raw: list[tuple[bytes, bytes]], body: bytes) -> Response:
    return Response(status, Headers.of_raw(raw), body)


# --- Responses -------------------------------------------------------------------------------


def check_error(sent: tuple[int, list[tuple[bytes, bytes]], bytes]) -> None:
    error = status_error(response_of(*sent), policy=RetryPolicy(), sanitizer=Sanitizer((KEY,)))
    assert isinstance(error, APIStatusError)
    assert error.message
    assert_safe(error, error.code, error.param, error.type, error.request_id, error.hint)
    assert_safe(*everything_in(error.body), *error.headers, *error.headers.values(), longest=9000)
    assert_safe(failure_of(error))
    assert error.retry_after is None or 0 <= error.retry_after < math.inf
    assert {is_retired(error, "beta"), is_retired(error, "ga")} <= {True, False}


def check_success(sent: tuple[list[tuple[bytes, bytes]], bytes]) -> None:
    response = response_of(200, *sent)
    for model, parse_shape in MODELS.items():
        meta = response_meta(response, Sanitizer((KEY,)), attempts=1, elapsed=0, possible_orphans=0)
        try:
            minted = parse_response(response, meta, model, parse_shape, lifetime=60)
        except APIResponseValidationError as error:
            assert_safe(error, *everything_in(error.body), longest=9000)
        else:
            assert re.fullmatch("[!-~]{1,4096}", minted.client_secret.value)
            left = minted.client_secret.seconds_left
            assert left is None or 0 <= left <= 60
            assert_safe(repr(minted), minted, repr(minted.meta), longest=20_000)
            rows = dict(session_rows(minted))
            rows.pop("client_secret")
            assert_safe(*rows, *(line for text in rows.values() for line in text.split("\n")))
        assert_safe(meta_line(meta), meta.request_id)
        assert_safe(*meta.headers, *meta.headers.values(), longest=9000)
        for number in vars_of(meta.rate_limits):
            assert number is None or 0 <= number < math.inf


def vars_of(value: Any) -> list[Any]:
    return [getattr(value, name) for name in value.__dataclass_fields__]


def check_call(sent: tuple[list[tuple[bytes, bytes]], bytes]) -> None:
    response = response_of(201, *sent)
    meta = response_meta(response, Sanitizer((KEY,)), attempts=1, elapsed=0, possible_orphans=0)
    calls: list[Any] = [
        begin_call(CONFIGURATION, {"sdp": "v=0"}),
        action_call(CONFIGURATION, "hangup", "rtc_1", {}),
    ]
    for call in calls:
        try:
            begun = call.parse(response, meta)
        except APIResponseValidationError as error:
            assert_safe(error)
        else:
            assert begun is None or begun.id is None or re.fullmatch(r"[\w-]{1,128}", begun.id)
            assert_safe(repr(begun))


def check_body(sent: tuple[str, bytes]) -> None:
    try:
        assert len(whole_body(Headers({"content-encoding": sent[0]}), sent[1])) <= MAX_BODY_BYTES
    except APIConnectionError as error:
        assert_safe(error)


def check_json(body: bytes) -> None:
    try:
        value = decode_json(body)
    except ValueError as error:
        assert_safe(error, longest=100)
    else:
        # It can be encoded again without a change.
        assert decode_json(json.dumps(value, ensure_ascii=False).encode()) == value
        shown = json.dumps(Sanitizer((KEY,)).json(value))
        assert KEY not in shown.lower()
    assert_unique(body)


def assert_unique(body: bytes) -> None:
    with suppress(ValueError):
        assert decode_json(body, unique_names=True) == decode_json(body)


def check_response_shape(value: dict[str, Any]) -> None:
    for parse_shape in (flat_response, nested_response):
        before = json.dumps(value)
        assert isinstance(parse_shape(value), dict)
        assert json.dumps(value) == before, "the received object is not changed"


# --- Headers, one by one ----------------------------------------------------------------------


def check_header(text: str) -> None:
    seconds = parse_retry_after(Headers({"retry-after": text, "date": text}))
    assert seconds is None or 0 <= seconds < math.inf
    seconds = parse_retry_after(Headers({"retry-after-ms": text}))
    assert seconds is None or 0 <= seconds <= 1e9
    moment = parse_http_date(text)
    assert moment is None or math.isfinite(moment)
    duration = parse_duration(text)
    assert duration is None or 0 <= duration < math.inf
    secret = ClientSecret.model_validate({"value": "ek_1", "expires_at": 2_000_000_000})
    secret.received(text, 10)
    assert 0 <= (secret.seconds_left or 0) <= 10
    with suppress(ValueError, OverflowError):
        assert 0 <= parse_expiry(text) <= MAX_UNIX_SECONDS


def check_text(text: str) -> None:
    assert_safe(sanitize_text(text, (KEY,)), longest=500)
    assert visible(text).isprintable()
    assert sanitize_text(sanitize_text(text, (KEY,)), (KEY,)) == sanitize_text(text, (KEY,))


# --- Telephone calls and webhooks -------------------------------------------------------------


def check_phone_call(header: str) -> None:
    call = RealtimeCallIncoming.model_validate(
        deliveries.call_with(sip_headers=[{"name": "From", "value": header}])
    )
    assert call.from_uri is None or call.from_uri in header[:1024]
    assert call.from_number is None or re.fullmatch(r"\+?[0-9]{2,15}", call.from_number)
    assert_safe(repr(call), longest=20_000, knows_key=False)


def check_address(parts: tuple[str, str]) -> None:
    """Check that a header in the syntax of RFC 3261 is parsed correctly."""
    name, user = parts
    quoted = name.replace("\\", r"\\").replace('"', r"\"")
    call = RealtimeCallIncoming.model_validate(
        deliveries.call_with(
            sip_headers=[{"name": "f", "value": f'"{quoted}" <sip:{user}@host;x=1>;tag=a<b>'}]
        )
    )
    assert call.from_uri == f"sip:{user}@host;x=1"
    assert call.from_number == user


def check_webhook(sent: tuple[bytes, dict[str, str]]) -> None:
    body, changed = sent
    signed = {**deliveries.signed(body), **changed}
    for given_headers in (signed, changed):
        try:
            event = VERIFIER.verify(body, given_headers)
        except WebhookVerificationError as error:
            assert_safe(error, longest=800)
        else:
            assert event.webhook_id == signed["webhook-id"]
            assert_safe(repr(event), event, longest=20_000, knows_key=False)


# --- Browsers, at the mint service ------------------------------------------------------------


def check_request(raw: list[tuple[bytes, bytes]]) -> None:
    scope: Any = {"type": "http", "headers": raw, "client": ("192.0.2.1", 1)}
    for proxies in (0, 1, 2):
        address = client_address(scope, proxies)
        assert address is not None
        ipaddress.ip_address(address)
    origins = CorsPolicy.of(["https://app.example"], credentials=True)
    allowed = origins.response_headers(RequestHeaders(scope=scope)).get(
        "Access-Control-Allow-Origin"
    )
    assert allowed in {None, "https://app.example"}
    for check in (origins.check, check_content_type, origins.preflight_headers):
        with suppress(EndpointError):
            check(RequestHeaders(scope=scope))
    rules: list[Any] = [bearer_tokens("--token-file", f"ann {KEY}"), anyone_on_this_machine()]
    for authorize in rules:
        with pytest.raises(StopIteration) as end:
            authorize(Request(scope)).send(None)
        bearer = [value for name, value in raw if name.lower() == b"authorization"]
        assert end.value.value is None or KEY in bearer[0].decode("latin-1")


_HEADER_NAMES = [
    b"x-forwarded-for",
    b"origin",
    b"content-type",
    b"content-encoding",
    b"authorization",
]
_signed_like = st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "X-Other"])
_webhooks = (
    bodies
    | damaged(st.just(deliveries.encoded()))
    | objects.map(lambda data: encoded(deliveries.call_with(**data)))
)
_addresses = st.tuples(st.text(max_size=60), st.from_regex(r"\+?[0-9]{2,15}", fullmatch=True))
_good = objects.map(lambda more: {"client_secret": {"value": SECRET, "expires_at": 7}, **more})

PARSERS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], None]]] = {
    "an error": (st.tuples(st.integers(100, 599), headers, bodies), check_error),
    "an error's object": (
        st.tuples(st.sampled_from([400, 401, 404, 429, 503]), headers, objects.map(encoded)),
        check_error,
    ),
    "a success": (st.tuples(headers, bodies), check_success),
    "a session": (
        st.tuples(headers, _good.map(encoded) | damaged(_good.map(encoded))),
        check_success,
    ),
    "a call": (st.tuples(headers, bodies | bodies.map(b"v=0\r\n".__add__)), check_call),
    "a body's encoding": (st.tuples(texts | st.just("gzip"), bodies), check_body),
    "JSON": (bodies, check_json),
    "another shape of session": (objects, check_response_shape),
    "a header": (texts, check_header),
    "a text": (texts, check_text),
    "a phone call": (texts, check_phone_call),
    "a SIP address": (_addresses, check_address),
    "a webhook": (
        st.tuples(_webhooks, st.dictionaries(_signed_like, texts, max_size=2)),
        check_webhook,
    ),
    "a request to the mint service": (
        st.lists(st.tuples(st.sampled_from(_HEADER_NAMES), header_values), max_size=6),
        check_request,
    ),
    "JSON values": (values.map(encoded), check_json),
}
RUNS = [
    pytest.param(25, id="short"),
    pytest.param(20_000, id="long", marks=[pytest.mark.fuzz, pytest.mark.timeout(3600)]),
]


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("examples", RUNS)
@pytest.mark.parametrize("parser", PARSERS)
def test_any_text_of_a_peer(parser: str, examples: int) -> None:
    sent, check = PARSERS[parser]
    settings(max_examples=examples)(given(sent)(check))()
