"""What the README's blocks do, and that its two set-up commands are the ones that CI runs.

`tests/docs/test_blocks.py` runs every block.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any

from markdown_blocks import BLOCKS, ROOT
from starlette.testclient import TestClient

from openai_realtime.testing import MockRealtimeServer

RunProgram = Callable[..., dict[str, Any]]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = [each.code for each in BLOCKS if each.page == "README.md" and each.language == "sh"]


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 200


def test_the_fastapi_block_returns_a_secret(
    realtime_server: MockRealtimeServer, run_program: RunProgram
) -> None:
    names = run_program("README.md", "app.mount(")
    with TestClient(names["app"]) as page:
        headers = {"x-user": "ann", "origin": "https://app.example"}
        response = page.post("/voice/client-secret", json={}, headers=headers)
    assert response.json().keys() == {"value", "expires_at", "connect_url", "model"}
    assert len(realtime_server.requests) == 1


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
