"""Serve client secrets to signed-in users: a FastAPI app with a login, and the mint service below `/voice`.

    pip install fastapi '.[mint]'
    OPENAI_API_KEY=sk-… python examples/fastapi_login.py    # serves http://127.0.0.1:8000
    python examples/fastapi_login.py --mock                 # signs in, requests, and ends: no key

The service needs only `signed_in` from the app: it returns the user's name, or None. Users may choose
between two voices; the server decides everything else.
"""

import hmac
import os
import secrets
import sys

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.testclient import TestClient
from pydantic import BaseModel

from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import mint_app
from openai_realtime.testing import MockRealtimeServer

ADDRESS = "http://127.0.0.1:8000"
PASSWORDS = {"ann": "correct horse", "bob": "battery staple"}  # yours are hashed, in a database
USERS: dict[str, str] = {}  # by the token in their cookie; yours are in a database too


class Credentials(BaseModel):
    """What a person types to sign in."""

    user: str
    password: str


def signed_in(request: Request) -> str | None:
    """Return the user's name, or None: then the service responds with 401."""
    return USERS.get(request.cookies.get("login", ""))


voice = mint_app(
    RealtimeSessionsClient,
    session={"model": "gpt-realtime-2.1", "voice": "verse", "instructions": "Be brief."},
    authorize=signed_in,
    origins=[ADDRESS],
    allow={"voice": ["verse", "marin"]},
    limits="5/minute; 50/day",
    global_limits="300/minute",
    safety_key=os.environ.get("SAFETY_KEY", secrets.token_hex()),
)
app = FastAPI(lifespan=voice.router.lifespan_context)
app.mount("/voice", voice)


@app.post("/login", status_code=204)
def login(credentials: Credentials, response: Response) -> None:
    """Sign in."""
    password = PASSWORDS.get(credentials.user, "")
    if not hmac.compare_digest(password.encode(), credentials.password.encode()) or not password:
        raise HTTPException(401)
    token = secrets.token_urlsafe()
    USERS[token] = credentials.user
    response.set_cookie("login", token, httponly=True, samesite="strict")


def try_it() -> None:
    """Request a secret as a page does, before and after signing in."""
    with TestClient(app, base_url=ADDRESS, headers={"Origin": ADDRESS}) as page:
        response = page.post("/voice/client-secret", json={})
        print("signed out:", response.status_code, response.json()["message"])
        page.post("/login", json={"user": "ann", "password": PASSWORDS["ann"]})
        response = page.post("/voice/client-secret", json={"voice": "marin"})
        print("signed in: ", response.status_code, response.text)
        response = page.post("/voice/client-secret", json={}, headers={"Origin": "null"})
        print("no origin: ", response.status_code, response.json()["message"])


if __name__ == "__main__":
    if "--mock" in sys.argv:
        with MockRealtimeServer() as server:
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY"] = server.api_key
            try_it()
    else:
        uvicorn.run(app, port=8000, proxy_headers=False)
