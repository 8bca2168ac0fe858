from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest
from starlette.requests import ClientDisconnect

from openai_realtime.asgi import BodyReceive
from openai_realtime.mint.http_endpoint import cancel_on_disconnect

END_OF_BODY = {"type": "http.request", "body": b"", "more_body": False}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_only_a_disconnect_stops_the_work(backend: str) -> None:
    messages: list[dict[str, Any]] = [END_OF_BODY] * 3 + [{"type": "http.disconnect"}]
    stopped: list[bool] = []

    async def receive() -> dict[str, Any]:
        await anyio.lowlevel.checkpoint()
        return messages.pop(0)

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            stopped.append(True)

    async def body() -> None:
        body_receive = BodyReceive(receive)
        await body_receive()
        with pytest.raises(ClientDisconnect):
            await cancel_on_disconnect(body_receive, work)

    anyio.run(body, backend=backend)
    assert (messages, stopped) == ([], [True])
