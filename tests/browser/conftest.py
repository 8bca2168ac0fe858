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
from typing import TYPE_CHECKING, Any, Literal

import pytest
from executables import npm_package, program
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
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]
VIEWS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
        "color_scheme": "dark",
        "reduced_motion": "reduce",
    },
}
SIZES = {"1280": (1280, 900), "390": (390, 844)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
FIND_BOX = """(element) => {
  const { left, top, width, height } = element.getBoundingClientRect();
  return [left + scrollX, top + scrollY, width, height].map(Math.round);
}"""
# Every element that is wider than its card, or the page if that is wider than the window.
FIND_OVERFLOW = """() => [...document.querySelectorAll("body, body *")].filter((element) => {
  const box = element.getBoundingClientRect();
  const limit = element.closest(".card, .banner")?.getBoundingClientRect().right ?? innerWidth;
  return box.width > 0 && box.right > limit + 0.5 || document.documentElement.scrollWidth > innerWidth;
}).map((element) => element.id || element.className || element.tagName)"""
# Without most events, whose rows are all alike.
RUN_AXE = """async (options) => (
  await axe.run({ exclude: "#events > :nth-child(n + 4)" }, options)).violations.flatMap(
  ({ id, nodes }) => nodes.map(({ html, failureSummary }) => [id, html, failureSummary]))"""
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
        self.page.click("#call")
        self.until("connected")

    def until(self, state: str) -> None:
        self.page.wait_for_selector(f"body[data-state={state}]", timeout=60_000)

    def problem(self) -> str:
        """Return what the page says went wrong, with its details, once it says so."""
        self.until("failed")
        return f"{self.page.inner_text('#notice')} {self.page.text_content('#details-text')}"

    def number(self, name: str) -> float:
        return float(self.page.get_attribute(f"#{name}", "data-bytes") or 0)

    def focused(self) -> str:
        """Return the id of the focused element."""
        return str(
            self.page.evaluate("document.activeElement.id || document.activeElement.tagName")
        )

    def boxes(self, *selectors: str) -> dict[str, Any]:
        """Return where on the page elements are."""
        return {each: self.page.locator(each).evaluate(FIND_BOX) for each in selectors}

    def look(self, name: str) -> None:
        """Check that everything fits on a desktop and a phone, and keep screenshots of both.

        It also fits the narrowest screens, and with letters of twice the size.
        """
        for style in ("", "font-size: 200%"):
            self.page.set_viewport_size({"width": 320, "height": 640})
            self.page.evaluate("(style) => { document.documentElement.style = style; }", style)
            assert (style, self.page.evaluate(FIND_OVERFLOW)) == (style, [])
        self.page.evaluate("document.documentElement.style = ''")
        for size, (width, height) in SIZES.items():
            self.page.set_viewport_size({"width": width, "height": height})
            assert self.page.evaluate(FIND_OVERFLOW) == []
            self.page.evaluate(
                "for (const box of document.querySelectorAll('.scroll')) box.scrollTop = box.scrollHeight"
            )
            for scheme in SCHEMES:
                self.page.emulate_media(color_scheme=scheme)
                self.keep(f"{name}-{size}-{scheme}")

    def keep(self, name: str) -> None:
        """Keep a screenshot."""
        folder = os.environ.get("OPENAI_REALTIME_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.mouse.move(0, 0)  # so that no button is drawn as under the pointer
            self.page.screenshot(
                path=Path(folder) / f"{name}.png", full_page=True, animations="disabled"
            )

    def axe(self, source: str) -> list[object]:
        """Return what axe finds, in light and in dark: rules, elements and reasons."""
        self.page.evaluate(source)
        found: list[object] = []
        for scheme, options in zip(SCHEMES, ({}, {"runOnly": ["color-contrast"]}), strict=True):
            # Without transitions: axe would measure a colour on its way.
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found += self.page.evaluate(RUN_AXE, options)
        return found


@dataclass
class Service:
    """`openai-realtime serve`, as a process."""

    process: subprocess.Popen[str]
    url: str


# Not shared by modules: while playwright is there, this thread's event loop counts as running, which
# other tests on the same worker could not bear.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = program("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        yield opened
        opened.close()


@pytest.fixture
def axe() -> str:
    """The source of axe, which checks the accessibility of a page."""
    return (npm_package("axe-core") / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def tab(browser: Browser) -> Iterator[Opened]:
    """Opens pages, which may use the microphone unless a test says otherwise."""
    with ExitStack() as stack:

        def opened(
            url: str, view: str = "desktop", *, has_permission: bool = True, script: str = ""
        ) -> Tab:
            permissions = ["microphone"] if has_permission else []
            context = browser.new_context(**VIEWS[view], permissions=permissions)
            stack.callback(context.close)
            context.add_init_script(TELL_OF_VIOLATIONS + script)
            tab = Tab(context.new_page())
            tab.page.on("console", tab.hear)
            tab.page.on("pageerror", lambda error: tab.console_errors.append(str(error)))
            tab.page.goto(url)
            return tab

        yield opened


@pytest.fixture(scope="module")
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
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
            assert "ek_" not in errors
        finally:
            process.kill()
