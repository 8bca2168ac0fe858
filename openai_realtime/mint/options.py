"""The options of `mint_app`, `mint_endpoint` and `call_endpoint`: defaults, ranges and checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, Required, cast, get_args

from typing_extensions import TypedDict

from openai_realtime.configuration import CLIENT_SETTINGS
from openai_realtime.core.base_url import URLObject, url_text
from openai_realtime.dialects import SessionAPI, api_of
from openai_realtime.errors import ConfigurationError, suggestion, wrapper_hint
from openai_realtime.mint.authorization import Authorize
from openai_realtime.mint.broker.events import OnCall
from openai_realtime.mint.request_body import Choice
from openai_realtime.mint.secret_issuer import SecretSource
from openai_realtime.on_sideband import OnSideband
from openai_realtime.secret_pool import SyncSecretPool
from openai_realtime.secrets import RedactedStr
from openai_realtime.types.live import LiveSessionParam
from openai_realtime.types.nested_session import (
    RealtimeSessionParam,
    TranscriptionSessionParam,
)
from openai_realtime.types.session import SessionParameters


class AuthorizeOptions(TypedDict):
    """The option that says who sends a request."""

    authorize: Authorize
    """Takes the Starlette `Request` and returns the principal (a text that is stable for one
    person), or None to refuse with 401; raises `Refused` or an `HTTPException` to refuse with
    another status. It is async, or a plain function, which runs on a thread. After 15 s the request
    is refused with 503. Required. `request.client.host` is the client's address, as
    `trusted_proxies` determines it."""


class CommonOptions(TypedDict, total=False):
    """The options of secrets and of calls, `authorize` apart."""

    session: Required[
        SessionParameters | RealtimeSessionParam | TranscriptionSessionParam | LiveSessionParam
    ]
    """The session of each secret and call, as `client.sessions.create` takes its parameters, or
    (with `type`) as `client.client_secrets.create` takes its `session`.

    GPT-Live: as `client.live.create` takes its `session`. `client.data_channel` in it says what the
    page may send and receive. What is absent there is a short list, not the provider's default, which
    is everything, the instructions included: the page may send `session.close`,
    `session.input_audio.mute` and `session.input_audio.unmute`; it receives
    `session.input_transcript.delta`, `session.output_transcript.delta`, `session.closed`, `error` and
    `info`. `{"allowed_client_events": "all", "allowed_server_events": "all"}` is the provider's default.

    Warning: OpenAI's reference says that `session.closed`, the last event, has a snapshot of the
    session. Where the page must never see the instructions, list `allowed_server_events` without it."""
    api: SessionAPI
    """The API of the sessions: `realtime`, or `live` for GPT-Live. Default: by the model, `gpt-live-*`
    is GPT-Live. Set it for Azure, where a model is a deployment with a name of your own. GPT-Live has
    no client secrets: the service begins the calls."""
    origins: Iterable[str]
    """The origins of the web pages that may get a secret, exactly as browsers send them:
    `https://app.example`. Web views and browser extensions have origins too:
    `capacitor://localhost`, `tauri://localhost`, `chrome-extension://…`. Default: none, so that only
    clients without an Origin, such as native apps, get one."""
    credentials: bool
    """Whether pages of these origins may send cookies from another origin. Default: no."""
    allow: Mapping[str, Iterable[Choice]]
    """The parameters of `client.sessions.create` that the page may choose, each with its allowed
    values: `{"voice": ["verse", "marin"]}`. GPT-Live: `model`, `voice`, `instructions`, `store` and
    `idle_timeout_s`. Default: none."""
    limits: str
    """How often each principal may mint or begin a call: rates separated by `;`, all of which apply,
    in sliding windows. A rate is 1 to 1,000,000 in a number of seconds, minutes, hours or days, at
    most 31 days. Default: `5/minute; 3/10 seconds`. GPT-Live bills 15 s of a session at once when it
    is created ($0.0125 at OpenAI in 2026-11), however short it is."""
    global_limits: str
    """How often all principals together may mint, written as `limits`. Default: `600/minute`."""
    storage: str | URLObject
    """Where mints are counted: `memory://` (default: each process by itself, up to 200,000
    principals; above that, the one who minted longest ago is forgotten first), or Redis 5 or newer,
    so that several processes share the limits: `redis://…`, `rediss://…` (TLS), `redis+unix://…`.
    Redis needs asyncio: on trio the app raises `ConfigurationError` when it starts, and without a
    lifespan every mint is refused with 503."""
    safety_key: str | bytes | None
    """A secret key, 16 bytes or more, the same in all processes. With it, each mint and each call
    sends HMAC-SHA256 of the principal: as the header `OpenAI-Safety-Identifier`, or as GPT-Live's
    `session.safety_identifier`. Default: none."""
    trusted_proxies: int
    """How many of your own proxies are in front; each must append to `X-Forwarded-For`.
    Default: 0, and the header is ignored. (uvicorn has its own setting: `proxy_headers=False`.)"""


class EndpointOptions(CommonOptions, total=False):
    """The options of every endpoint of secrets, `authorize` apart."""

    lifetime: int
    """Seconds for which a secret is valid, 10–7200. Default: 60."""
    connect_url: str | None
    """Where the page sends its SDP offer. Default: the provider's calls endpoint."""
    pool: SecretSource | None
    """Secrets minted beforehand, such as a `SecretPool`; a request with choices gets a new one. The
    `SecretPool` must have the same parameters as `session`, in flat form, and its secrets must be
    valid for `lifetime` (without `client_secret` they are valid for 600 seconds). It cannot be
    combined with `safety_key`, because such a secret belongs to one person. The app's lifespan, or
    else the first request, opens a `SecretPool` that was not opened, until `aclose()` or the end of
    the event loop. Default: none."""


class MintOptions(EndpointOptions, AuthorizeOptions):
    """The options of `mint_endpoint`, and of `mint_app` as well."""


class CallOptions(CommonOptions, AuthorizeOptions, total=False):
    """The options of `call_endpoint`, and of `mint_app` as well."""

    max_duration: float
    """Seconds after which a call is hung up, from the provider's response to its offer: 1–3,600, or
    1–7,200 for GPT-Live. Default: the longest, when the provider ends it anyway."""
    max_concurrent: int
    """How many calls each principal may have at once, 1 or more. Default: 1. It limits what a call
    costs in a minute. What beginning one costs is limited by `limits`: GPT-Live bills 15 s at once."""
    global_max_concurrent: int | None
    """How many calls all principals together may have at once, 1 or more. Beyond that, a call is
    refused with 429. Default, and None: any number."""
    at_limit: Literal["refuse", "end_oldest"]
    """What happens when a principal has `max_concurrent` calls: another one is refused with 429
    (`refuse`, the default), or the oldest one is hung up for it (`end_oldest`)."""
    heartbeat: float | None
    """Seconds without a heartbeat after which a call is hung up, 1 to the longest `max_duration`: the
    page must send `POST …/heartbeat` to the call's address, at least three times as often. Default,
    and None: no heartbeat is needed."""
    on_call: OnCall | None
    """Is told when a call begins and when it ends, in the process that began or ended it. It is
    async, or a plain function, which runs on a thread. What it raises is logged, and after 5 s it
    is cancelled. Default: none."""
    on_sideband: OnSideband | None
    """Runs for each call, in the process that began it, with the call's sideband: for tools, a
    greeting, or metering on your server. It takes the connected sideband (`AsyncSideband`), and, if
    it has a second parameter, the `RunningCall`. It is async, or a plain function, which runs on a
    thread and gets a `ThreadSideband`. It ends with its call: 5 s later it is cancelled, and so it is
    when the service shuts down. What it raises is logged, and the call goes on. When it returns, the
    sideband stays open until the call ends. When the provider closes it, because the browser left,
    the call ends here too, with the reason `peer_left`. At most 500 run at once in a process; a call
    above that has no sideband. Needs the extra `sideband`. Default: none."""


class ServiceOptions(MintOptions, CallOptions, total=False):
    """The options of `mint_app`."""

    broker: bool
    """Whether there are the routes of `call_endpoint`, below `/calls`. Default: whether
    `max_duration` is given. GPT-Live needs them."""
    client_secrets: bool
    """Whether `/client-secret` gives out secrets; otherwise it responds with 404. Default: yes, but no
    for GPT-Live. A page with a secret talks outside the limits of calls, and cannot be hung up."""
    metrics: bool
    """Whether there is `/metrics`, for everyone who can reach the port. Default: no."""
    close_client: bool
    """Whether the app closes a client that was passed in when it shuts down. Default: no, you close
    it. The app always closes a client that it made."""


_SECRETS = frozenset({"safety_key", "storage"})  # the URL of a storage may hold a password
_REQUIRED = {
    "authorize": "without it, anyone could mint at your expense",
    "session": "the parameters of the session, chosen by the server",
}
_OF_CLIENT = ": it is a setting of the client, such as RealtimeSessionsClient(timeout=10)"
_CALL_OPTIONS = CallOptions.__annotations__.keys() - MintOptions.__annotations__.keys()
_SECRET_OPTIONS = MintOptions.__annotations__.keys() - CallOptions.__annotations__.keys()
NO_SECRETS: Final = "GPT-Live has no client secrets: the service begins the calls, with broker=True"
_MAPPINGS = {
    "session": 'the parameters {"model": "gpt-realtime-2.1"}',
    "allow": '{"voice": ["verse", "marin"]}',
}


def check_options(arguments: CommonOptions, known: type) -> None:
    """Raise `ConfigurationError` when an option is unknown or missing, or contradicts another.

    It masks the secrets in `arguments`, so that no frame of a traceback shows them.
    """
    options = cast("dict[str, object]", arguments)
    _mask_secrets(options)
    names = known.__annotations__.keys()
    for name in options.keys() - names:
        hint = _OF_CLIENT if name in CLIENT_SETTINGS else suggestion(name, names)
        message = f"{name} is not a known option{hint}"
        raise ConfigurationError(message)
    for name, reason in _REQUIRED.items():
        if options.get(name) is None:
            message = f"{name} is required: {reason}"
            raise ConfigurationError(message)
    if not callable(options["authorize"]):
        message = (
            "authorize must be a callable: it takes the request, and returns the principal or None"
        )
        raise ConfigurationError(message)
    for name, example in _MAPPINGS.items():
        if not isinstance(options.get(name, {}), Mapping):
            message = f"{name} must be a dict, such as {example}"
            raise ConfigurationError(message)
    if options.get("pool") is not None:
        _check_pool_option(options["pool"], options.get("safety_key"))
    proxies = options.get("trusted_proxies", 0)
    if isinstance(proxies, bool) or not isinstance(proxies, int) or proxies < 0:
        message = (
            "trusted_proxies is unusable: it must be the number of proxies in front, 0 or more"
        )
        raise ConfigurationError(message)


def chosen_api(options: CommonOptions) -> SessionAPI:
    """Return the API of the sessions; raises `ConfigurationError` when `api` is unusable.

    GPT-Live takes no option of secrets, because it has none.
    """
    session = cast("Mapping[str, object]", options["session"])
    api = options.get("api") or api_of(session)
    if api not in get_args(SessionAPI):
        message = f"api is unusable: it must be one of {', '.join(get_args(SessionAPI))}"
        raise ConfigurationError(message)
    unusable = sorted(_SECRET_OPTIONS & options.keys()) if api == "live" else []
    if unusable:
        message = f"{unusable[0]} is unusable: {NO_SECRETS}"
        raise ConfigurationError(message)
    return api


def has_broker(options: ServiceOptions) -> bool:
    """Return whether the service has the routes of calls.

    Raises `ConfigurationError` when an option of calls is given without them.
    """
    needing = sorted(_CALL_OPTIONS & options.keys())
    has_routes = options.get("broker", "max_duration" in options)
    if needing and not has_routes:
        message = f"{needing[0]} needs the broker: set max_duration=900, or broker=True"
        raise ConfigurationError(message)
    if not options.get("client_secrets", True):
        unusable = sorted(_SECRET_OPTIONS & options.keys())
        if unusable:
            message = f"{unusable[0]} is unusable: it is for client secrets, which are switched off"
            raise ConfigurationError(message)
        if not has_routes:
            message = "client_secrets=False needs the broker: set max_duration=900, or broker=True"
            raise ConfigurationError(message)
    return has_routes


def check_call_options(options: CallOptions, api: SessionAPI, provider_maximum: float) -> None:
    """Raise `ConfigurationError` when an option of calls is unusable."""
    longest = f"1 to {provider_maximum:g} seconds{' for GPT-Live' if api == 'live' else ''}"
    problem = None
    at_limit: object = options.get("at_limit", "refuse")
    if not _is_number(options.get("max_duration", 1), 1, provider_maximum):
        problem = f"max_duration is unusable: it must be {longest}"
    elif not _is_count(options.get("max_concurrent", 1)):
        problem = "max_concurrent is unusable: it must be a whole number, 1 or more"
    elif not _is_count(options.get("global_max_concurrent") or 1):
        problem = "global_max_concurrent is unusable: it must be a whole number, 1 or more, or None"
    elif at_limit not in {"refuse", "end_oldest"}:
        problem = 'at_limit is unusable: it must be "refuse" or "end_oldest"'
    elif not _is_number(options.get("heartbeat") or 1, 1, provider_maximum):
        problem = f"heartbeat is unusable: it must be {longest}, or None"
    elif not (options.get("on_call") is None or callable(options.get("on_call"))):
        problem = "on_call must be a callable: it takes a CallEvent"
    if problem is not None:
        raise ConfigurationError(problem)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_number(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _mask_secrets(options: dict[str, object]) -> None:
    for name in _SECRETS & options.keys():
        value = options[name]
        if hint := wrapper_hint(value):
            message = f"{name} is unusable: it must be text{hint}"
            raise ConfigurationError(message)
        text = url_text(value)
        if isinstance(text, str):
            options[name] = RedactedStr(text)


def _check_pool_option(pool: object, safety_key: object) -> None:
    if safety_key is not None:
        message = "pass pool=… or safety_key=…, not both: a pooled secret belongs to no person yet"
        raise ConfigurationError(message)
    if isinstance(pool, SyncSecretPool) or not callable(getattr(pool, "acquire", None)):
        message = "pool must be the async client's secret_pool(…)"
        raise ConfigurationError(message)
