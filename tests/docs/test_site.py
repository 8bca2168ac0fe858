"""The built site: its links, its twins in Markdown, the public names, and how it looks in a browser."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
from executables import npm_package, program
from markdown_blocks import BLOCKS, ROOT
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.site, pytest.mark.timeout(600)]

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
VIEWS = {"desktop": (1280, 900), "phone": (390, 844)}
PUBLIC = ("", ".types", ".mint", ".testing", ".webhooks", ".secret_pool", ".observe", ".resources")
PUBLIC_MODULES = [f"openai_realtime{name}" for name in (*PUBLIC, ".transports")]
# Every element that is wider than the window, unless it is in one that scrolls by itself.
FIND_OVERFLOW = """() => [...document.querySelectorAll(".md-content *")].filter((element) => {
  for (let each = element; each !== document.body; each = each.parentElement)
    if (getComputedStyle(each).overflowX !== "visible") return false;
  return element.getBoundingClientRect().right > innerWidth + 0.5;
}).map((element) => element.outerHTML.slice(0, 200)).concat(
  document.documentElement.scrollWidth > innerWidth ? ["the page itself"] : [])"""
RUN_AXE = """async () => (await axe.run({ resultTypes: ["violations"] }))
  .violations.filter(({ impact }) => impact === "serious" || impact === "critical").flatMap(
  ({ id, nodes }) => nodes.slice(0, 3).map(({ html, failureSummary }) => [id, html, failureSummary]))"""
PARSE = "(code) => { new (Object.getPrototypeOf(async function () {}).constructor)(code); }"


class Document(HTMLParser):
    """The ids and links of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"id", "name"} and value:
                self.ids.add(value)
            elif name in {"href", "src"} and value and tag != "base":
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built by `.ci/docs` in a copy of what it needs."""
    pytest.importorskip("zensical", reason="python -m pip install --group docs")
    folder = tmp_path_factory.mktemp("site")
    for name in ("docs", ".ci"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("pyproject.toml", "zensical.toml"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "openai_realtime").symlink_to(ROOT / "openai_realtime")
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        [folder / ".ci" / "docs"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def documents(site: Path) -> dict[str, Document]:
    """The pages by their address on the site, such as `tutorial/`."""
    return {
        path.parent.relative_to(site).as_posix().strip(".") + "/": Document(path)
        for path in sorted(site.rglob("index.html"))
    }


def test_every_link_and_anchor_leads_somewhere(site: Path, documents: dict[str, Document]) -> None:
    broken = []
    for address, document in documents.items():
        for link in document.links:
            target, anchor = urldefrag(urljoin(f"http://site/{address.lstrip('/')}", link))
            if urlsplit(target).hostname != "site":
                continue
            path = unquote(urlsplit(target).path).lstrip("/")
            page = documents.get(path or "/")
            if (page is None and not (site / path).is_file()) or (
                page is not None and anchor and unquote(anchor) not in page.ids | {"__skip"}
            ):
                broken.append((address, link))
    assert broken == []


def test_no_page_is_left_out(documents: dict[str, Document]) -> None:
    sources = {
        path.relative_to(ROOT / "docs").with_suffix("").as_posix().removesuffix("index")
        for path in (ROOT / "docs").rglob("*.md")
    }
    assert {f"{source.rstrip('/')}/" for source in sources} == set(documents)


def test_each_page_has_a_twin_in_markdown(site: Path, documents: dict[str, Document]) -> None:
    for address in documents:
        twin = site / (f"{address[:-1]}.md" if address != "/" else "index.md")
        assert twin.read_text(encoding="utf-8").startswith("# "), address
        assert (site / address.lstrip("/") / "index.md").is_file()


def test_llms_txt_lists_each_page(site: Path, documents: dict[str, Document]) -> None:
    text = (site / "llms.txt").read_text(encoding="utf-8")
    assert text.startswith("# openai-realtime\n\n> ")
    listed = re.findall(r"\(<https://[^/]+/openai-realtime/(.*)index\.md>\)", text)
    assert {address or "/" for address in listed} == set(documents)
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_the_reference_has_every_public_name(module: str, documents: dict[str, Document]) -> None:
    pages = [page for address, page in documents.items() if address.startswith("reference/")]
    anchors = set().union(*(page.ids for page in pages))
    names = importlib.import_module(module).__all__
    shown = {
        anchor.rpartition(".")[2] for anchor in anchors if anchor.startswith("openai_realtime")
    }
    assert set(names) - shown - {"__version__"} == set()


def test_every_parameter_and_field_is_described(site: Path) -> None:
    silent = []
    for path in sorted((site / "reference").rglob("index.md")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for line, following in zip(lines, [*lines[2:], "", ""], strict=False):
            if re.fullmatch(r"- \*\*.* –", line) and not following.startswith("  "):
                silent.append((path.parent.name, line))
    assert silent == []


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The address at which the site is served."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    handler = partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = program("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def asked_elsewhere() -> list[str]:
    """The addresses on other hosts that pages asked for."""
    return []


@pytest.fixture
def page(browser: Browser, address: str, asked_elsewhere: list[str]) -> Iterator[Page]:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()

    def note(url: str) -> None:
        if not url.startswith((address, "data:", "blob:")):
            asked_elsewhere.append(url)

    page.on("request", lambda request: note(request.url))
    yield page
    context.close()


def keep(page: Page, name: str) -> None:
    """Keep a screenshot in the folder that `OPENAI_REALTIME_SCREENSHOTS` names."""
    folder = os.environ.get("OPENAI_REALTIME_SCREENSHOTS")
    if folder:
        path = Path(folder) / "site" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path, animations="disabled")


def test_every_page_fits_and_asks_no_other_host(
    documents: dict[str, Document], page: Page, address: str, asked_elsewhere: list[str]
) -> None:
    """With `OPENAI_REALTIME_SCREENSHOTS` set, each page is seen in light and in dark."""
    wide = []
    schemes = SCHEMES if "OPENAI_REALTIME_SCREENSHOTS" in os.environ else SCHEMES[:1]
    for each in documents:
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme)
            page.goto(f"{address}/{each.lstrip('/')}", wait_until="load")
            for view, (width, height) in VIEWS.items():
                page.set_viewport_size({"width": width, "height": height})
                wide += [(each, view, found) for found in page.evaluate(FIND_OVERFLOW)]
                keep(page, f"{each.strip('/').replace('/', '-') or 'index'}-{view}-{scheme}")
    assert wide == []
    assert asked_elsewhere == []


def test_axe_finds_nothing_serious(
    documents: dict[str, Document], page: Page, address: str
) -> None:
    source = (npm_package("axe-core") / "axe.min.js").read_text(encoding="utf-8")
    found = []
    for each in documents:
        # The colours of all pages are the same.
        for scheme in SCHEMES if each in {"/", "reference/calls/"} else SCHEMES[:1]:
            page.emulate_media(color_scheme=scheme)
            page.goto(f"{address}/{each.lstrip('/')}", wait_until="load")
            page.evaluate(source)
            found += [(each, scheme, what) for what in page.evaluate(RUN_AXE)]
    assert found == []


def test_the_search_finds_a_page_without_another_host(
    page: Page, address: str, asked_elsewhere: list[str]
) -> None:
    page.goto(address, wait_until="load")
    page.get_by_role("button", name="Search").first.click()
    page.keyboard.type("RetryPolicy")
    page.get_by_text("How failed attempts are retried").wait_for()
    keep(page, "search")
    assert asked_elsewhere == []


def test_every_block_of_javascript_parses(page: Page) -> None:
    for block in BLOCKS:
        if block.language in {"js", "javascript"}:
            # The parser takes the body of a function, which has no imports and exports.
            code = re.sub(r"^import .*$|^export (default )?", "", block.code, flags=re.MULTILINE)
            page.evaluate(PARSE, code)
