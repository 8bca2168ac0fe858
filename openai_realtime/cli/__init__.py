"""The entry point of the command `openai-realtime`.

Rule for this file: it imports only the standard library before the command runs, so that it can
print what to install when the extra `cli` is missing.
"""

import signal
import sys

_EXTRA = frozenset({"rich", "typer"})


def main() -> None:
    """Run the command that `sys.argv` names, and exit with its code."""
    try:
        from openai_realtime.cli.app import app  # noqa: PLC0415 - needs the extra `cli`

        app(prog_name="openai-realtime")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        from openai_realtime.lazy_imports import install_command  # noqa: PLC0415 - needed for errors only

        sys.exit(
            f"error: the openai-realtime command needs typer and rich: {install_command('cli')}"
        )
