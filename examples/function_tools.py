"""Give the model Python functions to call: `FunctionTool.from_function` describes them.

    OPENAI_API_KEY=sk-… python examples/function_tools.py
    python examples/function_tools.py --mock    # no key, no network

Prints the tools as the model sees them, and the secret. The browser or phone receives the
function calls over its realtime connection; it returns their results, or your backend does.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated, Literal

import anyio
from pydantic import Field

from openai_realtime import FunctionTool, RealtimeSessionsClient
from openai_realtime.testing import MockRealtimeServer

SEATS = {"inside": 4, "garden": 12}


def find_table(
    guests: Annotated[int, Field(ge=1, le=12)],
    day: str,
    room: Literal["inside", "garden"] = "inside",
) -> bool:
    """Look for a free table. Say that you are looking, because it takes a moment.

    Args:
        guests: How many people will come.
        day: The day, as YYYY-MM-DD.
        room: Where they would like to sit.
    """
    return bool(day) and guests <= SEATS[room]


async def main() -> None:
    """Mint a secret for a session that can look for tables, and hang up."""
    async with RealtimeSessionsClient() as client:
        session = await client.sessions.create(
            model="gpt-realtime-2.1",
            instructions="You take reservations for a small restaurant.",
            tools=[
                FunctionTool.from_function(find_table),
                {"type": "function", "name": "hang_up", "description": "End the call."},
            ],
            tool_choice="auto",
        )
    for tool in session.tools or []:
        if isinstance(tool, FunctionTool):  # the other kind is an MCP server
            print(f"{tool.name}: {json.dumps(tool.parameters)}")
    print(f"secret: {session.client_secret.value}")


if __name__ == "__main__":
    if "--mock" in sys.argv:
        with MockRealtimeServer() as server:
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY"] = server.api_key
            anyio.run(main)
    else:
        anyio.run(main)
