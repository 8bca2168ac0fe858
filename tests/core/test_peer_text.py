"""What a peer sent, made safe to show: by tables, and for any text."""

from __future__ import annotations

import html
import json
from itertools import product
from unittest.mock import ANY
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_realtime.core.meta import ShownHeaders
from openai_realtime.core.peer_text import (
    MAX_BODY_CHARACTERS,
    MAX_HEADER_CHARACTERS,
    MAX_NAME_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    Sanitizer,
    sanitize_text,
    secrets_in,
    visible,
)
from openai_realtime.core.strict_json import Json
from openai_realtime.core.wire import Headers
from openai_realtime.secrets import MASK, MAX_SECRET_CHARACTERS, EphemeralKey

KEY = "0123456789abcdef0123456789ABCDEF"  # Azure's look so: no shape gives it away
TOKEN = "eyJ0eXAi" + "abcDEF123_-" * 200  # Entra's have some thousand characters


# --- Secrets ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"key {KEY} is out of quota", f"key {MASK} is out of quota"),
        (f"{KEY}{KEY}", MASK * 2),
        (f"x-{KEY.lower()}", f"x-{MASK}"),
        (f"0{KEY}0", f"0{MASK}0"),
        (f"{KEY}sk-12345678", MASK * 2),
        (KEY[:-1], KEY[:-1]),
        (f"\u0130\u0130 {KEY}.", f"\u0130\u0130 {MASK}."),  # in lower case, these take two each
    ],
)
def test_the_credential_is_masked_whatever_its_shape(text: str, shown: str) -> None:
    assert sanitize_text(text, (KEY,)) == shown


ODD_KEY = "a/\"b&c<d>+e=\\f'"


@pytest.mark.parametrize(
    "spelt",
    [
        json.dumps(ODD_KEY)[1:-1],
        json.dumps(ODD_KEY)[1:-1].replace("/", r"\/"),
        r"a/\u0022b\u0026c\u003Cd\u003E\u002Be=\f\u0027",
        html.escape(ODD_KEY),
        "a/&#34;b&#38;c&#60;d&#62;&#43;e=\\f&#39;",
        quote(ODD_KEY),
        quote(ODD_KEY, safe=""),
    ],
)
def test_a_secret_is_known_as_json_html_and_urls_spell_it(spelt: str) -> None:
    assert sanitize_text(f"no: {spelt}.", (ODD_KEY,)) == f"no: {MASK}."


def test_secrets_that_overlap_leave_no_rest() -> None:
    known = ("abcd1234", "1234wxyz", "34wx")
    assert sanitize_text("-abcd1234wxyz-", known) == f"-{MASK}-"
    assert sanitize_text("-1234wxyz abcd1234-", known) == f"-{MASK} {MASK}-"


@pytest.mark.parametrize("quoted", [TOKEN, TOKEN[:300], TOKEN[:64]])
@pytest.mark.parametrize("after", ["", " …", '", "x"'])
def test_a_long_secret_is_known_by_how_it_begins(quoted: str, after: str) -> None:
    assert sanitize_text(f"Wrong token: {quoted}{after}", (TOKEN[3:], TOKEN)) == (
        f"Wrong token: {MASK}{after}"
    )


@pytest.mark.parametrize("credential", ["", "x", "abc"])
def test_a_placeholder_for_a_key_hides_nothing(credential: str) -> None:
    assert sanitize_text("x-abc: taxes", (credential,)) == "x-abc: taxes"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sk-proj-1234 x", f"{MASK} x"),
        ("key_sk-12345", f"key_{MASK}"),
        ("xai-1234", MASK),
        ("whsec_12345678=", MASK),
        ("eyJhbGciOiJI.eyJzdWIi.c2ln", MASK),
        ("Bearer abcd1234", MASK),
        ("authorization: bearer abcdefghijklmnopqrst", f"authorization: {MASK}"),
        ("Basic dXNlcjpwYXNz", "Basic dXNlcjpwYXNz"),
        ("Basic dXNlcjpwYXNzd29yZA==", MASK),
        ("use Bearer authentication", "use Bearer authentication"),
        ("a basic plan has no voice", "a basic plan has no voice"),
        ('{"token" : "abcdefgh", "a', f'{{"token" : "{MASK}", "a'),
        ('"client_secret":"abc', '"client_secret":"abc'),
        ("https://h/x?a=1&key=abcdefgh&b=2", f"https://h/x?a=1&key={MASK}&b=2"),
        ("key=abcdefgh", "key=abcdefgh"),
        (
            "task-abcd, risk-1234, sk-abc, Bearers, eyJ",
            "task-abcd, risk-1234, sk-abc, Bearers, eyJ",
        ),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, shown: str) -> None:
    assert sanitize_text(text) == shown


def test_secrets_of_a_response_are_those_under_their_names() -> None:
    value: Json = {
        "proxy-authorization": "opaque-5",
        "token": "opaque-1",
        "a": [{"X-Api-Key": "opaque-2", "value": 7}, "opaque-3"],
        "key": "short",
        "secret": "no secret: has spaces",
        "password": {"value": "opaque-4"},
        "value": "opaque-1",
    }
    assert sorted(secrets_in(value)) == ["opaque-1", "opaque-2", "opaque-4", "opaque-5"]
    assert secrets_in(None) == secrets_in("opaque-1") == []


def test_more_secrets_than_can_be_looked_for_hide_every_long_word() -> None:
    many: Json = [{"value": f"secret-{number}"} for number in range(40)]
    sanitizer = Sanitizer((KEY,))
    sanitizer.learn(secrets_in(many))
    assert sanitizer.text(f"no secret-39, nor {KEY} here") == f"no {MASK} nor {MASK} here"
    short = Sanitizer(("abc4",))
    short.learn(secrets_in(many))
    assert short.text("no abc4 here") == f"no {MASK} here"
    spellings = map("".join, product("sS", "eE", "cC", "rR", "eE", "tT"))
    assert len(secrets_in({name: f"opaque-{name}" for name in spellings})) == 33
    few = Sanitizer()
    few.learn([f"secret-{number}" for number in range(32)])
    assert few.text("secret-31 is not everything") == f"{MASK} is not everything"


# --- Bounds ----------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [20, 64, 500])
@pytest.mark.parametrize("before", range(-40, 25))
def test_no_cut_shows_half_a_secret(limit: int, before: int) -> None:
    text = "-" * (limit + before) + KEY + "." * 50
    shown = sanitize_text(text, (KEY,), limit)
    assert len(shown) <= limit
    assert shown.strip("-*.…") == ""
    shown = Sanitizer((KEY,)).mask(text, limit)
    assert len(shown) <= limit + len(MASK)
    assert shown.strip("-*.") == ""
    shown = sanitize_text("-" * (limit + before) + "sk-12345678", (), limit)
    assert shown.strip("-*…s") == ""
    assert "12" not in shown


def test_a_secret_behind_the_limit_leaves_no_mask() -> None:
    assert Sanitizer((KEY,)).mask("-" * 20 + KEY, 20) == "-" * 20


def test_a_text_within_its_limit_is_whole() -> None:
    assert sanitize_text("x" * MAX_TEXT_CHARACTERS) == "x" * MAX_TEXT_CHARACTERS
    cut = sanitize_text("x" * (MAX_TEXT_CHARACTERS + 1))
    assert cut == "x" * (MAX_TEXT_CHARACTERS - 1) + "…"
    assert sanitize_text(cut) == cut
    assert sanitize_text("\n" * 400) == r"\n" * 249 + "\\…"


def test_a_text_whose_masks_leave_room_for_all_of_it_is_whole() -> None:
    secret = "s" * MAX_SECRET_CHARACTERS
    text = f"{secret} {KEY}".ljust(MAX_SECRET_CHARACTERS + MAX_TEXT_CHARACTERS, "x")
    assert sanitize_text(text, (secret, KEY)).endswith("x")
    assert sanitize_text(f"{text}x", (secret, KEY)).endswith("x…")


def test_a_body_is_bounded_as_a_whole() -> None:
    bodies: list[Json] = [
        ["x" * 100] * 10_000,
        {f"name-{number}": 1 for number in range(10_000)},
        [[[number]] for number in range(10_000)],
        {"a" * 100_000: {"b": "c" * 100_000, "d": 10**4000}},
        ["\n" * 100_000],
        10**4000,
        [[]] * 100_000,
        [{}] * 100_000,
        [{"": [{}]}] * 100_000,
        [None, True, -1.5e-300] * 100_000,
    ]
    for body in bodies:
        shown = json.dumps(Sanitizer().json(body), ensure_ascii=False)
        assert len(shown) < 4 * MAX_BODY_CHARACTERS
        assert "…" in shown


def test_a_cut_body_says_so_and_shows_what_it_can() -> None:
    many: Json = {f"name-{number}": 1 for number in range(10_000)}
    shown = Sanitizer().json(many)
    assert isinstance(shown, dict)
    assert list(shown.items())[-1] == ("…", "…")
    text = "x" * (MAX_BODY_CHARACTERS - 100)
    assert Sanitizer().json({"y" * 300: text}) == {"y" * (MAX_NAME_CHARACTERS - 1) + "…": ANY}
    assert Sanitizer().json([text]) == [text]


def test_a_value_deeper_than_json_may_be_is_cut() -> None:
    value: Json = "x"
    for _ in range(64):
        value = [value]
    assert Sanitizer().json(value) == value
    shown = json.dumps(Sanitizer().json([{"a": value}]))
    assert shown.count("[") == 63
    assert "x" not in shown


def test_a_copy_keeps_what_is_no_text() -> None:
    value: Json = [True, None, 1.5, 123, {"a": False, "b": []}]
    assert Sanitizer(("123",)).json(value) == value
    assert Sanitizer(("12345678",)).json([123456789]) == [f"{MASK}9"]
    secret = EphemeralKey("opaque")
    assert Sanitizer().json([secret]) == [secret]


def test_the_texts_of_headers_are_masked() -> None:
    value: Json = {"headers": {"X-Tenant": "t", "n": 1}, "other": {"X-Tenant": "t"}}
    shown = {"headers": {"X-Tenant": MASK, "n": 1}, "other": {"X-Tenant": "t"}}
    assert Sanitizer().json([value]) == [shown]


def test_what_follows_on_a_long_secret_is_shown() -> None:
    assert sanitize_text(f"{TOKEN} is not known here", (TOKEN,), 40) == f"{MASK} is not known here"


# --- What cannot be seen ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\r\nINFO b\tc", r"a\r\nINFO b\tc"),
        ("\x00\x7f\x9b\x85\xa0\xad", r"\x00\x7f\x9b\x85\xa0\xad"),
        ("\u202eevil\u2066\u200f", r"\u202eevil\u2066\u200f"),
        ("\u2028\u2029\ufeff\u200b", r"\u2028\u2029\ufeff\u200b"),
        ("\ud800 \U000e0041", r"\ud800 \U000e0041"),
        ("plain ü 漢字 😀 \\x1b", "plain ü 漢字 😀 \\x1b"),
    ],
)
def test_what_cannot_be_seen_becomes_visible(text: str, shown: str) -> None:
    assert visible(text) == sanitize_text(text) == shown
    assert visible(shown) == shown


# --- Headers ---------------------------------------------------------------------------------


def test_headers_are_shown_without_secrets() -> None:
    headers = Headers(
        {
            "Content-Type": f"text/{KEY}",
            "X-Api-Key": "opaque",
            f"x-{KEY}": "a name",
            "x" * 201: "a long name",
            "x-long": "y" * 10_000,
            "x-new": "a\x1bb\x85",
            "Location": "https://h/?k=1",
        }
    )
    shown = ShownHeaders(headers, Sanitizer((KEY,)))
    assert dict(shown) == {
        "content-type": f"text/{MASK}",
        "x-api-key": MASK,
        "x-long": "y" * (MAX_HEADER_CHARACTERS - 1) + "…",
        "x-new": r"a\x1bb\x85",
        "location": "https://h/?k=1",
    }
    assert len(shown) == 5
    assert shown["X-NEW"] == shown["x-new"]
    assert repr(shown) == "Headers(content-type, x-api-key, x-long, x-new, location)"
    hidden = ShownHeaders(headers, Sanitizer(), hides_location=True)
    assert hidden["LOCATION"] == MASK
    with pytest.raises(KeyError):
        hidden["x-none"]
    assert MAX_NAME_CHARACTERS == 200


# --- Any text --------------------------------------------------------------------------------

secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=90)


@given(secrets, st.text(), st.text(), st.integers(12, 300))
def test_a_known_secret_never_survives(secret: str, before: str, after: str, limit: int) -> None:
    shown = sanitize_text(f"{before}{secret}{after}", (secret,), limit)
    assert secret.lower() not in shown.lower()
    assert len(shown) <= limit
    assert shown.isprintable()
    assert sanitize_text(shown, (secret,), limit) == shown or MASK in shown


@given(st.lists(secrets, min_size=1, max_size=4), st.lists(st.integers(0, 9)))
def test_nor_do_several(known: list[str], order: list[int]) -> None:
    text = "".join([known[number % len(known)][: 3 + number] for number in order] + known)
    shown = sanitize_text(text, known, 10_000)
    assert not any(secret in shown.replace("*", "\n") for secret in known)


def test_what_touches_the_end_of_a_long_secret_is_shown() -> None:
    assert sanitize_text(f"no {TOKEN}.x", (TOKEN,)) == f"no {MASK}.x"
