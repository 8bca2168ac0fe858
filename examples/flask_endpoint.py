"""A Flask route that responds with client secrets, behind Flask's own sessions.

    pip install flask '.[mint]'
    OPENAI_API_KEY=sk-… flask --app examples/flask_endpoint.py run --port 8000
    python examples/flask_endpoint.py --mock                       # signs in, requests: no key

Under gunicorn each worker makes its client at its first request, also with `--preload`. With more
than one worker, `storage="redis://…"` makes the limits theirs together.
"""

import os
import secrets
import sys
from wsgiref.types import WSGIEnvironment

from flask import Flask, request, session
from werkzeug.wrappers import Response

from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import wsgi_endpoint
from openai_realtime.testing import MockRealtimeServer

PAGE = "http://127.0.0.1:8000"
app = Flask(__name__)
app.secret_key = os.environ.get("FLASK_SECRET_KEY", secrets.token_hex())


def user(_: WSGIEnvironment) -> str | None:
    """Return who asks."""
    return session.get("user")


secret = wsgi_endpoint(
    RealtimeSessionsClient,
    session={"model": "gpt-realtime-2.1", "voice": "verse"},
    authorize=user,
    origins=[PAGE],
)


@app.route("/client-secret", methods=["POST", "OPTIONS"])
def client_secret() -> Response:
    """Respond with a client secret or an error."""
    return Response.from_app(secret, request.environ)


@app.post("/login")
def login() -> tuple[str, int]:
    """Sign in. Your own route checks a password."""
    session["user"] = request.form["user"]
    return "", 204


def try_it() -> None:
    """Request a secret as a page does: before and after signing in."""
    page = app.test_client()
    headers = {"Origin": PAGE}
    response = page.post("/client-secret", json={}, headers=headers)
    print("signed out:", response.status_code, response.get_json()["message"])
    page.post("/login", data={"user": "ann"})
    response = page.post("/client-secret", json={}, headers=headers)
    print("signed in: ", response.status_code, response.get_data(as_text=True))


if __name__ == "__main__":
    if "--mock" not in sys.argv:
        sys.exit("run it with flask, as the first lines of this file say, or with --mock")
    with MockRealtimeServer() as server:
        os.environ["OPENAI_BASE_URL"] = server.base_url
        os.environ["OPENAI_API_KEY"] = server.api_key
        try_it()
