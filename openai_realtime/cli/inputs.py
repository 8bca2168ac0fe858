"""Reads what is handed over in files or on stdin (`-`): keys, tokens, parameters, an SDP offer.

No content is ever quoted. Nor is the name of a secret's file that cannot be read: it may be the
secret itself, typed where the name belongs.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from openai_realtime.cli import output
from openai_realtime.cli.failures import NoApiKeyError
from openai_realtime.core.strict_json import decode_json
from openai_realtime.environment import read_key_variable
from openai_realtime.errors import ConfigurationError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

STDIN = "-"
_HAS_MODES = os.name != "nt"


def check_stdin_is_read_once(*paths: str | None) -> None:
    """Raise `ParameterError` when several of a command's files are stdin."""
    if paths.count(STDIN) > 1:
        message = "Only one file can be - (stdin), which is read once"
        raise ParameterError(message)


def read_api_key(path: str | None, variable: str) -> str:
    """Return the API key in the file `path`, or without one that in the environment's `variable`.

    Raises `ConfigurationError` when there is none.
    """
    if path is None:
        if key := read_key_variable(variable):
            return key
        raise NoApiKeyError(variable)
    return read_secret_file("--api-key-file", path)


def read_secret_file(option: str, path: str) -> str:
    """Return the text in the file `path` that `option` names, without the space around it.

    Warns when every user of this machine can read the file. Raises `ConfigurationError` when there
    is no text.
    """
    try:
        content = _content(path)
        is_readable_by_all = _is_readable_by_all(path)
    except (OSError, ValueError) as error:  # a ValueError: no file can have such a name
        problem = getattr(error, "strerror", None) or "no such file"
        message = f"{option}: {problem}: it takes the name of a file, or - for stdin"
        raise ConfigurationError(message) from None
    if is_readable_by_all:
        warning = f"{option} {path}: every user of this machine can read it: chmod 600"
        output.print_message("warning", output.one_line(warning))
    try:
        # An editor's newline, or the mark that PowerShell writes first, is no part of the key.
        key = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        key = ""
    if not key:
        message = f"{option} {path}: there is no key in it"
        raise ConfigurationError(message)
    return key


def _is_readable_by_all(path: str) -> bool:
    if path == STDIN or not _HAS_MODES:
        return False
    mode = Path(path).stat().st_mode
    return stat.S_ISREG(mode) and bool(mode & stat.S_IROTH)


def read_config(path: str | None) -> Mapping[str, object]:
    """Return the parameters in the JSON file `path`; raises `ParameterError` when it is unusable."""
    if path is None:
        return {}
    try:
        parameters = decode_json(_content(path))
    except OSError as error:
        problem = error.strerror
    except ValueError as error:
        problem = str(error)
    else:
        if isinstance(parameters, dict):
            return parameters
        problem = "it is not a JSON object"
    message = f"--config {path}: {problem}"
    raise ParameterError(message)


def read_sdp(path: str) -> str:
    """Return the SDP offer in the file `path`; raises `ParameterError` when there is none."""
    try:
        offer = _content(path).decode()
    except OSError as error:
        problem = error.strerror
    except ValueError:
        problem = "it is not UTF-8"
    else:
        # A peer's description as JSON is the usual mistake, another file the dangerous one.
        if offer.startswith("v=0"):
            return offer
        problem = "it is not an SDP offer, which begins with v=0"
    message = f"--sdp {path}: {problem}"
    raise ParameterError(message)


def _content(path: str) -> bytes:
    if path != STDIN:
        return Path(path).read_bytes()
    stdin = getattr(sys.stdin, "buffer", None)
    if stdin is None:  # closed, as `<&-` does
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    content: bytes = stdin.read()
    return content
