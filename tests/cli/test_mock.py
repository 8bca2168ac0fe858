from __future__ import annotations

import importlib.util
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, NoReturn, get_args

import pytest

from cli.command_runners import started
from openai_realtime import SyncRealtimeSessionsClient
from openai_realtime.cli import mock
from openai_realtime.cli.mock import MockProviderName, logging_server
from openai_realtime.cli.provider_choice import profile_name
from openai_realtime.core.wire import Headers
from openai_realtime.testing import MOCK_API_KEY, MockRealtimeServer, RecordedRequest
from openai_realtime.testing.profiles import PROFILES

if TYPE_CHECKING:
    from cli.command_runners import Invoke


WITH_OPTIONS_OF_THEIR_OWN = {
    "azure",
    "azure-preview",
    "xai",
    "elevenlabs",
    "litellm",
}


def introduction(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        if line == "Ctrl-C stops it. Requests:\n":
            break
        lines.append(line.rstrip("\n"))
    return lines


def interrupted(process: subprocess.Popen[str]) -> tuple[float, tuple[str, str]]:
    """Send Ctrl-C; return how long the process took to end, and what it wrote."""
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    written = process.communicate(timeout=60)
    return time.monotonic() - begun, written


def test_the_server_prints_how_to_call_it_and_each_request() -> None:
    with started("mock", "--api-key", "it's") as process, started("mock") as unused:
        introduction(unused)
        lines = introduction(process)
        url = lines[0].removeprefix("Base URL  ")
        assert lines[1] == "API key   it's"
        (pasted,) = [line for line in lines if line.endswith(" openai-realtime mint")]
        assert shlex.split(pasted) == [
            f"OPENAI_BASE_URL={url}",
            "OPENAI_API_KEY=it's",
            "openai-realtime",
            "mint",
        ]
        with SyncRealtimeSessionsClient(base_url=url, api_key="it's") as client:
            client.sessions.create(extra_query={"key": "sk-secret"})
            # The connection is still open: it must not keep the server from stopping.
            usual, _ = interrupted(unused)
            seconds, output = interrupted(process)
    assert seconds < usual + 3
    assert process.returncode == 130
    assert output == ("", "POST /v1/realtime/sessions 200\n")


def test_sigterm_stops_it_and_is_no_failure() -> None:
    with started("mock", "--provider", "azure", "--dialect", "both") as process:
        assert f"API key   {MOCK_API_KEY}" in introduction(process)
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (0, "", "")


@pytest.mark.parametrize("provider", [None, *get_args(MockProviderName)])
def test_a_pasted_line_mints(
    provider: MockProviderName | None, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    with logging_server(api_key="it's", provider=profile_name(provider)) as server:
        (pasted,) = [
            line
            for line in mock._introduction(server, provider).splitlines()
            if " openai-realtime mint" in line
        ]
        words = shlex.split(pasted)
        command = words.index("openai-realtime")
        for pair in words[:command]:
            monkeypatch.setenv(*pair.split("=", 1))
        result = invoke(*words[command + 1 :], "-q")
    assert result.exit_code == 0
    assert len(result.stdout.strip()) > 30
    assert result.stderr.startswith("POST ")
    assert ("--provider" in pasted) == (provider in WITH_OPTIONS_OF_THEIR_OWN)


def test_every_provider_of_the_mock_can_be_named() -> None:
    assert {profile_name(choice) for choice in get_args(MockProviderName)} == PROFILES.keys()


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ("", {}),
        (
            "--port 1 --api-key mine --provider azure-preview --dialect both",
            {"port": 1, "api_key": "mine", "provider": "azure_preview", "dialect": "both"},
        ),
    ],
)
def test_the_server_is_what_the_options_say(
    arguments: str,
    settings: dict[str, object],
    invoke: Invoke,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[dict[str, object]] = []

    def listen(_server: MockRealtimeServer, **given: object) -> NoReturn:
        seen.append(given)
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(MockRealtimeServer, "__init__", listen)
    assert invoke("mock", *arguments.split()).exit_code == 1
    defaults = {"port": 0, "api_key": MOCK_API_KEY, "provider": None, "dialect": None}
    assert seen == [{**defaults, "webrtc": True, **settings}]


def test_without_aiortc_it_mints_and_says_what_calls_need(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []

    def listen(_server: MockRealtimeServer, *, webrtc: bool, **_: object) -> NoReturn:
        seen.append(webrtc)
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(MockRealtimeServer, "__init__", listen)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    result = invoke("mock")
    assert seen == [False]
    assert result.stderr.startswith("hint: the mock only mints; it takes part in calls after pip")


def test_a_port_in_use(invoke: Invoke) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = invoke("mock", "--port", str(port))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        f"error: Cannot listen on port {port}: Address already in use\n"
        "hint: Choose another --port; 0 takes a free one\n"
    )


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (["--port", "65536"], 2),
        (["--port", "-1"], 2),
        (["--api-key", "a b"], 3),
        (["--provider", "aws"], 2),
        (["--dialect", "auto"], 2),
        (["x"], 2),
    ],
)
def test_what_cannot_be_set(arguments: list[str], exit_code: int, invoke: Invoke) -> None:
    result = invoke("mock", *arguments)
    assert result.exit_code == exit_code
    assert result.stderr.startswith("error: ")


def test_a_request_is_one_line_and_none_is_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_server() as server:
        for path in ("/v1/realtime/sessions?key=sk-secret", "/\x1b[2J\x9b"):
            server.respond(RecordedRequest("GET", path, Headers(), b""))
        assert server.requests == []
    assert capsys.readouterr().err == "GET /v1/realtime/sessions 405\nGET /\\x1b[2J\\x9b 404\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals to oneself are POSIX's")
def test_the_signal_handler_is_put_back(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mock, "_POLL_SECONDS", 0.01)
    before = signal.getsignal(signal.SIGTERM)

    def stop() -> None:
        while signal.getsignal(signal.SIGTERM) is before:
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)

    stopping = threading.Thread(target=stop)
    stopping.start()
    result = invoke("mock")
    stopping.join()
    assert result.exit_code == 0
    assert result.stdout.startswith("Base URL  http://127.0.0.1:")
    assert signal.getsignal(signal.SIGTERM) == before
