"""The request's body: bounded while it arrives, in time, and strict JSON.

Owns: `Content-Type`, size, time. Must not know: what the members mean.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import anyio

from openai_realtime.core.strict_json import decode_json
from openai_realtime.mint.refusals import (
    CONTENT_TYPE,
    MALFORMED,
    TOO_LARGE,
    TOO_SLOW,
    RefusalError,
)

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.requests import Request
    from starlette.types import Message, Receive

    from openai_realtime.core.strict_json import Json

MAX_BODY_BYTES = 4096
_BODY_SECONDS = 10.0
# The rest of the body is not read: what follows on the connection would be taken for a request.
_HANG_UP = {"Connection": "close"}


class BoundedReceive:
    """An ASGI `receive` that raises `RefusalError` on more than 4 KiB of body, or 10 s of waiting.

    The time runs from the first call until the body is whole. It stands in front of whoever reads,
    `authorize` included, and trusts no Content-Length.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._bytes = 0
        self._deadline: float | None = None
        self._is_whole = False

    async def __call__(self) -> Message:
        """Return the next message."""
        if self._is_whole:  # then what is left to come is that the client hangs up: at any time
            return await self._receive()
        if self._deadline is None:
            self._deadline = anyio.current_time() + _BODY_SECONDS
        message: Message | None = None
        with anyio.move_on_after(self._deadline - anyio.current_time()):
            message = await self._receive()
        if message is None:
            raise RefusalError(TOO_SLOW, headers=_HANG_UP)
        self._is_whole = not message.get("more_body", False)
        self._bytes += len(message.get("body", b""))
        if self._bytes > MAX_BODY_BYTES:
            raise RefusalError(TOO_LARGE, headers=_HANG_UP)
        return message


def check_content_type(headers: Headers) -> None:
    """Raise `RefusalError` on anything but uncompressed JSON.

    What a page can send to another origin without a preflight (text/plain, forms, no type at all)
    is refused with the rest.
    """
    kind, _, parameters = headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if (
        len(headers.getlist("content-type")) != 1
        or kind.strip().lower() != "application/json"
        or charset not in {"", "charset=utf-8"}
        or any(each.lower() != "identity" for each in headers.getlist("content-encoding"))
    ):
        raise RefusalError(CONTENT_TYPE)


async def read_object(request: Request) -> dict[str, Json]:
    """Return the body's members; raises `RefusalError`, or starlette's `ClientDisconnect`."""
    if _announced_bytes(request.headers) > MAX_BODY_BYTES:  # why wait for it?
        raise RefusalError(TOO_LARGE, headers=_HANG_UP)
    body = await request.body()
    try:
        value = decode_json(body, unique_names=True)
    except ValueError:
        raise RefusalError(MALFORMED) from None
    if not isinstance(value, dict):
        raise RefusalError(MALFORMED)
    return value


def _announced_bytes(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if re.fullmatch("[0-9]{1,18}", length) else 0
