"""The cost between a call and its socket: the package's frames, and the modules that are loaded."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import openai_realtime

if TYPE_CHECKING:
    from backends import Backend

    from openai_realtime.testing import MockRealtimeServer
    from transports.tls_server import TlsServer

PACKAGE = Path(openai_realtime.__file__).parent
MOST_FRAMES = 4
HEAVY = {
    "anyio",
    "asyncio",
    "httpcore",
    "httpcore2",
    "httpx",
    "httpx2",
    "respx",
    "rich",
    "trio",
    "typer",
}
# Beside trio, asyncio is asked whether it runs the call.
BACKEND_OF = {"asyncio": {"asyncio"}, "trio": {"asyncio", "trio"}, "sync": set[str]()}

FIRST_SECRET = {
    "asyncio": """
import asyncio
from openai_realtime import RealtimeSessionsClient

async def mint():
    async with RealtimeSessionsClient() as client:
        return await client.sessions.create(model="gpt-realtime-2.1")

session = asyncio.run(mint())
""",
    "trio": """
import trio
from openai_realtime import RealtimeSessionsClient

async def mint():
    async with RealtimeSessionsClient() as client:
        return await client.sessions.create(model="gpt-realtime-2.1")

session = trio.run(mint)
""",
    "sync": """
from openai_realtime import SyncRealtimeSessionsClient

with SyncRealtimeSessionsClient() as client:
    session = client.sessions.create(model="gpt-realtime-2.1")
""",
}
NAMES_LOADED = """
import sys

print(session.client_secret.value[:3])
print(*{name.partition(".")[0] for name in sys.modules})
"""


@pytest.fixture
def stacks_at_write(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The package's frames whenever a request goes into a socket, the innermost first."""
    stacks: list[list[str]] = []
    send = socket.socket.send

    def recording_send(self: socket.socket, data: bytes | memoryview, *flags: int) -> int:
        if bytes(data[:5]) == b"POST ":
            frames = [frame for frame, _ in traceback.walk_stack(sys._getframe())]
            codes = [frame.f_code for frame in frames]
            stacks.append(
                [code.co_qualname for code in codes if PACKAGE in Path(code.co_filename).parents]
            )
        return send(self, data, *flags)

    monkeypatch.setattr(socket.socket, "send", recording_send)
    return stacks


def test_few_frames_from_the_call_to_the_socket(
    backend: Backend, realtime_server: MockRealtimeServer, stacks_at_write: list[list[str]]
) -> None:
    async def body() -> None:
        async with backend.client() as client:
            await client.sessions.create()  # on a new connection
            await client.sessions.create()  # on the one that is idle

    if backend.name == "asyncio":
        # Windows' usual event loop writes without the socket's own methods.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(body())
    else:
        backend.run(body)
    assert len(realtime_server.requests) == len(stacks_at_write) == 2
    for stack in stacks_at_write:
        assert stack[-1].endswith("Sessions.create")
        assert len(stack) <= MOST_FRAMES, stack


def loaded_for_first_secret(caller: str) -> set[str]:
    """Return the top-level modules of a process that has minted one secret."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_SECRET[caller] + NAMES_LOADED],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    prefix, names = done.stdout.splitlines()
    assert prefix == "ek_"
    return set(names.split())


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("caller", FIRST_SECRET)
@pytest.mark.usefixtures("realtime_server", "trusted")  # the server's clears the environment
def test_the_first_secret_loads_no_other_client_and_no_other_backend(
    caller: str,
    scheme: str,
    realtime_server: MockRealtimeServer,
    tls: TlsServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", realtime_server.api_key)
    if scheme == "https":
        monkeypatch.setenv("OPENAI_BASE_URL", f"https://localhost:{tls.port}/v1")
    loaded = loaded_for_first_secret(caller)
    assert "openai_realtime" in loaded
    assert loaded & HEAVY <= BACKEND_OF[caller]
