"""The work on a text that a peer sent grows linearly with its size: each function with its worst cases."""

from __future__ import annotations

import gc
import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import pytest
from starlette.datastructures import Headers as RequestHeaders
from starlette.requests import Request
from webhooks.deliveries import CALL, NOW, SECRET, call_with, encoded, signed

from openai_realtime import (
    RealtimeCallIncoming,
    RealtimeError,
    RealtimeSessionCreateResponse,
    WebhookVerifier,
)
from openai_realtime.cli.auth import bearer_tokens
from openai_realtime.cli.failures import failure_of
from openai_realtime.cli.output import meta_line, one_line, session_rows
from openai_realtime.cli.service import _JsonFormatter, _TextFormatter
from openai_realtime.configuration import Configuration
from openai_realtime.core.error_responses import status_error
from openai_realtime.core.meta import ResponseMeta, ShownHeaders, parse_duration, response_meta
from openai_realtime.core.peer_text import Sanitizer, sanitize_text, secrets_in, visible
from openai_realtime.core.retry import RetryPolicy, parse_http_date, parse_retry_after
from openai_realtime.core.strict_json import decode_json
from openai_realtime.core.wire import Headers, Response, whole_body
from openai_realtime.dialects import flat_response, nested_response
from openai_realtime.mint.authorization import client_address
from openai_realtime.mint.cors import CorsPolicy
from openai_realtime.mint.errors import EndpointError
from openai_realtime.mint.request_body import check_content_type
from openai_realtime.resources.calls import action_call, begin_call
from openai_realtime.resources.create_operation import is_retired
from openai_realtime.resources.responses import parse_response
from openai_realtime.types.client_secret import ClientSecret, parse_expiry
from openai_realtime.types.nested_session import ClientSecretCreateResponse

KEY = "0123456789abcdef0123456789abcdef"
SMALL, MIDDLE, LARGE = 5_000, 15_000, 50_000
NEGLIGIBLE = 0.005  # seconds of processor time that 50 kB may always take
TOO_LONG = 3.0
# Ten times the size takes ten times as long where work is linear, and 100 where it is quadratic.
MOST_GROWTH = 30.0

Prepared = Callable[[], object]
S = TypeVar("S")
T = TypeVar("T", str, bytes)


def cpu_seconds(work: Prepared, measures: int = 1) -> float:
    """Return the smallest of several measures, because other work of the machine only adds time."""
    best = float("inf")
    gc.disable()  # a collection depends on what other tests have left
    try:
        for _ in range(measures):
            began = time.thread_time()
            with suppress(RealtimeError, ValueError):
                work()
            best = min(best, time.thread_time() - began)
    finally:
        gc.enable()
    return best


def times(text: T, size: int) -> T:
    """Repeat `text` until it has about `size` characters."""
    return text * (size // len(text) + 1)


# --- The inputs: each a text of about `size` characters ---------------------------------------

TEXTS: dict[str, Callable[[int], str]] = {
    text: partial(times, text)
    for text in (
        " ",
        "a",
        "9",
        "<",
        ">",
        "(",
        ",",
        ":",
        ";",
        "@",
        "%",
        '"',
        "\\",
        "\x1b",
        "\n",
        "\u202e",
        "İ",
        '\\"',
        "a ",
        "a,",
        "1m",
        "1.",
        "<a",
        "</",
        "<title",
        "<title>",
        "<script>",
        "<style></script>",
        "Bearer ",
        "Bearer a",
        "Basic -",
        "eyJ-",
        "sk-",
        "sk-abcd ",
        '"key"',
        '"key" :"abcdefgh" ',
        "&key=",
        "?key=abcdefgh",
        KEY[:31],
        KEY,
        "sip:",
        "<sip:",
        "sip:a@",
        "tel:1;",
        "GMT ",
        "Thu, ",
        "T00:",
    )
}
TEXTS["a key that never ends"] = lambda size: "sk-" + "a" * size
TEXTS["spaces after Bearer"] = lambda size: "Bearer" + " " * size
TEXTS["spaces in a member"] = lambda size: '"key"' + " " * size
TEXTS["a quoted name that never ends"] = lambda size: '"' + times(r"\"", size)
TEXTS["a URI that never ends"] = lambda size: "<sip:" + "a" * size
TEXTS["a user that never ends"] = lambda size: "<sip:" + "a;" * (size // 2) + ">"
TEXTS["a date with a long year"] = lambda size: "Thu, 01 Jan " + "1" * size + " 00:00:00 GMT"
TEXTS["a time with a long fraction"] = lambda size: "2026-01-01T00:00:00." + "1" * size

JSONS: dict[str, Callable[[int], bytes]] = {
    "secrets": lambda size: json.dumps(
        [{"value": f"secret-{n:08}"} for n in range(size // 30)]
    ).encode(),
    "secrets that begin alike": lambda size: json.dumps(
        [{"value": "a" * 400 + str(n)} for n in range(size // 420)] + ["a" * 399]
    ).encode(),
    "secrets and quotes of them": lambda size: json.dumps(
        {
            "error": {"message": "aaaaaaab" * (size // 16)},
            "all": [{"token": "aaaaaaab" * (n + 1)} for n in range(30)],
        }
    ).encode(),
    "members": lambda size: json.dumps({f"name-{n}": n for n in range(size // 16)}).encode(),
    "objects": lambda size: times(b"[{}],", size)[:-1].join([b"[", b"]"]),
    "brackets": lambda size: b"[" * size,
    "brackets in a text": lambda size: b'"' + b"[" * size + b'"',
    "a text that never ends": lambda size: b'[{"a":"' + times(rb"\"", size),
    "texts that never end": lambda size: times(b'"[{\\', size),
    "surrogates": lambda size: b'{"a":"' + times(rb"\ud800", size) + b'"}',
    "numbers": lambda size: b"[" + times(b"1" * 4000 + b",", size) + b"1]",
    "a number": lambda size: b"1" * size,
    "a fraction": lambda size: b"0." + b"1" * size,
    "a long name": lambda size: json.dumps(
        {"a" * (size // 2): {str(n): 1 for n in range(size // 16)}}
    ).encode(),
    "levels": lambda size: json.dumps(deep("a" * (size // 64))).encode(),
    "wrappers": lambda size: b'{"data":' * 60 + b'"' + b"a" * size + b'"' + b"}" * 60,
    "tools": lambda size: json.dumps(
        {"tools": [{"type": n % 3} for n in range(size // 12)]}
    ).encode(),
    "a session": lambda size: json.dumps(
        {
            "client_secret": {"value": KEY[::-1], "expires_at": "9" * 20},
            "instructions": KEY[:30] * (size // 60),
            "other": [KEY[:30]] * (size // 120),
        }
    ).encode(),
    "a good session": lambda size: json.dumps(
        {
            "client_secret": {"value": KEY[::-1], "expires_at": 7},
            **{f"other-{n}": {"a": [KEY]} for n in range(size // 60)},
        }
    ).encode(),
}


def deep(text: str) -> dict[str, Any]:
    value: Any = text
    for _ in range(60):
        value = {text: value, "x": 1}
    return {"error": value}


# --- The functions: each prepares the work on an input ----------------------------------------


def sanitizer() -> Sanitizer:
    return Sanitizer((KEY,))


def error_of(body: bytes, **headers: str) -> RealtimeError:
    response = Response(400, Headers(headers), body)
    return status_error(response, policy=RetryPolicy(), sanitizer=sanitizer())


def reported(body: bytes) -> Prepared:
    def work() -> None:
        error = error_of(body)
        failure_of(error)
        is_retired(error, "beta")  # type: ignore[arg-type]  # it is one
        _ = f"{error!r} {error} {error.__dict__}"

    return work


def minted(body: bytes) -> Prepared:
    response = Response(200, Headers(), body)

    def work() -> None:
        for model, parse_shape in (
            (RealtimeSessionCreateResponse, flat_response),
            (ClientSecretCreateResponse, nested_response),
        ):
            meta = response_meta(response, sanitizer(), attempts=1, elapsed=0, possible_orphans=0)
            try:
                read: Any = parse_response(response, meta, model, parse_shape)
            except RealtimeError as error:
                _ = f"{error!r} {error} {error.__dict__}"
            else:
                _ = f"{read!r} {read}"
                session_rows(read)

    return work


def begun(body: bytes) -> Prepared:
    configuration = Configuration.resolve({"api_key": KEY})
    calls: list[Any] = [
        begin_call(configuration, {"sdp": "v=0"}),
        action_call(configuration, "hangup", "rtc_1", {}),
    ]
    response = Response(200, Headers({"location": body.decode("latin-1")}), body)

    def work() -> None:
        for call in calls:
            with suppress(RealtimeError):
                call.parse(response, ResponseMeta())

    return work


def delivered(body: bytes) -> Prepared:
    verifier = WebhookVerifier(SECRET, clock=lambda: NOW)
    headers = signed(body)
    return lambda: repr(verifier.verify(body, headers))


def with_headers(*headers: tuple[str, str]) -> Prepared:
    """Return the work on the headers of a response."""

    def work() -> None:
        raw = [(name.encode("utf-8"), value.encode("utf-8")) for name, value in headers]
        parsed = Headers.of_raw(raw)
        meta = ResponseMeta(headers=ShownHeaders(parsed, sanitizer()), sanitizer=sanitizer())
        _ = (
            meta.request_id,
            meta.processing_time,
            meta.rate_limits,
            dict(meta.headers),
            repr(meta),
        )
        meta_line(meta)
        parse_retry_after(parsed)
        for status, body in ((307, b""), (500, b"{}")):
            str(
                status_error(
                    Response(status, parsed, body), policy=RetryPolicy(), sanitizer=sanitizer()
                )
            )
        whole_body(parsed, b"")

    return work


HEADER_NAMES = (
    "date",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "x-request-id",
    "openai-processing-ms",
    "x-ratelimit-reset-tokens",
    "x-ratelimit-limit-tokens",
    "content-encoding",
    "content-type",
    "location",
)


def a_header(text: str) -> Prepared:
    return with_headers(*((name, text) for name in HEADER_NAMES))


def a_header_name(text: str) -> Prepared:
    return with_headers((text, "x"))


def many_headers(text: str) -> Prepared:
    pieces = [text[start : start + 8] for start in range(0, len(text), 16)]
    return with_headers(*(("x-a", piece) for piece in pieces), *((piece, "x") for piece in pieces))


def a_phone_call(text: str) -> Prepared:
    headers = [{"name": name, "value": text} for name in ("From", "To", text)]
    call = RealtimeCallIncoming.model_validate(call_with(sip_headers=headers))
    return lambda: (call.from_number, call.to_uri, call.sip_header("x"), repr(call))


def a_webhook(text: str) -> Prepared:
    verifier = WebhookVerifier(SECRET, clock=lambda: NOW)

    def work() -> None:
        for name, good in signed(encoded()).items():
            for value in (text, f"{good} {text}"):
                try:
                    verifier.verify(encoded(), {**signed(encoded()), name: value, text: text})
                except RealtimeError as error:
                    str(error)

    return work


def a_webhooks_body(text: str) -> Prepared:
    return delivered(encoded({**CALL, "type": text, text: [text]}))


def an_expiry(text: str) -> Prepared:
    def work() -> None:
        secret = ClientSecret.model_validate({"value": "ek_1", "expires_at": 7})
        secret.received(text)
        _ = secret.seconds_left
        parse_expiry(text)

    return work


def an_error_message(text: str) -> Prepared:
    body = {"error": {"message": text, "code": text, "param": [text, {text: text}], "type": text}}
    return reported(json.dumps(body).encode())


def a_request(text: str) -> Prepared:
    """Return the work on a browser's request to the mint service."""
    names = ("x-forwarded-for", "origin", "content-type", "authorization", "content-encoding")
    headers = [(name.encode(), text.encode("utf-8")) for name in names]
    scope: Any = {"type": "http", "headers": headers, "client": ("192.0.2.1", 1)}
    origins = CorsPolicy.of(["https://app.example"], credentials=False)
    log = [_JsonFormatter(), _TextFormatter("%(message)s")]
    authorize: Any = bearer_tokens("--token-file", KEY)
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s", (text,), None)

    def work() -> None:
        client_address(scope, 1)
        origins.response_headers(RequestHeaders(scope=scope))
        for check in (origins.check, check_content_type):
            with suppress(EndpointError):
                check(RequestHeaders(scope=scope))
        with suppress(StopIteration):
            authorize(Request(scope)).send(None)
        for each in log:
            each.format(record)

    return work


SIMPLE: dict[str, Callable[[str], object]] = {
    "sanitize_text": lambda text: sanitize_text(text, (KEY, "aaaaaaaaaaaab"), 10**6),
    "visible": visible,
    "one_line": one_line,
    "parse_http_date": parse_http_date,
    "parse_duration": parse_duration,
}
OF_TEXT: dict[str, Callable[[str], Prepared]] = {
    **{name: partial(partial, take) for name, take in SIMPLE.items()},
    "a page": lambda text: reported(text.encode("utf-8", "surrogatepass")),
    "a page of success": lambda text: minted(text.encode("utf-8", "surrogatepass")),
    "an SDP answer": lambda text: begun(text.encode("utf-8", "surrogatepass")),
    "an error's message": an_error_message,
    "a header": a_header,
    "a header's name": a_header_name,
    "many headers": many_headers,
    "a phone call": a_phone_call,
    "a webhook's headers": a_webhook,
    "a webhook's body": a_webhooks_body,
    "an expiry": an_expiry,
    "a request to the mint service": a_request,
}
OF_JSON: dict[str, Callable[[bytes], Prepared]] = {
    "decode_json": lambda body: lambda: decode_json(body, unique_names=True),
    "secrets_in": lambda body: lambda: secrets_in(decode_json(body)),
    "an error": reported,
    "a session": minted,
    "a call": begun,
    "a webhook": delivered,
}


def check_growth(sent: Callable[[int], S], taker: Callable[[S], Prepared]) -> None:
    """Fail when ten times the size takes much more than ten times as long."""
    measured: dict[int, float] = {}
    for size in (SMALL, MIDDLE, LARGE):
        measured[size] = cpu_seconds(taker(sent(size)))
        # Stop before a larger size takes even longer.
        assert measured[size] < TOO_LONG, f"{measured[size]:.1f} s for {size} bytes: {measured}"
    if measured[LARGE] > max(NEGLIGIBLE, MOST_GROWTH * measured[SMALL]):
        measured = {size: cpu_seconds(taker(sent(size)), measures=5) for size in (SMALL, LARGE)}
        growth = measured[LARGE] / measured[SMALL]
        assert growth < MOST_GROWTH, f"{growth:.0f} times as long for 10 times the size: {measured}"


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("taker", OF_TEXT)
def test_work_on_a_text_grows_with_its_size(taker: str) -> None:
    for name, text in TEXTS.items():
        try:
            check_growth(text, OF_TEXT[taker])
        except AssertionError as error:
            raise AssertionError(f"{taker}: {name!r}: {error}") from None


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("taker", OF_JSON)
def test_work_on_json_grows_with_its_size(taker: str) -> None:
    for name, body in JSONS.items():
        try:
            check_growth(body, OF_JSON[taker])
        except AssertionError as error:
            raise AssertionError(f"{taker}: {name!r}: {error}") from None
