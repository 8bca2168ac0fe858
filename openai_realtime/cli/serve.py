"""The command `openai-realtime serve`: the mint service's settings from options and a TOML file."""

from __future__ import annotations

import importlib.util
import tomllib
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import typer

from openai_realtime.cli import parameters
from openai_realtime.cli.auth import AuthOptions
from openai_realtime.cli.failures import FILE, given_as
from openai_realtime.cli.mock import takes_calls
from openai_realtime.cli.options import (
    ConnectionOptions,
    LogFormat,
    SecretSessionOptions,
    flag,
    given_options,
    option,
    with_options,
)
from openai_realtime.dialects import SessionAPI, api_of
from openai_realtime.errors import ConfigurationError, ParameterError, suggestion
from openai_realtime.lazy_imports import install_command

if TYPE_CHECKING:
    from openai_realtime.mint import ServiceOptions
    from openai_realtime.mint.request_body import Choice

ENVIRONMENT_PREFIX = "OPENAI_REALTIME_SERVE"
_TABLES = ("session", "allow")
_NOT_IN_A_FILE = {"config", "param", "help"}
_DEFAULT_MODELS: Mapping[SessionAPI, str] = {
    "realtime": "gpt-realtime-2.1",
    "live": "gpt-live-1.1",
}
_LISTEN = "Where it listens"
_SECRETS = "Secrets and limits"
_CALLS = "Calls"
_RUN = "Running it"
_PAGE_HEARTBEAT = 90.0


@dataclass(frozen=True, slots=True)
class ServeFile:
    """The settings in a TOML file."""

    path: str = ""
    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    """By the names of the options."""
    session: Mapping[str, object] = field(default_factory=dict[str, object])
    """The table `[session]`: the parameters of `client.sessions.create`."""
    allow: Mapping[str, Iterable[Choice]] = field(default_factory=dict[str, "Iterable[Choice]"])
    """The table `[allow]`: what the page may choose."""


def read_serve_file(path: str) -> ServeFile:
    """Return the settings in the TOML file `path`; raises typer's `BadParameter` on a bad file."""
    try:
        content: dict[str, object] = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise typer.BadParameter(message) from None
    except ValueError as error:
        # The parser's text names a line and column, and quotes at most a character.
        message = f"{path} is not a TOML file: {error}"
        raise typer.BadParameter(message) from None
    tables = {name: content.pop(name, {}) for name in _TABLES}
    for name, table in tables.items():
        if not isinstance(table, dict):
            message = f"{path}: {name} must be a table: [{name}]"
            raise typer.BadParameter(message)
    settings = {name.replace("-", "_"): value for name, value in content.items()}
    return ServeFile(path, settings, **cast("dict[str, Any]", tables))


def use_as_defaults(context: typer.Context, file: ServeFile | None) -> ServeFile | None:
    """Use a file's settings as the command's defaults; options and the environment override them.

    Raises typer's `BadParameter` for a name that is not a setting.
    """
    if file is None:
        return None
    names = {str(each.name) for each in context.command.params} - _NOT_IN_A_FILE
    known = names - parameters.SESSION_PATHS.keys() | {"ttl", *_TABLES}
    for name in file.settings:
        if name in known:
            continue
        if name in parameters.SESSION_PATHS:
            message = f"{name} is a parameter of the session: write it below [session]"
        else:
            message = f"{name} is not a known setting{suggestion(name, known)}"
        raise typer.BadParameter(message)
    context.default_map = dict(file.settings)
    context.meta[FILE] = file.path
    return file


_OPTION_OF_SETTING = {"lifetime": "ttl", "origins": "origin", "safety_key": "safety_key_file"}
_OPTION_OF_PARAMETER = {path: name for name, path in parameters.SESSION_PATHS.items()}


@contextmanager
def _errors_name_their_source(context: typer.Context, file: ServeFile) -> Generator[None]:
    """Put the option, the variable or the line of the file before an error of the service."""
    try:
        yield
    except (ConfigurationError, ParameterError) as error:
        setting = str(error).partition(" ")[0].rstrip(":")
        name = _OPTION_OF_SETTING.get(setting, setting)
        if isinstance(error, ParameterError):
            name = _OPTION_OF_PARAMETER.get(error.param or "", setting)
        given = next((each for each in context.command.params if each.name == name), None)
        if setting == "allow" and file.allow:
            where = file.path
        elif given is not None and context.params.get(name) is not None:
            where = given_as(context, given)
        elif setting.removeprefix("session.").partition(".")[0] in file.session:
            where = f"{file.path}: [session]"
        else:
            raise
        message = f"{where}: {error}"
        raise type(error)(message) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSessionOptions(SecretSessionOptions):
    """The options that configure the sessions."""

    allow: list[str] | None = option(
        _SECRETS,
        "NAME=VALUE,…",
        "What the page may choose: voice=verse,marin. Repeatable. Default: nothing.",
    )

    def session(self, table: Mapping[str, object], api: SessionAPI | None) -> dict[str, object]:
        """Return the session's parameters: the options override the file's table.

        `api` is None if the model decides. Raises `ParameterError` on an option of the other API.
        """
        given = given_options(self)
        default = {} if "type" in table else {"model": _DEFAULT_MODELS[api or "realtime"]}

        def assembled(paths: Mapping[str, str]) -> dict[str, object]:
            options = parameters.option_parameters(given, paths)
            return parameters.assemble({**default, **table}, options, self.param or ())

        session = assembled(parameters.SESSION_PATHS)
        if (api or api_of(session)) == "realtime":
            return session
        unwanted = [name for name in parameters.SESSION_PATHS if name in given]
        unwanted = [name for name in unwanted if name not in parameters.CALL_PATHS]
        if unwanted:
            message = f"GPT-Live takes no {', no '.join(map(parameters.option_name, unwanted))}"
            raise ParameterError(message)
        return assembled(parameters.CALL_PATHS)

    def choices(self, table: Mapping[str, object]) -> dict[str, object]:
        """Return what the page may choose: the options override the file's table."""
        choices = dict(table)
        for text in self.allow or ():
            name, equals, values = text.partition("=")
            if not equals:
                message = "--allow takes NAME=VALUE,VALUE, such as voice=verse,marin"
                raise ParameterError(message)
            choices[name] = [parameters.parse_value(value) for value in values.split(",")]
        return choices


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretOptions:
    """The options for the lifetime and the number of secrets."""

    ttl: int | None = option(
        _SECRETS, "SECONDS", "How long a secret is valid, 10 to 7200 seconds. Default: 60."
    )
    limits: str | None = option(
        _SECRETS,
        "RATES",
        "How often each principal may mint or begin a call. GPT-Live bills 15 s for each call that "
        "begins. Default: 5/minute; 3/10 seconds.",
    )
    global_limits: str | None = option(
        _SECRETS, "RATES", "How often all principals together may mint. Default: 600/minute."
    )
    storage: str | None = option(
        _SECRETS,
        "URL",
        "Where the limits are counted: redis://… for several processes; set a URL with a password in "
        "the environment. Default: this process's memory.",
    )
    safety_key_file: str | None = option(
        _SECRETS,
        "FILE",
        "Send the provider a pseudonym of each principal, made with the key in this file: 16 bytes or "
        "more, the same in all processes.",
    )
    connect_url: str | None = option(
        _SECRETS,
        "URL",
        "Where the page sends its SDP offer. Default: the provider's calls endpoint.",
    )

    def settings(self) -> dict[str, object]:
        """Return the given settings by the names that `mint_app` uses."""
        given = given_options(self)
        settings: dict[str, object] = {}
        if "ttl" in given:
            settings["lifetime"] = given.pop("ttl")
        if "safety_key_file" in given:
            path = given.pop("safety_key_file")
            settings["safety_key"] = parameters.read_secret_file("--safety-key-file", path)
        return {**settings, **given}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsOptions:
    """The options of calls that the service begins."""

    broker: bool = flag(
        _CALLS,
        "--broker",
        "Begin calls with the service's key, by POST /calls, and end them; the page uses it.",
    )
    api: SessionAPI | None = option(
        _CALLS,
        "API",
        "realtime, or live: GPT-Live, which needs --broker. Default: by the model, gpt-live-* is "
        "GPT-Live; at Azure say it, because a model is a deployment there.",
    )
    max_duration: float | None = option(
        _CALLS,
        "SECONDS",
        "Hang up each call after so long, 1 to 3600, or 7200 for GPT-Live; includes --broker. "
        "Default: the longest.",
    )
    max_concurrent: int | None = option(
        _CALLS, "NUMBER", "How many calls each principal may have at once. Default: 1."
    )
    global_max_concurrent: int | None = option(
        _CALLS,
        "NUMBER",
        "How many calls all principals together may have at once. Default: any number.",
    )
    at_limit: Literal["refuse", "end_oldest"] | None = option(
        _CALLS,
        "ACTION",
        "What happens to one call more: refuse it (refuse, the default), or hang up the principal's "
        "oldest call (end_oldest).",
    )
    heartbeat: float | None = option(
        _CALLS,
        "SECONDS",
        "Hang up a call without a heartbeat for so long. Default: 90 with the page, which sends one "
        "every 15 s; otherwise none is needed.",
    )

    def settings(self, *, has_page: bool) -> dict[str, object]:
        """Return the given settings by the names that `mint_app` uses."""
        given = given_options(self)
        has_broker = self.broker or self.max_duration is not None
        if has_broker and has_page:
            given.setdefault("heartbeat", _PAGE_HEARTBEAT)
        return given


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options for the service's address, page, metrics and log."""

    host: str = option(
        _LISTEN,
        "HOST",
        "The address to listen on; 0.0.0.0 is every address of this machine.",
        default="127.0.0.1",
    )
    port: int = option(
        _LISTEN, "NUMBER", "The port; 0 takes a free one.", default=8000, min=0, max=65535
    )
    page: bool = flag(_RUN, "--page", "Serve a page for voice calls at /.")
    metrics: bool = flag(_RUN, "--metrics", "Serve /metrics, for Prometheus.")
    log: LogFormat = option(
        _RUN,
        "FORMAT",
        "The format of the log on stderr: text, or json (one object per line).",
        default="text",
    )
    config: ServeFile | None = option(
        _RUN,
        "FILE",
        "A TOML file with these settings by name, and the tables [session] and [allow]. The "
        "environment and the options override it.",
        parser=read_serve_file,
        callback=use_as_defaults,
        is_eager=True,
    )


@with_options
def serve(  # noqa: PLR0913 - a group of options each
    *,
    context: typer.Context,
    run: RunOptions,
    auth: AuthOptions,
    session: ServiceSessionOptions,
    secrets: SecretOptions,
    calls: CallsOptions,
    connection: ConnectionOptions,
) -> None:
    """Run the mint service until Ctrl-C or SIGTERM. A page gets its secret by POST /client-secret.

    Example:
        openai-realtime serve --token-file tokens.txt

    With --broker the service begins the calls itself, and ends them: with --model gpt-live-1.1, of
    GPT-Live too. openai-realtime serve --mock needs no key, and serves a page to try it on. Every option can also
    be set in the environment, such as OPENAI_REALTIME_SERVE_PORT, or in a TOML file.
    OPENAI_REALTIME_SERVE_TOKENS may hold bearer tokens, line by line as in --token-file.
    """
    file = run.config or ServeFile()
    has_page = run.page or connection.mock
    settings = {
        "session": session.session(file.session, calls.api),
        "allow": session.choices(file.allow),
        "authorize": auth.authorizer(run.host, is_mock=connection.mock),
        "origins": list(auth.origin or ()),
        "credentials": auth.credentials,
        "trusted_proxies": auth.trusted_proxies,
        "metrics": run.metrics,
        **secrets.settings(),
        **calls.settings(has_page=has_page),
    }
    for package in ("prometheus_client", "starlette", "uvicorn"):
        if importlib.util.find_spec(package) is None:
            message = (
                f"The Python package {package} is not installed, which serve needs: "
                f"{install_command('mint')}"
            )
            raise ConfigurationError(message)
    from openai_realtime.cli import service  # noqa: PLC0415 - needs the extra `mint`

    has_webrtc = connection.mock and takes_calls()
    page = service.PageOptions(
        asks_for_token=auth.asks_for_token,
        mock="none" if not connection.mock else "calls" if has_webrtc else "no-calls",
    )
    with (
        _errors_name_their_source(context, file),
        service.listen(run.host, run.port) as listening,
        connection.settings(webrtc=has_webrtc) as client,
    ):
        service.run(
            listening,
            client,
            cast("ServiceOptions", settings),
            page=page if has_page else None,
            log=run.log,
        )
