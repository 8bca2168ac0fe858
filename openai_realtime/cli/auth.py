"""Who may have a secret from `openai-realtime serve`: bearer tokens, this machine, or your function.

Owns: the ways to authorize that need no code, and how a function is named. Must not know: options,
limits, sessions.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from openai_realtime import providers
from openai_realtime.errors import ConfigurationError

if TYPE_CHECKING:
    from starlette.requests import Request

    from openai_realtime.mint import Authorize

_LEAST_CHARACTERS = 16
_LOCAL = "this-machine"
# A proxy or a tunnel on this machine speaks for somebody else.
_FORWARDED = (
    "cf-connecting-ip",
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
)


def named_function(name: str) -> Authorize:
    """Return the function `module:name`, found from the working directory too.

    Raises `ConfigurationError` when there is none.
    """
    module_name, _, path = name.partition(":")
    if not module_name or not path:
        message = "authorize is unusable: it is module:function, such as myapp.login:who_asks"
        raise ConfigurationError(message)
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: object = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        message = f"authorize: {name} cannot be imported: {error}"
        raise ConfigurationError(message) from error
    finally:
        sys.path.pop(0)
    if not callable(found):
        message = f"authorize: {name} is not a function"
        raise ConfigurationError(message)
    return cast("Authorize", found)


def bearer_tokens(source: str, text: str) -> Authorize:
    """Return a function that admits a request with one of the tokens in `text`, a line each.

    A line is a token, or a name and its token: `alice 0f9e…`; empty lines and those that begin with
    `#` do not count. A token without a name is told in logs and limits by a hash of it. Raises
    `ConfigurationError`, which names `source` and the line, when a token has fewer than 16
    characters, or when there is none.
    """
    principals: dict[bytes, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        token = words[-1]
        if len(token) < _LEAST_CHARACTERS or len(words) > 2:  # noqa: PLR2004 - a name and a token
            message = (
                f"{source}: line {number} is unusable: a line is a token, or a name and a token, "
                f"and a token has {_LEAST_CHARACTERS} characters or more"
            )
            raise ConfigurationError(message)
        digest = _digest(token)
        principals[digest] = words[0] if words[1:] else f"token-{digest.hex()[:16]}"
    if not principals:
        message = f"{source}: there is no token in it"
        raise ConfigurationError(message)

    async def authorize(request: Request) -> str | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        # Looked up by hash: how long that takes tells nothing of the tokens.
        return principals.get(_digest(token.strip())) if scheme.lower() == "bearer" else None

    return authorize


def anyone_on_this_machine() -> Authorize:
    """Return a function that lets in whoever connects from this machine, to a name of it.

    The name in the Host header is looked at, so that no web page can get in under a name of its own
    that leads here (DNS rebinding).

    Not for a service behind a proxy or a tunnel on this machine: whoever reaches that connects from
    this machine too. Requests that say of themselves that they were passed on are refused, but a
    proxy need not say so, nor keep the Host header that it was sent.
    """

    async def authorize(request: Request) -> str | None:
        peer = request.client.host if request.client else ""
        is_forwarded = any(name in request.headers for name in _FORWARDED)
        hosts = request.headers.getlist("host")
        host = hosts[0] if len(hosts) == 1 else ""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        is_local = is_loopback(peer) and is_loopback(name.strip("[]"))
        return _LOCAL if is_local and not is_forwarded else None

    return authorize


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine and nothing else."""
    # Stricter than for a base URL: a zone may be any text, and `x.localhost` is no name of its own.
    return "%" not in host and not host.endswith(".localhost") and providers.is_loopback(host)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
