"""Serve client secrets to your web page: a FastAPI app with one endpoint, `POST /session`.

    pip install fastapi uvicorn
    OPENAI_API_KEY=sk-… uvicorn --app-dir examples fastapi_endpoint:app

    OPENAI_API_KEY=sk-… python examples/fastapi_endpoint.py    # calls its own endpoint once
    python examples/fastapi_endpoint.py --mock                 # the same: no key, no network

The app keeps one client open. The provider's error messages go to the log, never to the page. Before
you put the app on the internet, allow only your signed-in users, and limit how often each calls it:
every call costs you money.
"""

import logging
import math
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from openai_realtime import (
    APIConnectionError,
    APIError,
    ClientSecret,
    RateLimitError,
    RealtimeSessionsClient,
)
from openai_realtime.testing import MockRealtimeServer

logger = logging.getLogger("shop")


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, RealtimeSessionsClient], None]:
    """Keep one client open while the app runs."""
    async with RealtimeSessionsClient(timeout=10) as client:
        yield {"realtime": client}


def realtime(request: Request) -> RealtimeSessionsClient:
    """Return the app's client."""
    client: RealtimeSessionsClient = request.state.realtime
    return client


app = FastAPI(lifespan=lifespan)


@app.post("/session")
async def create_session(
    client: Annotated[RealtimeSessionsClient, Depends(realtime)],
) -> ClientSecret:
    """Mint a secret. The server decides what the session may do, not the browser."""
    session = await client.sessions.create(model="gpt-realtime-2.1", voice="verse")
    return session.client_secret


@app.exception_handler(APIError)
async def explain(_: Request, error: APIError) -> JSONResponse:
    """Respond to the page with a short code, and with no text from the provider."""
    logger.error("No secret: %s", error)
    headers = {"Retry-After": f"{math.ceil(error.retry_after)}"} if error.retry_after else None
    if isinstance(error, RateLimitError) and error.retryable:  # else the credit is used up
        return JSONResponse({"error": "busy"}, 429, headers)
    if isinstance(error, APIConnectionError):
        return JSONResponse({"error": "unavailable"}, 503, headers)
    return JSONResponse({"error": "no session"}, 502, headers)


def main() -> None:
    """Start the app in this process, request a secret, and stop it."""
    with TestClient(app) as browser:
        response = browser.post("/session")
    print(response.status_code, response.text)


if __name__ == "__main__":
    if "--mock" in sys.argv:
        with MockRealtimeServer() as server:
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY"] = server.api_key
            main()
    else:
        main()
