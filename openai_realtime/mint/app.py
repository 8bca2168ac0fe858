"""`mint_app` and `mint_endpoint`: the service put together from its options.

Owns: the routes and the lifespan. Must not know: how any part works.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Unpack, cast

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from openai_realtime.asgi import LingeringClose
from openai_realtime.errors import ConfigurationError
from openai_realtime.mint.authorization import Authorizer
from openai_realtime.mint.choices import Choices
from openai_realtime.mint.cors import Origins
from openai_realtime.mint.endpoint import MintEndpoint
from openai_realtime.mint.limiter import DEFAULT_GLOBAL_LIMITS, DEFAULT_LIMITS, Limiter
from openai_realtime.mint.metrics import CONTENT_TYPE
from openai_realtime.mint.options import MintOptions, ServiceOptions, check_options
from openai_realtime.mint.pseudonyms import Pseudonyms
from openai_realtime.mint.readiness import Readiness, is_ready
from openai_realtime.mint.secret_issuer import SecretIssuer, check_pool
from openai_realtime.mint.sessions import SessionPlan

if TYPE_CHECKING:
    from starlette.requests import Request

    from openai_realtime.client import RealtimeSessionsClient

_DEFAULT_LIFETIME = 60
_NO_STORE = {"Cache-Control": "no-store"}


def mint_app(client: RealtimeSessionsClient, **options: Unpack[ServiceOptions]) -> Starlette:
    """Return the mint service, to run by itself or to mount in another app.

        app = mint_app(client, session={"model": "gpt-realtime"}, authorize=who, origins=[…])

    Routes: `POST /client-secret` answers `{value, expires_at, connect_url, model}` or
    `{error, message, request_id}`; `GET /healthz` says that the process lives; `GET /readyz` says
    whether it could mint, and when not (503) what is in the way, without minting; `GET /metrics`,
    with `metrics=True`. `ServiceOptions` documents every option. The client stays yours to close, unless
    `close_client=True`.

    Raises `ConfigurationError` when an option is missing or unusable, `ParameterError` when the
    session is.
    """
    check_options(client, options, ServiceOptions)
    service = dict(options)
    has_metrics = bool(service.pop("metrics", False))
    closes_client = bool(service.pop("close_client", False))
    endpoint = mint_endpoint(client, **cast("MintOptions", service))
    readiness = Readiness(client, endpoint.limiter)

    async def readyz(_: Request) -> Response:
        found = await readiness.check()
        status, code = ("ready", 200) if is_ready(found) else ("not ready", 503)
        return JSONResponse({"status": status, **found}, code, _NO_STORE)

    async def metrics(_: Request) -> Response:
        return Response(
            endpoint.metrics.text(), headers={"Content-Type": CONTENT_TYPE, **_NO_STORE}
        )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with AsyncExitStack() as closing:
            if closes_client:
                closing.push_async_callback(client.aclose)
            closing.push_async_callback(endpoint.aclose)
            await endpoint.open()
            yield

    routes = [
        Route("/client-secret", endpoint),
        Route("/healthz", _healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
    ]
    if has_metrics:
        routes.append(Route("/metrics", metrics, methods=["GET"]))
    app = Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(LingeringClose)])
    app.router.redirect_slashes = False  # a redirect would lead to whatever the Host header says
    return app


def mint_endpoint(client: RealtimeSessionsClient, **options: Unpack[MintOptions]) -> MintEndpoint:
    """Return the route alone, an ASGI app, for an app that has health checks of its own.

        app.router.routes.append(Route("/client-secret", mint_endpoint(client, …)))

    Options and errors are those of `mint_app`. `await endpoint.open()` opens what the first
    request would open otherwise, and `await endpoint.aclose()` closes it.
    """
    check_options(client, options, MintOptions)
    choices = Choices(options.get("allow", {}))
    plan = SessionPlan.of(
        cast("dict[str, object]", options["session"]),
        options.get("lifetime", _DEFAULT_LIFETIME),
        choices,
    )
    check_pool(options.get("pool"), plan)
    return MintEndpoint(
        origins=Origins.of(
            options.get("origins", ()), credentials=options.get("credentials", False)
        ),
        authorizer=Authorizer(options["authorize"]),
        pseudonyms=Pseudonyms(options.get("safety_key")),
        choices=choices,
        limiter=Limiter(
            options.get("storage", "memory://"),
            options.get("limits", DEFAULT_LIMITS),
            options.get("global_limits", DEFAULT_GLOBAL_LIMITS),
        ),
        mint=SecretIssuer(client, plan, options.get("pool")),
        connect_url=options.get("connect_url") or _connect_url(client),
        trusted_proxies=options.get("trusted_proxies", 0),
        tells_provider=options.get("safety_key") is not None,
    )


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok", headers=_NO_STORE)


def _connect_url(client: RealtimeSessionsClient) -> str:
    try:
        return client.provider.url("calls")
    except ConfigurationError:
        message = f"connect_url is required: {client.provider.name} has no calls endpoint"
        raise ConfigurationError(message) from None
