"""The official SDK, with its own httpx client or its aiohttp extra."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

from openai import AsyncOpenAI, DefaultAioHttpClient, OpenAI

from benchmarks.peers import Target

# The authority comes from SSL_CERT_FILE.
SESSION = {"type": "realtime", "model": "gpt-realtime", "instructions": "Be brief."}


@asynccontextmanager
async def open_async(target: Target) -> AsyncGenerator[Callable[[], Awaitable[str]]]:
    """Yield what mints one secret."""
    own = DefaultAioHttpClient() if target.variant == "aiohttp" else None
    async with AsyncOpenAI(
        api_key="sk-benchmark", base_url=target.base_url, http_client=own
    ) as client:

        async def mint() -> str:
            answer = await client.realtime.client_secrets.create(session=SESSION)  # type: ignore[arg-type]  # a plain dict, as in its documentation
            return answer.value

        yield mint


@contextmanager
def open_sync(target: Target) -> Generator[Callable[[], str]]:
    """Yield what mints one secret."""
    with OpenAI(api_key="sk-benchmark", base_url=target.base_url) as client:

        def mint() -> str:
            return client.realtime.client_secrets.create(session=SESSION).value  # type: ignore[arg-type]  # a plain dict, as in its documentation

        yield mint
