"""The secret pool of the sync client: it mints in threads of its own.

Owns: minting in the background and waiting, and the lock around the stock. Must not know: how many
to hold, who is served first, when to try again (`core/stock.py` decides).
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from openai_realtime.core.stock import Waiter
from openai_realtime.resources.sessions import Sessions
from openai_realtime.secret_pool.pool import Pool, PoolStats

if TYPE_CHECKING:
    from types import TracebackType

    from openai_realtime.configuration import Configuration
    from openai_realtime.core.exchange import RetryContext
    from openai_realtime.types.secret_pool import SecretPoolParams
    from openai_realtime.types.session import RealtimeSessionCreateResponse


class SyncSecretPool(Pool[Sessions]):
    """Secrets of one session, ready: for threads. Made by `client.secret_pool(…)`.

    Open it with `with` and share it between threads. Closing it waits for no mint: those that are
    in flight end by themselves, and their secrets are given to nobody.
    """

    def __init__(
        self,
        sessions: Sessions,
        configuration: Configuration,
        context: RetryContext,
        params: SecretPoolParams,
    ) -> None:
        super().__init__(sessions, configuration, context, params)
        self._lock = threading.Lock()
        self._nudged = threading.Event()
        self._workers = ThreadPoolExecutor(
            self._stock.limits.concurrency, thread_name_prefix=f"secret pool {self.name}"
        )
        self._refiller = threading.Thread(
            target=self._refill, name=f"secret pool {self.name}", daemon=True
        )

    def acquire(
        self, *, min_ttl: float | None = None, timeout: float | None = None
    ) -> RealtimeSessionCreateResponse:
        """Return a session whose secret is nobody else's: as `SecretPool.acquire`, blocking."""
        ttl, patience = self._asked(min_ttl, timeout)
        served = threading.Event()
        waiter = Waiter["RealtimeSessionCreateResponse"](ttl, served.set)
        with self._lock:
            session = self._stock.take(ttl)
            if session is None:
                self._stock.wait(waiter)
        self._nudged.set()
        if session is not None:
            return session
        try:
            served.wait(patience)
            with self._lock:
                return self._outcome(waiter, patience)
        finally:
            with self._lock:
                self._stock.leave(waiter)

    def stats(self) -> PoolStats:
        """Return what the pool holds and wants now, and has been through."""
        with self._lock:
            return self._stats()

    def close(self) -> None:
        """Give up all secrets; who waits, and who asks from now on, gets `ClientClosedError`."""
        with self._lock:
            self._stock.close(self._closed())
        self._nudged.set()
        if self._is_open:
            self._refiller.join()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _refill(self) -> None:
        while True:
            self._nudged.clear()
            with self._lock:
                if self._stock.is_closed:
                    return
                tickets = self._stock.begin()
                news = self._news()
                pause = self._stock.next_wake()
            self._tell(news)
            try:
                for ticket in tickets:
                    self._workers.submit(self._mint, ticket)
            except RuntimeError:  # pragma: no cover - the interpreter ends, the pool was not closed
                return
            self._nudged.wait(min(pause, threading.TIMEOUT_MAX))

    def _mint(self, ticket: float) -> None:
        try:
            session = self._sessions.create(**self._params)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to who waits
            with self._lock:
                self._failed(ticket, error)
        else:
            with self._lock:
                self._minted(ticket, session)
        self._nudged.set()

    def __enter__(self) -> Self:
        self._opening()
        self._refiller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
