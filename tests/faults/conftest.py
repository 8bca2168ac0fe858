"""The servers that misbehave, and the authority that their clients trust.

Owns: fixtures. Must not know: any single test.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator

import coverage
import pytest

import faults.bad_responses
import faults.connection_faults
import faults.tls_faults  # noqa: F401 - each fills the table of faults
from faults import machine_delays
from faults.certificates import Certificates
from faults.names import SlowNames
from faults.server import FaultServer

if sys.platform == "win32":
    # What is played here is how POSIX systems cut connections; the clients' own tests run anywhere.
    collect_ignore_glob = ["test_*.py"]


# Those that play few faults in this process. The others play so many that tracing them would take far
# longer, and would cover no more.
TRACED = {
    "test_clocks",
    "test_connections",
    "test_deadlines",
    "test_phases",
    "test_warm_up",
}
TRACED_FAULTS = {
    "body_of_1_mib",
    "fin_mid_unframed_body",
    "idle_answer",
    "idle_rst",
    "refused_before_it_was_read",
    "refused_before_it_was_read_and_kept",
    "request_is_read_slowly",
    "rst_mid_body",
}


@pytest.fixture(autouse=True)
def untraced(request: pytest.FixtureRequest) -> Iterator[None]:
    """Stop measuring coverage for a while."""
    callspec = getattr(request.node, "callspec", None)
    row = callspec.params.get("row") if callspec is not None else None
    is_traced = request.path.stem in TRACED or (row is not None and row.fault in TRACED_FAULTS)
    measured = None if is_traced else coverage.Coverage.current()
    if measured is not None:
        measured.stop()
    yield
    if measured is not None:
        measured.start()


@pytest.fixture(scope="session", autouse=True)
def bare_timer() -> Iterator[None]:
    """The control of every promise about time: it opens its descriptors before any are counted."""
    timer = machine_delays.bare_timer()
    yield
    timer.stop()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusted(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority_file))


@pytest.fixture(scope="session")
def _elsewhere() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture(scope="session")
def _plain(_elsewhere: FaultServer) -> Iterator[FaultServer]:
    with FaultServer(elsewhere=_elsewhere.base_url) as server:
        yield server


@pytest.fixture(scope="session")
def _secure(_elsewhere: FaultServer, certificates: Certificates) -> Iterator[FaultServer]:
    with FaultServer(certificates, elsewhere=_elsewhere.base_url) as server:
        yield server


@pytest.fixture
def elsewhere(_elsewhere: FaultServer) -> Iterator[FaultServer]:
    """A second origin, to which redirects point."""
    _elsewhere.forget()
    yield _elsewhere
    _elsewhere.forget()


@pytest.fixture
def plain(_plain: FaultServer) -> Iterator[FaultServer]:
    _plain.forget()
    yield _plain
    _plain.forget()


@pytest.fixture
def secure(_secure: FaultServer, trusted: None) -> Iterator[FaultServer]:
    _secure.forget()
    yield _secure
    _secure.forget()


@pytest.fixture
def slow_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], SlowNames]]:
    made: list[SlowNames] = []

    def make(seconds: float) -> SlowNames:
        names = SlowNames(seconds)
        made.append(names)
        monkeypatch.setattr(socket, "getaddrinfo", names.resolve)
        return names

    yield make
    for names in made:
        names.release()
