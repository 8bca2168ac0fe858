"""The route that receives a provider's webhooks and runs a handler for each incoming call."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, cast, get_args

import anyio
import anyio.to_thread

from openai_realtime.asgi import BodyLimitError, BoundedReceive, LingeringClose, read_body
from openai_realtime.background import BackgroundTasks
from openai_realtime.client import RealtimeSessionsClient
from openai_realtime.client_source import ClientOrFactory, ClientSource
from openai_realtime.core.peer_text import MAX_NAME_CHARACTERS, sanitize_text
from openai_realtime.environment import read_variable
from openai_realtime.errors import (
    APIStatusError,
    ConfigurationError,
    WebhookInProgressError,
    WebhookReplayedError,
    WebhookVerificationError,
)
from openai_realtime.lazy_imports import missing_package
from openai_realtime.logs import describe, logger
from openai_realtime.on_sideband import OnSideband, SidebandRunner
from openai_realtime.types.webhook import (
    IncomingCall,
    LiveTransportIncoming,
    RealtimeCallIncoming,
)
from openai_realtime.webhooks.handling import CLAIM_TIMEOUT, Handling, claim_seconds
from openai_realtime.webhooks.replay_stores import MemoryReplayStore
from openai_realtime.webhooks.verifier import MAX_BODY_BYTES, SECRET_VARIABLE, WebhookVerifier

try:
    from starlette.routing import Route
except ModuleNotFoundError as _error:
    raise missing_package(_error, "on_call_incoming", {"starlette"}, extra="mint") from None

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Receive, Scope, Send

CallHandler = (
    Callable[[RealtimeCallIncoming], object]
    | Callable[[LiveTransportIncoming], object]
    | Callable[[IncomingCall], object]
)
"""Called when a call rings: an `async def`, or a function, which runs on a thread."""
CallAPI = Literal["realtime", "live", "both"]
"""Which events of a phone call run a route's handler."""
WhenHandled = Literal["after_response", "before_response"]
"""When a route runs its handler."""

_CALLS: Mapping[CallAPI, tuple[type[IncomingCall], ...]] = {
    "realtime": (RealtimeCallIncoming,),
    "live": (LiveTransportIncoming,),
    "both": (RealtimeCallIncoming, LiveTransportIncoming),
}
_DECIDED = "decision_already_made"
_RETRY_AFTER_SECONDS = 5
_BODY_LIMITS = {408: "The body did not arrive in time", 413: "The body is too large"}


def on_call_incoming(  # noqa: PLR0913 - options, by name
    handler: CallHandler,
    *,
    api: CallAPI = "realtime",
    verifier: WebhookVerifier | Callable[[], WebhookVerifier] | None = None,
    path: str = "/webhooks/openai",
    handle: WhenHandled = "after_response",
    claim_timeout: float = CLAIM_TIMEOUT,
    body_timeout: float = 10,
    on_sideband: OnSideband | None = None,
    client: ClientOrFactory | None = None,
) -> Route:
    """Return a Starlette route, `POST {path}`, that runs `handler` for each phone call that rings.

        app = Starlette(routes=[on_call_incoming(answer)])
        app.router.routes.append(on_call_incoming(answer))  # FastAPI

    With `api="realtime"` (the default) the handler gets a `RealtimeCallIncoming`, whose `call_id` is
    for `client.calls`. With `api="live"` it gets a `LiveTransportIncoming`, whose `session_id` is
    for `client.live.sessions`. With `api="both"` it gets either, and asks by `isinstance`: a call
    that rings at both APIs runs it twice, and the first successful accept decides. The accept that
    comes too late raises `APIStatusError` with the code `decision_already_made`: if the handler
    raises that, the webhook counts as handled, and only an info is logged.

    `handle="after_response"` (the default) sends 200 before the handler begins, so the handler has
    no time limit. After a 200 the provider does not deliver the call again; if it does, the call is
    handled again only when the handler failed. `handle="before_response"` sends 200 when the
    handler has succeeded, and 500 when it has failed; after a 500 the provider delivers the call
    again. It is for platforms that freeze or stop a process after its response, such as AWS Lambda.
    The handler then has only the few seconds for which the provider waits.

    What the handler raises is logged to `openai_realtime`. The statuses without a run of the
    handler: 200 for a call that was handled before and for an event that is not a call of `api`; 503 with
    `Retry-After` for a call that is being handled, and when the replay store fails; 400 for a
    webhook that is not genuine; 413 for more than 256 KiB; 408 for a body that takes longer than
    `body_timeout` seconds; 405 for other methods. A response that is sent before the body was read
    closes the connection. When a process dies while it handles a call, another delivery is refused
    with 503 until `claim_timeout` seconds (default 60, from 1 to 86,400) after the handler began,
    and handled after that. A handler that takes longer than `claim_timeout` before the response may
    run twice.

    A sync replay store is called on a thread, unless it is in memory. A verifier without a replay
    store gets one in memory; several processes need one in Redis. The default `verifier` uses
    `OPENAI_WEBHOOK_SECRET`; if that is not set yet, it is read at the first webhook, and webhooks
    are refused with 503 until it is set. `verifier` may also be a callable that makes one, which
    runs at the first webhook. So the module can be imported without a secret. The handler's client
    is yours: make it when it is first needed (`functools.cache`), and close it when the app ends.

    `on_sideband` runs for each call whose handler succeeds, with the call's sideband: it greets the
    caller, who hears nothing before, runs tools, and meters. It takes the connected sideband
    (`AsyncSideband`), and, if it has a second parameter, the event that the handler got. It is async,
    or a plain function, which runs on a thread and gets a `ThreadSideband`. It ends with its call: 5 s
    later it is cancelled, and so it is when the event loop ends. What it raises is logged, and the
    call goes on. A call that the handler has rejected has no sideband. At most 500 run at once in a
    process; a call above that has no sideband. `client` opens the sidebands: your client, or a
    callable that makes one when the first call was accepted (default: `RealtimeSessionsClient`). Needs
    the extra `sideband`, and a process that goes on after the response.

    Raises `ConfigurationError` for an unusable secret, `api`, `handle`, `claim_timeout`,
    `on_sideband` or `client`.
    """
    for name, value, known in (("api", api, CallAPI), ("handle", handle, WhenHandled)):
        if value not in get_args(known):
            message = f"{name} is unusable: it must be one of {', '.join(get_args(known))}"
            raise ConfigurationError(message)
    claim_seconds(claim_timeout)
    endpoint = CallIncomingEndpoint(
        handler,
        _VerifierSource(verifier),
        calls=_CALLS[api],
        when_handled=handle,
        claim_timeout=claim_timeout,
        body_timeout=body_timeout,
        sidebands=None if on_sideband is None else _Sidebands(on_sideband, client),
    )
    return Route(path, endpoint)


class CallIncomingEndpoint:
    """The ASGI application of the route. It does not need Starlette."""

    def __init__(  # noqa: PLR0913 - options, by name
        self,
        handler: CallHandler,
        verifiers: _VerifierSource,
        *,
        calls: tuple[type[IncomingCall], ...],
        when_handled: WhenHandled,
        claim_timeout: float,
        body_timeout: float,
        sidebands: _Sidebands | None,
    ) -> None:
        self._handler = cast("Callable[[IncomingCall], object]", handler)
        self._calls = calls
        self._verifiers = verifiers
        self._when_handled = when_handled
        self._claim_timeout = claim_timeout
        self._body_timeout = body_timeout
        self._sidebands = sidebands

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, and run the handler if a call rings."""
        await LingeringClose(self._respond)(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        response, handling = await self._read_and_claim(scope, receive)
        if handling is None:
            await response.send(send)
        elif self._when_handled == "before_response":
            if not await self._handle(handling):
                response = _Response(500, "The webhook could not be handled")
            await response.send(send)
        else:
            try:
                await response.send(send)
                # After this response the provider does not deliver the webhook again.
                await handling.afinish(succeeded=True)
            finally:
                await self._handle(handling)

    async def _read_and_claim(self, scope: Scope, receive: Receive) -> _Claim:
        if scope["method"] != "POST":
            return _Response(405, "Webhooks are sent with POST", {"Allow": "POST"}), None
        try:
            verifier = self._verifiers.get()
        except ConfigurationError as error:
            logger.error("A webhook is refused with 503: %s", error)
            return _TRY_AGAIN, None
        bounded = BoundedReceive(receive, max_bytes=MAX_BODY_BYTES, seconds=self._body_timeout)
        try:
            body = await read_body(bounded)
        except BodyLimitError as error:
            return _Response(error.status, _BODY_LIMITS[error.status]), None
        return await self._claim(verifier, body, _Headers(scope["headers"]))

    async def _claim(self, verifier: WebhookVerifier, body: bytes, headers: _Headers) -> _Claim:
        try:
            handling = verifier.handling(body, headers, claim_timeout=self._claim_timeout)
            if not isinstance(handling.event, self._calls):
                kind = sanitize_text(handling.event.type, limit=MAX_NAME_CHARACTERS)
                logger.debug("A webhook of type %s is not an incoming call here: ignored", kind)
                return _Response(), None
            await handling.aclaim()
        except WebhookReplayedError as error:
            logger.info("%s", error)
            return _Response(), None
        except WebhookInProgressError as error:
            logger.info("%s", error)
            return _TRY_AGAIN, None
        except WebhookVerificationError as error:
            logger.warning("%s", error)
            return _Response(400, "The webhook could not be verified"), None
        except Exception:  # noqa: BLE001 - the store may be the user's own
            logger.exception("A webhook could not be checked: most likely its replay store failed")
            return _TRY_AGAIN, None
        return _Response(), handling

    async def _handle(self, handling: Handling) -> bool:
        """Run the handler, confirm or release the webhook, and return whether it succeeded."""
        outcomes: list[bool] = []
        # When asyncio cancels this task, the task group still waits for a handler in a thread. If
        # the webhook were released earlier, it could be handled twice at the same time.
        async with anyio.create_task_group() as group:
            group.start_soon(self._run, handling, outcomes)
        return outcomes == [True]

    async def _run(self, handling: Handling, outcomes: list[bool]) -> None:
        succeeded = False
        event = handling.event
        assert isinstance(event, IncomingCall)  # noqa: S101 - `_claim` returns no other
        call_id = event.session_id if isinstance(event, LiveTransportIncoming) else event.call_id
        try:
            is_async = inspect.iscoroutinefunction(self._handler)
            result = (
                self._handler(event)
                if is_async
                else await anyio.to_thread.run_sync(self._handler, event)
            )
            if inspect.isawaitable(result):
                await result
            succeeded = True
            if self._sidebands is not None:
                await self._sidebands.start(event, call_id)
        except Exception as error:  # noqa: BLE001 - no caller gets the error: it is logged here
            # The other API's accept came first, or an earlier delivery's: the call is in good hands.
            succeeded = isinstance(error, APIStatusError) and error.code == _DECIDED
            if succeeded:
                logger.info("Call %s was decided before (%s)", call_id, event.webhook_id)
            else:
                logger.exception(
                    "The handler of incoming calls failed at call %s (webhook-id %s)",
                    call_id,
                    event.webhook_id,
                )
        finally:
            await handling.afinish(succeeded=succeeded)
        outcomes.append(succeeded)


class _Sidebands:
    """Runs `on_sideband` for accepted calls, in the background."""

    def __init__(self, on_sideband: OnSideband, client: ClientOrFactory | None) -> None:
        self._runner = SidebandRunner(on_sideband)
        self._clients = ClientSource(client or RealtimeSessionsClient)
        self._tasks = BackgroundTasks()

    async def start(self, event: IncomingCall, call_id: str) -> None:
        """Start for one call; what goes wrong is logged."""

        async def run() -> None:
            try:
                client = self._clients.get()
                is_live = isinstance(event, LiveTransportIncoming)
                connect = client.live.sideband.connect if is_live else client.calls.connect
                await self._runner.run(connect(call_id), event, call_id, lambda: False)
            except Exception as error:  # noqa: BLE001 - the call goes on
                logger.error("Call %s has no sideband: %s", call_id, describe(error))

        await self._tasks.start(run)


class _VerifierSource:
    """Returns the verifier: passed in, or made when it is first needed."""

    def __init__(self, source: WebhookVerifier | Callable[[], WebhookVerifier] | None) -> None:
        self._make: Callable[[], WebhookVerifier] = WebhookVerifier
        self._verifier: WebhookVerifier | None = None
        if isinstance(source, WebhookVerifier):
            self._keep(source)
        elif source is not None:
            self._make = source
        elif read_variable(SECRET_VARIABLE):
            self.get()

    def get(self) -> WebhookVerifier:
        """Return the verifier; raises what making it raises."""
        return self._verifier or self._keep(self._make())

    def _keep(self, verifier: WebhookVerifier) -> WebhookVerifier:
        self._verifier = verifier.with_default_store(MemoryReplayStore())
        return self._verifier


class _Headers(NamedTuple):
    """A request's headers, in the form for `WebhookVerifier`."""

    raw: Iterable[tuple[bytes, bytes]]

    def items(self) -> Iterable[tuple[str, str]]:
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.raw]


class _Response(NamedTuple):
    """A response: empty, or JSON with an error."""

    status: int = 200
    error: str | None = None
    headers: Mapping[str, str] = {}

    async def send(self, send: Send) -> None:
        headers = dict(self.headers)
        body = b""
        if self.error is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps({"error": self.error}, separators=(",", ":")).encode()
        headers["Content-Length"] = str(len(body))
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        await send({"type": "http.response.body", "body": body})


_Claim: TypeAlias = tuple[_Response, Handling | None]
"""The response, and the claimed webhook if it is a call that is to be handled."""
_TRY_AGAIN = _Response(503, "Try again", {"Retry-After": str(_RETRY_AFTER_SECONDS)})
