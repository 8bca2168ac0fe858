"""A server on loopback whose connections are talked to as a test likes.

Owns: accepting, and threads. Must not know: any test.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def served(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Let `talk` answer every connection; yields the port."""

    def answer_all(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            talk(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer_all, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
