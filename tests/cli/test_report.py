from __future__ import annotations

import io
import time
from collections.abc import Generator

import pytest
from rich.console import Console

from openai_realtime.cli.report import (
    dropped_text,
    expiry,
    meta_line,
    session_rows,
    session_table,
)
from openai_realtime.core.meta import ResponseMeta
from openai_realtime.core.peer_text import Sanitizer
from openai_realtime.core.wire import Headers
from openai_realtime.types.client_secret import ClientSecret
from openai_realtime.types.session import RealtimeSessionCreateResponse
from openai_realtime.types.translation import TranslationClientSecretCreateResponse

SECRET = "ek_" + "s" * 200


def translation(**fields: object) -> TranslationClientSecretCreateResponse:
    return TranslationClientSecretCreateResponse.model_validate(
        {"value": SECRET, "expires_at": 0, **fields}
    )


def session(**fields: object) -> RealtimeSessionCreateResponse:
    return RealtimeSessionCreateResponse.model_validate(
        {"client_secret": {"value": SECRET}, **fields}
    )


@pytest.fixture
def timezone(request: pytest.FixtureRequest) -> Generator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("fields", "rows"),
    [
        ({}, []),
        ({"voice": "verse"}, [("voice", "verse")]),
        ({"voice": None, "tools": [], "prompt": None}, []),
        ({"object": "realtime.session", "expires_at": 0}, []),
        ({"object": "other", "expires_at": 5}, [("object", "other"), ("expires_at", "5")]),
        ({"modalities": ["text", "audio"]}, [("modalities", "text, audio")]),
        (
            {"turn_detection": {"type": "server_vad", "threshold": 0.4, "create_response": True}},
            [
                ("turn_detection.type", "server_vad"),
                ("turn_detection.threshold", "0.4"),
                ("turn_detection.create_response", "true"),
            ],
        ),
        (
            {"turn_detection": None},
            [("turn_detection", "off: the client says when a turn is over")],
        ),
        (
            {"tools": [{"type": "function", "name": "look"}, {"type": "mcp", "label": "ü"}]},
            [
                (
                    "tools",
                    'look, {"type": "mcp", "label": "ü"}',
                )
            ],
        ),
        ({"of_tomorrow": {"a": [1, 2]}}, [("of_tomorrow.a", "1, 2")]),
        ({"instructions": "a\nb\x1b[2J"}, [("instructions", "a\nb\\x1b[2J")]),
        ({"odd\nname": 1}, [("odd\\nname", "1")]),
    ],
)
def test_the_fields_that_are_set_have_a_row(
    fields: dict[str, object], rows: list[tuple[str, str]]
) -> None:
    assert session_rows(session(**fields)) == [
        *rows,
        ("client_secret", SECRET),
        ("expires", "unknown"),
    ]


def test_the_table_shows_neither_the_key_nor_names_without_end() -> None:
    key = "0123456789abcdef"
    minted = session(instructions=f"no {key} here", more={"n" * 500: {"a": 1}})
    minted.with_meta(ResponseMeta(sanitizer=Sanitizer((key,))))
    assert session_rows(minted)[:2] == [
        ("instructions", "no ********** here"),
        ("more." + "n" * 195, "1"),
    ]


def test_a_secret_that_is_the_answer_itself_is_shown_once() -> None:
    minted = translation(session={"model": "m", "audio": {"output": {"language": "es"}}})
    assert session_rows(minted) == [
        ("session.model", "m"),
        ("session.audio.output.language", "es"),
        ("client_secret", SECRET),
        ("expires", "unknown"),
    ]


def test_the_secret_stays_in_one_piece_however_narrow_the_terminal() -> None:
    table, least_width = session_table(session(instructions="word " * 100))
    console = Console(file=io.StringIO(), width=max(40, least_width))
    with console.capture() as captured:
        console.print(table)
    assert SECRET in captured.get()


def test_markup_in_a_value_is_shown_as_it_is() -> None:
    table, _ = session_table(session(instructions="[bold]x[/bold] :smile:"))
    console = Console(file=io.StringIO(), width=300)
    with console.capture() as captured:
        console.print(table)
    assert "[bold]x[/bold] :smile:" in captured.get()


@pytest.mark.parametrize("timezone", ["CET-1"], indirect=True)
@pytest.mark.usefixtures("timezone")
def test_an_expiry_is_local_time_and_seconds_left() -> None:
    secret = ClientSecret.model_validate({"value": "ek_1", "expires_at": 2_000_000_060})
    secret.received("Wed, 18 May 2033 03:33:20 GMT")
    assert expiry(secret) == "2033-05-18 04:34:20+01:00 (60 s left)"


@pytest.mark.parametrize("timezone", ["CET-1"], indirect=True)
@pytest.mark.usefixtures("timezone")
def test_an_expiry_in_the_past_and_one_beyond_the_calendar() -> None:
    past = ClientSecret.model_validate({"value": "ek_1", "expires_at": 1})
    assert expiry(past) == "1970-01-01 01:00:01+01:00 (expired already)"
    late = ClientSecret.model_validate({"value": "ek_1", "expires_at": 253_402_300_799})
    assert expiry(late).startswith("9999-12-31 23:59:59+00:00 (")


@pytest.mark.parametrize(
    ("meta", "line"),
    [
        (
            ResponseMeta(headers=Headers({"x-request-id": "req_1"}), attempts=1, elapsed=0.25),
            "request id req_1, 1 attempt, 0.250 s",
        ),
        (
            ResponseMeta(attempts=1, dropped=("temperature", "tools.0\x1b")),
            "no request id, 1 attempt, 0.000 s, dropped: temperature, tools.0\\x1b",
        ),
        (ResponseMeta(attempts=2, elapsed=1.5), "no request id, 2 attempts, 1.500 s"),
        (
            ResponseMeta(attempts=2, possible_orphans=1, unreadable={"voice": 1, "speed": "x"}),
            "no request id, 2 attempts, 0.000 s, 1 earlier secrets may be lost, not understood: speed, voice",
        ),
    ],
)
def test_the_meta_line_tells_how_it_went(meta: ResponseMeta, line: str) -> None:
    assert meta_line(meta).plain == line


def test_what_was_dropped_is_named() -> None:
    assert dropped_text(ResponseMeta(dropped=("temperature", "voice\n"))) == (
        "not sent, as the server has no place for: temperature, voice\\n "
        "(--strict makes this an error)"
    )
