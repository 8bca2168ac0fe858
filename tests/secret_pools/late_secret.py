"""The server's response for tests in which a secret arrives while its caller gives up."""

from __future__ import annotations

import time

from openai_realtime.testing import MockRealtimeServer, MockResponse


def respond_late(server: MockRealtimeServer) -> None:
    """Let the server give `ek_late` after 0.2 seconds, and at once a secret that lives shorter.

    The pool may mint the second one before the first one is back: a pool of one then keeps the
    secret that lives longer.
    """
    now = int(time.time())
    late = {"value": "ek_late", "expires_at": now + 600}
    second = {"value": "ek_second", "expires_at": now + 300}
    server.respond_next(
        MockResponse(delay=0.2, json={"client_secret": late}),
        MockResponse(json={"client_secret": second}),
    )
