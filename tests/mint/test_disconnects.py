from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest
from starlette.requests import ClientDisconnect

from openai_realtime.mint.disconnects import unless_disconnected

MORE = {"type": "http.request", "body": b"", "more_body": False}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_only_a_disconnect_stops_the_work(backend: str) -> None:
    messages: list[dict[str, Any]] = [MORE, MORE, {"type": "http.disconnect"}]
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
        with pytest.raises(ClientDisconnect):
            await unless_disconnected(receive, work)

    anyio.run(body, backend=backend)
    assert (messages, stopped) == ([], [True])
