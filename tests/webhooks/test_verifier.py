"""What is accepted and what is refused: signatures, ages, headers, bodies, secrets."""

from __future__ import annotations

import hmac
import itertools
import json
import pickle
import traceback
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from openai_realtime import (
    ConfigurationError,
    ParameterError,
    RealtimeCallIncoming,
    RealtimeError,
    WebhookEvent,
    WebhookVerificationError,
    WebhookVerifier,
)
from openai_realtime.secrets import WebhookSecret
from openai_realtime.testing import MockRealtimeServer
from openai_realtime.webhooks.verifier import SigningKey, matches
from webhooks.deliveries import CALL, NOW, OTHER, SECRET, call_with, encoded, signature, signed

BODY = encoded()


def verifier(*secrets: str, **options: Any) -> WebhookVerifier:
    return WebhookVerifier(secrets or SECRET, clock=lambda: NOW, **options)


def refusal(body: bytes = BODY, headers: Any = None, **options: Any) -> WebhookVerificationError:
    with pytest.raises(WebhookVerificationError) as caught:
        verifier(**options).verify(body, signed(body) if headers is None else headers)
    return caught.value


# --- What is accepted ------------------------------------------------------------------------


def test_a_call_is_typed_and_keeps_unknown_fields() -> None:
    body = encoded({**call_with(sip_media_security="srtp", new=1), "newer": 2})
    event = verifier().verify(body, signed(body))
    assert isinstance(event, RealtimeCallIncoming)
    assert (event.id, event.webhook_id, event.call_id) == ("evt_1", "wh_1", "rtc_u0_1")
    assert event.created_at_datetime.timestamp() == event.created_at == NOW - 1
    assert [header.name for header in event.sip_headers] == ["From", "t"]
    assert (event.object, event.data.sip_media_security) == ("event", "srtp")
    assert event.model_dump()["newer"] == 2
    assert event.model_dump()["data"]["new"] == 1


def test_an_odd_header_does_not_lose_the_call() -> None:
    odd = [
        {"name": "X-Null", "value": None},
        {"name": "X-Number", "value": 7},
        {"name": "X-None"},
        {"name": None, "value": "v"},
        None,
        {"name": "From", "value": "<sip:+49@h>"},
    ]
    body = encoded({**call_with(sip_headers=odd, sip_media_security=["srtp"]), "object": 1})
    event = verifier().verify(body, signed(body))
    assert isinstance(event, RealtimeCallIncoming)
    assert [(header.name, header.value) for header in event.sip_headers] == [
        ("X-Null", ""),
        ("X-Number", ""),
        ("X-None", ""),
        ("From", "<sip:+49@h>"),
    ]
    assert (event.from_number, event.data.sip_media_security, event.object) == ("+49", None, None)
    unlike_a_list: list[object] = [None, {}, "From"]
    for headers in unlike_a_list:
        body = encoded(call_with(sip_headers=headers))
        event = verifier().verify(body, signed(body))
        assert isinstance(event, RealtimeCallIncoming)
        assert event.sip_headers == []


def test_any_other_event_is_generic() -> None:
    for value in (
        {**CALL, "type": "batch.completed", "data": [1]},
        {"id": "evt_1", "created_at": 0, "type": "realtime.call.incoming.v2"},
    ):
        event = verifier().verify(encoded(value), signed(encoded(value)))
        assert type(event) is WebhookEvent
        assert (event.type, event.data) == (value["type"], value.get("data"))


@pytest.mark.parametrize(
    ("header", "uri", "number"),
    [
        ("<sip:+4930555@host>;tag=1", "sip:+4930555@host", "+4930555"),
        ("Alice <sips:030-555@host;user=phone>", "sips:030-555@host;user=phone", "030555"),
        ('"<sip:+1@evil>" <tel:+1-415-555-0123>', "tel:+1-415-555-0123", "+14155550123"),
        ('"a\\"b" <tel:+12;ext=3>', "tel:+12;ext=3", "+12"),
        ("SIP:%2B4930@host;tag=1", "SIP:%2B4930@host", "+4930"),
        ("tel:+4930;tag=1", "tel:+4930", "+4930"),
        ("sip:+4930;npdi@host", "sip:+4930", None),
        ("<sip:anonymous@anonymous.invalid>", "sip:anonymous@anonymous.invalid", None),
        ("<sip:host>", "sip:host", None),
        ("<mailto:+4930@host>", "mailto:+4930@host", None),
        ("<sip:+4930@h\x1b[31m>", None, None),
        ("<sip:+4930@h\u202e>", None, None),
        ("sip:+4930@h\x1b", None, None),
        ('sip:+4930@h"x', None, None),
        ("sip:+4930@h,x", "sip:+4930@h", "+4930"),
        ("nonsense", None, None),
        ("", None, None),
    ],
)
def test_from_and_to_are_read_as_sip_has_them(
    header: str, uri: str | None, number: str | None
) -> None:
    for names in (("From", "To"), ("f", "T")):
        body = encoded(call_with(sip_headers=[{"name": n, "value": header} for n in names]))
        event: Any = verifier().verify(body, signed(body))
        assert (event.from_uri, event.from_number) == (uri, number)
        assert (event.to_uri, event.to_number) == (uri, number)
    body = encoded(call_with(sip_headers=[]))
    event = verifier().verify(body, signed(body))
    assert (event.sip_header("X-A"), event.from_uri, event.to_number) == (None, None, None)


@pytest.mark.parametrize(
    ("header", "uri"),
    [
        ("<sip:+49@h>" + ";x=" * 1000, "sip:+49@h"),
        ("sip:+49@h;" + "x=" * 1000, "sip:+49@h"),
        (" " * 1000 + "<sip:+49@h>", "sip:+49@h"),
        (" " * 1015 + "sip:+49@h", "sip:+49@h"),
        (" " * 1014 + "sip:+49@h ", "sip:+49@h"),
        # Half a URI is another one: none is better.
        (" " * 1016 + "sip:+49@h", None),
        (" " * 1015 + "sip:+49@h.example", None),
        (" " * 1015 + "<sip:+49@h>", None),
        ("x" * 2000 + "<sip:+49@h>", None),
        ('"' + " " * 2000, None),
    ],
)
def test_a_uri_is_searched_in_the_first_kilobyte(header: str, uri: str | None) -> None:
    event = RealtimeCallIncoming.model_validate(
        call_with(sip_headers=[{"name": "From", "value": header}])
    )
    assert event.from_uri == uri
    assert event.from_number == (uri and "+49")


def test_headers_are_found_in_any_case_and_of_any_kind() -> None:
    headers = signed(BODY)
    pairs = [(name.title().encode(), headers[name].encode()) for name in headers]
    for given_headers in (Headers(raw=pairs), {name.upper(): headers[name] for name in headers}):
        assert isinstance(verifier().verify(BODY, given_headers), RealtimeCallIncoming)
    odd: dict[Any, Any] = {**headers, 1: 2}
    assert verifier().verify(BODY, odd).id


def test_secrets_are_rotated_without_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    both = signed(BODY) | {"webhook-signature": f"v1a,x {signature(BODY, OTHER)} v1,x"}
    for secrets in ((SECRET,), (OTHER,), (OTHER, SECRET)):
        for headers in (signed(BODY, secrets[-1]), signed(BODY, secrets[0])):
            assert verifier(*secrets).verify(BODY, headers).id
    assert verifier(OTHER).verify(BODY, both).id
    refusal(headers=both)
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", f"{OTHER} {SECRET}\n")
    assert WebhookVerifier(clock=lambda: NOW).verify(BODY, signed(BODY)).id


@pytest.mark.parametrize("age", [-300, 300])
def test_the_tolerance_is_inclusive_both_ways(age: int) -> None:
    assert verifier().verify(BODY, signed(BODY, at=NOW - age)).id
    text = str(refusal(headers=signed(BODY, at=NOW - age - age // 300)))
    assert "301 s" in text
    assert "300 s are allowed" in text
    assert ("ago" if age > 0 else "in the future") in text
    refusal(headers=signed(BODY, at=NOW - age), tolerance=10)


# --- Agreement with others -------------------------------------------------------------------


def test_the_published_vector_of_standard_webhooks() -> None:
    """https://docs.svix.com/receiving/verifying-payloads/how-manual."""
    key = SigningKey.read("whsec_plJ3nmyCDGBKInavdOK15jsl")
    body = b'{"event_type":"ping","data":{"success":true}}'
    expected = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="
    assert key.sign("msg_loFOjxBNrRLzqYUf", "1731705121", body) == expected
    assert matches([key], expected, "msg_loFOjxBNrRLzqYUf", "1731705121", body)


def test_the_official_sdk_accepts_the_webhooks_of_the_mock_as_we_do() -> None:
    with MockRealtimeServer() as server:
        webhook = server.phone(webhook_url="http://127.0.0.1:1", secret=SECRET).sign(CALL["data"])
    sdk = openai.OpenAI(api_key="sk-x", webhook_secret=SECRET)
    theirs: Any = sdk.webhooks.unwrap(webhook.body, webhook.headers)
    ours = WebhookVerifier(SECRET).verify(webhook.body, webhook.headers)
    assert isinstance(ours, RealtimeCallIncoming)
    assert (theirs.id, theirs.data.call_id, theirs.created_at, theirs.type) == (
        ours.id,
        ours.call_id,
        ours.created_at,
        ours.type,
    )
    for wrong in (webhook.tampered().body, webhook.body + b" "):
        with pytest.raises(openai.InvalidWebhookSignatureError):
            sdk.webhooks.unwrap(wrong, webhook.headers)
        with pytest.raises(WebhookVerificationError):
            WebhookVerifier(SECRET).verify(wrong, webhook.headers)
    sdk.close()


# --- What is refused -------------------------------------------------------------------------


@given(st.data())
def test_one_flipped_bit_anywhere_is_refused(data: st.DataObject) -> None:
    headers = signed(BODY)
    part = data.draw(st.sampled_from(["body", *headers]))
    raw = bytearray(BODY if part == "body" else headers[part].encode())
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    if part == "body":
        refusal(bytes(raw), headers)
    else:
        refusal(BODY, {**headers, part: raw.decode("latin-1")})


@given(st.binary(max_size=300), st.dictionaries(st.text(), st.text()))
def test_any_request_is_one_error(body: bytes, headers: dict[str, str]) -> None:
    refusal(body, headers)
    assert refusal(body).webhook_id == "wh_1"  # JSON with an id does not come by chance


def one(header: str) -> str:
    return f"it must have exactly one {header} header. Check that no proxy removes it"


NO_ID = "its webhook-id is not 1 to 256 visible ASCII characters"
NO_TIME = "its webhook-timestamp is not a time in Unix seconds"
TOO_OLD = "and 300 s are allowed: it is a replay, or the clock here is wrong"
NO_SIGNATURE = (
    "none of its signatures matches a secret of this verifier. Check that the secret belongs to "
    "this endpoint, and that the body is passed unchanged, byte for byte"
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"webhook-id": None}, one("webhook-id")),
        ({"webhook-timestamp": None}, one("webhook-timestamp")),
        ({"webhook-signature": None}, one("webhook-signature")),
        ({"Webhook-Id": "wh_1"}, one("webhook-id")),
        ({"webhook-id": 1}, one("webhook-id")),
        ({"webhook-id": ""}, NO_ID),
        ({"webhook-id": "x" * 257}, NO_ID),
        ({"webhook-id": "wh 1"}, NO_ID),
        ({"webhook-timestamp": "٣"}, NO_TIME),
        ({"webhook-timestamp": "1e9"}, NO_TIME),
        ({"webhook-timestamp": f"{NOW}\n"}, NO_TIME),
        ({"webhook-timestamp": "-1"}, NO_TIME),
        ({"webhook-timestamp": "9" * 400}, NO_TIME),
        ({"webhook-timestamp": "0"}, f"it was sent {NOW} s ago, {TOO_OLD}"),
        (
            {"webhook-timestamp": "9" * 12},
            f"it was sent {999_999_999_999 - NOW} s in the future, {TOO_OLD}",
        ),
        ({"webhook-signature": ""}, NO_SIGNATURE),
        ({"webhook-signature": "v1,"}, NO_SIGNATURE),
        ({"webhook-signature": "é"}, "its webhook-signature is not ASCII"),
        ({"webhook-signature": signature(BODY).removeprefix("v1,")}, NO_SIGNATURE),
        ({"webhook-signature": signature(BODY).replace("v1", "v2")}, NO_SIGNATURE),
        ({"webhook-signature": signature(BODY, OTHER)}, NO_SIGNATURE),
        ({"webhook-signature": "v1,x " * 10 + signature(BODY)}, NO_SIGNATURE),
        ({"webhook-signature": "v1,x\t" + signature(BODY)}, NO_SIGNATURE),
    ],
)
def test_headers_that_are_refused(change: dict[str, Any], message: str) -> None:
    headers = {n: value for n, value in {**signed(BODY), **change}.items() if value is not None}
    error = refusal(headers=headers)
    assert str(error) == f"The webhook is refused: {message}"
    assert error.webhook_id is None


def test_the_age_is_in_the_message_with_a_small_tolerance_too() -> None:
    for age, message in ((1, "1 s ago"), (-1, "1 s in the future")):
        strict = WebhookVerifier(SECRET, tolerance=0.5, clock=lambda age=age: NOW + age)  # type: ignore[misc]  # bound on purpose
        with pytest.raises(
            WebhookVerificationError, match=f"sent {message}, and 0.5 s are allowed"
        ):
            strict.verify(BODY, signed(BODY))


def test_the_tenth_signature_is_the_last_that_is_compared() -> None:
    headers = signed(BODY) | {"webhook-signature": "v1,x " * 9 + signature(BODY)}
    assert verifier().verify(BODY, headers).id


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested too deeply"),
        (b'{"id":NaN}', "NaN"),
        (BODY[:-1] + b',"type":"batch.completed"}', "two members of one name"),
        (BODY.replace(b'"call_id"', b'"call_id":"rtc_2","call_id"'), "two members of one name"),
        (encoded({**CALL, "type": 1}), "type is missing"),
        (encoded({**CALL, "id": ""}), "id is missing"),
        (encoded({**CALL, "created_at": "1"}), "created_at is missing"),
        (encoded({**CALL, "created_at": True}), "created_at is missing"),
        (encoded({**CALL, "created_at": 10**12}), "created_at is missing"),
        (encoded({**CALL, "data": None}), "data is missing"),
        (encoded({n: CALL[n] for n in CALL if n != "data"}), "data is missing"),
        (encoded({**CALL, "data": {}}), "data.call_id is missing"),
        *[
            (encoded(call_with(call_id=wrong)), "data.call_id is missing")
            for wrong in (None, 1, "", "rtc_1\n", "../files", "x" * 129, "é", ["rtc_1"])
        ],
        (b" " * (256 * 1024 + 1), "256 KiB"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
def test_signed_bodies_that_are_refused(body: bytes, message: str) -> None:
    error = refusal(body)
    assert message in str(error)
    assert isinstance(error, RealtimeError)
    assert error.webhook_id == (None if "KiB" in message else "wh_1")
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize("body", [CALL, 5, None, "\ud800"])
def test_a_parsed_body_is_a_parameter_error(body: Any) -> None:
    with pytest.raises(
        ParameterError,
        match="^body must be the request.s raw bytes: parsed JSON cannot be verified$",
    ) as caught:
        verifier().verify(body, signed(BODY))
    assert caught.value.param == "body"


# --- Secrets ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "secret",
    ["", "sk-x", "whsec_", "whsec_c2hvcnQ=", "whsec_é", "whsec_????", SECRET[:-3], f"'{SECRET}'",
     b"", b"too short", b"whsec_too short", 5],
)  # fmt: skip
def test_an_unusable_secret_is_not_quoted(secret: Any) -> None:
    with pytest.raises(ConfigurationError, match="whsec_ and 16 bytes or more") as caught:
        WebhookVerifier([SECRET, secret])
    key = str(secret).strip("b'").removeprefix("whsec_")
    assert not key or key == "5" or key not in str(caught.value)


# Standard Webhooks' own library: https://github.com/standard-webhooks/standard-webhooks.
@pytest.mark.parametrize(
    "secret",
    [
        SECRET.removeprefix("whsec_"),
        SECRET.rstrip("="),
        f"{SECRET}\n",
        f" {SECRET}\r\n",
        SECRET.encode(),
        b"0123456789abcdef0123456789abcdef",
    ],
)
def test_a_secret_is_taken_as_standard_webhooks_own_library_takes_it(secret: str | bytes) -> None:
    for secrets in (secret, [OTHER, secret]):
        assert WebhookVerifier(secrets, clock=lambda: NOW).verify(BODY, signed(BODY)).id


@pytest.mark.parametrize("body", [BODY.decode(), bytearray(BODY), memoryview(BODY)])
def test_a_body_of_every_type_is_verified(body: str | bytearray | memoryview) -> None:
    assert verifier().verify(body, signed(BODY)).id
    with pytest.raises(WebhookVerificationError, match="none of its signatures"):
        verifier().verify(body, signed(BODY + b" "))


def test_headers_may_be_pairs_as_asgi_has_them() -> None:
    pairs = [(name.encode(), value.encode()) for name, value in signed(BODY).items()]
    assert verifier().verify(BODY, [(b"host", b"h\xe9"), *pairs]).id
    assert verifier().verify(BODY, iter(signed(BODY).items())).id
    assert verifier().verify(BODY, dict(pairs)).id  # type: ignore[arg-type]  # bytes of a framework
    with pytest.raises(WebhookVerificationError, match="exactly one webhook-id"):
        verifier().verify(BODY, [*pairs, (b"Webhook-Id", b"wh_2")])
    for wrong in (None, 5, [b"webhook-id"], [("a", "b", "c")]):
        with pytest.raises(ParameterError, match="headers must be a mapping, or pairs") as caught:
            verifier().verify(BODY, wrong)  # type: ignore[arg-type]  # wrong on purpose
        assert caught.value.param == "headers"


def test_without_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_WEBHOOK_SECRET", raising=False)
    empty: list[str] = []
    for secrets in (None, empty):
        with pytest.raises(ConfigurationError, match="OPENAI_WEBHOOK_SECRET"):
            WebhookVerifier(secrets)


def test_nothing_shows_a_secret_a_signature_or_the_body() -> None:
    genuine = verifier()
    key = genuine._keys[0]
    assert repr(key) == "SigningKey('**********')"
    assert repr(WebhookSecret(SECRET)) == "WebhookSecret('**********')"
    with pytest.raises(TypeError):
        pickle.dumps(key)
    for body, headers in [
        (BODY, signed(BODY, OTHER)),
        (encoded(call_with(call_id="no id")), signed(encoded(call_with(call_id="no id")))),
    ]:
        error = refusal(body, headers)
        text = "".join(traceback.format_exception(error)) + repr(error)
        for secret in (SECRET, headers["webhook-signature"], "no id", "example.com"):
            assert secret not in text
        inside = traceback.TracebackException.from_exception(error, capture_locals=True)
        frames = [f for f in inside.stack if "openai_realtime" in f.filename]
        assert frames
        assert SECRET not in json.dumps([dict(f.locals or {}) for f in frames])


def test_every_key_is_compared_with_every_signature_in_constant_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def compare(first: bytes, second: bytes) -> bool:
        compared.append((first, second))
        return real(first, second)

    monkeypatch.setattr("hmac.compare_digest", compare)
    good = signature(BODY)
    for signatures in itertools.permutations([good, "v1,wrong", "v1,"]):
        compared.clear()
        headers = signed(BODY) | {"webhook-signature": " ".join(signatures)}
        assert verifier(SECRET, OTHER).verify(BODY, headers).id
        assert [second.decode() for _, second in compared] == [*signatures, *signatures]
        assert len({first for first, _ in compared}) == 2
