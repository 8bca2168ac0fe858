"""pytest fixtures, found by pytest by themselves: `realtime_server` and `realtime_routes`.

Owns: the fixtures' life. Must not know: what they stand in for. Loads nothing of the package until
a test asks for a fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai_realtime.testing import MockRealtimeServer, RealtimeRoutes


@pytest.fixture
def realtime_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockRealtimeServer]:
    """A loopback realtime server; clients made without settings reach it.

    `OPENAI_BASE_URL` and `OPENAI_API_KEY` point to it while the test runs.
    """
    from openai_realtime.testing import MockRealtimeServer  # noqa: PLC0415 - see the header

    with MockRealtimeServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", server.api_key)
        yield server


@pytest.fixture
def realtime_routes(monkeypatch: pytest.MonkeyPatch) -> Iterator[RealtimeRoutes]:
    """respx routes for https://api.openai.com/v1, and a key in `OPENAI_API_KEY`. No socket opens."""
    try:
        import respx  # noqa: PLC0415 - see the header
    except ImportError:
        pytest.fail("realtime_routes needs respx: pip install respx")

    from openai_realtime.testing import MOCK_API_KEY, mock_realtime  # noqa: PLC0415

    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", MOCK_API_KEY)
    with respx.mock(assert_all_called=False) as router:
        yield mock_realtime(router)
