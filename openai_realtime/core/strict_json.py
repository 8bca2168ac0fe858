"""JSON as RFC 8259 has it, and nothing beside it.

Owns: what a JSON body may be. Must not know: what it means.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""A decoded JSON value."""

MAX_JSON_DEPTH = 64


def decode_json(body: bytes, *, unique_names: bool = False) -> Json:
    """Return the JSON value in `body`.

    Raises `ValueError`, whose text says why and quotes nothing of the body, on anything that is not
    JSON by RFC 8259: NaN and Infinity included, and nesting deeper than 64 levels. `unique_names`
    refuses objects that name a member twice too: RFC 8259 §4 leaves open which of the two counts.
    """
    reason: str | None
    members = _members_named_once if unique_names else None
    try:
        value: Json = json.loads(
            body.decode("utf-8-sig"), parse_constant=_refuse_constant, object_pairs_hook=members
        )
        reason = "it is nested too deeply" if _depth(value) > MAX_JSON_DEPTH else None
        if reason is None and b"\\u" in body:
            value = _mended(value)
    except json.JSONDecodeError as error:
        value, reason = None, f"it is not JSON ({error.msg} at character {error.pos})"
    except RecursionError:
        value, reason = None, "it is nested too deeply"
    except UnicodeDecodeError:
        value, reason = None, "it is not UTF-8"
    except _NoJsonError as error:
        value, reason = None, str(error)
    except ValueError:
        value, reason = None, "it holds a number of thousands of digits"
    if reason is not None:
        # Raised out here, so that no exception whose locals hold the body stays in the chain.
        raise ValueError(reason)
    return value


class _NoJsonError(ValueError):
    pass


def _refuse_constant(name: str) -> NoReturn:
    message = f"it holds {name}, which JSON does not have"
    raise _NoJsonError(message)


def _members_named_once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) < len(pairs):
        message = "it names a member of an object twice"
        raise _NoJsonError(message)
    return members


def _mended(value: Json) -> Json:
    """Return `value` with lone surrogates replaced: JSON can escape them, no encoding can hold them."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {str(_mended(name)): _mended(member) for name, member in value.items()}
    return value


def _depth(value: Json) -> int:
    deepest, pending = 0, [(value, 1)]
    while pending and deepest <= MAX_JSON_DEPTH:
        item, depth = pending.pop()
        if isinstance(item, dict):
            members: Iterable[Json] = item.values()
        elif isinstance(item, list):
            members = item
        else:
            continue
        deepest = max(deepest, depth)
        pending.extend((member, depth + 1) for member in members)
    return deepest
