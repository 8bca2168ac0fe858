from __future__ import annotations

import errno
import io
import os
import sys
import threading
from pathlib import Path
from typing import get_type_hints

import pytest

from openai_realtime.cli import parameters
from openai_realtime.cli.parameters import (
    CALL_PATHS,
    OPTION_OF,
    SESSION_PATHS,
    TRANSCRIPTION_PATHS,
    TRANSLATION_PATHS,
    NoApiKeyError,
    assemble,
    check_stdin_is_read_once,
    nested,
    option_parameters,
    overlay,
    parse_param,
    parse_value,
    read_api_key,
    read_config,
    read_sdp,
    read_secret_file,
)
from openai_realtime.errors import ConfigurationError, ParameterError
from openai_realtime.types.call import CallAcceptParams, CallCreateParams, CallRejectParams
from openai_realtime.types.session import SessionCreateParams, TranscriptionSessionCreateParams
from openai_realtime.types.translation import TranslationClientSecretCreateParams

UNREADABLE = os.strerror(2)
VARIABLE = "XAI_API_KEY"


@pytest.mark.parametrize(
    ("table", "params"),
    [
        (SESSION_PATHS, SessionCreateParams),
        (TRANSCRIPTION_PATHS, TranscriptionSessionCreateParams),
        (TRANSLATION_PATHS, TranslationClientSecretCreateParams),
        (CALL_PATHS, CallAcceptParams),
    ],
)
def test_every_path_is_a_known_parameter(table: dict[str, str], params: type) -> None:
    assert {path.partition(".")[0] for path in table.values()} <= get_type_hints(params).keys()


def test_every_parameter_with_an_option_is_a_known_one() -> None:
    every = (
        SessionCreateParams,
        TranslationClientSecretCreateParams,
        CallAcceptParams,
        CallCreateParams,
        CallRejectParams,
    )
    known = {name for params in every for name in get_type_hints(params)}
    assert {name.partition(".")[0] for name in OPTION_OF} <= known


@pytest.mark.parametrize(
    ("parameter", "option"),
    [
        ("model", "--model"),
        ("max_response_output_tokens", "--max-tokens"),
        ("client_secret.expires_after.seconds", "--ttl"),
        ("expires_after.seconds", "--ttl"),
        ("turn_detection", "--turn-detection"),
        ("session.audio.output.language", "--translate"),
        ("session.audio.output.voice", "--voice"),
        ("audio.output.voice", "--voice"),
        ("status_code", "--status-code"),
    ],
)
def test_the_option_of_a_parameter(parameter: str, option: str) -> None:
    assert OPTION_OF[parameter] == option


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.4", 0.4),
        ("12", 12),
        ("true", True),
        ("null", None),
        ('"12"', "12"),
        ('["text"]', ["text"]),
        ('{"type": "server_vad"}', {"type": "server_vad"}),
        ("verse", "verse"),
        ("", ""),
        ("inf", "inf"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("{not json", "{not json"),
        ("[" * 100 + "]" * 100, "[" * 100 + "]" * 100),
        ("9" * 5000, "9" * 5000),
        ("\udcff", "\udcff"),
    ],
)
def test_a_value_is_json_or_else_text(text: str, value: object) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("voice=verse", "voice", "verse"),
        ("turn_detection.threshold=0.4", "turn_detection.threshold", 0.4),
        ("instructions=a=b", "instructions", "a=b"),
        ("instructions=", "instructions", ""),
    ],
)
def test_a_param_is_a_name_and_a_value(text: str, name: str, value: object) -> None:
    assert parse_param(text) == (name, value)


@pytest.mark.parametrize("text", ["", "voice", "=verse", ".voice=x", "voice.=x", "a..b=x", "sk-a"])
def test_a_param_without_a_name_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ParameterError) as refused:
        parse_param(text)
    assert str(refused.value) == ("--param takes NAME=VALUE, such as turn_detection.threshold=0.4")


def test_dots_nest() -> None:
    assert nested("a", 1) == {"a": 1}
    assert nested("a.b.c", 1) == {"a": {"b": {"c": 1}}}


@pytest.mark.parametrize(
    ("value", "later", "merged"),
    [
        (1, 2, 2),
        ({"a": 1}, None, None),
        (None, {"a": 1}, {"a": 1}),
        ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"type": "x", "a": 1}, {"type": "x", "b": 2}, {"type": "x", "a": 1, "b": 2}),
        ({"type": "x", "a": 1}, {"type": "y", "b": 2}, {"type": "y", "b": 2}),
        ({"a": 1}, {"type": "y"}, {"a": 1, "type": "y"}),
        ({"type": "x"}, {"a": 1}, {"type": "x", "a": 1}),
    ],
)
def test_objects_are_merged_unless_their_types_differ(
    value: object, later: object, merged: object
) -> None:
    assert overlay(value, later) == merged


def test_options_override_the_config_and_params_both() -> None:
    config = {"model": "a", "voice": "a", "speed": 1.0, "turn_detection": {"threshold": 0.5}}
    assembled = assemble(
        config,
        {"voice": "b", "speed": 1.1, "turn_detection.type": "server_vad"},
        ["speed=1.2", "turn_detection.threshold=0.4", "turn_detection.prefix_padding_ms=10"],
    )
    assert assembled == {
        "model": "a",
        "voice": "b",
        "speed": 1.2,
        "turn_detection": {"type": "server_vad", "threshold": 0.4, "prefix_padding_ms": 10},
    }
    assert config["turn_detection"] == {"threshold": 0.5}, "the config itself is left alone"


def test_the_last_of_several_params_counts() -> None:
    assert assemble({}, {}, ["a=1", "a.b=2", "a.c=3"]) == {"a": {"b": 2, "c": 3}}
    assert assemble({}, {}, ["a.b=2", "a=1"]) == {"a": 1}


@pytest.mark.parametrize(
    ("choice", "value"),
    [
        ("none", None),
        ("server_vad", {"type": "server_vad"}),
        ("semantic_vad", {"type": "semantic_vad"}),
    ],
)
def test_no_turn_detection_is_null(choice: str, value: object) -> None:
    given = {"turn_detection": choice, "other": 1}
    assert option_parameters(given, SESSION_PATHS) == {"turn_detection": value}


@pytest.mark.parametrize(
    ("paths", "transcription"),
    [
        (SESSION_PATHS, "input_audio_transcription"),
        (TRANSLATION_PATHS, "session.audio.input.transcription"),
    ],
    ids=["session", "translation"],
)
def test_no_transcription_is_null(paths: dict[str, str], transcription: str) -> None:
    for model, expected in (
        ("none", {transcription: None}),
        ("gpt-transcribe", {f"{transcription}.model": "gpt-transcribe"}),
    ):
        assert option_parameters({"transcription_model": model}, paths) == expected
    assert option_parameters({"transcription_model": "none"}, CALL_PATHS) == {}


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
def test_a_key_typed_in_place_of_its_files_name_is_not_quoted(option: str, pasted: str) -> None:
    with pytest.raises(ParameterError) as refused:
        read_secret_file(option, pasted)
    message = str(refused.value)
    assert message.startswith(f"{option}: ")
    assert message.endswith(": it takes the name of a file, or - for stdin")
    assert pasted not in message
    assert refused.value.__cause__ is None


def test_a_key_file_that_cannot_be_read(tmp_path: Path) -> None:
    for name, number in (("nowhere", errno.ENOENT), ("", errno.EISDIR)):
        with pytest.raises(ParameterError, match=f"^--api-key-file: {os.strerror(number)}: "):
            read_api_key(str(tmp_path / name), VARIABLE)


@pytest.mark.parametrize(
    ("mode", "is_warning"), [(0o604, True), (0o644, True), (0o640, False), (0o600, False)]
)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other file modes")
def test_a_key_that_every_user_can_read_is_a_warning(
    mode: int, is_warning: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "key"
    path.write_text("sk-1")
    path.chmod(mode)
    assert read_secret_file("--token-file", str(path)) == "sk-1"
    warning = f"warning: --token-file {path}: every user of this machine can read it: chmod 600\n"
    assert capsys.readouterr().err == (warning if is_warning else "")


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has other file modes, and no pipes by name"
)
def test_stdin_and_pipes_are_no_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"sk-1\n")))
    assert read_secret_file("--token-file", "-") == "sk-1"
    # What `<(…)` gives, whose mode says nothing.
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    fifo.chmod(0o666)
    writing = threading.Thread(target=fifo.write_text, args=("sk-1",), daemon=True)
    writing.start()
    assert read_secret_file("--token-file", str(fifo)) == "sk-1"
    writing.join(60)
    # Windows has no such modes.
    path = tmp_path / "key"
    path.write_text("sk-1")
    path.chmod(0o644)
    monkeypatch.setattr(parameters, "_HAS_FILE_MODES", False)
    assert read_secret_file("--token-file", str(path)) == "sk-1"
    assert capsys.readouterr().err == ""


def test_without_a_file_the_key_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-providers")
    monkeypatch.setenv(VARIABLE, "sk-environment")
    assert read_api_key(None, VARIABLE) == "sk-environment"


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_file_and_a_variable_there_is_no_key(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
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
def test_an_unusable_config_is_an_error_that_does_not_quote_it(
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


def test_a_closed_stdin_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ParameterError, match=f"--config -: {os.strerror(9)}"):
        read_config("-")


def test_an_sdp_offer_is_not_changed(tmp_path: Path) -> None:
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
def test_an_unusable_sdp_offer_is_an_error_that_does_not_quote_it(
    content: bytes | None, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "offer.sdp"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ParameterError) as refused:
        read_sdp(str(path))
    assert str(refused.value) == f"--sdp {path}: {problem}"


def test_only_one_file_can_be_stdin() -> None:
    check_stdin_is_read_once("a", None, "-", None, "a")
    with pytest.raises(ParameterError, match="Only one file can be -"):
        check_stdin_is_read_once("-", "a", "-")
