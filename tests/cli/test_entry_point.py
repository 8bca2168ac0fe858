from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from cli.command_runners import COMMAND, started
from openai_realtime import __version__
from openai_realtime.cli import main
from openai_realtime.cli.calls import COMMANDS
from openai_realtime.testing import MockRealtimeServer, MockResponse

if TYPE_CHECKING:
    from cli.command_runners import Invoke, Shell

FULL_DISK = Path("/dev/full")


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_version(shell: Shell) -> None:
    result = shell("--version")
    assert (result.returncode, result.stdout, result.stderr) == (
        0,
        f"openai-realtime {__version__}\n",
        "",
    )


ALL = (
    "",
    "mint",
    "doctor",
    "mock",
    "serve",
    "calls",
    *(f"calls {each.__name__.rstrip('_')}" for each in COMMANDS),
)


@pytest.mark.parametrize("width", [60, 100])
@pytest.mark.parametrize("command", ALL)
def test_every_command_has_a_help_page_that_is_readable_in_a_small_window(
    command: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys, "argv", ["openai-realtime", *command.split(), "-h"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    result = capsys.readouterr()
    assert f"Usage: openai-realtime {command}" in result.out
    assert result.err == ""
    lines = result.out.splitlines()
    assert [line for line in lines if len(line) > width or line != line.rstrip()] == []
    assert re.findall(r"<\w+>", result.out) == []
    example = lines[lines.index("  Example:") + 1]
    assert example.startswith(f"      openai-realtime {command}".rstrip())
    assert "  -h, --help" in lines


@pytest.mark.parametrize("command", ALL)
def test_an_example_of_a_help_page_is_complete_and_names_real_options(
    command: str, invoke: Invoke
) -> None:
    page = invoke(*command.split(), "-h").stdout.splitlines()
    words = page[page.index("  Example:") + 1].split()[1:]
    group = words[0] if words[0] != "calls" else f"calls {words[1]}"
    options = {word for word in words if word.startswith("-")}
    for option in options:
        assert f"  {option}" in invoke(*group.split(), "-h").stdout
    described = ""
    for line in page:
        described = line if line.startswith("  --") else described
        assert "[required]" not in line or not described or described.split()[0] in options


def test_the_shells_completion(shell: Shell) -> None:
    script = shell(_OPENAI_REALTIME_COMPLETE="source_bash")
    assert (script.returncode, script.stderr) == (0, "")
    assert "complete -o default -F _openai_realtime_completion openai-realtime" in script.stdout
    words = shell(
        _OPENAI_REALTIME_COMPLETE="complete_bash", COMP_WORDS="openai-realtime m", COMP_CWORD="1"
    )
    assert words.stdout.split() == ["mint", "mock"]
    assert "--install-completion" in shell("--help").stdout


def test_the_module_is_the_command() -> None:
    executable = Path(sys.executable).with_name("openai-realtime")
    versions = {
        subprocess.run([*command, "--version"], capture_output=True, timeout=60, check=True).stdout
        for command in ([str(executable)], [sys.executable, "-m", "openai_realtime"])
    }
    assert versions == {f"openai-realtime {__version__}\n".encode()}


@pytest.mark.parametrize(
    ("group", "command"), [([], "mint"), (["calls"], "hangup")], ids=["first", "calls"]
)
def test_no_command_is_the_help_page_and_an_error(
    group: list[str], command: str, invoke: Invoke
) -> None:
    result = invoke(*group)
    assert result.exit_code == 2
    assert f"Usage: {' '.join(['openai-realtime', *group])}" in result.stdout
    assert f" {command} " in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_it_says_what_to_install(missing: str) -> None:
    result = python(
        f"import sys; sys.modules[{missing!r}] = None; from openai_realtime.cli import main; main()"
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "error: the openai-realtime command needs typer and rich: "
        "pip install rich typer (the extra cli)\n"
    )


def test_another_missing_module_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai_realtime.cli.app", None)
    with pytest.raises(ModuleNotFoundError, match=r"openai_realtime\.cli\.app"):
        main()


def test_the_entry_point_imports_no_large_package() -> None:
    large = {"httpx", "pydantic", "rich", "typer"}
    result = python(f"import sys, openai_realtime.cli; print({large} & sys.modules.keys())")
    assert (result.stdout, result.stderr) == ("set()\n", "")


def test_ctrl_c_while_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def app(**_: object) -> NoReturn:
        raise KeyboardInterrupt

    started_slowly = types.ModuleType("app")
    monkeypatch.setattr(started_slowly, "app", app, raising=False)
    monkeypatch.setitem(sys.modules, "openai_realtime.cli.app", started_slowly)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130


def test_ctrl_c_while_it_waits_for_a_response(realtime_server: MockRealtimeServer) -> None:
    realtime_server.respond_next(MockResponse(delay=30))
    with started("mint") as process:
        deadline = time.monotonic() + 60
        while not realtime_server.requests and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (130, "", "")


@pytest.mark.parametrize(
    "arguments",
    ["mint --mock -q", "--help", "mock", "serve --mock --port 0"],
)
def test_a_closed_pipe_is_no_traceback(arguments: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(
        [*COMMAND, *arguments.split()], stdout=writing, stderr=subprocess.PIPE
    ) as process:
        os.close(writing)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (141, b"")


@pytest.mark.skipif(not FULL_DISK.exists(), reason="needs a full disk")
def test_an_output_that_cannot_be_written() -> None:
    with FULL_DISK.open("w") as full:
        result = subprocess.run(
            [*COMMAND, "mint", "--mock"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (result.returncode, result.stderr) == (1, "error: No space left on device\n")
