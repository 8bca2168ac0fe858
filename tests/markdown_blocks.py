"""The code blocks of the README, the skill and the pages in `docs/`, and how they run.

A comment on the line before a block says how its test treats it; readers do not see it:

- `<!-- block: continues -->`: the code goes on where the page's previous Python block ended.
- `<!-- block: process -->`: the code runs in a Python process of its own, as Django's has to.
- `<!-- block: parses -->`: the code is only compiled, because it needs a network or a real account.
- `<!-- block: provider=azure -->`: the mock plays this provider, and stands for each host in
  `EXAMPLE_HOSTS` as it always does. The environment has its key, and its endpoint for Azure.
- `<!-- block: runs -->`: the shell runs the commands; without it they are only checked.

A block with a title (```` ```python title="app.py" ````) is also a file beside the page's others, which
they can import or open.
"""

from __future__ import annotations

import linecache
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from openai_realtime.testing import MockRealtimeServer

ROOT = Path(__file__).parent.parent
SKILL = ROOT / "openai_realtime" / ".agents" / "skills" / "openai-realtime" / "SKILL.md"
PAGES = [ROOT / "README.md", SKILL, *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLE_HOSTS = ("https://gateway.example", "https://NAME.openai.azure.com")
_FENCE = re.compile(r"( *)(```+)(\w*)(.*)")
_TREATMENT = re.compile(r" *<!-- block: (.*) -->")
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """A block of code: its page, the line of its fence, its language and how it runs."""

    page: str
    line: int
    language: str
    title: str | None
    treatment: frozenset[str]
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_test(self) -> bool:
        return self.language == "python" and "def test_" in self.code

    def code_for(self, server: MockRealtimeServer) -> str:
        """Return the code with the mock in the place of the hosts that examples name."""
        code = self.code
        for host in EXAMPLE_HOSTS:
            code = code.replace(host, server.metadata_url)
        return code


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page, in their order."""
    found: list[Block] = []
    name = page.relative_to(ROOT).as_posix()
    lines = page.read_text(encoding="utf-8").splitlines()
    treatment: frozenset[str] = frozenset()
    numbered = iter(enumerate(lines, 1))
    for number, line in numbered:
        if comment := _TREATMENT.fullmatch(line):
            treatment = frozenset(comment[1].split())
        elif fence := _FENCE.fullmatch(line):
            indent, marks, language, rest = fence.groups()
            code: list[str] = []
            for _, inner in numbered:
                if inner == indent + marks:
                    break
                code.append(inner.removeprefix(indent))
            title = _TITLE.search(rest)
            text = "".join(f"{inner}\n" for inner in code)
            found.append(
                Block(name, number, language, title[1] if title else None, treatment, text)
            )
            treatment = frozenset()
        elif line.strip():
            treatment = frozenset()
    return found


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


@dataclass(frozen=True)
class Program:
    """Python blocks of a page that run one after the other, in one namespace."""

    blocks: list[Block]

    def __str__(self) -> str:
        return str(self.blocks[0])

    @property
    def page(self) -> str:
        return self.blocks[0].page

    @property
    def code(self) -> str:
        return "\n".join(block.code for block in self.blocks)

    @property
    def treatment(self) -> frozenset[str]:
        return self.blocks[0].treatment

    @property
    def provider(self) -> Any:
        """The provider that the mock plays; None for OpenAI's own."""
        named = [word for word in self.treatment if word.startswith("provider=")]
        return named[0].removeprefix("provider=") if named else None


def programs() -> list[Program]:
    """Return the Python programs of every page."""
    found: list[Program] = []
    for block in BLOCKS:
        if block.language == "python" and not block.is_test:
            if "continues" not in block.treatment:
                found.append(Program([]))
            found[-1].blocks.append(block)
    return found


def find_program(page: str, containing: str, *, without: str = "\0") -> Program:
    """Return the one program of a page ("README.md", "how-to/flask.md") that contains a text."""
    path = page if page == "README.md" else f"docs/{page}"
    (found,) = [
        program
        for program in programs()
        if program.page == path and containing in program.code and without not in program.code
    ]
    return found


def write_titled(page: str, folder: Path) -> list[Path]:
    """Write the titled blocks of a page into a folder, and return the files."""
    written = []
    for block in BLOCKS:
        if block.page == page and block.title is not None:
            path = folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code, encoding="utf-8")
            written.append(path)
    return written


def execute(
    program: Program, server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Run a program in this process, and return its names.

    A traceback shows the line of the page.
    """
    module = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    for block in program.blocks:
        path = str(ROOT / block.page)
        linecache.checkcache(path)
        code = compile("\n" * block.line + block.code_for(server), path, "exec", dont_inherit=True)
        if "parses" not in block.treatment:
            exec(code, vars(module))  # what this file is for
    return vars(module)


def run_process(
    command: list[str], folder: Path, script: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command that finds this environment's programs and the folder's modules."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        input=script,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
