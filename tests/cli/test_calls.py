from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import pytest

from openai_realtime.testing import MockRealtimeServer, MockResponse
from openai_realtime.testing.mock_sessions import SDP_ANSWER

if TYPE_CHECKING:
    from cli.command_runners import Invoke

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


@pytest.fixture
def offer(tmp_path: Path) -> str:
    path = tmp_path / "offer.sdp"
    path.write_bytes(OFFER.encode())
    return str(path)


@pytest.fixture
def config(tmp_path: Path) -> str:
    session = {"type": "realtime", "model": "a", "audio": {"output": {"speed": 1.2, "voice": "a"}}}
    path = tmp_path / "session.json"
    path.write_text(json.dumps(session))
    return str(path)


def test_the_sdp_answer_is_on_stdout_and_the_id_on_stderr(
    offer: str, invoke: Invoke, realtime_server: MockRealtimeServer
) -> None:
    result = invoke("calls", "create", "--sdp", offer)
    assert result.exit_code == 0
    assert result.stdout_bytes == SDP_ANSWER
    assert result.stderr.startswith("call id: rtc_")
    request = realtime_server.requests[-1]
    assert (request.headers["content-type"], request.body) == ("application/sdp", OFFER.encode())


def test_both_may_be_json(offer: str, invoke: Invoke, realtime_server: MockRealtimeServer) -> None:
    result = invoke("calls", "create", "--sdp", offer, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    members = json.loads(result.stdout)
    assert members.pop("id").startswith("rtc_")
    assert members == {"sdp": SDP_ANSWER.decode()}


def test_an_offer_may_come_from_stdin(invoke: Invoke, realtime_server: MockRealtimeServer) -> None:
    result = invoke("calls", "create", "--sdp", "-", stdin=OFFER.encode())
    assert result.exit_code == 0
    assert realtime_server.requests[-1].body == OFFER.encode()


def test_a_call_without_an_id(
    offer: str, invoke: Invoke, realtime_server: MockRealtimeServer
) -> None:
    realtime_server.respond_next(MockResponse(201, body=SDP_ANSWER))
    result = invoke("calls", "create", "--sdp", offer)
    assert result.stdout_bytes == SDP_ANSWER
    assert result.stderr == "call id: none: the server did not send it\n"


@pytest.mark.parametrize(
    ("arguments", "session"),
    [
        ("--model x", {"model": "x"}),
        ("--instructions Hello", {"instructions": "Hello"}),
        ("--voice x", {"audio": {"output": {"voice": "x"}}}),
        ("--param tracing=auto", {"tracing": "auto"}),
        (
            "--config CONFIG --model b --voice b --param audio.output.voice=c",
            {"model": "b", "audio": {"output": {"speed": 1.2, "voice": "c"}}},
        ),
    ],
)
def test_the_session_of_a_call(
    arguments: str,
    session: dict[str, object],
    offer: str,
    config: str,
    invoke: Invoke,
    realtime_server: MockRealtimeServer,
) -> None:
    options = arguments.replace("CONFIG", config).split()
    assert invoke("calls", "create", "--sdp", offer, *options).exit_code == 0
    kind, sent = realtime_server.requests[-1].parts["session"]
    assert (kind, json.loads(sent)) == ("application/json", {"type": "realtime", **session})
    result = invoke("calls", "accept", "rtc_1", *options)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Accepted rtc_1\n", "")
    request = realtime_server.requests[-1]
    assert request.path == "/v1/realtime/calls/rtc_1/accept"
    assert request.json == {"type": "realtime", **session}


def test_a_config_for_client_secrets_is_taken_too(
    config: str, invoke: Invoke, realtime_server: MockRealtimeServer
) -> None:
    wrapped = Path(config)
    wrapped.write_text(json.dumps({"session": json.loads(wrapped.read_text())}))
    assert invoke("calls", "accept", "rtc_1", "--config", config).exit_code == 0
    sent = realtime_server.requests[-1].json
    assert isinstance(sent, dict)
    assert sent["audio"] == {"output": {"speed": 1.2, "voice": "a"}}


def test_an_ephemeral_key_begins_a_call_whose_session_is_configured(
    offer: str, invoke: Invoke, realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", invoke("mint", "-q").stdout.strip())
    result = invoke("calls", "create", "--sdp", offer)
    assert (result.exit_code, result.stdout_bytes) == (0, SDP_ANSWER)
    assert realtime_server.requests[-1].body == OFFER.encode()
    result = invoke("calls", "create", "--sdp", offer, "--model", "x")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: session cannot be set with an ephemeral key")


@pytest.mark.parametrize(
    ("arguments", "path", "body", "line"),
    [
        ("reject rtc_1", "rtc_1/reject", b"", "Rejected rtc_1"),
        (
            "reject rtc_1 --status-code 486",
            "rtc_1/reject",
            b'{"status_code":486}',
            "Rejected rtc_1",
        ),
        (
            "refer rtc_1 tel:+14155550123",
            "rtc_1/refer",
            b'{"target_uri":"tel:+14155550123"}',
            "Referred rtc_1",
        ),
        ("hangup rtc_1", "rtc_1/hangup", b"", "Hung up rtc_1"),
        ("hangup live_1", "/v1/live/sessions/live_1/hangup", b"", "Hung up live_1"),
    ],
)
def test_what_is_done_to_a_call(
    arguments: str,
    path: str,
    body: bytes,
    line: str,
    invoke: Invoke,
    realtime_server: MockRealtimeServer,
) -> None:
    result = invoke("calls", *arguments.split())
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{line}\n", "")
    (request,) = realtime_server.requests
    assert request.path == urljoin("/v1/realtime/calls/", path)
    assert request.body == body


@pytest.mark.parametrize("provider", ["openai", "azure", "litellm"])
@pytest.mark.parametrize(
    "command", ["accept rtc_1", "reject rtc_1", "refer rtc_1 sip:a@b", "hangup rtc_1", "create"]
)
def test_every_command_works_with_the_mock(
    command: str, provider: str, offer: str, invoke: Invoke
) -> None:
    offered = ["--sdp", offer] if command == "create" else []
    result = invoke("calls", *command.split(), *offered, "--mock", "--provider", provider)
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            "hangup a/b",
            "error: call_id must be 1 to 128 letters, digits, _ and -, such as rtc_123\n",
        ),
        (
            "refer rtc_1 +14155550123",
            "error: target_uri must be a tel: or sip: URI, such as tel:+14155550123\n",
        ),
        (
            "reject rtc_1 --status-code 200",
            (
                "error: status_code must be a SIP status code from 300 to 699\n"
                "hint: --status-code sets status_code\n"
            ),
        ),
        (
            "accept rtc_1 --param audio.output.voice=null",
            (
                "error: audio.output.voice cannot be None: leave it out for the server's default\n"
                "hint: --voice sets audio.output.voice\n"
            ),
        ),
        ("accept rtc_1 --param type=transcription", "error: type must be 'realtime'"),
        (
            "create --sdp OFFER --param model=1",
            ("error: session.model must be text\nhint: --model sets session.model\n"),
        ),
        ("create --sdp nowhere.sdp", "error: --sdp nowhere.sdp: No such file or directory\n"),
        ("create --sdp - --config -", "error: Only one file can be - (stdin)"),
        ("accept rtc_1 --api-key-file - --config -", "error: Only one file can be - (stdin)"),
        (
            "create",
            (
                "error: Missing option '--sdp'.\n"
                "hint: openai-realtime calls create --help lists the options\n"
            ),
        ),
        (
            "hangup",
            (
                "error: Missing argument 'CALL_ID'.\n"
                "hint: openai-realtime calls hangup --help lists the options\n"
            ),
        ),
        ("hangup rtc_1 --model x", "error: No such option: --model"),
        (
            "hold rtc_1",
            (
                "error: No such command 'hold'.\n"
                "hint: openai-realtime calls --help lists the options\n"
            ),
        ),
        ("hangup rtc_1 --region eu", "error: --region needs --provider openai\n"),
    ],
)
def test_what_the_caller_does_wrong(
    arguments: str, lines: str, offer: str, invoke: Invoke, realtime_server: MockRealtimeServer
) -> None:
    result = invoke("calls", *arguments.replace("OFFER", offer).split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(lines)
    assert realtime_server.requests == []


@pytest.mark.parametrize(
    ("response", "exit_code"),
    [
        (MockResponse(404, {"error": {"message": "No such call"}}), 6),
        (MockResponse(403, {"error": {"message": "Not yours"}}), 5),
        (MockResponse(409, {"error": {"message": "Answered already"}}), 9),
        (MockResponse(201, body=b"<html>"), 13),
    ],
)
def test_what_the_server_does_wrong(
    response: MockResponse,
    exit_code: int,
    offer: str,
    invoke: Invoke,
    realtime_server: MockRealtimeServer,
) -> None:
    realtime_server.respond_next(response)
    result = invoke("calls", "create", "--sdp", offer, "--max-retries", "0")
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert result.stderr.startswith("error: ")
