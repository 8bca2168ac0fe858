"""The route that a provider's webhooks are sent to.

Owns: where it is, and what is said when Starlette is missing. Must not know: how a webhook is
verified. Starlette (extra `mint`) is loaded when a route is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from openai_realtime.errors import ConfigurationError
from openai_realtime.types.webhook import RealtimeCallIncoming
from openai_realtime.webhooks.replay import MemoryReplayStore
from openai_realtime.webhooks.verifier import WebhookVerifier

if TYPE_CHECKING:
    from starlette.routing import Route

CallHandler = Callable[[RealtimeCallIncoming], object]
"""What is done about a call that rings: an `async def`, or a function, which runs in a thread."""


def on_call_incoming(
    handler: CallHandler,
    *,
    verifier: WebhookVerifier | None = None,
    path: str = "/webhooks/openai",
    body_timeout: float = 10,
) -> Route:
    """Return a Starlette route, `POST {path}`, that runs `handler` for each phone call that rings.

        app = Starlette(routes=[on_call_incoming(answer)])
        app.router.routes.append(on_call_incoming(answer))  # FastAPI

    The provider has its answer, 200, before the handler begins; what the handler raises is logged
    to `openai_realtime`. A call that was handled before and an event that is no call are answered
    with 200 and nothing is run; what is not genuine with 400; more than 256 KiB with 413; a body
    that takes longer than `body_timeout` seconds with 408; a replay store that fails with 503, upon
    which the provider delivers again. `verifier` is by default one of `OPENAI_WEBHOOK_SECRET`. One
    without a replay store is given one in memory: a fleet gives its own, with Redis. Raises
    `ConfigurationError` without a secret, or without Starlette.
    """
    try:
        from starlette.routing import Route  # noqa: PLC0415 - see the header

        from openai_realtime.webhooks.endpoint import CallIncomingEndpoint  # noqa: PLC0415
    except ModuleNotFoundError:
        message = "on_call_incoming needs Starlette: pip install 'openai-realtime[mint]'"
        raise ConfigurationError(message) from None
    genuine = (verifier or WebhookVerifier()).with_default_store(MemoryReplayStore())
    return Route(path, CallIncomingEndpoint(handler, genuine, body_timeout), methods=["POST"])
