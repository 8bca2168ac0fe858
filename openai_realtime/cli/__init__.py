"""The command `openai-realtime`: where a shell comes in.

Owns: the entry point, and what is said when the extra `cli` is not installed. Must not know: any
command. Imports nothing heavy, so that it can still speak when typer and rich are missing.
"""

import sys

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it: 128 + SIGINT."""

_EXTRA = frozenset({"rich", "typer"})
_NOT_INSTALLED = (
    "error: the openai-realtime command needs typer and rich: "
    "install them with pip install 'openai-realtime[cli]'"
)


def main() -> None:
    """Run the command that `sys.argv` names, and exit with its code."""
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _run() -> None:
    try:
        from openai_realtime.cli.app import app  # noqa: PLC0415 - see the header
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.exit(_NOT_INSTALLED)
    app(prog_name="openai-realtime")
