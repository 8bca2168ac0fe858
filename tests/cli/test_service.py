"""The process that `openai-realtime serve` runs, and its log."""

from __future__ import annotations

import json
import logging
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import httpx
import pytest

from cli.command_runners import started
from openai_realtime import providers
from openai_realtime.cli import service
from openai_realtime.cli.service import PageOptions, _JsonFormatter, _TextFormatter
from openai_realtime.testing import MockRealtimeServer, MockResponse

if TYPE_CHECKING:
    from collections.abc import Generator

    from openai_realtime.providers import Provider

TOKEN = "a-token-of-sixteen-characters"


@contextmanager
def serving(
    *arguments: str, **environment: str
) -> Generator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Start the service; yield its process, and the lines of its introduction by their names."""
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


def stopped(process: subprocess.Popen[str], number: int) -> str:
    """Stop the service; return what it wrote to stderr."""
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else 0), errors
    return errors


def test_the_mock_needs_no_key() -> None:
    with serving("--mock", "--metrics", "--voice", "verse") as (process, introduction):
        url = introduction["Listening"]
        assert introduction["Page"] == f"{url}/"
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
            response = http.post("/client-secret", json={}, headers={"origin": url})
            assert response.status_code == 200
            secret = response.json()
            assert secret["value"].startswith("ek_")
            origin = secret["connect_url"].removesuffix("/v1/realtime/calls")
            assert f"connect-src 'self' {origin};" in f"{policy};"
            assert http.post("/client-secret", json={}, headers={"origin": "null"}).is_error
            rebound = {"host": "evil.example"}
            assert http.post("/client-secret", json={}, headers=rebound).status_code == 401
            assert http.get("/readyz").json()["status"] == "ready"
            assert 'outcome="minted"} 1' in http.get("/metrics").text
            # The connection is still open: it must not keep the server from stopping.
            errors = stopped(process, signal.SIGINT)
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
        ) as (process, introduction),
    ):
        assert introduction.keys() == {"Listening", "Secrets", "Health"}
        url = introduction["Listening"]
        assert httpx.get(url).status_code == 404
        assert httpx.post(f"{url}/client-secret", json={}).status_code == 401
        headers = {"authorization": f"Bearer {TOKEN}"}
        response = httpx.post(f"{url}/client-secret", json={}, headers=headers)
        assert response.status_code == 200
        assert response.json()["model"] == "gpt-realtime-2.1"
        errors = stopped(process, signal.SIGTERM)
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
        ) as (process, introduction),
    ):
        mock.respond_next(MockResponse(401, json={"error": error}))
        refused = httpx.post(f"{introduction['Listening']}/client-secret", json={})
        assert refused.status_code == 502
        errors = stopped(process, signal.SIGINT)
    (line,) = [line for line in errors.splitlines() if "provider_failed" in line]
    assert f"{refused.json()['request_id']}): 401 invalid_api_key: Incorrect API key: " in line
    assert "sk-123" not in errors


def test_a_failure_is_one_json_object_too() -> None:
    try:
        raise ValueError
    except ValueError:
        failed = logging.LogRecord("x", logging.ERROR, "", 1, "failed", (), sys.exc_info())
    record = json.loads(_JsonFormatter().format(failed))
    assert (record["level"], record["message"]) == ("error", "failed")
    assert record["traceback"].endswith("ValueError")


def test_no_request_forges_a_line_of_the_log() -> None:
    """An exception in your `authorize` may quote the request."""
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


TRANSCRIBED = {"input_audio_transcription": {"model": "gpt-transcribe"}}
NESTED = {"type": "realtime", "audio": {"input": {"transcription": {"model": "gpt-transcribe"}}}}
OTHER = {"input_audio_transcription": {"model": "gpt-live-transcribe"}}


@pytest.mark.parametrize(
    ("provider", "mock", "session", "expected", "model"),
    [
        (providers.openai(), "none", {}, TRANSCRIBED, "gpt-transcribe"),
        (providers.openai(region="eu"), "none", {}, TRANSCRIBED, "gpt-transcribe"),
        (
            providers.compatible("https://api.openai.com/v1"),
            "none",
            {},
            TRANSCRIBED,
            "gpt-transcribe",
        ),
        (providers.compatible("http://127.0.0.1:1"), "calls", {}, TRANSCRIBED, "gpt-transcribe"),
        (providers.openai(), "none", {"type": "realtime"}, NESTED, "gpt-transcribe"),
        # The session's own choice is kept: a model, none, or a language without a model.
        (providers.openai(), "none", OTHER, OTHER, "gpt-live-transcribe"),
        (
            providers.openai(),
            "none",
            {"input_audio_transcription": None},
            {"input_audio_transcription": None},
            None,
        ),
        (
            providers.openai(),
            "none",
            {"input_audio_transcription": {"language": "de"}},
            {"input_audio_transcription": {"model": "gpt-transcribe", "language": "de"}},
            "gpt-transcribe",
        ),
        # Another provider may not know the model.
        (providers.azure("https://a.openai.azure.com"), "none", {}, {}, None),
        (providers.compatible("https://api.openai.com.example/v1"), "none", {}, {}, None),
        (
            providers.compatible("https://gateway.example/v1"),
            "none",
            OTHER,
            OTHER,
            "gpt-live-transcribe",
        ),
    ],
)
def test_the_pages_session_is_transcribed_unless_the_operator_decides_otherwise(
    provider: Provider,
    mock: Literal["none", "calls"],
    session: dict[str, object],
    expected: dict[str, object],
    model: str | None,
) -> None:
    page = PageOptions(asks_for_token=False, mock=mock)
    assert page.session(session, provider) == expected
    settings = page.settings(expected, "https://api.openai.com/v1/realtime/calls")
    assert settings.transcription_model == model


def test_the_introduction_says_what_transcription_costs() -> None:
    arguments = ("--page", "--anyone-on-this-machine", "--provider=openai")
    with serving(*arguments, OPENAI_API_KEY="sk-x") as (process, introduction):
        assert introduction["Transcript"] == (
            "gpt-transcribe transcribes what the person says, which the provider bills in addition to "
            "the session: $0.0045 a minute of speech at OpenAI; --transcription-model none switches it "
            "off"
        )
        with httpx.Client(base_url=introduction["Listening"]) as http:
            assert 'data-transcription="on"' in http.get("/").text
        stopped(process, signal.SIGINT)


def test_gpt_live_has_calls_only() -> None:
    arguments = ("--mock", "--broker", "--model=gpt-live-1.1")
    with serving(*arguments) as (process, introduction):
        assert {"Calls", "Page"} <= introduction.keys()
        assert introduction.keys().isdisjoint({"Secrets", "Transcript"})
        with httpx.Client(base_url=introduction["Listening"]) as http:
            assert 'data-api="live" data-transcription="off"' in http.get("/").text
            assert http.post("/client-secret", json={}).json()["error"] == "no_client_secrets"
        stopped(process, signal.SIGINT)


def test_the_urls_and_origins_of_a_socket() -> None:
    for host, url, count in [
        ("127.0.0.1", "http://127.0.0.1:", 2),
        ("localhost", "http://localhost:", 2),
        ("0.0.0.0", "http://127.0.0.1:", 2),
        ("::1", "http://[::1]:", 3),
    ]:
        with service.listen(host, 0) as listening:
            assert listening.url == f"{url}{listening.port}"
            assert listening.url in listening.origins()
            assert len(listening.origins()) == count
            other = service.ListeningSocket(listening.socket, "192.0.2.7")
            assert other.origins() == [f"http://192.0.2.7:{listening.port}"]


def test_a_storage_that_cannot_be_reached_is_a_warning_at_the_start() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"redis://:password@127.0.0.1:{closed.getsockname()[1]}"
        with serving("--mock", OPENAI_REALTIME_SERVE_STORAGE=url) as (process, _):
            errors = stopped(process, signal.SIGTERM)
    (warning,) = [line for line in errors.splitlines() if line.startswith("warning: ")]
    assert warning.startswith("warning: no secret is minted until --storage can be reached: ")
    assert "password" not in errors


def test_each_line_of_the_debug_log_is_written_once(realtime_server: MockRealtimeServer) -> None:
    environment = {"OPENAI_REALTIME_LOG": "debug"}
    with serving("--anyone-on-this-machine", **environment) as (process, introduction):
        httpx.post(f"{introduction['Listening']}/client-secret", json={})
        errors = stopped(process, signal.SIGTERM)
    lines = [line.partition(" DEBUG ")[2] for line in errors.splitlines() if " DEBUG " in line]
    attempts = [line for line in lines if "attempt 1: POST" in line]
    assert len(attempts) == 1, errors
