"""From a host's name to addresses and sockets: what the three engines share below HTTP and TLS.

Rule for this file: a name is looked up in a thread of its own, because nothing can interrupt `getaddrinfo`: callers stop
waiting at their deadline, the interpreter ends without it, and no executor that others need is held.
"""

from __future__ import annotations

import errno
import ipaddress
import math
import os
import select
import socket
import threading
from abc import abstractmethod
from contextlib import suppress
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, NamedTuple, Protocol

from openai_realtime.errors import APIConnectionError
from openai_realtime.transports.exceptions import lost, not_resolved, timed_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_realtime.errors import Phase
    from openai_realtime.transports.connection import Connection

STAGGER_SECONDS = 0.25
"""How long an address has before the next one is tried beside it (RFC 8305 §5)."""
READ_BYTES = 64 * 1024
_MAX_LOOKUPS = 64
# What a connect that does not block returns while it goes on.
_UNDER_WAY = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK})


class Address(NamedTuple):
    """Where a socket connects to."""

    family: int
    sockaddr: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine."""
        host, _, _ = str(self.sockaddr[0]).partition("%")
        return ipaddress.ip_address(host).is_loopback


class Event(Protocol):
    """asyncio's or trio's."""

    def set(self) -> object:
        """Wake what waits for it."""
        ...

    def is_set(self) -> bool:
        """Return whether it was set."""
        ...

    async def wait(self) -> object:
        """Wait until it is set."""
        ...


class Lookup:
    """The look-up of one host, which all callers that need it meanwhile share."""

    def __init__(self, host: str, outcome: list[Address] | None = None) -> None:
        self._host = host
        self.outcome: list[Address] | OSError | None = outcome
        """The addresses, or why there are none; None while the look-up is under way."""
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: set[Callable[[], None]] = set()

    def wait(self, seconds: float) -> None:
        """Wait for the outcome on this thread, for so many seconds at most."""
        if self.outcome is None:
            self._done.wait(seconds)

    def call_when_done(self, callback: Callable[[], None]) -> None:
        """Call `callback` once there is an outcome: on another thread, or at once."""
        with self._lock:
            if self.outcome is None:
                self._callbacks.add(callback)
                return
        callback()

    def forget(self, callback: Callable[[], None]) -> None:
        """Do not call `callback` any more, nor keep a reference to it."""
        with self._lock:
            self._callbacks.discard(callback)

    async def arrive(self, arrived: Event, wake: Callable[[], None]) -> None:
        """Wait for the outcome: for `arrived`, which `wake` sets from another thread."""
        self.call_when_done(wake)
        try:
            await arrived.wait()
        finally:
            self.forget(wake)

    def settle(self, outcome: list[Address] | OSError) -> None:
        """Take the outcome, and wake those that wait for it."""
        with self._lock:
            self.outcome = outcome
            callbacks, self._callbacks = self._callbacks, set()
        self._done.set()
        for callback in callbacks:
            callback()

    def addresses(self, *, loopback_only: bool) -> list[Address]:
        """Return the addresses to try, the families in turn (RFC 8305 §4).

        Raises `APITimeoutError` while there is no outcome, and `APIConnectionError` where no address
        was found, or none of this machine with `loopback_only`.
        """
        outcome = self.outcome
        if outcome is None:
            raise timed_out("connect")
        if isinstance(outcome, OSError):
            raise not_resolved(outcome) from outcome
        found = list(dict.fromkeys(outcome))
        if loopback_only:
            found = [address for address in found if address.is_loopback]
            if not found:
                raise APIConnectionError(
                    f"{self._host} is not this machine: plain http would show the API key to the "
                    "network",
                    phase="connect",
                    hint="Use https, or allow_http=True",
                )
        preferred = [address for address in found if address.family == found[0].family]
        others = [address for address in found if address.family != found[0].family]
        in_turn = chain(*zip_longest(preferred, others))
        return [address for address in in_turn if address is not None]


class _Lookups:
    """The look-ups under way in this process, one daemon thread each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, int], Lookup] = {}

    def begin(self, host: str, port: int) -> Lookup:
        """Return the look-up of a host: the one under way, or a new one.

        Raises `APIConnectionError` where none can be begun.
        """
        with self._lock:
            lookup = self._pending.get((host, port))
            if lookup is not None:
                return lookup
            if len(self._pending) >= _MAX_LOOKUPS:
                raise _no_lookup(f"{_MAX_LOOKUPS} look-ups are under way, and none has ended yet")
            lookup = self._pending[host, port] = Lookup(host)
            thread = threading.Thread(
                target=self._run,
                args=(lookup, host, port),
                daemon=True,
                name="openai_realtime-lookup",
            )
            try:
                thread.start()
            except RuntimeError:
                del self._pending[host, port]
                raise _no_lookup("no thread can be started for it") from None
            return lookup

    def _run(self, lookup: Lookup, host: str, port: int) -> None:
        outcome: list[Address] | OSError
        try:
            outcome = _addresses(host, port)
        except OSError as error:
            outcome = error
        except UnicodeError:
            outcome = socket.gaierror(socket.EAI_NONAME, "it is not a host name")
        with self._lock:
            self._pending.pop((host, port), None)
        lookup.settle(outcome)


def _no_lookup(why: str) -> APIConnectionError:
    return APIConnectionError(
        f"The host's name could not be resolved: {why}", phase="connect", retryable=True
    )


_lookups = _Lookups()


def _forget_lookups() -> None:
    """Begin anew in a forked child: the threads of its parent are not there."""
    global _lookups  # noqa: PLW0603 - one a process
    _lookups = _Lookups()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_forget_lookups)


def look_up(host: str, port: int) -> Lookup:
    """Return the look-up of a host; that of an address has its outcome at once."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, host)
            return Lookup(host, [Address(family, (host, port))])
    return _lookups.begin(host, port)


def _addresses(host: str, port: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [Address(family, sockaddr) for family, _, _, _, sockaddr in found]


def new_socket(family: int) -> socket.socket:
    """Return a TCP socket that does not block; raises `APIConnectionError` where none can be had."""
    try:
        made = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise lost("connect", error) from error
    made.setblocking(False)
    with suppress(OSError):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def begin_to_connect(address: Address) -> socket.socket:
    """Return a socket that is on its way to an address; once it is writable, call `connected`."""
    made = new_socket(address.family)
    _check(made, made.connect_ex(address.sockaddr), _UNDER_WAY)
    return made


def connected(made: socket.socket) -> socket.socket:
    """Return the socket if it is connected; otherwise close it and raise `APIConnectionError`."""
    _check(made, made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), frozenset({0}))
    return made


def _check(made: socket.socket, code: int, good: frozenset[int]) -> None:
    if code not in good:
        made.close()
        error = OSError(code, os.strerror(code))
        raise lost("connect", error) from error


class PollWaiter:
    """Waits by `poll` for sockets to be ready."""

    def __init__(self) -> None:
        self._poll = select.poll()

    def watch(self, watched: socket.socket, *, to_read: bool, to_write: bool) -> None:
        """Wait for a socket from now on."""
        self._poll.register(
            watched, (select.POLLIN if to_read else 0) | (select.POLLOUT if to_write else 0)
        )

    def forget(self, watched: socket.socket) -> None:
        """Do not wait for a socket any more."""
        self._poll.unregister(watched)

    def wait(self, seconds: float) -> list[int]:
        """Return the descriptors of those that are ready, or have failed, within so many seconds."""
        return [descriptor for descriptor, _ in self._poll.poll(math.ceil(seconds * 1000))]


class SelectWaiter:
    """Waits by `select` for sockets to be ready, where there is no `poll` (Windows)."""

    def __init__(self) -> None:
        self._watched: dict[int, tuple[bool, bool]] = {}

    def watch(self, watched: socket.socket, *, to_read: bool, to_write: bool) -> None:
        """Wait for a socket from now on."""
        self._watched[watched.fileno()] = to_read, to_write

    def forget(self, watched: socket.socket) -> None:
        """Do not wait for a socket any more."""
        del self._watched[watched.fileno()]

    def wait(self, seconds: float) -> list[int]:
        """Return the descriptors of those that are ready, or have failed, within so many seconds."""
        readers = [descriptor for descriptor, (reads, _) in self._watched.items() if reads]
        writers = [descriptor for descriptor, (_, writes) in self._watched.items() if writes]
        # Windows lists a connect that has failed among the exceptional conditions.
        return [*set().union(*select.select(readers, writers, writers, seconds))]


def new_waiter() -> PollWaiter | SelectWaiter:
    """Return what waits for sockets on this platform."""
    return PollWaiter() if hasattr(select, "poll") else SelectWaiter()


class SocketConnection:
    """A connection on a socket that does not block: what the three engines share."""

    def __init__(self, connection: Connection, made: socket.socket) -> None:
        self.connection: Connection = connection
        self.socket: socket.socket = made
        self._readiness = new_waiter()
        self._readiness.watch(made, to_read=True, to_write=False)

    def is_usable(self) -> bool:
        """Return whether a request can be sent now, after a look at what has come meanwhile.

        Session tickets and key updates of TLS 1.3 leave it usable. Anything else does not: it would
        be taken for the response.
        """
        connection = self.connection
        while not connection.is_closed and not connection.is_backlogged:
            # To read where there is nothing raises an error, which takes longer than this check.
            if not self._readiness.wait(0):
                return connection.may_serve_again
            try:
                data = self.socket.recv(READ_BYTES)
                if not data:
                    return False
                reply = connection.receive(data)
                if reply and self.socket.send(reply) < len(reply):
                    return False
            except (APIConnectionError, OSError):
                return False
        return False

    @abstractmethod
    def close(self) -> None:
        """Close the socket, without waiting for anything."""

    @abstractmethod
    def abandon(self) -> None:
        """Close this process's copy of the socket, and send nothing on it."""


class PolledConnection(SocketConnection):
    """A connection that waits for its socket to be ready: what trio's and the sync engine share."""

    def __init__(self, connection: Connection, made: socket.socket) -> None:
        super().__init__(connection, made)
        self.unsent: memoryview[int] = memoryview(b"")
        """What is still to be sent."""

    @property
    def is_waiting(self) -> bool:
        """Whether the connection opens, or its response is incomplete."""
        return not self.connection.is_open or self.connection.is_busy

    @property
    def phase(self) -> Phase:
        """Which phase of a call it is in."""
        if not self.connection.is_open:
            return "connect"
        return "send" if self.unsent else "receive"

    def write(self) -> None:
        """Send as much as the socket takes at once."""
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            # The server may have responded before it closed the connection: read that first.
            self.unsent = memoryview(b"")

    def read(self) -> None:
        """Pass on what has come; raises `APIConnectionError` where the connection has failed."""
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            raise lost(self.phase, error) from error
        if data:
            self.pass_on(data)
        else:
            self.connection.receive_eof()

    def pass_on(self, data: bytes) -> None:
        """Pass on `data` (`b""` goes on with a backlog), and send the reply to it."""
        if reply := self.connection.receive(data):
            self.unsent = memoryview(bytes(self.unsent) + reply)
            self.write()

    def close(self) -> None:
        """Close the socket, without waiting for anything."""
        last = self.connection.close()
        if last:
            with suppress(OSError):
                self.socket.send(last)
        self.abandon()

    def abandon(self) -> None:
        """Close this process's copy of the socket, and send nothing on it."""
        self.socket.close()
