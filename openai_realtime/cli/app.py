"""The application with all commands: `--version`, the help pages and the exit codes."""

from __future__ import annotations

import sys
from typing import Annotated, Any, NoReturn

import typer
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from openai_realtime import __version__
from openai_realtime.cli import calls, output
from openai_realtime.cli.failures import exit_code_of, exit_codes
from openai_realtime.cli.mint import mint
from openai_realtime.cli.mock import mock
from openai_realtime.cli.serve import ENVIRONMENT_PREFIX, serve

_NO_COMMAND = 2


class CommandGroup(TyperGroup):
    """The commands; a failure becomes one line on stderr and an exit code."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run the command and exit."""
        run = super().main
        sys.exit(exit_code_of(lambda: run(*args, **{**extra, "standalone_mode": False})))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help page, and the table of exit codes below it."""
        super().format_help(ctx, formatter)
        # Not as `epilog`, whose layout depends on the version of typer.
        table = Table.grid(padding=(0, 2))
        for number, meaning in exit_codes().items():
            table.add_row(Text(f"{number:>4}", style="cyan"), Text(meaning))
        output.write_rich(Text(" Exit codes", style="bold"), table, "")


class Command(TyperCommand):
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
    help="Mint ephemeral client secrets for OpenAI Realtime voice sessions.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    add_completion=False,
    # `CommandGroup` prints failures.
    pretty_exceptions_enable=False,
)
_calls_app = typer.Typer(help="Begin WebRTC calls; accept, reject, refer, hang up and list calls.")


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
        output.write(context.get_help())
        raise typer.Exit(_NO_COMMAND)


app.command(cls=Command)(mint)
app.add_typer(_calls_app, name="calls")
for _command in calls.COMMANDS:
    _calls_app.command(_command.__name__.rstrip("_"), cls=Command)(_command)
app.command(cls=Command)(mock)
app.command(cls=Command, context_settings={"auto_envvar_prefix": ENVIRONMENT_PREFIX})(serve)
