"""The pytest fixtures `realtime_server` and `realtime_routes`; pytest loads this file as a plugin.

Rules for this file: pytest imports it in every project that has the package installed, so it imports
nothing of the package until a test uses a fixture. For the same reason it is not in `testing/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai_realtime.testing import MockRealtimeServer, RealtimeRoutes


@pytest.fixture
def realtime_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockRealtimeServer]:
    """A loopback realtime server; a client without arguments uses it.

    `OPENAI_BASE_URL` and `OPENAI_API_KEY` point to it while the test runs. Every other environment
    variable that a client reads, proxies included, is unset until the test ends. Its `calls` play the
    caller and the model of each call that your code began or accepted, and sidebands may join them.
    """
    from openai_realtime.testing import MockRealtimeServer  # noqa: PLC0415 - this file's rule

    _clear_environment(monkeypatch)
    with MockRealtimeServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", server.api_key)
        yield server


@pytest.fixture
def realtime_routes(monkeypatch: pytest.MonkeyPatch) -> Iterator[RealtimeRoutes]:
    """respx routes for https://api.openai.com/v1, without a socket, and a key in `OPENAI_API_KEY`.

    Every other environment variable that a client reads is unset until the test ends. The test fails
    when respx is not installed.
    """
    try:
        import respx  # noqa: PLC0415 - this file's rule
    except ImportError:
        pytest.fail("realtime_routes needs respx: pip install respx")

    from openai_realtime.testing import MOCK_API_KEY, mock_realtime  # noqa: PLC0415 - this file's rule

    _clear_environment(monkeypatch)
    monkeypatch.setenv("OPENAI_API_KEY", MOCK_API_KEY)
    with respx.mock(assert_all_called=False) as router:
        yield mock_realtime(router)


def _clear_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from openai_realtime.environment import CLIENT_VARIABLES  # noqa: PLC0415 - this file's rule

    for name in CLIENT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
