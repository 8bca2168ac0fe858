"""Other people's SDKs begin a call at the mock, join it by its sideband, and hang up."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from executables import npm_package, program

from openai_realtime.testing import MockRealtimeServer

pytestmark = pytest.mark.sdks

SCRIPTS = Path(__file__).parent
OFFER = "v=0\r\n"
GREETED = "I was told: Greet the caller"
RETURNED = 'The function returned: {"table":40}'
DELEGATION: Any = {
    "type": "responses",
    "responses": {
        "model": "gpt-6",
        "tools": [{"type": "function", "name": "find_table", "parameters": {}, "strict": False}],
    },
}


@pytest.fixture
def server() -> Iterator[MockRealtimeServer]:
    with MockRealtimeServer(usage_interval=0.1) as server:
        yield server


def run(*command: str | Path, script: str | None = None, folder: Path | None = None) -> Any:
    """Run a program, and return the JSON that it prints."""
    done = subprocess.run(
        command, input=script, capture_output=True, text=True, cwd=folder, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return json.loads(done.stdout)


def until(connection: Any, event_type: str) -> Any:
    """Return the next event of a type, parsed by the official SDK."""
    return next(event for event in connection if event.type == event_type)


@pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning")  # the SDK's own
def test_the_official_python_sdk(server: MockRealtimeServer) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=server.base_url, api_key=server.api_key, max_retries=0) as client:
        created = client.realtime.calls.create(
            sdp=OFFER, session={"type": "realtime", "model": "gpt-realtime-2.1"}
        )
        call = server.call(created.response.headers["location"].rpartition("/")[2])
        with client.realtime.connect(call_id=call.call_id) as connection:
            connection.session.update(session={"type": "realtime", "instructions": "Be brief."})
            assert until(connection, "session.updated").session.instructions == "Be brief."
            connection.response.create(response={"instructions": "Greet the caller"})
            done = until(connection, "response.done").response
            assert done.output[0].content[0].transcript == GREETED
            assert done.usage.output_token_details.audio_tokens > 0
            call_id = call.model_calls("find_table", {"people": 4})
            item = until(connection, "response.done").response.output[0]
            assert (item.call_id, item.name, item.arguments) == (
                call_id,
                "find_table",
                '{"people": 4}',
            )
            connection.conversation.item.create(
                item={"type": "function_call_output", "call_id": call_id, "output": '{"table":40}'}
            )
            connection.response.create()
            done = until(connection, "response.done").response
            assert done.output[0].content[0].transcript == RETURNED
            client.realtime.calls.hangup(call.call_id)
            assert list(connection) == []
        created = client.live.create(
            session={"model": "gpt-live-1", "delegation": DELEGATION},
            transport={"type": "webrtc", "sdp": OFFER},
        )
        call = server.call(created.session.id)
        with client.live.sideband.connect(
            session_id=created.session.id, graceful_close=True
        ) as live:
            assert until(live, "session.started").session.id == created.session.id
            live.session.update(session={})
            assert until(live, "session.updated").session.delegation.responses.model == "gpt-6"
            live.session.instructions.append(content="Greet the caller", delegation_id=None)
            assert until(live, "session.instructions.appended").start_ms >= 0
            assert until(live, "session.output_transcript.delta").delta == "I "
            assert until(live, "session.usage.updated").usage.seconds == 15
            call_id = call.model_calls("find_table", {"people": 4})
            assert until(live, "session.delegation.created").delegation.target == "responses"
            inner: dict[str, Any] = {}
            while inner.get("type") != "response.output_item.done":
                inner = until(live, "response.event").event
            assert inner["item"]["call_id"] == call_id
            output = {"type": "function_call_output", "call_id": call_id, "output": '{"table":40}'}
            live.response.item.create(item=output)
            live.response.create()
            assert call.wait_for_output(call_id) == '{"table":40}'
            client.live.sessions.hangup(created.session.id)
            assert until(live, "session.closed").reason == "close_requested"
            assert list(live) == []
        with pytest.raises(openai.NotFoundError):
            client.live.sessions.hangup(created.session.id)
    assert RETURNED in [each.text for each in call.transcript]


def test_the_official_node_sdk(server: MockRealtimeServer) -> None:
    packages = npm_package("openai").parents[1]
    script = (SCRIPTS / "node_sidebands.mjs").read_text("utf-8")
    command = (program("node"), "--input-type=module", "-", server.base_url, server.api_key)
    heard = run(*command, script=script, folder=packages)
    assert heard["realtime"] == {"transcript": GREETED, "close": 1000}
    assert heard["live"] == {
        "deltas": "I was told: Greet the caller",
        "reason": "close_requested",
        "close": 1000,
    }


def test_pydantic_ai(server: MockRealtimeServer) -> None:
    python = Path(sys.prefix) / "sdks" / "python" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{python} is not there: .ci/fetch_sdks fetches it")
    results: list[str] = []

    def play() -> None:
        """Let the model of each call call the function."""
        for number in (1, 2):
            while len(server.calls) < number:
                if ended.wait(0.01):
                    return
            call = server.calls[-1]
            call.wait_for_event("session.update", timeout=30)
            results.append(
                call.wait_for_output(call.model_calls("find_table", {"people": 4}), timeout=30)
            )

    ended = threading.Event()
    playing = threading.Thread(target=play)
    playing.start()
    try:
        printed = run(python, SCRIPTS / "pydantic_ai_sidebands.py", server.base_url, server.api_key)
    finally:
        ended.set()
        playing.join(40)
    assert results == ["40", "40"]
    assert printed == {"realtime": ["find_table"], "live": ["find_table"]}
