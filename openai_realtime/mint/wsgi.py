"""The mint endpoint for frameworks with one thread for each request: `wsgi_endpoint`, for Flask and others.

The endpoint runs on an event loop in a thread of its own, one in each process, which the first
request starts: a worker may fork after the import. The request's own thread waits, and calls
`authorize`, so that the framework's session and database connection are at hand there.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from http import HTTPStatus
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol, TypeVar, Unpack, cast
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openai_realtime.client_source import ClientOrFactory
from openai_realtime.mint.app import mint_endpoint
from openai_realtime.mint.errors import BLOCKED
from openai_realtime.mint.options import EndpointOptions
from openai_realtime.mint.request_body import MAX_BODY_BYTES
from openai_realtime.mint.telemetry import logger

if TYPE_CHECKING:
    from openai_realtime.mint.endpoint import MintEndpoint

T = TypeVar("T")
_CLOSE_SECONDS = 2.0
_BLOCKED_SECONDS = 10.0
"""After how long an event loop that does not run counts as blocked."""
_SCOPE_KEY = "openai_realtime.request"
# These two are without HTTP_ in an environment (PEP 3333): so a client sent them with an underscore.
_FORGED = frozenset({"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"})


def wsgi_endpoint(
    client: ClientOrFactory,
    *,
    authorize: Callable[[WSGIEnvironment], str | None],
    **options: Unpack[EndpointOptions],
) -> WSGIApplication:
    """Return the mint endpoint as a WSGI application, for Flask and every other WSGI framework.

        secret = wsgi_endpoint(RealtimeSessionsClient, session={…}, authorize=user, origins=[…])

        @app.route("/client-secret", methods=["POST", "OPTIONS"])
        def client_secret():
            return Response.from_app(secret, request.environ)  # Flask

    The options, limits and responses are those of `mint_endpoint`. `authorize` takes the WSGI
    environment and runs on the request's thread, where Flask's `session` and `current_user` work; it
    returns the principal, or None to refuse with 401, or raises `Refused`. Each process has its own
    limits, unless `storage` is Redis. WSGI does not tell when a browser disconnects: a secret is
    minted all the same. If `client` is a callable, each process makes its client at the first
    request and closes it when the process ends. A client that is passed in must not be used on
    another event loop. It does not run under gevent's or eventlet's patches. A request whose event loop
    is blocked for 10 seconds is refused with 503 (`blocked`).

    Raises `ConfigurationError` when an option is missing or unusable.
    """
    endpoint = ThreadedEndpoint(client, cast("Callable[[object], object]", authorize), options)

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = endpoint.respond(environ, cast("Body", environ["wsgi.input"]), environ)
        status = f"{response.status_code} {HTTPStatus(response.status_code).phrase}"
        start_response(status, list(response.headers.items()))
        return [bytes(response.body)]

    return application


class Body(Protocol):
    """A request's body."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; fewer only at the end."""
        ...


class ThreadWork:
    """A request as its own thread sees it: the thread runs functions until there is a response."""

    def __init__(self, request: object) -> None:
        self._request = request
        self._orders: SimpleQueue[tuple[Callable[[object], object], Future[object]] | None]
        self._orders = SimpleQueue()

    async def run_on_thread(self, function: Callable[[object], object]) -> object:
        """Run `function` with the request on the request's thread; called on the event loop."""
        result: Future[object] = Future()
        self._orders.put((function, result))
        return await asyncio.wrap_future(result)

    def wait(self, response: Future[T], loop: asyncio.AbstractEventLoop) -> T:
        """Run what is ordered until `response` is done, and return its result.

        Raises `TimeoutError` when the event loop does not run any more: something blocks it.
        """
        response.add_done_callback(lambda _: self._orders.put(None))
        while (order := self._next_order(loop)) is not None:
            function, result = order
            # It may have been cancelled: `authorize` has 15 s, and this thread may have waited.
            if result.set_running_or_notify_cancel():
                try:
                    result.set_result(function(self._request))
                except Exception as error:  # noqa: BLE001 - raised where the function was ordered
                    result.set_exception(error)
        return response.result()

    def _next_order(
        self, loop: asyncio.AbstractEventLoop
    ) -> tuple[Callable[[object], object], Future[object]] | None:
        while True:
            has_run = threading.Event()
            loop.call_soon_threadsafe(has_run.set)
            try:
                return self._orders.get(timeout=_BLOCKED_SECONDS)
            except Empty:
                if not has_run.is_set():
                    raise TimeoutError from None


class ThreadedEndpoint:
    """Runs an endpoint on an event loop in a daemon thread, which each process starts for itself."""

    def __init__(
        self,
        client: ClientOrFactory,
        authorize: Callable[[object], object],
        options: EndpointOptions,
    ) -> None:
        async def authorize_on_thread(request: Request) -> str | None:
            work: ThreadWork = request.scope[_SCOPE_KEY]
            return cast("str | None", await work.run_on_thread(authorize))

        def make() -> MintEndpoint:
            return mint_endpoint(client, authorize=authorize_on_thread, **options)

        self._make = make
        self._endpoint = make()  # raises now if an option is wrong
        self._loop: asyncio.AbstractEventLoop
        self._process = 0  # the process in which the event loop runs
        # By process, because a fork could copy a lock while it is held.
        self._locks: dict[int, threading.Lock] = {}

    def respond(self, environ: Mapping[str, object], body: Body, request: object) -> Response:
        """Return the response to a request, on the request's thread.

        `environ` is its WSGI environment; `authorize` is called with `request`.
        """
        scope = _scope(environ)
        work = ThreadWork(request)
        scope[_SCOPE_KEY] = work
        content = _read(environ, body)
        loop = self._started()
        response = asyncio.run_coroutine_threadsafe(
            self._endpoint.respond(Request(scope), content), loop
        )
        try:
            return work.wait(response, loop)
        except TimeoutError:
            response.cancel()
            logger.error(
                "The event loop of the mint endpoint has not run for %g s: something blocks it, such "
                "as an async api_key callable that waits without await",
                _BLOCKED_SECONDS,
            )
            headers = {"Cache-Control": "no-store", "Retry-After": f"{_BLOCKED_SECONDS:.0f}"}
            refusal = {"error": BLOCKED.name, "message": BLOCKED.message}
            return JSONResponse(refusal, BLOCKED.status, headers)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._locks.setdefault(os.getpid(), threading.Lock()):
            if self._process != os.getpid():  # the first request in this process
                if self._process:  # it is a fork of a process that has served requests
                    self._endpoint = self._make()
                self._process = os.getpid()
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self._loop.run_forever, name="openai-realtime-mint", daemon=True
                ).start()
                atexit.register(self._close)
            return self._loop

    def _close(self) -> None:
        if self._process == os.getpid():
            closed = asyncio.run_coroutine_threadsafe(self._endpoint.aclose(), self._loop)
            with suppress(
                FutureTimeoutError
            ):  # the event loop hangs: the process ends all the same
                closed.result(_CLOSE_SECONDS)


def _scope(environ: Mapping[str, object]) -> dict[str, object]:
    """Return the ASGI scope of a request in a WSGI environment (PEP 3333)."""
    headers = [
        (name.removeprefix("HTTP_").replace("_", "-").lower().encode("latin-1"), value)
        for name, value in ((name, _bytes(environ[name])) for name in environ)
        if (name.startswith("HTTP_") and name not in _FORGED)
        or (name in {"CONTENT_TYPE", "CONTENT_LENGTH"} and value)
    ]
    address = _text(environ, "REMOTE_ADDR")
    return {
        "type": "http",
        "http_version": "1.1",
        "method": _text(environ, "REQUEST_METHOD"),
        "scheme": _text(environ, "wsgi.url_scheme") or "http",
        "path": _text(environ, "SCRIPT_NAME") + _text(environ, "PATH_INFO"),
        "query_string": _bytes(environ.get("QUERY_STRING")),
        "headers": headers,
        "client": (address, 0) if address else None,
        "server": None,
    }


def _text(environ: Mapping[str, object], name: str) -> str:
    value = environ.get(name)
    return value if isinstance(value, str) else ""


def _bytes(value: object) -> bytes:
    return value.encode("latin-1", "replace") if isinstance(value, str) else b""


def _read(environ: Mapping[str, object], body: Body) -> bytes:
    """Return the body, or its first bytes if it is too large: then the endpoint refuses it."""
    length = _text(environ, "CONTENT_LENGTH")
    if re.fullmatch("[0-9]{1,9}", length, re.ASCII) and int(length) <= MAX_BODY_BYTES:
        return body.read(int(length))
    if length:
        return b""  # the endpoint refuses it by its length
    return body.read(MAX_BODY_BYTES + 1) if environ.get("wsgi.input_terminated") else b""
