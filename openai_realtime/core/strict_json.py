"""Decodes JSON strictly by RFC 8259."""

from __future__ import annotations

import json
import re
import sys
from itertools import accumulate
from typing import NoReturn

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""A decoded JSON value."""

MAX_JSON_DEPTH = 64
_MAX_DIGITS = 4300  # as Python has it: the work grows with the square of their number
_TOO_MANY_DIGITS = "it holds a number of thousands of digits"

# An unclosed string extends to the end of the text, so that no part of it is scanned twice.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_LEVELS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(set(range(256)) - _LEVELS.keys())


def decode_json(body: bytes, *, unique_names: bool = False) -> Json:
    """Return the JSON value in `body`.

    Raises `ValueError`, whose text says why and quotes nothing of the body, on anything that is not
    JSON by RFC 8259: NaN and Infinity included, and nesting deeper than 64 levels. `unique_names`
    refuses objects that name a member twice too: RFC 8259 §4 leaves open which of the two counts.
    """
    value: Json = None
    reason: str | None = None
    members = _unique_members if unique_names else None
    try:
        text = body.decode("utf-8-sig")
        if nests_too_deeply(body):
            reason = "it is nested too deeply"
        else:
            value = json.loads(
                text,
                parse_constant=_refuse_constant,
                object_pairs_hook=members,
                # Python's own limit costs nothing, but a process may have switched it off.
                parse_int=None if 0 < sys.get_int_max_str_digits() <= _MAX_DIGITS else _integer,
            )
            if b"\\u" in body:
                value = _without_lone_surrogates(value)
    except json.JSONDecodeError as error:
        value, reason = None, f"it is not JSON ({error.msg} at character {error.pos})"
    except UnicodeDecodeError:
        value, reason = None, "it is not UTF-8"
    except _NoJsonError as error:
        value, reason = None, str(error)
    except ValueError:
        value, reason = None, _TOO_MANY_DIGITS
    if reason is not None:
        # Raised here, so that no exception whose frames hold the body stays in the chain.
        raise ValueError(reason)
    return value


def nests_too_deeply(body: bytes) -> bool:
    """Return whether JSON in `body` is nested deeper than 64 levels.

    It runs before the JSON is parsed: a recursive parser may run out of stack, and from Python 3.14 on
    the C scanner of `json` does not stop by itself.
    """
    if body.count(b"[") + body.count(b"{") <= MAX_JSON_DEPTH:
        return False
    brackets = _STRING.sub(b"", body).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_LEVELS.__getitem__, brackets)), default=0) > MAX_JSON_DEPTH


class _NoJsonError(ValueError):
    pass


def _refuse_constant(name: str) -> NoReturn:
    message = f"it holds {name}, which JSON does not have"
    raise _NoJsonError(message)


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise _NoJsonError(_TOO_MANY_DIGITS)
    return int(text)


def _unique_members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) < len(pairs):
        message = "it names a member of an object twice"
        raise _NoJsonError(message)
    return members


def _without_lone_surrogates(value: Json) -> Json:
    """Return `value` with lone surrogates replaced: JSON can escape them, no encoding can hold them."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_lone_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {
            str(_without_lone_surrogates(name)): _without_lone_surrogates(member)
            for name, member in value.items()
        }
    return value
