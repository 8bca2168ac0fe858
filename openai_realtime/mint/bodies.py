"""The request's body: its `Content-Type`, its bounds, and strict JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from openai_realtime.asgi import BodyLimitError
from openai_realtime.core.strict_json import decode_json
from openai_realtime.mint.endpoint_errors import (
    CONTENT_TYPE,
    MALFORMED,
    TOO_LARGE,
    TOO_SLOW,
    EndpointError,
    ErrorCode,
)

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.requests import Request

    from openai_realtime.core.strict_json import Json

MAX_BODY_BYTES = 4096
BODY_SECONDS = 10.0
REASONS: Final[Mapping[int, ErrorCode]] = {408: TOO_SLOW, 413: TOO_LARGE}
"""The reasons for the statuses of `BodyLimitError`."""


def check_content_type(headers: Headers) -> None:
    """Raise `EndpointError` on anything but uncompressed JSON.

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
        raise EndpointError(CONTENT_TYPE)


async def read_object(request: Request) -> dict[str, Json]:
    """Return the body's members.

    Raises `EndpointError`, `BodyLimitError`, or Starlette's `ClientDisconnect`.
    """
    if _announced_bytes(request.headers) > MAX_BODY_BYTES:  # why wait for it?
        raise BodyLimitError(413)
    body = await request.body()
    try:
        value = decode_json(body, unique_names=True)
    except ValueError:
        raise EndpointError(MALFORMED) from None
    if not isinstance(value, dict):
        raise EndpointError(MALFORMED)
    return value


def _announced_bytes(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if re.fullmatch("[0-9]{1,18}", length) else 0
