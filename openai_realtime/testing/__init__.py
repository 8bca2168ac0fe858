"""What the project's own tests use, for yours: a loopback server, respx routes, pytest fixtures.

    from openai_realtime.testing import MockRealtimeServer

    with MockRealtimeServer() as server:
        client = SyncRealtimeSessionsClient(base_url=server.base_url, api_key=server.api_key)

Needs no network and no key. `respx` is needed only by `mock_realtime`.
"""

from openai_realtime.testing.messages import MockResponse, RecordedRequest
from openai_realtime.testing.mock_backend import MOCK_API_KEY
from openai_realtime.testing.phone import (
    MOCK_WEBHOOK_SECRET,
    MockPhone,
    MockPhoneCall,
    SignedWebhook,
)
from openai_realtime.testing.respx_routes import RealtimeRoutes, mock_realtime
from openai_realtime.testing.server import MockRealtimeServer

__all__ = [
    "MOCK_API_KEY",
    "MOCK_WEBHOOK_SECRET",
    "MockPhone",
    "MockPhoneCall",
    "MockRealtimeServer",
    "MockResponse",
    "RealtimeRoutes",
    "RecordedRequest",
    "SignedWebhook",
    "mock_realtime",
]
