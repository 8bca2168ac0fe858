"""Mint a client secret from a plain script, and handle its errors.

    OPENAI_API_KEY=sk-… python examples/mint_sync.py
    python examples/mint_sync.py --mock    # no key, no network

Prints the secret as the JSON for a browser.
"""

from __future__ import annotations

import os
import sys

from openai_realtime import APIError, ParameterError, SyncRealtimeSessionsClient
from openai_realtime.testing import MockRealtimeServer


def main() -> None:
    """Mint one secret, and show the error of a wrong parameter."""
    with SyncRealtimeSessionsClient(timeout=10) as client:
        try:
            client.sessions.create(model="gpt-realtime-2.1", speed=9)
        except ParameterError as error:
            print(f"not sent: {error}")
        try:
            session = client.sessions.create(model="gpt-realtime-2.1", voice="verse", speed=1.2)
        except APIError as error:
            sys.exit(f"failed, {'try again later' if error.retryable else 'for good'}: {error}")
    print(session.client_secret.model_dump_json())


if __name__ == "__main__":
    if "--mock" in sys.argv:
        with MockRealtimeServer() as server:
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY"] = server.api_key
            main()
    else:
        main()
