from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, NoReturn

import pytest
import typer

from openai_realtime import errors
from openai_realtime.cli.failures import (
    EXIT_CODES,
    Failure,
    ListenError,
    UsageError,
    exit_code_of,
    exit_codes,
    failure_of,
)
from openai_realtime.resources.sessions import Sessions
from openai_realtime.testing import MOCK_API_KEY, MockRealtimeServer, MockResponse

if TYPE_CHECKING:
    from typer.testing import Result

    from cli.command_runners import Invoke, Shell

QUICK = ("mint", "--max-retries", "0")
SECRET = "ek_never_to_be_seen"


def check_failure(result: Result, exit_code: int, *lines: str) -> None:
    """Assert the exit code, that stderr begins with `lines` line by line, and that nothing leaks."""
    assert result.exit_code == exit_code
    assert result.stdout == ""
    shown = result.stderr.splitlines()
    assert len(shown) == len(lines), result.stderr
    for line, expected in zip(shown, lines, strict=True):
        assert line.startswith(expected)
    assert shown[0].startswith("error: ")
    assert all(line.startswith("hint: ") for line in shown[1:])
    for leak in (MOCK_API_KEY, SECRET, "Traceback"):
        assert leak not in result.stderr


def refusal(status: int, code: str | None = None) -> MockResponse:
    message = f"Not with {MOCK_API_KEY}\nand\x1b[2J not with {SECRET}"
    return MockResponse(status, {"error": {"message": message, "code": code}})


@pytest.mark.parametrize(
    ("response", "exit_code", "lines"),
    [
        (refusal(400, "invalid_value"), 9, ("error: 400 invalid_value: Not with ***",)),
        (refusal(401, "invalid_api_key"), 4, ("error: 401 invalid_api_key: ", "hint: Check the ")),
        (refusal(403), 5, ("error: 403: ", "hint: Check that the key's project may")),
        (refusal(404), 6, ("error: 404: ", "hint: Neither the flat nor the nested endpoint")),
        (refusal(409), 9, ("error: 409: ",)),
        (refusal(422), 9, ("error: 422: ",)),
        (refusal(429), 7, ("error: 429: ", "hint: Slow down")),
        (
            refusal(429, "insufficient_quota"),
            7,
            ("error: 429 insufficient_quota: ", "hint: The account has no credit left"),
        ),
        (refusal(500), 8, ("error: 500: ",)),
        (refusal(503), 8, ("error: 503: ",)),
        (
            MockResponse(302, headers={"location": "https://other.example"}),
            9,
            ("error: 302: ", "hint: Redirects are never followed"),
        ),
        (MockResponse(drop="before"), 12, ("error: The connection was lost",)),
        (
            MockResponse(200, body=b"<html>"),
            13,
            ("error: The server responded with", "hint: Check"),
        ),
        (
            MockResponse(200, {"client_secret": {"value": f"{SECRET} "}}),
            13,
            ("error: The server responded with success but without a usable", "hint: Check"),
        ),
    ],
)
def test_what_the_server_does_wrong(
    response: MockResponse,
    exit_code: int,
    lines: tuple[str, ...],
    invoke: Invoke,
    realtime_server: MockRealtimeServer,
) -> None:
    realtime_server.respond_next(response, response)  # after a 404 the other dialect is tried
    result = invoke(*QUICK)
    check_failure(result, exit_code, *lines)
    assert "\x1b" not in result.stderr
    assert f"attempt {2 if response.status == 404 else 1}" in result.stderr
    assert "hint" not in result.stderr.splitlines()[0]


def test_a_slow_server(invoke: Invoke, realtime_server: MockRealtimeServer) -> None:
    realtime_server.respond_next(MockResponse(delay=20))
    check_failure(
        invoke(*QUICK, "--timeout", "0.2"),
        10,
        "error: No response within 0.2 s",
        "hint: Raise --timeout",
    )


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            ["--speed", "9"],
            ("error: speed must be a number from 0.25 to 1.5", "hint: --speed sets speed"),
        ),
        (
            ["--ttl", "5"],
            (
                "error: client_secret.expires_after.seconds must be a whole number from 10",
                "hint: --ttl sets client_secret.expires_after.seconds",
            ),
        ),
        (
            ["--max-tokens", "many"],
            (
                "error: max_response_output_tokens must be",
                "hint: --max-tokens sets max_response_output_tokens",
            ),
        ),
        (
            ["--param", "voise=verse"],
            ("error: voise is not a known parameter: did you mean voice?",),
        ),
        (
            ["--param", "turn_detection.threshold=loud"],
            ("error: turn_detection.threshold must be",),
        ),
        (["--param", MOCK_API_KEY], ("error: --param takes NAME=VALUE",)),
        (["--param", f"api_key={MOCK_API_KEY}"], ("error: api_key is not a known parameter",)),
        (["--config", "nowhere.json"], ("error: --config nowhere.json: No such file",)),
        (["--api-key-file", "nowhere"], ("error: --api-key-file: No such file or directory: it",)),
        (["--headers-file", "nowhere"], ("error: --headers-file: No such file or directory: it",)),
        (["--json", "-q"], ("error: --json and --quiet are two different outputs",)),
        (
            ["--turn-detection", "sometimes"],
            ("error: Invalid value for '--turn-detection': ", "hint: openai-realtime mint --help"),
        ),
        (
            ["--speed", "fast"],
            (
                "error: Invalid value for '--speed': it must be a number",
                "hint: openai-realtime mint",
            ),
        ),
        (
            ["--ttl", "1.5"],
            ("error: Invalid value for '--ttl': it must be a whole number", "hint: "),
        ),
        (["--no-such"], ("error: No such option", "hint: openai-realtime mint --help")),
        (
            [f"--api-key={MOCK_API_KEY}"],
            ("error: No such option", "hint: openai-realtime mint --help"),
        ),
        (
            [MOCK_API_KEY],
            ("error: Too many arguments: 1, not shown", "hint: openai-realtime mint --help"),
        ),
        (["an-opaque-key", "more"], ("error: Too many arguments: 2, not shown", "hint: ")),
    ],
    ids=repr,
)
def test_what_the_caller_does_wrong(
    arguments: list[str],
    lines: tuple[str, ...],
    invoke: Invoke,
    realtime_server: MockRealtimeServer,
) -> None:
    check_failure(invoke(*QUICK, *arguments), 2, *lines)
    assert realtime_server.requests == []


@pytest.mark.parametrize("arguments", [["--no-such"], ["no-such"]])
def test_what_is_wrong_before_a_command(arguments: list[str], invoke: Invoke) -> None:
    check_failure(invoke(*arguments), 2, "error: No such ", "hint: openai-realtime --help lists")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--base-url", "http://api.example"],
            "error: base_url is unusable: it must be https, because plain http",
        ),
        (["--base-url", "nonsense"], "error: base_url is unusable"),
        (["--timeout", "nan"], "error: timeout: total must be a finite number of seconds above 0"),
        (["--max-retries", "-1"], "error: retry: max_retries must be a whole number, 0 or more"),
    ],
)
def test_what_cannot_be_set(
    arguments: list[str], line: str, invoke: Invoke, realtime_server: MockRealtimeServer
) -> None:
    check_failure(invoke("mint", *arguments), 3, line)


def test_an_unreachable_host(shell: Shell) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        result = shell(*QUICK, "--base-url", url, OPENAI_API_KEY=MOCK_API_KEY)
    assert (result.returncode, result.stdout) == (12, "")
    error, hint = result.stderr.splitlines()
    assert error.startswith("error: Could not connect: ")
    assert error.endswith(f"(POST {url}/realtime/sessions, attempt 1)")
    assert hint == (
        "hint: Check --base-url (or OPENAI_BASE_URL) or --endpoint, and that this machine can reach it"
    )
    assert MOCK_API_KEY not in result.stderr


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (
            errors.CertificateError("Not trusted", hint="Set SSL_CERT_FILE"),
            Failure(11, "Not trusted (attempt 1)", "Set SSL_CERT_FILE"),
        ),
        (
            errors.APIConnectionError("Lost", phase="receive"),
            Failure(12, "Lost (attempt 1)", None),
        ),
        (errors.ClientClosedError("The client is closed"), Failure(1, "The client is closed")),
        (
            ListenError(80, PermissionError(13, "Permission denied")),
            Failure(
                1,
                "Cannot listen on port 80: Permission denied",
                "Choose another --port; 0 takes a free one",
            ),
        ),
        (OSError(28, "No space left on device"), Failure(1, "No space left on device")),
        (OSError(), Failure(1, "OSError")),
        (
            typer.BadParameter(f"not {MOCK_API_KEY}"),
            Failure(2, "Invalid value: not **********", "openai-realtime --help lists the options"),
        ),
        (
            KeyError(SECRET),
            Failure(
                1,
                "Unexpected KeyError: this is a bug in openai-realtime",
                "Please report it, with the traceback that OPENAI_REALTIME_LOG=debug shows",
            ),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_how_an_exception_is_shown(error: Exception, failure: Failure) -> None:
    assert failure_of(error) == failure


def test_a_bug_is_shown_by_its_place(
    invoke: Invoke,
    realtime_server: MockRealtimeServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def create(*_: object, **__: object) -> NoReturn:
        raise LookupError(SECRET)

    monkeypatch.setattr(Sessions, "create", create)
    with caplog.at_level(logging.DEBUG, "openai_realtime"):
        result = invoke("mint")
    check_failure(result, 1, "error: Unexpected LookupError at test_failures.py:", "hint: Please")
    assert "raise LookupError(SECRET)" in caplog.text
    assert SECRET not in caplog.text


def test_older_versions_of_typer_raise_an_exception_on_ctrl_c() -> None:
    def interrupted() -> NoReturn:
        raise typer.Abort

    assert exit_code_of(interrupted) == 130


def test_every_kind_of_failure_has_a_code_of_its_own() -> None:
    numbers = [row.number for row in EXIT_CODES]
    assert len(set(numbers)) == len(numbers)
    assert issubclass(typer.BadParameter, UsageError)


def test_every_exception_of_the_package_has_a_row_above_the_last() -> None:
    pending, kinds = [errors.APIError], set[type[errors.APIError]]()
    while pending:
        kind = pending.pop()
        kinds.add(kind)
        pending += kind.__subclasses__()
    rows = EXIT_CODES[:-1]
    assert {kind for kind in kinds if not any(issubclass(kind, row.kind) for row in rows)} == {
        errors.APIError
    }


def test_the_help_page_lists_the_exit_codes(invoke: Invoke) -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    for number, meaning in exit_codes().items():
        assert f" {number}  {meaning}" in result.stdout
    assert exit_codes().keys() == {*range(14), 130, 141}


def test_a_name_that_is_shut_down_is_a_warning_in_one_line(shell: Shell) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        result = shell(*QUICK, "--model=gpt-realtime", OPENAI_API_KEY="sk-1", HTTPS_PROXY=proxy)
    warning, error = result.stderr.splitlines()[:2]
    assert result.returncode == 12
    assert warning.startswith("warning: OpenAI shut")
    assert " the model gpt-realtime on 2027-01-20: use gpt-realtime-2.1 instead (" in warning
    assert error.startswith("error: Could not connect")
