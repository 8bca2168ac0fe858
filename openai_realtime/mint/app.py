"""`mint_app`, `mint_endpoint` and `call_endpoint`: the mint service, its routes and its lifespan."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Unpack, cast

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import Receive, Scope, Send

from openai_realtime.asgi import LingeringClose
from openai_realtime.client_source import ClientOrFactory, ClientSource
from openai_realtime.errors import ConfigurationError
from openai_realtime.mint.authorization import Authorizer, Pseudonyms
from openai_realtime.mint.broker.broker import Broker
from openai_realtime.mint.broker.calls import Calls
from openai_realtime.mint.broker.events import CallListener, CallMetrics
from openai_realtime.mint.broker.provider_calls import ProviderCalls
from openai_realtime.mint.broker.registry import (
    CallLimits,
    CallSettings,
    MemoryRegistry,
    Registry,
)
from openai_realtime.mint.broker.routes import call_routes
from openai_realtime.mint.cors import CorsPolicy
from openai_realtime.mint.endpoint import MintEndpoint, NoSecretEndpoint
from openai_realtime.mint.http_endpoint import EndpointSettings
from openai_realtime.mint.limiter import (
    DEFAULT_GLOBAL_LIMITS,
    DEFAULT_LIMITS,
    Limiter,
    MemoryStorage,
)
from openai_realtime.mint.options import (
    NO_SECRETS,
    CallOptions,
    MintOptions,
    ServiceOptions,
    check_call_options,
    check_options,
    chosen_api,
    has_broker,
)
from openai_realtime.mint.readiness import Readiness, is_ready
from openai_realtime.mint.request_body import Choices
from openai_realtime.mint.secret_issuer import SecretIssuer, check_pool, connect_url
from openai_realtime.mint.session_plan import CHOICES, SessionPlan
from openai_realtime.mint.telemetry import METRICS_CONTENT_TYPE, Metrics
from openai_realtime.on_sideband import SidebandRunner
from openai_realtime.providers import MAX_LIFETIME

if TYPE_CHECKING:
    from openai_realtime.mint.redis_storage import RedisStorage

_DEFAULT_LIFETIME = 60
_NO_STORE = {"Cache-Control": "no-store"}


def mint_app(client: ClientOrFactory, **options: Unpack[ServiceOptions]) -> Starlette:
    """Return the mint service, to run by itself or to mount in another app.

        app = mint_app(client, session={"model": "gpt-realtime-2.1"}, authorize=user, origins=[…])

    Routes: `POST /client-secret` responds with `{value, expires_at, connect_url, model}` or
    `{error, message, request_id}`; `GET /healthz` responds with 200 while the process runs; `GET
    /readyz` shows, without minting, whether the service could mint, and if not (503) which part
    fails; `GET /metrics` exists with `metrics=True`. With `max_duration=900` or `broker=True` there
    are the routes of `call_endpoint` too, and `app.state.calls` has the running calls; with
    `client_secrets=False` there are these alone, and `/client-secret` responds with 404. So it is for
    GPT-Live (`gpt-live-*`, or `api="live"`), which has calls only.
    `ServiceOptions` documents every option.

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
    clients = ClientSource(client)
    parts = _Parts(clients, options)
    calls = _call_endpoint(parts, options) if has_broker(options) else None
    has_secrets = options.get("client_secrets", calls is None or parts.plan.api != "live")
    secrets = _mint_endpoint(parts, options) if has_secrets else None
    endpoints = [each for each in (secrets, calls) if each is not None]
    readiness = Readiness(clients, parts.limiter)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok", headers=_NO_STORE)

    async def readyz(_: Request) -> Response:
        states = await readiness.check()
        status, code = ("ready", 200) if is_ready(states) else ("not ready", 503)
        return JSONResponse({"status": status, **states}, code, _NO_STORE)

    async def metrics(_: Request) -> Response:
        headers = {"Content-Type": METRICS_CONTENT_TYPE, **_NO_STORE}
        return Response(parts.settings.metrics.text(), headers=headers)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            if options.get("close_client", False) and clients.passed is not None:
                stack.push_async_callback(clients.passed.aclose)
            for each in endpoints:
                stack.push_async_callback(each.aclose)
                await each.open()
            yield

    routes: list[BaseRoute] = [
        Route("/client-secret", secrets or NoSecretEndpoint(parts.settings)),
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
    ]
    if options.get("metrics", False):
        routes.append(Route("/metrics", metrics, methods=["GET"]))
    if calls is not None:
        routes.extend(calls.routes)
    app = Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(LingeringClose)])
    app.router.redirect_slashes = False  # the target would depend on the client's Host header
    if calls is not None:
        app.state.calls = calls.calls
    return app


def mint_endpoint(client: ClientOrFactory, **options: Unpack[MintOptions]) -> MintEndpoint:
    """Return the endpoint alone, an ASGI app, for an app that has its own health checks.

        app.router.routes.append(Route("/client-secret", mint_endpoint(client, …)))

    Options and errors are those of `mint_app`. `await endpoint.open()` makes the client of a
    factory and opens the pool, which the first request would do otherwise, and `await
    endpoint.aclose()` closes both.
    """
    check_options(options, MintOptions)
    return _mint_endpoint(_Parts(ClientSource(client), options), options)


def call_endpoint(client: ClientOrFactory, **options: Unpack[CallOptions]) -> CallEndpoint:
    """Return the routes of calls alone, an ASGI app, for an app that has its own health checks.

        app.mount("/voice", calls := call_endpoint(client, …))    # POST /voice/calls
        app.router.routes.extend(calls.routes)                    # or: POST /calls

    `POST /calls` takes an SDP offer, as `application/sdp` or in JSON, and begins a call with the
    server's key; `?dcid=N` is the id of a data channel that the page made with `negotiated: true`.
    It responds with 201, the SDP answer, and the call's own address in `Location`: `DELETE` there,
    or `POST …/hangup`, hangs up, and `POST …/heartbeat` is the heartbeat.
    `calls.calls` has the running calls. The session's model, or `api=`, decides between Realtime and
    GPT-Live; the routes are the same.

    Options and errors are those of `mint_app`. `await calls.open()` starts to end calls in time,
    which the first request would do otherwise; `await calls.aclose()` hangs up this process' calls,
    or with Redis leaves them to the other processes.
    """
    check_options(options, CallOptions)
    return _call_endpoint(_Parts(ClientSource(client), options), options)


class CallEndpoint:
    """The routes of calls, an ASGI app. Made by `call_endpoint`."""

    def __init__(self, routes: list[Route], calls: Calls, broker: Broker, parts: _Parts) -> None:
        self.routes: list[Route] = routes
        """The routes: `/calls`, and those of one call below it."""
        self.calls: Calls = calls
        """The running calls."""
        self.metrics: Metrics = parts.settings.metrics
        """The metrics of requests and calls: `metrics.text()` is what `/metrics` returns."""
        self._broker = broker
        self._parts = parts
        self._router = Router(routes, redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        await self._router(scope, receive, send)

    async def open(self) -> None:
        """Make the client, and start to end calls in time: the first request does it otherwise.

        Raises what the client's factory raises, and `ConfigurationError` for Redis on trio, which
        cannot work.
        """
        self._parts.clients.get()
        await self._broker.open()

    async def aclose(self) -> None:
        """Hang up this process' calls, or with Redis leave them to the others, within 5 s.

        May be called again. If all processes stop, nothing ends the calls that Redis has.
        """
        await self._broker.aclose()
        await self._parts.limiter.aclose()
        await self._parts.clients.aclose()


class _Parts:
    """What the endpoints of one service share."""

    def __init__(self, clients: ClientSource, options: CallOptions | MintOptions) -> None:
        self.clients: ClientSource = clients
        api = chosen_api(options)
        self.choices: Choices = Choices(options.get("allow", {}), CHOICES[api])
        session = cast("dict[str, object]", options["session"])
        lifetime = cast("MintOptions", options).get("lifetime", _DEFAULT_LIFETIME)
        longest = clients.passed.provider.max_lifetime if clients.passed else MAX_LIFETIME
        self.plan: SessionPlan = SessionPlan.of(session, lifetime, self.choices, longest, api)
        self.limiter: Limiter = Limiter(
            options.get("storage", "memory://"),
            options.get("limits", DEFAULT_LIMITS),
            options.get("global_limits", DEFAULT_GLOBAL_LIMITS),
        )
        self.sends_safety_identifier: bool = options.get("safety_key") is not None
        self.settings: EndpointSettings = EndpointSettings(
            cors=CorsPolicy.of(
                options.get("origins", ()), credentials=options.get("credentials", False)
            ),
            authorizer=Authorizer(options["authorize"]),
            pseudonyms=Pseudonyms(options.get("safety_key")),
            metrics=Metrics(),
            trusted_proxies=options.get("trusted_proxies", 0),
        )


def _mint_endpoint(parts: _Parts, options: MintOptions) -> MintEndpoint:
    if parts.plan.api == "live":
        raise ConfigurationError(NO_SECRETS)
    pool = options.get("pool")
    check_pool(pool, parts.plan)
    url = options.get("connect_url") or None
    if url is None and parts.clients.passed is not None:
        url = connect_url(parts.clients.passed)
    return MintEndpoint(
        parts.settings,
        choices=parts.choices,
        limiter=parts.limiter,
        issuer=SecretIssuer(parts.clients, parts.plan, pool),
        connect_url=url,
        sends_safety_identifier=parts.sends_safety_identifier,
    )


def _call_endpoint(parts: _Parts, options: CallOptions) -> CallEndpoint:
    provider = ProviderCalls(parts.clients, parts.plan)
    check_call_options(options, provider.api, provider.maximum)
    limits = CallLimits(
        options.get("max_concurrent", 1),
        options.get("global_max_concurrent"),
        ends_oldest=options.get("at_limit") == "end_oldest",
    )
    registry = registry_of(parts.limiter.storage, limits)
    on_sideband = options.get("on_sideband")
    settings = CallSettings(
        options.get("max_duration", provider.maximum),
        options.get("heartbeat"),
        parts.sends_safety_identifier,
        None if on_sideband is None else SidebandRunner(on_sideband),
    )
    metrics = CallMetrics(parts.settings.metrics, registry.table)
    listener = CallListener(options.get("on_call"))
    broker = Broker(provider, registry, settings, listener, metrics)
    routes = call_routes(parts.settings, broker, parts.choices)
    return CallEndpoint(routes, Calls(broker, parts.settings.pseudonyms), broker, parts)


def registry_of(storage: MemoryStorage | RedisStorage, limits: CallLimits) -> Registry:
    """Return the registry of calls whose rates are counted in `storage`."""
    if isinstance(storage, MemoryStorage):
        return MemoryRegistry(storage, limits)
    from openai_realtime.mint.broker.redis_registry import RedisRegistry  # noqa: PLC0415 - memory needs no redis

    return RedisRegistry(storage.connections, storage.counters, limits)
