"""Mints, begins a call and ends it with pydantic-ai: the arguments are the base URL and the key."""

import asyncio
import json
import sys

from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.realtime.openai import OpenAIRealtimeModel


async def call(base_url: str, api_key: str) -> list[object]:
    provider = OpenAIProvider(base_url=base_url, api_key=api_key)
    model = OpenAIRealtimeModel("gpt-realtime-2.1", provider=provider)
    async with provider.client:
        secret = await model.create_client_secret(
            instructions="Be brief.", expires_after_seconds=60
        )
        answer = await model.answer_webrtc_offer("v=0\r\n", instructions="Be brief.")
        await model.hang_up(answer.session)
        await model.hang_up(answer.session)  # the call is over: it knows the mock's 404
    return [secret.value, secret.webrtc_url, answer.sdp]


sys.stdout.write(json.dumps(asyncio.run(call(*sys.argv[1:]))))
