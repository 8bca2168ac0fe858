"""Mount the whole mint service in a Starlette app, for clients that send a token.

    pip install '.[mint]'
    OPENAI_API_KEY=sk-… python examples/starlette_mount.py    # serves http://127.0.0.1:8000
    python examples/starlette_mount.py --mock                 # calls itself, and ends: no key

Below `/voice` are `POST /client-secret`, `/healthz`, `/readyz` and `/metrics`. Starlette does not run the
lifespan of a mounted app, so the outer app gets it: it makes the client, and closes it.
"""

import os
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount
from starlette.testclient import TestClient

from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import Refused, mint_app
from openai_realtime.testing import MockRealtimeServer

TOKENS = {"token-of-ann": "ann", "token-of-mallory": "mallory"}
BARRED = {"mallory"}


async def who(request: Request) -> str | None:
    """Return the token's user. It is async, because yours may query a database."""
    user = TOKENS.get(request.headers.get("authorization", "").removeprefix("Bearer "))
    if user in BARRED:
        raise Refused(403)
    return user


voice = mint_app(
    RealtimeSessionsClient,
    session={"model": "gpt-realtime-2.1", "voice": "verse"},
    authorize=who,
    metrics=True,
)
app = Starlette(routes=[Mount("/voice", voice)], lifespan=voice.router.lifespan_context)


def try_it() -> None:
    """Request until the limit is reached, then print the metrics."""
    with TestClient(app) as phone:
        for token in (*["token-of-ann"] * 4, "token-of-mallory", "made-up"):
            response = phone.post(
                "/voice/client-secret", json={}, headers={"Authorization": f"Bearer {token}"}
            )
            body = response.json()
            print(response.status_code, body.get("value") or body["message"])
        print("ready:", phone.get("/voice/readyz").json()["status"])
        numbers = phone.get("/voice/metrics").text
        print(*(line for line in numbers.splitlines() if "requests_total{" in line), sep="\n")


if __name__ == "__main__":
    if "--mock" in sys.argv:
        with MockRealtimeServer() as server:
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY"] = server.api_key
            try_it()
    else:
        uvicorn.run(app, port=8000, proxy_headers=False)
