"""`openai-realtime serve`: its settings from three parameter_paths, who is let in, and the process itself."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.requests import Request

from cli.running import started
from openai_realtime.cli import auth, service
from openai_realtime.cli.choices import LogFormat
from openai_realtime.cli.service_log import _JsonFormatter, _TextFormatter
from openai_realtime.errors import ConfigurationError
from openai_realtime.testing import MockRealtimeServer, MockResponse

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from cli.running import Invoke
    from openai_realtime.cli.service import Listener

TOKEN = "a-token-of-sixteen-characters"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would have been run."""
    seen: list[dict[str, Any]] = []

    def run(listener: Listener, client: Any, options: Any, **rest: Any) -> None:
        seen.append({"host": listener.host, "client": client, **options, **rest})

    monkeypatch.setattr(service, "run", run)
    return seen


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
origin = ["https://a.example", "https://b.example"]

[session]
model = "gpt-realtime-mini"
voice = "verse"
turn_detection = {type = "semantic_vad"}

[allow]
voice = ["verse", "marin"]
""",
        encoding="utf-8",
    )
    return str(path)


def test_a_file_says_everything(
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
            "model": "gpt-realtime-mini",
            "voice": "verse",
            "turn_detection": {"type": "semantic_vad"},
        },
        "allow": {"voice": ["verse", "marin"]},
        "lifetime": 120,
        "origins": ["https://a.example", "https://b.example"],
        "credentials": False,
        "trusted_proxies": 0,
        "metrics": True,
        "limits": "1/second",
        "has_page": False,
        "log": LogFormat.TEXT,
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
        "--transcription-model whisper-1"
    )
    assert invoke("serve", *flags.split()).exit_code == 0
    (seen,) = served
    assert seen["limits"] == "3/second"
    assert seen["lifetime"] == 30
    assert seen["log"] is LogFormat.JSON
    assert seen["session"] == {
        "model": "gpt-realtime-mini",
        "voice": "marin",
        "instructions": "Hi",
        "speed": 1.1,
        "turn_detection": None,
        "input_audio_transcription": {"model": "whisper-1"},
    }
    assert seen["allow"] == {"speed": [1, 1.5], "voice": ["verse"]}
    assert (seen["storage"], seen["global_limits"]) == ("redis://127.0.0.1", "9/second")
    assert seen["connect_url"] == "https://rtc.example/calls"
    assert seen["safety_key"] == "a key of sixteen bytes"
    assert seen["has_page"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("prot = 1", "prot is not a known setting: did you mean port?"),
        ("xyzzy = 1", "xyzzy is not a known setting\n"),
        ("config = 'other'", "config is not a known setting"),
        ("voice = 'verse'", "voice is the session's: write it below [session]"),
        ("ttl = 'x'", "Invalid value for '--ttl'"),
        ("session = 1", "session is a table: [session]"),
        ("port =", "is not a TOML file"),
        (None, "No such file or directory"),
        ("[session]\nvoise = 'x'\n", "did you mean voice?"),
        ("[allow]\nvoise = ['x']\n", "allow: voise is unusable"),
    ],
)
def test_a_file_that_is_wrong(
    content: str | None, told: str, invoke: Invoke, tmp_path: Path
) -> None:
    path = tmp_path / "serve.toml"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    result = invoke("serve", "--mock", "--port=0", "--config", str(path))
    assert result.exit_code in {2, 3}
    assert told in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        ("", {}, "error: Nobody may ask yet: choose --authorize, --token-file"),
        ("--page", {}, "Nobody may ask yet"),
        ("--anyone-on-this-machine --host 0.0.0.0", {}, "--host 0.0.0.0 is more than this machine"),
        ("--mock --host ::", {}, "--host :: is more than this machine"),
        ("--anyone-on-this-machine --authorize m:f", {}, "Choose one only: --authorize"),
        ("--mock", {"OPENAI_REALTIME_SERVE_TOKENS": "short"}, "a token has 16 characters or more"),
        ("--mock", {"OPENAI_REALTIME_SERVE_TOKENS": " "}, "SERVE_TOKENS: there is no token in it"),
        (f"--mock --token-file {__file__}", {}, "a line is a token, or a name and a token"),
        (
            "--token-file /nowhere",
            {},
            "--token-file: No such file or directory: it takes the name of a file",
        ),
        ("--authorize nowhere", {}, "it is module:function"),
        ("--authorize nowhere:f", {}, "nowhere:f cannot be imported: No module named"),
        ("--authorize os:nowhere.f", {}, "os:nowhere.f cannot be imported"),
        ("--authorize os:name", {}, "os:name is not a function"),
        ("--mock --allow voice", {}, "--allow takes NAME=VALUE,VALUE"),
        ("--anyone-on-this-machine", {}, "No API key"),
        ("--mock --ttl 5", {}, "lifetime is unusable"),
        ("--mock --limits often", {}, "limits"),
    ],
)
def test_it_does_not_start_without_knowing_who_may_ask_for_what(
    arguments: str,
    environment: Mapping[str, str],
    told: str,
    invoke: Invoke,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = invoke("serve", "--port", "0", *arguments.split())
    assert result.exit_code in {2, 3}
    assert told in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("rule", ["--anyone-on-this-machine", ""])
def test_a_mock_needs_no_warning(rule: str, invoke: Invoke, served: list[dict[str, Any]]) -> None:
    result = invoke("serve", "--mock", "--port", "0", *rule.split())
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
    ("missing", "exit_code", "told"),
    [
        ("uvicorn", 3, "serve needs uvicorn: pip install 'openai-realtime[cli,mint]'"),
        ("aiortc", 0, "hint: pip install aiortc, and the mock takes the call"),
    ],
)
def test_what_is_not_installed(
    missing: str,
    exit_code: int,
    told: str,
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
    assert told in result.stderr
    assert [each["has_page"] for each in served] == [True] * (exit_code == 0)


def asked_by(
    peer: str | None = "127.0.0.1", /, *more: tuple[bytes, bytes], **headers: str
) -> Request:
    return Request(
        {
            "type": "http",
            "client": peer and (peer, 1),
            "headers": [
                *more,
                *(
                    (name.replace("_", "-").encode(), value.encode())
                    for name, value in headers.items()
                ),
            ],
        }
    )


@pytest.mark.parametrize(
    ("peer", "headers", "is_let_in"),
    [
        ("127.0.0.1", {"host": "127.0.0.1:8000"}, True),
        ("127.0.0.1", {"host": "localhost"}, True),
        ("::1", {"host": "[::1]:8000"}, True),
        ("::1", {"host": "[::1]"}, True),
        ("192.0.2.1", {"host": "localhost"}, False),
        (None, {"host": "localhost"}, False),
        ("127.0.0.1", {"host": "evil.example:8000"}, False),
        ("127.0.0.1", {"host": "localhost.evil.example"}, False),
        ("127.0.0.1", {}, False),
        ("127.0.0.1", {"host": "[::1%evil.example]:8000"}, False),
        ("::1%evil", {"host": "localhost"}, False),
        *[
            ("127.0.0.1", {"host": "localhost", name: "127.0.0.1"}, False)
            for name in (
                "cf-connecting-ip",
                "forwarded",
                "via",
                "x-forwarded-for",
                "x-forwarded-host",
                "x-forwarded-port",
                "x-forwarded-proto",
                "x-forwarded-server",
                "x-real-ip",
            )
        ],
    ],
)
def test_anyone_on_this_machine_is_on_this_machine(
    peer: str | None, headers: dict[str, str], is_let_in: bool
) -> None:
    authorize: Any = auth.anyone_on_this_machine()
    principal = asyncio.run(authorize(asked_by(peer, **headers)))
    assert principal == ("this-machine" if is_let_in else None)


@pytest.mark.parametrize("second", [b"evil.example", b"localhost"])
def test_two_hosts_are_none(second: bytes) -> None:
    authorize: Any = auth.anyone_on_this_machine()
    request = asked_by("127.0.0.1", (b"host", b"localhost"), (b"host", second))
    assert asyncio.run(authorize(request)) is None


def test_a_token_names_its_principal() -> None:
    lines = ["# who may talk", "", f"alice {TOKEN}", "another-token-of-that-length"]
    authorize: Any = auth.bearer_tokens("--token-file", "\n".join(lines))

    def principal(header: str) -> str | None:
        named: str | None = asyncio.run(authorize(asked_by(authorization=header)))
        return named

    assert principal(f"Bearer {TOKEN}") == "alice"
    assert principal(f"bearer  {TOKEN} ") == "alice"
    unnamed = principal("Bearer another-token-of-that-length")
    assert unnamed is not None
    assert unnamed.startswith("token-")
    assert "another" not in unnamed
    for wrong in ("", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer alice", f"Bearer {TOKEN}x"):
        assert principal(wrong) is None
    with pytest.raises(ConfigurationError, match="--token-file: line 2 is unusable: a line is a t"):
        auth.bearer_tokens("--token-file", f"{TOKEN}\nalice of wonderland {TOKEN}")


@pytest.mark.parametrize("listener", ["--token-file", "OPENAI_REALTIME_SERVE_TOKENS"])
def test_a_long_name_is_no_token_wherever_the_tokens_are(
    listener: str,
    invoke: Invoke,
    served: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "a-name-of-more-than-sixteen-characters"
    text = f"# who may talk\n{name} {TOKEN}\r\n\n  {TOKEN[::-1]}\n"
    arguments = ["serve", "--mock", "--port=0"]
    if listener == "--token-file":
        path = tmp_path / "tokens"
        path.write_text(text)
        path.chmod(0o600)
        arguments += [listener, str(path)]
    else:
        monkeypatch.setenv(listener, text)
    result = invoke(*arguments)
    assert result.exit_code == 0, result.stderr
    assert "warning" not in result.stderr
    authorize = served[0]["authorize"]

    def principal(token: str) -> str | None:
        named: str | None = asyncio.run(authorize(asked_by(authorization=f"Bearer {token}")))
        return named

    assert principal(TOKEN) == name
    assert str(principal(TOKEN[::-1])).startswith("token-")
    assert principal(name) is None


def test_a_function_is_found_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_login.py").write_text("class Login:\n    def who(request): return 'me'\n")
    monkeypatch.chdir(tmp_path)
    authorize: Any = auth.named_function("my_login:Login.who")
    assert authorize(None) == "me"


@contextmanager
def serving(
    *arguments: str, **environment: str
) -> Generator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Start the service; yield it, and what it says of itself."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with started("serve", "--port", "0", *arguments) as process:
            assert process.stdout is not None
            lines = list(iter(process.stdout.readline, "\n"))
            yield (
                process,
                {name: rest.strip() for name, rest in (line.split(maxsplit=1) for line in lines)},
            )


def ended(process: subprocess.Popen[str], number: int) -> str:
    """End the service; return what it said on stderr."""
    process.send_signal(number)
    _, errors = process.communicate(timeout=15)
    assert process.returncode == 0, errors
    return errors


def test_the_mock_is_the_whole_thing_without_a_key() -> None:
    with serving("--mock", "--metrics", "--voice", "verse") as (process, told):
        url = told["Listening"]
        assert told["Page"] == f"{url}/"
        with httpx.Client(base_url=url) as http:
            page = http.get("/")
            policy = page.headers["content-security-policy"]
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            assert page.headers["permissions-policy"].startswith("microphone=(self)")
            assert page.headers["x-content-type-options"] == "nosniff"
            for name, kind in (("app.js", "text/javascript"), ("style.css", "text/css")):
                assert http.get(f"/page/{name}").headers["content-type"].startswith(kind)
            assert http.get("/page/..%2findex.html").status_code == 404
            assert http.get("/page/nothing.js").status_code == 404
            minted = http.post("/client-secret", json={}, headers={"origin": url})
            assert minted.status_code == 200
            answer = minted.json()
            assert answer["value"].startswith("ek_")
            origin = answer["connect_url"].removesuffix("/v1/realtime/calls")
            assert f"connect-src 'self' {origin};" in f"{policy};"
            assert http.post("/client-secret", json={}, headers={"origin": "null"}).is_error
            rebound = {"host": "evil.example"}
            assert http.post("/client-secret", json={}, headers=rebound).status_code == 401
            assert http.get("/readyz").json()["status"] == "ready"
            assert 'outcome="minted"} 1' in http.get("/metrics").text
            # The connection is open still: it must not keep the server.
            errors = ended(process, signal.SIGINT)
    assert "POST 200 minted" in errors
    assert "ek_" not in errors


def test_a_real_server_with_tokens_and_json_lines() -> None:
    with (
        MockRealtimeServer() as mock,
        serving(
            "--log=json",
            OPENAI_REALTIME_SERVE_TOKENS=TOKEN,
            OPENAI_BASE_URL=mock.base_url,
            OPENAI_API_KEY=mock.api_key,
        ) as (process, told),
    ):
        assert told.keys() == {"Listening", "Secrets", "Health"}
        url = told["Listening"]
        assert httpx.get(url).status_code == 404
        assert httpx.post(f"{url}/client-secret", json={}).status_code == 401
        headers = {"authorization": f"Bearer {TOKEN}"}
        minted = httpx.post(f"{url}/client-secret", json={}, headers=headers)
        assert minted.status_code == 200
        assert minted.json()["model"] == "gpt-realtime"
        errors = ended(process, signal.SIGTERM)
    lines = [json.loads(line) for line in errors.splitlines()]
    assert [line["status"] for line in lines] == [401, 200]
    assert lines[1]["outcome"] == "minted"
    assert "traceback" not in lines[1]
    assert TOKEN not in errors


def test_a_providers_failure_is_in_the_default_log() -> None:
    error = {"message": "Incorrect API key: sk-1234567890abcdef", "code": "invalid_api_key"}
    with (
        MockRealtimeServer() as mock,
        serving(
            "--anyone-on-this-machine", OPENAI_BASE_URL=mock.base_url, OPENAI_API_KEY=mock.api_key
        ) as (process, told),
    ):
        mock.respond_next(MockResponse(401, json={"error": error}))
        refused = httpx.post(f"{told['Listening']}/client-secret", json={})
        assert refused.status_code == 502
        errors = ended(process, signal.SIGINT)
    (line,) = [line for line in errors.splitlines() if "provider_failed" in line]
    assert f"{refused.json()['request_id']}): 401 invalid_api_key: Incorrect API key: " in line
    assert "sk-123" not in errors


def test_a_failure_is_one_json_object_too() -> None:
    try:
        raise ValueError
    except ValueError:
        failed = logging.LogRecord("x", logging.ERROR, "", 1, "failed", (), sys.exc_info())
    told = json.loads(_JsonFormatter().format(failed))
    assert (told["level"], told["message"]) == ("error", "failed")
    assert told["traceback"].endswith("ValueError")


def test_no_request_writes_a_line_of_the_log() -> None:
    """An exception of somebody's `authorize` may quote what came."""
    try:
        raise ValueError("bad token \x1b[2J\u202e\n2026-11-26 INFO all is well")
    except ValueError:
        failed = logging.LogRecord("x", logging.ERROR, "", 1, "a\nb\x1b", (), sys.exc_info())
    first, *others = _TextFormatter("%(message)s").format(failed).split("\n")
    assert first == "a b\\x1b"
    assert others[-2:] == [
        "  ValueError: bad token \\x1b[2J\\u202e",
        "  2026-11-26 INFO all is well",
    ]
    assert all(line.startswith("  ") for line in others)


def test_where_it_is_found() -> None:
    for host, url, count in [
        ("127.0.0.1", "http://127.0.0.1:", 2),
        ("localhost", "http://localhost:", 2),
        ("0.0.0.0", "http://127.0.0.1:", 2),
        ("::1", "http://[::1]:", 3),
    ]:
        with service.listening(host, 0) as listener:
            assert listener.url == f"{url}{listener.port}"
            assert listener.url in listener.origins()
            assert len(listener.origins()) == count
            other = service.Listener(listener.socket, "192.0.2.7")
            assert other.origins() == [f"http://192.0.2.7:{listener.port}"]


def test_help_says_the_variables_once(invoke: Invoke) -> None:
    told = invoke("serve", "--help").stdout
    assert "OPENAI_REALTIME_SERVE_PORT" in told
    assert "env var" not in told
    assert os.environ.get("OPENAI_REALTIME_SERVE_PORT") is None


def test_help_names_the_tables_in_their_brackets(invoke: Invoke) -> None:
    told = invoke("serve", "--help").stdout
    assert "tables [session] and [allow]" in " ".join(told.replace("│", " ").split())
