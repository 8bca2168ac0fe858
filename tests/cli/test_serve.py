"""`openai-realtime serve`: its settings from options, the environment, and a file."""

from __future__ import annotations

import importlib.util
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from openai_realtime.cli.service import PageOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cli.command_runners import Invoke


@pytest.fixture
def toml(tmp_path: Path) -> str:
    path = tmp_path / "serve.toml"
    path.write_text(
        """
host = "localhost"
port = 0
anyone-on-this-machine = true
metrics = true
ttl = 120
limits = "1/second"
origin = ["https://a.example", "capacitor://localhost"]

[session]
model = "gpt-realtime-2.1-mini"
voice = "verse"
turn_detection = {type = "semantic_vad"}

[allow]
voice = ["verse", "marin"]
""",
        encoding="utf-8",
    )
    return str(path)


def test_a_file_has_every_setting(
    invoke: Invoke,
    served: list[dict[str, Any]],
    toml: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    result = invoke("serve", "--config", toml)
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: --anyone-on-this-machine mints with a real key for")
    assert result.stderr.count("\n") == 1
    (seen,) = served
    assert callable(seen.pop("authorize"))
    assert seen == {
        "host": "localhost",
        "client": {"api_key": "sk-x", "base_url": None, "allow_http": False},
        "session": {
            "model": "gpt-realtime-2.1-mini",
            "voice": "verse",
            "turn_detection": {"type": "semantic_vad"},
        },
        "allow": {"voice": ["verse", "marin"]},
        "lifetime": 120,
        "origins": ["https://a.example", "capacitor://localhost"],
        "credentials": False,
        "trusted_proxies": 0,
        "metrics": True,
        "limits": "1/second",
        "page": None,
        "log": "text",
    }


def test_flags_override_the_environment_which_overrides_the_file(
    invoke: Invoke,
    served: list[dict[str, Any]],
    toml: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = tmp_path / "key"
    key.write_text("a key of sixteen bytes\n")
    environment = {
        "OPENAI_API_KEY": "sk-x",
        "OPENAI_REALTIME_SERVE_CONFIG": toml,
        "OPENAI_REALTIME_SERVE_TTL": "30",
        "OPENAI_REALTIME_SERVE_LIMITS": "2/second",
        "OPENAI_REALTIME_SERVE_VOICE": "cedar",
        "OPENAI_REALTIME_SERVE_LOG": "json",
        "OPENAI_REALTIME_SERVE_STORAGE": "redis://127.0.0.1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    flags = (
        "--limits 3/second --param voice=marin --instructions Hi --speed 1.1 --turn-detection none "
        "--allow speed=1,1.5 --allow voice=verse --page --global-limits 9/second "
        f"--connect-url https://rtc.example/calls --safety-key-file {key} "
        "--transcription-model gpt-transcribe"
    )
    assert invoke("serve", *flags.split()).exit_code == 0
    (seen,) = served
    assert seen["limits"] == "3/second"
    assert seen["lifetime"] == 30
    assert seen["log"] == "json"
    assert seen["session"] == {
        "model": "gpt-realtime-2.1-mini",
        "voice": "marin",
        "instructions": "Hi",
        "speed": 1.1,
        "turn_detection": None,
        "input_audio_transcription": {"model": "gpt-transcribe"},
    }
    assert seen["allow"] == {"speed": [1, 1.5], "voice": ["verse"]}
    assert (seen["storage"], seen["global_limits"]) == ("redis://127.0.0.1", "9/second")
    assert seen["connect_url"] == "https://rtc.example/calls"
    assert seen["safety_key"] == "a key of sixteen bytes"
    assert seen["page"] == PageOptions(asks_for_token=False, mock="none")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("prot = 1", "prot is not a known setting: did you mean port?"),
        ("xyzzy = 1", "xyzzy is not a known setting\n"),
        ("config = 'other'", "config is not a known setting"),
        ("voice = 'verse'", "voice is a parameter of the session: write it below [session]"),
        ("ttl = 'x'", "serve.toml: ttl: it must be a whole number"),
        ("session = 1", "session must be a table: [session]"),
        ("port =", "is not a TOML file"),
        (None, "No such file or directory"),
        ("[session]\nvoise = 'x'\n", "did you mean voice?"),
        ("[allow]\nvoise = ['x']\n", "serve.toml: allow: voise is unusable"),
        (
            "[allow]\nvoice = 3\n",
            "serve.toml: allow: voice is unusable: it must have a list of values",
        ),
        ("ttl = 5", "serve.toml: ttl: lifetime is unusable: it must be 10 to 7200 seconds"),
        ("limits = '5'", "serve.toml: limits: limits is unusable"),
        ("trusted-proxies = -1", "serve.toml: trusted_proxies: it must be 0 or more"),
        ("metrics = 'maybe'", "serve.toml: metrics: it must be true or false"),
        ("log = 'xml'", "serve.toml: log: 'xml' is not one of 'text', 'json'"),
        (
            "[session]\nspeed = 9\n",
            "serve.toml: [session]: speed must be a number from 0.25 to 1.5",
        ),
    ],
)
def test_a_file_that_is_wrong(
    content: str | None, message: str, invoke: Invoke, tmp_path: Path
) -> None:
    path = tmp_path / "serve.toml"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    result = invoke("serve", "--mock", "--port=0", "--config", str(path))
    assert result.exit_code in {2, 3}
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ("", {}, "error: Choose who may get a secret: --authorize, --token-file"),
        ("--page", {}, "Choose who may get a secret"),
        ("--anyone-on-this-machine --host 0.0.0.0", {}, "--host 0.0.0.0 is open to other machines"),
        ("--mock --host ::", {}, "--host :: is open to other machines"),
        ("--anyone-on-this-machine --authorize m:f", {}, "Choose one only: --authorize"),
        ("--mock", {"OPENAI_REALTIME_SERVE_TOKENS": "short"}, "a token has 16 characters or more"),
        ("--mock", {"OPENAI_REALTIME_SERVE_TOKENS": " "}, "SERVE_TOKENS: there is no token in it"),
        (f"--mock --token-file {__file__}", {}, "it must be a token, or a name and a token"),
        (
            "--token-file /nowhere",
            {},
            "--token-file: No such file or directory: it takes the name of a file",
        ),
        ("--authorize nowhere", {}, "it must be module:function"),
        ("--authorize nowhere:f", {}, "nowhere:f cannot be imported: No module named"),
        ("--authorize os:nowhere.f", {}, "os:nowhere.f cannot be imported"),
        ("--authorize os:name", {}, "os:name is not a function"),
        ("--mock --allow voice", {}, "--allow takes NAME=VALUE,VALUE"),
        ("--anyone-on-this-machine", {}, "No API key"),
        ("--mock --ttl 5", {}, "lifetime is unusable"),
        ("--mock --limits often", {}, "limits"),
        ("--mock --origin localhost", {}, "origins: 'localhost' is unusable"),
    ],
)
def test_it_does_not_start_with_unusable_settings(
    arguments: str,
    environment: Mapping[str, str],
    message: str,
    invoke: Invoke,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = invoke("serve", "--port", "0", *arguments.split())
    assert result.exit_code in {2, 3}
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("options", "environment", "asks_for_token"),
    [
        ("", {}, False),
        ("--token-file TOKENS", {}, True),
        ("", {"OPENAI_REALTIME_SERVE_TOKENS": "a-token-of-sixteen-characters"}, True),
        ("--authorize os:getenv", {}, False),
    ],
)
def test_the_page_asks_for_a_token_where_tokens_are_required(
    options: str,
    environment: Mapping[str, str],
    invoke: Invoke,
    served: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    asks_for_token: bool,
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("a-token-of-sixteen-characters\n")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    arguments = options.replace("TOKENS", str(tokens)).split()
    assert invoke("serve", "--mock", "--port", "0", *arguments).exit_code == 0
    (seen,) = served
    assert seen["page"] == PageOptions(asks_for_token=asks_for_token, mock="calls")
    assert seen["session"] == {"model": "gpt-realtime-2.1"}  # it has no shutdown date


@pytest.mark.parametrize("option", ["--anyone-on-this-machine", ""])
def test_a_mock_needs_no_warning(option: str, invoke: Invoke, served: list[dict[str, Any]]) -> None:
    result = invoke("serve", "--mock", "--port", "0", *option.split())
    assert (result.exit_code, len(served)) == (0, 1)
    assert "warning" not in result.stderr


def test_a_port_in_use(invoke: Invoke) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = invoke("serve", "--mock", "--port", str(port))
    assert result.exit_code == 1
    assert f"Cannot listen on port {port}: Address already in use" in result.stderr


@pytest.mark.parametrize(
    ("missing", "exit_code", "message"),
    [
        (
            "uvicorn",
            3,
            "error: The Python package uvicorn is not installed, which serve needs: pip install prom",
        ),
        (
            "aiortc",
            0,
            "hint: the mock only mints; it takes part in calls after pip install aiortc",
        ),
    ],
)
def test_what_is_not_installed(
    missing: str,
    exit_code: int,
    message: str,
    invoke: Invoke,
    served: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else find(name)
    )
    result = invoke("serve", "--mock", "--port", "0")
    assert result.exit_code == exit_code
    assert message in result.stderr
    page = PageOptions(asks_for_token=False, mock="no-calls")
    assert [each["page"] for each in served] == [page] * (exit_code == 0)


def test_help_names_the_variables_once(invoke: Invoke) -> None:
    page = invoke("serve", "--help").stdout
    assert "OPENAI_REALTIME_SERVE_PORT" in page
    assert "env var" not in page
    assert os.environ.get("OPENAI_REALTIME_SERVE_PORT") is None


def test_help_names_the_tables_in_their_brackets(invoke: Invoke) -> None:
    page = invoke("serve", "--help").stdout
    assert "tables [session] and [allow]" in " ".join(page.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--mock", {}),
        ("--mock --broker", {"broker": True, "heartbeat": 90.0}),
        ("--mock --max-duration 900", {"max_duration": 900.0, "heartbeat": 90.0}),
        ("--mock --broker --heartbeat 30", {"broker": True, "heartbeat": 30.0}),
        (
            (
                "--anyone-on-this-machine --broker --at-limit end_oldest --max-concurrent 2 "
                "--global-max-concurrent 50"
            ),
            {
                "broker": True,
                "at_limit": "end_oldest",
                "max_concurrent": 2,
                "global_max_concurrent": 50,
            },
        ),
    ],
)
def test_the_options_of_calls(
    invoke: Invoke,
    served: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    expected: dict[str, object],
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    assert invoke("serve", "--port", "0", *arguments.split()).exit_code == 0
    names = {*expected, "broker", "max_duration", "heartbeat", "at_limit", "max_concurrent"}
    (seen,) = served
    assert {name: seen[name] for name in names & seen.keys()} == expected


@pytest.mark.parametrize(
    ("arguments", "session"),
    [
        ("--model gpt-live-1", {"model": "gpt-live-1"}),
        (
            "--api live --voice cedar --param client.data_channel.allowed_client_events=all",
            {
                "model": "gpt-live-1.1",
                "audio": {"output": {"voice": "cedar"}},
                "client": {"data_channel": {"allowed_client_events": "all"}},
            },
        ),
        ("--api live --model my-deployment", {"model": "my-deployment"}),
        ("--config TOML", {"model": "gpt-live-1", "instructions": "Be brief."}),
    ],
)
def test_the_model_or_an_option_selects_gpt_live(
    invoke: Invoke,
    served: list[dict[str, Any]],
    tmp_path: Path,
    arguments: str,
    session: dict[str, object],
) -> None:
    path = tmp_path / "live.toml"
    path.write_text('[session]\nmodel = "gpt-live-1"\ninstructions = "Be brief."\n')
    given = arguments.replace("TOML", str(path)).split()
    assert invoke("serve", "--mock", "--broker", "--port=0", *given).exit_code == 0
    (seen,) = served
    assert seen["session"] == session
    assert "lifetime" not in seen


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "",
            "error: GPT-Live has no client secrets: the service begins the calls, with broker=True",
        ),
        ("--broker --ttl 60", "error: --ttl: lifetime is unusable: GPT-Live has no client secrets"),
        ("--broker --speed 1 --turn-detection none", "takes no --speed, no --turn-detection"),
        (
            "--max-duration 7201",
            "error: --max-duration: max_duration is unusable: it must be 1 to 72",
        ),
        ("--broker --param audio.speed=2", "session.audio.speed is not a known parameter"),
        ("--api=both", "--api"),
    ],
)
def test_what_gpt_live_does_not_have(invoke: Invoke, arguments: str, message: str) -> None:
    result = invoke("serve", "--mock", "--port=0", "--model=gpt-live-1", *arguments.split())
    assert result.exit_code in {2, 3}
    assert message in result.stderr


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "abc", "Invalid value for OPENAI_REALTIME_SERVE_PORT: it must be a whole number"),
        ("PORT", "99999", "Invalid value for OPENAI_REALTIME_SERVE_PORT: it must be 65535 or less"),
        ("METRICS", "maybe", "Invalid value for OPENAI_REALTIME_SERVE_METRICS: it must be true or"),
        ("TTL", "5", "OPENAI_REALTIME_SERVE_TTL: lifetime is unusable"),
        ("SPEED", "9", "OPENAI_REALTIME_SERVE_SPEED: speed must be a number from 0.25 to 1.5"),
        ("ORIGIN", "x", "OPENAI_REALTIME_SERVE_ORIGIN: origins: 'x' is unusable"),
        (
            "CONFIG",
            "nowhere",
            "Invalid value for OPENAI_REALTIME_SERVE_CONFIG: nowhere: No such file",
        ),
    ],
)
def test_a_variable_that_is_wrong_is_named(
    name: str, value: str, message: str, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"OPENAI_REALTIME_SERVE_{name}", value)
    port = [] if name == "PORT" else ["--port=0"]
    result = invoke("serve", "--mock", *port)
    assert result.exit_code in {2, 3}
    assert result.stderr.startswith(f"error: {message}")


def test_an_option_that_is_wrong_is_named(invoke: Invoke) -> None:
    result = invoke("serve", "--mock", "--port=0", "--limits", "5")
    assert result.stderr.startswith("error: --limits: limits is unusable: it must be written like")


def test_an_error_about_no_setting_of_serve_stays_as_it_is(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("OPENAI_BASE_URL", "nonsense")
    result = invoke("serve", "--port=0", "--anyone-on-this-machine")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[-1] == (
        "error: OPENAI_BASE_URL is unusable: it must be a URL such as https://api.openai.com/v1"
    )


def test_a_gateways_header_is_one_setting(
    invoke: Invoke, served: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers, settings = tmp_path / "headers", tmp_path / "serve.toml"
    headers.touch(mode=0o600)
    headers.write_text("cf-aig-authorization: Bearer gateway-key\n", "utf-8")
    settings.write_text(f'headers-file = "{headers.as_posix()}"\nquery = ["tenant=a"]\n', "utf-8")
    sent = {
        "default_headers": {"cf-aig-authorization": "Bearer gateway-key"},
        "default_query": {"tenant": "a"},
    }
    for arguments in (
        ("--headers-file", str(headers), "--query", "tenant=a"),
        ("--config", str(settings)),
    ):
        assert invoke("serve", "--mock", *arguments).exit_code == 0
        assert sent.items() <= served[-1]["client"].items()
    monkeypatch.setenv("OPENAI_REALTIME_SERVE_HEADERS_FILE", str(headers))
    monkeypatch.setenv("OPENAI_REALTIME_SERVE_QUERY", "tenant=a")
    assert invoke("serve", "--mock").exit_code == 0
    assert sent.items() <= served[-1]["client"].items()
