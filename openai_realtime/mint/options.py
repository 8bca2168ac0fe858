"""What `mint_app` and `mint_endpoint` take: every option, its default and its range.

Owns: the options and their check as a whole. Must not know: what any of them does.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Required, cast

from typing_extensions import TypedDict

from openai_realtime.client import RealtimeSessionsClient
from openai_realtime.errors import ConfigurationError
from openai_realtime.secret_pool import SyncSecretPool
from openai_realtime.secrets import RedactedStr

if TYPE_CHECKING:
    from openai_realtime.mint.authorization import Authorize
    from openai_realtime.mint.choices import Choice
    from openai_realtime.mint.secret_issuer import SecretSource
    from openai_realtime.types.nested_session import (
        RealtimeSessionParam,
        TranscriptionSessionParam,
    )
    from openai_realtime.types.session import SessionParameters


class MintOptions(TypedDict, total=False):
    """The options of `mint_endpoint`, and of `mint_app` as well."""

    session: Required[SessionParameters | RealtimeSessionParam | TranscriptionSessionParam]
    """The session that is minted, as `client.sessions.create` takes its parameters, or (with
    `type`) as `client.client_secrets.create` takes its `session`."""
    authorize: Required[Authorize]
    """Says who asks: takes the Starlette `Request`, returns the principal (a text that is stable
    for one person), or None to refuse with 401; raises `Refused` or an `HTTPException` to refuse
    otherwise. Async, or a plain function, which runs on a thread. There is no default. One that has not
    returned after 15 s refuses with 503.
    `request.client.host` is the address that `trusted_proxies` makes of it."""
    origins: Iterable[str]
    """The origins of the web pages that may ask, exactly as browsers send them:
    `https://app.example`. Default: none, which leaves clients that send no Origin: native apps."""
    credentials: bool
    """Whether pages of these origins may send cookies from another origin. Default: no."""
    allow: Mapping[str, Iterable[Choice]]
    """What the asking page may choose, by the names of `client.sessions.create`, and from which
    values: `{"voice": ["verse", "marin"]}`. Default: nothing."""
    lifetime: int
    """Seconds that a secret lives, 10–7200. Default: 60."""
    limits: str
    """How often each principal may mint: rates separated by `;`, all of which hold, in windows that
    move. A rate is 1 to 1,000,000 in a number of seconds, minutes, hours or days, at most 31 days.
    Default: `5/minute; 3/10 seconds`."""
    global_limits: str
    """How often everybody together may, written alike. Default: `600/minute`."""
    storage: str
    """Where is counted: `memory://` (default; each process by itself, up to 200,000 principals: then
    the one who minted longest ago is forgotten first), or Redis 5 or newer for a fleet
    with the same limits: `redis://…`, `rediss://…` (TLS), `redis+unix://…`. Redis needs asyncio: on
    trio the app raises `ConfigurationError` when it starts, and without a lifespan every mint is
    503."""
    safety_key: str | bytes | None
    """A key of the server's, 16 bytes or more, the same in all processes. With it, the provider is
    told who speaks by `OpenAI-Safety-Identifier`: HMAC-SHA256 of the principal. Default: none."""
    trusted_proxies: int
    """How many proxies of your own stand in front, each adding to `X-Forwarded-For`. Default: 0,
    and the header is not looked at. (uvicorn has a setting of its own: `proxy_headers=False`.)"""
    connect_url: str | None
    """Where the page sends its SDP offer. Default: the provider's calls endpoint."""
    pool: SecretSource | None
    """Secrets minted beforehand, such as a `SecretPool`; whoever chooses something gets a fresh one.
    A `SecretPool` must have been made with the parameters of `session`, written flat, and its
    secrets must live for `lifetime`, which is then to be given: they live for 600 seconds unless
    `client_secret` says otherwise. Not together with `safety_key`: such a secret belongs to one
    person. A `SecretPool` that was not opened is opened by the app's lifespan, or else by the first
    request, until `aclose()` or the event loop's end. Default: none."""


class ServiceOptions(MintOptions, total=False):
    """The options of `mint_app`."""

    metrics: bool
    """Whether `/metrics` is there, for whoever reaches the port. Default: no."""
    close_client: bool
    """Whether the client is closed when the app shuts down. Default: no, it stays yours to close."""


_SECRETS = frozenset({"safety_key", "storage"})  # a storage's URL may hold a password
_REQUIRED = {
    "authorize": "without it, anybody could mint at your expense",
    "session": "the parameters of the session, chosen by the server",
}
_MAPPINGS = {
    "session": 'the parameters {"model": "gpt-realtime"}',
    "allow": '{"voice": ["verse", "marin"]}',
}


def check_options(client: object, given: MintOptions, known: type) -> None:
    """Raise `ConfigurationError` when an option is unknown, missing, or at odds with another.

    Secrets given as text are masked in `given` itself, so that no frame of a traceback shows them.
    """
    options = cast("dict[str, object]", given)
    _mask_secrets(options)
    if not isinstance(client, RealtimeSessionsClient):
        message = "client must be a RealtimeSessionsClient (async)"
        raise ConfigurationError(message)
    names = known.__annotations__.keys()
    for name in options.keys() - names:
        meant = difflib.get_close_matches(name, names, n=1)
        guess = f": did you mean {meant[0]}?" if meant else ""
        message = f"{name} is not a known option{guess}"
        raise ConfigurationError(message)
    for name, why in _REQUIRED.items():
        if options.get(name) is None:
            message = f"{name} is required: {why}"
            raise ConfigurationError(message)
    if not callable(options["authorize"]):
        message = (
            "authorize must be a callable: it takes the request, and returns who asks, or None"
        )
        raise ConfigurationError(message)
    for name, example in _MAPPINGS.items():
        if not isinstance(options.get(name, {}), Mapping):
            message = f"{name} must be a dict, such as {example}"
            raise ConfigurationError(message)
    if options.get("pool") is not None:
        _check_pool(options["pool"], options.get("safety_key"))
    proxies = options.get("trusted_proxies", 0)
    if isinstance(proxies, bool) or not isinstance(proxies, int) or proxies < 0:
        message = "trusted_proxies is unusable: it is the number of proxies in front, 0 or more"
        raise ConfigurationError(message)


def _mask_secrets(options: dict[str, object]) -> None:
    for name in _SECRETS & options.keys():
        value = options[name]
        if isinstance(value, str):
            options[name] = RedactedStr(value)


def _check_pool(pool: object, safety_key: object) -> None:
    if safety_key is not None:
        message = "pass pool=… or safety_key=…: a secret that is bound to a person is never pooled"
        raise ConfigurationError(message)
    if isinstance(pool, SyncSecretPool) or not callable(getattr(pool, "acquire", None)):
        message = "pool must be the async client's secret_pool(…)"
        raise ConfigurationError(message)
