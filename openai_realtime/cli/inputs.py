"""Reads what is handed over in files: the API key, the session's parameters, an SDP offer.

Owns: files, stdin (`-`), and how a bad one is told. Must not know: what the content is for. No
content is ever quoted.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from openai_realtime.cli.failures import NoApiKeyError
from openai_realtime.core.strict_json import decode_json
from openai_realtime.errors import ConfigurationError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

STDIN = "-"


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
        if key := os.environ.get(variable):
            return key
        raise NoApiKeyError(variable)
    return read_secret_file("--api-key-file", path)


def read_secret_file(option: str, path: str) -> str:
    """Return the text in the file `path` that `option` names, without the space around it.

    Raises `ConfigurationError` when there is none.
    """
    try:
        # An editor's newline, or the mark that PowerShell writes first, is no part of the key.
        key = _content(path).decode("utf-8-sig").strip()
    except OSError as error:
        message = f"{option} {path}: {error.strerror}"
        raise ConfigurationError(message) from None
    except ValueError:
        key = ""
    if not key:
        message = f"{option} {path}: there is no key in it"
        raise ConfigurationError(message)
    return key


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
