"""How commands declare their options, the options that several share, and the client for them.

An option is a field of a dataclass. Ranges are not checked here, because the client checks them,
with better errors than typer's.
"""

from __future__ import annotations

import inspect
import warnings
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Literal,
    Unpack,
    get_args,
    get_type_hints,
)

import typer

import openai_realtime
from openai_realtime import providers
from openai_realtime.cli import output
from openai_realtime.cli.parameters import (
    check_stdin_is_read_once,
    option_name,
    parse_query,
    read_api_key,
    read_headers,
)
from openai_realtime.cli.provider_choice import (
    COMPATIBLE,
    PROVIDERS,
    ProviderName,
    check_with_provider,
    check_without_provider,
    listed,
    profile_name,
    provider_options,
    token_source,
)
from openai_realtime.environment import read_variable
from openai_realtime.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from openai_realtime import (
        SyncRealtimeSessionsClient,
        WorkloadIdentity,
    )
    from openai_realtime.configuration import ClientOptions, SyncClientOptions

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


_PROVIDER = "Provider"
_CONNECTION = "Connection"
_IDENTITY: Final = ("identity_provider_id", "service_account_id", "subject_token")


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
            check_without_provider([name for name in given if name not in COMPATIBLE])
            return None
        endpoint = read_variable("AZURE_OPENAI_ENDPOINT")
        if endpoint and "endpoint" in provider_options(self.provider):
            given.setdefault("endpoint", endpoint)
        check_with_provider(self.provider, given)
        arguments = {name.removeprefix("azure_"): value for name, value in given.items()}
        return PROVIDERS[self.provider](**arguments)

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
    identity_provider_id: str | None = option(
        _CONNECTION,
        "ID",
        "In place of an API key, use a workload identity: the id of its provider at OpenAI, with "
        "--service-account-id and --subject-token.",
    )
    service_account_id: str | None = option(
        _CONNECTION, "ID", "Workload identity: the id of the service account at OpenAI."
    )
    subject_token: str | None = option(
        _CONNECTION,
        "SOURCE",
        "Workload identity: where the subject token is: a file, azure (managed identity), or gcp "
        "(metadata service). Default: the file of a pod's service account in Kubernetes.",
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
            with (
                _readable_warnings(),
                openai_realtime.SyncRealtimeSessionsClient(**merged) as client,
            ):
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
        api_key = self._identity() or read_api_key(self.api_key_file, *variables)
        if provider is None:
            return {"api_key": api_key, "base_url": self.base_url, "allow_http": self.allow_http}
        return {"api_key": api_key, "provider": provider}

    def _identity(self) -> WorkloadIdentity | None:
        """Return the workload identity; None without its options."""
        given = [name for name in _IDENTITY if getattr(self, name) is not None]
        if not given:
            return None
        if self.api_key_file is not None:
            message = f"a workload identity takes no {option_name('api_key_file')}"
            raise ParameterError(message)
        if self.identity_provider_id is None or self.service_account_id is None:
            message = f"a workload identity needs {listed(_IDENTITY[:2], ' and ')}"
            raise ParameterError(message)
        return openai_realtime.workload_identity(
            identity_provider_id=self.identity_provider_id,
            service_account_id=self.service_account_id,
            subject_token=token_source(self.subject_token),
        )

    def _check_mock(self) -> None:
        given = [name for name in self.given() if name != "allow_http"]  # it selects no server
        given += [name for name in ("api_key_file", *_IDENTITY) if getattr(self, name) is not None]
        if given:
            message = f"--mock has its own server and key: it takes no {listed(given, ', no ')}"
            raise ParameterError(message)


@contextmanager
def _readable_warnings() -> Generator[None]:
    """Print each warning as one line, without its place in the code."""
    with warnings.catch_warnings(record=True) as caught:
        try:
            yield
        finally:
            for warning in caught:
                output.print_message("warning", output.one_line(str(warning.message)))
