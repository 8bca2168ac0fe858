"""Begin calls for signed-in users, and end them: a FastAPI app whose server hangs up.

    pip install fastapi '.[mint]'
    OPENAI_API_KEY=sk-… python examples/fastapi_calls.py    # serves http://127.0.0.1:8000
    python examples/fastapi_calls.py --mock                 # signs in, calls, and ends: no key

The page posts its WebRTC offer to `/voice/calls`; it gets the SDP answer and, in `Location`, the address
at which it can hang up. A user has one call at a time, for 15 minutes at most. Signing out ends it.
"""

import os
import secrets
import sys

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient

from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import CallEvent, mint_app
from openai_realtime.testing import MockRealtimeServer

ADDRESS = "http://127.0.0.1:8000"
OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"  # a browser's createOffer() makes it
USERS: dict[str, str] = {}  # by the token in their cookie; yours are in a database


def signed_in(request: Request) -> str | None:
    """Return the user's name, or None: then the service responds with 401."""
    return USERS.get(request.cookies.get("login", ""))


def on_call(event: CallEvent) -> None:
    """Note who called for how long: here on the console, in your app in the accounts."""
    if event.type == "ended":
        print(f"{event.principal}: {event.duration:.0f} s, ended by {event.reason}")


voice = mint_app(
    RealtimeSessionsClient,
    session={"model": "gpt-realtime-2.1", "voice": "verse", "instructions": "Be brief."},
    authorize=signed_in,
    origins=[ADDRESS],
    limits="10/minute; 50/day",
    client_secrets=False,  # calls only
    max_duration=900,  # seconds; then the server hangs up
    max_concurrent=1,  # calls of one user at once
    global_max_concurrent=200,
    at_limit="refuse",  # or "end_oldest"
    heartbeat=90,  # seconds without a heartbeat; then the server hangs up
    on_call=on_call,
    safety_key=os.environ.get("SAFETY_KEY", secrets.token_hex()),
)
app = FastAPI(lifespan=voice.router.lifespan_context)
app.mount("/voice", voice)


@app.post("/login", status_code=204)
def login(user: str, response: Response) -> None:
    """Sign in. Your own route checks a password."""
    token = secrets.token_urlsafe()
    USERS[token] = user
    response.set_cookie("login", token, httponly=True, samesite="strict")


@app.post("/logout")
async def logout(request: Request, response: Response) -> int:
    """Sign out, and end the user's call; return how many there were."""
    response.delete_cookie("login")
    user = USERS.pop(request.cookies.get("login", ""), None)
    return 0 if user is None else await voice.state.calls.hang_up(user)


def try_it() -> None:
    """Call as a page does, before and after signing in."""
    headers = {"Origin": ADDRESS, "Content-Type": "application/sdp"}
    with TestClient(app, base_url=ADDRESS, headers=headers) as page:
        response = page.post("/voice/calls", content=OFFER)
        print("signed out:", response.status_code, response.json()["message"])
        page.post("/login", params={"user": "ann"})
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
        uvicorn.run(app, port=8000, proxy_headers=False)
