from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from openai_realtime.cli.provider_choice import ProviderName
from openai_realtime.testing import MOCK_API_KEY, MockRealtimeServer

if TYPE_CHECKING:
    from pathlib import Path

    from cli.command_runners import Invoke


def check_usage_error(invoke: Invoke, arguments: str, problem: str) -> None:
    result = invoke(*arguments.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {problem}\n")


@pytest.mark.parametrize("provider", get_args(ProviderName))
def test_the_mock_imitates_every_provider(provider: str, invoke: Invoke) -> None:
    result = invoke("mint", "--mock", "--provider", provider, "--model", "gpt-realtime-2.1", "-q")
    assert result.exit_code == 0
    assert len(result.stdout.strip()) > 30
    warning = "warning: not sent, as the server has no place for: model (--strict makes this an"
    assert result.stderr.startswith(warning if provider == "xai" else "")


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        ("--provider openai", "OPENAI_API_KEY"),
        ("--base-url https://gateway.example/v1", "OPENAI_API_KEY"),
        (
            "--provider azure --endpoint https://x.example",
            "AZURE_OPENAI_AD_TOKEN or AZURE_OPENAI_API_KEY",
        ),
        (
            "--provider azure --endpoint https://x.example --azure-auth key",
            "AZURE_OPENAI_API_KEY",
        ),
        (
            "--provider azure --endpoint https://x.example --azure-auth token",
            "AZURE_OPENAI_AD_TOKEN",
        ),
        (
            "--provider azure-preview --endpoint https://x.example --deployment x",
            "AZURE_OPENAI_AD_TOKEN or AZURE_OPENAI_API_KEY",
        ),
        ("--provider xai", "XAI_API_KEY"),
        ("--provider elevenlabs", "ELEVENLABS_API_KEY"),
        ("--provider litellm --base-url https://x.example", "LITELLM_API_KEY"),
    ],
)
def test_a_missing_key_is_the_providers_own(
    arguments: str, variable: str, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable != "OPENAI_API_KEY":
        monkeypatch.setenv("OPENAI_API_KEY", "sk-another-providers")
    result = invoke("mint", *arguments.split())
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == (
        "error: No API key\n"
        f"hint: Set {variable}, or name a file with --api-key-file; --mock needs no key\n"
    )


@pytest.mark.parametrize("auth", ["key", "token"])
def test_azure_is_called_as_its_options_say(
    auth: str, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = {"key": "AZURE_OPENAI_API_KEY", "token": "AZURE_OPENAI_AD_TOKEN"}[auth]
    monkeypatch.setenv(variable, MOCK_API_KEY)
    with MockRealtimeServer(provider="azure_preview") as server:
        endpoint = server.base_url.removesuffix("/openai/realtimeapi")
        result = invoke(
            *f"mint -q --provider azure-preview --endpoint {endpoint}".split(),
            *f"--deployment mock-deployment --azure-auth {auth}".split(),
        )
        assert (result.exit_code, result.stderr) == (0, "")
        (request,) = server.requests
    assert request.path == "/openai/realtimeapi/sessions?api-version=2025-04-01-preview"
    assert ("api-key" in request.headers) == (auth == "key")


def test_what_does_not_go_together_is_a_usage_error(invoke: Invoke) -> None:
    check_usage_error(invoke, "mint --provider azure", "--provider azure needs --endpoint")
    check_usage_error(
        invoke,
        "mint --provider aws",
        "Invalid value for '--provider': 'aws' is not one of 'openai', 'azure', 'azure-preview', "
        "'xai', 'elevenlabs', 'litellm'.",
    )


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        ("--base-url http://127.0.0.1:1", "--base-url"),
        ("--api-key-file key", "--api-key-file"),
        (
            "--provider azure --endpoint https://x.example --azure-auth token --api-key-file key",
            "--endpoint, no --azure-auth, no --api-key-file",
        ),
    ],
)
def test_the_mock_takes_no_other_server_or_key(
    arguments: str, unwanted: str, invoke: Invoke
) -> None:
    problem = f"--mock has its own server and key: it takes no {unwanted}"
    check_usage_error(invoke, f"mint --mock {arguments}", problem)


def test_the_mock_allows_plain_http(invoke: Invoke) -> None:
    assert invoke("mint", "--mock", "--allow-http").exit_code == 0


def test_plain_http_is_an_error_that_names_its_option(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XAI_API_KEY", MOCK_API_KEY)
    result = invoke("mint", "--provider", "xai", "--base-url", "http://gateway.example")
    assert result.exit_code == 3
    assert result.stderr.endswith("; or pass --allow-http\n")


def test_azures_endpoint_and_token_come_from_the_environment(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "a-key")
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", MOCK_API_KEY)
    with MockRealtimeServer(provider="azure_preview") as server:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.base_url)
        arguments = "mint -q --provider azure-preview --deployment mock-deployment"
        result = invoke(*arguments.split())
        assert (result.exit_code, result.stderr) == (0, "")
        (request,) = server.requests
    assert request.headers["authorization"] == f"Bearer {MOCK_API_KEY}"
    assert "api-key" not in request.headers
    # It selects no provider, and means nothing to another one.
    assert invoke("mint", "--mock", "-q").exit_code == 0
    check_usage_error(
        invoke, "mint --provider xai --endpoint https://h", "--provider xai takes no --endpoint"
    )


def test_headers_and_query_of_every_request(
    invoke: Invoke, realtime_server: MockRealtimeServer, tmp_path: Path
) -> None:
    path = tmp_path / "headers"
    path.touch(mode=0o600)
    path.write_text("\ufeffcf-aig-authorization: Bearer gateway-key\n\nX-Tenant: a\n", "utf-8")
    arguments = ("mint", "-q", "--headers-file", str(path), "--query", "a=b=c", "--query", "d=")
    result = invoke(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    result = invoke("mint", "-q", "--headers-file", "-", stdin=b"X-Tenant: stdin")
    assert (result.exit_code, result.stderr) == (0, "")
    first, second = realtime_server.requests
    assert first.headers["cf-aig-authorization"] == "Bearer gateway-key"
    assert first.headers["x-tenant"] == "a"
    assert first.path.endswith("?a=b%3Dc&d=")
    assert second.headers["x-tenant"] == "stdin"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("no colon", "--headers-file: there is no line NAME: VALUE in it"),
        ("Host: h", "default_headers: Host is set by the client and cannot be replaced"),
        ("X A: gateway-key", "default_headers: a header's name is not valid"),
    ],
)
def test_a_file_of_headers_that_is_unusable(content: str, problem: str, invoke: Invoke) -> None:
    result = invoke("mint", "-q", "--mock", "--headers-file", "-", stdin=content.encode())
    assert (result.exit_code, result.stderr) == (3, f"error: {problem}\n")


def test_a_query_without_a_value_is_a_usage_error(invoke: Invoke) -> None:
    for text in ("gateway-key", "=gateway-key"):
        check_usage_error(invoke, f"mint --mock --query {text}", "--query takes NAME=VALUE")
    files = "mint --mock --headers-file - --api-key-file -"
    check_usage_error(invoke, files, "Only one file can be - (stdin), which is read once")
