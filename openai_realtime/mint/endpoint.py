"""The endpoint: one request through every check, in the order that costs least, to a secret or a no.

Owns: that order, and what an answer looks like. Must not know: how any check is made.

    method → origin → content type → authorize → body → choices → limits → mint
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from openai_realtime.asgi import BodyLimitError, BoundedReceive, LingeringClose
from openai_realtime.core.peer_text import MAX_NAME_CHARACTERS, sanitize_text
from openai_realtime.errors import RealtimeError
from openai_realtime.mint.access_log import AccessEntry, described, logger
from openai_realtime.mint.addresses import client_address
from openai_realtime.mint.bodies import (
    BODY_SECONDS,
    MAX_BODY_BYTES,
    REASONS,
    check_content_type,
    read_object,
)
from openai_realtime.mint.disconnects import cancel_on_disconnect
from openai_realtime.mint.endpoint_errors import INTERNAL, LIMITER_DOWN, METHOD, EndpointError
from openai_realtime.mint.limiter import Limiter, LimiterUnavailableError
from openai_realtime.mint.metrics import Metrics
from openai_realtime.mint.provider_errors import refusal_for

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from openai_realtime.mint.authorization import Authorizer
    from openai_realtime.mint.choices import Choice, Choices
    from openai_realtime.mint.cors import Origins
    from openai_realtime.mint.pseudonyms import Pseudonyms
    from openai_realtime.mint.secret_issuer import SecretIssuer

_HUNG_UP: Final = 499
_NO_STORE: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class MintEndpoint:
    """An ASGI app that answers `POST` with a client secret, wherever it is mounted."""

    def __init__(  # noqa: PLR0913 - one collaborator a check
        self,
        *,
        origins: Origins,
        authorizer: Authorizer,
        pseudonyms: Pseudonyms,
        choices: Choices,
        limiter: Limiter,
        mint: SecretIssuer,
        connect_url: str,
        trusted_proxies: int,
        tells_provider: bool,
    ) -> None:
        self.limiter: Limiter = limiter
        self.metrics: Metrics = Metrics()
        self._origins = origins
        self._authorizer = authorizer
        self._pseudonyms = pseudonyms
        self._choices = choices
        self._mint = mint
        self._connect_url = connect_url
        self._trusted_proxies = trusted_proxies
        self._tells_provider = tells_provider

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            message = "The mint endpoint answers HTTP requests alone"
            raise RuntimeError(message)
        await LingeringClose(self._answer)(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.respond(Request(scope, receive))
        if response is not None:
            await response(scope, receive, send)

    async def open(self) -> None:
        """Open what the first request would open otherwise: a `SecretPool` that was not opened.

        Raises `ConfigurationError` where the service cannot work: with Redis, on trio.
        """
        await self.limiter.open()
        await self._mint.open()

    async def aclose(self) -> None:
        """Close what it opened, pool and connections. Repeatable. The client stays yours to close."""
        await self._mint.aclose()
        await self.limiter.aclose()

    async def respond(self, request: Request) -> Response | None:
        """Return the answer to a request; None when the client hung up. It raises nothing.

        For frameworks that take no ASGI app as a view: the answer has `status_code`, `headers` and
        `body`. Such a framework has read the request's body, or closes the connection itself.
        """
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

    async def _respond(self, request: Request, entry: AccessEntry) -> Response | None:
        around = {
            **_NO_STORE,
            "X-Request-Id": entry.request_id,
            **self._origins.answer_headers(request.headers),
        }
        try:
            response = await self._granted(request, entry)
        except ClientDisconnect:
            entry.outcome, entry.status = "disconnected", _HUNG_UP
            return None
        except EndpointError as refusal:
            response = _refused(refusal, entry)
        except BodyLimitError as error:
            response = _refused(EndpointError(REASONS[error.status]), entry)
        except Exception as error:  # noqa: BLE001 - told as generically as all else
            logger.exception("The mint endpoint failed (request id %s)", entry.request_id)
            entry.error = described(error)
            response = _refused(EndpointError(INTERNAL), entry)
        response.headers.update(around)
        entry.status = response.status_code
        return response

    async def _granted(self, request: Request, entry: AccessEntry) -> Response:
        if request.method == "OPTIONS":
            entry.outcome = "preflight"
            return Response(None, 204, self._origins.preflight_headers(request.headers))
        if request.method != "POST":
            raise EndpointError(METHOD, headers={"Allow": "POST"})
        self._origins.check(request.headers)
        check_content_type(request.headers)
        bounded = BoundedReceive(request.receive, max_bytes=MAX_BODY_BYTES, seconds=BODY_SECONDS)
        peer = (request.client.port if request.client else 0) or 0
        client = (entry.client_address, peer) if entry.client_address else None
        inner = Request({**request.scope, "client": client}, bounded)
        pseudonym = self._pseudonyms.of(await self._authorizer.principal(inner))
        entry.principal = pseudonym
        chosen = self._choices.validate(await read_object(inner))
        answer = await cancel_on_disconnect(bounded, lambda: self._secret(pseudonym, chosen, entry))
        entry.outcome = "minted"
        return JSONResponse(answer)

    async def _secret(
        self, pseudonym: str, chosen: Mapping[str, Choice], entry: AccessEntry
    ) -> dict[str, object]:
        try:
            verdict = await self.limiter.hit(pseudonym)
        except LimiterUnavailableError as error:
            entry.error = str(error)
            raise EndpointError(LIMITER_DOWN, retry_after=1) from None
        if verdict is not None:
            raise EndpointError(verdict.reason, retry_after=verdict.retry_after)
        try:
            answer = await self._mint.secret(chosen, pseudonym if self._tells_provider else None)
        except RealtimeError as error:
            entry.error = described(error)
            entry.attempts = getattr(error, "attempts", None)
            entry.provider_request_id = getattr(error, "request_id", None)
            raise refusal_for(error) from None
        entry.attempts = answer.meta.attempts
        entry.provider_request_id = answer.meta.request_id
        secret = answer.client_secret
        return {
            "value": secret.value,
            "expires_at": secret.expires_at or None,
            "connect_url": self._connect_url,
            "model": self._mint.model_of(answer),
        }


def _refused(refusal: EndpointError, entry: AccessEntry) -> Response:
    reason = refusal.reason
    entry.outcome = reason.code
    told = {"error": reason.code, "message": reason.message, "request_id": entry.request_id}
    return JSONResponse(told, reason.status, refusal.headers)
