"""Answer the telephone: accept calls in opening hours, reject others, hand over to a human.

    pip install '.[mint]'
    OPENAI_API_KEY=sk-… OPENAI_WEBHOOK_SECRET=whsec_… uvicorn --app-dir examples --factory telephone_receptionist:make_app
    python examples/telephone_receptionist.py --mock    # three calls ring; no key, no network

Point a SIP trunk at your OpenAI project, and its webhook `realtime.call.incoming` at this app's
`/webhooks/openai`. A call to the emergency number is handed to a human at once. A voice session
that should decide so itself gets a tool that calls `client.calls.refer`.
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

import uvicorn
from starlette.applications import Starlette

from openai_realtime import RealtimeSessionsClient
from openai_realtime.testing import MOCK_WEBHOOK_SECRET, MockRealtimeServer
from openai_realtime.webhooks import RealtimeCallIncoming, on_call_incoming

OPENING_HOURS = range(8, 18)
HOTEL_LINE = "+4930555"
EMERGENCY_LINE = "+4930110"
HUMAN = "tel:+49301234567"
TEMPORARILY_UNAVAILABLE = 480  # RFC 3261 §21.4.18


def now() -> datetime:
    """Return the time here."""
    return datetime.now(UTC).astimezone()


@dataclass(frozen=True)
class Receptionist:
    """Decides on each call that rings."""

    client: RealtimeSessionsClient
    clock: Callable[[], datetime] = now

    async def answer(self, call: RealtimeCallIncoming) -> None:
        """Accept, reject or hand over. An exception here is logged, and the call is not accepted."""
        emergency = call.to_number == EMERGENCY_LINE
        if not emergency and self.clock().hour not in OPENING_HOURS:
            await self.client.calls.reject(call.call_id, status_code=TEMPORARILY_UNAVAILABLE)
            return
        await self.client.calls.accept(
            call.call_id,
            model="gpt-realtime-2.1",
            instructions="You are the receptionist of a small hotel. Greet, be brief, be kind.",
            audio={"output": {"voice": "marin"}},
        )
        if emergency:
            await self.client.calls.refer(call.call_id, target_uri=HUMAN)


def make_app(clock: Callable[[], datetime] = now) -> Starlette:
    """Return the app. In a fleet, give the route a verifier with an `AsyncRedisReplayStore`."""
    client = RealtimeSessionsClient(timeout=10)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with client:
            yield

    route = on_call_incoming(Receptionist(client, clock).answer)
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
        os.environ["OPENAI_BASE_URL"] = openai.base_url
        os.environ["OPENAI_API_KEY"] = openai.api_key
        os.environ["OPENAI_WEBHOOK_SECRET"] = MOCK_WEBHOOK_SECRET
        with serving(make_app(clock)) as address:
            phone = openai.phone(webhook_url=f"{address}/webhooks/openai")
            print("10:00", phone.ring(to=HOTEL_LINE).wait_for_decision("accepted"))
            hour = 23
            print("23:00", phone.ring(to=HOTEL_LINE).wait_for_decision("rejected"))
            print("23:00", phone.ring(to=EMERGENCY_LINE).wait_for_decision("referred"))


if __name__ == "__main__":
    if "--mock" not in sys.argv:
        sys.exit(__doc__)
    main()
