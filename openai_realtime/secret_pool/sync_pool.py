"""The secret pool of the sync client: mints in background threads."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from queue import SimpleQueue
from typing import Self

from openai_realtime.configuration import Configuration
from openai_realtime.core.exchange import RetryContext
from openai_realtime.resources.sessions import Sessions
from openai_realtime.secret_pool.base import BasePool
from openai_realtime.secret_pool.inventory import PoolStats
from openai_realtime.types.session import RealtimeSessionCreateResponse, SecretPoolParams


class SyncSecretPool(BasePool[Sessions]):
    """A pool of sessions that are minted in advance, for threads.

    `client.secret_pool(…)` makes it. Open it with `with`, and share it between threads. Closing it
    does not wait for the running mints, whose sessions are dropped. Its threads are daemons: the
    process may end while they mint. In a forked process `acquire` raises `ClientClosedError`, and
    closing does nothing: open one pool in each process.
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
        self._changed = threading.Event()
        # True: mint one session. False: end the thread.
        self._orders: SimpleQueue[bool] = SimpleQueue()
        # Not an executor, for whose threads the process would wait at exit.
        self._threads = [
            threading.Thread(target=work, name=f"secret pool {self.name}", daemon=True)
            for work in (self._refill, *[self._mint] * self._inventory.limits.concurrency)
        ]

    def acquire(
        self, *, min_ttl: float | None = None, timeout: float | None = None
    ) -> RealtimeSessionCreateResponse:
        """Return a session whose secret lives at least `min_ttl` more seconds. No other caller gets it.

        Returns at once when the pool has one. Otherwise it blocks until one is minted, at most
        `timeout` seconds (0: does not block), first come, first served. `min_ttl` defaults to the
        pool's, `timeout` to the client's total timeout. If the caller is interrupted, the session
        stays in the pool.

        Raises the error of the last mint when minting fails, `APITimeoutError` when minting works
        but takes too long, `ClientClosedError` when the pool or its client is closed, and
        `ParameterError` when an argument is out of range: `min_ttl` must be less than the lifetime
        of the secrets.
        """
        ttl, timeout = self._checked(min_ttl, timeout)
        with self._lock:
            session = self._inventory.take(ttl)
            self._changed.set()
            if session is not None:
                return session
            served = threading.Event()
            waiter = self._inventory.wait(ttl, served.set)
        try:
            served.wait(timeout)
            with self._locked():
                return self._result(waiter, timeout)
        finally:
            with self._locked():
                self._inventory.leave(waiter)

    def stats(self) -> PoolStats:
        """Return the pool's current levels, and its counts since it was made."""
        with self._locked():
            return self._inventory.stats()

    def close(self) -> None:
        """Drop all sessions; present and later calls of `acquire` raise `ClientClosedError`.

        In a forked process it does nothing, because the pool belongs to the parent.
        """
        if self._is_inherited:
            return
        with self._lock:
            self._inventory.close(self._closed_error())
        self._changed.set()
        if self._is_open:
            self._threads[0].join()

    def _locked(self) -> AbstractContextManager[object]:
        """Return the lock; in a forked process none, because a thread of the parent may hold it."""
        return nullcontext() if self._is_inherited else self._lock

    def _refill(self) -> None:
        is_closed = False
        while not is_closed:
            self._changed.clear()
            with self._lock:
                is_closed = self._inventory.is_closed
                count = self._inventory.reserve()
                level = self._new_level()
                pause = self._inventory.next_wake()
            for _ in range(count):
                self._orders.put(True)
            self._emit_level(level)
            if not is_closed:
                self._changed.wait(pause)
        for _ in self._threads:
            self._orders.put(False)

    def _mint(self) -> None:
        while self._orders.get():
            try:
                session = self._sessions.create(**self._params)
            except Exception as error:  # noqa: BLE001 - the callers that wait get it, whatever it is
                with self._lock:
                    self._mint_failed(error)
            else:
                seconds = self._lifetime_left(session)
                with self._lock:
                    self._inventory.mint_succeeded(session, seconds)
            self._changed.set()

    def __enter__(self) -> Self:
        self._begin()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()
