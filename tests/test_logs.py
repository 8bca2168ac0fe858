"""The log writes to stderr only when `OPENAI_REALTIME_LOG` asks for it."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
from openai_realtime import SyncRealtimeSessionsClient
from openai_realtime.testing import MockResponse, MockRealtimeServer
with MockRealtimeServer() as server:
    server.respond_next(MockResponse(503))
    for _ in range(2):
        with SyncRealtimeSessionsClient(base_url=server.base_url, api_key=server.api_key) as client:
            secret = client.sessions.create().client_secret.value
print(secret)
"""


@pytest.mark.parametrize(
    ("level", "lines"), [("debug", 9), (" INFO ", 1), ("nonsense", 0), ("", 0)]
)
def test_the_environment_sets_the_level(level: str, lines: int) -> None:
    environment = {**os.environ, "OPENAI_REALTIME_LOG": level}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stderr.splitlines()) == lines, done.stderr
    assert all("openai_realtime: sessions.create: " in line for line in done.stderr.splitlines())
    assert done.stdout.strip() not in done.stderr
    assert "sk-" not in done.stderr
