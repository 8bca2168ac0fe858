"""A Django view that responds with client secrets, behind Django's own sessions.

    pip install django '.[mint]'
    OPENAI_API_KEY=sk-… python examples/django_view.py runserver   # http://127.0.0.1:8000
    python examples/django_view.py --mock                          # signs in, requests: no key

It works the same under WSGI (gunicorn) and ASGI (uvicorn). The client is made at the first request.
"""

# pyright: basic, reportAttributeAccessIssue=false
# Django has no types of its own; with django-stubs, remove this line and mypy's exception.

from __future__ import annotations

import os
import secrets
import sys
from typing import cast

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import django_view
from openai_realtime.testing import MockRealtimeServer

PAGE = "http://127.0.0.1:8000"

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ.get("DJANGO_SECRET_KEY", secrets.token_hex()),
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    DEBUG="runserver" in sys.argv,
)


def user(request: HttpRequest) -> str | None:
    """Return who asks. With Django's own users: `request.user.pk`, if it is authenticated."""
    return cast("str | None", request.session.get("user"))


@csrf_exempt
def login(request: HttpRequest) -> HttpResponse:
    """Sign in. Your own view checks a password."""
    request.session["user"] = request.POST["user"]
    return HttpResponse(status=204)


urlpatterns = [
    path("login", login),
    path(
        "client-secret",
        django_view(
            RealtimeSessionsClient,
            session={"model": "gpt-realtime-2.1", "voice": "verse"},
            authorize=user,
            origins=[PAGE],
        ),
    ),
]
application = get_wsgi_application()


def try_it() -> None:
    """Request a secret as a page does: before and after signing in."""
    page = Client(headers={"Origin": PAGE, "Host": "127.0.0.1:8000"})
    response = page.post("/client-secret", {}, content_type="application/json")
    print("signed out:", response.status_code, response.json()["message"])
    page.post("/login", {"user": "ann"})
    response = page.post("/client-secret", {}, content_type="application/json")
    print("signed in: ", response.status_code, response.content.decode())


if __name__ == "__main__":
    if "--mock" in sys.argv:
        with MockRealtimeServer() as server:
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY"] = server.api_key
            try_it()
    else:
        execute_from_command_line(sys.argv)
