"""Verified webhooks: a phone call rings, and your handler runs.

    from openai_realtime.webhooks import RealtimeCallIncoming, on_call_incoming

    async def answer(event: RealtimeCallIncoming) -> None:
        await client.calls.accept(event.call_id, model="gpt-realtime-2.1")

    app = Starlette(routes=[on_call_incoming(answer)])  # OPENAI_WEBHOOK_SECRET

`WebhookVerifier` does the same for any framework. Only `on_call_incoming` needs Starlette.
"""

from typing import TYPE_CHECKING

from openai_realtime.lazy_imports import lazy_names
from openai_realtime.types.webhook import (
    LiveTransportConnected,
    LiveTransportIncoming,
    RealtimeCallIncoming,
    SafetyIdentifierBlocked,
    SipHeader,
    WebhookEvent,
)
from openai_realtime.webhooks.handling import Handling
from openai_realtime.webhooks.replay_stores import (
    AsyncRedisReplayStore,
    AsyncReplayStore,
    ClaimOnlyReplayStore,
    MemoryReplayStore,
    RedisReplayStore,
    ReplayStore,
)
from openai_realtime.webhooks.verifier import WebhookVerifier

if TYPE_CHECKING:
    from openai_realtime.on_sideband import OnSideband, ThreadSideband
    from openai_realtime.webhooks.route import on_call_incoming
else:  # pragma: no branch
    __getattr__ = lazy_names(
        __name__,
        {"on_sideband": ("OnSideband", "ThreadSideband"), "webhooks.route": ("on_call_incoming",)},
    )

__all__ = [
    "AsyncRedisReplayStore",
    "AsyncReplayStore",
    "ClaimOnlyReplayStore",
    "Handling",
    "LiveTransportConnected",
    "LiveTransportIncoming",
    "MemoryReplayStore",
    "OnSideband",
    "RealtimeCallIncoming",
    "RedisReplayStore",
    "ReplayStore",
    "SafetyIdentifierBlocked",
    "SipHeader",
    "ThreadSideband",
    "WebhookEvent",
    "WebhookVerifier",
    "on_call_incoming",
]
