"""A real Redis and a real uvicorn for the webhooks' tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from mint.redis_process import RedisProcess
from mint.service import serving

from webhooks.calls import Handler

if TYPE_CHECKING:
    from starlette.types import ASGIApp


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process = RedisProcess(tmp_path_factory.mktemp("redis"))
    process.start(appendonly="no")
    yield process.url
    process.kill()


@pytest.fixture
def serve() -> Iterator[Callable[[ASGIApp], str]]:
    """Give a function that serves an app on a free port until the test ends; it returns the address."""
    with ExitStack() as servers:

        def start(app: ASGIApp) -> str:
            options = {"lifespan": "off", "ws": "none", "timeout_graceful_shutdown": None}
            host, port = servers.enter_context(serving(app, **options))
            return f"http://{host}:{port}"

        yield start


@pytest.fixture
def handler() -> Iterator[Handler]:
    own = Handler()
    yield own
    own.may_end.set()  # so that a failed test leaves no thread
