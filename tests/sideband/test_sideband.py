"""What a sideband sends and reads: events, a greeting, tools, usage, and a reader that is slow."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import anyio
import anyio.lowlevel
import httpx
import pytest
from backends import Backend

from openai_realtime import (
    APIConnectionError,
    APITimeoutError,
    ClientClosedError,
    ConfigurationError,
    ParameterError,
    ToolError,
)
from openai_realtime.resources import sideband as sidebands
from openai_realtime.resources.sideband_protocol import (
    FunctionCall,
    RealtimeProtocol,
    ResponseProgress,
)
from openai_realtime.transports import websocket
from openai_realtime.types.sideband import SidebandUsage, read_event
from openai_realtime.types.tools import FunctionTool
from sideband.peer import TEXT, Peer, Script, ScriptedServer, closing, join, text

BACKENDS = [Backend("asyncio"), Backend("trio"), Backend("sync")]
KEY = "sk-sideband-0123456789abcdef"


def find_table(people: int) -> dict[str, int]:
    """Find a free table."""
    return {"table": people * 10}


def broken() -> str:
    """Fail, with a text that is not for the model."""
    message = "postgres://user:password@db"
    raise ValueError(message)


def refused() -> str:
    """Fail, with a text that is for the model."""
    message = "closed on Mondays"
    raise ToolError(message)


async def weather(city: str = "Oslo") -> str:
    """Return the weather."""
    await anyio.lowlevel.checkpoint()
    return f"rain in {city}"


def hangs() -> str:
    """Take too long."""
    time.sleep(3)
    return "late"


async def hangs_too() -> str:
    """Take too long."""
    await anyio.sleep(60)
    return "late"


def unfit() -> object:
    """Return what JSON cannot say."""
    return object()


TOOLS = {
    function.__name__: FunctionTool.from_function(function)
    for function in (find_table, broken, refused, weather, hangs, hangs_too, unfit)
}
CALLS = [
    ("find_table", '{"people": 4}', '{"table":40}'),
    ("find_table", '{"people": "many"}', '{"error":"people: Input should be a valid integer'),
    ("find_table", '{"people": 1, "more": 2}', '{"error":"more: Unexpected keyword argument"}'),
    ("find_table", "", '{"error":"people: Missing required argument"}'),
    ("find_table", "[", '{"error":"'),
    ("weather", "{}", "rain in Oslo"),
    ("weather", '{"city": "Rome"}', "rain in Rome"),
    ("broken", "{}", '{"error":"broken failed"}'),
    ("refused", "{}", '{"error":"closed on Mondays"}'),
    ("unknown", "{}", '{"error":"There is no function unknown"}'),
    ("hangs", "{}", '{"error":"hangs did not finish in time"}'),
    ("hangs_too", "{}", '{"error":"hangs_too did not finish in time"}'),
    ("unfit", "{}", '{"error":"unfit failed"}'),
]


def done(*calls: tuple[str, str]) -> bytes:
    """Return `response.done` with function calls."""
    output = [
        {"type": "function_call", "call_id": f"c{number}", "name": name, "arguments": arguments}
        for number, (name, arguments) in enumerate(calls)
    ]
    return text(type="response.done", response={"output": output})


def run(backend: Backend, script: Script, body: Callable[[Any], Any], **options: Any) -> None:
    """Run `body` with a sideband whose server runs `script`."""

    async def connected() -> None:
        with anyio.fail_after(30):
            client = backend.client(base_url=server.base_url, api_key=KEY, max_retries=0, **options)
            async with client, join(backend, client) as sideband:
                await body(sideband)

    with ScriptedServer([script]) as server:
        backend.run(connected)


def received(peer: Peer, count: int) -> list[Any]:
    """Return the next `count` events of the client."""
    events: list[Any] = []
    for opcode, payload in peer.frames():
        if opcode == TEXT:
            events.append(json.loads(payload))
            if len(events) == count:
                break
    return events


def test_the_model_gets_what_the_functions_return(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[Any] = []
    kinds: list[str] = []

    def script(peer: Peer) -> None:
        peer.accept()
        peer.send(done(*[(name, arguments) for name, arguments, _ in CALLS]))
        answers.extend(received(peer, len(CALLS) + 1))
        peer.send(closing(1000))

    async def body(sideband: Any) -> None:
        await sideband.run_tools(TOOLS, timeout=1, on_event=lambda event: kinds.append(event.type))

    run(backend, script, body)
    assert answers.pop() == {"type": "response.create"}
    for number, (answer, (_, _, expected)) in enumerate(zip(answers, CALLS, strict=True)):
        assert answer["type"] == "conversation.item.create"
        item = answer["item"]
        assert (item["type"], item["call_id"]) == ("function_call_output", f"c{number}")
        assert item["output"].startswith(expected)
        assert "password" not in item["output"]
    assert kinds == ["response.done"]
    assert "The tool broken failed" in caplog.text


def test_events_go_on_while_a_function_runs(backend: Backend) -> None:
    seen = threading.Event()

    def waits() -> str:
        """Wait for the event that comes later."""
        return "seen" if seen.wait(10) else "not seen"

    answers: list[Any] = []

    def script(peer: Peer) -> None:
        peer.accept()
        peer.send(done(("waits", "{}")))
        peer.send(text(type="later"))
        answers.extend(received(peer, 2))
        peer.send(closing(1000))

    async def body(sideband: Any) -> None:
        def note(event: Any) -> None:
            if event.type == "later":
                seen.set()

        tools = {"waits": FunctionTool.from_function(waits)}
        await sideband.run_tools(tools, on_event=note)

    run(backend, script, body)
    assert answers[0]["item"]["output"] == "seen"


def test_what_on_event_raises(backend: Backend) -> None:
    def script(peer: Peer) -> None:
        peer.accept(text(type="a"))
        received(peer, 1)

    def fail(_: object) -> None:
        raise LookupError

    async def body(sideband: Any) -> None:
        with pytest.raises(LookupError):
            await sideband.run_tools(TOOLS, on_event=fail)

    run(backend, script, body)


@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_on_event_may_be_async(name: str) -> None:
    kinds: list[str] = []

    async def note(event: Any) -> None:
        await anyio.lowlevel.checkpoint()
        kinds.append(event.type)

    async def body(sideband: Any) -> None:
        await sideband.run_tools(TOOLS, on_event=note)

    run(Backend(name), lambda peer: peer.accept(text(type="a") + closing(1000)), body)
    assert kinds == ["a"]


def test_a_result_that_comes_after_the_call(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    ended = threading.Event()

    def late() -> str:
        """Return after the call has ended."""
        return "late" if ended.wait(10) else ""

    def script(peer: Peer) -> None:
        peer.accept()
        peer.send(done(("late", "{}")) + closing(1000))

    async def body(sideband: Any) -> None:
        await sideband.run_tools({"late": FunctionTool.from_function(late)})
        ended.set()
        await anyio.sleep(0.1)

    caplog.set_level("INFO", "openai_realtime")
    run(backend, script, body)
    if backend.is_sync:  # on an event loop, what runs is cancelled with the call
        assert "The result of a tool could not be sent" in caplog.text


@pytest.mark.parametrize(
    "tools",
    [
        {},
        [FunctionTool.from_function(find_table)],
        {"a": FunctionTool(name="a")},
        {"a": find_table},
    ],
)
def test_unusable_tools(backend: Backend, tools: Any) -> None:
    async def body(sideband: Any) -> None:
        with pytest.raises(ParameterError, match="tools"):
            await sideband.run_tools(tools)

    run(backend, lambda peer: peer.accept(), body)


def test_a_greeting_and_events(backend: Backend) -> None:
    sent: list[Any] = []

    def script(peer: Peer) -> None:
        peer.accept()
        sent.extend(received(peer, 2))
        peer.send(closing(1000))

    async def body(sideband: Any) -> None:
        await sideband.greet("Greet the caller.")
        await sideband.send({"type": "session.update", "session": {"type": "realtime"}})
        assert [event async for event in sideband] == []

    run(backend, script, body)
    assert sent == [
        {"type": "response.create", "response": {"instructions": "Greet the caller."}},
        {"type": "session.update", "session": {"type": "realtime"}},
    ]


def test_a_call_has_no_event_that_ends_it(backend: Backend) -> None:
    async def body(sideband: Any) -> None:
        with pytest.raises(ParameterError, match=r"calls\.hangup"):
            await sideband.close(end_session=True)
        assert [event async for event in sideband] == []

    run(backend, lambda peer: peer.accept(), body)


@pytest.mark.parametrize("instructions", ["", "  ", None, 3])
def test_what_is_not_a_greeting(backend: Backend, instructions: Any) -> None:
    async def body(sideband: Any) -> None:
        with pytest.raises(ParameterError, match="instructions"):
            await sideband.greet(instructions)

    run(backend, lambda peer: peer.accept(), body)


@pytest.mark.parametrize("event", [{}, {"type": 1}, "x", None, {"type": "a", "b": "\ud800"}])
def test_what_is_not_an_event(backend: Backend, event: Any) -> None:
    async def body(sideband: Any) -> None:
        with pytest.raises(ParameterError):
            await sideband.send(event)

    run(backend, lambda peer: peer.accept(), body)


def test_a_sideband_that_is_not_open(backend: Backend) -> None:
    async def body() -> None:
        async with backend.client(base_url="http://127.0.0.1:9/v1", api_key=KEY) as client:
            sideband = join(backend, client)
            with pytest.raises(ClientClosedError, match="not open"):
                await sideband.send({"type": "a"})
            with pytest.raises(APIConnectionError):
                async with sideband:
                    pass

    backend.run(body)


def test_an_event_for_a_lost_connection_is_not_sent(backend: Backend) -> None:
    async def body(sideband: Any) -> None:
        assert (await anext(sideband)).type == "a"
        with anyio.fail_after(30):
            while True:
                try:
                    await sideband.send({"type": "b"})
                except APIConnectionError:
                    break
                await anyio.sleep(0.01)

    if backend.is_sync:  # it learns of the loss when it reads
        return
    run(backend, lambda peer: peer.accept(text(type="a") + closing(1011)), body)


@pytest.mark.parametrize("call_id", ["", "a/b", "x" * 129, None])
def test_an_unusable_call_id(backend: Backend, call_id: Any) -> None:
    async def body() -> None:
        async with backend.client(api_key=KEY) as client:
            with pytest.raises(ParameterError, match="call_id"):
                join(backend, client, call_id)
            with pytest.raises(ParameterError, match="extra_body must be empty"):
                join(backend, client, extra_body={"a": 1})

    backend.run(body)


@pytest.mark.parametrize("value", ["rtc_other", None])
def test_no_query_replaces_the_call_id(backend: Backend, value: str | None) -> None:
    query = {"call_id": value, "tenant": "a"}

    async def body() -> None:
        client = backend.client(base_url=server.base_url, api_key=KEY, default_query=query)
        async with client, join(backend, client, extra_query={"call_id": value, "x": "1"}):
            pass

    with ScriptedServer([lambda peer: peer.accept()]) as server:
        backend.run(body)
    path = server.peers[0].request.split()[1].decode()
    assert parse_qs(path.partition("?")[2]) == {"tenant": ["a"], "call_id": ["rtc_1"], "x": ["1"]}


def test_without_the_extra_it_says_what_to_install(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "websockets.protocol", None)
    needed = r"a sideband needs websockets: pip install websockets \(the extra sideband\)"

    async def body() -> None:
        async with backend.client(api_key=KEY) as client:
            with pytest.raises(ModuleNotFoundError, match=needed):
                async with join(backend, client):
                    pass

    backend.run(body)


def test_the_users_own_transport_cannot_carry_it(backend: Backend) -> None:
    async def body() -> None:
        transport: Any = httpx.MockTransport(lambda _: httpx.Response(200))
        async with backend.client(api_key=KEY, transport=transport) as client:
            with pytest.raises(ConfigurationError, match="own connections"):
                async with join(backend, client):
                    pass

    backend.run(body)


def test_a_slow_reader_makes_the_server_wait(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "MAX_WAITING_MESSAGES", 20)
    count, payload = 300, "x" * 60_000
    sent: list[int] = []

    def script(peer: Peer) -> None:
        peer.accept()
        for number in range(count):
            peer.send(text(type="a", number=number, payload=payload))
            sent.append(number)
        peer.send(closing(1000))

    async def body(sideband: Any) -> None:
        first = await anext(sideband)
        end = time.monotonic() + 10
        before = -1
        while before != len(sent) and time.monotonic() < end:  # until the server waits
            before = len(sent)
            await anyio.sleep(0.3)
        assert len(sent) < count
        numbers = [first["number"]] + [event["number"] async for event in sideband]
        assert numbers == list(range(count))

    run(backend, script, body)


def test_a_server_that_does_not_read(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidebands, "_SEND_SECONDS", 0.3)
    monkeypatch.setattr(sidebands, "_CLOSE_SECONDS", 0.1)
    may_end = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        may_end.wait(20)

    async def body(sideband: Any) -> None:
        async def send_much() -> None:
            for _ in range(200):
                await sideband.send({"type": "a", "payload": "x" * 1_000_000})

        with pytest.raises(APITimeoutError):
            await send_much()
        may_end.set()

    run(backend, script, body)


def test_a_server_that_reads_slowly(backend: Backend) -> None:
    events: list[Any] = []

    def script(peer: Peer) -> None:
        peer.accept()
        time.sleep(0.3)
        events.extend(received(peer, 2))
        peer.send(closing(1000))

    async def body(sideband: Any) -> None:
        for number in range(2):
            await sideband.send({"type": "a", "number": number, "payload": "x" * 900_000})
        assert [event async for event in sideband] == []

    run(backend, script, body)
    assert [event["number"] for event in events] == [0, 1]


USAGE = {
    "input_tokens": 100,
    "output_tokens": 20,
    "input_token_details": {
        "text_tokens": 60,
        "audio_tokens": 40,
        "image_tokens": 1,
        "cached_tokens": 30,
    },
    "output_token_details": {"text_tokens": 5, "audio_tokens": 15},
}


def test_usage_adds_up(backend: Backend) -> None:
    transcribed = "conversation.item.input_audio_transcription.completed"

    def script(peer: Peer) -> None:
        peer.accept()
        for usage in (USAGE, USAGE, None, "nonsense", {"input_tokens": -5, "output_tokens": True}):
            peer.send(text(type="response.done", response={"usage": usage}))
        peer.send(text(type=transcribed, usage={"type": "tokens", "total_tokens": 7}))
        peer.send(text(type=transcribed, usage={"type": "duration", "seconds": 1.5}))
        peer.send(closing(1000))

    async def body(sideband: Any) -> None:
        async for _ in sideband:
            pass
        assert sideband.usage == SidebandUsage(
            responses=5,
            input_tokens=200,
            output_tokens=40,
            input_text_tokens=120,
            input_audio_tokens=80,
            input_image_tokens=2,
            cached_tokens=60,
            output_text_tokens=10,
            output_audio_tokens=30,
            transcription_tokens=7,
            transcription_seconds=1.5,
        )

    run(backend, script, body)


def event_of(**fields: Any) -> Any:
    event = read_event(json.dumps(fields))
    assert event is not None
    return event


CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
INCOMPLETE = [
    {**CALL, "status": "in_progress"},
    {**CALL, "call_id": 1},
    {**CALL, "name": None},
    {**CALL, "arguments": {}},
    {"type": "message"},
    "nonsense",
]


@pytest.mark.parametrize(
    ("fields", "calls"),
    [
        ({"type": "response.done", "response": {"output": [CALL, *INCOMPLETE]}}, 1),
        ({"type": "response.done", "response": {"output": None}}, 0),
        ({"type": "response.created", "response": {"output": [CALL]}}, 0),
    ],
)
def test_function_calls_of_the_realtime_api(fields: Any, calls: int) -> None:
    found = RealtimeProtocol().progress(event_of(**fields))
    assert found == ResponseProgress([FunctionCall("c", "f", "{}")] * calls)


def test_fields_of_an_event() -> None:
    event = event_of(type="x", event_id="e", more=1)
    assert (event["type"], event["event_id"], event["more"]) == ("x", "e", 1)
    with pytest.raises(KeyError):
        event["less"]


def test_reading_goes_on_when_as_many_messages_as_may_wait_were_read(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "MAX_WAITING_MESSAGES", 20)

    def script(peer: Peer) -> None:
        peer.accept()
        assert received(peer, 1)
        peer.send(b"".join(text(type="a", number=number) for number in range(20)))
        assert received(peer, 1)
        peer.send(text(type="b") + closing(1000))

    async def body(sideband: Any) -> None:
        await sideband.send({"type": "ready"})
        await anyio.sleep(0.2)  # all of them come while nothing waits for them
        assert [(await anext(sideband))["number"] for _ in range(20)] == list(range(20))
        await sideband.send({"type": "read"})
        assert [event.type async for event in sideband] == ["b"]

    run(backend, script, body)


@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_receiving_does_not_wait_for_a_message_that_is_there(name: str) -> None:
    async def body(sideband: Any) -> None:
        assert (await anext(sideband)).type == "a"
        with anyio.fail_after(30):
            await sideband._socket.receive(60)
        assert (await anext(sideband)).type == "b"

    run(Backend(name), lambda peer: peer.accept(text(type="a") + text(type="b")), body)
