"""`openai-realtime serve`: the mint service, and a page to talk on.

Owns: from options to the service's settings. Must not know: how options are spelled
(`serve_options.py`), how somebody is recognised (`auth.py`), how a service runs (`service.py`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from openai_realtime.cli import auth, options, output, parameter_paths
from openai_realtime.cli import serve_options as own
from openai_realtime.cli.choices import LogFormat
from openai_realtime.cli.connection import Connection
from openai_realtime.cli.inputs import read_secret_file
from openai_realtime.cli.option_groups import with_option_groups
from openai_realtime.cli.parameters import assemble, parse_value, turn_detection_value
from openai_realtime.cli.serve_file import ServeFile
from openai_realtime.environment import read_variable
from openai_realtime.errors import ConfigurationError, ParameterError

if TYPE_CHECKING:
    from openai_realtime.configuration import SyncClientOptions
    from openai_realtime.mint import Authorize, ServiceOptions

ENVIRONMENT = "OPENAI_REALTIME_SERVE"
"""What the names of environment variables begin with."""
_TOKENS: Final = "OPENAI_REALTIME_SERVE_TOKENS"
_RULES = f"--authorize, --token-file (or the tokens in {_TOKENS}), --anyone-on-this-machine"
_NO_RULE = f"Nobody may ask yet: choose {_RULES}, or --mock"
_TWO_RULES = f"Choose one only: {_RULES}"
_FOR_DEVELOPMENT = (
    "--anyone-on-this-machine mints with a real key for whoever connects from this machine, a proxy's "
    "or a tunnel's visitors included: for development only"
)
_USUAL_MODEL = "gpt-realtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthOptions:
    """The options that say who may ask."""

    authorize: own.AuthorizeName = None
    token_file: own.TokenFile = None
    anyone_on_this_machine: own.AnyoneHere = False
    origin: own.Origins = None
    credentials: own.Credentials = False
    trusted_proxies: own.TrustedProxies = 0

    def authorizer(self, host: str, *, is_mock: bool) -> Authorize:
        """Return the one rule that was chosen; raises `ConfigurationError` when there is none.

        Whoever is on this machine may ask a mock, when nothing else is said.
        """
        tokens = read_variable(_TOKENS)
        rules = [self.authorize, self.token_file, tokens, self.anyone_on_this_machine or None]
        given = len(rules) - rules.count(None)
        if given > 1:
            raise ParameterError(_TWO_RULES)
        if self.authorize is not None:
            return auth.named_function(self.authorize)
        if self.token_file is not None:
            text = read_secret_file("--token-file", self.token_file)
            return auth.bearer_tokens("--token-file", text)
        if tokens is not None:
            return auth.bearer_tokens(_TOKENS, tokens)
        if not (is_mock or self.anyone_on_this_machine):
            raise ConfigurationError(_NO_RULE)
        if not auth.is_loopback(host):
            message = f"--host {host} is more than this machine: choose --authorize or --token-file"
            raise ConfigurationError(message)
        if not is_mock:
            output.print_message("warning", _FOR_DEVELOPMENT)
        return auth.anyone_on_this_machine()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """The options that say what is minted, and how often."""

    model: options.Model = None
    voice: options.Voice = None
    instructions: options.Instructions = None
    speed: options.Speed = None
    turn_detection: options.TurnDetectionType = None
    transcription_model: options.TranscriptionModel = None
    param: options.Param = None
    allow: own.Allow = None
    ttl: own.TimeToLive = 60
    limits: own.Limits = None
    global_limits: own.GlobalLimits = None
    storage: own.Storage = None
    safety_key_file: own.SafetyKeyFile = None
    connect_url: own.ConnectUrl = None

    def session(self, table: Mapping[str, object]) -> dict[str, object]:
        """Return the session's parameters: the options over the file's table."""
        values: dict[str, object] = {
            "model": self.model,
            "voice": self.voice,
            "instructions": self.instructions,
            "speed": self.speed,
            "transcription_model": self.transcription_model,
        }
        asked = {
            parameter_paths.SESSION[name]: value
            for name, value in values.items()
            if value is not None
        }
        if self.turn_detection is not None:
            asked["turn_detection"] = turn_detection_value(self.turn_detection)
        usual = {} if "type" in table else {"model": _USUAL_MODEL}
        return assemble({**usual, **table}, asked, self.param or ())

    def choices(self, table: Mapping[str, object]) -> dict[str, object]:
        """Return what the page may choose: the options over the file's table."""
        chosen = dict(table)
        for text in self.allow or ():
            name, equals, values = text.partition("=")
            if not equals:
                message = "--allow takes NAME=VALUE,VALUE, such as voice=verse,marin"
                raise ParameterError(message)
            chosen[name] = [parse_value(value) for value in values.split(",")]
        return chosen

    def limiting(self) -> dict[str, object]:
        """Return the limits that were given."""
        given = {
            "limits": self.limits,
            "global_limits": self.global_limits,
            "storage": self.storage,
            "connect_url": self.connect_url,
        }
        if self.safety_key_file is not None:
            given["safety_key"] = read_secret_file("--safety-key-file", self.safety_key_file)
        return {name: value for name, value in given.items() if value is not None}


@with_option_groups
def serve(  # noqa: PLR0913 - an argument an option, which is what typer reads
    *,
    host: own.Host = "127.0.0.1",
    port: own.Port = 8000,
    who: AuthOptions,
    what: SessionOptions,
    page: own.Page = False,
    metrics: own.Metrics = False,
    log: own.Log = LogFormat.TEXT,
    config: own.Config = None,
    connection: Connection,
) -> None:
    """Run the mint service until Ctrl-C or SIGTERM: POST /client-secret gives a page its secret.

    openai-realtime serve --mock is the whole thing without a key, with a page to try it on. Every
    option can also be set in the environment, as OPENAI_REALTIME_SERVE_PORT is, and in a TOML file.
    Bearer tokens may be in OPENAI_REALTIME_SERVE_TOKENS, line by line as in --token-file.
    """
    file = config or ServeFile()
    settings = {
        "session": what.session(file.session),
        "allow": what.choices(file.allow),
        "lifetime": what.ttl,
        "authorize": who.authorizer(host, is_mock=connection.mock),
        "origins": list(who.origin or ()),
        "credentials": who.credentials,
        "trusted_proxies": who.trusted_proxies,
        "metrics": metrics,
        **what.limiting(),
    }
    _check_extra()
    from openai_realtime.cli import service  # noqa: PLC0415 - needs the extra `mint`

    with service.listening(host, port) as place, _client_settings(connection) as client:
        service.run(
            place,
            client,
            cast("ServiceOptions", settings),
            has_page=page or connection.mock,
            log=log,
        )


@contextmanager
def _client_settings(connection: Connection) -> Generator[SyncClientOptions]:
    has_peer = connection.mock and importlib.util.find_spec("aiortc") is not None
    if connection.mock and not has_peer:
        output.print_message(
            "hint", "pip install aiortc, and the mock takes the call: until then it only mints"
        )
    with connection.settings(webrtc=has_peer) as settings:
        yield settings


def _check_extra() -> None:
    for package in ("starlette", "uvicorn"):
        if importlib.util.find_spec(package) is None:
            message = f"serve needs {package}: pip install 'openai-realtime[cli,mint]'"
            raise ConfigurationError(message)
