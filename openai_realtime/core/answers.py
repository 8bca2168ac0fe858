"""Error answers as exceptions.

Owns: which exception a status is, and where in a body the server's message is. Must not know: any
endpoint.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from openai_realtime import errors
from openai_realtime.core.meta import request_id
from openai_realtime.core.retry import (
    AMBIGUOUS_STATUSES,
    FINAL_CODES,
    RetryPolicy,
    is_retryable_status,
    parse_retry_after,
)
from openai_realtime.core.scrubbing import scrub_json, scrub_text, secrets_in
from openai_realtime.core.strict_json import Json, decode_json
from openai_realtime.core.wire import Headers
from openai_realtime.secrets import MASK

if TYPE_CHECKING:
    from openai_realtime.core.wire import Response

MAX_MESSAGE_CHARACTERS = 500

_STATUS_ERRORS: dict[int, type[errors.APIStatusError]] = {
    400: errors.BadRequestError,
    401: errors.AuthenticationError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    422: errors.UnprocessableEntityError,
    429: errors.RateLimitError,
}

_HINTS: dict[int | str, str] = {
    401: "Check the API key: it may be wrong, revoked, or meant for another provider or base_url",
    403: "Check that the key's project may use the Realtime API and this model",
    404: "Check base_url (it ends in /v1 at most providers) and the model name",
    429: "Slow down, or ask the provider for a higher rate limit",
    "beta_api_shape_disabled": 'The server has retired the flat shape: use dialect="auto" or "ga"',
    "insufficient_quota": "The account has no credit left: add some; waiting does not help",
    "redirect": "Redirects are never followed: set base_url to the final address",
}

_TAG = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


def status_error(
    response: Response,
    *,
    policy: RetryPolicy,
    secrets: tuple[str, ...] = (),
) -> errors.APIStatusError:
    """Return the exception for an answer that is no 2xx, its texts free of `secrets` and keys."""
    status, headers = response.status, response.headers
    body = _readable_body(response.body, secrets)
    details = error_details(body)
    code, kind = _text(details.get("code")), _text(details.get("type"))
    is_redirect = 300 <= status < 400  # noqa: PLR2004 - the definition of 3xx
    headers = Headers(
        {
            # A Location may carry what was sent, or worse.
            scrub_text(name, secrets): MASK if name == "location" else scrub_text(value, secrets)
            for name, value in headers.items()
        }
    )
    hint = _HINTS["redirect"] if is_redirect else _HINTS.get(code or status) or _HINTS.get(status)
    return _status_class(status)(
        error_message(details, body) or "The server gave no reason",
        status_code=status,
        headers=headers,
        request_id=request_id(headers),
        code=code,
        param=_text(details.get("param")),
        type=kind,
        body=body,
        hint=hint,
        retry_after=parse_retry_after(headers),
        retryable=is_retryable_status(
            status, kind if kind in FINAL_CODES else code, headers, policy
        ),
        possibly_acted=status in AMBIGUOUS_STATUSES,
    )


def _status_class(status: int) -> type[errors.APIStatusError]:
    if status >= 500:  # noqa: PLR2004 - the definition of 5xx
        return errors.InternalServerError
    if 300 <= status < 400:  # noqa: PLR2004 - the definition of 3xx
        return errors.RedirectError
    return _STATUS_ERRORS.get(status, errors.APIStatusError)


def _readable_body(body: bytes, secrets: tuple[str, ...]) -> Json:
    try:
        value = decode_json(body)
        return scrub_json(value, secrets + secrets_in(value))
    except ValueError:
        return scrub_text(body.decode("utf-8", "replace"), secrets) or None


def error_details(body: Json) -> dict[str, Json]:
    """Return the object that carries code, type and param: `error` where it is one, else the root."""
    if not isinstance(body, dict):
        return {}
    inner = body.get("error")
    return inner if isinstance(inner, dict) else body


def error_message(details: dict[str, Json], body: Json) -> str | None:
    """Return the server's words, in at most 500 characters; None when it gave none."""
    if isinstance(body, str):
        return _shorten(_plain_text(body))
    for name in ("message", "error", "detail", "title", "error_description"):
        value = details.get(name)
        if isinstance(value, str) and value.strip():
            return _shorten(value)
        if isinstance(value, list | dict) and value:
            return _shorten(json.dumps(value, ensure_ascii=False))
    return _shorten(json.dumps(body, ensure_ascii=False)) if body else None


def _plain_text(text: str) -> str:
    title = _TITLE.search(text)
    return title.group(1) if title else _TAG.sub(" ", text)


def _shorten(text: str) -> str | None:
    words = " ".join(text.split())
    too_long = len(words) > MAX_MESSAGE_CHARACTERS
    return (words[: MAX_MESSAGE_CHARACTERS - 1] + "…" if too_long else words) or None


def _text(value: Json) -> str | None:
    """Return a code, type or param as text: some gateways send numbers, or a JSON path as a list."""
    if isinstance(value, list):
        return ".".join(str(item) for item in value) or None
    if isinstance(value, bool | None):
        return None
    return str(value) if isinstance(value, str | int) and value != "" else None
