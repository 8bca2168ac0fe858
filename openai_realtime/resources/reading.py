"""From a 2xx answer to a typed model, or to one error: never to a half-filled object.

Owns: what makes an answer usable. Must not know: retries, endpoints, or how the answer travelled.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from openai_realtime.resources.careful_reading import read_with_care
from openai_realtime.types.client_secret import MintedAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_realtime.core.meta import ResponseMeta
    from openai_realtime.core.strict_json import Json
    from openai_realtime.core.wire import Response
    from openai_realtime.dialects import JsonObject


M = TypeVar("M", bound=MintedAnswer)

# Members that make an answer another one than it seems: an error, or another shape around it.
_SAYS_MORE = frozenset({"body", "client_secret", "data", "error", "response", "result", "session"})


def read_minted(
    response: Response,
    meta: ResponseMeta,
    model: type[M],
    normalise: Callable[[JsonObject], JsonObject],
    dropped: tuple[str, ...] = (),
) -> M:
    """Return the model in a 2xx answer; `normalise` brings other shapes into the model's.

    Raises `APIResponseValidationError` when there is no usable secret. An optional field that does
    not fit its type costs nobody their secret: it gets its default and goes to `meta.unreadable`.
    """
    answer: M | None = None
    unreadable: dict[str, Json] = {}
    if _is_plain(response.body):
        try:
            answer = model.model_validate_json(response.body)
        except ValidationError:
            answer = None  # read again below, where what is wrong can be told
    if answer is None or not _SAYS_MORE.isdisjoint(answer.model_extra or ()):
        answer, unreadable = read_with_care(response, model, normalise)
    answer.received(response.headers.get("date"))
    if dropped or unreadable:
        meta = replace(meta, dropped=dropped, unreadable=unreadable)
    return answer.with_meta(meta)


# No deeper than `core/strict_json.py` allows, whatever its brackets enclose.
_FEW = 64


def _is_plain(body: bytes) -> bool:
    """Return whether the fast parser, which allows NaN and deep nesting, may be trusted with it."""
    return (
        body.count(b"{") + body.count(b"[") <= _FEW
        and (b"N" not in body or b"NaN" not in body)  # a single byte is found much faster
        and b"Infinity" not in body
    )
