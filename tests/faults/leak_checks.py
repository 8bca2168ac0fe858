"""Looks for keys and secrets wherever an error or a log shows itself.

Owns: the places to look. Must not know: what is looked for, or how the error came about.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from traceback import TracebackException
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def assert_nowhere(needles: Iterable[str], places: Iterable[tuple[str, str]]) -> None:
    """Fail with the place, and not with the whole haystack, where a needle is found."""
    wanted = [needle for needle in needles if needle]
    for place, text in places:
        found = [needle for needle in wanted if needle in text]
        around = [text[max(0, text.index(needle) - 100) :][:200] for needle in found]
        assert not found, f"in {place}: … {around[0]} …"


def shown_by(error: BaseException) -> Iterator[tuple[str, str]]:
    """Yield every text that an exception and all behind it shows."""
    for origin in origins(error):
        name = type(origin).__name__
        yield f"repr of {name}", repr(origin)
        yield f"str of {name}", str(origin)
        yield f"args of {name}", repr(origin.args)
        yield f"attributes of {name}", repr(vars(origin))
        yield f"notes of {name}", repr(getattr(origin, "__notes__", []))
        told = TracebackException.from_exception(origin, capture_locals=True)
        yield f"traceback of {name}", "".join(told.format())


def origins(error: BaseException) -> list[BaseException]:
    """Return an exception, and its causes, contexts and members, however deep."""
    found: dict[int, BaseException] = {}
    pending: list[BaseException | None] = [error]
    while pending:
        origin = pending.pop()
        if origin is None or id(origin) in found:
            continue
        found[id(origin)] = origin
        pending += [origin.__cause__, origin.__context__]
        if isinstance(origin, BaseExceptionGroup):
            pending += origin.exceptions
    return list(found.values())


def shown_by_logs(logs: pytest.LogCaptureFixture) -> Iterator[tuple[str, str]]:
    """Yield what every logger has said."""
    formatter = logging.Formatter("%(name)s %(message)s")
    for record in logs.records:
        yield f"log of {record.name}", formatter.format(record)
        yield f"log arguments of {record.name}", repr(record.args)
