"""A scripted server on loopback, plain or over TLS, that responds normally until a fault is injected."""

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

    from faults.certificates import Certificates
    from faults.fault import Fault, Moment
    from faults.fault_server_dialogue import Received

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.02
_ARRIVAL_SECONDS = 0.05


class FaultServer:
    """Counts connections, handshakes, requests and bytes. Every good response has its own secret."""

    def __init__(self, certificates: Certificates | None = None, redirect_target: str = "") -> None:
        self._certificates = certificates
        self._redirect_target = redirect_target
        self._fault: Fault | None = None
        self._times: int | None = None
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._dialogues: dict[Dialogue, threading.Thread] = {}
        self.injections = 0
        self.records: list[Record] = []
        self.secrets: dict[str, str] = {}
        """The nonce of the request for which each secret was minted."""
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
        return len(self._dialogues)

    @property
    def listening_descriptor(self) -> int | None:
        return None if self._listener is None else self._listener.fileno()

    def inject(self, fault: str | Fault, times: int | None = None) -> None:
        """Misbehave from now on: always, or so many times."""
        if isinstance(fault, str):
            fault = FAULTS[fault]
        with self._changed:
            self._fault, self._times, self.injections = fault, times, 0
        if fault.moment == "refuse":
            self._until(lambda: self._listener is None)
        if fault.moment == "idle":
            self._until(lambda: self.injections > 0)
            time.sleep(_ARRIVAL_SECONDS)

    def clear_fault(self) -> None:
        """Respond normally again. A fault that is running continues until the client has closed."""
        with self._changed:
            self._fault = None
        self._until(lambda: self._listener is not None)

    def hang_up(self) -> None:
        """End every connection, and wait until their threads have ended too."""
        deadline = time.monotonic() + LONGEST_WAIT
        while self._dialogues:
            for dialogue, thread in list(self._dialogues.items()):
                dialogue.hang_up()
                if thread.ident is not None:
                    thread.join(0.05)
            assert time.monotonic() < deadline, "a server thread does not end"

    def reset(self) -> None:
        """Close every connection, clear the fault and reset the counts."""
        self.clear_fault()
        self.hang_up()
        self.records, self.secrets = [], {}

    def stop(self) -> None:
        """Free the port. Repeatable."""
        self._stopping.set()
        self._thread.join()
        self.hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _until(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, LONGEST_WAIT), (
                "the server does not apply the fault"
            )

    @staticmethod
    def _listen(port: int) -> socket.socket:
        listener = socket.create_server((_HOST, port), backlog=1024)
        listener.settimeout(_POLL_SECONDS)
        return listener

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._open_or_close(is_open=self._fault is None or self._fault.moment != "refuse")
            if self._listener is None:
                self._stopping.wait(_POLL_SECONDS / 4)
                continue
            with suppress(TimeoutError):
                connection, _ = self._listener.accept()
                self._accept(connection)
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

    def _accept(self, connection: socket.socket) -> None:
        record = Record(len(self.records))
        self.records.append(record)
        dialogue = Dialogue(connection, record, self._mint, self._redirect_target)
        thread = threading.Thread(target=self._serve_connection, args=[dialogue], daemon=True)
        self._dialogues[dialogue] = (
            thread  # before its start, because at its end it removes the dialogue
        )
        thread.start()

    def _mint(self, nonce: str) -> str:
        secret = f"ek_{secrets.token_hex(12)}"
        self.secrets[secret] = nonce
        return secret

    def _take_fault(self, moment: Moment) -> Fault | None:
        """Return the injected fault if it applies at this moment, and count it."""
        with self._changed:
            fault = self._fault
            if fault is None or fault.moment != moment or self._times == 0:
                return None
            if self._times is not None:
                self._times -= 1
            self.injections += 1
            self._changed.notify_all()
            return fault

    def _serve_connection(self, dialogue: Dialogue) -> None:
        try:
            self._run_if_due(dialogue, "accept")
            if self._certificates is not None:
                fault = self._take_fault("handshake")
                if fault is not None:
                    fault.run(dialogue)
                name = fault.certificate if fault and fault.certificate else "good"
                dialogue.secure(self._certificates.context(name))
            while True:
                self._respond_to_one(dialogue)
        except (OverError, OSError):
            pass  # the client has closed, or the server hangs up
        finally:
            dialogue.close()
            self._dialogues.pop(dialogue, None)

    def _respond_to_one(self, dialogue: Dialogue) -> None:
        def poll() -> None:
            if dialogue.record.requests:
                self._run_if_due(dialogue, "idle")

        dialogue.wait_for_bytes(poll)
        self._run_if_due(dialogue, "read")
        dialogue.receive()
        fault = self._take_fault("request")
        if fault is None:
            dialogue.respond_normally()
        else:
            fault.run(dialogue)

    def _run_if_due(self, dialogue: Dialogue, moment: Moment) -> None:
        fault = self._take_fault(moment)
        if fault is not None:
            fault.run(dialogue)
