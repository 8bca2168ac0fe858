"""The secret pool of the sync client: it mints in threads of its own.

Owns: minting in the background and waiting, and the lock around the inventory. Must not know: how many
to hold, who is served first, when to try again (`secret_pool/inventory.py` decides).
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from queue import SimpleQueue
from typing import TYPE_CHECKING, Self

from openai_realtime.resources.sessions import Sessions
from openai_realtime.secret_pool.base import Pool

if TYPE_CHECKING:
    from types import TracebackType

    from openai_realtime.configuration import Configuration
    from openai_realtime.core.exchange import RetryContext
    from openai_realtime.secret_pool.inventory import PoolStats
    from openai_realtime.types.session import RealtimeSessionCreateResponse, SecretPoolParams


class SyncSecretPool(Pool[Sessions]):
    """Secrets of one session, ready: for threads. Made by `client.secret_pool(…)`.

    Open it with `with` and share it between threads. Closing it waits for no mint: those that are
    in flight end by themselves, and their secrets are given to nobody. Its threads are daemons, so
    that a process that ends waits for none either. In a forked child `acquire` raises, and closing
    does nothing: open one in each process.
    """

    _block = "with"

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
        self._orders: SimpleQueue[bool] = SimpleQueue()
        # Daemons, for a process that ends shall not wait for a mint that nobody is to get. (An
        # executor's threads are waited for, and cannot be told to begin while the process ends.)
        self._threads = [
            threading.Thread(target=work, name=f"secret pool {self.name}", daemon=True)
            for work in (self._refill, *[self._mint] * self._inventory.limits.concurrency)
        ]

    def acquire(
        self, *, min_ttl: float | None = None, timeout: float | None = None
    ) -> RealtimeSessionCreateResponse:
        """Return a session whose secret is nobody else's: as `SecretPool.acquire`, blocking."""
        ttl, timeout = self._asked(min_ttl, timeout)
        with self._lock:
            session = self._inventory.take(ttl)
            self._nudged.set()
            if session is not None:
                return session
            served = threading.Event()
            waiter = self._inventory.wait(ttl, served.set)
        try:
            served.wait(timeout)
            with self._locked():
                return self._outcome(waiter, timeout)
        finally:
            with self._locked():
                self._inventory.leave(waiter)

    def stats(self) -> PoolStats:
        """Return what the pool holds and wants now, and has been through."""
        with self._locked():
            return self._inventory.stats()

    def close(self) -> None:
        """Give up all secrets; who waits, and who asks from now on, gets `ClientClosedError`.

        In a forked child nothing happens: the pool is the parent's.
        """
        if self._is_inherited:
            return
        with self._lock:
            self._inventory.close(self._closed())
        self._nudged.set()
        if self._is_open:
            self._threads[0].join()

    def _locked(self) -> AbstractContextManager[object]:
        """Return the lock; in a forked child none, for a thread that is not there may hold it."""
        return nullcontext() if self._is_inherited else self._lock

    def _refill(self) -> None:
        is_closed = False
        while not is_closed:
            self._nudged.clear()
            with self._lock:
                is_closed = self._inventory.is_closed
                count = self._inventory.reserve()
                news = self._news()
                pause = self._inventory.next_wake()
            for _ in range(count):
                self._orders.put(True)
            self._tell(news)
            if not is_closed:
                self._nudged.wait(pause)
        for _ in self._threads:
            self._orders.put(False)

    def _mint(self) -> None:
        while self._orders.get():
            try:
                session = self._sessions.create(**self._params)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told to who waits
                with self._lock:
                    self._failed(error)
            else:
                seconds = self._lives(session)
                with self._lock:
                    self._inventory.mint_succeeded(session, seconds)
            self._nudged.set()

    def __enter__(self) -> Self:
        self._opening()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
