"""A scripted server on loopback, plain or TLS, that answers well until it is told to play a fault.

Owns: the listening socket, threads, counts, and which secret went to which request. Must not know:
what any fault does.
"""

from __future__ import annotations

import secrets
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from faults.fault import FAULTS
from faults.fault_server_dialogue import LONGEST_WAIT, Dialogue, OverError, Record

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from faults.certificates import Certificates
    from faults.fault import Fault, Moment
    from faults.fault_server_dialogue import Received

_HOST = "127.0.0.1"
_LOOK_AROUND_SECONDS = 0.02
_ARRIVAL_SECONDS = 0.05


class FaultServer:
    """Counts connections, handshakes, requests and bytes; every good answer has its own secret."""

    def __init__(self, certificates: Certificates | None = None, elsewhere: str = "") -> None:
        self._certificates = certificates
        self._elsewhere = elsewhere
        self._fault: Fault | None = None
        self._times: int | None = None
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._talks: dict[Dialogue, threading.Thread] = {}
        self.played = 0
        self.records: list[Record] = []
        self.given: dict[str, str] = {}
        """The nonce of the request that each secret was made for."""
        self._listener: socket.socket | None = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        return f"{'http' if self._certificates is None else 'https'}://{_HOST}:{self.port}/v1"

    @property
    def requests(self) -> list[Received]:
        """Every complete request, by connection."""
        return [request for record in self.records for request in record.requests]

    @property
    def handshakes(self) -> int:
        return sum(record.handshakes for record in self.records)

    @property
    def bytes_received(self) -> int:
        return sum(record.bytes_received for record in self.records)

    @property
    def open_connections(self) -> int:
        return len(self._talks)

    @property
    def listening_descriptor(self) -> int | None:
        return None if self._listener is None else self._listener.fileno()

    def play(self, fault: str | Fault, times: int | None = None) -> None:
        """Misbehave from now on, for ever or so many times."""
        if isinstance(fault, str):
            fault = FAULTS[fault]
        with self._changed:
            self._fault, self._times, self.played = fault, times, 0
        if fault.moment == "refuse":
            self._until(lambda: self._listener is None)
        if fault.moment == "idle":
            self._until(lambda: self.played > 0)
            time.sleep(_ARRIVAL_SECONDS)

    def behave(self) -> None:
        """Answer well again; what is being played goes on until the client has gone."""
        with self._changed:
            self._fault = None
        self._until(lambda: self._listener is not None)

    def hang_up(self) -> None:
        """End every connection, and wait until their threads have ended too."""
        deadline = time.monotonic() + LONGEST_WAIT
        while self._talks:
            for talk, thread in list(self._talks.items()):
                talk.hang_up()
                if thread.ident is not None:
                    thread.join(0.05)
            assert time.monotonic() < deadline, "a server thread does not end"

    def forget(self) -> None:
        """Begin anew: no connection, no fault, nothing counted."""
        self.behave()
        self.hang_up()
        self.records, self.given = [], {}

    def stop(self) -> None:
        """Free the port. Repeatable."""
        self._stopping.set()
        self._thread.join()
        self.hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _until(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, LONGEST_WAIT), "the server does not follow"

    @staticmethod
    def _listen(port: int) -> socket.socket:
        listener = socket.create_server((_HOST, port), backlog=1024)
        listener.settimeout(_LOOK_AROUND_SECONDS)
        return listener

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._open_or_close(is_open=self._fault is None or self._fault.moment != "refuse")
            if self._listener is None:
                self._stopping.wait(_LOOK_AROUND_SECONDS / 4)
                continue
            with suppress(TimeoutError):
                connection, _ = self._listener.accept()
                self._begin(connection)
        self._open_or_close(is_open=False)

    def _open_or_close(self, *, is_open: bool) -> None:
        if is_open == (self._listener is not None):
            return
        with self._changed:
            if self._listener is None:
                self._listener = self._listen(self.port)
            else:
                self._listener.close()
                self._listener = None
            self._changed.notify_all()

    def _begin(self, connection: socket.socket) -> None:
        record = Record(len(self.records))
        self.records.append(record)
        talk = Dialogue(connection, record, self._mint, self._elsewhere)
        thread = threading.Thread(target=self._converse, args=[talk], daemon=True)
        self._talks[talk] = thread  # before it starts: a talk that ends takes itself out
        thread.start()

    def _mint(self, nonce: str) -> str:
        secret = f"ek_{secrets.token_hex(12)}"
        self.given[secret] = nonce
        return secret

    def _take(self, moment: Moment) -> Fault | None:
        """Return the fault to be played now, if it is its moment."""
        with self._changed:
            fault = self._fault
            if fault is None or fault.moment != moment or self._times == 0:
                return None
            if self._times is not None:
                self._times -= 1
            self.played += 1
            self._changed.notify_all()
            return fault

    def _converse(self, talk: Dialogue) -> None:
        try:
            self._play_if_due(talk, "accept")
            if self._certificates is not None:
                fault = self._take("handshake")
                if fault is not None:
                    fault.play(talk)
                name = fault.certificate if fault and fault.certificate else "good"
                talk.secure(self._certificates.context(name))
            while True:
                self._answer_one(talk)
        except (OverError, OSError):
            pass  # the peer has gone, or we were told to
        finally:
            talk.close()
            self._talks.pop(talk, None)

    def _answer_one(self, talk: Dialogue) -> None:
        def look_around() -> None:
            if talk.record.requests:
                self._play_if_due(talk, "idle")

        talk.wait_for_bytes(look_around)
        self._play_if_due(talk, "read")
        talk.receive()
        fault = self._take("request")
        if fault is None:
            talk.answer_well()
        else:
            fault.play(talk)

    def _play_if_due(self, talk: Dialogue, moment: Moment) -> None:
        fault = self._take(moment)
        if fault is not None:
            fault.play(talk)
