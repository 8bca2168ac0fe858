"""Begin calls for signed-in users, and end them: a FastAPI app with a login and the routes of calls.

    pip install fastapi 'openai-realtime[mint]'
    OPENAI_API_KEY=sk-… python examples/fastapi_calls.py    # serves http://127.0.0.1:8000
    python examples/fastapi_calls.py --mock                 # signs in, calls, and ends: no key

The page posts its WebRTC offer to `/voice/calls`; it gets the SDP answer and, in `Location`, the address
at which it can hang up. A user has one call at a time, for 15 minutes at most. Signing out ends it.
"""

from __future__ import annotations

import hmac
import os
import secrets
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.testclient import TestClient

from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import CallEvent, call_endpoint
from openai_realtime.testing import MockRealtimeServer

ADDRESS = "http://127.0.0.1:8000"
PASSWORDS = {"ann": "correct horse", "bob": "battery staple"}  # yours are hashed, in a database
COOKIE = "session"
OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"  # a browser's createOffer() makes it
sessions: dict[str, str] = {}


def signed_in(request: Request) -> str | None:
    """Return the user's name, or None: then the service responds with 401."""
    return sessions.get(request.cookies.get(COOKIE, ""))


def on_call(event: CallEvent) -> None:
    """Note who called for how long: here on the console, in your app in the accounts."""
    if event.type == "ended":
        print(f"{event.principal}: {event.duration:.0f} s, ended by {event.reason}")


def create_app() -> FastAPI:
    """Return the app, which keeps one client open while it runs."""
    client = RealtimeSessionsClient(timeout=10)
    calls = call_endpoint(
        client,
        session={"model": "gpt-realtime-2.1", "instructions": "Be brief.", "voice": "verse"},
        authorize=signed_in,
        origins=[ADDRESS],
        max_duration=900,
        heartbeat=90,  # the page sends POST …/heartbeat every 15 s
        safety_key=os.environ.get("SAFETY_KEY", secrets.token_hex()),
        on_call=on_call,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with client:
            await calls.open()
            yield
            await calls.aclose()  # hangs up

    app = FastAPI(lifespan=lifespan)
    app.mount("/voice", calls)

    @app.post("/login", status_code=204)
    def login(user: str, password: str, response: Response) -> None:
        if not hmac.compare_digest(PASSWORDS.get(user, "").encode(), password.encode()):
            raise HTTPException(401)
        token = secrets.token_urlsafe()
        sessions[token] = user
        response.set_cookie(COOKIE, token, httponly=True, samesite="strict")

    @app.post("/logout")
    async def logout(user: Annotated[str | None, Depends(signed_in)], request: Request) -> int:
        sessions.pop(request.cookies.get(COOKIE, ""), None)
        return 0 if user is None else await calls.calls.hang_up(user)

    return app


def try_it() -> None:
    """Call as a page does, before and after signing in."""
    headers = {"Origin": ADDRESS, "Content-Type": "application/sdp"}
    with TestClient(create_app(), base_url=ADDRESS, headers=headers) as page:
        response = page.post("/voice/calls", content=OFFER)
        print("signed out:", response.status_code, response.json()["message"])
        page.post("/login", params={"user": "ann", "password": PASSWORDS["ann"]})
        response = page.post("/voice/calls", content=OFFER)
        print("signed in: ", response.status_code, response.text.splitlines()[0])
        again = page.post("/voice/calls", content=OFFER)
        print("second one:", again.status_code, again.json()["message"])
        page.delete(response.headers["Location"])
        print("hung up:   ", page.post("/voice/calls", content=OFFER).status_code)
        print("signed out:", page.post("/logout").json(), "call ended")


if __name__ == "__main__":
    if "--mock" in sys.argv:
        with MockRealtimeServer() as server:
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY"] = server.api_key
            try_it()
    else:
        # The address of a call may not be in a log: the service masks it in uvicorn's.
        uvicorn.run(create_app(), port=8000, proxy_headers=False)
