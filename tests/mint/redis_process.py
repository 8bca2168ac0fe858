"""A real Redis server on loopback, which a test can stop and kill."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

from executables import program


class RedisProcess:
    """A Redis that writes each change to disk before it responds, as the Redis of a limiter should."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self, **more: str) -> None:
        """Start it, with `more` settings, and return when it responds."""
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self._folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
            **more,
        }
        flags = [part for name, value in settings.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen(
            [program("redis-server"), *flags], stdout=subprocess.DEVNULL
        )
        end = time.monotonic() + 10
        while not self._responds():
            assert self._process.poll() is None, "redis-server did not start"
            assert time.monotonic() < end, "redis-server does not respond"
            time.sleep(0.01)

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def command(self, *words: str) -> list[bytes]:
        """Return the lines of a command's response, without the lines that are lengths."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(" ".join(words).encode() + b"\r\n")
            lines = connection.recv(65536).splitlines()
        return [line for line in lines if not line.startswith((b"*", b"$"))]

    def kill(self) -> None:
        """Kill the process, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)
            self._process = None

    def _responds(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False
