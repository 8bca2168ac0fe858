"""What the README's blocks do, and that its two set-up commands are the ones that CI runs.

`tests/docs/test_blocks.py` runs every block.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from markdown_blocks import BLOCKS, ROOT
from starlette.testclient import TestClient

from openai_realtime import GcpMetadata, RealtimeSessionsClient, providers
from openai_realtime.testing import MockRealtimeServer

RunProgram = Callable[..., dict[str, Any]]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = [each.code for each in BLOCKS if each.page == "README.md" and each.language == "sh"]


def test_the_fastapi_block_returns_a_secret(
    realtime_server: MockRealtimeServer, run_program: RunProgram
) -> None:
    names = run_program("README.md", "FastAPI(lifespan=lifespan")

    async def request_secret() -> dict[str, object]:
        async with names["lifespan"](names["app"]):
            response: dict[str, object] = await names["session"]()
            return response

    response = asyncio.run(request_secret())
    assert str(response["value"]).startswith("ek_")
    assert len(realtime_server.requests) == 1


def test_the_phone_block_accepts_and_rejects(
    realtime_server: MockRealtimeServer, run_program: RunProgram
) -> None:
    names = run_program("README.md", "on_call_incoming")
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


def test_the_mint_block_returns_a_secret(
    realtime_server: MockRealtimeServer, run_program: RunProgram
) -> None:
    names = run_program("README.md", "mint_app(", without="max_duration")
    with TestClient(names["app"]) as page:
        headers = {"x-user": "ann", "origin": "https://app.example"}
        response = page.post("/client-secret", json={"voice": "marin"}, headers=headers)
    assert response.json().keys() == {"value", "expires_at", "connect_url", "model"}
    assert len(realtime_server.requests) == 1


def test_the_identity_block_makes_a_client_that_mints(
    realtime_server: MockRealtimeServer, run_program: RunProgram
) -> None:
    names = run_program("README.md", "workload_identity(")
    source = GcpMetadata(endpoint=realtime_server.metadata_url)
    identity = replace(names["identity"], token_url=realtime_server.token_url, subject_token=source)
    asyncio.run(names["client"].with_options(api_key=identity).sessions.create())
    assert len(realtime_server.identity.requests) == 2


def test_the_calls_block_begins_and_ends_a_call(
    realtime_server: MockRealtimeServer,
    run_program: RunProgram,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = run_program("README.md", "max_duration")
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
