"""What both sidebands share: what to read next, what a lost connection means, and who may use it."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager, suppress
from random import random
from socket import SHUT_RDWR
from typing import TYPE_CHECKING, Final, Generic, NoReturn, TypeVar, cast

from openai_realtime.configuration import Configuration
from openai_realtime.core.exchange import Call
from openai_realtime.core.peer_text import MAX_NAME_CHARACTERS, sanitize_text
from openai_realtime.core.retry import backoff
from openai_realtime.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    ClientClosedError,
    NotFoundError,
)
from openai_realtime.logs import logger
from openai_realtime.resources.sideband_protocol import SidebandProtocol
from openai_realtime.transports.websocket import (
    NORMAL_CLOSURE,
    UpgradedResponse,
    WebSocketConnection,
    require_websockets,
)
from openai_realtime.types.sideband import (
    RECONNECTED,
    Reconnected,
    SidebandEvent,
    SidebandUsage,
    read_event,
)

if TYPE_CHECKING:
    from openai_realtime.transports.sockets import SocketConnection

SETTLE_SECONDS: Final = 5.0
"""How long a 404 of the first handshake is tried again: the call may not be set up yet."""
RECONNECT_SECONDS: Final = 30.0
"""How long a lost connection is opened again before its error is raised."""
LASTING_SECONDS: Final = 10.0
"""After this time a connection counts as working: only then is a lost one opened again at once."""

END_SECONDS: Final = 15.0
"""How long `close(end_session=True)` waits for `session.closed`."""
_LAST_EVENT = "session.closed"
_REMEMBERED_IDS = 1000
_POLL_SECONDS = 0.05

D = TypeVar("D")
S = TypeVar("S", bound="SocketConnection")


class SidebandSession:
    """What both sidebands share: what to send next, what to read, and what a lost connection means."""

    def __init__(
        self, call: Call[UpgradedResponse], configuration: Configuration, protocol: SidebandProtocol
    ) -> None:
        self.call: Final[Call[UpgradedResponse]] = call
        self.protocol: Final[SidebandProtocol] = protocol
        self.usage: SidebandUsage = SidebandUsage()
        self._policy = configuration.retry
        self._failing_since: float | None = None
        self._attempts = 0
        self._added: deque[SidebandEvent] = deque()
        self._read_ids: deque[str] = deque(maxlen=_REMEMBERED_IDS)
        self._repeated_ids: frozenset[str] = frozenset()
        self._connected_at = self._received_at = 0.0
        self._process = os.getpid()
        self._reading = threading.Lock()
        self._warned = False
        self.connection: WebSocketConnection | None = None
        self.is_closed: bool = False
        """Whether its `with` block has ended."""
        self.has_ended: bool = False
        """Whether the call has ended: the server says so, closes the connection normally, or says 404."""
        self.was_left: bool = False
        """Whether it was closed here, and the call goes on."""
        self.delay: float = 0.0
        """Seconds until a lost connection is opened again."""

    def begin(self) -> None:
        """Begin to open the first connection; raises `ModuleNotFoundError` without `websockets`."""
        if self.connection is not None:
            message = "A sideband can be opened once: call connect(…) again for another one"
            raise ClientClosedError(message)
        require_websockets()
        self._failing_since = time.monotonic()
        self._process = os.getpid()

    def connected(self, connection: WebSocketConnection) -> None:
        """Take a new connection; after a lost one, add the event that says so."""
        self._connected_at = time.monotonic()
        if self.connection is None:
            self._received_at = self._connected_at
            self._failing_since = None
        else:
            missed = self._connected_at - self._received_at - self.protocol.repeated_seconds
            self._added.append(Reconnected(type=RECONNECTED, seconds_missed=max(0.0, missed)))
            self._repeated_ids = frozenset(self._read_ids)
        self.connection = connection

    def delay_after(self, error: APIError) -> float:
        """Return the seconds until the next handshake; raises `error` if there is none."""
        is_first = self.connection is None
        limit = SETTLE_SECONDS if is_first else RECONNECT_SECONDS
        is_temporary = isinstance(error, NotFoundError) if is_first else error.retryable
        now = time.monotonic()
        since = now if self._failing_since is None else self._failing_since
        wait = error.retry_after or 0.0
        if not is_temporary or now + wait - since >= limit:
            raise error
        self._attempts += 1
        return max(0.1, wait, min(backoff(self._attempts, self._policy, random), limit / 4))

    def lost(self) -> None:
        """Set `has_ended`, or the `delay` until the connection is opened again: 0 if it had lasted.

        Raises `APIConnectionError` if for `RECONNECT_SECONDS` none has lasted.
        """
        assert self.connection is not None  # noqa: S101 - one was lost
        self.note_end()
        self.delay = 0.0
        now = time.monotonic()
        if self.has_ended:
            return
        if self._failing_since is None or now - self._connected_at >= LASTING_SECONDS:
            self._failing_since, self._attempts = now, 0
            return
        reason = sanitize_text(self.connection.close_reason, limit=MAX_NAME_CHARACTERS)
        message = (
            "The server accepts the sideband, and closes it at once: code "
            f"{self.connection.close_code} {reason}"
        ).rstrip()
        self.delay = self.delay_after(APIConnectionError(message, phase="receive", retryable=True))

    def next_event(self) -> SidebandEvent | None:
        """Return the next event, or None if one must be waited for."""
        if self._added:
            return self._added.popleft()
        connection = self.connection
        while connection is not None and (message := connection.next_message()) is not None:
            self._received_at = time.monotonic()
            event = read_event(message)
            if event is None:
                self._warn()
            elif event.type not in self.protocol.media and not self._was_read(event):
                self.usage = self.protocol.count(event, self.usage)
                self.has_ended = self.has_ended or event.type == _LAST_EVENT
                return event
        return None

    def _was_read(self, event: SidebandEvent) -> bool:
        """Return whether an earlier connection had this event, and the server repeats it."""
        if not self.protocol.repeated_seconds or event.event_id is None:
            return False
        if event.event_id in self._repeated_ids:
            return True
        self._read_ids.append(event.event_id)
        return False

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("A message of the sideband is not an event: such ones are ignored")

    def waits_until_open(self) -> Generator[float]:
        """Yield seconds to wait while a lost connection may be opened again."""
        end = time.monotonic() + RECONNECT_SECONDS
        while (
            self.connection is not None
            and self.connection.close_code is not None
            and not (self.has_ended or self.is_closed)
            and time.monotonic() < end
        ):
            yield _POLL_SECONDS

    @property
    def is_closed_normally(self) -> bool:
        """Whether the server has closed the connection as it does at a call's end."""
        connection = self.connection
        if connection is None or self.was_left or self.is_closed:
            return False
        return connection.close_code == NORMAL_CLOSURE

    def note_end(self) -> None:
        """Record, before the connection is closed here, whether the server has closed it."""
        self.has_ended = self.has_ended or self.is_closed_normally

    @property
    def is_iterated(self) -> bool:
        """Whether a task or thread waits for the next event."""
        return self._reading.locked()

    def waits_until_ended(self) -> Generator[float]:
        """Yield seconds to wait, or to receive for, until the session has ended."""
        end = time.monotonic() + END_SECONDS
        while not self.has_ended and (left := end - time.monotonic()) > 0:
            yield _POLL_SECONDS if self.is_iterated else left

    @property
    def is_inherited(self) -> bool:
        """Whether this process is a fork of the one that opened it, and still uses it."""
        return self._process != os.getpid()

    def check_open(self) -> None:
        """Raise `ClientClosedError` outside the sideband's block, and in a forked process."""
        if self.connection is None or self.is_closed or self.is_inherited:
            message = (
                "The sideband is not open: use it inside its `with` block, in the same process"
            )
            raise ClientClosedError(message)

    def checked(self, socket: S | None) -> S:
        """Return the connection to send on; raises `RealtimeError` if there is none."""
        self.check_open()
        return socket or not_sent()

    @contextmanager
    def iterating(self) -> Generator[None]:
        """Raise `RuntimeError` if two tasks or threads iterate at once: each would miss events."""
        self.check_open()
        if not self._reading.acquire(blocking=False):
            message = "Another task or thread is iterating over the sideband"
            raise RuntimeError(message)
        try:
            yield
        finally:
            self._reading.release()


class BaseSideband(Generic[D, S]):
    """The base of both sidebands: its driver, its session, and its connection while it has one."""

    def __init__(
        self,
        driver: D,
        configuration: Configuration,
        call: Call[UpgradedResponse],
        protocol: SidebandProtocol,
    ) -> None:
        self._driver = driver
        self._session = SidebandSession(call, configuration, protocol)
        self._socket: S | None = None

    @property
    def usage(self) -> SidebandUsage:
        """What the call has used, as far as the iterated events say."""
        return self._session.usage

    @property
    def has_ended(self) -> bool:
        """Whether the call has ended, as far as is known: events that came before may still wait.

        The server says so over the sideband: it closes it normally, or, in GPT-Live, it sends
        `session.closed`; or the call is not found any more when a lost connection is opened again.
        For WebRTC it means that the browser has left. False while the call goes on, also after
        `close`.
        """
        return self._session.has_ended or self._session.is_closed_normally

    def _close(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None and not self._session.is_inherited:
            socket.close()

    def _drop(self, lost: S) -> None:
        """Close a lost connection, and decide whether it is opened again."""
        self._socket = None
        lost.close()
        self._session.lost()


def not_sent() -> NoReturn:
    """Raise the error of an event that was not sent."""
    message = "The sideband's connection is lost or closed: the event was not sent"
    raise APIConnectionError(message, phase="send", retryable=True)


def websocket(socket: SocketConnection) -> WebSocketConnection:
    """Return the WebSocket on a socket."""
    return cast("WebSocketConnection", socket.connection)


def text_frame(socket: SocketConnection, text: str) -> bytes:
    """Return the bytes of an event; raises `APIConnectionError` when it cannot be sent any more."""
    return websocket(socket).send_text(text) or not_sent()


def ping(socket: SocketConnection) -> bytes:
    """Return a ping to send after a silence; the second silence loses the connection."""
    connection = websocket(socket)
    if connection.awaits_pong:
        connection.lose()
    return connection.ping()


@contextmanager
def lost_on_error(socket: SocketConnection) -> Generator[None]:
    """Lose the connection when reading or a response to the server fails."""
    try:
        yield
    except APIConnectionError:
        websocket(socket).lose()


@contextmanager
def lost_if_late(socket: SocketConnection) -> Generator[None]:
    """Lose the connection when it does not take an event in time, which must not be sent later."""
    try:
        yield
    except APITimeoutError:
        websocket(socket).lose()
        with suppress(OSError):
            socket.socket.shutdown(SHUT_RDWR)  # it wakes the task or thread that reads
        raise
