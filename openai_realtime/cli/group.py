"""Runs whichever command was named, and ends the process as a shell expects.

Owns: the way from an exception to an exit code, and Ctrl-C. Must not know: any command, nor what a
failure is called (`failures.py` does).
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any, NoReturn, cast

import typer
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from openai_realtime.cli import INTERRUPTED, output
from openai_realtime.cli.failures import exit_codes, failure_of, is_bug
from openai_realtime.logs import logger, set_up_from_environment

if TYPE_CHECKING:
    from collections.abc import Callable


class CommandGroup(TyperGroup):
    """The commands, whose failures are told in a line and an exit code."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run the command and exit."""
        run = super().main
        sys.exit(status_of(lambda: run(*args, **{**extra, "standalone_mode": False})))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help page, the table of exit codes below it."""
        super().format_help(ctx, formatter)
        # No `epilog`: typers differ in what they make of its lines.
        table = Table.grid(padding=(0, 2))
        for number, meaning in exit_codes().items():
            table.add_row(Text(f"{number:>4}", style="cyan"), Text(meaning))
        output.write_rich(Text(" Exit codes", style="bold"), table, "")


class Command(TyperCommand):
    """A command that never quotes what it has no place for: that may be a key or a token."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the options; raises typer's usage error when there is more."""
        ctx.allow_extra_args = True
        super().parse_args(ctx, args)
        if ctx.args:
            ctx.fail(f"Too many arguments: {len(ctx.args)}, not shown because one may be a key")
        return []


class WithoutVariables(Command):
    """A command whose every option has a variable, which its help page says once."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help page without a variable at each option."""
        for parameter in self.params:
            cast("Any", parameter).show_envvar = False
        super().format_help(ctx, formatter)


def status_of(run: Callable[[], int | None]) -> int:
    """Return the exit code of `run()`, which returns its own; failures are told on stderr."""
    try:
        return run() or 0
    except typer.Abort:  # Ctrl-C, as older typers tell it; newer ones return the exit code
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the edge of the process: every failure is told here
        if is_bug(error):
            set_up_from_environment()
            # The frames without the message, which may quote anything.
            logger.debug("Traceback:\n%s", "".join(traceback.format_tb(error.__traceback__)))
        failure = failure_of(error)
        output.print_message("error", failure.text)
        if failure.hint is not None:
            output.print_message("hint", failure.hint)
        return failure.exit_code
