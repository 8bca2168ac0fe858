"""The replay stores: their protocols, and the store in this process's memory."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from openai_realtime.errors import ConfigurationError, WebhookInProgressError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ENTRIES = 100_000


class ClaimOnlyReplayStore(Protocol):
    """A store that only claims: a webhook passes once, whether it is then handled or not.

    Its `claim` may be an `async def`, as those of the other stores.
    """

    def claim(self, webhook_id: str, seconds: int, /) -> bool | Awaitable[bool]:
        """Return whether this is the first claim on `webhook_id` in its last claim's `seconds`."""
        ...


class ReplayStore(Protocol):
    """A store for `verify`, `averify` and `handling`. It is called from threads too.

    Each method is one atomic step. Write one where neither memory nor Redis will do.
    """

    def claim(self, webhook_id: str, seconds: int, /) -> str | None:
        """Claim `webhook_id` for `seconds`, and return a token of this claim that is not empty.

        Returns None when it was confirmed. Raises `WebhookInProgressError` when another claim on it
        has neither expired nor been released.
        """
        ...

    def confirm(self, webhook_id: str, token: str, seconds: int, /) -> object:
        """Remember for `seconds` that `webhook_id` is done, even if the claim has expired."""
        ...

    def release(self, webhook_id: str, token: str, /) -> object:
        """Forget the claim of this `token`, confirmed or not; leave a claim of another as it is."""
        ...


class AsyncReplayStore(Protocol):
    """As `ReplayStore`, awaited: for `averify`, and for `handling` with `async with`."""

    def claim(self, webhook_id: str, seconds: int, /) -> Awaitable[str | None]:
        """Claim `webhook_id`, as `ReplayStore.claim` does."""
        ...

    def confirm(self, webhook_id: str, token: str, seconds: int, /) -> Awaitable[object]:
        """Remember that `webhook_id` is done, as `ReplayStore.confirm` does."""
        ...

    def release(self, webhook_id: str, token: str, /) -> Awaitable[object]:
        """Forget a claim, as `ReplayStore.release` does."""
        ...


AnyReplayStore = ReplayStore | AsyncReplayStore | ClaimOnlyReplayStore


class _Entry(NamedTuple):
    ends_at: float
    token: str
    is_confirmed: bool


class MemoryReplayStore:
    """Remembers in this process: for a service that is one process. Never blocks.

    Holds at most `max_entries` (default 100,000), then forgets the oldest first. `clock` is
    monotonic, in seconds.
    """

    def __init__(
        self, *, max_entries: int = MAX_ENTRIES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_entries = max_entries
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # the oldest first
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def claim(self, webhook_id: str, seconds: int, /) -> str | None:
        """Claim `webhook_id`, as `ReplayStore.claim` does."""
        with self._lock:
            self._forget_expired()
            entry = self._entries.get(webhook_id)
            if entry is not None and entry.ends_at > self._clock():
                if entry.is_confirmed:
                    return None
                raise in_progress(webhook_id)
            token = new_token()
            self._keep(webhook_id, seconds, token, is_confirmed=False)
            return token

    def confirm(self, webhook_id: str, token: str, seconds: int, /) -> None:
        """Remember that `webhook_id` is done, as `ReplayStore.confirm` does."""
        with self._lock:
            self._keep(webhook_id, seconds, token, is_confirmed=True)

    def release(self, webhook_id: str, token: str, /) -> None:
        """Forget a claim, as `ReplayStore.release` does."""
        with self._lock:
            entry = self._entries.get(webhook_id)
            if entry is not None and entry.token == token:
                del self._entries[webhook_id]

    def _keep(self, webhook_id: str, seconds: int, token: str, *, is_confirmed: bool) -> None:
        self._entries[webhook_id] = _Entry(self._clock() + seconds, token, is_confirmed)
        self._entries.move_to_end(webhook_id)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def _forget_expired(self) -> None:
        """Forget from the oldest on; one that expired behind it is found when it is asked for."""
        now = self._clock()
        while self._entries and next(iter(self._entries.values())).ends_at <= now:
            self._entries.popitem(last=False)


def new_token() -> str:
    """Return a token that tells one claim from all others."""
    return secrets.token_hex(16)


def in_progress(webhook_id: str) -> WebhookInProgressError:
    """Return the error of a webhook that another claim holds."""
    message = "The webhook is being handled now: answer it with 503, so that it is delivered again"
    return WebhookInProgressError(message, webhook_id=webhook_id)


def check_is_made(given: object, method: str, wanted: str) -> None:
    """Raise `ConfigurationError`, saying `wanted`, unless `given` is an object with `method`."""
    if isinstance(given, type) or not callable(getattr(given, method, None)):
        raise ConfigurationError(wanted)


def close_unawaited(answer: Awaitable[object]) -> None:
    """Close what is not going to be awaited, so that Python does not warn of it."""
    if isinstance(answer, Coroutine):
        cast("Coroutine[object, object, object]", answer).close()
