"""Makes the parts of the reference that no docstring has: the options of the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer.main

from openai_realtime.cli.app import app


def define_env(env: Any) -> None:
    """Give the pages their macros."""
    env.macro(command_line)


def command_line() -> str:
    """Return the commands as Markdown: each with its description, arguments and options."""
    command = typer.main.get_command(app)
    return "\n".join(_command(command, "openai-realtime", None))


def _command(command: Any, name: str, parent: Any) -> Iterator[str]:
    context = command.context_class(command, info_name=name, parent=parent)
    if parent is not None:
        yield f"## {name}\n"
        yield from _paragraphs(command.help or "")
    parameters: list[Any] = command.get_params(context)
    for title, chosen in _panels(parameters):
        yield f"{title}:\n"
        for parameter in chosen:
            label, text = parameter.get_help_record(context)
            if parameter.param_type_name == "argument":
                label = parameter.metavar
            yield f"- `{label}`: {_escaped(text)}"
        yield ""
    for each, inner in getattr(command, "commands", {}).items():
        yield from _command(inner, f"{name} {each}" if parent is not None else each, context)


def _panels(parameters: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    panels: dict[str, list[Any]] = {}
    for each in parameters:
        if each.name == "help":
            continue
        is_argument = each.param_type_name == "argument"
        title = "Arguments" if is_argument else each.rich_help_panel or "Options"
        panels.setdefault(title, []).append(each)
    yield from panels.items()


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("Example:"):
            lines = (line.strip() for line in paragraph.removeprefix("Example:").splitlines())
            yield "\n".join(["```sh", *filter(None, lines), "```", ""])
        else:
            yield _escaped(" ".join(paragraph.split())) + "\n"


def _escaped(text: str) -> str:
    """Return text with its addresses as code, and what Markdown would read as markup escaped."""
    text = re.sub(r"([\\*_<>\[\]|])", r"\\\1", text)
    return re.sub(r"https?://[^\s,]*[^\s,.:)]", lambda url: f"`{url[0]}`".replace("\\", ""), text)
