"""How a minted session reads in a terminal.

Owns: rows and wording. Must not know: how it was minted, nor where it is written. Names in the
table are those that `--param` takes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from rich.table import Table
from rich.text import Text

from openai_realtime.core.peer_text import MAX_NAME_CHARACTERS, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from openai_realtime.core.meta import ResponseMeta
    from openai_realtime.types.client_secret import (
        ClientSecret,
        FlatSecretResponse,
        NestedSecretResponse,
    )

_SECRET = "client_secret"  # noqa: S105 - the name of a field
_PADDING = 2
_MAX_VALUE_CHARACTERS = 64 * 1024

# Not worth a row: what the object is has been asked for; sessions say 0 for "does not expire".
_HIDDEN = frozenset(
    {
        ("object", "realtime.session"),
        ("object", "realtime.transcription_session"),
        ("expires_at", "0"),
    }
)
# Null says something here, where it is "none" elsewhere.
_SAID_BY_NULL = {"turn_detection": "off: the client says when a turn is over"}


def session_table(session: FlatSecretResponse | NestedSecretResponse) -> tuple[Table, int]:
    """Return the table of a session, and the least width that keeps the secret in one piece."""
    table = Table.grid(padding=(0, _PADDING))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    rows = session_rows(session)
    for name, value in rows:
        # As Text: the server's words are no markup.
        table.add_row(Text(name), Text(value, style="bold" if name == _SECRET else ""))
    label = max(len(name) for name, _ in rows)
    return table, label + _PADDING + len(session.client_secret.value)


def session_rows(session: FlatSecretResponse | NestedSecretResponse) -> list[tuple[str, str]]:
    """Return the rows of a session: the fields that are set, then the secret and its expiry."""
    fields = session.model_dump(exclude_unset=True, exclude={*session.SECRET_FIELDS})
    mask = session.meta.sanitizer.mask
    rows = [
        (
            visible(mask(name, MAX_NAME_CHARACTERS)),
            "\n".join(map(visible, mask(value, _MAX_VALUE_CHARACTERS).splitlines())),
        )
        for name, value in _flattened(fields)
        if (name, value) not in _HIDDEN
    ]
    secret = session.client_secret
    return [*rows, (_SECRET, str(secret.value)), ("expires", expiry(secret))]


def _flattened(members: dict[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every value that is set, by its dotted name."""
    for member, value in members.items():
        # Cut, so that many members of one with a long name are not each as long.
        name = (prefix + member)[: 2 * MAX_NAME_CHARACTERS]
        if isinstance(value, dict):
            yield from _flattened(cast("dict[str, object]", value), f"{name}.")
        elif value is not None and value != []:
            yield name, _told(value)
        elif value is None and name in _SAID_BY_NULL:
            yield name, _SAID_BY_NULL[name]


def _told(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(_told(_name(item)) for item in cast("list[object]", value))
    return json.dumps(value, ensure_ascii=False)


def _name(item: object) -> object:
    """Return the name of a tool: its whole schema would fill the screen."""
    if not isinstance(item, dict):
        return item
    return cast("dict[str, object]", item).get("name", cast("object", item))


def expiry(secret: ClientSecret) -> str:
    """Return when a secret expires, as local time and seconds left."""
    moment, seconds = secret.expires_at_datetime, secret.seconds_left
    if moment is None or seconds is None:
        return "unknown"
    left = f"{seconds:.0f} s left" if seconds else "expired already"
    return f"{_local(moment).isoformat(' ', 'seconds')} ({left})"


def _local(moment: datetime) -> datetime:
    try:
        return moment.astimezone()
    except OverflowError:  # the last day of the year 9999, east of Greenwich
        return moment


def meta_line(meta: ResponseMeta) -> Text:
    """Return how the call went: request id, attempts, elapsed time, and what was odd."""
    told = [
        f"request id {visible(meta.request_id)}" if meta.request_id else "no request id",
        "1 attempt" if meta.attempts == 1 else f"{meta.attempts} attempts",
        f"{meta.elapsed:.3f} s",
    ]
    if meta.dropped:
        told.append(f"dropped: {_names(meta.dropped)}")
    if meta.possible_orphans:
        told.append(f"{meta.possible_orphans} earlier secrets may be lost")
    if meta.unreadable:
        told.append(f"not understood: {_names(sorted(meta.unreadable))}")
    return Text(", ".join(told), style="dim")


def dropped_text(meta: ResponseMeta) -> str:
    """Return the warning that some parameters were not sent."""
    names = _names(meta.dropped)
    return f"not sent, as the server has no place for: {names} (--strict makes this an error)"


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(visible, names))
