"""The two doors out of a command: stdout for what was asked for, stderr for the rest.

Owns: terminals, encodings, control characters. Must not know: what is said. A text from a server
or a file cannot move the cursor or change the colours of the terminal that shows it.
"""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

import typer
from rich.console import Console
from rich.text import Text

from openai_realtime.core.peer_text import visible

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.console import RenderableType

READER_GONE = 141
"""The exit code when nobody reads stdout any more, as shells have it: 128 + SIGPIPE."""

# JSON may have these as escapes, and a terminal may act on them: C1, bidirectional controls.
_NOT_ASCII = re.compile(r"[^\x00-\x7e]")


def write(text: str) -> None:
    """Write `text` to stdout at once; what its encoding lacks is escaped."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    with _door():
        typer.echo(text.encode(encoding, "backslashreplace").decode(encoding), nl=False, color=True)


def write_json(document: str) -> None:
    """Write a JSON document to stdout: UTF-8 whatever the locale, as RFC 8259 has it.

    Characters that are not printable are escapes, which mean the same in JSON.
    """
    with _door():
        typer.echo(_NOT_ASCII.sub(_as_json_escape, document).encode())


def write_exact(text: str) -> None:
    """Write `text` to stdout byte by byte; on a terminal without what that would act on."""
    if sys.stdout is not None and sys.stdout.isatty():
        write("".join(f"{visible(line)}\n" for line in text.splitlines()))
        return
    with _door():
        typer.echo(text.encode(), nl=False)


@contextmanager
def _door() -> Generator[None]:
    """Let text out, or end the command: what was asked for must not be lost in silence."""
    if _is_closed(sys.stdout):
        raise OSError(errno.EBADF, "There is no stdout to write to")
    try:
        yield
    except BrokenPipeError:
        _discard()
        raise typer.Exit(READER_GONE) from None
    except OSError:
        _discard()
        raise


def _is_closed(stream: TextIO | None) -> bool:
    """Return whether a standard stream was closed before the process began, as `>&-` does."""
    return stream is None


def _discard() -> None:
    """Let go of what could not be written: Python would try once more when it exits."""
    with suppress(OSError):  # no file below stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_rich(*renderables: RenderableType, least_width: int = 0) -> None:
    """Write what rich renders, as wide as the terminal, but never narrower than `least_width`."""
    console = _memory_console(sys.stdout)
    console.width = max(console.width, least_width)
    with console.capture() as capture:
        for renderable in renderables:
            console.print(renderable)
    write(capture.get())


def print_message(label: str, text: str) -> None:
    """Write the one line `label: text` to stderr. Never fails: there is nowhere to tell it."""
    console = _memory_console(sys.stderr)
    line = Text.assemble((f"{label}:", "bold red" if label == "error" else "bold"), f" {text}")
    with console.capture() as capture:
        console.print(line, soft_wrap=True)
    log(capture.get())


def _memory_console(stream: TextIO | None) -> Console:
    """Return a console that renders for `stream` without touching it.

    Rich has ways of its own when a stream cannot be written to.
    """
    is_terminal = stream is not None and stream.isatty()
    # None leaves it to FORCE_COLOR.
    return Console(file=io.StringIO(), force_terminal=True if is_terminal else None)


def log(text: str) -> None:
    """Write `text` to stderr, if anybody listens there."""
    with suppress(OSError):
        typer.echo(text, nl=False, err=True, color=True)


def one_line(text: str) -> str:
    """Return `text` on one line, its control characters escaped."""
    return visible(" ".join(text.split()))


def _as_json_escape(found: re.Match[str]) -> str:
    if found[0].isprintable():
        return found[0]
    units = found[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
