"""The command `openai-realtime mint`: mints a client secret and prints it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from openai_realtime.cli import output, parameters
from openai_realtime.cli.options import (
    OUTPUT,
    SESSION,
    ConnectionOptions,
    SecretSessionOptions,
    config_option,
    flag,
    given_options,
    json_option,
    option,
    with_options,
)
from openai_realtime.errors import DroppedParameterWarning, ParameterError
from openai_realtime.providers import Dialect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openai_realtime import SyncRealtimeSessionsClient
    from openai_realtime.configuration import ClientOptions
    from openai_realtime.types.client_secret import FlatSecretResponse, NestedSecretResponse


@dataclass(frozen=True, slots=True)
class SecretKind:
    """A kind of session for which a secret can be minted."""

    selected_by: str
    """The option that selects it, or the command's name."""
    create: Callable[
        [SyncRealtimeSessionsClient], Callable[..., FlatSecretResponse | NestedSecretResponse]
    ]
    paths: Mapping[str, str]
    """The parameter that each option sets; an option without a parameter is refused."""
    defaults: Mapping[str, object] = field(default_factory=dict[str, object])


SESSION_SECRET = SecretKind("mint", lambda client: client.sessions.create, parameters.SESSION_PATHS)
TRANSCRIPTION_SECRET = SecretKind(
    "--transcription",
    lambda client: client.transcription_sessions.create,
    parameters.TRANSCRIPTION_PATHS,
)
TRANSLATION_SECRET = SecretKind(
    "--translate",
    lambda client: client.translations.client_secrets.create,
    parameters.TRANSLATION_PATHS,
    defaults={"session": {"model": "gpt-realtime-translate"}},
)
NESTED_SECRET = SecretKind(
    "--config with a nested session",
    lambda client: client.client_secrets.create,
    parameters.NESTED_PATHS,
)
_KIND_OPTIONS = parameters.SESSION_PATHS.keys() | parameters.TRANSLATION_PATHS.keys()
"""The options that set a parameter of any kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MintSessionOptions(SecretSessionOptions):
    """The options that configure the session; None is the server's default."""

    transcription: bool = flag(
        SESSION,
        "--transcription",
        "Mint a transcription session: speech in, text out. Its model is --transcription-model.",
    )
    translate: str | None = option(
        SESSION, "LANGUAGE", "Mint a translation session into this language, such as es."
    )
    modality: list[str] | None = option(
        SESSION, "NAME", "What the model responds with: text, audio. Repeatable."
    )
    temperature: float | None = option(SESSION, "NUMBER", "The sampling temperature, 0.6 to 1.2.")
    max_tokens: str | None = option(
        SESSION, "NUMBER|inf", "The most tokens of one response, 1 to 4096, or inf."
    )
    input_format: str | None = option(
        SESSION, "FORMAT", "The audio that is sent: pcm16, g711_ulaw or g711_alaw."
    )
    output_format: str | None = option(
        SESSION, "FORMAT", "The audio that is received: pcm16, g711_ulaw or g711_alaw."
    )
    ttl: int | None = option(
        SESSION, "SECONDS", "How long the secret is valid, 10 to 7200 seconds."
    )
    safety_identifier: str | None = option(
        SESSION,
        "ID",
        "A pseudonymous id of the person who will speak: a hash, never an e-mail address.",
    )
    config: str | None = config_option(
        'parameters, or with OpenAI\'s nested shape, {"session": …}, which is minted by client_secrets'
    )
    dialect: Dialect | None = option(
        SESSION,
        "DIALECT",
        "The shape of the request: beta (flat), ga (nested), or auto: flat, and nested once the server "
        "has retired flat requests. Default: the provider's.",
    )
    strict: bool = flag(
        SESSION,
        "--strict/--no-strict",
        "Fail when the server's dialect has no place for a parameter. Default: leave the parameter "
        "out, and warn.",
        show_default=False,
    )

    def kind(self, config: Mapping[str, object]) -> SecretKind:
        """Return the selected kind; raises `ParameterError` when two are selected."""
        if self.transcription and self.translate is not None:
            message = "--transcription and --translate are two different sessions: choose one"
            raise ParameterError(message)
        if self.transcription:
            return TRANSCRIPTION_SECRET
        if self.translate is not None:
            return TRANSLATION_SECRET
        return NESTED_SECRET if "session" in config else SESSION_SECRET

    def assemble(self, kind: SecretKind, config: Mapping[str, object]) -> dict[str, object]:
        """Return the parameters of `kind`: `--param` over the options, over `--config`.

        Raises `ParameterError` on an option of another kind.
        """
        given = given_options(self)
        if unwanted := [name for name in given if name in _KIND_OPTIONS - kind.paths.keys()]:
            message = (
                f"{kind.selected_by} takes no {', no '.join(map(parameters.option_name, unwanted))}"
            )
            raise ParameterError(message)
        if self.max_tokens is not None:
            given["max_tokens"] = parameters.parse_value(self.max_tokens)
        return parameters.assemble(
            cast("Mapping[str, object]", parameters.overlay(kind.defaults, config)),
            parameters.option_parameters(given, kind.paths),
            self.param or (),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """The options for the output."""

    json: bool = json_option("the session")
    quiet: bool = flag(
        OUTPUT, "--quiet -q", "Print only the secret: KEY=$(openai-realtime mint -q)"
    )


@with_options
def mint(
    *, session: MintSessionOptions, connection: ConnectionOptions, form: OutputOptions
) -> None:
    """Mint a client secret for a session, and print it.

    The exit code shows the kind of failure; openai-realtime --help lists the codes.

    Example:
        openai-realtime mint --voice verse --ttl 120
    """
    if form.json and form.quiet:
        message = "--json and --quiet are two different outputs: choose one"
        raise ParameterError(message)
    parameters.check_stdin_is_read_once(session.config, *connection.files)
    config = parameters.read_config(session.config)
    if "type" in config:
        config = {"session": config}
    kind = session.kind(config)
    if session.dialect is not None and kind is TRANSLATION_SECRET:
        message = "--translate takes no --dialect: translation has only one"
        raise ParameterError(message)
    assembled = session.assemble(kind, config)
    options: ClientOptions = {"strict": session.strict}
    if session.dialect is not None:
        options["dialect"] = session.dialect
    with connection.client(**options) as client, warnings.catch_warnings():
        # The command prints its own warning below.
        warnings.simplefilter("ignore", DroppedParameterWarning)
        response = kind.create(client)(**assembled)
    if response.meta.dropped:
        output.print_message("warning", output.dropped_text(response.meta))
    if form.quiet:
        output.write(f"{response.client_secret.value}\n")
    elif form.json:
        output.write_json(response.model_dump_json(indent=2, exclude_unset=True))
    else:
        table, width = output.session_table(response)
        output.write_rich(table, "", output.meta_line(response.meta), minimum_width=width)
