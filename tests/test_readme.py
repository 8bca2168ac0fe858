"""Every block of the README runs, and its two set-up commands are the ones that CI runs."""

import asyncio
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from openai_realtime import GcpMetadata, RealtimeSessionsClient, providers
from openai_realtime.testing import MockRealtimeServer

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
SHELL = [code for language, code in BLOCKS if language == "sh"]


@pytest.mark.parametrize(
    "code", [code for code in PYTHON if "def test_" not in code], ids=lambda code: code[:40]
)
def test_a_block_runs(code: str, realtime_server: MockRealtimeServer) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    makes_no_call = ("FastAPI(", "Flask(", "mint_app(", "workload_identity(")
    only_prepares = any(name in code for name in makes_no_call)
    # A pool mints one more for the next user, unless it is closed first.
    most = 2 if "secret_pool(" in code else 1
    assert only_prepares or 1 <= len(realtime_server.requests) <= most
    assert not (only_prepares and realtime_server.requests)


def test_the_fastapi_block_returns_a_secret(realtime_server: MockRealtimeServer) -> None:
    (code,) = [code for code in PYTHON if "FastAPI(lifespan=lifespan" in code]
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), names)

    async def request_secret() -> dict[str, object]:
        async with names["lifespan"](names["app"]):
            response: dict[str, object] = await names["session"]()
            return response

    response = asyncio.run(request_secret())
    assert str(response["value"]).startswith("ek_")
    assert len(realtime_server.requests) == 1


def test_the_phone_block_accepts_and_rejects(realtime_server: MockRealtimeServer) -> None:
    (code,) = [code for code in PYTHON if "on_call_incoming" in code]
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), names)
    phone = realtime_server.phone(webhook_url="http://127.0.0.1:1", secret=names["secrets"])

    async def ring(from_: str) -> str:
        call = phone.ring(from_=from_)
        transport = httpx.ASGITransport(names["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as sender:
            webhook = call.webhook
            response = await sender.post(
                "/webhooks/openai", content=webhook.body, headers=dict(webhook.headers)
            )
            assert response.status_code == 200
        return call.state

    async def ring_twice() -> list[str]:
        async with names["client"]:
            return [await ring("+14155550123"), await ring("sip:anonymous@anonymous.invalid")]

    assert asyncio.run(ring_twice()) == ["accepted", "rejected"]


def test_the_mint_block_returns_a_secret(realtime_server: MockRealtimeServer) -> None:
    (code,) = [code for code in PYTHON if "mint_app(" in code and "max_duration" not in code]
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), names)
    with TestClient(names["app"]) as page:
        headers = {"x-user": "ann", "origin": "https://app.example"}
        response = page.post("/client-secret", json={"voice": "marin"}, headers=headers)
    assert response.json().keys() == {"value", "expires_at", "connect_url", "model"}
    assert len(realtime_server.requests) == 1


def test_the_identity_block_makes_a_client_that_mints(realtime_server: MockRealtimeServer) -> None:
    (code,) = [code for code in PYTHON if "workload_identity(" in code]
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), names)
    source = GcpMetadata(endpoint=realtime_server.metadata_url)
    identity = replace(names["identity"], token_url=realtime_server.token_url, subject_token=source)
    asyncio.run(names["client"].with_options(api_key=identity).sessions.create())
    assert len(realtime_server.identity.requests) == 2


def test_the_calls_block_begins_and_ends_a_call(
    realtime_server: MockRealtimeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = [code for code in PYTHON if "max_duration" in code]
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), names)
    with TestClient(names["app"]) as page:
        headers = {"x-user": "ann", "origin": "https://app.example"}
        response = page.post("/voice/calls", json={"sdp": "v=0\r\n"}, headers=headers)
        assert (response.status_code, response.headers["x-max-duration"]) == (201, "900")
        assert page.post("/logout", headers=headers).json() == 1
    assert [request.path.rpartition("/")[2] for request in realtime_server.requests] == [
        "calls",
        "hangup",
    ]
    assert "ended ann server " in capsys.readouterr().out


def test_the_test_block_passes(pytester: pytest.Pytester) -> None:
    (code,) = [code for code in PYTHON if "def test_" in code]
    pytester.makepyfile(code)
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", "-p", "no:asyncio")
    result.assert_outcomes(passed=1)


def test_the_command_line_block_runs(realtime_server: MockRealtimeServer) -> None:
    (code,) = [code for code in SHELL if "KEY=$(" in code]
    folder = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-euc", f'{code}\ntest -n "$KEY"'],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert '"tracing":"auto"' in done.stdout.replace(" ", "")
    assert len(realtime_server.requests) == 2


def test_the_provider_table_is_true() -> None:
    section = README.partition("\n## Providers\n")[2].partition("\n## ")[0]
    rows = re.findall(r"\| `(RealtimeSessionsClient\(.*?\))` \|", section)
    assert len(rows) == 10
    for row in rows:
        names = {**vars(providers), "RealtimeSessionsClient": RealtimeSessionsClient}
        given = {"get_token": lambda: "token", **names}
        # A client wants a key, which each provider reads from a variable of its own.
        keyed = row if "api_key" in row else re.sub(r"\)$", ", api_key='k')", row)
        client = eval(keyed.replace("(, ", "("), given)
        assert isinstance(client, RealtimeSessionsClient)


def test_there_are_two_set_up_commands_and_ci_runs_the_second() -> None:
    commands = [code.strip() for code in SHELL if "venv" in code]
    assert len(commands) == 2
    assert all("\n" not in command for command in commands)
    assert commands[0].endswith("openai-realtime mint --mock")
    test_command = " ".join(shlex.split(commands[1].rpartition("&&")[2])[1:])
    assert test_command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_proof_that_security_md_names_exists() -> None:
    named = re.findall(r"`((?:tests|\.github)/[\w./]*)`", (ROOT / "SECURITY.md").read_text("utf-8"))
    assert len(named) > 25
    assert [path for path in named if not (ROOT / path).exists()] == []
