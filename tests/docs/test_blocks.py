"""Every block of the README and of every page runs, or is checked as far as it can be.

`markdown_blocks.py` says how a page tells what its blocks need.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from executables import program as find_executable
from markdown_blocks import (
    BLOCKS,
    ROOT,
    Block,
    Program,
    execute,
    programs,
    run_process,
    write_titled,
)

from openai_realtime.cli.app import app
from openai_realtime.testing import MockRealtimeServer

PARSERS = {"json": json.loads, "toml": tomllib.loads}
SHELL = [block for block in BLOCKS if block.language in {"sh", "console"}]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]
# A program calls the server if it is not an app that waits for its first request.
CALLS = re.compile(r"^(asyncio\.run\(|trio\.run\(|with SyncRealtimeSessionsClient\()", re.MULTILINE)


@pytest.mark.parametrize("program", programs(), ids=str)
def test_a_python_program_runs(
    program: Program,
    folder_of: Callable[[str], Path],
    realtime_server: MockRealtimeServer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = folder_of(program.page)
    received = realtime_server.requests
    if program.provider:
        with MockRealtimeServer(provider=program.provider) as server:
            monkeypatch.setenv(server.provider.key_variable, server.api_key)
            monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.metadata_url)
            execute(program, server, monkeypatch)
            received = server.requests
    elif "process" in program.treatment:
        command = [sys.executable, "-W", "error", "-"]
        done = run_process(command, folder, program.code)
        assert (done.returncode, done.stderr) == (0, "")
    else:
        execute(program, realtime_server, monkeypatch)
    assert capfd.readouterr().err == ""
    if CALLS.search(program.code) and "parses" not in program.treatment:
        assert received


@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS if block.is_test}))
def test_the_tests_of_a_page_pass(page: str, tmp_path: Path) -> None:
    write_titled(page, tmp_path)
    tests = [block for block in BLOCKS if block.page == page and block.is_test]
    for block in tests:
        name = block.title or f"test_line_{block.line}.py"
        (tmp_path / name).write_text(block.code, encoding="utf-8")
    options = ["-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir=."]
    settings = ["-o", "pythonpath=.", "-o", "asyncio_default_fixture_loop_scope=function"]
    done = run_process([sys.executable, "-m", "pytest", *options, *settings], tmp_path)
    assert done.returncode == 0, done.stdout
    count = sum(
        len(re.findall(r"^(?:async )?def test_", block.code, re.MULTILINE)) for block in tests
    )
    assert f"{count} passed" in done.stdout


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_shell_commands_are_right(
    block: Block, folder_of: Callable[[str], Path], realtime_server: MockRealtimeServer
) -> None:
    script = block.code
    folder = folder_of(block.page)
    if block.language == "console":  # commands after a prompt, and what they print
        script = "".join(f"{line[2:]}\n" for line in script.splitlines() if line[:2] == "$ ")
    shell = find_executable("sh")
    done = run_process([shell, "-n"], folder, script)
    assert (done.returncode, done.stderr) == (0, "")
    for words in commands_of(script):
        check_command(words)
    if "runs" in block.treatment:
        done = run_process([shell, "-eu"], folder, script)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language in PARSERS], ids=str)
def test_data_parses(block: Block) -> None:
    PARSERS[block.language](block.code)


def test_every_treatment_is_known() -> None:
    known = {"continues", "process", "parses", "runs"}
    words = {word for block in BLOCKS for word in block.treatment if "provider=" not in word}
    assert words <= known


def commands_of(script: str) -> Iterator[list[str]]:
    """Yield the words of each simple command."""
    joined = script.replace("\\\n", " ").replace("$(", " ; ").replace(")", " ; ")
    for line in joined.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&<>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word and set(word) <= set(";|&"):
                if words:
                    yield words
                words = []
            else:
                words.append(word)


def check_command(words: list[str]) -> None:
    """Check what an `openai-realtime` or `pip install` command asks for."""
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    if words and words[0].rpartition("/")[2] == "openai-realtime":
        parse_options(typer.main.get_command(app), words[1:])
    for word in words if "install" in words else []:
        if extras := re.search(r"(?:openai-realtime|\.)\[([\w,]+)\]", word):
            assert set(extras[1].split(",")) <= EXTRAS.keys()
    for word in words:
        if re.match(r"(?:examples|benchmarks|tests)/[\w/]+\.py$", word):
            assert (ROOT / word).exists()


def parse_options(command: Any, words: list[str]) -> None:
    """Parse a command line without running it: unknown commands and options raise."""
    words = words[: words.index(">")] if ">" in words else words
    if {"--help", "--version"} & set(words):
        return
    if hasattr(command, "commands"):
        parse_options(command.commands[words[0]], words[1:])
    else:
        command.make_context(command.name, words)
