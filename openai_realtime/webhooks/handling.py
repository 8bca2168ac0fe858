"""The handling of one webhook: a claim, then a confirmation or a release."""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Final, cast

import anyio
import anyio.to_thread

from openai_realtime.errors import ConfigurationError, WebhookReplayedError
from openai_realtime.logs import logger
from openai_realtime.types.webhook import AnyWebhookEvent
from openai_realtime.webhooks.replay_stores import (
    AnyReplayStore,
    AsyncReplayStore,
    MemoryReplayStore,
    ReplayStore,
    close_unawaited,
)

CLAIM_TIMEOUT: Final = 60.0
"""After how many seconds a claim expires by default, if it is neither confirmed nor released."""
_MAX_CLAIM_TIMEOUT = 24 * 3600
_STORE_SECONDS = 5
"""How long a store may take to confirm or release a webhook, also in a cancelled request."""


class Handling:
    """A verified webhook that is to be handled: `with` and `async with` return its event.

    Made by `WebhookVerifier.handling`. The start of the block claims the webhook. Its end confirms
    the webhook, or releases it when the block raises an exception or is cancelled; the exception
    is not suppressed.
    """

    def __init__(
        self,
        event: AnyWebhookEvent,
        store: AnyReplayStore | None,
        *,
        claim_seconds: int,
        remembered_seconds: int,
    ) -> None:
        self.event = event
        self._store = store
        self._confirming: ReplayStore | AsyncReplayStore | None = None
        if store is not None and hasattr(store, "confirm"):
            self._confirming = cast("ReplayStore | AsyncReplayStore", store)
        self._claim_seconds = claim_seconds
        self._remembered_seconds = remembered_seconds
        self._token = ""

    def __enter__(self) -> AnyWebhookEvent:
        self.claim()
        return self.event

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with _log_errors(self.event.webhook_id):
            _returned(self._end(succeeded=kind is None))

    async def __aenter__(self) -> AnyWebhookEvent:
        await self.aclaim()
        return self.event

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await self.afinish(succeeded=kind is None)

    def claim(self) -> None:
        """Claim the webhook.

        Raises `WebhookReplayedError` when it was handled before, `WebhookInProgressError` when it
        is being handled, `ConfigurationError` when the store must be awaited, and what the store
        raises.
        """
        self._accept(_returned(self._claim()))

    async def aclaim(self) -> None:
        """As `claim`, also for a store that must be awaited; others are called on a thread."""
        self._accept(await self._awaited(self._claim))

    def confirm(self) -> None:
        """Remember that the webhook is done; raises what the store raises."""
        _returned(self._end(succeeded=True))

    async def aconfirm(self) -> None:
        """As `confirm`, also for a store that must be awaited; others are called on a thread."""
        await self._awaited(partial(self._end, succeeded=True))

    async def afinish(self, *, succeeded: bool) -> None:
        """Confirm or release the webhook, also in a cancelled task; log the store's errors."""
        with _log_errors(self.event.webhook_id), anyio.fail_after(_STORE_SECONDS, shield=True):
            await self._awaited(partial(self._end, succeeded=succeeded))

    async def _awaited(self, step: Callable[[], object]) -> object:
        """Return the result of a store's step, run on a thread if it could block the event loop."""
        store = self._store
        may_block = not (
            store is None
            or isinstance(store, MemoryReplayStore)
            or inspect.iscoroutinefunction(store.claim)
        )
        run = anyio.to_thread.run_sync
        result = await run(step, abandon_on_cancel=True) if may_block else step()
        return await cast("Awaitable[object]", result) if isinstance(result, Awaitable) else result

    def _claim(self) -> object:
        if self._store is None:
            return True
        is_confirming = self._confirming is not None
        seconds = self._claim_seconds if is_confirming else self._remembered_seconds
        return self._store.claim(self.event.webhook_id, seconds)

    def _accept(self, token: object) -> None:
        if not token:
            message = "The webhook was handled before: respond with 200, and do nothing"
            raise WebhookReplayedError(message, webhook_id=self.event.webhook_id)
        self._token = cast("str", token)

    def _end(self, *, succeeded: bool) -> object:
        if self._confirming is None:
            return None
        if succeeded:
            return self._confirming.confirm(
                self.event.webhook_id, self._token, self._remembered_seconds
            )
        return self._confirming.release(self.event.webhook_id, self._token)


def claim_seconds(claim_timeout: float) -> int:
    """Return `claim_timeout` in whole seconds; raises `ConfigurationError` when it is unusable."""
    if not 1 <= claim_timeout <= _MAX_CLAIM_TIMEOUT:
        message = f"claim_timeout is unusable: it must be 1 to {_MAX_CLAIM_TIMEOUT} seconds"
        raise ConfigurationError(message)
    return math.ceil(claim_timeout)


@contextmanager
def _log_errors(webhook_id: str) -> Generator[None]:
    """Log what the store raises, so that it does not replace the handler's own exception."""
    try:
        yield
    except Exception:  # noqa: BLE001 - the store may be the user's own
        logger.exception(
            "The replay store failed to confirm or release the webhook %s. Until its claim "
            "expires, another delivery is refused; after that, it is handled again",
            webhook_id,
        )


def _returned(result: object) -> object:
    """Return a store's result; raises `ConfigurationError` when it must be awaited."""
    if isinstance(result, Awaitable):
        close_unawaited(cast("Awaitable[object]", result))
        message = (
            "This replay_store must be awaited: use `await verifier.averify(…)`, or "
            "`async with verifier.handling(…)`"
        )
        raise ConfigurationError(message)
    return result
