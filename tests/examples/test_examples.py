"""Every example runs as its docstring says, and prints what it should.

Every file in `examples/` is run: an example without an entry in `EXPECTED_OUTPUT` fails.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from executables import program
from fastapi.testclient import TestClient

from openai_realtime.testing import MockRealtimeServer, MockResponse

if TYPE_CHECKING:
    from types import ModuleType

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
SECRET = re.compile(r"\bek_[0-9a-f]{32}\b")
EXPECTED_OUTPUT = {
    "concurrent_mints.py": "50 distinct secrets in",
    "django_view.py": 'signed in:  200 {"value":"ek_',
    "fastapi_calls.py": "signed out: 1 call ended",
    "fastapi_endpoint.py": '200 {"value":"ek_',
    "fastapi_login.py": "no origin:  403",
    "flask_endpoint.py": 'signed in:  200 {"value":"ek_',
    "function_tools.py": 'find_table: {"additionalProperties": false,',
    "mint_async.py": "request id: req_mock_1, after 1 attempt(s)",
    "mint_sync.py": "not sent: speed must be a number from 0.25 to 1.5",
    "opentelemetry_trace.py": "└─ POST",
    "redis_fleet.py": "other: 429",
    "rotating_key.py": "secret: ek_",
    "secret_pool.py": "20 distinct secrets",
    "starlette_mount.py": 'outcome="minted"} 3',
    "telephone_receptionist.py": "CallDecision(kind='referred', parameters={'target_uri': 'tel:+49",
    "transcription.py": "model:      gpt-transcribe",
}
MINTS_NOTHING = {"fastapi_calls.py", "telephone_receptionist.py"}


def run(example: Path, *arguments: str) -> str:
    """Return what an example prints; it must end well and print_message of nothing."""
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("OPENAI_")}
    finished = subprocess.run(
        [sys.executable, "-W", "error", str(example), *arguments],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    return finished.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs_without_key_and_network(example: Path) -> None:
    if "redis" in example.name:
        program("redis-server")
    output = run(example, "--mock")
    assert EXPECTED_OUTPUT[example.name] in output
    secrets = SECRET.findall(output)
    assert bool(secrets) is (example.name not in MINTS_NOTHING)
    assert len(set(secrets)) == len(secrets)


def test_every_expected_example_exists() -> None:
    assert EXPECTED_OUTPUT.keys() == {example.name for example in EXAMPLES}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_fifty_mints_at_once(backend: str) -> None:
    flags = ["--trio"] if backend == "trio" else []
    output = run(Path(EXAMPLES[0].parent, "concurrent_mints.py"), "--mock", *flags)
    assert output.rstrip().endswith(f" s on {backend}")
    assert len(set(SECRET.findall(output))) == 50


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_examples_docstring_has_its_command(example: Path) -> None:
    docstring = example.read_text(encoding="utf-8").split('"""')[1]
    assert f"python examples/{example.name} --mock" in docstring


# --- The FastAPI endpoint's responses when the provider fails --------------------------------

LEAK = "text-of-the-provider"


@pytest.fixture
def endpoint(
    realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    monkeypatch.setattr("random.random", lambda: 0.0)  # retries without back-off
    with TestClient(load("fastapi_endpoint").app) as browser:
        yield browser


def load(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, EXAMPLES[0].parent / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def failure(status: int, code: str = LEAK, **headers: str) -> MockResponse:
    return MockResponse(status, json={"error": {"message": LEAK, "code": code}}, headers=headers)


@pytest.mark.parametrize(
    ("upstream", "status", "message", "retry_after"),
    [
        (failure(429, **{"retry-after": "60.5"}), 429, "busy", "61"),
        (failure(429, "insufficient_quota"), 502, "no session", None),
        (failure(500), 502, "no session", None),
        (failure(401), 502, "no session", None),
        (MockResponse(200, body=b"<html>" + LEAK.encode()), 502, "no session", None),
        (MockResponse(drop="before"), 503, "unavailable", None),
    ],
)
def test_the_endpoint_does_not_echo_the_provider(
    endpoint: TestClient,
    realtime_server: MockRealtimeServer,
    upstream: MockResponse,
    status: int,
    message: str,
    retry_after: str | None,
) -> None:
    realtime_server.respond_next(*[upstream] * 3)
    response = endpoint.post("/session")
    assert (response.status_code, response.json()) == (status, {"error": message})
    assert response.headers.get("retry-after") == retry_after
