"""The base of the service's endpoints: the log, the metrics, CORS, and the error responses."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar, Final, TypeVar

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from openai_realtime.asgi import BodyLimitError, BodyReceive, LingeringClose, replay_body
from openai_realtime.core.peer_text import MAX_NAME_CHARACTERS, sanitize_text
from openai_realtime.logs import describe
from openai_realtime.mint.authorization import Authorizer, Pseudonyms, client_address
from openai_realtime.mint.cors import EXPOSED, CorsPolicy
from openai_realtime.mint.errors import (
    BODY_LIMITS,
    INTERNAL,
    EndpointError,
    method_not_allowed,
)
from openai_realtime.mint.telemetry import AccessEntry, Metrics, logger

_CLIENT_CLOSED_REQUEST: Final = 499
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """What the endpoints of one service share."""

    cors: CorsPolicy
    authorizer: Authorizer
    pseudonyms: Pseudonyms
    metrics: Metrics
    trusted_proxies: int


class Endpoint(ABC):
    """An ASGI app that responds to one method, at any path."""

    method: ClassVar[str] = "POST"
    """The method, besides OPTIONS."""
    exposed_headers: ClassVar[str] = EXPOSED
    """The headers of the response that pages of other origins may read."""

    def __init__(self, settings: EndpointSettings) -> None:
        self.metrics: Metrics = settings.metrics
        """The metrics of its requests: `metrics.text()` is what `/metrics` returns."""
        self._cors = settings.cors
        self._authorizer = settings.authorizer
        self._pseudonyms = settings.pseudonyms
        self._trusted_proxies = settings.trusted_proxies

    @abstractmethod
    async def _process(self, request: Request, entry: AccessEntry) -> Response:
        """Return the response to a request with the right method, from an allowed page."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            message = "The mint service's endpoints handle HTTP requests only"
            raise RuntimeError(message)
        await LingeringClose(self._handle)(scope, receive, send)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.respond(Request(scope, receive))
        if response.status_code != _CLIENT_CLOSED_REQUEST:
            await response(scope, receive, send)

    async def respond(self, request: Request, body: bytes | None = None) -> Response:
        """Return the response to a request: with status 499 when the client has disconnected.

        It is for frameworks whose views are not ASGI apps, such as Django. The response has
        `status_code`, `headers` and `body`. Pass the request's `body` if the framework has read it.
        Otherwise it is read here, and the framework must close the connection after a response that
        is sent before the end of the body. Raises nothing.
        """
        if body is not None:
            request = Request(request.scope, replay_body(body))
        began = time.monotonic()
        self.metrics.began()
        address = client_address(request.scope, self._trusted_proxies)
        method = sanitize_text(request.method, limit=MAX_NAME_CHARACTERS)
        entry = AccessEntry(secrets.token_hex(16), method, address)
        try:
            response = await self._respond(request, entry)
        finally:
            entry.seconds = time.monotonic() - began
            self.metrics.ended(entry.outcome, entry.seconds)
        entry.write()
        return response

    async def _respond(self, request: Request, entry: AccessEntry) -> Response:
        try:
            response = await self._check(request, entry)
        except ClientDisconnect:
            entry.outcome = "disconnected"
            response = Response(None, _CLIENT_CLOSED_REQUEST)
        except EndpointError as error:
            response = _error_response(error, entry)
        except BodyLimitError as error:
            response = _error_response(EndpointError(BODY_LIMITS[error.status]), entry)
        except Exception as error:  # noqa: BLE001 - the client gets no detail of it
            logger.exception("The endpoint failed (request id %s)", entry.request_id)
            entry.error = describe(error)
            response = _error_response(EndpointError(INTERNAL), entry)
        response.headers.update(
            {
                **_HEADERS,
                "X-Request-Id": entry.request_id,
                **self._cors.response_headers(request.headers, self.exposed_headers),
            }
        )
        entry.status = response.status_code
        return response

    async def _check(self, request: Request, entry: AccessEntry) -> Response:
        if request.method == "OPTIONS":
            entry.outcome = "preflight"
            headers = self._cors.preflight_headers(request.headers, self.method)
            return Response(None, 204, headers)
        if request.method != self.method:
            raise method_not_allowed(self.method)
        self._cors.check(request.headers)
        return await self._process(request, entry)

    @staticmethod
    def _with_client(request: Request, receive: BodyReceive, entry: AccessEntry) -> Request:
        """Return the request with another `receive`, and the client's address as the service knows it."""
        port = (request.client.port if request.client else 0) or 0
        client = (entry.client_address, port) if entry.client_address else None
        return Request({**request.scope, "client": client}, receive)


def _error_response(error: EndpointError, entry: AccessEntry) -> Response:
    code = error.code
    entry.outcome = code.name
    content = {"error": code.name, "message": code.message, "request_id": entry.request_id}
    return JSONResponse(content, code.status, error.headers)


async def cancel_on_disconnect(receive: BodyReceive, work: Callable[[], Awaitable[T]]) -> T:
    """Return what `work` returns; cancel it and raise `ClientDisconnect` if the client disconnects.

    The request's body must have been read: then `receive` returns only when the client disconnects.
    """
    results: list[T] = []
    errors: list[Exception] = []
    watching = anyio.CancelScope()

    async def watch() -> None:
        with watching:
            await receive()
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        try:
            results.append(await work())
        except Exception as error:  # noqa: BLE001 - raised below: the group would wrap it
            errors.append(error)
        watching.cancel()
    if errors:
        raise errors[0]
    if not results:
        raise ClientDisconnect
    return results[0]
