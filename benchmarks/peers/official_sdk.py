"""The official SDK, with its own httpx client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

from openai import AsyncOpenAI, DefaultAsyncHttpxClient, OpenAI

from benchmarks.peers import Target

SESSION = {"type": "realtime", "model": "gpt-realtime-2.1", "instructions": "Be brief."}


# The authority comes from SSL_CERT_FILE.
@asynccontextmanager
async def open_async(
    target: Target, http_client: DefaultAsyncHttpxClient | None = None
) -> AsyncGenerator[Callable[[], Awaitable[str]]]:
    """Yield what mints one secret."""
    async with AsyncOpenAI(
        api_key="sk-benchmark", base_url=target.base_url, http_client=http_client
    ) as client:

        async def mint() -> str:
            secret = await client.realtime.client_secrets.create(session=SESSION)  # type: ignore[arg-type]  # a plain dict, as in its documentation
            return secret.value

        yield mint


@contextmanager
def open_sync(target: Target) -> Generator[Callable[[], str]]:
    """Yield what mints one secret."""
    with OpenAI(api_key="sk-benchmark", base_url=target.base_url) as client:

        def mint() -> str:
            return client.realtime.client_secrets.create(session=SESSION).value  # type: ignore[arg-type]  # a plain dict, as in its documentation

        yield mint
