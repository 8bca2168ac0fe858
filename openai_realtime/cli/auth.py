"""Who may get a secret from `openai-realtime serve`: the options and their authorizers."""

from __future__ import annotations

import hashlib
import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from openai_realtime.cli import output
from openai_realtime.cli.options import flag, option
from openai_realtime.cli.parameters import read_secret_file
from openai_realtime.core import base_url
from openai_realtime.environment import read_variable
from openai_realtime.errors import ConfigurationError, ParameterError

if TYPE_CHECKING:
    from starlette.requests import Request

    from openai_realtime.mint import Authorize

_AUTH = "Who may get a secret (choose one of the first three)"
_TOKENS: Final = "OPENAI_REALTIME_SERVE_TOKENS"
_CHOICES = f"--authorize, --token-file (or the tokens in {_TOKENS}), --anyone-on-this-machine"
_FOR_DEVELOPMENT = (
    "--anyone-on-this-machine mints with a real key for every connection from this machine, which "
    "includes the visitors of a proxy or a tunnel on it: for development only"
)
_MIN_TOKEN_CHARACTERS = 16
_LOCAL_PRINCIPAL = "this-machine"
# A proxy or a tunnel on this machine sends these, or X-Forwarded-…, with its visitors' requests.
_PROXY_HEADERS = frozenset({"cf-connecting-ip", "forwarded", "via", "x-real-ip"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthOptions:
    """The options that say who may get a secret."""

    authorize: str | None = option(
        _AUTH,
        "MODULE:NAME",
        "Your function: it takes the Starlette request, and returns the principal, or None to refuse.",
    )
    token_file: str | None = option(
        _AUTH,
        "FILE",
        "A file of bearer tokens that are accepted. A line is a token, or a name and a token.",
    )
    anyone_on_this_machine: bool = flag(
        _AUTH,
        "--anyone-on-this-machine",
        "Every connection from this machine is accepted. For development: never with a proxy or a "
        "tunnel on this machine, whose visitors connect from this machine too.",
    )
    origin: list[str] | None = option(
        _AUTH,
        "ORIGIN",
        "The exact origin of a web page that may get a secret: https://app.example, or of an app's web "
        "view: capacitor://localhost. Repeatable.",
    )
    credentials: bool = flag(_AUTH, "--credentials", "Let pages of these origins send cookies.")
    trusted_proxies: int = option(
        _AUTH,
        "NUMBER",
        "How many proxies of yours are in front of the service; each appends to X-Forwarded-For.",
        default=0,
        min=0,
    )

    @property
    def asks_for_token(self) -> bool:
        """Whether a person has to know a token."""
        return self.token_file is not None or read_variable(_TOKENS) is not None

    def authorizer(self, host: str, *, is_mock: bool) -> Authorize:
        """Return the chosen authorizer. A mock accepts connections from this machine by default.

        Raises `ParameterError` when several were chosen, `ConfigurationError` when none was.
        """
        tokens = read_variable(_TOKENS)
        chosen = [self.authorize, self.token_file, tokens, self.anyone_on_this_machine or None]
        if len(chosen) - chosen.count(None) > 1:
            message = f"Choose one only: {_CHOICES}"
            raise ParameterError(message)
        if self.authorize is not None:
            return named_function(self.authorize)
        if self.token_file is not None:
            text = read_secret_file("--token-file", self.token_file)
            return bearer_tokens("--token-file", text)
        if tokens is not None:
            return bearer_tokens(_TOKENS, tokens)
        if not (is_mock or self.anyone_on_this_machine):
            message = f"Choose who may get a secret: {_CHOICES}, or --mock"
            raise ConfigurationError(message)
        if not is_loopback(host):
            message = f"--host {host} is open to other machines: choose --authorize or --token-file"
            raise ConfigurationError(message)
        if not is_mock:
            output.print_message("warning", _FOR_DEVELOPMENT)
        return anyone_on_this_machine()


def named_function(name: str) -> Authorize:
    """Return the function `module:name`; the module may be in the working directory.

    Raises `ConfigurationError` when there is none.
    """
    module_name, _, path = name.partition(":")
    if not module_name or not path:
        message = "authorize is unusable: it must be module:function, such as myapp.login:authorize"
        raise ConfigurationError(message)
    sys.path.insert(0, str(Path.cwd()))
    try:
        target: object = importlib.import_module(module_name)
        for part in path.split("."):
            target = getattr(target, part)
    except (ImportError, AttributeError) as error:
        message = f"authorize: {name} cannot be imported: {error}"
        raise ConfigurationError(message) from error
    finally:
        sys.path.pop(0)
    if not callable(target):
        message = f"authorize: {name} is not a function"
        raise ConfigurationError(message)
    return cast("Authorize", target)


def bearer_tokens(source: str, text: str) -> Authorize:
    """Return an authorizer that accepts a request with one of the tokens in `text`.

    Each line of `text` is a token, or a name and its token: `alice 0f9e…`. Empty lines and lines
    that begin with `#` are skipped. The principal of a token without a name is made from its hash.
    Raises `ConfigurationError`, which names `source` and the line, when a token has fewer than 16
    characters, or when there is none.
    """
    principals: dict[bytes, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        token = words[-1]
        if len(token) < _MIN_TOKEN_CHARACTERS or len(words) > 2:  # noqa: PLR2004 - a name and a token
            message = (
                f"{source}: line {number} is unusable: it must be a token, or a name and a token, "
                f"and a token has {_MIN_TOKEN_CHARACTERS} characters or more"
            )
            raise ConfigurationError(message)
        digest = _digest(token)
        principals[digest] = words[0] if words[1:] else f"token-{digest.hex()[:16]}"
    if not principals:
        message = f"{source}: there is no token in it"
        raise ConfigurationError(message)

    async def authorize(request: Request) -> str | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        # Looked up by hash, so that the duration shows nothing about the tokens.
        return principals.get(_digest(token.strip())) if scheme.lower() == "bearer" else None

    return authorize


def anyone_on_this_machine() -> Authorize:
    """Return an authorizer that accepts connections from this machine, to a local name.

    It checks the Host header, so that a web page cannot connect through a domain of its own that
    resolves to this machine (DNS rebinding). It refuses requests with the headers of a proxy.

    Do not use it behind a proxy or a tunnel on this machine: the visitors of a proxy that sends no
    such header, and replaces the Host header, are accepted.
    """

    async def authorize(request: Request) -> str | None:
        peer = request.client.host if request.client else ""
        is_forwarded = any(
            name in _PROXY_HEADERS or name.startswith("x-forwarded-") for name in request.headers
        )
        hosts = request.headers.getlist("host")
        host = hosts[0] if len(hosts) == 1 else ""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        is_local = is_loopback(peer) and is_loopback(name.strip("[]"))
        return _LOCAL_PRINCIPAL if is_local and not is_forwarded else None

    return authorize


def is_loopback(host: str) -> bool:
    """Return whether a host name or address can only be this machine."""
    # Stricter than for a base URL: a zone may be any text, and `x.localhost` may be any machine.
    return "%" not in host and not host.endswith(".localhost") and base_url.is_loopback(host)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
