"""The two drivers, sync and async, that run an exchange over an engine."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING

from openai_realtime.core.deadline import deadline_passed
from openai_realtime.core.exchange import Call, Exchange, RetryContext, T
from openai_realtime.errors import ConfigurationError
from openai_realtime.secrets import Authorization
from openai_realtime.transports.exceptions import DESCRIPTORS_TO_CONNECT

if TYPE_CHECKING:
    from openai_realtime.core.deadline import Deadline, Timeout
    from openai_realtime.core.issued_token import IssuedToken
    from openai_realtime.credentials import Credential
    from openai_realtime.token_cache import Work
    from openai_realtime.transports.base import AsyncConnections, SyncConnections


class AsyncDriver:
    """Runs calls on asyncio and trio."""

    def __init__(
        self, connections: AsyncConnections, credential: Credential, context: RetryContext
    ) -> None:
        self._connections = connections
        self._credential = credential
        self._context = context

    async def run(self, call: Call[T]) -> T:
        """Return the call's result or raise its error, within its deadline."""
        exchange = Exchange(call, self._context)
        for attempt in exchange:
            with attempt, DESCRIPTORS_TO_CONNECT:
                if attempt.delay:
                    await self._connections.current().sleep(attempt.delay)
                authorization = exchange.call.authorization or self._credential.get(
                    exchange.deadline
                )
                if not (authorization is None or isinstance(authorization, Authorization)):
                    authorization = await self._awaited(
                        authorization, call.timeout, exchange.deadline
                    )
                request = attempt.request(authorization)
                attempt.receive(
                    await self._connections.current().send(request, call.timeout, exchange.deadline)
                )
        return exchange.result()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._connections.current().sleep(seconds)

    async def _awaited(
        self, key: Awaitable[str] | Work[IssuedToken], limits: Timeout, deadline: Deadline
    ) -> Authorization:
        if not isinstance(key, Awaitable):
            from openai_realtime.transports.access_tokens import do_async  # noqa: PLC0415 - rare

            return await do_async(key, self._connections, limits)
        import anyio  # noqa: PLC0415 - slow to import, and few keys are awaited

        with anyio.move_on_after(deadline.remaining()):
            return self._credential.authorization(await key)
        raise deadline_passed(limits.total, possibly_acted=False)


class SyncDriver:
    """Runs calls on the calling thread. Safe to share between threads."""

    def __init__(
        self, connections: SyncConnections, credential: Credential, context: RetryContext
    ) -> None:
        self._connections = connections
        self._credential = credential
        self._context = context

    def run(self, call: Call[T]) -> T:
        """Return the call's result or raise its error, within its deadline."""
        exchange = Exchange(call, self._context)
        for attempt in exchange:
            with attempt, DESCRIPTORS_TO_CONNECT:
                if attempt.delay:
                    time.sleep(attempt.delay)
                request = attempt.request(
                    exchange.call.authorization
                    or self._authorization(call.timeout, exchange.deadline)
                )
                attempt.receive(
                    self._connections.current().send(request, call.timeout, exchange.deadline)
                )
        return exchange.result()

    def _authorization(self, limits: Timeout, deadline: Deadline) -> Authorization | None:
        credential = self._credential.get(deadline)
        if credential is None or isinstance(credential, Authorization):
            return credential
        if not isinstance(credential, Awaitable):
            from openai_realtime.transports.access_tokens import do_sync  # noqa: PLC0415 - rare

            return do_sync(credential, self._connections, limits)
        if isinstance(credential, Coroutine):
            credential.close()  # otherwise Python warns that it was never awaited
        message = "api_key is an async callable: the sync client needs a sync one"
        raise ConfigurationError(message)
