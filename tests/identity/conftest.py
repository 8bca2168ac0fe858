"""A mock of OpenAI and its token endpoint, and clients with a workload identity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from openai_realtime import RetryPolicy, WorkloadIdentity, workload_identity
from openai_realtime.testing import MockRealtimeServer

if TYPE_CHECKING:
    from backends import Backend

    from openai_realtime import RealtimeSessionsClient

SUBJECT = "eyJhbGciOiJub25lIn0.subject-token-0123456789.x"


@pytest.fixture
def server() -> Iterator[MockRealtimeServer]:
    with MockRealtimeServer() as server:
        yield server


def identity_of(
    server: MockRealtimeServer, subject_token: Any = None, **options: Any
) -> WorkloadIdentity:
    """Return an identity that is exchanged at the mock; its subject token is SUBJECT by default."""
    settings: dict[str, Any] = {
        "identity_provider_id": "idp-123",
        "service_account_id": "sa-456",
        "subject_token": (lambda: SUBJECT) if subject_token is None else subject_token,
        "token_url": server.token_url,
    }
    return workload_identity(**{**settings, **options})


def client_of(
    backend: Backend, server: MockRealtimeServer, **options: Any
) -> RealtimeSessionsClient:
    """Return a client with a workload identity, which waits only briefly before a retry."""
    settings: dict[str, Any] = {
        "base_url": server.base_url,
        "api_key": identity_of(server),
        "retry": RetryPolicy(base_delay=0.001),
    }
    return backend.client(**{**settings, **options})


def cache_of(client: Any) -> Any:
    """Return the token cache of a client."""
    return getattr(client, "wrapped", client)._configuration.credential.source
