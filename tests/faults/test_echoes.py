"""S6 and S10: a server that repeats the key in a form without a known pattern, or odd characters.

`test_secrecy.py` tests keys of a known pattern. In this file only the client knows that it is a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from faults.calling import client_of
from faults.fault import Fault
from faults.leak_checks import assert_nowhere, shown_by, shown_by_logs
from faults.responses import Header, encoded, response
from openai_realtime import APIError, APIResponseValidationError, APIStatusError
from openai_realtime.secrets import MASK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backends import Backend

    from faults.server import FaultServer
    from openai_realtime.observe import Event

KEY = "5F4dcc3b5aa765d61d8327deb882cF99"  # as Azure's look
SECRET = "gAAAAABopaqueAndLongLongLong"  # as LiteLLM's look
OFFER = "v=0\r\n"
# It would begin a new line in a log, in red, read from right to left.
FORGED = "\n2026-11-26 INFO all is well\r\x1b[31m\u202e\u2028\x9b\x00"


@dataclass(frozen=True)
class Echo:
    """A response that repeats a key or a secret."""

    name: str
    status: int
    body: object
    headers: tuple[Header, ...] = ()

    def content(self) -> bytes:
        body = self.body if isinstance(self.body, bytes) else encoded(self.body)
        return response(body, self.status, *self.headers)


KEY_IN_ALL_FIELDS = {
    "error": {
        "message": f"key {KEY} is out of quota, {SECRET} too",
        "code": KEY,
        "param": ["a", KEY],
        "type": f"{KEY}_error",
        KEY: [KEY, {"token": SECRET}],
    }
}
HEADERS = (
    ("X-Echo", KEY),
    ("X-Request-Id", KEY),
    (f"X-{KEY}", "x"),
    ("Location", f"https://h/{KEY}"),
    ("Content-Type", f"text/html; key={KEY}; secret=ek_{KEY[::-1]}"),
)
ECHOES = [
    Echo("an error in a success", 200, {"error": {"message": f"key {KEY} is out of quota"}}),
    Echo("an error text in a success", 200, {"error": f"key {KEY}"}),
    Echo("another error in a success", 200, KEY_IN_ALL_FIELDS, HEADERS),
    Echo("no JSON", 200, b"<html>", HEADERS),
    Echo("no JSON but the key", 200, KEY.encode(), HEADERS),
    Echo("an empty success", 200, b"", HEADERS),
    Echo("a success of another kind", 201, {KEY: KEY, "value": None, "token": SECRET}, HEADERS),
    Echo("a list", 200, [KEY, SECRET], HEADERS),
    Echo("a secret of no text", 200, {"client_secret": {"value": [KEY]}}, HEADERS),
    Echo("a refusal", 401, KEY_IN_ALL_FIELDS, HEADERS),
    Echo("a refusal with its fields at the top", 400, KEY_IN_ALL_FIELDS["error"], HEADERS),
    Echo("a refusal without a message", 400, {"x": [KEY], KEY: 1}, HEADERS),
    Echo("a page", 502, f"<html><title>{KEY}</title>{KEY}".encode(), HEADERS),
    Echo("a text", 500, f"Bad key\n{KEY.lower()}".encode(), HEADERS),
    Echo("a key as JSON spells it", 400, b'{"error":"' + b"\\u0035" + KEY[1:].encode() + b'"}'),
    Echo("a redirect", 307, b"", HEADERS),
]


def everything_in(value: Any) -> str:
    if hasattr(value, "items"):
        return " ".join(f"{name}: {everything_in(member)}" for name, member in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(everything_in, value))
    return f"{value} {value!r}"


def hidden() -> Iterator[str]:
    for secret in (KEY, SECRET, KEY[::-1]):
        yield from (secret, secret.lower())


@pytest.mark.parametrize("echo", ECHOES, ids=lambda echo: echo.name)
@pytest.mark.parametrize("resource", ["sessions", "calls"])
def test_s6_no_error_shows_what_a_server_repeats(
    backend: Backend,
    plain: FaultServer,
    echo: Echo,
    resource: str,
    all_logs: pytest.LogCaptureFixture,
) -> None:
    if resource == "calls" and echo.status == 201:
        pytest.skip("a call's success has no JSON")
    plain.inject(Fault("echo", "request", lambda dialogue: dialogue.send(echo.content())))
    events: list[Event] = []

    async def body() -> APIError:
        async with client_of(
            backend, plain, api_key=KEY, max_retries=0, on_event=events.append
        ) as client:
            call: Any = client.sessions.create
            if resource == "calls":
                call = partial(client.calls.create, sdp=OFFER)
            with pytest.raises(APIError) as caught:
                await call()
            return caught.value

    error = backend.run(body)
    assert isinstance(error, APIStatusError | APIResponseValidationError)
    assert_nowhere(hidden(), shown_by(error))
    assert_nowhere(hidden(), [("attributes", everything_in(vars(error)))])
    assert_nowhere(
        hidden(), [(type(event).__name__, everything_in_event(event)) for event in events]
    )
    assert_nowhere(hidden(), shown_by_logs(all_logs))
    assert error.request_id is None
    if "quota" in str(echo.body) and resource == "sessions":
        assert f"key {MASK} is out of quota" in str(error)


def everything_in_event(event: Event) -> str:
    names = [name for name in dir(event) if not name.startswith("_")]
    return " ".join(everything_in(getattr(event, name)) for name in names)


def test_s6_a_success_shows_neither_key_nor_secret(
    backend: Backend, plain: FaultServer, all_logs: pytest.LogCaptureFixture
) -> None:
    session = {
        "client_secret": {"value": SECRET, "expires_at": 0},
        "id": SECRET,
        "model": f"model-{KEY}",
        "instructions": f"{KEY} {SECRET}",
        "tools": [{"type": "function", "name": KEY, "parameters": {SECRET: KEY}}],
        KEY: KEY,
        SECRET: 1.5,
    }
    headers = (*HEADERS[:-1], ("X-Secret", SECRET), ("Apim-Request-Id", SECRET))
    content = response(encoded(session), 200, *headers)
    plain.inject(Fault("echo", "request", lambda dialogue: dialogue.send(content)))
    events: list[Event] = []

    async def body() -> Any:
        async with client_of(backend, plain, api_key=KEY, on_event=events.append) as client:
            return await client.sessions.create()

    minted = backend.run(body)
    shown = [
        ("repr", f"{minted!r} {minted} {minted.meta!r}"),
        ("headers", everything_in(minted.meta.headers)),
        ("events", " ".join(map(everything_in_event, events))),
    ]
    assert_nowhere(hidden(), shown)
    assert_nowhere(hidden(), shown_by_logs(all_logs))
    assert minted.meta.request_id is None
    assert minted.client_secret.value == SECRET
    assert (minted.id, minted.model) == (SECRET, f"model-{KEY}"), "data stays as it is"


@pytest.mark.parametrize("status", [200, 400])
def test_s10_a_servers_text_is_one_short_line(
    backend: Backend, plain: FaultServer, status: int, all_logs: pytest.LogCaptureFixture
) -> None:
    long = "x" * 50_000
    details = {
        name: f"{name}{FORGED}{long}" for name in ("message", "code", "param", "type", FORGED)
    }
    content = response(
        encoded({"error": details, "more": [details, long]}),
        status,
        ("X-Request-Id", "x" * 1000),
        ("X-Long", "x" * 40_000),
        ("X-Odd", "a\x9b31m\x85"),
    )
    plain.inject(Fault("long", "request", lambda dialogue: dialogue.send(content)))

    async def body() -> APIError:
        async with client_of(backend, plain, max_retries=0) as client:
            with pytest.raises(APIError) as caught:
                await client.sessions.create()
            return caught.value

    error = backend.run(body)
    assert len(str(error)) < 2000
    assert str(error).isprintable()
    for fact in (error.code, error.param, error.type, error.request_id):
        assert fact is None or (len(fact) <= 200 and fact.isprintable())
    shown = everything_in(error.body)
    assert len(shown) < 30_000
    assert shown.isprintable()
    if isinstance(error, APIStatusError):
        assert error.code is not None
        assert error.code.startswith(r"code\n2026-11-26 INFO all is well\r\x1b[31m\u202e")
    headers = (
        error.headers if isinstance(error, APIStatusError | APIResponseValidationError) else {}
    )
    assert headers
    assert max(map(len, headers.values())) == 8192
    assert all(value.isprintable() for value in headers.values())
    assert all(record.getMessage().isprintable() for record in all_logs.records)
