"""Answer the telephone: accept calls, greet, look for rooms, and hand over to a human.

    pip install '.[mint,sideband]'
    OPENAI_API_KEY=sk-… OPENAI_WEBHOOK_SECRET=whsec_… uvicorn --app-dir examples --factory telephone_receptionist:make_app
    python examples/telephone_receptionist.py --mock    # three calls ring; no key, no network

Point a SIP trunk at your OpenAI project, and its webhook `realtime.call.incoming` at this app's
`/webhooks/openai`. For GPT-Live, set `API=live`, and send `live.transport.incoming` there.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import uvicorn
from starlette.applications import Starlette

from openai_realtime import FunctionTool, RealtimeSessionsClient, ToolError
from openai_realtime.resources import AsyncSideband
from openai_realtime.testing import MOCK_WEBHOOK_SECRET, MockRealtimeServer
from openai_realtime.types import IncomingCall
from openai_realtime.webhooks import LiveTransportIncoming, RealtimeCallIncoming, on_call_incoming

API = Literal["realtime", "live", "both"]
OPENING_HOURS = range(8, 18)
HOTEL_LINE = "+4930555"
HUMAN = "tel:+49301234567"
TEMPORARILY_UNAVAILABLE = 480  # RFC 3261 §21.4.18
INSTRUCTIONS = "You are the receptionist of a small hotel. Be brief, be kind."
GREETING = "Welcome the caller to the Lakeside Hotel, and ask how you can help."
ROOMS = {"2026-05-04": 3, "2026-05-05": 0}


def now() -> datetime:
    """Return the time here."""
    return datetime.now(UTC).astimezone()


def booked(day: str) -> int:
    """Return how many rooms are free; the model gets the text of a `ToolError`, of nothing else."""
    if day not in ROOMS:
        message = "The booking system knows only May 2026"
        raise ToolError(message)
    return ROOMS[day]


@dataclass(frozen=True)
class Receptionist:
    """Decides on each call that rings, and takes part in those that it accepts."""

    client: RealtimeSessionsClient
    clock: Callable[[], datetime] = now
    rooms: Callable[[str], int] = booked
    tool_timeout: float = 5

    async def answer(self, call: IncomingCall) -> None:
        """Accept or reject. An exception here is logged, and the call is not accepted."""
        is_open = self.clock().hour in OPENING_HOURS
        tools = [*self.tools(call).values()]
        match call:
            case RealtimeCallIncoming() if is_open:
                await self.client.calls.accept(
                    call.call_id,
                    model="gpt-realtime-2.1",
                    instructions=INSTRUCTIONS,
                    audio={"output": {"voice": "marin"}},
                    tools=tools,
                )
            case LiveTransportIncoming() if is_open:
                await self.client.live.sessions.accept(
                    call.session_id,
                    session={
                        "model": "gpt-live-1.1",
                        "instructions": INSTRUCTIONS,
                        "delegation": {
                            "type": "responses",
                            "responses": {"model": "gpt-5.4-mini", "tools": tools},
                        },
                    },
                )
            case RealtimeCallIncoming():
                await self.client.calls.reject(call.call_id, status_code=TEMPORARILY_UNAVAILABLE)
            case LiveTransportIncoming():
                await self.client.live.sessions.reject(
                    call.session_id, status_code=TEMPORARILY_UNAVAILABLE
                )

    async def take_part(self, sideband: AsyncSideband, call: IncomingCall) -> None:
        """Greet the caller, who hears nothing before, and run the model's functions."""
        await sideband.greet(GREETING)
        await sideband.run_tools(self.tools(call), timeout=self.tool_timeout)
        print(f"The call has ended: {sideband.usage}")

    def tools(self, call: IncomingCall) -> dict[str, FunctionTool]:
        """Return the functions that the model may call in a call."""

        def free_rooms(day: str) -> int:
            """Return how many rooms are free.

            Args:
                day: The day, as YYYY-MM-DD.
            """
            return self.rooms(day)

        async def hand_over() -> str:
            """Hand the caller over to a human. Say so before you call it."""
            if isinstance(call, LiveTransportIncoming):
                await self.client.live.sessions.refer(call.session_id, target_uri=HUMAN)
            else:
                await self.client.calls.refer(call.call_id, target_uri=HUMAN)
            return "done"

        functions = (free_rooms, hand_over)
        return {each.__name__: FunctionTool.from_function(each) for each in functions}


def make_app(receptionist: Receptionist | None = None, api: API | None = None) -> Starlette:
    """Return the app. In a fleet, give the route a verifier with an `AsyncRedisReplayStore`."""
    if receptionist is None:
        receptionist = Receptionist(RealtimeSessionsClient(timeout=10))
    if api is None:
        api = "live" if os.environ.get("API") == "live" else "realtime"

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with receptionist.client:
            yield

    route = on_call_incoming(
        receptionist.answer,
        api=api,
        on_sideband=receptionist.take_part,
        client=receptionist.client,
    )
    return Starlette(routes=[route], lifespan=lifespan)


@contextmanager
def serving(app: Starlette) -> Generator[str]:
    """Serve the app on a free port of this machine; yield its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        running = threading.Thread(target=server.run, args=([listening],))
        running.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            running.join()


def main() -> None:
    """Simulate a day, with the mock in place of OpenAI and of the telephone network."""
    hour = 10

    def clock() -> datetime:
        return datetime(2026, 5, 4, hour, tzinfo=UTC)

    with MockRealtimeServer() as openai:
        os.environ["OPENAI_WEBHOOK_SECRET"] = MOCK_WEBHOOK_SECRET
        client = RealtimeSessionsClient(base_url=openai.base_url, api_key=openai.api_key)
        with serving(make_app(Receptionist(client, clock), "both")) as address:
            phone = openai.phone(webhook_url=f"{address}/webhooks/openai")
            for api in ("realtime", "live"):
                call = phone.ring(to=HOTEL_LINE, api=api)
                call.wait_for_decision("accepted")
                print(f"{api}, 10:00:", call.wait_for_speech().text)
                rooms = call.model_calls("free_rooms", {"day": "2026-05-04"})
                print("free rooms:", call.wait_for_output(rooms))
                call.model_calls("hand_over")
                print(call.wait_for_decision("referred"))
            hour = 23
            print("23:00", phone.ring(to=HOTEL_LINE).wait_for_decision("rejected"))


if __name__ == "__main__":
    if "--mock" not in sys.argv:
        sys.exit(__doc__)
    main()
