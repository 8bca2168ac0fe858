"""`mint_app` and `mint_endpoint`: the mint service, its routes and its lifespan."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Unpack, cast

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from openai_realtime.asgi import LingeringClose
from openai_realtime.mint.authorization import Authorizer, Pseudonyms
from openai_realtime.mint.client_source import ClientOrFactory, ClientSource
from openai_realtime.mint.cors import CorsPolicy
from openai_realtime.mint.endpoint import MintEndpoint
from openai_realtime.mint.limiter import DEFAULT_GLOBAL_LIMITS, DEFAULT_LIMITS, Limiter
from openai_realtime.mint.options import MintOptions, ServiceOptions, check_options
from openai_realtime.mint.readiness import Readiness, is_ready
from openai_realtime.mint.request_body import Choices
from openai_realtime.mint.secret_issuer import SecretIssuer, SessionPlan, check_pool, connect_url
from openai_realtime.mint.telemetry import METRICS_CONTENT_TYPE
from openai_realtime.providers import MAX_LIFETIME

_DEFAULT_LIFETIME = 60
_NO_STORE = {"Cache-Control": "no-store"}


def mint_app(client: ClientOrFactory, **options: Unpack[ServiceOptions]) -> Starlette:
    """Return the mint service, to run by itself or to mount in another app.

        app = mint_app(client, session={"model": "gpt-realtime-2.1"}, authorize=user, origins=[…])

    Routes: `POST /client-secret` responds with `{value, expires_at, connect_url, model}` or
    `{error, message, request_id}`; `GET /healthz` responds with 200 while the process runs; `GET
    /readyz` shows, without minting, whether the service could mint, and if not (503) which part
    fails; `GET /metrics` exists with `metrics=True`. `ServiceOptions` documents every option.

    `client` is a client, which you close unless `close_client=True`; or a callable that makes one,
    such as `RealtimeSessionsClient` itself, so that the module can be imported without an API key.
    The app then makes the client when it starts, or at the first request if its lifespan does not
    run, and closes it when it shuts down. FastAPI and Starlette do not run the lifespan of an app
    that is mounted: pass it on with `FastAPI(lifespan=app.router.lifespan_context)`, or else the
    connections are closed when the process ends.

    Raises `ConfigurationError` when an option is missing or unusable, and `ParameterError` when
    the session is unusable.
    """
    check_options(options, ServiceOptions)
    service = dict(options)
    has_metrics = bool(service.pop("metrics", False))
    closes_client = bool(service.pop("close_client", False))
    clients = ClientSource(client)
    endpoint = _endpoint(clients, cast("MintOptions", service))
    readiness = Readiness(clients, endpoint.limiter)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok", headers=_NO_STORE)

    async def readyz(_: Request) -> Response:
        states = await readiness.check()
        status, code = ("ready", 200) if is_ready(states) else ("not ready", 503)
        return JSONResponse({"status": status, **states}, code, _NO_STORE)

    async def metrics(_: Request) -> Response:
        headers = {"Content-Type": METRICS_CONTENT_TYPE, **_NO_STORE}
        return Response(endpoint.metrics.text(), headers=headers)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            if closes_client and clients.passed is not None:
                stack.push_async_callback(clients.passed.aclose)
            stack.push_async_callback(endpoint.aclose)
            await endpoint.open()
            yield

    routes = [
        Route("/client-secret", endpoint),
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
    ]
    if has_metrics:
        routes.append(Route("/metrics", metrics, methods=["GET"]))
    app = Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(LingeringClose)])
    app.router.redirect_slashes = False  # the target would depend on the client's Host header
    return app


def mint_endpoint(client: ClientOrFactory, **options: Unpack[MintOptions]) -> MintEndpoint:
    """Return the endpoint alone, an ASGI app, for an app that has its own health checks.

        app.router.routes.append(Route("/client-secret", mint_endpoint(client, …)))

    Options and errors are those of `mint_app`. `await endpoint.open()` makes the client of a
    factory and opens the pool, which the first request would do otherwise, and `await
    endpoint.aclose()` closes both.
    """
    check_options(options, MintOptions)
    return _endpoint(ClientSource(client), options)


def _endpoint(clients: ClientSource, options: MintOptions) -> MintEndpoint:
    choices = Choices(options.get("allow", {}))
    session = cast("dict[str, object]", options["session"])
    lifetime = options.get("lifetime", _DEFAULT_LIFETIME)
    longest = clients.passed.provider.max_lifetime if clients.passed else MAX_LIFETIME
    plan = SessionPlan.of(session, lifetime, choices, longest)
    pool = options.get("pool")
    check_pool(pool, plan)
    url = options.get("connect_url") or None
    if url is None and clients.passed is not None:
        url = connect_url(clients.passed)
    return MintEndpoint(
        cors=CorsPolicy.of(
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
        issuer=SecretIssuer(clients, plan, pool),
        connect_url=url,
        trusted_proxies=options.get("trusted_proxies", 0),
        sends_safety_identifier=options.get("safety_key") is not None,
    )
