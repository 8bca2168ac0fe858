"""The ASGI application of a webhook's route; it needs Starlette."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, cast

import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from openai_realtime.asgi import BodyLimitError, BoundedReceive, LingeringClose
from openai_realtime.core.peer_text import MAX_NAME_CHARACTERS, sanitize_text
from openai_realtime.errors import (
    WebhookInProgressError,
    WebhookReplayedError,
    WebhookVerificationError,
)
from openai_realtime.logs import logger
from openai_realtime.types.webhook import RealtimeCallIncoming
from openai_realtime.webhooks.verifier import MAX_BODY_BYTES

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Receive, Scope, Send

    from openai_realtime.webhooks.handling import Handling
    from openai_realtime.webhooks.route import CallHandler, WhenHandled
    from openai_realtime.webhooks.verifier import WebhookVerifier

_RETRY_AFTER_SECONDS = 5
_BODY_LIMITS = {408: "The body did not arrive in time", 413: "The body is too large"}


class CallIncomingEndpoint:
    """The ASGI application behind `on_call_incoming`."""

    def __init__(
        self,
        handler: CallHandler,
        verifier: WebhookVerifier,
        *,
        handle: WhenHandled,
        claim_timeout: float,
        body_timeout: float,
    ) -> None:
        self._handler = handler
        self._verifier = verifier
        self._when_handled = handle
        self._claim_timeout = claim_timeout
        self._timeout = body_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and run the handler if a call rings."""
        await LingeringClose(self._respond)(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        response, handling = await self._answer(Request(scope, receive))
        if handling is None:
            await response(scope, receive, send)
        elif self._when_handled == "before_response":
            if not await self._handle(handling):
                response = _refused(500, "The webhook could not be handled")
            await response(scope, receive, send)
        else:
            try:
                await response(scope, receive, send)
                # From here on the provider delivers it no more.
                await handling.afinish(succeeded=True)
            finally:
                await self._handle(handling)

    async def _answer(self, request: Request) -> tuple[Response, Handling | None]:
        if request.method != "POST":
            return _refused(405, "Webhooks are sent with POST", {"Allow": "POST"}), None
        bounded = BoundedReceive(request.receive, max_bytes=MAX_BODY_BYTES, seconds=self._timeout)
        try:
            body = await Request(request.scope, bounded).body()
        except BodyLimitError as error:
            return _refused(error.status, _BODY_LIMITS[error.status]), None
        except ClientDisconnect:
            body = b""
        return await self._judged(body, request.headers)

    async def _judged(self, body: bytes, headers: Headers) -> tuple[Response, Handling | None]:
        try:
            handling = self._verifier.handling(body, headers, claim_timeout=self._claim_timeout)
            if not isinstance(handling.event, RealtimeCallIncoming):
                kind = sanitize_text(handling.event.type, limit=MAX_NAME_CHARACTERS)
                logger.debug("A webhook of type %s is no incoming call: nothing is done", kind)
                return Response(), None
            await handling.aclaim()
        except WebhookReplayedError as error:
            logger.info("%s", error)
            return Response(), None
        except WebhookInProgressError as error:
            logger.info("%s", error)
            return _try_again(), None
        except WebhookVerificationError as error:
            logger.warning("%s", error)
            return _refused(400, "The webhook could not be verified"), None
        except Exception:  # noqa: BLE001 - a store is anybody's code
            logger.exception(
                "A webhook could not be checked, most likely for want of its replay store"
            )
            return _try_again(), None
        return Response(), handling

    async def _handle(self, handling: Handling) -> bool:
        """Run the handler, confirm or release the webhook, and return whether it succeeded."""
        outcomes: list[bool] = []
        # When asyncio cancels this task, the task group still waits for a handler in a thread:
        # released any earlier, the webhook could be handled twice at the same time.
        async with anyio.create_task_group() as group:
            group.start_soon(self._run, handling, outcomes)
        return outcomes == [True]

    async def _run(self, handling: Handling, outcomes: list[bool]) -> None:
        succeeded = False
        event = cast("RealtimeCallIncoming", handling.event)
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
        except Exception:  # noqa: BLE001 - whatever it is, nobody else would tell
            logger.exception(
                "The handler of incoming calls failed at call %s (webhook-id %s)",
                event.call_id,
                event.webhook_id,
            )
        finally:
            await handling.afinish(succeeded=succeeded)
        outcomes.append(succeeded)


def _refused(status: int, error: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": error}, status, headers)


def _try_again() -> Response:
    return _refused(503, "Try again", {"Retry-After": str(_RETRY_AFTER_SECONDS)})
