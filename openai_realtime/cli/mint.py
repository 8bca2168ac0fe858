"""`openai-realtime mint`: mint a client secret and print it.

Owns: what can be minted, and the three ways to print it. Must not know: how options are spelled
(`options.py`), what they set (`parameter_paths.py`), failures, or how the secret is got.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, cast

from openai_realtime.cli import options, output, parameter_paths
from openai_realtime.cli.connection import Connection
from openai_realtime.cli.inputs import check_stdin_is_read_once, read_config
from openai_realtime.cli.option_groups import with_option_groups
from openai_realtime.cli.parameters import assemble, overlay, parse_value, turn_detection_value
from openai_realtime.cli.report import dropped_text, meta_line, session_table
from openai_realtime.errors import DroppedParameterWarning, ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openai_realtime import SyncRealtimeSessionsClient
    from openai_realtime.configuration import ClientOptions
    from openai_realtime.types.client_secret import FlatSecretResponse, NestedSecretResponse


@dataclass(frozen=True, slots=True)
class Kind:
    """What can be minted."""

    asked_by: str
    """The option that asks for it, or the command itself."""
    create: Callable[
        [SyncRealtimeSessionsClient], Callable[..., FlatSecretResponse | NestedSecretResponse]
    ]
    parameter_paths: Mapping[str, str]
    usual: Mapping[str, object] = field(default_factory=dict[str, object])
    """What is asked where nothing else is said."""


SESSION = Kind("mint", lambda client: client.sessions.create, parameter_paths.SESSION)
TRANSCRIPTION = Kind(
    "--transcription",
    lambda client: client.transcription_sessions.create,
    parameter_paths.TRANSCRIPTION,
)
TRANSLATION = Kind(
    "--translate",
    lambda client: client.translations.client_secrets.create,
    parameter_paths.TRANSLATION,
    usual={"session": {"model": "gpt-realtime-translate"}},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """The options that say what is minted, as they were given; None is the server's default."""

    transcription: options.Transcription = False
    translate: options.Translate = None
    model: options.Model = None
    voice: options.Voice = None
    instructions: options.Instructions = None
    modality: options.Modalities = None
    speed: options.Speed = None
    temperature: options.Temperature = None
    max_tokens: options.MaxTokens = None
    turn_detection: options.TurnDetectionType = None
    input_format: options.InputFormat = None
    output_format: options.OutputFormat = None
    transcription_model: options.TranscriptionModel = None
    ttl: options.TimeToLive = None
    safety_identifier: options.SafetyIdentifier = None

    def kind(self) -> Kind:
        """Return what is to be minted."""
        if self.transcription and self.translate is not None:
            message = "--transcription and --translate are two different sessions: choose one"
            raise ParameterError(message)
        if self.transcription:
            return TRANSCRIPTION
        return SESSION if self.translate is None else TRANSLATION

    def parameters(self, kind: Kind) -> dict[str, object]:
        """Return what the options set, by dotted names; raises `ParameterError` on others' options."""
        values: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        del values["transcription"]
        given = {name: value for name, value in values.items() if value not in (None, [])}
        if unwanted := [
            parameter_paths.spelled(name) for name in given if name not in kind.parameter_paths
        ]:
            message = f"{kind.asked_by} takes no {', no '.join(unwanted)}"
            raise ParameterError(message)
        if self.max_tokens is not None:
            given["max_tokens"] = parse_value(self.max_tokens)
        if self.turn_detection is not None:
            given["turn_detection"] = turn_detection_value(self.turn_detection)
        return {kind.parameter_paths[name]: value for name, value in given.items()}


@with_option_groups
def mint(  # noqa: PLR0913 - an argument an option, which is what typer reads
    *,
    session: SessionOptions,
    config: options.Config = None,
    param: options.Param = None,
    dialect: options.Dialect = None,
    strict: options.Strict = False,
    connection: Connection,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Mint a client secret for a session, and print it.

    The exit code says what went wrong: openai-realtime --help lists them.
    """
    if json and quiet:
        message = "--json and --quiet are two different outputs: choose one"
        raise ParameterError(message)
    kind = session.kind()
    if dialect is not None and kind is TRANSLATION:
        message = "--translate takes no --dialect: translation has only one"
        raise ParameterError(message)
    check_stdin_is_read_once(config, connection.api_key_file)
    asked = session.parameters(kind)
    given = cast("Mapping[str, object]", overlay(kind.usual, read_config(config)))
    parameters = assemble(given, asked, param or ())
    shape: ClientOptions = {"strict": strict}
    if dialect is not None:
        shape["dialect"] = dialect.value
    with connection.client(**shape) as client, warnings.catch_warnings():
        # Told below, in a line.
        warnings.simplefilter("ignore", DroppedParameterWarning)
        minted = kind.create(client)(**parameters)
    if minted.meta.dropped:
        output.print_message("warning", dropped_text(minted.meta))
    _show(minted, as_json=json, quiet=quiet)


def _show(minted: FlatSecretResponse | NestedSecretResponse, *, as_json: bool, quiet: bool) -> None:
    if quiet:
        output.write(f"{minted.client_secret.value}\n")
    elif as_json:
        output.write_json(minted.model_dump_json(indent=2, exclude_unset=True))
    else:
        table, least_width = session_table(minted)
        output.write_rich(table, "", meta_line(minted.meta), least_width=least_width)
