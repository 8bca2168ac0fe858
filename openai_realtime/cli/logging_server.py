"""The mock server that tells of its requests.

Owns: the line a request. Must not know: options, signals, nor what is answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openai_realtime.cli import output
from openai_realtime.core.peer_text import sanitize_text
from openai_realtime.testing import MockRealtimeServer

if TYPE_CHECKING:
    from openai_realtime.testing import MockResponse, RecordedRequest


class LoggingServer(MockRealtimeServer):
    """A mock server that tells of every request on stderr, and remembers none."""

    def respond(self, request: RecordedRequest) -> MockResponse:
        """Respond, and write `method path status`; the query stays out, it may hold anything."""
        response = super().respond(request)
        self.requests.clear()
        path = request.path.partition("?")[0]
        output.log(f"{sanitize_text(f'{request.method} {path}')} {response.status}\n")
        return response
