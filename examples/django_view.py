"""A Django view that responds with client secrets, behind Django's own sessions.

    pip install django 'openai-realtime[mint]'
    OPENAI_API_KEY=sk-… python examples/django_view.py    # serves http://127.0.0.1:8000
    python examples/django_view.py --mock                 # signs in, requests, and ends: no key

The view passes the request, with the user of Django's session, to the mint service's endpoint.
Django must run as ASGI. It cancels the view, and minting, when the browser disconnects.
"""

# pyright: basic, reportAttributeAccessIssue=false
# Django has no types of its own; with django-stubs, remove this line and mypy's exception.

from __future__ import annotations

import os
import secrets
import sys
from functools import cache
from typing import TYPE_CHECKING

import anyio
import django
import httpx
import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from starlette.requests import Request

from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import MintEndpoint, mint_endpoint
from openai_realtime.testing import MockRealtimeServer

if TYPE_CHECKING:
    from django.core.handlers.asgi import ASGIRequest

ADDRESS = "http://127.0.0.1:8000"


@cache
def endpoint() -> MintEndpoint:
    """Return the process' endpoint, which is made at the first request."""
    return mint_endpoint(
        RealtimeSessionsClient(timeout=10),
        session={"model": "gpt-realtime-2.1", "voice": "verse"},
        authorize=lambda request: request.state.user,
        origins=[ADDRESS],
    )


@csrf_exempt  # the endpoint accepts only JSON, and only from the listed origins
async def client_secret(request: ASGIRequest) -> HttpResponse:
    """Respond with a client secret or an error."""
    user = await request.session.aget("user")
    scope = {**request.scope, "state": {"user": user}}
    response = await endpoint().respond(Request(scope), request.body)
    return HttpResponse(bytes(response.body), status=response.status_code, headers=response.headers)


@csrf_exempt
async def login(request: ASGIRequest) -> HttpResponse:
    """Sign in. Your own view checks a password."""
    await request.session.aset("user", request.POST["user"])
    return HttpResponse(status=204)


urlpatterns = [path("login", login), path("client-secret", client_secret)]

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ.get("DJANGO_SECRET_KEY", secrets.token_hex()),
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)
django.setup()
application = get_asgi_application()


async def try_it() -> None:
    """Request a secret as a page does: before and after signing in."""
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(
        transport=transport, base_url=ADDRESS, headers={"Origin": ADDRESS}
    ) as page:
        response = await page.post("/client-secret", json={})
        print("signed out:", response.status_code, response.json()["message"])
        await page.post("/login", data={"user": "ann"})
        response = await page.post("/client-secret", json={})
        print("signed in: ", response.status_code, response.text)


if __name__ == "__main__":
    if "--mock" in sys.argv:
        with MockRealtimeServer() as server:
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY"] = server.api_key
            anyio.run(try_it)
    else:
        uvicorn.run(application, port=8000, proxy_headers=False)
