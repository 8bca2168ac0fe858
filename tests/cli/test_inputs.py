from __future__ import annotations

import errno
import io
import os
import sys
import threading
from pathlib import Path

import pytest

from openai_realtime.cli import inputs
from openai_realtime.cli.failures import NoApiKeyError
from openai_realtime.cli.inputs import (
    check_stdin_is_read_once,
    read_api_key,
    read_config,
    read_sdp,
    read_secret_file,
)
from openai_realtime.errors import ConfigurationError, ParameterError

UNREADABLE = os.strerror(2)
VARIABLE = "XAI_API_KEY"


@pytest.mark.parametrize(
    "content", [b"sk-1", b"sk-1\n", b"  sk-1 \r\n", b"\xef\xbb\xbfsk-1\r\n"], ids=repr
)
def test_a_key_file_holds_the_key(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    assert read_api_key(str(path), VARIABLE) == "sk-1"


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfes\x00k\x00"], ids=repr)
def test_a_key_file_without_a_key_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        read_api_key(str(path), VARIABLE)
    assert str(refused.value) == f"--api-key-file {path}: there is no key in it"


@pytest.mark.parametrize("option", ["--api-key-file", "--token-file", "--safety-key-file"])
@pytest.mark.parametrize(
    "pasted",
    [
        "0123456789abcdef0123456789abcdef",
        "Zm9v/YmFy+Zm9v/YmF6==",
        "/" + "k" * 300,  # too long for a name
        "k\0k",  # no name at all
    ],
)
def test_a_key_in_the_place_of_its_files_name_is_not_quoted(option: str, pasted: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_secret_file(option, pasted)
    told = str(refused.value)
    assert told.startswith(f"{option}: ")
    assert told.endswith(": it takes the name of a file, or - for stdin")
    assert pasted not in told
    assert refused.value.__cause__ is None


def test_a_key_file_that_is_none_says_why(tmp_path: Path) -> None:
    for name, number in (("nowhere", errno.ENOENT), ("", errno.EISDIR)):
        with pytest.raises(ConfigurationError, match=f"^--api-key-file: {os.strerror(number)}: "):
            read_api_key(str(tmp_path / name), VARIABLE)


@pytest.mark.parametrize(
    ("mode", "is_warned_of"), [(0o604, True), (0o644, True), (0o640, False), (0o600, False)]
)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
def test_a_key_that_every_user_can_read_is_warned_of(
    mode: int, is_warned_of: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "key"
    path.write_text("sk-1")
    path.chmod(mode)
    assert read_secret_file("--token-file", str(path)) == "sk-1"
    warning = f"warning: --token-file {path}: every user of this machine can read it: chmod 600\n"
    assert capsys.readouterr().err == (warning if is_warned_of else "")


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has other rights, and no pipes by name"
)
def test_what_is_no_file_is_not_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"sk-1\n")))
    assert read_secret_file("--token-file", "-") == "sk-1"
    # What `<(…)` gives, with rights that say nothing.
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    fifo.chmod(0o666)
    writing = threading.Thread(target=fifo.write_text, args=("sk-1",), daemon=True)
    writing.start()
    assert read_secret_file("--token-file", str(fifo)) == "sk-1"
    writing.join(10)
    # Windows has no such rights.
    path = tmp_path / "key"
    path.write_text("sk-1")
    path.chmod(0o644)
    monkeypatch.setattr(inputs, "_HAS_MODES", False)
    assert read_secret_file("--token-file", str(path)) == "sk-1"
    assert capsys.readouterr().err == ""


def test_without_a_file_the_key_is_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-providers")
    monkeypatch.setenv(VARIABLE, "sk-environment")
    assert read_api_key(None, VARIABLE) == "sk-environment"


@pytest.mark.parametrize("value", [None, ""])
def test_without_either_there_is_no_key(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-providers")
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(NoApiKeyError, match="No API key") as refused:
        read_api_key(None, VARIABLE)
    assert refused.value.hint.startswith(f"Set {VARIABLE}, or name a file with --api-key-file")


@pytest.mark.parametrize("content", [b'{"voice": "verse"}', b'\xef\xbb\xbf {"voice": "verse"}\n'])
def test_a_config_is_a_json_object(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    path.write_bytes(content)
    assert read_config(str(path)) == {"voice": "verse"}


def test_no_config_is_no_parameters() -> None:
    assert read_config(None) == {}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is not JSON (Expecting value at character 0)"),
        (b"{", "it is not JSON"),
        (b'{"speed": NaN}', "it holds NaN, which JSON does not have"),
        (b"\xff", "it is not UTF-8"),
        (b"[]", "it is not a JSON object"),
        (b'"sk-secret"', "it is not a JSON object"),
    ],
)
def test_an_unusable_config_is_told_and_not_quoted(
    content: bytes, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "session.json"
    path.write_bytes(content)
    with pytest.raises(ParameterError) as refused:
        read_config(str(path))
    assert str(refused.value).startswith(f"--config {path}: {problem}")
    assert "sk-secret" not in str(refused.value)


def test_a_config_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ParameterError) as refused:
        read_config(str(tmp_path / "nowhere"))
    assert str(refused.value) == f"--config {tmp_path / 'nowhere'}: {UNREADABLE}"


def test_a_dash_is_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"speed": 1.0}')))
    assert read_config("-") == {"speed": 1.0}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"sk-1\n")))
    assert read_api_key("-", VARIABLE) == "sk-1"


def test_a_closed_stdin_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ParameterError, match=f"--config -: {os.strerror(9)}"):
        read_config("-")


def test_an_sdp_offer_is_kept_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "offer.sdp"
    path.write_bytes("v=0\r\ns=ü\n\n".encode())
    assert read_sdp(str(path)) == "v=0\r\ns=ü\n\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is not an SDP offer, which begins with v=0"),
        (b'{"type": "offer", "sdp": "v=0"}', "it is not an SDP offer, which begins with v=0"),
        (b"sk-secret", "it is not an SDP offer, which begins with v=0"),
        (b"v=0\xff", "it is not UTF-8"),
        (None, UNREADABLE),
    ],
)
def test_an_unusable_sdp_offer_is_told_and_not_quoted(
    content: bytes | None, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "offer.sdp"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ParameterError) as refused:
        read_sdp(str(path))
    assert str(refused.value) == f"--sdp {path}: {problem}"


def test_stdin_is_one_file_at_most() -> None:
    check_stdin_is_read_once("a", None, "-", None, "a")
    with pytest.raises(ParameterError, match="Only one file can be -"):
        check_stdin_is_read_once("-", "a", "-")
