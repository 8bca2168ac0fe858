from __future__ import annotations

import io
import json
import sys

import pytest
from rich.text import Text

from openai_realtime.cli import output


class Written(io.TextIOWrapper):
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
    stdout = Written(encoding)
    monkeypatch.setattr(sys, "stdout", stdout)
    output.write("ü €")
    assert stdout.bytes.getvalue().decode(encoding) == expected


def test_json_is_utf_8_in_any_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = Written("ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    output.write_json('"ü"')
    assert stdout.bytes.getvalue() == '"ü"\n'.encode()


def test_json_moves_no_terminal_and_means_the_same(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    told = json.dumps(
        {"a": "ü😀\u202e\x9b\x7f\u2028\U000e0041\n\x1b"}, ensure_ascii=False, indent=2
    )
    output.write_json(told)
    written = capfdbinary.readouterr().out.decode()
    assert json.loads(written) == json.loads(told)
    assert "ü😀" in written
    assert written.replace("\n", "").isprintable()


def test_text_for_a_program_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = Written("ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    output.write_exact("v=0\r\ns=ü\x1b[2J\n")
    assert stdout.bytes.getvalue() == "v=0\r\ns=ü\x1b[2J\n".encode()


def test_text_for_a_program_is_harmless_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = Written("utf-8")
    monkeypatch.setattr(stdout, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", stdout)
    output.write_exact("v=0\r\ns=ü\x1b[2J\n")
    assert stdout.bytes.getvalue() == "v=0\ns=ü\\x1b[2J\n".encode()


def test_rich_is_never_narrower_than_asked(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_rich(Text("word " * 60), least_width=400)
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
    stderr = Written("utf-8")
    monkeypatch.setattr(stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", stderr)
    output.print_message("error", "no")
    assert stderr.bytes.getvalue() == b"\x1b[1;31merror:\x1b[0m no\n"


def test_a_complaint_is_one_line_however_long(capsys: pytest.CaptureFixture[str]) -> None:
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
