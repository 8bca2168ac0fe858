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
_MAX_DIGITS = 4300  # Python's own limit: the running time grows with the square of the digits
_TOO_MANY_DIGITS = "it holds a number with thousands of digits"

# An unclosed string extends to the end of the text, so that no part of it is scanned twice.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_LEVELS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(set(range(256)) - _LEVELS.keys())


def decode_json(body: bytes, *, unique_names: bool = False) -> Json:
    """Return the JSON value in `body`.

    Raises `ValueError` if the body is not JSON by RFC 8259 (NaN and Infinity are not), or is nested
    deeper than 64 levels. The message gives the reason, and quotes nothing of the body. With
    `unique_names`, it also raises if an object has two members of one name: RFC 8259 §4 does not
    define which of them is valid.
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
                # Python's own limit takes no time, but a process may have turned it off.
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
        # Raised here, so that no exception whose frames hold the body is in the chain.
        raise ValueError(reason)
    return value


def nests_too_deeply(body: bytes) -> bool:
    """Return whether JSON in `body` is nested deeper than 64 levels.

    Call it before the JSON is parsed: a recursive parser may exhaust the stack, and since Python
    3.14 the C scanner of `json` has no limit of its own.
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
        message = "an object in it has two members of one name"
        raise _NoJsonError(message)
    return members


def _without_lone_surrogates(value: Json) -> Json:
    """Return `value` with lone surrogates replaced: JSON can escape them, UTF-8 has none."""
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
