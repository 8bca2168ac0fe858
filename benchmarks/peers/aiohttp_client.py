"""aiohttp: one session, pydantic for the response."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp

from benchmarks.messages import PARAMETERS
from benchmarks.peers import Target
from benchmarks.plain_model import ClientSecret


@asynccontextmanager
async def open_async(target: Target) -> AsyncGenerator[Callable[[], Awaitable[str]]]:
    """Yield what mints one secret."""
    url = f"{target.base_url}/realtime/client_secrets"
    trust = ssl.create_default_context(cafile=target.authority) if target.authority else True
    connector = aiohttp.TCPConnector(limit=0, ssl=trust)
    headers = {"Authorization": "Bearer sk-benchmark"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def mint() -> str:
            async with session.post(url, json=PARAMETERS) as response:
                response.raise_for_status()
                return ClientSecret.model_validate_json(await response.read()).value

        yield mint
