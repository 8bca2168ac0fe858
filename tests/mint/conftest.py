"""The fixtures of the mint service's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mint.redis_process import RedisProcess
from mint.service import app_for, browser
from openai_realtime.testing import MockRealtimeServer

if TYPE_CHECKING:
    from starlette.testclient import TestClient


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    process = RedisProcess(tmp_path)
    process.start()
    yield process
    process.kill()


@pytest.fixture
def provider() -> Iterator[MockRealtimeServer]:
    with MockRealtimeServer() as server:
        yield server


@pytest.fixture
def page(provider: MockRealtimeServer) -> Iterator[TestClient]:
    """Give a client of a service with its defaults, apart from a higher limit."""
    with browser(app_for(provider, limits="1000/minute", allow={"voice": ["verse", "marin"]})) as a:
        yield a
