"""The mint endpoint: it checks a request, cheapest check first, and mints a secret.

method → origin → content type → authorize → body → choices → limits → mint
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from openai_realtime.asgi import (
    BodyLimitError,
    BodyReceive,
    BoundedReceive,
    LingeringClose,
    replay_body,
)
from openai_realtime.core.peer_text import MAX_NAME_CHARACTERS, sanitize_text
from openai_realtime.errors import RealtimeError
from openai_realtime.mint.authorization import Authorizer, Pseudonyms, client_address
from openai_realtime.mint.cors import CorsPolicy
from openai_realtime.mint.errors import (
    BODY_LIMITS,
    INTERNAL,
    LIMITER_DOWN,
    METHOD,
    EndpointError,
    endpoint_error_for,
)
from openai_realtime.mint.limiter import Limiter, LimiterUnavailableError
from openai_realtime.mint.request_body import (
    BODY_SECONDS,
    MAX_BODY_BYTES,
    Choice,
    Choices,
    check_content_type,
    read_object,
)
from openai_realtime.mint.secret_issuer import SecretIssuer
from openai_realtime.mint.telemetry import AccessEntry, Metrics, describe, logger

_CLIENT_CLOSED_REQUEST: Final = 499
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

T = TypeVar("T")


class MintEndpoint:
    """An ASGI app that responds to `POST` with a client secret, at any path.

    Made by `mint_endpoint`.
    """

    def __init__(  # noqa: PLR0913 - one argument for each check
        self,
        *,
        cors: CorsPolicy,
        authorizer: Authorizer,
        pseudonyms: Pseudonyms,
        choices: Choices,
        limiter: Limiter,
        issuer: SecretIssuer,
        connect_url: str | None,
        trusted_proxies: int,
        sends_safety_identifier: bool,
    ) -> None:
        self.limiter: Limiter = limiter
        self.metrics: Metrics = Metrics()
        self._cors = cors
        self._authorizer = authorizer
        self._pseudonyms = pseudonyms
        self._choices = choices
        self._issuer = issuer
        self._connect_url = connect_url
        self._trusted_proxies = trusted_proxies
        self._sends_safety_identifier = sends_safety_identifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            message = "The mint endpoint handles HTTP requests only"
            raise RuntimeError(message)
        await LingeringClose(self._handle)(scope, receive, send)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.respond(Request(scope, receive))
        if response.status_code != _CLIENT_CLOSED_REQUEST:
            await response(scope, receive, send)

    async def open(self) -> None:
        """Make the client and open the `SecretPool`, which the first request would do otherwise.

        Raises what the client's factory raises, and `ConfigurationError` for Redis on trio, which
        cannot work.
        """
        await self.limiter.open()
        await self._issuer.open()

    async def aclose(self) -> None:
        """Close what it made: the client of a factory, the pool if it opened it, Redis connections.

        It does not close a client that was passed in. It may be called again.
        """
        await self._issuer.aclose()
        await self.limiter.aclose()

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
            response = await self._check_and_mint(request, entry)
        except ClientDisconnect:
            entry.outcome = "disconnected"
            response = Response(None, _CLIENT_CLOSED_REQUEST)
        except EndpointError as error:
            response = _error_response(error, entry)
        except BodyLimitError as error:
            response = _error_response(EndpointError(BODY_LIMITS[error.status]), entry)
        except Exception as error:  # noqa: BLE001 - the client gets no detail of it
            logger.exception("The mint endpoint failed (request id %s)", entry.request_id)
            entry.error = describe(error)
            response = _error_response(EndpointError(INTERNAL), entry)
        response.headers.update(
            {
                **_HEADERS,
                "X-Request-Id": entry.request_id,
                **self._cors.response_headers(request.headers),
            }
        )
        entry.status = response.status_code
        return response

    async def _check_and_mint(self, request: Request, entry: AccessEntry) -> Response:
        if request.method == "OPTIONS":
            entry.outcome = "preflight"
            return Response(None, 204, self._cors.preflight_headers(request.headers))
        if request.method != "POST":
            raise EndpointError(METHOD, headers={"Allow": "POST"})
        self._cors.check(request.headers)
        check_content_type(request.headers)
        receive = BoundedReceive(request.receive, max_bytes=MAX_BODY_BYTES, seconds=BODY_SECONDS)
        port = (request.client.port if request.client else 0) or 0
        client = (entry.client_address, port) if entry.client_address else None
        bounded = Request({**request.scope, "client": client}, receive)
        pseudonym = self._pseudonyms.of(await self._authorizer.principal(bounded))
        entry.principal = pseudonym
        chosen = self._choices.validate(await read_object(bounded))
        secret = await cancel_on_disconnect(receive, lambda: self._mint(pseudonym, chosen, entry))
        entry.outcome = "minted"
        return JSONResponse(secret)

    async def _mint(
        self, pseudonym: str, chosen: Mapping[str, Choice], entry: AccessEntry
    ) -> dict[str, object]:
        try:
            exceeded = await self.limiter.hit(pseudonym)
        except LimiterUnavailableError as error:
            entry.error = str(error)
            raise EndpointError(LIMITER_DOWN, retry_after=1) from None
        if exceeded is not None:
            raise EndpointError(exceeded.code, retry_after=exceeded.retry_after)
        try:
            response = await self._issuer.secret(
                chosen, pseudonym if self._sends_safety_identifier else None
            )
        except RealtimeError as error:
            entry.error = describe(error)
            entry.attempts = getattr(error, "attempts", None)
            entry.provider_request_id = getattr(error, "request_id", None)
            raise endpoint_error_for(error) from None
        entry.attempts = response.meta.attempts
        entry.provider_request_id = response.meta.request_id
        secret = response.client_secret
        return {
            "value": secret.value,
            "expires_at": secret.expires_at or None,
            "connect_url": self._connect_url or self._issuer.connect_url(),
            "model": self._issuer.model_of(response),
        }


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
