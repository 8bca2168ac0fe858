"""The request's body: its content type, its bounds, strict JSON, and the choices in it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias, cast

from openai_realtime.asgi import BodyLimitError
from openai_realtime.core.strict_json import decode_json
from openai_realtime.errors import ConfigurationError
from openai_realtime.mint.errors import CHOICE, CONTENT_TYPE, MALFORMED, EndpointError, ErrorCode

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.requests import Request

    from openai_realtime.core.strict_json import Json

MAX_BODY_BYTES = 4096
BODY_SECONDS = 10.0
"""How many seconds a body may take, from the first read until it is complete."""

Choice: TypeAlias = str | int | float | bool | None
"""A value that `allow` may list."""


def check_content_type(headers: Headers, code: ErrorCode = CONTENT_TYPE) -> None:
    """Raise `EndpointError` with `code` for a body that is not uncompressed JSON.

    A page can send text/plain, forms, or a body without a type to another origin without a
    preflight: these are refused like every other type.
    """
    media_type, _, parameters = headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if (
        len(headers.getlist("content-type")) != 1
        or media_type.strip().lower() != "application/json"
        or charset not in {"", "charset=utf-8"}
        or any(each.lower() != "identity" for each in headers.getlist("content-encoding"))
    ):
        raise EndpointError(code)


def check_length(headers: Headers, max_bytes: int) -> None:
    """Raise `BodyLimitError` for a body that is announced as too large, before it arrives."""
    length = headers.get("content-length", "")
    if re.fullmatch("[0-9]{1,18}", length) and int(length) > max_bytes:
        raise BodyLimitError(413)


async def read_object(request: Request) -> dict[str, Json]:
    """Return the members of the JSON object in the body.

    Raises `EndpointError`, `BodyLimitError`, or Starlette's `ClientDisconnect`.
    """
    body = await request.body()
    try:
        value = decode_json(body, unique_names=True)
    except ValueError:
        raise EndpointError(MALFORMED) from None
    if not isinstance(value, dict):
        raise EndpointError(MALFORMED)
    return value


class Choices:
    """The names that a body may hold, of all `names`, and their values: those in `allow`.

    Raises `ConfigurationError` when `allow` is unusable.
    """

    def __init__(self, allow: Mapping[str, Iterable[Choice]], names: Collection[str]) -> None:
        for name, values in allow.items():
            _check(name, values, names)
        self._allowed = {name: tuple(values) for name, values in allow.items()}

    def pairs(self) -> Iterable[tuple[str, Choice]]:
        """Return each name with each of its values."""
        return ((name, value) for name, values in self._allowed.items() for value in values)

    def validate(self, requested: Mapping[str, Json]) -> dict[str, Choice]:
        """Return the values in `allow` that equal the requested ones.

        Raises `EndpointError` on a name or a value that is not allowed.
        """
        return {name: self._value(name, value) for name, value in requested.items()}

    def _value(self, name: str, requested: Json) -> Choice:
        for value in self._allowed.get(name, ()):
            # True equals 1 in Python, but not in JSON.
            if value == requested and isinstance(value, bool) == isinstance(requested, bool):
                return value
        raise EndpointError(CHOICE)


def _check(name: str, values: Iterable[object], names: Collection[str]) -> None:
    rule: str | None = None
    if name not in names:
        rule = f"be one of {', '.join(sorted(names))}"
    elif isinstance(values, str) or not isinstance(cast("object", values), Iterable):
        rule = 'have a list of values, such as ["verse", "marin"]'
    elif not all(value is None or isinstance(value, str | int | float) for value in values):
        rule = "have texts, numbers, True, False or None as values"
    if rule is not None:
        message = f"allow: {name} is unusable: it must {rule}"
        raise ConfigurationError(message)
