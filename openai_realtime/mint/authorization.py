"""Who asks: `authorize` is called, and whatever it does but name a principal is a no.

Owns: how `authorize` may be written and what its outcomes mean. Must not know: how a principal is
found, nor what a principal may do.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeAlias, cast

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request

from openai_realtime.mint.access_log import logger
from openai_realtime.mint.endpoint_errors import (
    AUTHORIZE_DOWN,
    FORBIDDEN,
    UNAUTHORIZED,
    EndpointError,
    ErrorCode,
)

Authorize: TypeAlias = Callable[[Request], str | Awaitable[str | None] | None]
"""Takes the request and returns the principal: a text that is stable for one person, such as a user
id. None refuses with 401; `Refused`, or Starlette's or FastAPI's `HTTPException`, as it says."""

_SECONDS = 15.0
"""The longest that `authorize` may take; a body that it reads has 10 s of its own."""
# Told to the client, because it asks for the next step; everything else an HTTPException carries
# is the app's own.
_PASSED_ON = ("www-authenticate", "retry-after")


class Refused(Exception):  # noqa: N818 - reads as what happened, where users raise it
    """Raised by `authorize`: no secret for this request.

    `status_code` is 401 (the default: who asks is not known) or 403 (who asks may not).
    """

    def __init__(self, status_code: int = 401) -> None:
        super().__init__(f"refused with {status_code}")
        self.status_code = status_code


class Authorizer:
    """Asks `authorize`, on the event loop or, when it is a plain function, on a thread."""

    def __init__(self, authorize: Authorize) -> None:
        self._authorize = authorize
        self._is_async = inspect.iscoroutinefunction(authorize) or inspect.iscoroutinefunction(
            getattr(authorize, "__call__", None)  # noqa: B004 - whether its code is async
        )

    async def principal(self, request: Request) -> str:
        """Return who asks; raises `EndpointError`, and `TypeError` when it is no text."""
        answer: object = None
        try:
            with anyio.move_on_after(_SECONDS) as limit:
                answer = await self._ask(request)
        except Refused as refused:
            raise EndpointError(_reason(refused.status_code)) from None
        except HTTPException as refused:
            kept = {
                name: str(value)
                for name, value in (refused.headers or {}).items()
                if name.lower() in _PASSED_ON and _is_header_value(str(value))
            }
            raise EndpointError(_reason(refused.status_code), headers=kept) from None
        if limit.cancelled_caught:
            logger.warning("authorize did not return within %g s", _SECONDS)
            raise EndpointError(AUTHORIZE_DOWN, retry_after=1)
        if answer is None or answer == "":
            raise EndpointError(UNAUTHORIZED)
        if not isinstance(answer, str):
            # True, say, would be one principal for everybody.
            message = f"authorize must return a str or None, not {type(answer).__name__}"
            raise TypeError(message)
        return answer

    async def _ask(self, request: Request) -> object:
        if self._is_async:
            return await cast("Awaitable[object]", self._authorize(request))
        answer = await anyio.to_thread.run_sync(self._authorize, request, abandon_on_cancel=True)
        return await answer if inspect.isawaitable(answer) else answer


def _is_header_value(text: str) -> bool:
    """Return whether every server sends it: the app may have put anything there."""
    return text.isascii() and text.isprintable()


def _reason(status: int) -> ErrorCode:
    """Return the reason for a status of the app's: its own when it is an error, else 401."""
    if status == HTTPStatus.FORBIDDEN:
        return FORBIDDEN
    if status == HTTPStatus.UNAUTHORIZED or not HTTPStatus.BAD_REQUEST <= status <= 599:  # noqa: PLR2004 - the last status
        return UNAUTHORIZED
    return ErrorCode(status, FORBIDDEN.code, FORBIDDEN.message)
