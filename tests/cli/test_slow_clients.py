"""`serve` with thousands of silent, half and slow requests: honest users are still served quickly.

A second service without these requests runs beside it: its time on this machine is the measure.
"""

from __future__ import annotations

import http.client
import re
import socket
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from cli.command_runners import started
from openai_realtime.testing import MockRealtimeServer

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and sets ulimit")

TOKEN = "a-token-of-sixteen-characters"
HEAD = f"POST /client-secret HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
KINDS = {
    "silent": b"",
    "half a head": f"{HEAD}X-Half: ".encode(),
    "half a body": f"{HEAD}Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n{{".encode(),
}
DRIP_SECONDS = 1.0


@dataclass
class Service:
    """A running service, and how long its slowest response took."""

    pid: int
    address: str
    log: Path
    slowest: float = 0.0

    def mint(self) -> None:
        """Mint a secret, on a connection of its own, as a user does."""
        began = time.monotonic()
        connection = http.client.HTTPConnection(self.address, timeout=60)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        connection.request("POST", "/client-secret", b"{}", headers)
        response = connection.getresponse()
        assert (response.status, b"ek_" in response.read()) == (200, True)
        connection.close()
        self.slowest = max(self.slowest, time.monotonic() - began)

    def peak_memory(self) -> int:
        """Return the most bytes of memory that it had so far."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024


@contextmanager
def service(log: Path, descriptors: int) -> Generator[Service]:
    rates = ("--limits=1000/second", "--global-limits=1000/second")
    with started("serve", "--port=0", *rates, descriptors=descriptors, log=log) as process:
        assert process.stdout is not None
        running = Service(process.pid, urlsplit(process.stdout.readline().split()[1]).netloc, log)
        for _ in range(3):
            running.mint()
        running.slowest = 0.0
        yield running
        process.terminate()
        assert process.wait(60) == 0


class SlowClients:
    """Connections that are opened, and then send a byte a second or nothing."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self._address = (host, int(port))
        self._open: dict[socket.socket, str] = {}
        self._dripped = time.monotonic()

    def connect(self, kind: str) -> None:
        """Open one more connection."""
        connection = socket.create_connection(self._address, timeout=60)
        self._open[connection] = kind
        connection.setblocking(False)
        with suppress(ConnectionError):
            connection.sendall(KINDS[kind])

    def drip(self) -> None:
        """Send a byte on each connection, if a second has passed."""
        if time.monotonic() - self._dripped < DRIP_SECONDS:
            return
        self._dripped = time.monotonic()
        for connection, kind in self._open.items():
            with suppress(OSError):  # it was closed
                connection.send(b" " if KINDS[kind] else b"")

    def open(self) -> int:
        """Return how many connections the server has not closed."""
        count = 0
        for connection in self._open:
            try:
                count += connection.recv(4096) != b""
            except BlockingIOError:
                count += 1
            except ConnectionError:
                pass
        return count

    def close(self) -> None:
        for connection in self._open:
            connection.close()


@pytest.mark.parametrize(
    ("descriptors", "connections", "seconds"),
    [
        (256, 450, 2),
        pytest.param(1024, 5000, 20, marks=pytest.mark.soak),
    ],
)
def test_honest_users_are_served_beside_slow_clients(
    descriptors: int,
    connections: int,
    seconds: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with MockRealtimeServer() as provider, ExitStack() as stack:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", provider.api_key)
        monkeypatch.setenv("OPENAI_REALTIME_SERVE_TOKENS", TOKEN)
        quiet = stack.enter_context(service(tmp_path / "quiet", descriptors))
        busy = stack.enter_context(service(tmp_path / "busy", descriptors))
        before = busy.peak_memory()
        slow_clients = SlowClients(busy.address)
        stack.callback(slow_clients.close)
        for number in range(connections):
            slow_clients.connect(list(KINDS)[number % len(KINDS)])
            if number % 15 == 0:
                slow_clients.drip()
                quiet.mint()
                busy.mint()
        limit = (descriptors - 64) // 2
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            slow_clients.drip()
            quiet.mint()
            busy.mint()
            time.sleep(0.05)
        assert slow_clients.open() <= limit
        memory = busy.peak_memory() - before
    print(  # noqa: T201 - shown with `-s`
        f"{connections} connections: slowest {busy.slowest:.3f} s, without them "
        f"{quiet.slowest:.3f} s; {memory:,} bytes of memory, {busy.log.stat().st_size:,} of log"
    )
    assert busy.slowest < 1.0 + quiet.slowest
    assert memory < limit * 100_000
    lines = busy.log.read_text(encoding="utf-8").splitlines()
    # A line each request with a complete head, and one each 10 s for all others.
    others = [line for line in lines if " POST " not in line]
    assert all("Connections closed early: " in line for line in others)
    assert 1 <= len(others) <= 2 + (connections + seconds) / 10
