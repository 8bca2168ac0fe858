"""The base class of the two secret pools: everything except waiting and minting."""

from __future__ import annotations

import copy
import math
import os
from typing import Generic, TypeVar

from openai_realtime.configuration import Configuration
from openai_realtime.core.events import PoolLevel
from openai_realtime.core.exchange import RetryContext
from openai_realtime.errors import (
    APIError,
    APITimeoutError,
    ClientClosedError,
    ParameterError,
    RealtimeError,
)
from openai_realtime.resources.sessions import AsyncSessions, Sessions
from openai_realtime.secret_pool.inventory import SecretInventory, Waiter
from openai_realtime.secret_pool.pool_config import PoolConfig
from openai_realtime.types.session import RealtimeSessionCreateResponse, SecretPoolParams

S = TypeVar("S", AsyncSessions, Sessions)

_DEFAULT_LIFETIME = 60.0  # seconds: the endpoint's default, for a response without an expiry
_DATE_STEP = 1.0  # a Date header has whole seconds: the server's clock may be this much ahead of it


class BasePool(Generic[S]):
    """A pool; its subclasses wait and mint."""

    _block: str
    """The statement that opens it, for error messages."""

    def __init__(
        self,
        sessions: S,
        configuration: Configuration,
        context: RetryContext,
        params: SecretPoolParams,
    ) -> None:
        config = PoolConfig.parse(configuration, params)
        self.name: str = config.name
        self._params = config.session
        self._lifetime = config.lifetime
        self._sessions: S = sessions
        self._context = context
        self._timeout = configuration.timeout.total
        self._inventory = SecretInventory["RealtimeSessionCreateResponse"](config.limits, context)
        self._is_open = False
        self._process = 0
        self._emitted: PoolLevel | None = None

    @property
    def was_opened(self) -> bool:
        """Whether the pool was opened, which it can be only once."""
        return self._is_open

    @property
    def _is_inherited(self) -> bool:
        """Whether another process opened the pool, and this one is a fork of it."""
        return self._is_open and self._process != os.getpid()

    def _refuse_inherited(self) -> None:
        if self._is_inherited:
            message = (
                f"The pool {self.name!r} was opened in the parent process: "
                "open one in each process, after the fork"
            )
            raise ClientClosedError(message)

    def _checked(self, min_ttl: float | None, timeout: float | None) -> tuple[float, float]:
        """Return `min_ttl` and `timeout`, checked, with their defaults."""
        if not self._is_open:
            message = f"The pool {self.name!r} is not open: use it inside its `{self._block}` block"
            raise ClientClosedError(message)
        self._refuse_inherited()
        ttl = self._inventory.limits.min_ttl if min_ttl is None else min_ttl
        if not 0 <= ttl < self._lifetime:
            message = f"min_ttl must be from 0 to below {self._lifetime:g} s, the secrets' lifetime"
            raise ParameterError(message, param="min_ttl")
        timeout = self._timeout if timeout is None else timeout
        if not 0 <= timeout < math.inf:
            message = "timeout must be a finite number of seconds, 0 or more"
            raise ParameterError(message, param="timeout")
        return ttl, timeout

    def _result(
        self, waiter: Waiter[RealtimeSessionCreateResponse], timeout: float
    ) -> RealtimeSessionCreateResponse:
        """Return the session that a waiter got, or raise the error because of which it got none."""
        self._refuse_inherited()  # the process may have been forked meanwhile
        session = self._inventory.collect(waiter)
        if session is not None:
            return session
        error = waiter.error or self._inventory.error
        if error is None:
            message = f"The pool {self.name!r} had no secret within {timeout:g} s"
            raise APITimeoutError(
                message,
                phase="pool",
                retryable=True,
                hint="Raise timeout=, or the pool's size= and concurrency=; see pool.stats()",
            )
        if not isinstance(error, RealtimeError):
            raise error.with_traceback(None)  # each `raise` would make the traceback longer
        # Several callers may get the same error: each raises a copy, with its own traceback.
        error = copy.copy(error)
        if isinstance(error, APIError):
            hint = f"The pool {self.name!r} is empty, because minting fails with this error"
            error.hint = f"{error.hint}. {hint}" if error.hint else hint
        raise error

    def _lifetime_left(self, session: RealtimeSessionCreateResponse) -> float:
        """Return the shortest possible lifetime of a secret that has just arrived, in seconds.

        Never more than the requested lifetime: the Date header may come from a gateway whose clock
        is slow.
        """
        seconds = session.client_secret.seconds_left
        stated = _DEFAULT_LIFETIME if seconds is None else seconds
        return min(self._lifetime, stated) - _DATE_STEP

    def _mint_failed(self, error: Exception) -> None:
        if isinstance(error, APIError):
            error.__traceback__ = None  # the pool stores the error; the frames would stay in memory
        self._inventory.mint_failed(error)
        if isinstance(error, ClientClosedError):
            self._inventory.close(
                ClientClosedError(f"The client of the pool {self.name!r} is closed")
            )

    def _begin(self) -> None:
        if self._is_open:
            message = f"The pool {self.name!r} can be opened only once: make another one"
            raise RuntimeError(message)
        self._is_open = True
        self._process = os.getpid()

    def _closed_error(self) -> ClientClosedError:
        return ClientClosedError(f"The pool {self.name!r} is closed")

    def _new_level(self) -> PoolLevel | None:
        """Return the level if there is a listener and it differs from the last one emitted."""
        if self._context.listening() is None:
            return None
        now = self._inventory.stats()
        level = PoolLevel(self.name, now.ready, now.wanted, now.hits, now.misses)
        if level == self._emitted:
            return None
        self._emitted = level
        return level

    def _emit_level(self, level: PoolLevel | None) -> None:
        listener = self._context.listening()
        if level is not None and listener is not None:
            listener(level)

    def __repr__(self) -> str:
        now = self._inventory.stats()
        return f"{type(self).__name__}({self.name!r}, ready={now.ready}, wanted={now.wanted})"
