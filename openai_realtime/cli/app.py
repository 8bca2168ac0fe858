"""The application with all commands: `--version`, the help pages and the exit codes."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from openai_realtime import __version__
from openai_realtime.cli import calls, output
from openai_realtime.cli.doctor import doctor
from openai_realtime.cli.failures import exit_code_of, exit_codes
from openai_realtime.cli.mint import mint
from openai_realtime.cli.mock import mock
from openai_realtime.cli.serve import ENVIRONMENT_PREFIX, serve

_NO_COMMAND = 2
_LARGEST_WIDTH = 100
_INDENT = 6


class HelpPage:
    """The options of a help page by their panels, each description below its option.

    Side by side, names and descriptions would be too narrow to read in a small window.
    """

    get_params: Callable[[Any], list[Any]]
    help: str | None

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write the description, and the example as it is."""
        del ctx  # the text has no part that depends on it
        for paragraph in (self.help or "").split("\n\n"):
            formatter.write_paragraph()
            with formatter.indentation():
                is_example = paragraph.startswith("Example:")
                lines = paragraph.splitlines() if is_example else _wrapped(formatter, paragraph)
                _write_lines(formatter, lines)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and options."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            name, text = parameter.get_help_record(ctx)
            panel = parameter.rich_help_panel if parameter.param_type_name == "option" else None
            if parameter.param_type_name == "argument":
                name, panel = parameter.metavar, "Arguments"
            panels.setdefault(panel or "Options", []).append((name, text))
        for panel, records in panels.items():
            with formatter.section(panel):
                for name, text in records:
                    _write_lines(formatter, [name, *_wrapped(formatter, text, " " * _INDENT)])


def _wrapped(formatter: Any, text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        formatter.width - formatter.current_indent,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _write_lines(formatter: Any, lines: list[str]) -> None:
    formatter.write("".join(f"{' ' * formatter.current_indent}{line}\n" for line in lines))


class CallsGroup(HelpPage, TyperGroup):
    """A group of commands."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, and the commands below them."""
        super().format_options(ctx, formatter)
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, command.get_short_help_str(limit=_LARGEST_WIDTH))
                    for name, command in self.commands.items()
                ]
            )


class CommandGroup(CallsGroup):
    """All commands; a failure becomes one line on stderr and an exit code."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run the command and exit."""
        run = super().main
        sys.exit(exit_code_of(lambda: run(*args, **{**extra, "standalone_mode": False})))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help page, and the table of exit codes below it."""
        super().format_help(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl([(f"{number:>3}", text) for number, text in exit_codes().items()])


class Command(HelpPage, TyperCommand):
    """A command that does not quote surplus arguments: one of them may be a key or a token."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options; raises typer's usage error for surplus arguments."""
        ctx.allow_extra_args = True
        super().parse_args(ctx, args)
        if ctx.args:
            ctx.fail(f"Too many arguments: {len(ctx.args)}, not shown because one may be a key")
        return []


app: typer.Typer = typer.Typer(
    cls=CommandGroup,
    help="Mint ephemeral client secrets for OpenAI Realtime voice sessions.\n\n"
    "Example:\n    openai-realtime mint --mock",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": _LARGEST_WIDTH},
    rich_markup_mode=None,
    # `CommandGroup` prints failures.
    pretty_exceptions_enable=False,
)
_calls_app = typer.Typer(
    cls=CallsGroup,
    help="Begin WebRTC calls; accept, reject, refer, hang up and list calls.\n\n"
    "Example:\n    openai-realtime calls hangup rtc_123",
    rich_markup_mode=None,
)


def _show_version(requested: bool) -> None:
    if requested:
        output.write(f"openai-realtime {__version__}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _openai_realtime(
    context: typer.Context,
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    del version  # its callback has printed it
    _help_without_command(context)


@_calls_app.callback(invoke_without_command=True)
def _calls(context: typer.Context) -> None:
    _help_without_command(context)


def _help_without_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        output.write(f"{context.get_help()}\n")
        raise typer.Exit(_NO_COMMAND)


app.command(cls=Command)(mint)
app.add_typer(_calls_app, name="calls")
for _command in calls.COMMANDS:
    _calls_app.command(_command.__name__.rstrip("_"), cls=Command)(_command)
app.command(cls=Command)(doctor)
app.command(cls=Command)(mock)
app.command(cls=Command, context_settings={"auto_envvar_prefix": ENVIRONMENT_PREFIX})(serve)
