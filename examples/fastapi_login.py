"""Serve client secrets to signed-in users: a FastAPI app with a login and the mint service's route.

    pip install fastapi 'openai-realtime[mint]'
    OPENAI_API_KEY=sk-… python examples/fastapi_login.py    # serves http://127.0.0.1:8000
    python examples/fastapi_login.py --mock                 # signs in, requests, and ends: no key

The service needs only `signed_in` from the app: it returns the user's name, or None. Users may choose
between two voices; the server decides everything else.
"""

from __future__ import annotations

import hmac
import os
import secrets
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.testclient import TestClient
from starlette.routing import Route

from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import mint_endpoint
from openai_realtime.testing import MockRealtimeServer

ADDRESS = "http://127.0.0.1:8000"
PASSWORDS = {"ann": "correct horse", "bob": "battery staple"}  # yours are hashed, in a database
COOKIE = "session"
sessions: dict[str, str] = {}


def signed_in(request: Request) -> str | None:
    """Return the user's name, or None: then the service responds with 401."""
    return sessions.get(request.cookies.get(COOKIE, ""))


def create_app() -> FastAPI:
    """Return the app, which keeps one client open while it runs."""
    client = RealtimeSessionsClient(timeout=10)
    endpoint = mint_endpoint(
        client,
        session={"model": "gpt-realtime-2.1", "instructions": "Be brief.", "voice": "verse"},
        authorize=signed_in,
        origins=[ADDRESS],
        allow={"voice": ["verse", "marin"]},
        safety_key=os.environ.get("SAFETY_KEY", secrets.token_hex()),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with client:
            yield
        await endpoint.aclose()

    app = FastAPI(lifespan=lifespan)
    app.add_api_route("/login", login, methods=["POST"], status_code=204)
    app.router.routes.append(Route("/client-secret", endpoint))
    return app


def login(user: str, password: str, response: Response) -> None:
    """Sign in."""
    if not hmac.compare_digest(PASSWORDS.get(user, "").encode(), password.encode()):
        raise HTTPException(401)
    token = secrets.token_urlsafe()
    sessions[token] = user
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict")


def try_it() -> None:
    """Request a secret as a page does, before and after signing in."""
    with TestClient(create_app(), base_url=ADDRESS, headers={"Origin": ADDRESS}) as page:
        response = page.post("/client-secret", json={})
        print("signed out:", response.status_code, response.json()["message"])
        page.post("/login", params={"user": "ann", "password": PASSWORDS["ann"]})
        response = page.post("/client-secret", json={"voice": "marin"})
        print("signed in: ", response.status_code, response.text)
        response = page.post("/client-secret", json={"voice": "marin"}, headers={"Origin": "null"})
        print("no origin: ", response.status_code, response.json()["message"])


if __name__ == "__main__":
    if "--mock" in sys.argv:
        with MockRealtimeServer() as server:
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY"] = server.api_key
            try_it()
    else:
        uvicorn.run(create_app(), port=8000, proxy_headers=False)
