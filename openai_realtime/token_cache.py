"""One client's access token, and its renewal: one call renews it for all threads and tasks.

Rule for this file: it does no I/O. `TokenCache.get` is a generator: it yields what has to be done (an
`Operation`), and takes the result. `transports/access_tokens.py` performs the operations.
"""

from __future__ import annotations

import copy
import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from openai_realtime.core.deadline import Deadline
from openai_realtime.core.issued_token import (
    IssuedToken,
    decide,
    renewal_deadline,
    renewal_time,
)
from openai_realtime.errors import APIError, APITimeoutError, RealtimeError
from openai_realtime.providers import BEARER, Provider
from openai_realtime.secrets import ApiKey

if TYPE_CHECKING:
    from concurrent.futures import Future

    from openai_realtime.core.wire import Request

T = TypeVar("T")
_log = logging.getLogger("openai_realtime")


@dataclass(frozen=True, slots=True)
class SendRequest:
    """Send a request. The result is its `Response`."""

    request: Request
    deadline: Deadline
    is_direct: bool = False
    """Whether it goes straight to a metadata service: not through a proxy or the user's client."""


@dataclass(frozen=True, slots=True)
class CallSource:
    """Call a function, and await what it returns if that can be awaited. The result is its own."""

    function: Callable[[], object]
    deadline: Deadline


@dataclass(frozen=True, slots=True)
class AwaitRenewal:
    """Wait until another call has ended its renewal. The result is its error, or None."""

    renewal: Future[APIError | None]
    deadline: Deadline


Operation = SendRequest | CallSource | AwaitRenewal
Work = Generator[Operation, object, T]
"""The work of getting a `T`: a generator of operations."""


class TokenIssuer(ABC):
    """Issues access tokens for an API: pass one as a client's `api_key`."""

    __slots__ = ()

    @property
    @abstractmethod
    def refresh_buffer(self) -> float:
        """How long before its end, in seconds, a token is renewed."""

    @abstractmethod
    def check_provider(self, provider: Provider) -> None:
        """Raise `ConfigurationError` if the provider does not take its tokens."""

    @abstractmethod
    def issue(self, deadline: Deadline) -> Work[tuple[ApiKey, float]]:
        """Return a new token, and its lifetime in seconds; raises `RealtimeError`."""


class TokenCache:
    """The token of a client and its copies. Threads and event loops may share it."""

    def __init__(self, issuer: TokenIssuer, clock: Callable[[], float] = time.monotonic) -> None:
        self.issuer: TokenIssuer = issuer
        self._clock = clock
        self._token: IssuedToken | None = None
        # By process, because a forked child does not take part in its parent's renewal. There is no
        # lock: a fork could copy it while it is held. `setdefault` of a dict is atomic.
        self._renewals: dict[int, Future[APIError | None]] = {}

    def fresh(self) -> IssuedToken | None:
        """Return the token if it need not be renewed yet, else None."""
        token = self._token
        return token if token is not None and token.is_fresh(self._clock()) else None

    def get(self, deadline: Deadline) -> Work[IssuedToken]:
        """Return a usable token, new if necessary; raises `RealtimeError`."""
        from concurrent.futures import Future  # noqa: PLC0415 - slow to import

        process = os.getpid()
        while True:
            own: Future[APIError | None] = Future()
            failure: APIError | None = None
            try:
                renewal = self._renewals.setdefault(process, own)
                token = self._token
                decision = decide(token, self._clock(), is_being_renewed=renewal is not own)
                if decision == "use":
                    return cast("IssuedToken", token)
                if decision == "renew":
                    return (yield from self._renew(token, deadline))
            except APIError as error:
                # Another call may have more time left, so it tries by itself.
                failure = copy.copy(error) if deadline.remaining() else None
                raise
            finally:
                if self._renewals.get(process) is own:
                    del self._renewals[process]
                    own.set_result(failure)
            shared = cast("APIError | None", (yield AwaitRenewal(renewal, deadline)))
            if shared is not None:
                raise copy.copy(shared)

    def _renew(self, token: IssuedToken | None, deadline: Deadline) -> Work[IssuedToken]:
        began = self._clock()
        limit = renewal_deadline(token, began, deadline)
        try:
            key, lifetime = yield from self.issuer.issue(limit)
        except RealtimeError as error:
            now = self._clock()
            if token is None or not token.is_usable(now):
                raise
            token.renewal_failed(now)
            _log.warning("The access token is used although its renewal failed: %s", error)
            return token
        self._token = IssuedToken(
            key,
            (BEARER.header.encode("ascii"), f"{BEARER.prefix}{key}".encode("ascii")),
            renew_at=began + renewal_time(lifetime, self.issuer.refresh_buffer),
            expires_at=began + lifetime,
        )
        return self._token


def renewal_timed_out() -> APITimeoutError:
    """Return the error of a call whose deadline passed while another call renewed the token."""
    return APITimeoutError(
        "Token exchange: another call's was not done in time",
        phase="total",
        step="token_exchange",
        hint="Raise timeout=, or check whether the source of tokens is slow or unreachable",
    )
