"""What commands print: results on stdout, messages on stderr, and the table of a session.

Rules for this file:

* Text from a server or a file never moves a terminal's cursor or changes its colours.
* A result that cannot be written is an error. A message that cannot be written is not.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO, cast

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from openai_realtime.core.peer_text import MAX_NAME_CHARACTERS, visible

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from datetime import datetime

    from rich.console import RenderableType

    from openai_realtime.core.meta import ResponseMeta
    from openai_realtime.types.client_secret import (
        ClientSecret,
        FlatSecretResponse,
        NestedSecretResponse,
    )

BROKEN_PIPE = 141
"""The exit code when the reader of stdout has closed it, as in a shell: 128 + SIGPIPE."""

# These include C1 and bidirectional controls, which change a terminal's output. JSON can escape
# them.
_NOT_ASCII = re.compile(r"[^\x00-\x7e]")
_AT_THE_END = re.compile(r" +((?:\x1b\[[0-9;]*m)*)$", re.MULTILINE)
_SECRET = "client_secret"  # noqa: S105 - the name of a field
_PADDING = 2
_MAX_VALUE_CHARACTERS = 64 * 1024
# Rows without information: the user chose the kind, and 0 means that a session does not expire.
_HIDDEN = frozenset(
    {
        ("object", "realtime.session"),
        ("object", "realtime.transcription_session"),
        ("expires_at", "0"),
    }
)
# Null means "none" in every other field, and has no row.
_NULL_MEANINGS = {"turn_detection": "off: the client ends each turn"}


def write(text: str) -> None:
    """Write `text` to stdout and flush it; characters that its encoding lacks become escapes."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    with _stdout_errors():
        typer.echo(text.encode(encoding, "backslashreplace").decode(encoding), nl=False, color=True)


def write_json(document: str) -> None:
    """Write a JSON document to stdout in UTF-8, as RFC 8259 requires, in every locale.

    Characters that are not printable become JSON escapes.
    """
    with _stdout_errors():
        typer.echo(_NOT_ASCII.sub(_as_json_escape, document).encode())


def _as_json_escape(match: re.Match[str]) -> str:
    if match[0].isprintable():
        return match[0]
    units = match[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def write_exact(text: str) -> None:
    """Write `text` to stdout unchanged, in UTF-8; on a terminal, its control characters escaped."""
    if sys.stdout is not None and sys.stdout.isatty():
        write("".join(f"{visible(line)}\n" for line in text.splitlines()))
        return
    with _stdout_errors():
        typer.echo(text.encode(), nl=False)


def write_rich(*renderables: RenderableType, minimum_width: int = 0) -> None:
    """Render with rich to stdout, as wide as the terminal but at least `minimum_width`."""
    console = _memory_console(sys.stdout)
    console.width = max(console.width, minimum_width)
    with console.capture() as capture:
        for renderable in renderables:
            console.print(renderable)
    write(_AT_THE_END.sub(r"\1", capture.get()))


@contextmanager
def _stdout_errors() -> Generator[None]:
    """End the command when stdout's reader has closed it; raise `OSError` on any other failure."""
    if sys.stdout is None:  # closed before the process began, as `>&-` does
        raise OSError(errno.EBADF, "There is no stdout to write to")
    try:
        yield
    except OSError as error:
        discard_stdout()
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(BROKEN_PIPE) from None
        raise


def discard_stdout() -> None:
    """Drop what stdout still holds: at its exit Python would write it, and fail again."""
    with suppress(OSError):  # stdout is not a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_message(label: str, text: str) -> None:
    """Write the line `label: text` to stderr. Never fails."""
    console = _memory_console(sys.stderr)
    line = Text.assemble((f"{label}:", "bold red" if label == "error" else "bold"), f" {text}")
    with console.capture() as capture:
        console.print(line, soft_wrap=True)
    write_stderr(capture.get())


def write_stderr(text: str) -> None:
    """Write `text` to stderr. Never fails."""
    with suppress(OSError):
        typer.echo(text, nl=False, err=True, color=True)


def _memory_console(stream: TextIO | None) -> Console:
    """Return a console that renders for `stream` but does not write to it.

    If rich wrote to the stream itself, it would handle write errors in its own way.
    """
    is_terminal = stream is not None and stream.isatty()
    # None leaves the decision to FORCE_COLOR.
    return Console(file=io.StringIO(), force_terminal=True if is_terminal else None)


def one_line(text: str) -> str:
    """Return `text` on one line, its control characters escaped."""
    return visible(" ".join(text.split()))


def session_table(session: FlatSecretResponse | NestedSecretResponse) -> tuple[Table, int]:
    """Return the table of a session, and the minimum width for the secret to be on one line."""
    table = Table.grid(padding=(0, _PADDING))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    rows = session_rows(session)
    for name, value in rows:
        # `Text`, because rich would read markup in a plain string.
        table.add_row(Text(name), Text(value, style="bold" if name == _SECRET else ""))
    label = max(len(name) for name, _ in rows)
    return table, label + _PADDING + len(session.client_secret.value)


def session_rows(session: FlatSecretResponse | NestedSecretResponse) -> list[tuple[str, str]]:
    """Return a session's rows: the fields that are set, then the secret and its expiry.

    The names are those of `--param`. API keys and control characters are masked.
    """
    fields = session.model_dump(exclude_unset=True, exclude={*session.SECRET_FIELDS})
    mask = session.meta.sanitizer.mask
    rows = [
        (
            visible(mask(name, MAX_NAME_CHARACTERS)),
            "\n".join(map(visible, mask(value, _MAX_VALUE_CHARACTERS).splitlines())),
        )
        for name, value in _flattened(fields)
        if (name, value) not in _HIDDEN
    ]
    secret = session.client_secret
    return [*rows, (_SECRET, str(secret.value)), ("expires", expiry(secret))]


def _flattened(members: dict[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the text of every value that is set."""
    for member, value in members.items():
        # Cut here, because each member of an object repeats the object's name.
        name = (prefix + member)[: 2 * MAX_NAME_CHARACTERS]
        if isinstance(value, dict):
            yield from _flattened(cast("dict[str, object]", value), f"{name}.")
        elif value is not None and value != []:
            yield name, _shown(value)
        elif value is None and name in _NULL_MEANINGS:
            yield name, _NULL_MEANINGS[name]


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(_shown(_tool_name(item)) for item in cast("list[object]", value))
    return json.dumps(value, ensure_ascii=False)


def _tool_name(item: object) -> object:
    """Return a tool's name, because its schema would fill the screen; other items unchanged."""
    if not isinstance(item, dict):
        return item
    return cast("dict[str, object]", item).get("name", cast("object", item))


def expiry(secret: ClientSecret) -> str:
    """Return when a secret expires, as local time and seconds left."""
    moment, seconds = secret.expires_at_datetime, secret.seconds_left
    if moment is None or seconds is None:
        return "unknown"
    left = f"{seconds:.0f} s left" if seconds else "expired already"
    return f"{_local(moment).isoformat(' ', 'seconds')} ({left})"


def _local(moment: datetime) -> datetime:
    try:
        return moment.astimezone()
    except OverflowError:  # the last day of the year 9999, in a time zone east of Greenwich
        return moment


def meta_line(meta: ResponseMeta) -> Text:
    """Return one line about the call: request id, attempts, elapsed time, and any losses."""
    facts = [
        f"request id {visible(meta.request_id)}" if meta.request_id else "no request id",
        "1 attempt" if meta.attempts == 1 else f"{meta.attempts} attempts",
        f"{meta.elapsed:.3f} s",
    ]
    if meta.dropped:
        facts.append(f"dropped: {_names(meta.dropped)}")
    if meta.possible_orphans:
        facts.append(f"{meta.possible_orphans} earlier secrets may be lost")
    if meta.unreadable:
        facts.append(f"not understood: {_names(sorted(meta.unreadable))}")
    return Text(", ".join(facts), style="dim")


def dropped_text(meta: ResponseMeta) -> str:
    """Return the warning that some parameters were not sent."""
    names = _names(meta.dropped)
    return f"not sent, as the server has no place for: {names} (--strict makes this an error)"


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(visible, names))
