"""Makes a call's parameters from the command line: options, `NAME=VALUE`, files and stdin.

Rules for this file: an error never quotes a file's content, nor the name of a key's file that
cannot be read: a user may have typed the key instead of the name.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from openai_realtime.cli import output
from openai_realtime.core.request_additions import header_lines
from openai_realtime.core.strict_json import decode_json
from openai_realtime.credentials import environment_key
from openai_realtime.errors import ConfigurationError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def option_name(name: str) -> str:
    """Return the option of a field: `--max-tokens` of `max_tokens`."""
    return f"--{name.replace('_', '-')}"


SESSION_PATHS = {
    "model": "model",
    "modality": "modalities",
    "instructions": "instructions",
    "voice": "voice",
    "speed": "speed",
    "temperature": "temperature",
    "max_tokens": "max_response_output_tokens",
    "turn_detection": "turn_detection",
    "input_format": "input_audio_format",
    "output_format": "output_audio_format",
    "transcription_model": "input_audio_transcription.model",
    "ttl": "client_secret.expires_after.seconds",
    "safety_identifier": "safety_identifier",
}
"""The dotted name of the parameter of `sessions.create` that each option sets."""

TRANSCRIPTION_PATHS = {
    option: SESSION_PATHS[option]
    for option in (
        "modality",
        "turn_detection",
        "input_format",
        "transcription_model",
        "ttl",
        "safety_identifier",
    )
}
"""The same for `transcription_sessions.create`."""

TRANSLATION_PATHS = {
    "translate": "session.audio.output.language",
    "model": "session.model",
    "transcription_model": "session.audio.input.transcription.model",
    "ttl": "expires_after.seconds",
    "safety_identifier": "safety_identifier",
}
"""The same for `translations.client_secrets.create`."""

NESTED_PATHS = {
    "model": "session.model",
    "modality": "session.output_modalities",
    "instructions": "session.instructions",
    "voice": "session.audio.output.voice",
    "speed": "session.audio.output.speed",
    "max_tokens": "session.max_output_tokens",
    "turn_detection": "session.audio.input.turn_detection",
    "transcription_model": "session.audio.input.transcription.model",
    "ttl": "expires_after.seconds",
    "safety_identifier": "safety_identifier",
}
"""The same for `client_secrets.create`."""

CALL_PATHS = {"model": "model", "instructions": "instructions", "voice": "audio.output.voice"}
"""The same for `calls.accept`, and for the session of `calls.create`."""

OPTION_OF = {
    "turn_detection.type": "--turn-detection",
    "status_code": "--status-code",
    **{
        prefix + path: option_name(option)
        for prefix, paths in (
            ("", SESSION_PATHS),
            ("", TRANSLATION_PATHS),
            ("", NESTED_PATHS),
            ("", CALL_PATHS),
            ("session.", CALL_PATHS),
        )
        for option, path in paths.items()
    },
}
"""The option that sets a parameter, by the parameter's dotted name."""

_STDIN = "-"
_HAS_FILE_MODES = os.name != "nt"


class NoApiKeyError(ConfigurationError):
    """There is no API key to call with."""

    def __init__(self, *variables: str) -> None:
        super().__init__("No API key")
        self.hint: str = (
            f"Set {' or '.join(variables)}, or name a file with --api-key-file; --mock needs no key"
        )


def option_parameters(options: Mapping[str, object], paths: Mapping[str, str]) -> dict[str, object]:
    """Return the values of `options` that have a path, by their paths."""
    parameters = {paths[name]: value for name, value in options.items() if name in paths}
    if kind := options.get("turn_detection"):
        parameters[paths["turn_detection"]] = None if kind == "none" else {"type": kind}
    transcription = paths.get("transcription_model", "")
    if parameters.get(transcription) == "none":
        del parameters[transcription]
        parameters[transcription.removesuffix(".model")] = None
    return parameters


def assemble(
    config: Mapping[str, object], options: Mapping[str, object], params: Iterable[str]
) -> dict[str, object]:
    """Return a call's parameters: `options` override `config`, and `params` override both.

    `options` has dotted names; `params` are texts such as `turn_detection.threshold=0.4`.
    """
    assembled: object = {**config}
    for later in (options.items(), map(parse_param, params)):
        layer: object = {}
        for name, value in later:
            layer = overlay(layer, nested(name, value))
        assembled = overlay(assembled, layer)
    return cast("dict[str, object]", assembled)


def parse_param(text: str) -> tuple[str, object]:
    """Return the dotted name and the value in `NAME=VALUE`; raises `ParameterError`."""
    name, equals, value = text.partition("=")
    if not equals or not all(name.split(".")):
        # The text is not quoted: a key may have been pasted into it.
        message = "--param takes NAME=VALUE, such as turn_detection.threshold=0.4"
        raise ParameterError(message)
    return name, parse_value(value)


def parse_query(text: str) -> tuple[str, str]:
    """Return the name and the value in `NAME=VALUE`; raises `ParameterError`."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        message = "--query takes NAME=VALUE"  # the text is not quoted: it may hold a key
        raise ParameterError(message)
    return name, value


def parse_value(text: str) -> object:
    """Return the JSON value in `text`, or the text itself when it is not JSON."""
    try:
        return decode_json(text.encode())
    except ValueError:
        return text


def nested(name: str, value: object) -> dict[str, object]:
    """Return `value` inside an object for every part of the dotted `name`."""
    for part in reversed(name.split(".")):
        value = {part: value}
    return cast("dict[str, object]", value)


def overlay(value: object, later: object) -> object:
    """Return `value` with `later` over it: objects are merged, any other value is replaced.

    An object with another `type` replaces the earlier one: a threshold for `server_vad` must not
    end up in a `semantic_vad`.
    """
    if not isinstance(value, dict) or not isinstance(later, dict):
        return later
    merged = dict(cast("dict[str, object]", value))
    members = cast("dict[str, object]", later)
    if {"type"} <= merged.keys() & members.keys() and merged["type"] != members["type"]:
        return members
    for name, member in members.items():
        merged[name] = overlay(merged[name], member) if name in merged else member
    return merged


def read_headers(path: str) -> dict[str, str]:
    """Return the headers in the file `path`, a `NAME: VALUE` on each line.

    Raises `ConfigurationError` when there is none.
    """
    if headers := header_lines(read_secret_file("--headers-file", path)):
        return headers
    message = "--headers-file: there is no line NAME: VALUE in it"
    raise ConfigurationError(message)


def check_stdin_is_read_once(*paths: str | None) -> None:
    """Raise `ParameterError` when several of a command's files are stdin."""
    if paths.count(_STDIN) > 1:
        message = "Only one file can be - (stdin), which is read once"
        raise ParameterError(message)


def read_api_key(path: str | None, *variables: str) -> str:
    """Return the API key in the file `path`, or else in the environment's `variables`.

    Raises `ConfigurationError` when there is none.
    """
    if path is not None:
        return read_secret_file("--api-key-file", path)
    if key := environment_key(*variables):
        return key
    raise NoApiKeyError(*variables)


def read_secret_file(option: str, path: str) -> str:
    """Return the text in the file `path`, without space around it; errors name `option`.

    Warns when every user of this machine can read the file. Raises `ParameterError` when it cannot
    be read, and `ConfigurationError` when there is no text in it.
    """
    try:
        content = _content(path)
        is_readable_by_all = _is_readable_by_all(path)
    except (OSError, ValueError) as error:  # a ValueError: no file can have such a name
        problem = getattr(error, "strerror", None) or "no such file"
        message = f"{option}: {problem}: it takes the name of a file, or - for stdin"
        raise ParameterError(message) from None
    if is_readable_by_all:
        warning = f"{option} {path}: every user of this machine can read it: chmod 600"
        output.print_message("warning", output.one_line(warning))
    try:
        # An editor appends a newline to a key, and PowerShell puts a byte order mark before it.
        key = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        key = ""
    if not key:
        message = f"{option} {path}: there is no key in it"
        raise ConfigurationError(message)
    return key


def _is_readable_by_all(path: str) -> bool:
    if path == _STDIN or not _HAS_FILE_MODES:
        return False
    mode = Path(path).stat().st_mode
    return stat.S_ISREG(mode) and bool(mode & stat.S_IROTH)


def read_config(path: str | None) -> Mapping[str, object]:
    """Return the parameters in the JSON file `path`; raises `ParameterError` if it is unusable."""
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
        # The usual mistake is an offer in JSON; the dangerous one is a file with a secret.
        if offer.startswith("v=0"):
            return offer
        problem = "it is not an SDP offer, which begins with v=0"
    message = f"--sdp {path}: {problem}"
    raise ParameterError(message)


def _content(path: str) -> bytes:
    if path != _STDIN:
        return Path(path).read_bytes()
    stdin = getattr(sys.stdin, "buffer", None)
    if stdin is None:  # closed, as `<&-` does
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    content: bytes = stdin.read()
    return content
