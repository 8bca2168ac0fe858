"""How commands declare their options, the options that several share, and the client for them.

An option is a field of a dataclass. Ranges are not checked here, because the client checks them,
with better errors than typer's.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Literal,
    Unpack,
    cast,
    get_args,
    get_type_hints,
)

import typer

import openai_realtime
from openai_realtime import providers
from openai_realtime.cli.parameters import (
    check_stdin_is_read_once,
    option_name,
    parse_query,
    read_api_key,
    read_headers,
)
from openai_realtime.core.base_url import check_base_url
from openai_realtime.environment import read_variable
from openai_realtime.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from openai_realtime import SyncRealtimeSessionsClient
    from openai_realtime.configuration import ClientOptions, SyncClientOptions
    from openai_realtime.testing import profiles

SESSION = "Session"
OUTPUT = "Output"
LogFormat = Literal["text", "json"]


def option(
    panel: str | None,
    metavar: str | None,
    description: str,
    *names: str,
    default: Any = None,
    **settings: Any,
) -> Any:
    """Return a dataclass field that is an option.

    `panel` is the box of the help page that shows it; `metavar` is the word for its value there;
    `names` replace the field's name. With `default=MISSING` it is required.
    """
    parameter = typer.Option(
        *names,
        metavar=metavar,
        help=description,
        rich_help_panel=panel,
        # Every option of `serve` has a variable: its help page explains that once.
        show_envvar=False,
        **settings,
    )
    return field(default=default, metadata={"parameter": parameter})


def flag(panel: str | None, names: str, description: str, **settings: Any) -> Any:
    """Return a dataclass field that is an option without a value: True when it is given."""
    return option(panel, None, description, *names.split(), default=False, **settings)


def config_option(content: str) -> Any:
    """Return the option `--config`: a JSON file with `content`."""
    return option(
        SESSION, "FILE", f"A JSON file with {content} (- is stdin); the options override it."
    )


def param_option(names: str, example: str) -> Any:
    """Return the option `--param`, which sets any of `names`."""
    return option(
        SESSION,
        "NAME=VALUE",
        f"Any {names} by its name; the value is JSON, or else text. Dots nest: {example}. Repeatable; "
        "overrides the options and --config.",
    )


def json_option(result: str) -> Any:
    """Return the option `--json`, which changes the form of the command's `result`."""
    return flag(OUTPUT, "--json", f"Print {result} as JSON.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """The options of every session; None is the server's default."""

    model: str | None = option(SESSION, "MODEL", "The realtime model, such as gpt-realtime-2.1.")
    voice: str | None = option(SESSION, "VOICE", "The voice, such as verse.")
    instructions: str | None = option(SESSION, "TEXT", "The system instructions.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSessionOptions(SessionOptions):
    """The options of every session for which a secret is minted."""

    speed: float | None = option(SESSION, "NUMBER", "The speed of the speech, 0.25 to 1.5.")
    turn_detection: Literal["server_vad", "semantic_vad", "none"] | None = option(
        SESSION,
        "TYPE",
        "How the server detects the end of a turn: server_vad, semantic_vad, or none: then your "
        "client ends each turn.",
    )
    transcription_model: str | None = option(
        SESSION,
        "MODEL",
        "Transcribe the person's speech with this model (gpt-transcribe), billed in addition; or none.",
    )
    param: list[str] | None = param_option("parameter", "turn_detection.threshold=0.4")


def given_options(options: Any) -> dict[str, Any]:
    """Return the given options of a dataclass by field name, in the order of the fields."""
    values = {each.name: getattr(options, each.name) for each in fields(options)}
    return {
        name: value
        for name, value in values.items()
        if value is not None and value is not False and value != []
    }


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return `command` for typer, with the fields of its dataclasses as parameters."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    def run(**values: object) -> None:
        for name, group in groups.items():
            values[name] = group(**{each.name: values.pop(each.name) for each in fields(group)})
        command(**values)

    parameters = list(_flattened(inspect.signature(command), hints))
    attributes: dict[str, object] = {
        "__name__": command.__name__,
        "__doc__": command.__doc__,
        "__annotations__": {parameter.name: parameter.annotation for parameter in parameters},
        "__signature__": inspect.Signature(parameters),
    }
    for name, attribute in attributes.items():
        setattr(run, name, attribute)
    return run


def _flattened(signature: inspect.Signature, hints: dict[str, Any]) -> Iterator[inspect.Parameter]:
    """Yield a command's parameters, each dataclass replaced by its fields."""
    annotated: Any = Annotated
    for name, parameter in signature.parameters.items():
        hint = hints[name]
        if not is_dataclass(hint):
            yield parameter.replace(annotation=hint)
            continue
        types = get_type_hints(hint)
        for each in fields(hint):
            yield inspect.Parameter(
                each.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if each.default is MISSING else each.default,
                annotation=annotated[types[each.name], each.metadata["parameter"]],
            )


ProviderName = Literal["openai", "azure", "azure-preview", "xai", "elevenlabs", "litellm"]
_PROVIDER = "Provider"
_CONNECTION = "Connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderOptions:
    """The options that select a provider; None is the default."""

    provider: ProviderName | None = option(
        _PROVIDER,
        "NAME",
        f"The provider: {', '.join(get_args(ProviderName))}. Default: any server with OpenAI's API.",
    )
    base_url: str | None = option(
        _PROVIDER,
        "URL",
        "The API's URL: of any compatible server, of LiteLLM, of a gateway to xAI, or of ElevenLabs' "
        "data residency. Default: OPENAI_BASE_URL, else https://api.openai.com/v1.",
    )
    region: str | None = option(_PROVIDER, "NAME", "openai: a data-residency region, such as eu.")
    endpoint: str | None = option(
        _PROVIDER,
        "URL",
        "azure, azure-preview: the resource, such as https://NAME.openai.azure.com. Default: "
        "AZURE_OPENAI_ENDPOINT.",
    )
    deployment: str | None = option(
        _PROVIDER, "NAME", "azure-preview: the deployment, which is the model there."
    )
    api_version: str | None = option(
        _PROVIDER, "VERSION", "azure-preview: the API's version. Default: 2025-04-01-preview."
    )
    azure_auth: Literal["key", "token"] | None = option(
        _PROVIDER,
        "KIND",
        "azure, azure-preview: key, from AZURE_OPENAI_API_KEY, or token, an Entra ID token from "
        "AZURE_OPENAI_AD_TOKEN. Default: a key; without --api-key-file, the token if it is set.",
    )
    allow_http: bool = flag(
        _CONNECTION,
        "--allow-http",
        "Allow plain http to other hosts than this one: the key crosses the network unencrypted.",
    )

    def resolve(self) -> providers.Provider | None:
        """Return the provider, or None when `--base-url` and the environment decide.

        Raises `ParameterError` when the options contradict each other.
        """
        given = self.given()
        if self.provider is None:
            _check_without_provider([name for name in given if name not in _COMPATIBLE])
            return None
        endpoint = read_variable("AZURE_OPENAI_ENDPOINT")
        if endpoint and "endpoint" in _provider_options(self.provider):
            given.setdefault("endpoint", endpoint)
        _check_with_provider(self.provider, given)
        arguments = {name.removeprefix("azure_"): value for name, value in given.items()}
        return _PROVIDERS[self.provider](**arguments)

    def given(self) -> dict[str, object]:
        """Return the given options of this class but `--provider`, in the order of the fields."""
        names = {field.name for field in fields(ProviderOptions)} - {"provider"}
        return {name: value for name, value in given_options(self).items() if name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions(ProviderOptions):
    """All options of a connection; None is the client's default."""

    api_key_file: str | None = option(
        _CONNECTION,
        "FILE",
        "Read the API key from this file (- is stdin). Default: OPENAI_API_KEY, or the provider's own "
        "variable, which the error names when it is missing. There is no option for the key itself: "
        "other users could read it in the process list.",
    )
    headers_file: str | None = option(
        _CONNECTION,
        "FILE",
        "Send the headers in this file (- is stdin) with every request: a NAME: VALUE on each line, "
        "such as a gateway's own key. Default: OPENAI_CUSTOM_HEADERS, for servers that take "
        "OPENAI_API_KEY.",
    )
    query: list[str] | None = option(
        _CONNECTION, "NAME=VALUE", "Add this to the query of every request's URL. Repeatable."
    )
    timeout: float | None = option(
        _CONNECTION, "SECONDS", "Time for the whole call, retries included. Default: 30."
    )
    max_retries: int | None = option(
        _CONNECTION, "NUMBER", "Retries after the first attempt. Default: 2."
    )
    mock: bool = flag(
        _CONNECTION,
        "--mock",
        "Call a mock server inside this process: it needs no key and no network.",
    )

    @property
    def files(self) -> tuple[str | None, str | None]:
        """The files of these options, each of which may be stdin."""
        return self.api_key_file, self.headers_file

    @contextmanager
    def client(self, **options: Unpack[ClientOptions]) -> Generator[SyncRealtimeSessionsClient]:
        """Open a client of the server, real or mock."""
        with self.settings() as settings:
            merged: SyncClientOptions = {**settings, **options}
            with openai_realtime.SyncRealtimeSessionsClient(**merged) as client:
                yield client

    @contextmanager
    def settings(self, *, webrtc: bool = False) -> Generator[SyncClientOptions]:
        """Yield a client's options; with `--mock`, a mock server runs until the block ends.

        `webrtc`: the mock server takes part in WebRTC calls too.
        """
        options = self._requests()
        if not self.mock:
            yield {**self._real_server(), **options}
            return
        self._check_mock()
        from openai_realtime.testing import MockRealtimeServer  # noqa: PLC0415 - only --mock needs it

        with MockRealtimeServer(provider=profile_name(self.provider), webrtc=webrtc) as server:
            yield {"api_key": server.api_key, "provider": server.provider, **options}

    def _requests(self) -> ClientOptions:
        """Return the settings of requests, which a mock server gets too."""
        check_stdin_is_read_once(*self.files)
        options: ClientOptions = {}
        if self.timeout is not None:
            options["timeout"] = self.timeout
        if self.max_retries is not None:
            options["max_retries"] = self.max_retries
        if self.headers_file is not None:
            options["default_headers"] = read_headers(self.headers_file)
        if self.query:
            options["default_query"] = dict(map(parse_query, self.query))
        return options

    def _real_server(self) -> SyncClientOptions:
        provider = self.resolve()
        variables = ("OPENAI_API_KEY",) if provider is None else provider.key_variables
        api_key = read_api_key(self.api_key_file, *variables)
        if provider is None:
            return {"api_key": api_key, "base_url": self.base_url, "allow_http": self.allow_http}
        return {"api_key": api_key, "provider": provider}

    def _check_mock(self) -> None:
        given = [name for name in self.given() if name != "allow_http"]  # it selects no server
        if self.api_key_file is not None:
            given.append("api_key_file")
        if given:
            message = f"--mock has its own server and key: it takes no {_listed(given, ', no ')}"
            raise ParameterError(message)


def profile_name(provider: str | None) -> profiles.ProviderName | None:
    """Return the mock server's name for a provider."""
    return cast("profiles.ProviderName", provider.replace("-", "_")) if provider else None


def _xai(base_url: str | None = None, *, allow_http: bool = False) -> providers.Provider:
    """Return xAI, or a gateway to it at `base_url`."""
    provider = providers.xai()
    url = provider.base_url if base_url is None else base_url
    return replace(provider, base_url=check_base_url(url, allow_http=allow_http))


_PROVIDERS: Final[Mapping[ProviderName, Callable[..., providers.Provider]]] = {
    "openai": providers.openai,
    "azure": providers.azure,
    "azure-preview": providers.azure_preview,
    "xai": _xai,
    "elevenlabs": providers.elevenlabs,
    "litellm": providers.litellm,
}
"""The function that makes each provider. Its parameters are the options that the provider takes."""
_COMPATIBLE: Final = frozenset({"base_url", "allow_http"})
"""The options that need no `--provider`."""


def _provider_options(name: ProviderName) -> dict[str, bool]:
    """Return the options that a provider takes, each with whether it is required."""
    parameters = inspect.signature(_PROVIDERS[name]).parameters.values()
    return {
        "azure_auth" if each.name == "auth" else each.name: (
            each.default is each.empty or each.name == "endpoint"
        )
        for each in parameters
        if each.kind is not each.VAR_KEYWORD
    }


def _check_with_provider(name: ProviderName, given: Mapping[str, object]) -> None:
    options = _provider_options(name)
    missing = [each for each, is_required in options.items() if is_required and each not in given]
    unwanted = [each for each in given if each not in options]
    problems = [f"needs {_listed(missing, ' and ')}"] if missing else []
    if unwanted:
        problems.append(f"takes no {_listed(unwanted, ', no ')}")
    if problems:
        message = f"--provider {name} {' and '.join(problems)}"
        raise ParameterError(message)


def _check_without_provider(unwanted: list[str]) -> None:
    if not unwanted:
        return
    names = [name for name in _PROVIDERS if {*unwanted} <= _provider_options(name).keys()]
    problem = f"needs --provider {' or '.join(names)}" if names else "fits no provider"
    message = f"{_listed(unwanted, ' with ')} {problem}"
    raise ParameterError(message)


def _listed(options: Iterable[str], separator: str) -> str:
    return separator.join(map(option_name, options))
