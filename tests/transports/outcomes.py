"""The result of a server's bytes on a connection without a socket."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import NamedTuple

from openai_realtime.core.wire import Request
from openai_realtime.errors import APIConnectionError
from openai_realtime.transports.connection import Connection
from openai_realtime.transports.http1 import read_by_h11, read_by_httptools

KEY = "sk-outcomes-0123456789abcdef"
REQUEST = Request(
    "POST",
    "https://api.example.com/v1/things?a=b",
    ((b"Authorization", b"Bearer " + KEY.encode()), (b"Content-Type", b"application/json")),
    b"{}",
)
# httptools has no wheel for some Pythons.
PARSERS = (read_by_h11, read_by_httptools) if find_spec("httptools") else (read_by_h11,)


class Outcome(NamedTuple):
    """A response, or why there is none."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: str = ""
    is_reusable: bool = False


INCOMPLETE = Outcome(error="incomplete")


def receive(connection: Connection, data: bytes) -> bytes:
    """Pass on what came, with all its slices, as a shell does; return what is to be sent."""
    reply = connection.receive(data)
    while connection.is_backlogged:
        reply += connection.receive(b"")
    return reply


def outcome_of(*pieces: bytes, ends: bool = False) -> Outcome:
    """Return what becomes of a request when the server sends `pieces`, and ends the connection."""
    connection = Connection()
    connection.send(REQUEST)
    try:
        waiting = iter(pieces)
        for piece in waiting:
            receive(connection, piece)
            if not connection.is_busy:
                break
        if ends and connection.is_busy:
            connection.receive_eof()
        if connection.is_busy:
            return INCOMPLETE
        response = connection.response()
    except APIConnectionError as error:
        facts = error.message, error.phase, error.retryable, error.possibly_acted
        return Outcome(error=" ".join(map(str, (type(error).__name__, *facts))))
    for piece in waiting:
        receive(connection, piece)
    if ends:
        connection.receive_eof()
    headers = [
        # h11 writes it in lower case.
        (name, value.lower() if name == "transfer-encoding" else value)
        for name, value in response.headers.items()
    ]
    return Outcome(
        response.status, tuple(headers), response.body, is_reusable=connection.may_serve_again
    )


def cuts(data: bytes) -> Iterator[tuple[bytes, ...]]:
    """Yield `data` whole, in two at every byte, and byte by byte."""
    yield (data,)
    for position in range(1, len(data)):
        yield data[:position], data[position:]
    yield tuple(data[position : position + 1] for position in range(len(data)))
