"""Other people's SDKs work with the mock in place of the API.

`.ci/fetch_sdks` fetches those in Python, and `.ci/npm` names the others. A test is skipped, with the reason, where its SDK is absent.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from browser.conftest import CHROMIUM
from executables import npm_package, program
from playwright.sync_api import Page, sync_playwright

from openai_realtime import SyncRealtimeSessionsClient
from openai_realtime.testing import MockRealtimeServer, MockResponse

pytestmark = pytest.mark.sdks

FOLDER = Path(sys.prefix) / "sdks"
SCRIPTS = Path(__file__).parent
PYTHON = "python/bin/python"
HEARD = "You said: How are you?"


def fetched(path: str) -> Path:
    """Return what `.ci/fetch_sdks` fetched into FOLDER; the test is skipped where it is absent."""
    if not (FOLDER / path).exists():
        pytest.skip(f"{FOLDER} has no {path}: .ci/fetch_sdks fetches it")
    return FOLDER / path


def run(
    *command: str | Path,
    script: str | None = None,
    folder: Path | None = None,
    **environment: str,
) -> str:
    done = subprocess.run(
        command,
        input=script,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **environment},
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


def test_the_official_python_sdk(realtime_server: MockRealtimeServer) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(
        base_url=realtime_server.base_url, api_key=realtime_server.api_key, max_retries=0
    ) as client:
        minted = client.realtime.client_secrets.create(
            session={"type": "realtime", "audio": {"output": {"voice": "verse"}}}
        )
        assert minted.value.startswith("ek_")
        assert minted.session.audio.output.voice == "verse"
        with openai.OpenAI(
            base_url=realtime_server.base_url, api_key=minted.value, max_retries=0
        ) as phone:
            call = phone.realtime.calls.create(sdp="v=0\r\n")
            assert call.response.headers["location"].startswith("/v1/realtime/calls/rtc_")
            with pytest.raises(openai.AuthenticationError):
                phone.realtime.client_secrets.create()


@pytest.mark.parametrize(
    ("folder", "provider", "selected"),
    # Their model `x` is none of OpenAI's: at Azure it is a deployment.
    [("realtime", None, ""), ("live", "azure", "not fork")],
)
def test_the_official_python_sdks_own_tests(
    tmp_path: Path, folder: str, provider: Any, selected: str
) -> None:
    tests = fetched(f"openai-{version('openai')}/tests")
    report = tmp_path / "report.xml"
    options = ("-q", "--override-ini=addopts=", "-p", "no:cacheprovider", f"--junitxml={report}")
    with MockRealtimeServer(api_key=None, provider=provider) as server:
        command = (fetched(PYTHON), "-m", "pytest", *options, "-k", selected)
        run(
            *command,
            f"tests/api_resources/{folder}",
            folder=tests.parent,
            TEST_API_BASE_URL=server.base_url,
        )
        assert len(server.requests) > 60
    (suite,) = ET.parse(report).getroot()
    assert (suite.attrib["failures"], suite.attrib["errors"]) == ("0", "0")
    assert int(suite.attrib["tests"]) - int(suite.attrib["skipped"]) > 60


def test_every_realtime_method_of_the_official_node_sdk_and_tanstacks_token(
    realtime_server: MockRealtimeServer,
) -> None:
    packages = npm_package("@tanstack/ai-openai").parents[2]
    node = program("node")
    arguments = (realtime_server.base_url, realtime_server.api_key)
    script = (SCRIPTS / "node_sdks.mjs").read_text("utf-8")
    command = (node, "--input-type=module", "-", *arguments)
    printed = json.loads(run(*command, script=script, folder=packages))
    results = printed["results"]
    assert results["clientSecrets.create"]["session"]["audio"]["output"]["voice"] == "verse"
    assert results["translations.clientSecrets.create"]["session"]["audio"]["output"] == {
        "language": "de"
    }
    for location, answer in results.pop("calls.create"):
        assert location.startswith("/v1/realtime/calls/rtc_")
        assert answer.startswith("v=0")
    assert {name for name in results if results[name] is None} == {
        f"calls.{action}" for action in ("accept", "hangup", "refer", "reject")
    }
    assert printed["refused"] == ["AuthenticationError", 401]
    assert printed["token"]["token"].startswith("ek_")
    assert printed["token"]["config"] == {"model": "gpt-realtime-2.1"}


def test_pydantic_ai(realtime_server: MockRealtimeServer) -> None:
    arguments = (realtime_server.base_url, realtime_server.api_key)
    script = SCRIPTS / "with_pydantic_ai.py"
    value, url, answer = json.loads(run(fetched(PYTHON), script, *arguments))
    assert value.startswith("ek_")
    assert url == f"{realtime_server.base_url}/realtime/calls"
    assert answer.startswith("v=0")
    endpoints = [request.path.rpartition("/")[2] for request in realtime_server.requests]
    assert endpoints == ["client_secrets", "calls", "hangup", "hangup"]


@pytest.fixture
def server() -> Iterator[MockRealtimeServer]:
    with MockRealtimeServer(webrtc=True) as server:
        yield server


@pytest.fixture
def page(server: MockRealtimeServer, tmp_path: Path) -> Iterator[Page]:
    """A page of another origin than the API, with the SDKs in it."""
    esbuild = npm_package("esbuild")
    npm_package("@openai/agents-realtime")
    bundle = tmp_path / "bundle.js"
    options = ("--bundle", "--log-level=warning", f"--outfile={bundle}")
    command = (program("node"), esbuild / "bin" / "esbuild", SCRIPTS / "browser_sdks.mjs")
    run(*command, *options, NODE_PATH=str(esbuild.parent))
    chromium = program("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        opened = browser.new_context(permissions=["microphone"]).new_page()
        server.respond_next(MockResponse(body=b"<p>", headers={"content-type": "text/html"}))
        opened.goto(server.base_url.replace("127.0.0.1", "localhost"))
        opened.add_script_tag(path=bundle)
        yield opened
        browser.close()


@pytest.fixture
def secret(server: MockRealtimeServer) -> str:
    session: Any = {"type": "realtime", "model": "gpt-realtime-2.1"}
    with SyncRealtimeSessionsClient(base_url=server.base_url, api_key=server.api_key) as client:
        return str(client.client_secrets.create(session=session).value)


def test_the_agents_sdk_in_chromium(page: Page, server: MockRealtimeServer, secret: str) -> None:
    heard = page.evaluate("(arguments) => withAgents(...arguments)", [server.base_url, secret])
    assert heard.pop("callId").startswith("rtc_")
    assert heard == {"heard": HEARD, "errors": []}
    offer = server.requests[-1]
    assert offer.headers["origin"].startswith("http://localhost:")
    assert "x-openai-agents-sdk" in offer.headers


def test_tanstack_ai_in_chromium(page: Page, server: MockRealtimeServer, secret: str) -> None:
    token = {"provider": "openai", "token": secret, "config": {"model": "gpt-realtime-2.1"}}
    heard = page.evaluate("(arguments) => withTanStack(...arguments)", [server.base_url, token])
    assert heard == {"heard": HEARD, "errors": []}
