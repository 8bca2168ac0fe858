"""Searches for keys and secrets in everything that an error or a log shows."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from traceback import TracebackException
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def assert_nowhere(secrets: Iterable[str], texts: Iterable[tuple[str, str]]) -> None:
    """Check that no secret is in any of the named texts. The failure shows the text's name."""
    searched = [secret for secret in secrets if secret]
    for name, text in texts:
        found = [secret for secret in searched if secret in text]
        context = [text[max(0, text.index(secret) - 100) :][:200] for secret in found]
        assert not found, f"in {name}: … {context[0]} …"


def shown_by(error: BaseException) -> Iterator[tuple[str, str]]:
    """Yield every text, with its name, that an exception and its causes show."""
    for origin in origins(error):
        name = type(origin).__name__
        yield f"repr of {name}", repr(origin)
        yield f"str of {name}", str(origin)
        yield f"args of {name}", repr(origin.args)
        yield f"attributes of {name}", repr(vars(origin))
        yield f"notes of {name}", repr(getattr(origin, "__notes__", []))
        traceback = TracebackException.from_exception(origin, capture_locals=True)
        yield f"traceback of {name}", "".join(traceback.format())


def origins(error: BaseException) -> list[BaseException]:
    """Return an exception with its causes, contexts and members at any depth."""
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
    """Yield the text and the arguments of every log record."""
    formatter = logging.Formatter("%(name)s %(message)s")
    for record in logs.records:
        yield f"log of {record.name}", formatter.format(record)
        yield f"log arguments of {record.name}", repr(record.args)
