"""The tutorial's page in a real Chromium: it talks with the mock, by a secret and through the broker."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from markdown_blocks import BLOCKS, find_program

from openai_realtime.testing import MockRealtimeServer

if TYPE_CHECKING:
    from pathlib import Path

    from browser.conftest import Opened

pytestmark = pytest.mark.browser

OF_TUTORIAL = [block for block in BLOCKS if block.page == "docs/tutorial.md"]
PAGE = next(block.code for block in OF_TUTORIAL if block.title == "page.html")
LINES_FOR_BROKER = next(block.code for block in OF_TUTORIAL if block.language == "js")
REPLACED = 5
DIFF = next(block.code for block in OF_TUTORIAL if block.language == "diff")


def page_for_broker() -> str:
    """Return the page as its reader changes it: the last lines of `talk()` are others."""
    talk, end, after = PAGE.partition("}\n\nbutton")
    kept = talk.splitlines(keepends=True)[:-REPLACED]
    return "".join([*kept, LINES_FOR_BROKER, end, after])


def app_with_broker() -> str:
    """Return the app as its reader changes it; it still gives secrets too."""
    before, added, _ = DIFF.splitlines()
    app = find_program("tutorial.md", "mint_app(").code
    return app.replace(before[1:], f"{before[1:]}\n{added[1:]}", 1)


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        with closing(socket.socket()) as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("the tutorial's server does not listen")


def test_the_page_talks(tab: Opened, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app = app_with_broker().replace("8000", str(port))
    (tmp_path / "app.py").write_text(app, encoding="utf-8")
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), "--no-access-log"]
    with MockRealtimeServer(webrtc=True) as mock:
        variables = {"OPENAI_BASE_URL": mock.base_url, "OPENAI_API_KEY": mock.api_key}
        with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **variables}) as server:
            try:
                wait_for_port(port, server)
                for page in (PAGE, page_for_broker()):
                    (tmp_path / "page.html").write_text(page, encoding="utf-8")
                    visitor = tab(f"http://127.0.0.1:{port}/").page
                    visitor.click("#talk")
                    visitor.get_by_text("response.done").first.wait_for()
                    assert visitor.evaluate("voice.srcObject.getAudioTracks().length") == 1
                visitor.goto("about:blank")  # its beacon hangs up
                end = time.monotonic() + 10
                while "hangup" not in mock.requests[-1].path and time.monotonic() < end:
                    time.sleep(0.05)
            finally:
                server.terminate()
    paths = [request.path.rpartition("/")[2] for request in mock.requests]
    assert paths == ["sessions", "calls", "calls", "hangup"]
