"""`openai-realtime mint`: mint a session and print its client secret.

Owns: which option sets what, and the three ways to print. Must not know: how options are spelled
(`options.py`), failures, or how the secret is got.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from openai_realtime.cli import options, output
from openai_realtime.cli.connection import Connection
from openai_realtime.cli.inputs import read_config
from openai_realtime.cli.parameters import assemble, parse_value, turn_detection_parameter
from openai_realtime.cli.report import meta_line, session_table
from openai_realtime.errors import ParameterError

if TYPE_CHECKING:
    from openai_realtime.types.session import RealtimeSessionCreateResponse, SessionCreateParams


def mint(  # noqa: PLR0913 - an argument an option, which is what typer reads
    *,
    model: options.Model = None,
    voice: options.Voice = None,
    instructions: options.Instructions = None,
    modality: options.Modalities = None,
    speed: options.Speed = None,
    temperature: options.Temperature = None,
    max_tokens: options.MaxTokens = None,
    turn_detection: options.TurnDetectionType = None,
    input_format: options.InputFormat = None,
    output_format: options.OutputFormat = None,
    transcription_model: options.TranscriptionModel = None,
    ttl: options.TimeToLive = None,
    safety_identifier: options.SafetyIdentifier = None,
    config: options.Config = None,
    param: options.Param = None,
    api_key_file: options.ApiKeyFile = None,
    base_url: options.BaseUrl = None,
    allow_http: options.AllowHttp = False,
    timeout: options.Timeout = None,
    max_retries: options.MaxRetries = None,
    mock: options.Mock = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Mint a session and print its client secret.

    The exit code says what went wrong: openai-realtime --help lists them.
    """
    if json and quiet:
        message = "--json and --quiet are two different outputs: choose one"
        raise ParameterError(message)
    given: dict[str, object] = {
        "model": model,
        "voice": voice,
        "instructions": instructions,
        "modalities": modality or None,
        "speed": speed,
        "temperature": temperature,
        "max_response_output_tokens": None if max_tokens is None else parse_value(max_tokens),
        "input_audio_format": input_format,
        "output_audio_format": output_format,
        "input_audio_transcription.model": transcription_model,
        "client_secret.expires_after.seconds": ttl,
        "safety_identifier": safety_identifier,
    }
    asked = {name: value for name, value in given.items() if value is not None}
    asked |= turn_detection_parameter(turn_detection)
    parameters = assemble(read_config(config), asked, param or ())
    connection = Connection(
        api_key_file=api_key_file,
        base_url=base_url,
        allow_http=allow_http,
        timeout=timeout,
        max_retries=max_retries,
        mock=mock,
    )
    with connection.client() as client:
        session = client.sessions.create(**cast("SessionCreateParams", parameters))
    if quiet:
        output.write(f"{session.client_secret.value}\n")
    elif json:
        output.write_json(session.model_dump_json(indent=2, exclude_unset=True))
    else:
        _show(session)


def _show(session: RealtimeSessionCreateResponse) -> None:
    table, least_width = session_table(session)
    output.write_rich(table, "", meta_line(session.meta), least_width=least_width)
