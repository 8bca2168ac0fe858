"""`django_view`: the mint endpoint as a view of Django."""

# pyright: basic, reportAttributeAccessIssue=false
# Django has no types of its own.

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack, cast

from openai_realtime.client_source import ClientOrFactory
from openai_realtime.lazy_imports import missing_package
from openai_realtime.mint.options import EndpointOptions
from openai_realtime.mint.wsgi import ThreadedEndpoint

try:
    from django.http import HttpRequest, HttpResponse
except ModuleNotFoundError as _error:
    raise missing_package(_error, "django_view", {"django"}) from None


def django_view(
    client: ClientOrFactory,
    *,
    authorize: Callable[[HttpRequest], str | None],
    **options: Unpack[EndpointOptions],
) -> Callable[[HttpRequest], HttpResponse]:
    """Return a Django view that responds with client secrets, under WSGI and under ASGI.

        def user(request: HttpRequest) -> str | None:
            return str(request.user.pk) if request.user.is_authenticated else None

        urlpatterns = [
            path("client-secret", django_view(RealtimeSessionsClient, session={…}, authorize=user)),
        ]

    It works as `wsgi_endpoint` does, but `authorize` takes Django's request. The view is exempt from
    Django's CSRF check: it accepts only JSON, and only from the pages in `origins`.

    Raises `ConfigurationError` when an option is missing or unusable.
    """
    endpoint = ThreadedEndpoint(client, cast("Callable[[object], object]", authorize), options)

    def view(request: HttpRequest) -> HttpResponse:
        response = endpoint.respond(request.META, request, request)
        headers = dict(response.headers.items())
        return HttpResponse(bytes(response.body), status=response.status_code, headers=headers)

    view.csrf_exempt = True  # type: ignore[attr-defined]  # Django reads this attribute
    return view
