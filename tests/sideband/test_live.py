"""The sideband of a GPT-Live session: where it differs from a Realtime call's."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from backends import Backend
from websockets.sync.server import ServerConnection, serve

from openai_realtime import APIConnectionError, ConfigurationError, NotFoundError, ParameterError
from openai_realtime.providers import azure, litellm
from openai_realtime.resources import sideband_session, tool_runner
from openai_realtime.resources.sideband_protocol import FunctionCall, LiveProtocol, ResponseProgress
from openai_realtime.types import sideband as events
from openai_realtime.types.sideband import SidebandUsage, read_event
from openai_realtime.types.tools import FunctionTool
from sideband.peer import TEXT, Peer, Script, ScriptedServer, closing, join_live, text

BACKENDS = [Backend("asyncio"), Backend("trio"), Backend("sync")]
KEY = "sk-sideband-0123456789abcdef"
ENDED = b'{"error": {"message": "no such session", "code": "session_id_not_found"}}'


def refuse_ended(peer: Peer) -> None:
    peer.refuse(404, ENDED)


def run(
    backend: Backend, scripts: Sequence[Script], body: Callable[[Any], Any], **options: Any
) -> list[Peer]:
    """Run `body` with a sideband, and return the server's connections."""

    async def connected() -> None:
        with anyio.fail_after(30):
            client = backend.client(base_url=server.base_url, api_key=KEY, max_retries=0)
            async with client, join_live(backend, client, **options) as sideband:
                await body(sideband)

    with ScriptedServer(scripts) as server:
        backend.run(connected)
    return server.peers


def sent_to(peer: Peer) -> Iterator[Any]:
    """Yield the client's events."""
    return (json.loads(payload) for opcode, payload in peer.frames() if opcode == TEXT)


async def read_all(sideband: Any) -> list[str]:
    return [event.type async for event in sideband]


def call(call_id: str, name: str = "f", **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": "{}", **more}


def done(item: Any, task: str | None = "d") -> dict[str, Any]:
    """Return the event of a finished output item."""
    inner = {"type": "response.output_item.done", "item": item}
    return {"type": "response.event", "delegation_id": task, "event": inner}


def last(kind: str = "completed", task: str | None = "d", **response: Any) -> dict[str, Any]:
    """Return the last event of a response."""
    inner = {"type": f"response.{kind}", "response": response}
    return {"type": "response.event", "delegation_id": task, "event": inner}


def closed(seconds: float = 31.5, **more: Any) -> bytes:
    usage = {"seconds": seconds, "active_seconds": 30, "paused_seconds": 1.5}
    return text(
        **{
            "type": "session.closed",
            "reason": "connection_lost",
            "usage": usage,
            "session": {},
            **more,
        }
    )


@pytest.mark.parametrize(
    ("event", "progress"),
    [
        (done(call("a")), (["a"], "open", "d")),
        (done(call("a"), None), (["a"], "complete", "")),
        (done({"type": "message"}), ([], "open", "d")),
        (done(call("a", status="incomplete")), ([], "open", "d")),
        (last(), ([], "complete", "d")),
        (last(output=[call("a")]), (["a"], "complete", "d")),
        (last("failed", output=[call("a")]), ([], "failed", "d")),
        (last("incomplete"), ([], "failed", "d")),
        (last("created"), ([], "open", "d")),
        ({"type": "response.event", "event": "nonsense"}, ([], "complete", "")),
        ({"type": "session.started", "session": {}}, ([], "complete", "")),
    ],
)
def test_the_progress_of_a_response(event: Any, progress: Any) -> None:
    found = read_event(json.dumps(event))
    assert found is not None
    ids, state, response = progress
    calls = [FunctionCall(each, "f", "{}") for each in ids]
    assert LiveProtocol().progress(found) == ResponseProgress(calls, state, response)


def test_typed_events(backend: Backend) -> None:
    cases: list[tuple[type, dict[str, Any]]] = [
        (events.SessionEvent, {"type": "session.started", "session": {"id": "live_1"}}),
        (events.SessionEvent, {"type": "session.updated", "session": {"id": "live_1"}}),
        (events.SessionUsageUpdatedEvent, {"type": "session.usage.updated", "usage": {"seconds": 15}}),
        (events.ResponseEvent, {"type": "response.event", "event": {"type": "x"}}),
        (events.DelegationCreatedEvent, {
            "type": "session.delegation.created",
            "delegation": {"id": "d", "target": "client"},
        }),
        (events.DecisionEvent, {"type": "decision.event", "event": {"type": "decision.completed"}}),
        (events.DecisionEvent, {"type": "decision.item.created", "item": {}}),
        (events.DecisionEvent, {"type": "decision.item.deleted", "item_id": "i"}),
        (events.ErrorEvent, {"type": "error", "error": {"code": None, "message": "no"}}),
        (events.InfoEvent, {"type": "info", "code": "data_channel_permissions", "message": "m"}),
        (events.SidebandEvent, {"type": "info", "code": 3}),  # unfit for its type
        (events.SessionClosedEvent, {"type": "session.closed", "reason": "expired"}),
    ]  # fmt: skip

    async def body(sideband: Any) -> None:
        found = [event async for event in sideband]
        assert [type(event) for event in found] == [kind for kind, _ in cases]
        for event, (_, fields) in zip(found, cases, strict=True):
            assert {name: event[name] for name in fields} == fields

    run(backend, [lambda peer: peer.accept(b"".join(text(**each) for _, each in cases))], body)


def test_where_it_joins(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 404 right after the session began is tried again."""
    monkeypatch.setattr(sideband_session, "SETTLE_SECONDS", 2)

    async def body(sideband: Any) -> None:
        await sideband.greet("Greet the caller.")
        assert await read_all(sideband) == []

    sent: list[Any] = []

    def script(peer: Peer) -> None:
        peer.accept()
        sent.append(next(sent_to(peer)))
        peer.send(closing(1000))

    peers = run(backend, [refuse_ended, script], body, graceful_close=True)
    assert [peer.request.split()[1] for peer in peers] == [
        b"/v1/live/sessions/live_1/attach?graceful_close=true"
    ] * 2
    assert sent == [
        {
            "type": "session.instructions.append",
            "content": "Greet the caller.",
            "delegation_id": None,
        }
    ]


def test_a_session_that_does_not_exist(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sideband_session, "SETTLE_SECONDS", 0.2)

    async def body(_: Any) -> None:
        pytest.fail("it is not open")

    with pytest.raises(NotFoundError, match="no such session") as raised:
        run(backend, [refuse_ended] * 9, body)
    assert raised.value.code == "session_id_not_found"
    assert KEY not in f"{raised.value!r} {raised.value}"


def test_what_cannot_be_joined(backend: Backend) -> None:
    async def body() -> None:
        async with backend.client(
            api_key=KEY, provider=azure("https://x.openai.azure.com")
        ) as client:
            joined = join_live(backend, client)
            request = (joined.wrapped if backend.is_sync else joined)._session.call.request
            assert request.url == "https://x.openai.azure.com/openai/v1/live/sessions/live_1/attach"
        async with backend.client(api_key=KEY) as client:
            for session_id in ("", "a/b", "..", None):
                with pytest.raises(ParameterError, match="session_id"):
                    join_live(backend, client, session_id=session_id)
            for options in ({"graceful_close": "yes"}, {"extra_body": {"a": 1}}, {"a": 1}):
                with pytest.raises(ParameterError):
                    join_live(backend, client, **options)
        async with backend.client(api_key=KEY, provider=litellm("https://l.example")) as client:
            with pytest.raises(ConfigurationError, match="no GPT-Live"):
                join_live(backend, client)

    backend.run(body)


ENDS: dict[str, Callable[[Peer], None]] = {
    "nothing": lambda peer: [*peer.frames()].clear(),
    "reset": Peer.reset,
    "going away": lambda peer: peer.send(closing(1001)),
    "more events": lambda peer: peer.send(text(type="late") * 3),
}


@pytest.mark.parametrize("name", ENDS)
def test_session_closed_ends_the_iteration(backend: Backend, name: str) -> None:
    def script(peer: Peer) -> None:
        peer.accept(text(type="a") + closed())
        next(peer.frames())
        ENDS[name](peer)

    async def body(sideband: Any) -> None:
        kinds = [(await anext(sideband)).type for _ in range(2)]
        await sideband.send({"type": "seen"})
        kinds += await read_all(sideband)
        kinds += await read_all(sideband)
        assert kinds[:2] == ["a", "session.closed"]
        assert set(kinds[2:]) <= {"late"}
        assert sideband.usage == SidebandUsage(seconds=31.5, active_seconds=30, paused_seconds=1.5)
        assert sideband.has_ended

    assert len(run(backend, [script], body)) == 1


def test_a_block_that_ends_after_the_server_has_left() -> None:
    """A transport of uvloop raises an error when it is closed, and something is written."""
    uvloop = pytest.importorskip("uvloop")

    async def body() -> None:
        client: Any = Backend("asyncio").client(base_url=server.base_url, api_key=KEY)
        async with client, client.live.sideband.connect(session_id="live_1") as sideband:
            assert await read_all(sideband) == ["session.closed"]
            while not sideband._socket._transport.is_closing():
                await anyio.sleep(0.001)
            await anyio.sleep(0.01)
            with pytest.raises(APIConnectionError, match="not sent"):
                await sideband.send({"type": "a"})

    with ScriptedServer([lambda peer: peer.accept(closed() + closing(1000))]) as server:
        uvloop.run(body())


def test_usage_is_not_added_up(backend: Backend) -> None:
    tokens = {
        "input_tokens": 100,
        "output_tokens": 20,
        "input_tokens_details": {"cached_tokens": 60},
    }
    said = [
        *({"type": "session.usage.updated", "usage": {"seconds": each}} for each in (15, 30, 29)),
        {"type": "session.usage.updated", "usage": {"seconds": "many"}},
        last(usage=tokens),
        last("failed", usage=tokens),
        last("failed"),
    ]

    async def body(sideband: Any) -> None:
        for seconds in (15, 30, 30, 30, 30, 30, 30):
            await anext(sideband)
            assert sideband.usage.seconds == seconds
        assert await read_all(sideband) == ["session.closed"]
        assert sideband.usage == SidebandUsage(
            responses=3,
            input_tokens=200,
            output_tokens=40,
            cached_tokens=120,
            seconds=29.5,  # the final one counts, whatever was said before
            active_seconds=30,
            paused_seconds=1.5,
        )

    frames = b"".join(text(**each) for each in said) + closed(29.5)
    run(backend, [lambda peer: peer.accept(frames)], body)


def test_events_that_are_repeated_count_once(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sideband_session, "LASTING_SECONDS", 0.0)
    started = text(type="session.started", event_id="e1", session={})
    ended = text(**last(usage={"input_tokens": 5}), event_id="e2")
    audio = text(type="session.input_audio.append", audio="AAAA") + text(
        type="session.output_audio.delta", delta="AAAA", event_id="e0"
    )

    def first(peer: Peer) -> None:
        peer.accept(audio + started + ended + text(type="without an id"))
        next(peer.frames())
        peer.reset()

    def second(peer: Peer) -> None:
        peer.accept(started + ended + text(type="new", event_id="e3") + closing(1011))

    def third(peer: Peer) -> None:
        peer.accept(ended + text(type="new", event_id="e3") + audio + closed(event_id="e4"))

    async def body(sideband: Any) -> None:
        kinds = [(await anext(sideband)).type for _ in range(3)]
        await sideband.send({"type": "seen"})
        async for event in sideband:
            kinds.append(event.type)
            if event.type == events.RECONNECTED:
                assert event.seconds_missed == 0.0, "the server repeats the last 3 seconds"
        assert kinds == [
            "session.started",
            "response.event",
            "without an id",
            "sideband.reconnected",
            "new",
            "sideband.reconnected",
            "session.closed",
        ]
        assert (sideband.usage.responses, sideband.usage.input_tokens) == (1, 5)

    run(backend, [first, second, third], body)


def test_a_long_gap_is_told(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LiveProtocol, "repeated_seconds", 0.1)

    def second(peer: Peer) -> None:
        time.sleep(0.4)
        peer.accept(closed())

    async def body(sideband: Any) -> None:
        event = await anext(sideband)
        assert event.seconds_missed >= 0.2

    run(backend, [lambda peer: peer.accept(closing(1011)), second], body)


def tools(**functions: Callable[..., Any]) -> dict[str, FunctionTool]:
    for name, function in functions.items():
        function.__name__ = name
        function.__doc__ = "Do it."
    return {name: FunctionTool.from_function(each) for name, each in functions.items()}


def outputs(*ids: str) -> list[dict[str, Any]]:
    items = [{"type": "function_call_output", "call_id": each, "output": "done"} for each in ids]
    return [*({"type": "response.item.create", "item": item} for item in items), PROCEED]


PROCEED = {"type": "response.create"}
ROUNDS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "one response": ([done(call("a")), done(call("b")), last()], outputs("a", "b")),
    "a call twice": ([done(call("a")), last(output=[call("a"), call("b")])], outputs("a", "b")),
    "no last event": ([done(call("a")), done(call("b"))], outputs("a", "b")),
    "no task": ([done(call("a"), None)], outputs("a")),
    "one after the other": (
        [done(call("a")), last(), done(call("b")), last()],
        outputs("a") + outputs("b"),
    ),
    "a failed response": ([done(call("a")), last("failed"), done(call("b"), None)], outputs("b")),
}


@pytest.mark.parametrize("name", ROUNDS)
def test_the_model_gets_results_when_it_has_asked_for_all(
    backend: Backend, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_runner, "_OPEN_SECONDS", 0.15)
    said, expected = ROUNDS[name]
    found: list[Any] = []

    def script(peer: Peer) -> None:
        peer.accept(b"".join(text(**each) for each in said))
        for event in sent_to(peer):
            found.append(event)
            if len(found) == len(expected):
                break
        peer.send(closed())

    async def body(sideband: Any) -> None:
        await sideband.run_tools(tools(f=lambda: "done"), timeout=5)

    run(backend, [script], body)
    if name == "one after the other":  # two tasks or threads send
        found.sort(key=expected.index)
        expected = sorted(expected, key=expected.index)
    assert found == expected


def test_a_call_while_the_results_of_others_are_awaited(backend: Backend) -> None:
    """The quiet time of a response begins anew with each of its events."""
    found: list[Any] = []
    may_end = threading.Event()

    def slow() -> str:
        return "done" if may_end.wait(10) else ""

    def script(peer: Peer) -> None:
        peer.accept(text(**done(call("a"))) + text(**done(call("b", "slow"))) + text(**last()))
        peer.send(text(type="later"))
        found.extend(next(messages) for messages in [sent_to(peer)] * 3)
        peer.send(closed())

    async def body(sideband: Any) -> None:
        def note(event: Any) -> None:
            if event.type == "later":
                may_end.set()

        await sideband.run_tools(tools(f=lambda: "done", slow=slow), on_event=note)

    run(backend, [script], body)
    assert found == outputs("a", "b")


def test_a_call_after_the_others_were_answered(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The response's last event is missing, or it came late."""
    monkeypatch.setattr(tool_runner, "_OPEN_SECONDS", 0.1)
    found: list[Any] = []

    def script(peer: Peer) -> None:
        messages = sent_to(peer)
        peer.accept()
        for call_id in ("a", "b"):
            peer.send(text(**done(call(call_id))))
            found.extend(next(messages) for _ in range(2))
        peer.send(closed())

    async def body(sideband: Any) -> None:
        await sideband.run_tools(tools(f=lambda: "done"))

    run(backend, [script], body)
    assert found == outputs("a") + outputs("b")


def test_a_result_waits_for_the_next_connection(backend: Backend) -> None:
    """The session goes on while the sideband is lost, and waits for the results of its tools."""
    found: list[Any] = []
    lost = threading.Event()

    def waits() -> str:
        return "done" if lost.wait(10) else ""

    def first(peer: Peer) -> None:
        peer.accept(text(**done(call("a", "waits"))) + text(**last()) + closing(1011))

    def second(peer: Peer) -> None:
        lost.set()
        time.sleep(0.2)
        peer.accept()
        found.extend(next(messages) for messages in [sent_to(peer)] * 2)
        peer.send(closed())

    async def body(sideband: Any) -> None:
        await sideband.run_tools(tools(waits=waits))

    run(backend, [first, second], body)
    assert found == outputs("a")


@pytest.mark.parametrize("is_read", [False, True], ids=["no reader", "another reader"])
def test_close_ends_the_session_when_asked(backend: Backend, is_read: bool) -> None:
    found: list[Any] = []

    def script(peer: Peer) -> None:
        peer.accept(text(type="a"))
        for event in sent_to(peer):
            found.append(event)
            peer.send(text(type="b") + closed())

    async def body(sideband: Any) -> None:
        kinds: list[str] = []

        async def read() -> None:
            kinds.extend(await read_all(sideband))

        if not is_read:
            await sideband.close(end_session=True)
            await read()
        elif backend.is_sync:
            thread = threading.Thread(target=lambda: kinds.extend(e.type for e in sideband.wrapped))
            thread.start()
            while not sideband.wrapped._session.is_iterated:
                await anyio.sleep(0.001)
            await sideband.close(end_session=True)
            thread.join(10)
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(read)
                await anyio.wait_all_tasks_blocked()
                await sideband.close(end_session=True)
        assert kinds == (["a", "b", "session.closed"] if is_read else [])
        assert sideband.usage.seconds == 31.5
        with pytest.raises(APIConnectionError, match="not sent"):
            await sideband.send({"type": "c"})

    run(backend, [script], body)
    assert found == [{"type": "session.close"}]


def test_close_leaves_the_session(backend: Backend) -> None:
    found: list[Any] = []

    def script(peer: Peer) -> None:
        peer.accept(text(type="a"))
        found.extend(sent_to(peer))

    async def body(sideband: Any) -> None:
        kinds: list[str] = []
        async for event in sideband:
            kinds.append(event.type)
            await sideband.close()
        assert kinds == ["a"]
        assert not sideband.has_ended

    run(backend, [script], body)
    assert found == []


def test_a_session_that_does_not_end_in_time(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sideband_session, "END_SECONDS", 0.2)

    def script(peer: Peer) -> None:
        peer.accept()
        for _ in peer.frames():
            pass

    async def body(sideband: Any) -> None:
        await sideband.close(end_session=True)
        assert sideband.usage == SidebandUsage()

    run(backend, [script], body)


@contextmanager
def websockets_server(handler: Callable[[ServerConnection], None]) -> Iterator[str]:
    with serve(handler, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}/v1"
        server.shutdown()
        thread.join(10)


def test_a_server_of_websockets(backend: Backend) -> None:
    """A whole session: the library's own server reads our frames, and closes as it does."""
    found: list[Any] = []

    def handler(connection: ServerConnection) -> None:
        assert connection.request is not None
        assert connection.request.path == "/v1/live/sessions/live_1/attach"
        assert connection.request.headers["Authorization"] == f"Bearer {KEY}"
        connection.send(json.dumps({"type": "session.started", "session": {"id": "live_1"}}))
        found.append(json.loads(connection.recv()))
        connection.ping()
        for event in (done(call("a")), last()):
            connection.send(json.dumps(event))
        found.extend(json.loads(connection.recv()) for _ in range(2))
        connection.send(json.dumps({"type": "session.usage.updated", "usage": {"seconds": 15}}))

    async def body() -> None:
        with anyio.fail_after(30):
            client = backend.client(base_url=base_url, api_key=KEY, max_retries=0)
            async with client, join_live(backend, client) as sideband:
                await sideband.greet("Greet the caller.")
                await sideband.run_tools(tools(f=lambda: "done"))
                assert sideband.usage.seconds == 15

    with websockets_server(handler) as base_url:
        backend.run(body)
    assert found[0]["type"] == "session.instructions.append"
    assert found[1:] == outputs("a")
