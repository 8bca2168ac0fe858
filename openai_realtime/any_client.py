"""What every client is, async or sync: checked settings, its connections, one retry budget.

Owns: what `RealtimeSessionsClient` and `SyncRealtimeSessionsClient` share. Must not know: resources,
`await`, how anything is sent.
"""

from __future__ import annotations

import random
import time
from abc import abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, NoReturn, Self, TypeVar

from openai_realtime.core.deadline import Deadline, deadline_passed
from openai_realtime.core.exchange import RetryContext
from openai_realtime.errors import APIConnectionError, APITimeoutError, ParameterError
from openai_realtime.logs import log_listener, set_up_from_environment
from openai_realtime.transports.base import AsyncConnections, SyncConnections
from openai_realtime.transports.pool import MAX_CONNECTIONS
from openai_realtime.transports.proxies import Origin, origin_of

if TYPE_CHECKING:
    from openai_realtime.configuration import AnyClientOptions, Configuration
    from openai_realtime.core.events import Listener
    from openai_realtime.core.retry import RetryBudget
    from openai_realtime.providers import Provider

C = TypeVar("C", AsyncConnections, SyncConnections)

RESOURCES = frozenset(
    {"calls", "client_secrets", "sessions", "transcription_sessions", "translations"}
)
"""What hangs on a client, made when it is first asked for."""


class AnyClient(Generic[C]):
    """What both clients share: checked settings, the connections, a repr that shows no key."""

    _configuration: Configuration
    _budget: RetryBudget
    _context: RetryContext
    _connections: C
    _owns_connections: bool

    @abstractmethod
    def _attach_driver(self) -> None:
        """Make the driver of `_connections`, with `_configuration` and `_context`."""

    def _begin(
        self,
        configuration: Configuration,
        budget: RetryBudget,
        connections: C,
        *,
        owns_connections: bool,
    ) -> None:
        set_up_from_environment()
        listening: Callable[[], Listener | None] = log_listener
        hook = configuration.options.get("on_event")
        if hook is not None:
            from openai_realtime import observe  # noqa: PLC0415 - few clients have a hook

            # Kept guarded: a copy for every request shall not warn of the same fault anew.
            hook = configuration.options["on_event"] = observe.guarded(hook)
            listening = observe.listening(hook)
        self._configuration = configuration
        self._budget = budget
        self._connections = connections
        self._owns_connections = owns_connections
        self._context = RetryContext(
            policy=configuration.retry,
            budget=budget,
            clock=time.monotonic,
            random=random.random,
            listening=listening,
        )
        self._attach_driver()

    def _copied(self, options: AnyClientOptions) -> Self:
        copy: Self = self.__class__.__new__(self.__class__)
        copy.__dict__.update(
            {name: value for name, value in self.__dict__.items() if name not in RESOURCES}
        )
        configuration = self._configuration.with_options(options)
        copy._begin(configuration, self._budget, self._connections, owns_connections=False)
        return copy

    @contextmanager
    def _warming(self, n: int) -> Generator[tuple[Origin, Deadline]]:
        if type(n) is not int or not 0 < n <= MAX_CONNECTIONS:
            message = f"n must be a whole number from 1 to {MAX_CONNECTIONS}"
            raise ParameterError(message, param="n")
        from openai_realtime.resources.client_secrets import CREATE as CLIENT_SECRETS  # noqa: PLC0415 - on first use
        from openai_realtime.resources.sessions import CREATE as SESSIONS  # noqa: PLC0415

        for mint in (SESSIONS, CLIENT_SECRETS):
            mint.prepare()
        limits = self._configuration.timeout
        deadline = Deadline.after(limits.total, time.monotonic)
        origin = origin_of(self.base_url, loopback_only=self.provider.loopback_only)
        try:
            yield origin, deadline
        except APIConnectionError as error:
            if isinstance(error, APITimeoutError) and not deadline.remaining():
                error = deadline_passed(limits.total, possibly_acted=False)
            error.url = self.base_url
            raise error from error.__cause__

    @property
    def base_url(self) -> str:
        """Where calls go, without a trailing slash."""
        return self._configuration.provider.base_url

    @property
    def provider(self) -> Provider:
        """Who is called: name, paths, dialect."""
        return self._configuration.provider

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, or the `http_client` that it sends through: calls raise `ClientClosedError`."""
        return self._connections.is_closed

    def __repr__(self) -> str:
        # Shown in tracebacks too, where a setting was refused and there is no configuration yet.
        is_built = hasattr(self, "_configuration")
        return f"{type(self).__name__}({f'base_url={self.base_url!r}' if is_built else ''})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        message = f"{type(self).__name__} holds connections and a key, and cannot be pickled"
        raise TypeError(message)
