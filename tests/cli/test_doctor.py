"""`openai-realtime doctor`: a line for each check, and an exit code."""

from __future__ import annotations

import importlib.util
import json
import socket
from datetime import date
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
from mint.redis_process import RedisProcess

from openai_realtime import providers
from openai_realtime.cli.doctor import (
    Check,
    check_base_url,
    check_clock,
    check_key,
    check_shutdown,
)
from openai_realtime.testing import MockRealtimeServer, MockResponse

if TYPE_CHECKING:
    from pathlib import Path

    from cli.command_runners import Invoke, Shell
    from openai_realtime.providers import Provider

WEBHOOK_SECRET = "whsec_" + "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA="
GATEWAY = providers.compatible("https://gateway.example/v1")


def states(output: str) -> dict[str, str]:
    """Return the state of each check."""
    return {line.split()[1]: line.split()[0] for line in output.splitlines()}


def test_a_setup_that_works(shell: Shell) -> None:
    with MockRealtimeServer() as server:
        result = shell(
            "doctor",
            OPENAI_API_KEY=server.api_key,
            OPENAI_BASE_URL=server.base_url,
            OPENAI_WEBHOOK_SECRET=WEBHOOK_SECRET,
        )
        assert [(each.method, each.path) for each in server.requests] == [
            ("GET", "/v1/models/gpt-realtime-2.1")
        ]
    assert (result.returncode, result.stderr) == (0, "")
    assert states(result.stdout) == dict.fromkeys(
        ("key", "base_url", "proxy", "dns", "tls", "model", "clock", "webhook"), "ok"
    )
    assert server.api_key not in result.stdout


def test_the_checks_as_json(invoke: Invoke) -> None:
    result = invoke("doctor", "--mock", "--json")
    assert result.exit_code == 0
    checks = json.loads(result.stdout)
    assert checks[0] == {
        "name": "key",
        "state": "ok",
        "text": "it is set, and has the shape of a key",
    }
    assert {each["state"] for each in checks} == {"ok"}


def test_nothing_is_set(shell: Shell) -> None:
    result = shell("doctor", OPENAI_API_KEY="")
    assert result.returncode == 1
    assert result.stdout.startswith("fail  key  No API key. Set OPENAI_API_KEY, or")


@pytest.mark.parametrize(
    ("arguments", "environment", "failed"),
    [
        ("--base-url ftp://x", {}, {"setup": "base_url is unusable"}),
        (
            "--base-url http://a.example/v1",
            {},
            {
                "setup": "base_url is unusable: it must be https, because plain http would show the "
                "API key to the network; or pass --allow-http"
            },
        ),
        ("", {"OPENAI_WEBHOOK_SECRET": "whsec_1"}, {"webhook": "The webhook secret is unusable"}),
        ("--storage nonsense", {}, {"storage": "storage is unusable: it must be memory://"}),
        (
            "--storage redis://127.0.0.1:PORT",
            {},
            {"storage": "it cannot be used (ConnectionError)"},
        ),
        ("--base-url http://127.0.0.1:PORT", {}, {"tls": "Could not connect: "}),
        ("--base-url https://gateway.invalid", {}, {"dns": "gateway.invalid: ", "tls": "The "}),
        (
            "--base-url https://gateway.invalid",
            {"HTTPS_PROXY": "nonsense://x"},
            {"setup": "HTTPS_PROXY is unusable"},
        ),
    ],
    ids=str,
)
def test_what_fails_is_named(
    arguments: str,
    environment: dict[str, str],
    failed: dict[str, str],
    invoke: Invoke,
    realtime_server: MockRealtimeServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = str(closed.getsockname()[1])
        result = invoke("doctor", "--max-retries=0", *arguments.replace("PORT", port).split())
    assert result.exit_code == 1
    found = {
        line.split()[1]: line.split(maxsplit=2)[2]
        for line in result.stdout.splitlines()
        if line.startswith("fail")
    }
    assert found.keys() == failed.keys(), result.stdout
    for name, text in failed.items():
        assert found[name].startswith(text) or name == "tls"


@pytest.mark.parametrize(
    ("response", "arguments", "exit_code", "model", "clock"),
    [
        (MockResponse(401, {"error": {"message": "No"}}), "", 1, "fail", "ok"),
        (MockResponse(404, {"error": {"message": "No"}}), "", 0, "warn", "ok"),
        (MockResponse(404, {"error": {"message": "No"}}), "--model mine", 1, "fail", "ok"),
        (MockResponse(drop="before"), "", 1, "fail", "warn"),
        (MockResponse(200, {"id": "m", "shutdown_date": "2001-01-01"}), "", 1, "fail", "ok"),
        (MockResponse(200, {"id": "m", "shutdown_date": "9999-01-01"}), "", 0, "ok", "ok"),
        (
            MockResponse(200, {"id": "m"}, headers={"date": formatdate(1, usegmt=True)}),
            "",
            1,
            "ok",
            "fail",
        ),
    ],
)
def test_what_the_server_says(
    response: MockResponse,
    arguments: str,
    exit_code: int,
    model: str,
    clock: str,
    invoke: Invoke,
    realtime_server: MockRealtimeServer,
) -> None:
    # After a lost connection that was idle, the request is sent again at once.
    realtime_server.respond_next(response, response)
    result = invoke("doctor", "--max-retries=0", *arguments.split())
    assert result.exit_code == exit_code, result.stdout
    found = states(result.stdout)
    assert (found["model"], found["clock"]) == (model, clock)


def test_a_provider_without_models(invoke: Invoke, realtime_server: MockRealtimeServer) -> None:
    result = invoke("doctor", "--mock", "--provider", "azure-preview")
    assert "not looked up: Azure OpenAI preview has no such endpoint" in result.stdout


@pytest.mark.redis
def test_a_storage_that_can_be_reached(invoke: Invoke, tmp_path: Path) -> None:
    redis = RedisProcess(tmp_path)
    redis.start()
    try:
        result = invoke("doctor", "--mock", "--storage", redis.url)
    finally:
        redis.kill()
    assert (result.exit_code, states(result.stdout)["storage"]) == (0, "ok")


@pytest.mark.parametrize(
    ("provider", "key", "state"),
    [
        (providers.openai(), "sk-proj-1", "ok"),
        (providers.openai(), "0123456789", "warn"),
        (providers.openai(), "ek_1", "fail"),
        (GATEWAY, "0123456789", "ok"),
        (GATEWAY, "ek_1", "fail"),
    ],
)
def test_the_shape_of_a_key(provider: Provider, key: str, state: str) -> None:
    check = check_key(provider, key)
    assert (check.name, check.state) == ("key", state)
    assert key not in check.text
    assert check_key(provider, lambda: key).state == "ok"


@pytest.mark.parametrize(
    ("url", "state"), [("https://api.openai.com/v1", "ok"), ("https://api.openai.com", "warn")]
)
def test_the_base_url(url: str, state: str) -> None:
    assert check_base_url(providers.compatible(url)).state == state


@pytest.mark.parametrize(
    ("provider", "model", "day", "check"),
    [
        (GATEWAY, "m", None, Check("model", "ok", "m: no shutdown date")),
        (GATEWAY, "gpt-realtime", None, Check("model", "ok", "gpt-realtime: no shutdown date")),
        (
            GATEWAY,
            "m",
            "2026-01-01",
            Check("model", "fail", "m was shut down on 2026-01-01: use another model"),
        ),
        (
            GATEWAY,
            "m",
            "2026-06-30",
            Check("model", "warn", "m is shut down on 2026-06-30: use another model"),
        ),
        (GATEWAY, "m", "2026-07-01", Check("model", "ok", "m is shut down on 2026-07-01")),
        (
            GATEWAY,
            "m",
            "soon",
            Check("model", "warn", "m: the server's shutdown_date is not a date"),
        ),
        (
            providers.openai(),
            "gpt-realtime",
            None,
            Check("model", "ok", "gpt-realtime is shut down on 2027-01-20"),
        ),
        (
            providers.openai(),
            "gpt-realtime",
            "2026-03-01",
            Check(
                "model",
                "warn",
                "gpt-realtime is shut down on 2026-03-01: use gpt-realtime-2.1 instead",
            ),
        ),
    ],
)
def test_the_shutdown_of_a_model(
    provider: Provider, model: str, day: str | None, check: Check
) -> None:
    assert check_shutdown(provider, model, day, date(2026, 1, 1)) == check


@pytest.mark.parametrize(
    ("skew", "state", "words"),
    [(0, "ok", "within 30 s"), (31, "warn", "31 s ahead of"), (-301, "fail", "301 s behind")],
)
def test_the_clock(skew: int, state: str, words: str) -> None:
    check = check_clock({"date": formatdate(1_000_000, usegmt=True)}, 1_000_000 + skew)
    assert (check.name, check.state) == ("clock", state)
    assert words in check.text
    assert check_clock({}, 0).state == "warn"


def test_a_storage_needs_the_extra_mint(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "starlette" else found(name)
    )
    result = invoke("doctor", "--mock", "--storage", "redis://127.0.0.1:1")
    assert result.exit_code == 1
    assert "not checked: pip install prometheus-client redis" in result.stdout


def test_the_mock_knows_the_days_of_openais_models(invoke: Invoke) -> None:
    result = invoke("doctor", "--mock", "--json", "--model", "gpt-4o-realtime-preview")
    (model,) = [each for each in json.loads(result.stdout) if each["name"] == "model"]
    assert model["text"].startswith("gpt-4o-realtime-preview was shut down on 2026-05-07: use ")
    assert result.exit_code == 1
