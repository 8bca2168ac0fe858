from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Generator

import pytest
from rich.console import Console
from rich.text import Text

from openai_realtime.cli import output
from openai_realtime.cli.output import (
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


class EncodedStdout(io.TextIOWrapper):
    """A stdout with an encoding of its own."""

    def __init__(self, encoding: str) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding, write_through=True)


def test_one_line_is_one_line() -> None:
    assert output.one_line(" a\n  b\r\nc\x1b ") == "a b c\\x1b"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", "ü €"), ("latin-1", "ü \\u20ac"), ("ascii", "\\xfc \\u20ac")],
)
def test_what_an_encoding_lacks_is_escaped(
    encoding: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout = EncodedStdout(encoding)
    monkeypatch.setattr(sys, "stdout", stdout)
    output.write("ü €")
    assert stdout.bytes.getvalue().decode(encoding) == expected


def test_json_is_utf_8_in_any_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = EncodedStdout("ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    output.write_json('"ü"')
    assert stdout.bytes.getvalue() == '"ü"\n'.encode()


def test_json_has_escapes_for_what_a_terminal_acts_on(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    document = json.dumps(
        {"a": "ü😀\u202e\x9b\x7f\u2028\U000e0041\n\x1b"}, ensure_ascii=False, indent=2
    )
    output.write_json(document)
    written = capfdbinary.readouterr().out.decode()
    assert json.loads(written) == json.loads(document)
    assert "ü😀" in written
    assert written.replace("\n", "").isprintable()


def test_exact_text_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = EncodedStdout("ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    output.write_exact("v=0\r\ns=ü\x1b[2J\n")
    assert stdout.bytes.getvalue() == "v=0\r\ns=ü\x1b[2J\n".encode()


def test_exact_text_is_escaped_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = EncodedStdout("utf-8")
    monkeypatch.setattr(stdout, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", stdout)
    output.write_exact("v=0\r\ns=ü\x1b[2J\n")
    assert stdout.bytes.getvalue() == "v=0\ns=ü\\x1b[2J\n".encode()


def test_rich_output_has_a_minimum_width(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_rich(Text("word " * 60), minimum_width=400)
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_colour_is_for_terminals(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output.print_message("error", "no")
    monkeypatch.setenv("FORCE_COLOR", "1")
    output.print_message("error", "no")
    plain, coloured = capsys.readouterr().err.splitlines()
    assert plain == "error: no"
    assert coloured != plain
    assert "error:" in coloured


def test_a_terminal_is_known_by_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stderr = EncodedStdout("utf-8")
    monkeypatch.setattr(stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", stderr)
    output.print_message("error", "no")
    assert stderr.bytes.getvalue() == b"\x1b[1;31merror:\x1b[0m no\n"


def test_a_message_is_one_line_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_message("error", "word " * 200 + "[bold] :smile:")
    assert capsys.readouterr().err == f"error: {'word ' * 200}[bold] :smile:\n"


def test_no_stdout_is_an_error_and_no_stderr_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.raises(OSError, match="no stdout"):
        output.write("lost")
    with pytest.raises(OSError, match="no stdout"):
        output.write_exact("lost")
    output.print_message("error", "lost")


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
            [("turn_detection", "off: the client ends each turn")],
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


def test_the_table_masks_the_key_and_cuts_long_names() -> None:
    key = "0123456789abcdef"
    response = session(instructions=f"no {key} here", more={"n" * 500: {"a": 1}})
    response.with_meta(ResponseMeta(sanitizer=Sanitizer((key,))))
    assert session_rows(response)[:2] == [
        ("instructions", "no ********** here"),
        ("more." + "n" * 195, "1"),
    ]


def test_a_secret_at_the_top_of_the_response_is_shown_once() -> None:
    response = translation(session={"model": "m", "audio": {"output": {"language": "es"}}})
    assert session_rows(response) == [
        ("session.model", "m"),
        ("session.audio.output.language", "es"),
        ("client_secret", SECRET),
        ("expires", "unknown"),
    ]


def test_the_secret_stays_on_one_line_however_narrow_the_terminal_is() -> None:
    table, minimum_width = session_table(session(instructions="word " * 100))
    console = Console(file=io.StringIO(), width=max(40, minimum_width))
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
def test_the_meta_line(meta: ResponseMeta, line: str) -> None:
    assert meta_line(meta).plain == line


def test_dropped_parameters_are_named() -> None:
    assert dropped_text(ResponseMeta(dropped=("temperature", "voice\n"))) == (
        "not sent, as the server has no place for: temperature, voice\\n "
        "(--strict makes this an error)"
    )
