"""Who sends a request: the client's address, the principal from `authorize`, and its pseudonym."""

from __future__ import annotations

import hashlib
import hmac
import inspect
import ipaddress
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias, cast

import anyio
import anyio.to_thread
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request

from openai_realtime.errors import ConfigurationError
from openai_realtime.mint.errors import (
    AUTHORIZE_DOWN,
    FORBIDDEN,
    UNAUTHORIZED,
    EndpointError,
    ErrorCode,
)
from openai_realtime.mint.telemetry import logger

if TYPE_CHECKING:
    from starlette.types import Scope

Authorize: TypeAlias = Callable[[Request], str | Awaitable[str | None] | None]
"""Takes the request and returns the principal: a text that is stable for one person, such as a user
id. Return None to refuse with 401; raise `Refused`, or Starlette's or FastAPI's `HTTPException`, to
refuse with its status."""

_SECONDS = 15.0
"""How long `authorize` may take. A body that it reads has a limit of its own, 10 s."""
# The client needs these for its next request; other headers of an HTTPException are dropped.
_FORWARDED_HEADERS = ("www-authenticate", "retry-after")
_MIN_KEY_BYTES = 16
_DEFAULT_KEY = b"openai_realtime.mint"


class Refused(Exception):  # noqa: N818 - users write `raise Refused`
    """Raised by `authorize`: no secret for this request.

    `status_code` is 401 (the default: the person is not known) or 403 (the person has no
    permission).
    """

    def __init__(self, status_code: int = 401) -> None:
        super().__init__(f"refused with {status_code}")
        self.status_code = status_code


class Authorizer:
    """Calls `authorize`: on the event loop, or on a thread when it is a plain function."""

    def __init__(self, authorize: Authorize) -> None:
        self._authorize = authorize
        self._is_async = inspect.iscoroutinefunction(authorize) or inspect.iscoroutinefunction(
            getattr(authorize, "__call__", None)  # noqa: B004 - its code may be async
        )

    async def principal(self, request: Request) -> str:
        """Return the principal.

        Raises `EndpointError` when `authorize` refuses or takes longer than 15 s, `TypeError` when
        it returns anything but a text or None, and otherwise what `authorize` raises.
        """
        principal: object = None
        try:
            with anyio.move_on_after(_SECONDS) as limit:
                principal = await self._call(request)
        except Refused as error:
            raise EndpointError(_code_for(error.status_code)) from None
        except HTTPException as error:
            headers = {
                name: str(value)
                for name, value in (error.headers or {}).items()
                if name.lower() in _FORWARDED_HEADERS and _is_header_value(str(value))
            }
            raise EndpointError(_code_for(error.status_code), headers=headers) from None
        if limit.cancelled_caught:
            logger.warning("authorize did not return within %g s", _SECONDS)
            raise EndpointError(AUTHORIZE_DOWN, retry_after=1)
        if principal is None or principal == "":
            raise EndpointError(UNAUTHORIZED)
        if not isinstance(principal, str):
            # `True`, for example, would give all people the same principal.
            message = f"authorize must return a str or None, not {type(principal).__name__}"
            raise TypeError(message)
        return principal

    async def _call(self, request: Request) -> object:
        if self._is_async:
            return await cast("Awaitable[object]", self._authorize(request))
        result = await anyio.to_thread.run_sync(self._authorize, request, abandon_on_cancel=True)
        return await result if inspect.isawaitable(result) else result


def _is_header_value(text: str) -> bool:
    """Return whether every server can send `text` as the value of a header."""
    return text.isascii() and text.isprintable()


def _code_for(status: int) -> ErrorCode:
    """Return the code for the status of the app's exception; 401 for one that is not an error."""
    if status == HTTPStatus.FORBIDDEN:
        return FORBIDDEN
    if status == HTTPStatus.UNAUTHORIZED or not HTTPStatus.BAD_REQUEST <= status <= 599:  # noqa: PLR2004 - the last status
        return UNAUTHORIZED
    return ErrorCode(status, FORBIDDEN.name, FORBIDDEN.message)


class Pseudonyms:
    """HMAC-SHA256 of principals with the server's key: 64 hexadecimal characters.

    Without a key, a public default is used. Such pseudonyms keep names out of logs, but a person
    who guesses a name can check the guess.
    """

    def __init__(self, key: str | bytes | None) -> None:
        key_bytes = key.encode() if isinstance(key, str) else key
        is_short = key_bytes is not None and len(key_bytes) < _MIN_KEY_BYTES
        self._mac = hmac.new(key_bytes or _DEFAULT_KEY, digestmod=hashlib.sha256)
        del key_bytes  # a traceback with local variables would show it
        if is_short:
            message = f"safety_key is unusable: it must have {_MIN_KEY_BYTES} bytes or more"
            raise ConfigurationError(message)

    def of(self, principal: str) -> str:
        """Return the pseudonym: always the same for the same principal and key."""
        mac = self._mac.copy()
        mac.update(principal.encode("utf-8", "surrogatepass"))
        return mac.hexdigest()


def client_address(scope: Scope, trusted_proxies: int) -> str | None:
    """Return the client's address, or None if the server does not know it (a Unix socket).

    A client can write anything into `X-Forwarded-For`, and each proxy appends the address of its
    peer. With `trusted_proxies=n`, the outermost of the server's own proxies wrote the n-th entry
    from the right; the entries to its left are not trusted.
    """
    client = scope.get("client")
    peer = str(client[0]) if client else None
    if trusted_proxies == 0:
        return peer
    entries = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
    # With fewer entries than proxies, the request did not pass all of them.
    entry = entries[-trusted_proxies] if len(entries) >= trusted_proxies else ""
    return _parse_address(entry.strip()) or peer


def _parse_address(text: str) -> str | None:
    """Return the address in an entry, without a port; None if there is none."""
    host = text
    if text.startswith("["):
        host = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        host = text.partition(":")[0]
    if "%" in host:  # an IPv6 zone: it may be any text, and means nothing on this host
        return None
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None
