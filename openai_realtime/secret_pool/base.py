"""What the two secret pools share: their keyword arguments, and everything except waiting and minting."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Generic, TypeVar, cast

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
from openai_realtime.resources.create_operation import create_call
from openai_realtime.resources.sessions import CREATE, AsyncSessions, Sessions
from openai_realtime.secret_pool.inventory import Limits, SecretInventory, Waiter
from openai_realtime.types.session import (
    RealtimeSessionCreateResponse,
    SecretPoolParams,
    SessionCreateParams,
)

S = TypeVar("S", AsyncSessions, Sessions)

_DEFAULT_LIFETIME = 60.0  # seconds: the endpoint's default, for a response without an expiry
_DATE_STEP = 1.0  # a Date header has whole seconds: the server's clock may be this much ahead of it

_REQUESTED_LIFETIME = 600  # seconds, if the caller requests none
_SETTINGS = frozenset({"size", "min_size", "min_ttl", "concurrency", "name"})
_numbers = count(1)
_PERSONAL = frozenset({"safety_identifier", "openai-safety-identifier"})


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """The checked arguments of a pool."""

    name: str
    limits: Limits
    lifetime: float
    """The lifetime that is requested for each secret, in seconds."""
    session: SessionCreateParams
    """The parameters of each session."""

    @classmethod
    def parse(cls, configuration: Configuration, params: SecretPoolParams) -> PoolConfig:
        """Split and check a pool's keyword arguments; raises `ParameterError`."""
        arguments = cast("Mapping[str, object]", params)
        session = {name: value for name, value in arguments.items() if name not in _SETTINGS}
        _refuse_personal(session)
        size = _integer("size", params.get("size", 8), 1, 1000)
        limits = Limits(
            min_size=_integer("min_size", params.get("min_size", min(1, size)), 0, size),
            max_size=size,
            concurrency=_integer("concurrency", params.get("concurrency", 8), 1, 100),
            min_ttl=_seconds(params.get("min_ttl", 30.0)),
        )
        create_call(configuration, CREATE, session)  # raises `ParameterError` if they are wrong
        lifetime = _lifetime(session, limits.min_ttl, configuration.provider.max_lifetime)
        name = arguments["name"] if "name" in arguments else _next_name()
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= 100:  # noqa: PLR2004 - the message says it
            message = "name must be a printable text of 1 to 100 characters"
            raise ParameterError(message, param="name")
        return cls(name, limits, lifetime, cast("SessionCreateParams", session))


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
        """The pool's name in events and metrics."""
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
        if self._context.get_listener() is None:
            return None
        now = self._inventory.stats()
        level = PoolLevel(self.name, now.ready, now.wanted, now.hits, now.misses)
        if level == self._emitted:
            return None
        self._emitted = level
        return level

    def _emit_level(self, level: PoolLevel | None) -> None:
        listener = self._context.get_listener()
        if level is not None and listener is not None:
            listener(level)

    def __repr__(self) -> str:
        now = self._inventory.stats()
        return f"{type(self).__name__}({self.name!r}, ready={now.ready}, wanted={now.wanted})"


def _next_name() -> str:
    """Return `sessions`, then `sessions-2` and so on, so that metrics can distinguish pools."""
    number = next(_numbers)
    return "sessions" if number == 1 else f"sessions-{number}"


def _integer(name: str, value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        message = f"{name} must be a whole number from {least} to {most}"
        raise ParameterError(message, param=name)
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 7000:  # noqa: PLR2004 - the message says it
        message = "min_ttl must be a number of seconds from 0 to 7000"
        raise ParameterError(message, param="min_ttl")
    return value


def _lifetime(session: dict[str, object], min_ttl: float, longest: int) -> float:
    """Return the lifetime that `session` requests, after adding one to it if it requests none."""
    secret = cast("Mapping[str, Mapping[str, object]]", session.get("client_secret", {}))
    seconds = secret.get("expires_after", {}).get("seconds")
    if not isinstance(seconds, int):
        seconds = min(longest, max(_REQUESTED_LIFETIME, round(2 * min_ttl)))
        expires_after = {"anchor": "created_at", "seconds": seconds}
        session["client_secret"] = {**secret, "expires_after": expires_after}
    if seconds <= min_ttl:
        message = f"min_ttl={min_ttl:g} must be less than {seconds} s, the lifetime of the secrets"
        raise ParameterError(message, param="min_ttl")
    return float(seconds)


def _refuse_personal(session: Mapping[str, object]) -> None:
    """Raise `ParameterError` if every secret of the pool would belong to one person."""
    for option in (None, "extra_headers", "extra_body"):
        names = session if option is None else session.get(option)
        for name in cast("Mapping[object, object]", names) if isinstance(names, Mapping) else ():
            if isinstance(name, str) and name.lower() in _PERSONAL:
                message = (
                    f"{name}: a pool cannot hold the secrets of one person, because other callers "
                    "would speak under that person's identifier: use sessions.create instead"
                )
                raise ParameterError(message, param=option or name)
