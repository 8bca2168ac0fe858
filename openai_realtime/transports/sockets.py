"""Look-ups of host names, and sockets, which the three engines share.

Rule for this file: each name is looked up in a thread of its own, because `getaddrinfo` cannot be
interrupted. So callers stop waiting at their deadline, and the interpreter can exit.
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
from functools import partial
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, NamedTuple, Protocol

from openai_realtime.errors import APIConnectionError
from openai_realtime.transports.exceptions import lost, not_resolved, timed_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_realtime.errors import Phase
    from openai_realtime.transports.connection import Connection

STAGGER_SECONDS = 0.25
"""How long to wait for an address before the next one is tried as well (RFC 8305 §5)."""
READ_BYTES = 64 * 1024
_MUCH_UNSENT = 64 * 1024
_MAX_LOOKUPS = 64
# The results of a non-blocking connect that has not failed.
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
    """An event of asyncio or of trio."""

    def set(self) -> object:
        """Wake the tasks that wait for it."""
        ...

    def is_set(self) -> bool:
        """Return whether it was set."""
        ...

    async def wait(self) -> object:
        """Wait until it is set."""
        ...


class Lookup:
    """The look-up of one host, which all callers that need it at the same time share."""

    def __init__(self, host: str, outcome: list[Address] | None = None) -> None:
        self._host = host
        self.outcome: list[Address] | OSError | None = outcome
        """The addresses, or why there are none; None while the look-up is under way."""
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: set[Callable[[], None]] = set()

    def wait(self, seconds: float) -> None:
        """Wait for the outcome on this thread, for `seconds` at most."""
        if self.outcome is None:
            self._done.wait(seconds)

    def call_when_done(self, callback: Callable[[], None]) -> None:
        """Call `callback` when there is an outcome: now, or later on another thread."""
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
        """Wait for the outcome: another thread then calls `wake`, which sets `arrived`."""
        self.call_when_done(wake)
        try:
            await arrived.wait()
        finally:
            self.forget(wake)

    def settle(self, outcome: list[Address] | OSError) -> None:
        """Record the outcome, and wake the callers that wait for it."""
        with self._lock:
            self.outcome = outcome
            callbacks, self._callbacks = self._callbacks, set()
        self._done.set()
        for callback in callbacks:
            callback()

    def addresses(self, *, loopback_only: bool) -> list[Address]:
        """Return the addresses to try, alternating between the families (RFC 8305 §4).

        Raises `APITimeoutError` while there is no outcome, and `APIConnectionError` if no address
        was found, or with `loopback_only` no address of this machine.
        """
        outcome = self.outcome
        if outcome is None:
            raise timed_out("connect")
        if isinstance(outcome, OSError):
            raise not_resolved(outcome) from outcome
        candidates = list(dict.fromkeys(outcome))
        if loopback_only:
            candidates = [address for address in candidates if address.is_loopback]
            if not candidates:
                raise APIConnectionError(
                    f"{self._host} is not this machine: plain http would show the API key to the "
                    "network",
                    phase="connect",
                    hint="Use https, or allow_http=True",
                )
        preferred = [address for address in candidates if address.family == candidates[0].family]
        others = [address for address in candidates if address.family != candidates[0].family]
        alternating = chain(*zip_longest(preferred, others))
        return [address for address in alternating if address is not None]


class _Lookups:
    """The look-ups under way in this process, each on a daemon thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, int], Lookup] = {}

    def begin(self, host: str, port: int) -> Lookup:
        """Return the look-up of a host: the one under way, or a new one.

        Raises `APIConnectionError` if no look-up can be started.
        """
        with self._lock:
            lookup = self._pending.get((host, port))
            if lookup is not None:
                return lookup
            if len(self._pending) >= _MAX_LOOKUPS:
                raise _no_lookup(f"{_MAX_LOOKUPS} look-ups are under way, and none has ended yet")
            lookup = self._pending[host, port] = Lookup(host)
            run = partial(self._run, lookup, host, port)
            thread = threading.Thread(target=run, daemon=True, name="openai_realtime-lookup")
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
    """Start afresh in a forked child, which does not have its parent's threads."""
    global _lookups  # noqa: PLW0603 - one per process
    _lookups = _Lookups()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_forget_lookups)


def look_up(host: str, port: int) -> Lookup:
    """Return the look-up of a host; for an IP address the outcome is known at once."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, host)
            return Lookup(host, [Address(family, (host, port))])
    return _lookups.begin(host, port)


def _addresses(host: str, port: int) -> list[Address]:
    results = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [Address(family, sockaddr) for family, _, _, _, sockaddr in results]


def new_socket(family: int) -> socket.socket:
    """Return a non-blocking TCP socket; raises `APIConnectionError` if none can be opened."""
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise lost("connect", error) from error
    sock.setblocking(False)
    with suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def begin_to_connect(address: Address) -> socket.socket:
    """Return a socket that connects to an address; once it is writable, call `connected`."""
    sock = new_socket(address.family)
    _check(sock, sock.connect_ex(address.sockaddr), _UNDER_WAY)
    return sock


def connected(sock: socket.socket) -> socket.socket:
    """Return the socket if it is connected; otherwise close it and raise `APIConnectionError`."""
    _check(sock, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), frozenset({0}))
    return sock


def _check(sock: socket.socket, code: int, good: frozenset[int]) -> None:
    if code not in good:
        sock.close()
        error = OSError(code, os.strerror(code))
        raise lost("connect", error) from error


class PollWaiter:
    """Waits for sockets with `poll`."""

    def __init__(self) -> None:
        self._poll = select.poll()

    def watch(self, watched: socket.socket, *, to_read: bool, to_write: bool) -> None:
        """Start watching a socket."""
        self._poll.register(
            watched, (select.POLLIN if to_read else 0) | (select.POLLOUT if to_write else 0)
        )

    def forget(self, watched: socket.socket) -> None:
        """Stop watching a socket."""
        self._poll.unregister(watched)

    def wait(self, seconds: float) -> list[int]:
        """Return the descriptors that are ready, or have failed, after `seconds` at most."""
        return [descriptor for descriptor, _ in self._poll.poll(math.ceil(seconds * 1000))]


class SelectWaiter:
    """Waits for sockets with `select`, where there is no `poll` (Windows)."""

    def __init__(self) -> None:
        self._watched: dict[int, tuple[bool, bool]] = {}

    def watch(self, watched: socket.socket, *, to_read: bool, to_write: bool) -> None:
        """Start watching a socket."""
        self._watched[watched.fileno()] = to_read, to_write

    def forget(self, watched: socket.socket) -> None:
        """Stop watching a socket."""
        del self._watched[watched.fileno()]

    def wait(self, seconds: float) -> list[int]:
        """Return the descriptors that are ready, or have failed, after `seconds` at most."""
        readers = [descriptor for descriptor, (reads, _) in self._watched.items() if reads]
        writers = [descriptor for descriptor, (_, writes) in self._watched.items() if writes]
        # Windows lists a connect that has failed among the exceptional conditions.
        return [*set().union(*select.select(readers, writers, writers, seconds))]


def new_waiter() -> PollWaiter | SelectWaiter:
    """Return the waiter for this platform."""
    return PollWaiter() if hasattr(select, "poll") else SelectWaiter()


class SocketConnection:
    """A connection on a non-blocking socket, for all three engines."""

    def __init__(self, connection: Connection, sock: socket.socket) -> None:
        self.connection: Connection = connection
        self.socket: socket.socket = sock
        self._readiness = new_waiter()
        self._readiness.watch(sock, to_read=True, to_write=False)

    def is_usable(self) -> bool:
        """Read what has arrived, and return whether a request can be sent now.

        Session tickets and key updates of TLS 1.3 leave the connection usable. Any other bytes do
        not, because they would count as the response.
        """
        connection = self.connection
        while not connection.is_closed and not connection.is_backlogged:
            # A read without data raises an error, which takes longer than this check.
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
    """A connection that waits for its socket to be ready, for the trio and sync engines."""

    def __init__(self, connection: Connection, sock: socket.socket) -> None:
        super().__init__(connection, sock)
        self.unsent: memoryview[int] = memoryview(b"")
        """The bytes that are still to be sent."""

    @property
    def is_waiting(self) -> bool:
        """Whether the connection is not open yet, or its response is incomplete."""
        return not self.connection.is_open or self.connection.is_busy

    @property
    def phase(self) -> Phase:
        """The current phase of the call."""
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
        """Pass on received bytes; raises `APIConnectionError` if the connection has failed."""
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
        """Pass on `data` (`b""` continues with a backlog), and send the reply to it."""
        self.connection.is_congested = len(self.unsent) >= _MUCH_UNSENT
        if reply := self.connection.receive(data):
            self.append(reply)

    def append(self, data: bytes) -> None:
        """Send bytes after those that are still unsent, as many as the socket takes at once."""
        self.unsent = memoryview(bytes(self.unsent) + data)
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
