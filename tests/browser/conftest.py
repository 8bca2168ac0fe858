"""Fixtures: a real Chromium with a fake microphone, and the mint service as a process.

With `OPENAI_REALTIME_SCREENSHOTS` set to a folder, the screenshots are kept there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from executables import program
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

Opened = Callable[..., "Tab"]
Served = Callable[..., "Service"]

CHROMIUM = [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    # Two peers on one machine find each other by address, without multicast DNS.
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]
VIEWS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {
        "viewport": {"width": 360, "height": 740},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
        "color_scheme": "dark",
        "reduced_motion": "reduce",
    },
}
TELL_OF_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
"""


@dataclass
class Tab:
    """A page of the browser, and what it complained of."""

    page: Page
    console_errors: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        self.said.append(message.text)
        if message.type in {"error", "warning"}:
            self.console_errors.append(message.text)

    def connect(self) -> None:
        self.page.click("#connect")
        self.until("connected")

    def until(self, state: str) -> None:
        self.page.wait_for_selector(f"body[data-state={state}]", timeout=15_000)

    def problem(self) -> str:
        """Return what the page says went wrong, once it says so."""
        self.until("failed")
        return self.page.inner_text("#notice")

    def number(self, name: str) -> float:
        return float(self.page.get_attribute(f"#{name}", "data-bytes") or 0)

    def keep(self, name: str) -> None:
        """Keep a screenshot."""
        folder = os.environ.get("OPENAI_REALTIME_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@dataclass
class Service:
    """`openai-realtime serve`, as a process."""

    process: subprocess.Popen[str]
    url: str


# Not shared: while playwright is there, this thread's event loop counts as running, which other
# tests on the same worker could not bear.
@pytest.fixture
def browser() -> Iterator[Browser]:
    path = program("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        yield opened
        opened.close()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Opened]:
    """Opens pages, which may use the microphone unless a test says otherwise."""
    with ExitStack() as stack:

        def opened(url: str, view: str = "desktop", *, has_permission: bool = True) -> Tab:
            permissions = ["microphone"] if has_permission else []
            context = browser.new_context(**VIEWS[view], permissions=permissions)
            stack.callback(context.close)
            context.add_init_script(TELL_OF_VIOLATIONS)
            tab = Tab(context.new_page())
            tab.page.on("console", tab.hear)
            tab.page.on("pageerror", lambda error: tab.console_errors.append(str(error)))
            tab.page.goto(url)
            return tab

        yield opened


@pytest.fixture
def serve() -> Iterator[Served]:
    """Starts `openai-realtime serve`, and ends it: cleanly, whatever it was doing."""
    with ExitStack() as stack:
        yield lambda *arguments, **environment: stack.enter_context(
            _serving(arguments, environment)
        )


@contextmanager
def _serving(arguments: tuple[str, ...], environment: dict[str, str]) -> Iterator[Service]:
    command = [sys.executable, "-m", "openai_realtime", "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            lines = dict(line.split(maxsplit=1) for line in iter(process.stdout.readline, "\n"))
            yield Service(process, lines["Page"].strip())
            process.terminate()
            _, errors = process.communicate(timeout=15)
            assert process.returncode == 0, errors
            assert "ek_" not in errors
        finally:
            process.kill()
