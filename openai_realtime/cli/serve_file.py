"""`serve.toml`: the settings of `openai-realtime serve` in a file, below flags and environment.

Owns: the file's form, and what is said of a name that is none. Must not know: what a setting means.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

from openai_realtime.cli import parameter_paths

if TYPE_CHECKING:
    from openai_realtime.mint.choices import Choice

_TABLES = ("session", "allow")
_NOT_IN_A_FILE = {"config", "param", "help"}


@dataclass(frozen=True, slots=True)
class ServeFile:
    """What a file says."""

    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    """By the options' names."""
    session: Mapping[str, object] = field(default_factory=dict[str, object])
    """The table `[session]`: the parameters of `client.sessions.create`."""
    allow: Mapping[str, Iterable[Choice]] = field(default_factory=dict[str, "Iterable[Choice]"])
    """The table `[allow]`: what the page may choose."""


def read_serve_file(path: str) -> ServeFile:
    """Return what the TOML file `path` says; raises typer's `BadParameter` when it is unusable."""
    try:
        content: dict[str, object] = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise typer.BadParameter(message) from None
    except ValueError as error:
        # The parser's text names a line and column, and quotes at most a character.
        message = f"{path} is not a TOML file: {error}"
        raise typer.BadParameter(message) from None
    tables = {name: content.pop(name, {}) for name in _TABLES}
    for name, table in tables.items():
        if not isinstance(table, dict):
            message = f"{path}: {name} is a table: [{name}]"
            raise typer.BadParameter(message)
    settings = {name.replace("-", "_"): value for name, value in content.items()}
    return ServeFile(settings, **cast("dict[str, Any]", tables))


def put_below(context: typer.Context, file: ServeFile | None) -> ServeFile | None:
    """Let a file's settings hold where neither a flag nor the environment says otherwise."""
    if file is None:
        return None
    options = {str(each.name) for each in context.command.params} - _NOT_IN_A_FILE
    known = options - parameter_paths.SESSION.keys() | {"ttl", *_TABLES}
    for name in file.settings:
        if name in known:
            continue
        if name in parameter_paths.SESSION:
            message = f"{name} is the session's: write it below [session]"
        else:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            meant = f": did you mean {near[0]}?" if near else ""
            message = f"{name} is not a known setting{meant}"
        raise typer.BadParameter(message)
    context.default_map = dict(file.settings)
    return file
