"""Turns error responses into exceptions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from openai_realtime import errors
from openai_realtime.core.meta import ShownHeaders, request_id
from openai_realtime.core.peer_text import MAX_NAME_CHARACTERS, Sanitizer, secrets_in
from openai_realtime.core.retry import (
    AMBIGUOUS_STATUSES,
    FINAL_CODES,
    RetryPolicy,
    is_retryable_status,
    parse_retry_after,
)
from openai_realtime.core.strict_json import Json, decode_json
from openai_realtime.core.wire import Headers

if TYPE_CHECKING:
    from openai_realtime.core.wire import Response

# The title of a page is near its beginning.
_MAX_PAGE_CHARACTERS = 16 * 1024
_MAX_PATH_STEPS = 32

_STATUS_ERRORS: dict[int, type[errors.APIStatusError]] = {
    400: errors.BadRequestError,
    401: errors.AuthenticationError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    422: errors.UnprocessableEntityError,
    429: errors.RateLimitError,
}

NO_ENDPOINT: Final = "no_endpoint"
"""The key of the hint for a 404 whose code names no other cause than an absent endpoint."""
# Codes that say no more than the status does.
_CODES_OF_404 = frozenset(
    {"404", "not_found", "notfound", "resource_not_found", "resourcenotfound"}
)
_NO_MODEL = (
    "Check the model name (at Azure, the deployment's), and that the key's project may use it"
)

_HINTS: dict[int | str, str] = {
    401: "Check the API key: it may be wrong, revoked, or meant for another provider or base_url",
    403: "Check that the key's project may use the Realtime API and this model",
    NO_ENDPOINT: "Check base_url (it ends in /v1 at most providers) and the model name",
    "DeploymentNotFound": _NO_MODEL,
    "model_not_found": _NO_MODEL,
    429: "Slow down, or ask the provider for a higher rate limit",
    "beta_api_shape_disabled": 'The server has retired the flat shape: use dialect="auto" or "ga"',
    "insufficient_quota": "The account has no credit left: add some; waiting does not help",
    "invalid_model": "GPT-Live models (gpt-live-…) are for client.live only, and have no client secrets: "
    "the mint service begins their calls with broker=True; other models are not for client.live",
    "redirect": "Redirects are never followed: set base_url to the final address",
}
_HIDDEN_TAGS = frozenset({"script", "style"})
# Above Unicode's last code point, which has seven digits. Python cannot parse thousands of digits.
_NO_CHARACTER = re.compile(r"&#0*+[0-9]{8,}+;?", re.ASCII)
_OAUTH_CODE = re.compile(r"[a-z]{1,40}(?:_[a-z]{1,40}){1,4}", re.ASCII)
_LEADING_ZEROS = re.compile(r"&#0++(?=[0-9])", re.ASCII)


def status_error(
    response: Response, *, policy: RetryPolicy, sanitizer: Sanitizer
) -> errors.APIStatusError:
    """Return the exception for a response whose status is not 2xx.

    `sanitizer` makes every text of the response safe to show, and masks the request's credential.
    """
    status, body = response.status, _decoded(response.body)
    sanitizer.learn(secrets_in(body))
    sanitizer.learn(secrets_in({**response.headers}))
    details = error_details(body)
    code, kind = _name(details.get("code")) or _oauth_code(body), _name(details.get("type"))
    param = _name(details.get("param"))
    is_redirect = 300 <= status < 400  # noqa: PLR2004 - the definition of 3xx
    headers = shown_headers(response.headers, sanitizer)
    hint = _HINTS["redirect"] if is_redirect else find_hint(_HINTS, status, code)
    return _status_class(status)(
        server_message(body, sanitizer) or "The server gave no reason",
        status_code=status,
        headers=headers,
        request_id=request_id(headers),
        code=code and sanitizer.text(code, MAX_NAME_CHARACTERS),
        param=param and sanitizer.text(param, MAX_NAME_CHARACTERS),
        type=kind and sanitizer.text(kind, MAX_NAME_CHARACTERS),
        body=sanitizer.json(_error_object(body)),
        hint=hint,
        retry_after=parse_retry_after(response.headers),
        retryable=is_retryable_status(
            status, kind if kind in FINAL_CODES else code, response.headers, policy
        ),
        possibly_acted=status in AMBIGUOUS_STATUSES,
    )


def find_hint(hints: Mapping[int | str, str], status: int, code: str | None) -> str | None:
    """Return the hint for an error: by its code, then for an absent endpoint, then by its status."""
    keys = (code, NO_ENDPOINT if is_bare_404(status, code) else None, status)
    return next((hints[key] for key in keys if key is not None and key in hints), None)


def is_bare_404(status: int, code: str | None) -> bool:
    """Return whether an error is a 404 for which the server gives no code of its own."""
    return status == 404 and (code is None or code.lower() in _CODES_OF_404)  # noqa: PLR2004 - "Not Found"


def shown_headers(headers: Headers, sanitizer: Sanitizer) -> Headers:
    """Return the headers, safe to show in an error; the value of Location is masked."""
    return Headers(ShownHeaders(headers, sanitizer, hides_location=True))


def _status_class(status: int) -> type[errors.APIStatusError]:
    if status >= 500:  # noqa: PLR2004 - the definition of 5xx
        return errors.InternalServerError
    if 300 <= status < 400:  # noqa: PLR2004 - the definition of 3xx
        return errors.RedirectError
    return _STATUS_ERRORS.get(status, errors.APIStatusError)


def _decoded(body: bytes) -> Json:
    """Return the JSON value of an error's body, or its text if it is not JSON."""
    try:
        return decode_json(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def _error_object(body: Json) -> Json:
    """Return the member `error` of a decoded body, or the body if it has none; None if it is empty."""
    inner = body.get("error") if isinstance(body, dict) else None
    return inner or (None if body == "" else body)


def error_details(body: Json) -> dict[str, Json]:
    """Return the object with message, code, type and param: `error`, `detail`, or the root."""
    inner = _error_object(body)
    if isinstance(inner, dict) and inner is not body:
        return inner
    detail = body.get("detail") if isinstance(body, dict) else None
    if isinstance(detail, dict) and "message" in detail:
        return detail
    return body if isinstance(body, dict) else {}


def _oauth_code(body: Json) -> str | None:
    """Return the code of OAuth's errors (RFC 6749 §5.2), such as `invalid_grant`, or None."""
    code = body.get("error") if isinstance(body, dict) else None
    return code if isinstance(code, str) and _OAUTH_CODE.fullmatch(code) else None


def server_message(body: Json, sanitizer: Sanitizer) -> str | None:
    """Return the server's message in a decoded body, at most 500 characters; None: no message."""
    if isinstance(body, str):
        page = sanitizer.mask(body, _MAX_PAGE_CHARACTERS)
        return sanitizer.text(_one_line(_unescaped(_page_text(page)))) or None
    details = error_details(body)
    for name in ("message", "error_description", "error", "detail", "title"):
        value = details.get(name)
        if isinstance(value, str) and value.strip():
            return sanitizer.text(_one_line(value))
        if isinstance(value, list | dict) and value:
            return _as_json(value, sanitizer)
    return _as_json(body, sanitizer) if body else None


def _as_json(value: Json, sanitizer: Sanitizer) -> str:
    return sanitizer.text(_one_line(json.dumps(sanitizer.json(value), ensure_ascii=False)))


def _one_line(text: str) -> str:
    """Return `text` on one line, with single spaces."""
    return " ".join(text.split())


def _page_text(page: str) -> str:
    """Return the title of an HTML page, or its text if it has none. Other text stays as it is."""
    first, *others = page.split("<")
    shown = [first]
    hidden = ""
    for piece in others:
        tag, is_closed, text = piece.partition(">")
        name = (tag.split(maxsplit=1) or [""])[0].lower()
        if not is_closed:
            text = f"<{piece}"  # text with a "<", not a tag
        elif name == "title" and text.strip():
            return text
        elif not hidden and name in _HIDDEN_TAGS:
            hidden = name
        elif name == f"/{hidden}":
            hidden = ""
        if not hidden:
            shown.append(text)
    return " ".join(shown)


def _unescaped(text: str) -> str:
    """Return `text` with HTML's character references, such as `&amp;`, replaced."""
    if "&" not in text:
        return text
    from html import unescape  # noqa: PLC0415 - few errors are pages

    return unescape(_LEADING_ZEROS.sub("&#", _NO_CHARACTER.sub("\ufffd", text)))


def _name(value: Json) -> str | None:
    """Return a code, type or param as text; some gateways send a number, or a path as a list."""
    if isinstance(value, list):
        return ".".join(map(str, value[:_MAX_PATH_STEPS])) or None
    if isinstance(value, bool | None):
        return None
    return str(value) if isinstance(value, str | int) and value != "" else None
