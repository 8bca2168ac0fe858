"""The engine for threads: it waits for sockets with `poll`, or with `select` on Windows.

gevent's monkey-patching replaces both, so that other greenlets run meanwhile.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from openai_realtime.errors import APIConnectionError, RealtimeError
from openai_realtime.transports import pool as pools
from openai_realtime.transports.exceptions import pool_timed_out, timed_out
from openai_realtime.transports.pool import Lease, Pool
from openai_realtime.transports.proxies import origin_of
from openai_realtime.transports.sockets import (
    STAGGER_SECONDS,
    Address,
    PolledConnection,
    begin_to_connect,
    connected,
    look_up,
    new_waiter,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from openai_realtime.core.deadline import Deadline, Timeout
    from openai_realtime.core.wire import Request, Response
    from openai_realtime.transports.connection import Connection
    from openai_realtime.transports.proxies import Origin, ProxyRules

    _SyncPool = Pool["SyncConnection", threading.Semaphore]


class SyncConnection(PolledConnection):
    """A connection that one thread uses at a time."""

    unsent: memoryview[int]

    def __init__(self, connection: Connection, sock: socket.socket) -> None:
        super().__init__(connection, sock)
        # Held to encode and send, because one thread may send while another receives.
        self._lock = threading.Lock()

    def open(self, limit: float) -> None:
        """Open the connection's layers on the connected socket, within `limit` seconds."""
        self.unsent = memoryview(self.connection.start())
        self.write()
        self._transfer(limit, limit)

    def exchange(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Send a request and return its response; raises `APIConnectionError` if none comes."""
        self.unsent = memoryview(self.connection.send(request))
        with suppress(OSError):  # `_transfer` sends the remaining bytes, or raises the error
            self.unsent = self.unsent[self.socket.send(self.unsent) :]
        self._transfer(deadline.remaining(), limits.read)
        if self.unsent:
            self.connection.is_closed = True  # the response came before the whole request was sent
        return self.connection.response()

    def receive(self, seconds: float) -> None:
        """Receive until a WebSocket has a message or is closed.

        Raises `APITimeoutError` if nothing comes for `seconds`, and `APIConnectionError` if the
        connection fails.
        """
        while self.connection.is_busy or self.connection.is_backlogged:
            if self.connection.is_backlogged:
                with self._lock:
                    self.pass_on(b"")
                continue
            self._readiness.watch(self.socket, to_read=True, to_write=bool(self.unsent))
            if not self._readiness.wait(seconds):
                raise timed_out("receive")
            with self._lock:
                self.write()
                self.read()

    def write_out(self, encode: Callable[[], bytes], seconds: float) -> None:
        """Send what `encode` returns, within `seconds`; raises `APIConnectionError` otherwise.

        The lock is not held while it waits, so that another thread receives meanwhile: the server may
        read only after it has sent.
        """
        end_at = monotonic() + seconds
        with self._lock:
            self.append(encode())
        if not self.unsent:
            return
        waiter = new_waiter()
        waiter.watch(self.socket, to_read=False, to_write=True)
        while self.unsent:
            if not waiter.wait(max(0.0, end_at - monotonic())):
                raise timed_out("send")
            with self._lock:
                self.write()

    def _transfer(self, seconds: float, read_timeout: float) -> None:
        """Send unsent bytes, and receive until the connection is open or its response complete."""
        end_at = monotonic() + seconds
        waits_to_write = False
        while self.is_waiting:
            left = min(end_at - monotonic(), read_timeout)
            if self.connection.is_backlogged:
                if left <= 0:
                    raise timed_out(self.phase)
                self.pass_on(b"")
                continue
            if bool(self.unsent) is not waits_to_write:
                waits_to_write = bool(self.unsent)
                self._readiness.watch(self.socket, to_read=True, to_write=waits_to_write)
            if left <= 0 or not self._readiness.wait(left):
                raise timed_out(self.phase)
            if self.unsent:
                self.write()
            self.read()
        if waits_to_write:
            self._readiness.watch(self.socket, to_read=True, to_write=False)


class ThreadEngine:
    """Sends requests on the calling thread. Threads share it; a forked child opens its own pool."""

    def __init__(self, rules: ProxyRules) -> None:
        self._rules = rules
        # By process, because a forked child opens its own. `setdefault` of a dict is atomic.
        self._pools: dict[int, _SyncPool] = {os.getpid(): _new_pool()}

    def send(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the response, read to its end."""
        if request.is_upgrade:
            return self._upgrade(request, limits, deadline)
        pool = self._pool()
        if not pool.slots.acquire(timeout=deadline.clamp(limits.pool)):
            raise pool_timed_out(pools.MAX_CONNECTIONS)
        with Lease(pool, request) as lease:
            if lease.connection is None:
                lease.connection = self._open(lease.origin, deadline.clamp(limits.connect))
                lease.check_new()
            lease.response = lease.connection.exchange(request, limits, deadline)
        return lease.response

    def _upgrade(self, request: Request, limits: Timeout, deadline: Deadline) -> Response:
        """Return the response to a handshake; with status 101 it has the open connection."""
        from openai_realtime.transports.websocket import (  # noqa: PLC0415 - few programs use it
            upgraded,
            with_new_key,
        )

        origin = origin_of(request.url, loopback_only=request.loopback_only)
        opened = self._open(origin, deadline.clamp(limits.connect), is_websocket=True)
        request = with_new_key(request)
        with upgraded(opened, request) as handshake:
            handshake.response = opened.exchange(request, limits, deadline)
        return handshake.response

    def connect(self, origin: Origin, count: int, limits: Timeout, deadline: Deadline) -> None:
        """Open connections to an origin, concurrently, until `count` are idle."""
        pool = self._pool()
        errors: list[RealtimeError] = []

        def open_one() -> None:
            try:
                pool.keep(origin, self._open(origin, deadline.clamp(limits.connect)))
            except RealtimeError as error:
                errors.append(error)

        openers = [
            threading.Thread(target=open_one, name="openai_realtime-opener")
            for _ in range(count - pool.count(origin))
        ]
        for opener in openers:
            opener.start()
        for opener in openers:
            opener.join()
        if errors:
            raise errors[0]

    def close(self) -> None:
        """Close every idle connection; busy ones close after their call."""
        pool = self._pools.get(os.getpid())
        if pool is not None:
            pool.is_closed = True
            pool.close_idle()

    def _pool(self) -> _SyncPool:
        process = os.getpid()
        pool = self._pools.get(process)
        if pool is None:
            pool = self._pools.setdefault(process, _new_pool())
            for other in list(self._pools):
                if other != process:
                    with suppress(KeyError):  # another thread was faster
                        self._pools.pop(other).abandon_idle()
        return pool

    def _open(self, origin: Origin, limit: float, *, is_websocket: bool = False) -> SyncConnection:
        end_at = monotonic() + limit
        route = self._rules.route(origin, is_websocket=is_websocket)
        lookup = look_up(route.host, route.port)
        lookup.wait(limit)
        addresses = lookup.addresses(loopback_only=origin.loopback_only)
        pooled = SyncConnection(route.connection, _connect(addresses, end_at))
        try:
            pooled.open(end_at - monotonic())
        except BaseException:
            pooled.close()
            raise
        return pooled


def _new_pool() -> _SyncPool:
    return Pool(threading.Semaphore(pools.MAX_CONNECTIONS))


def _connect(addresses: list[Address], end_at: float) -> socket.socket:
    """Return a socket that is connected to the first address that accepts (RFC 8305)."""
    waiter = new_waiter()
    waiting = addresses[::-1]
    attempts: dict[int, socket.socket] = {}
    errors: list[APIConnectionError] = []
    try:
        while waiting or attempts:
            try:
                if waiting:
                    sock = begin_to_connect(waiting.pop())
                    waiter.watch(sock, to_read=False, to_write=True)
                    attempts[sock.fileno()] = sock
                left = end_at - monotonic()
                ready = waiter.wait(max(0.0, min(left, STAGGER_SECONDS if waiting else left)))
                for descriptor in ready:
                    sock = attempts.pop(descriptor)
                    waiter.forget(sock)
                    return connected(sock)
            except APIConnectionError as error:
                errors.append(error)
            if monotonic() >= end_at:
                raise timed_out("connect")
        raise errors[0]
    finally:
        for sock in attempts.values():
            sock.close()
