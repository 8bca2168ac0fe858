"""Suggests the name that was probably meant by an unknown one."""

from __future__ import annotations

from collections.abc import Iterable


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `: did you mean …?` with the known name most similar to `name`, or an empty text."""
    import difflib  # noqa: PLC0415 - needed for errors only

    matches = difflib.get_close_matches(name, sorted(known), n=1)
    return f": did you mean {matches[0]}?" if matches else ""
