"""The failures of commands: one line of text, an optional hint, and an exit code."""

from __future__ import annotations

import signal
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import typer

from openai_realtime import errors
from openai_realtime.cli.output import BROKEN_PIPE, discard_stdout, one_line, print_message
from openai_realtime.cli.parameters import OPTION_OF
from openai_realtime.core.peer_text import sanitize_text
from openai_realtime.logs import logger, set_up_from_environment

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_CHARACTERS = 4000
_KINDS = {"bool": "true or false", "float": "a number", "int": "a whole number"}
FILE = "openai_realtime.cli.file"
"""The key of the settings file's name in a context's `meta`."""

# click's class; newer versions of typer include a copy of click with a class of its own.
UsageError: type = typer.BadParameter.__bases__[0]


class ListenError(errors.RealtimeError):
    """A server cannot listen on its port."""

    def __init__(self, port: int, error: OSError) -> None:
        super().__init__(f"Cannot listen on port {port}: {error.strerror or error}")
        self.hint = "Choose another --port; 0 takes a free one"


class ExitCode(NamedTuple):
    """A row of the table of exit codes."""

    number: int
    kind: type | tuple[type, ...]
    meaning: str


INTERRUPTED = 128 + signal.SIGINT
"""The exit code after Ctrl-C, as in a shell."""

EXIT_CODES = (
    ExitCode(
        2,
        (UsageError, errors.ParameterError),
        "an option, a parameter or an input file is wrong: nothing was done",
    ),
    ExitCode(
        3, errors.ConfigurationError, "no API key, or a setting is unusable: nothing was sent"
    ),
    ExitCode(4, errors.AuthenticationError, "401: the API key is wrong or revoked"),
    ExitCode(5, errors.PermissionDeniedError, "403: the API key may not do this"),
    ExitCode(6, errors.NotFoundError, "404: no such endpoint, model or call"),
    ExitCode(7, errors.RateLimitError, "429: too many requests, or no credit left"),
    ExitCode(8, errors.InternalServerError, "5xx: the server failed"),
    ExitCode(9, errors.APIStatusError, "any other error status: 400, 409, 422, a redirect"),
    ExitCode(10, errors.APITimeoutError, "no response in time"),
    ExitCode(11, errors.CertificateError, "the server's TLS certificate is not trusted"),
    ExitCode(12, errors.APIConnectionError, "the connection failed, or was lost"),
    ExitCode(
        13,
        errors.APIResponseValidationError,
        "success, but without a usable client secret, or SDP answer",
    ),
    ExitCode(1, Exception, "anything else: a port in use, output that cannot be written, a bug"),
)
"""The first row that matches an exception counts."""

_REPLACEMENTS = {
    "strict=True": "--strict",
    "allow_http=True": "--allow-http",
    " (extra_body sends what the SDK does not know)": "",
    ": Value error, ": ": ",  # some versions of typer name the exception
}
"""Texts in errors of the client and of typer, with their replacements on the command line."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure to show. Holds no secret."""

    exit_code: int
    text: str
    hint: str | None = None


def exit_code_of(command: Callable[[], int | None]) -> int:
    """Run `command`, which returns its exit code or None; print its failure to stderr.

    Returns the exit code.
    """
    try:
        return command() or 0
    except typer.Abort:  # Ctrl-C in older versions of typer; newer ones return the exit code
        return INTERRUPTED
    except SystemExit as ending:
        # typer, when it could not print a help page or a completion script.
        if not isinstance(ending.__context__, BrokenPipeError):
            raise
        discard_stdout()
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the process ends here: every failure becomes a message
        if is_bug(error):
            set_up_from_environment()
            # The frames without the message, which may quote anything.
            logger.debug("Traceback:\n%s", "".join(traceback.format_tb(error.__traceback__)))
        failure = failure_of(error)
        print_message("error", failure.text)
        if failure.hint is not None:
            print_message("hint", failure.hint)
        return failure.exit_code


def failure_of(error: Exception) -> Failure:
    """Return the failure to show for `error`."""
    code = next(row.number for row in EXIT_CODES if isinstance(error, row.kind))
    text = one_line(_text(error))
    for words, option in _REPLACEMENTS.items():
        text = text.replace(words, option)
    # The client's errors hold no secret; typer's may quote a key that was typed into the wrong
    # place.
    return Failure(code, sanitize_text(text, limit=_MAX_CHARACTERS), _hint(error))


def is_bug(error: Exception) -> bool:
    """Return whether `error` is of a kind that no command raises on purpose."""
    return not isinstance(error, (UsageError, errors.RealtimeError, OSError))


def _text(error: Exception) -> str:
    if is_bug(error):
        # The location without the message, which may quote anything.
        frames = traceback.extract_tb(error.__traceback__)
        location = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        return f"Unexpected {type(error).__name__}{location}: this is a bug in openai-realtime"
    if isinstance(error, UsageError):
        return _usage_text(cast("typer.BadParameter", error))
    if isinstance(error, errors.APIError):
        return str(error).removesuffix(f". {error.hint}")
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error)


def _usage_text(error: typer.BadParameter) -> str:
    parameter, context = getattr(error, "param", None), error.ctx
    if parameter is None or context is None or not error.message:
        return error.format_message()
    where = given_as(context, parameter)
    return f"Invalid value for {repr(where) if where[0] == '-' else where}: {_problem(error)}"


def given_as(context: Any, parameter: Any) -> str:
    """Return how the value of `parameter` was given: by an option, a variable or a file."""
    source = context.get_parameter_source(parameter.name)
    if source is not None and source.name == "ENVIRONMENT":
        return f"{context.auto_envvar_prefix}_{parameter.name}".upper()
    if source is not None and source.name == "DEFAULT_MAP":
        return f"{context.meta[FILE]}: {parameter.name}"
    return str(parameter.opts[0])


def _problem(error: typer.BadParameter) -> str:
    """Return what is wrong with a value; newer versions of typer quote pydantic."""
    from pydantic import ValidationError  # noqa: PLC0415 - slow to import

    if not isinstance(error.__cause__, ValidationError):
        return error.message
    problem = error.__cause__.errors()[0]
    bounds = problem.get("ctx", {})
    if "le" in bounds:
        return f"it must be {bounds['le']} or less"
    if "ge" in bounds:
        return f"it must be {bounds['ge']} or more"
    kind = _KINDS.get(problem["type"].partition("_")[0])
    return f"it must be {kind}" if kind else error.message


def _hint(error: Exception) -> str | None:
    if is_bug(error):
        return "Please report it, with the traceback that OPENAI_REALTIME_LOG=debug shows"
    if isinstance(error, UsageError):
        context = cast("typer.BadParameter", error).ctx
        return f"{context.command_path if context else 'openai-realtime'} --help lists the options"
    if isinstance(error, errors.APITimeoutError):
        return "Raise --timeout, or check whether the server is slow or out of reach"
    if isinstance(error, errors.ParameterError) and error.param in OPTION_OF:
        return f"{OPTION_OF[error.param]} sets {error.param}"
    hint: str | None = getattr(error, "hint", None)
    if hint is None and isinstance(error, errors.APIConnectionError) and error.phase == "connect":
        return "Check --base-url (or OPENAI_BASE_URL) or --endpoint, and that this machine can reach it"
    return hint


def exit_codes() -> dict[int, str]:
    """Return every exit code with its meaning, in the order of the help page."""
    table = {row.number: row.meaning for row in EXIT_CODES}
    signals = {INTERRUPTED: "Ctrl-C", BROKEN_PIPE: "the reader of the output has closed it"}
    return {0: "success", **dict(sorted(table.items())), **signals}
