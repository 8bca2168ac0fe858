"""Body bounds with ASGI adapters that never wait, and responses that are sent before the body was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from openai_realtime.asgi import BodyLimitError, BoundedReceive, LingeringClose, has_body

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

END: Message = {"type": "http.request", "body": b"", "more_body": False}
EMPTY: Message = {"type": "http.request", "body": b"", "more_body": True}
BYTE: Message = {"type": "http.request", "body": b"x", "more_body": True}
DISCONNECT: Message = {"type": "http.disconnect"}
WITH_BODY = [(b"content-length", b"9")]


@pytest.fixture(params=["asyncio", "trio"])
def async_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Adapter:
    """An ASGI `receive` that never waits, and repeats its last message for ever."""

    def __init__(self, *messages: Message) -> None:
        self.messages = list(messages)
        self.calls = 0

    async def __call__(self) -> Message:
        self.calls += 1
        assert self.calls < 3000, "it spins"
        return self.messages.pop(0) if len(self.messages) > 1 else self.messages[0]


def test_after_the_body_only_a_disconnect_is_returned(async_backend: str) -> None:
    async def body() -> None:
        adapter = Adapter(BYTE, END, END, END, DISCONNECT)
        bounded = BoundedReceive(adapter, max_bytes=9, seconds=9)
        assert [await bounded(), await bounded(), await bounded()] == [BYTE, END, DISCONNECT]
        assert await bounded() == DISCONNECT

    anyio.run(body, backend=async_backend)


def test_an_adapter_that_repeats_the_end_of_the_body_does_not_spin(async_backend: str) -> None:
    async def body() -> None:
        adapter = Adapter(END)
        bounded = BoundedReceive(adapter, max_bytes=9, seconds=9)
        await bounded()
        with anyio.move_on_after(0.5):
            await bounded()
        # 10 ms, then twice as long each time: 6 pauses fit into half a second.
        assert adapter.calls <= 8

    anyio.run(body, backend=async_backend)


async def read_for_ever(receive: Receive) -> None:
    while True:
        await receive()


@pytest.mark.parametrize(
    ("message", "seconds", "status", "calls"),
    [
        (EMPTY, 0.2, 408, 25),  # chunks without a byte are paced
        (BYTE, 600, 413, 2501),  # those with one are bounded by their number
    ],
)
def test_an_adapter_that_never_waits_is_bounded_and_other_tasks_run(
    async_backend: str, message: Message, seconds: float, status: int, calls: int
) -> None:
    async def body() -> None:
        adapter = Adapter(message)
        bounded = BoundedReceive(adapter, max_bytes=2500, seconds=seconds)
        others = 0

        async def other() -> None:
            nonlocal others
            while True:
                others += 1
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as group:
            group.start_soon(other)
            with pytest.raises(BodyLimitError, match=str(status)):
                await read_for_ever(bounded)
            group.cancel_scope.cancel()
        assert adapter.calls <= calls
        assert others >= adapter.calls - 1

    anyio.run(body, backend=async_backend)


def test_a_body_of_exactly_the_bound_is_read(async_backend: str) -> None:
    async def body() -> None:
        bounded = BoundedReceive(Adapter(BYTE, BYTE, END), max_bytes=2, seconds=9)
        assert [await bounded() for _ in range(3)] == [BYTE, BYTE, END]
        with pytest.raises(BodyLimitError, match="413"):
            await BoundedReceive(Adapter({**BYTE, "body": b"xxx"}), max_bytes=2, seconds=9)()

    anyio.run(body, backend=async_backend)


@pytest.mark.parametrize(
    ("headers", "there_is_one"),
    [
        ([], False),
        ([(b"content-length", b"0")], False),
        ([(b"content-length", b" 00 ")], False),
        ([(b"host", b"x"), (b"content-length", b"10")], True),
        ([(b"transfer-encoding", b"chunked")], True),
    ],
)
def test_what_announces_a_body(headers: Any, there_is_one: bool) -> None:
    assert has_body({"headers": headers}) is there_is_one


def responded(
    receive: Receive, scope: Scope, *, reads: bool = False, headers: Any = ()
) -> tuple[list[Message], float]:
    """Return the messages that `LingeringClose` sends for a response in two parts, and the duration."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if reads:
            await receive()
        await send({"type": "http.response.start", "status": 403, "headers": list(headers)})
        await send({"type": "http.response.body", "body": b"n", "more_body": True})
        await send({"type": "http.response.body", "body": b"o"})

    async def send(message: Message) -> None:
        sent.append(message)

    async def body() -> float:
        began = anyio.current_time()
        with anyio.fail_after(10):
            await LingeringClose(app)({"type": "http", **scope}, receive, send)
        return anyio.current_time() - began

    return sent, anyio.run(body)


CLOSING = [
    {"type": "http.response.start", "status": 403, "headers": [(b"connection", b"close")]},
    {"type": "http.response.body", "body": b"n", "more_body": True},
    {"type": "http.response.body", "body": b"o", "more_body": True},
    {"type": "http.response.body", "body": b""},
]


@pytest.mark.parametrize("last", [END, DISCONNECT])
def test_the_rest_of_a_body_is_read_and_the_connection_closed(last: Message) -> None:
    adapter = Adapter(BYTE, BYTE, last)
    sent, _ = responded(adapter, {"headers": WITH_BODY})
    assert sent == CLOSING
    assert adapter.calls == 3


@pytest.mark.parametrize(
    ("message", "calls"),
    [
        ({**BYTE, "body": bytes(65_536)}, 2),  # not one more than it takes to exceed 64 KiB
        (EMPTY, 101),
    ],
)
def test_the_wait_is_bounded_in_bytes_and_time(message: Message, calls: int) -> None:
    adapter = Adapter(message)
    sent, seconds = responded(adapter, {"headers": WITH_BODY})
    assert sent == CLOSING
    assert adapter.calls <= calls
    assert seconds >= 1


@pytest.mark.parametrize(
    ("scope", "reads", "headers"),
    [
        ({"headers": WITH_BODY}, True, ()),
        ({"headers": []}, False, ()),
        ({"headers": WITH_BODY, "http_version": "2"}, False, ()),
        ({"headers": WITH_BODY}, False, [(b"Connection", b"close")]),
    ],
)
def test_other_responses_are_not_changed(scope: Scope, reads: bool, headers: Any) -> None:
    sent, _ = responded(Adapter(END), scope, reads=reads, headers=headers)
    assert sent[0]["headers"] == list(headers)
    assert len(sent) == 3


def test_other_scopes_are_passed_on(async_backend: str) -> None:
    scopes: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append((scope, receive, send))

    never: Any = object()
    anyio.run(LingeringClose(app), {"type": "lifespan"}, never, never, backend=async_backend)
    assert scopes == [({"type": "lifespan"}, never, never)]
