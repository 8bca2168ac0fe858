from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from openai_realtime.testing import MockRealtimeServer

if TYPE_CHECKING:
    from cli.command_runners import Invoke

DROPPED = "warning: not sent, as the server has no place for: temperature (--strict makes this an error)\n"


def rows(table: str) -> dict[str, str]:
    lines = [line.split(None, 1) for line in table.split("\n\n", maxsplit=1)[0].splitlines()]
    return {name: value.strip() for name, value in lines}


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ("", {}),
        (
            "--transcription-model gpt-transcribe",
            {"input_audio_transcription": {"model": "gpt-transcribe"}},
        ),
        ("--ttl 600", {"client_secret": {"expires_at": {"seconds": 600}}}),
        ("--turn-detection none", {"turn_detection": None}),
        ("--input-format g711_ulaw", {"input_audio_format": "g711_ulaw"}),
        ("--modality text", {"modalities": ["text"]}),
        (
            "--param input_audio_transcription.language=de",
            {"input_audio_transcription": {"language": "de"}},
        ),
    ],
)
def test_a_transcription_session(
    arguments: str, parameters: object, invoke: Invoke, realtime_server: MockRealtimeServer
) -> None:
    result = invoke("mint", "--transcription", "-q", *arguments.split())
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("ek_")
    request = realtime_server.requests[-1]
    assert request.path == "/v1/realtime/transcription_sessions"
    assert request.json == parameters


def test_a_transcription_sessions_table(
    invoke: Invoke, realtime_server: MockRealtimeServer
) -> None:
    result = invoke("mint", "--transcription", "--transcription-model", "gpt-transcribe")
    assert result.exit_code == 0
    table = rows(result.stdout)
    assert table["input_audio_transcription.model"] == "gpt-transcribe"
    assert table["client_secret"].startswith("ek_")
    assert "object" not in table


DEFAULT_MODEL = "gpt-realtime-translate"


@pytest.mark.parametrize(
    ("arguments", "config", "parameters"),
    [
        ("", {}, {"session": {"model": DEFAULT_MODEL}}),
        ("--model mine", {}, {"session": {"model": "mine"}}),
        ("--ttl 600", {}, {"expires_after": {"seconds": 600}, "session": {"model": DEFAULT_MODEL}}),
        (
            "--transcription-model gpt-realtime-whisper",
            {},
            {
                "session": {
                    "model": DEFAULT_MODEL,
                    "audio": {"input": {"transcription": {"model": "gpt-realtime-whisper"}}},
                }
            },
        ),
        (
            "--param session.audio.input.noise_reduction.type=near_field",
            {"session": {"model": "configured"}},
            {
                "session": {
                    "model": "configured",
                    "audio": {"input": {"noise_reduction": {"type": "near_field"}}},
                }
            },
        ),
    ],
)
def test_a_translation_secret(
    arguments: str,
    config: object,
    parameters: dict[str, dict[str, dict[str, object]]],
    invoke: Invoke,
    realtime_server: MockRealtimeServer,
    tmp_path: Path,
) -> None:
    path = tmp_path / "session.json"
    path.write_text(json.dumps(config))
    arguments = f"--translate es --config {path} {arguments}"
    result = invoke("mint", "-q", *arguments.split())
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("ek_")
    request = realtime_server.requests[-1]
    assert request.path == "/v1/realtime/translations/client_secrets"
    parameters["session"].setdefault("audio", {})["output"] = {"language": "es"}
    assert request.json == parameters


def test_a_translation_secrets_table_and_json(
    invoke: Invoke, realtime_server: MockRealtimeServer
) -> None:
    result = invoke("mint", "--translate", "es")
    assert result.exit_code == 0
    table = rows(result.stdout)
    assert table["session.model"] == DEFAULT_MODEL
    assert table["session.audio.output.language"] == "es"
    assert table["client_secret"].startswith("ek_")
    assert table["expires"].endswith(" s left)")
    assert not {"value", "expires_at"} & table.keys()
    assert result.stdout.count("ek_") == 1
    document = json.loads(invoke("mint", "--translate", "es", "--json").stdout)
    assert document.keys() == {"value", "expires_at", "session"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            "--transcription --translate es",
            "--transcription and --translate are two different sessions: choose one",
        ),
        ("--transcription --model x", "--transcription takes no --model"),
        (
            (
                "--transcription --voice x --instructions x --speed 0 --temperature 0 --max-tokens 1 "
                "--output-format x"
            ),
            (
                "--transcription takes no --voice, no --instructions, no --speed, no --temperature, "
                "no --max-tokens, no --output-format"
            ),
        ),
        (
            (
                "--translate es --voice x --instructions x --modality text --speed 0 --temperature 0 "
                "--max-tokens 1 --turn-detection none --input-format x --output-format x"
            ),
            (
                "--translate takes no --voice, no --instructions, no --speed, no --turn-detection, "
                "no --modality, no --temperature, no --max-tokens, no --input-format, "
                "no --output-format"
            ),
        ),
        (
            "--translate es --dialect ga",
            "--translate takes no --dialect: translation has only one",
        ),
        ("--config - --api-key-file -", "Only one file can be - (stdin), which is read once"),
    ],
)
def test_options_that_do_not_go_together(
    arguments: str, problem: str, invoke: Invoke, realtime_server: MockRealtimeServer
) -> None:
    result = invoke("mint", *arguments.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {problem}\n"
    assert realtime_server.requests == []


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            "--translate es --ttl 1",
            (
                "error: expires_after.seconds must be a whole number from 10 to 7200\n"
                "hint: --ttl sets expires_after.seconds\n"
            ),
        ),
        (
            "--translate es --param session.model=null",
            (
                "error: session.model cannot be None: leave it out for the server's default\n"
                "hint: --model sets session.model\n"
            ),
        ),
        (
            "--transcription --param includes=x",
            ("error: includes is not a known parameter: did you mean include?\n"),
        ),
        (
            "--instructions \udcff",
            "error: a text in the parameters has a lone surrogate, which UTF-8 cannot encode\n",
        ),
    ],
)
def test_a_wrong_parameter_is_named_by_its_path(
    arguments: str, lines: str, invoke: Invoke, realtime_server: MockRealtimeServer
) -> None:
    result = invoke("mint", *arguments.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == lines


@pytest.mark.parametrize(
    ("arguments", "endpoints"),
    [
        ("", ["sessions"]),
        ("--dialect auto", ["sessions"]),
        ("--dialect beta", ["sessions"]),
        ("--dialect ga", ["client_secrets"]),
        ("--dialect ga --transcription", ["client_secrets"]),
    ],
)
def test_the_dialect_is_an_option(
    arguments: str, endpoints: list[str], invoke: Invoke, realtime_server: MockRealtimeServer
) -> None:
    assert invoke("mint", "-q", *arguments.split()).exit_code == 0
    called = [request.path.rpartition("/")[2] for request in realtime_server.requests]
    assert called == endpoints


@pytest.mark.parametrize("form", ["-q", "--json", None])
def test_what_the_dialect_cannot_carry_is_a_warning(
    form: str | None, invoke: Invoke, realtime_server: MockRealtimeServer
) -> None:
    options = () if form is None else (form,)
    result = invoke("mint", "--dialect", "ga", "--temperature", "0.7", *options)
    assert (result.exit_code, result.stderr) == (0, DROPPED)
    is_in_the_table = result.stdout.rstrip().endswith(", dropped: temperature")
    assert is_in_the_table == (form is None)


@pytest.mark.parametrize("dialect", ["auto", "ga"])
def test_strict_makes_it_an_error(dialect: str, invoke: Invoke) -> None:
    arguments = ["mint", "--mock", "--provider", "openai", "--dialect", dialect, "-q"]
    assert invoke(*arguments, "--no-strict", "--temperature", "0.7").exit_code == 0
    result = invoke(*arguments, "--strict", "--temperature", "0.7")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: sessions.create: OpenAI does not accept temperature in its dialect; "
        "leave it out, or remove --strict\n"
        "hint: --temperature sets temperature\n"
    )


@pytest.mark.parametrize("is_wrapped", [True, False])
def test_a_config_in_openais_own_shape_is_minted_by_client_secrets(
    is_wrapped: bool, invoke: Invoke, realtime_server: MockRealtimeServer, tmp_path: Path
) -> None:
    session = {"type": "realtime", "model": "gpt-realtime-2.1", "instructions": "Be brief."}
    lifetime = {"expires_after": {"anchor": "created_at", "seconds": 600}}
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"session": session, **lifetime} if is_wrapped else session))
    options = (
        "--voice marin --speed 1.2 --turn-detection none --modality text --max-tokens 7 --ttl 60"
    )
    result = invoke("mint", "-q", "--dialect", "ga", "--config", str(config), *options.split())
    assert (result.exit_code, result.stderr) == (0, "")
    (request,) = realtime_server.requests
    assert request.path == "/v1/realtime/client_secrets"
    assert request.json == {
        "session": {
            **session,
            "output_modalities": ["text"],
            "max_output_tokens": 7,
            "audio": {
                "input": {"turn_detection": None},
                "output": {"voice": "marin", "speed": 1.2},
            },
        },
        "expires_after": {**(lifetime["expires_after"] if is_wrapped else {}), "seconds": 60},
    }


def test_a_nested_config_takes_only_what_the_nested_shape_has(
    invoke: Invoke, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"session": {"type": "realtime"}}')
    result = invoke("mint", "--config", str(config), "--temperature", "0.7")
    assert result.exit_code == 2
    assert result.stderr == "error: --config with a nested session takes no --temperature\n"
