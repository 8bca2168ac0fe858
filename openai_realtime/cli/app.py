"""The commands, put together.

Owns: which commands there are, `--version`, the help page's frame. Must not know: what a command
does. A new command is a file of its own and a line here.
"""

from typing import Annotated

import typer

from openai_realtime import __version__
from openai_realtime.cli import calls, output
from openai_realtime.cli.group import Command, CommandGroup, WithoutVariables
from openai_realtime.cli.mint import mint
from openai_realtime.cli.mock import mock
from openai_realtime.cli.serve import ENVIRONMENT, serve

_NO_COMMAND = 2

app: typer.Typer = typer.Typer(
    cls=CommandGroup,
    help="Mint ephemeral client secrets for OpenAI Realtime voice sessions.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    add_completion=False,
    # Typer's own tracebacks are off; what fails is told in a line by `CommandGroup`.
    pretty_exceptions_enable=False,
)
_calls_app = typer.Typer(help="Begin WebRTC calls; accept, reject, refer and hang up phone calls.")


def _show_version(wanted: bool) -> None:
    if wanted:
        output.write(f"openai-realtime {__version__}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def openai_realtime(
    context: typer.Context,
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Take the options that stand before a command."""
    del version  # its callback has acted already
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
    _calls_app.command(cls=Command)(_command)
app.command(cls=Command)(mock)
app.command(cls=WithoutVariables, context_settings={"auto_envvar_prefix": ENVIRONMENT})(serve)
