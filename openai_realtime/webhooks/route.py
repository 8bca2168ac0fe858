"""The route that a provider's webhooks are sent to.

Starlette (extra `mint`) is loaded when a route is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

from openai_realtime.errors import ConfigurationError
from openai_realtime.types.webhook import RealtimeCallIncoming
from openai_realtime.webhooks.handling import CLAIM_TIMEOUT, claim_seconds
from openai_realtime.webhooks.replay import MemoryReplayStore
from openai_realtime.webhooks.verifier import WebhookVerifier

if TYPE_CHECKING:
    from starlette.routing import Route

CallHandler = Callable[[RealtimeCallIncoming], object]
"""What is done about a call that rings: an `async def`, or a function, which runs in a thread."""
WhenHandled = Literal["after_response", "before_response"]
"""When a route runs its handler."""


def on_call_incoming(  # noqa: PLR0913 - options, by name
    handler: CallHandler,
    *,
    verifier: WebhookVerifier | None = None,
    path: str = "/webhooks/openai",
    handle: WhenHandled = "after_response",
    claim_timeout: float = CLAIM_TIMEOUT,
    body_timeout: float = 10,
) -> Route:
    """Return a Starlette route, `POST {path}`, that runs `handler` for each phone call that rings.

        app = Starlette(routes=[on_call_incoming(answer)])
        app.router.routes.append(on_call_incoming(answer))  # FastAPI

    `handle="after_response"` (the default) sends 200 before the handler begins, so the handler may
    take as long as it likes. The provider delivers the call no more; if it is delivered all the same, it
    is handled again only when the handler failed. `handle="before_response"` sends 200
    when the handler has succeeded, and 500 when it failed, upon which the provider delivers again: a
    call is handled until that succeeds. It is for platforms that freeze or stop a process after its
    response, such as AWS Lambda; the handler has the few seconds that the provider waits for.

    What the handler raises is logged to `openai_realtime`. A call that was handled before and an
    event that is no call are answered with 200 and nothing is run; a call that another delivery is
    handling with 503 and `Retry-After`, and so is a replay store that fails; what is not genuine
    with 400; more than 256 KiB with 413; a body that takes longer than `body_timeout` seconds with
    408; other methods with 405. A response that is given before the body was read closes the
    connection. When a process dies while it handles a call, another delivery is handled `claim_timeout`
    seconds (default 60, from 1 to 86,400) after it began, and until then answered with 503; a
    handler that takes longer before the response may run twice.

    A replay store that is not awaited is called on a thread, unless it is in memory.
    `verifier` is by default one of `OPENAI_WEBHOOK_SECRET`. One without a replay store is given one
    in memory: several processes need one with Redis. Raises `ConfigurationError` without a secret,
    without Starlette, or for an unusable `handle` or `claim_timeout`.
    """
    try:
        from starlette.routing import Route  # noqa: PLC0415 - see the header

        from openai_realtime.webhooks.endpoint import CallIncomingEndpoint  # noqa: PLC0415
    except ModuleNotFoundError:
        message = "on_call_incoming needs Starlette: pip install 'openai-realtime[mint]'"
        raise ConfigurationError(message) from None
    if handle not in get_args(WhenHandled):
        message = f"handle is unusable: it is one of {', '.join(get_args(WhenHandled))}"
        raise ConfigurationError(message)
    claim_seconds(claim_timeout)
    endpoint = CallIncomingEndpoint(
        handler,
        (verifier or WebhookVerifier()).with_default_store(MemoryReplayStore()),
        handle=handle,
        claim_timeout=claim_timeout,
        body_timeout=body_timeout,
    )
    return Route(path, endpoint)
