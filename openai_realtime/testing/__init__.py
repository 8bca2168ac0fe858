"""Tools for your own tests: a mock realtime server on loopback, respx routes and a mock phone.

    from openai_realtime.testing import MockRealtimeServer

    with MockRealtimeServer() as server:
        client = SyncRealtimeSessionsClient(base_url=server.base_url, api_key=server.api_key)

They need no network and no API key. `mock_realtime` needs the package `respx`, the mock's sidebands
need `websockets` (extra `sideband`), and `webrtc=True` needs `aiortc`.
"""

from typing import TYPE_CHECKING

from openai_realtime.lazy_imports import lazy_names
from openai_realtime.testing.mock_backend import MOCK_API_KEY
from openai_realtime.testing.mock_calls import CallDecision, MockCall
from openai_realtime.testing.mock_identity import MockIdentity
from openai_realtime.testing.phone import (
    MOCK_WEBHOOK_SECRET,
    MockPhone,
    MockPhoneCall,
    SignedWebhook,
)
from openai_realtime.testing.profiles import MockResponse, RecordedRequest
from openai_realtime.testing.running_call import Utterance
from openai_realtime.testing.server import MockRealtimeServer

if TYPE_CHECKING:
    from openai_realtime.testing.respx_routes import RealtimeRoutes, mock_realtime
else:  # pragma: no branch
    __getattr__ = lazy_names(
        __name__, {"testing.respx_routes": ("RealtimeRoutes", "mock_realtime")}
    )

__all__ = [
    "MOCK_API_KEY",
    "MOCK_WEBHOOK_SECRET",
    "CallDecision",
    "MockCall",
    "MockIdentity",
    "MockPhone",
    "MockPhoneCall",
    "MockRealtimeServer",
    "MockResponse",
    "RealtimeRoutes",
    "RecordedRequest",
    "SignedWebhook",
    "Utterance",
    "mock_realtime",
]
