"""What a failure is called: one line, perhaps a hint, and an exit code.

Owns: the table of exit codes. Must not know: commands, nor how a line is written.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import typer

from openai_realtime import errors
from openai_realtime.cli import INTERRUPTED
from openai_realtime.cli.output import READER_GONE, one_line
from openai_realtime.cli.parameter_paths import OPTION_OF
from openai_realtime.core.peer_text import sanitize_text

COMMAND = "openai-realtime"
_MAX_CHARACTERS = 4000

# Click's, or that of the copy of click which newer typers carry: both are reached from here.
UsageError: type = typer.BadParameter.__bases__[0]


class NoApiKeyError(errors.ConfigurationError):
    """There is no API key to call with."""

    def __init__(self, variable: str) -> None:
        super().__init__("No API key")
        self.hint: str = f"Set {variable}, or name a file with --api-key-file; --mock needs no key"


class ListenError(errors.RealtimeError):
    """A server could not be started here."""

    def __init__(self, port: int, reason: str) -> None:
        super().__init__(f"Cannot listen on port {port}: {reason}")
        self.hint = "Choose another --port; 0 takes a free one"


@dataclass(frozen=True, slots=True)
class ExitCode:
    """A row of the table."""

    number: int
    kind: type | tuple[type, ...]
    meaning: str


EXIT_CODES = (
    ExitCode(
        2,
        (UsageError, errors.ParameterError),
        "an option, a parameter or an input file is wrong: nothing was done",
    ),
    ExitCode(3, errors.ConfigurationError, "no API key, or a setting is unusable: nothing sent"),
    ExitCode(4, errors.AuthenticationError, "401: the API key is wrong or revoked"),
    ExitCode(5, errors.PermissionDeniedError, "403: the API key may not do this"),
    ExitCode(6, errors.NotFoundError, "404: no such endpoint, model or call"),
    ExitCode(7, errors.RateLimitError, "429: too many requests, or no credit left"),
    ExitCode(8, errors.InternalServerError, "5xx: the server failed"),
    ExitCode(9, errors.APIStatusError, "any other refusal: 400, 409, 422, a redirect"),
    ExitCode(10, errors.APITimeoutError, "no answer in time"),
    ExitCode(11, errors.CertificateError, "the server's TLS certificate is not trusted"),
    ExitCode(12, errors.APIConnectionError, "the server is out of reach, or hung up"),
    ExitCode(
        13,
        errors.APIResponseValidationError,
        "success, but without a usable client secret, or SDP answer",
    ),
    ExitCode(1, Exception, "anything else: a port in use, output that cannot be written, a bug"),
)
"""The first row that fits an exception counts."""

_SPELT_HERE = {
    "strict=True": "--strict",
    "allow_http=True": "--allow-http",
    " (extra_body sends what the SDK does not know)": "",
    ": Value error, ": ": ",  # some typers show where they have it from
}
"""What the client's and typer's texts say, as this command says it."""

SIGNALS = {INTERRUPTED: "Ctrl-C", READER_GONE: "nobody reads the output any more"}
"""Exit codes that shells know: 128 and the signal's number."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure as it is told. Holds no secret."""

    exit_code: int
    text: str
    hint: str | None = None


def failure_of(error: Exception) -> Failure:
    """Return how `error` is told."""
    code = next(row.number for row in EXIT_CODES if isinstance(error, row.kind))
    text = one_line(_text(error))
    for theirs, ours in _SPELT_HERE.items():
        text = text.replace(theirs, ours)
    # The client's errors hold no secret; a key typed into the wrong place is in typer's.
    return Failure(code, sanitize_text(text, limit=_MAX_CHARACTERS), _hint(error))


def is_bug(error: Exception) -> bool:
    """Return whether nothing foresees `error`."""
    return not isinstance(error, (UsageError, errors.RealtimeError, OSError))


def _text(error: Exception) -> str:
    if is_bug(error):
        # Where it is, without its message: that may quote anything.
        frames = traceback.extract_tb(error.__traceback__)
        place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        return f"Unexpected {type(error).__name__}{place}: this is a bug in openai-realtime"
    if isinstance(error, UsageError):
        return cast("typer.BadParameter", error).format_message()
    if isinstance(error, errors.APIError):
        return str(error).removesuffix(f". {error.hint}")
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error)


def _hint(error: Exception) -> str | None:
    if is_bug(error):
        return "Please report it, with the traceback that OPENAI_REALTIME_LOG=debug shows"
    if isinstance(error, UsageError):
        context = cast("typer.BadParameter", error).ctx
        return f"{context.command_path if context else COMMAND} --help tells the options"
    if isinstance(error, errors.APITimeoutError):
        return "Raise --timeout, or see whether the server is slow or out of reach"
    if isinstance(error, errors.ParameterError) and error.param in OPTION_OF:
        return f"{error.param} is what {OPTION_OF[error.param]} sets"
    hint: str | None = getattr(error, "hint", None)
    if hint is None and isinstance(error, errors.APIConnectionError) and error.phase == "connect":
        return "Check --base-url (or OPENAI_BASE_URL) or --endpoint, and that this machine may reach it"
    return hint


def exit_codes() -> dict[int, str]:
    """Return every exit code with its meaning, for the help page."""
    told = {row.number: row.meaning for row in EXIT_CODES}
    return {0: "done", **dict(sorted(told.items())), **SIGNALS}
