from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from openai_realtime.testing import MOCK_API_KEY, MockRealtimeServer, MockResponse

if TYPE_CHECKING:
    from cli.command_runners import Invoke, Shell


def sent(server: MockRealtimeServer) -> object:
    return server.requests[-1].json


def secret_of(document: str) -> str:
    value: str = json.loads(document)["client_secret"]["value"]
    return value


def test_the_session_is_a_table(invoke: Invoke, realtime_server: MockRealtimeServer) -> None:
    result = invoke("mint", "--model", "gpt-realtime-2.1", "--voice", "verse", "--ttl", "600")
    assert result.exit_code == 0
    assert result.stderr == ""
    rows = dict(line.split(None, 1) for line in result.stdout.splitlines() if line.strip())
    assert rows["model"].strip() == "gpt-realtime-2.1"
    assert rows["voice"].strip() == "verse"
    assert rows["turn_detection.type"].strip() == "server_vad"
    assert rows["client_secret"].startswith("ek_")
    assert rows["expires"].strip().endswith((" (600 s left)", " (599 s left)"))
    assert "prompt" not in rows
    assert result.stdout.splitlines()[-1].startswith("request id req_mock_1, 1 attempt, 0.")
    assert [line for line in result.stdout.splitlines() if line != line.rstrip()] == []


def test_json_is_the_response_and_nothing_else(
    invoke: Invoke, realtime_server: MockRealtimeServer
) -> None:
    response = {"id": "sess_1", "voice": None, "client_secret": {"value": "ek_1", "new": "ü"}}
    realtime_server.respond_next(MockResponse(json=response))
    result = invoke("mint", "--json")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert json.loads(result.stdout) == response


@pytest.mark.parametrize("option", ["-q", "--quiet"])
def test_quiet_is_the_bare_secret(
    option: str, invoke: Invoke, realtime_server: MockRealtimeServer
) -> None:
    realtime_server.respond_next(MockResponse(json={"client_secret": {"value": "ek_1"}}))
    result = invoke("mint", option)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "ek_1\n", "")


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ("", {}),
        ("--model gpt-realtime-2.1", {"model": "gpt-realtime-2.1"}),
        ("--voice verse", {"voice": "verse"}),
        ("--instructions Hello", {"instructions": "Hello"}),
        ("--modality text", {"modalities": ["text"]}),
        ("--modality text --modality audio", {"modalities": ["text", "audio"]}),
        ("--speed 1", {"speed": 1.0}),
        ("--temperature 0.7", {"temperature": 0.7}),
        ("--max-tokens 100", {"max_response_output_tokens": 100}),
        ("--max-tokens inf", {"max_response_output_tokens": "inf"}),
        ("--turn-detection server_vad", {"turn_detection": {"type": "server_vad"}}),
        ("--turn-detection semantic_vad", {"turn_detection": {"type": "semantic_vad"}}),
        ("--turn-detection none", {"turn_detection": None}),
        ("--input-format g711_ulaw", {"input_audio_format": "g711_ulaw"}),
        ("--output-format g711_alaw", {"output_audio_format": "g711_alaw"}),
        (
            "--transcription-model gpt-transcribe",
            {"input_audio_transcription": {"model": "gpt-transcribe"}},
        ),
        ("--ttl 600", {"client_secret": {"expires_after": {"seconds": 600}}}),
        (
            "--param voice.id=voice_1 --param tracing=auto",
            {"voice": {"id": "voice_1"}, "tracing": "auto"},
        ),
        (
            "--turn-detection server_vad --param turn_detection.threshold=0.4",
            {"turn_detection": {"type": "server_vad", "threshold": 0.4}},
        ),
        ("--param extra_body.of_tomorrow=1", {"of_tomorrow": 1}),
    ],
)
def test_an_option_sets_a_parameter(
    arguments: str,
    parameters: dict[str, object],
    invoke: Invoke,
    realtime_server: MockRealtimeServer,
) -> None:
    realtime_server.respond_next(MockResponse(json={"client_secret": {"value": "ek_1"}}))
    result = invoke("mint", "-q", *arguments.split())
    assert result.stderr == ""
    assert sent(realtime_server) == parameters


def test_a_config_is_overridden_by_options_and_both_by_params(
    invoke: Invoke, realtime_server: MockRealtimeServer, tmp_path: Path
) -> None:
    config = tmp_path / "session.json"
    config.write_text(
        json.dumps({"model": "a", "voice": "a", "speed": 0.5, "turn_detection": {"threshold": 0.5}})
    )
    options = ["--voice", "b", "--speed", "1", "--param", "speed=1.5"]
    result = invoke(
        "mint", "-q", "--config", str(config), *options, "--turn-detection", "server_vad"
    )
    assert result.exit_code == 0
    assert sent(realtime_server) == {
        "model": "a",
        "voice": "b",
        "speed": 1.5,
        "turn_detection": {"type": "server_vad", "threshold": 0.5},
    }


def test_a_config_may_come_from_stdin(invoke: Invoke, realtime_server: MockRealtimeServer) -> None:
    assert invoke("mint", "-q", "--config", "-", stdin=b'{"voice": "sage"}').exit_code == 0
    assert sent(realtime_server) == {"voice": "sage"}


def test_a_safety_identifier_is_a_header(
    invoke: Invoke, realtime_server: MockRealtimeServer
) -> None:
    assert invoke("mint", "-q", "--safety-identifier", "user-7f3a").exit_code == 0
    assert realtime_server.requests[-1].headers["openai-safety-identifier"] == "user-7f3a"


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_the_key_may_come_from_a_file(
    source: str,
    invoke: Invoke,
    realtime_server: MockRealtimeServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    path = tmp_path / "key"
    path.write_text(f"{MOCK_API_KEY}\n")
    if source == "file":
        result = invoke("mint", "-q", "--api-key-file", str(path))
    else:
        result = invoke("mint", "-q", "--api-key-file", "-", stdin=path.read_bytes())
    assert result.exit_code == 0
    assert realtime_server.requests[-1].headers["authorization"] == f"Bearer {MOCK_API_KEY}"


def test_the_base_url_and_retries_are_options(
    invoke: Invoke, realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    failing = MockResponse(503)
    realtime_server.respond_next(failing)
    arguments = ["mint", "--base-url", realtime_server.base_url, "--timeout", "5", "--max-retries"]
    assert invoke(*arguments, "0").exit_code == 8
    assert len(realtime_server.requests) == 1
    realtime_server.respond_next(failing)
    result = invoke(*arguments, "1")
    assert result.exit_code == 0
    assert ", 2 attempts, " in result.stdout


def test_plain_http_is_an_option(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-live")
    # Not a loopback address by its name, but it leads to this machine only.
    arguments = ["mint", "--base-url", "http://0.0.0.0:1", "--max-retries", "0"]
    assert invoke(*arguments).exit_code == 3
    assert invoke(*arguments, "--allow-http").exit_code == 12


def test_the_mock_needs_nothing_and_gives_another_secret_every_time(
    shell: Shell, invoke: Invoke
) -> None:
    first, second = shell("mint", "--mock", "--json"), invoke("mint", "--mock", "-q")
    assert (first.returncode, first.stderr) == (0, "")
    assert secret_of(first.stdout).startswith("ek_")
    assert second.stdout.startswith("ek_")
    assert secret_of(first.stdout) != second.stdout.strip()


def test_the_mock_checks_as_the_server_does(invoke: Invoke) -> None:
    result = invoke("mint", "--mock", "--json", "--voice", "verse", "--modality", "audio")
    assert result.exit_code == 9
    assert 'error: 400 invalid_value: modalities cannot be ["audio"] alone' in result.stderr
    result = invoke("mint", "--mock", "--json", "--voice", "verse")
    assert secret_of(result.stdout).startswith("ek_")


def test_gpt_live_has_no_secrets(invoke: Invoke) -> None:
    result = invoke("mint", "--mock", "--model", "gpt-live-1.1")
    assert result.exit_code != 0
    assert "have no client secrets: the mint service begins their calls with broker" in " ".join(
        result.stderr.split()
    )
