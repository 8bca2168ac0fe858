"""What answers a webhook: at once, and then the handler runs.

Owns: the HTTP answers, the bounds of reading, the handler's errors. Must not know: signatures,
replay stores, what a handler does. Needs Starlette.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from openai_realtime.errors import WebhookReplayedError, WebhookVerificationError
from openai_realtime.logs import logger
from openai_realtime.types.webhook import RealtimeCallIncoming
from openai_realtime.webhooks.verifier import MAX_BODY_BYTES

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Receive, Scope, Send

    from openai_realtime.webhooks.route import CallHandler
    from openai_realtime.webhooks.verifier import WebhookVerifier


class CallIncomingEndpoint:
    """The ASGI application behind `on_call_incoming`."""

    def __init__(self, handler: CallHandler, verifier: WebhookVerifier, timeout: float) -> None:
        self._handler = handler
        self._verifier = verifier
        self._timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, then run the handler if a call rings."""
        response, call = await self._answer(Request(scope, receive))
        try:
            await response(scope, receive, send)
        finally:
            # It is claimed: even if the answer cannot be sent, nobody else will handle it.
            if call is not None:
                await self._handle(call)

    async def _answer(self, request: Request) -> tuple[Response, RealtimeCallIncoming | None]:
        body = b""
        with anyio.move_on_after(self._timeout) as reading:
            body = await _read(request)
        if reading.cancelled_caught:
            return _refused(408, "The body did not arrive in time"), None
        if len(body) > MAX_BODY_BYTES:
            return _refused(413, "The body is too large"), None
        return await self._judged(body, request.headers)

    async def _judged(
        self, body: bytes, headers: Headers
    ) -> tuple[Response, RealtimeCallIncoming | None]:
        try:
            event = await self._verifier.averify(body, headers)
        except WebhookReplayedError as error:
            logger.info("%s", error)
            return Response(), None
        except WebhookVerificationError as error:
            logger.warning("%s", error)
            return _refused(400, "The webhook could not be verified"), None
        except Exception:  # noqa: BLE001 - a store is anybody's code
            logger.exception(
                "A webhook could not be checked, most likely for want of its replay store"
            )
            return _refused(503, "Try again"), None
        if isinstance(event, RealtimeCallIncoming):
            return Response(), event
        logger.debug("A webhook of type %s is no incoming call: nothing is done", event.type)
        return Response(), None

    async def _handle(self, event: RealtimeCallIncoming) -> None:
        try:
            is_async = inspect.iscoroutinefunction(self._handler)
            result = (
                self._handler(event)
                if is_async
                else await anyio.to_thread.run_sync(self._handler, event)
            )
            if inspect.isawaitable(result):
                await result
        except Exception:  # noqa: BLE001 - whatever it is, nobody else would tell
            logger.exception(
                "The handler of incoming calls failed at call %s (webhook-id %s)",
                event.call_id,
                event.webhook_id,
            )


async def _read(request: Request) -> bytes:
    """Return the body, or somewhat more than is allowed of it; empty if the sender went away."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                break
    except ClientDisconnect:
        return b""
    return bytes(body)


def _refused(status: int, error: str) -> Response:
    return JSONResponse({"error": error}, status)
