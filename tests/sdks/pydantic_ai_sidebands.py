"""pydantic-ai begins a call of each API, joins it, runs a function and hangs up.

The arguments are the base URL and the key. It prints the functions that ran in each call.
"""

import asyncio
import json
import sys

from pydantic_ai import Agent
from pydantic_ai.messages import FunctionToolResultEvent
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.realtime.openai import OpenAIRealtimeModel
from pydantic_ai.realtime.openai_live import OpenAILiveModel


def find_table(people: int) -> int:
    """Find a table."""
    return 10 * people


agent = Agent(instructions="Be brief.", tools=[find_table])


async def talk(base_url: str, api_key: str) -> dict[str, list[str]]:
    ran: dict[str, list[str]] = {}
    for name, kind, model in (
        ("realtime", OpenAIRealtimeModel, "gpt-realtime-2.1"),
        ("live", OpenAILiveModel, "gpt-live-1"),
    ):
        provider = OpenAIProvider(base_url=base_url, api_key=api_key)
        realtime = agent.realtime(kind(model, provider=provider))
        async with provider.client:
            answer = await realtime.answer_webrtc_offer("v=0\r\n")
            async with realtime.session(provider_session=answer.session) as session:
                ran[name] = []
                async for event in session:
                    if isinstance(event, FunctionToolResultEvent):
                        ran[name].append(str(event.part.tool_name))
                        break
            await realtime.hang_up(answer.session)
            await realtime.hang_up(answer.session)  # the call is over: it knows the mock's 404
    return ran


sys.stdout.write(json.dumps(asyncio.run(talk(*sys.argv[1:]))))
