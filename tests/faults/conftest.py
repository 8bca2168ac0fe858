"""Fixtures: the fault servers, plain and over TLS, and the test authority that their clients trust."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from backends import ON_BOTH_PARSERS, Backend

import faults.bad_responses
import faults.connection_faults
import faults.tls_faults  # noqa: F401 - each fills the table of faults
from faults import machine_delays
from faults.calling import client_of, mint
from faults.certificates import Certificates
from faults.names import SlowNames
from faults.server import FaultServer

if sys.platform == "win32":
    # These faults cut connections as POSIX systems do. The client's other tests run on Windows too.
    collect_ignore_glob = ["test_*.py"]


# The files in which coverage is measured. The others inject so many faults that measuring them would
# take much longer, and would cover no further line.
MEASURED = {
    "test_clocks",
    "test_connections",
    "test_deadlines",
    "test_phases",
    "test_warm_up",
}
MEASURED_FAULTS = {
    "body_of_1_mib",
    "fin_mid_unframed_body",
    "idle_response",
    "idle_rst",
    "refused_before_it_was_read",
    "refused_before_it_was_read_and_kept",
    "request_is_read_slowly",
    "rst_mid_body",
}


@pytest.fixture(autouse=True)
def measured_only_where_needed(request: pytest.FixtureRequest) -> None:
    """Pause the coverage measurement for a test that is not in the lists above."""
    callspec = getattr(request.node, "callspec", None)
    row = callspec.params.get("row") if callspec is not None else None
    is_measured = request.path.stem in MEASURED or (
        row is not None and row.fault in MEASURED_FAULTS
    )
    if not is_measured:
        request.getfixturevalue("unmeasured")


@pytest.fixture(scope="session", autouse=True)
def bare_timer() -> Iterator[None]:
    """Start the control for the time measurements before a test counts descriptors."""
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
def _redirect_target() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture(scope="session")
def _plain(_redirect_target: FaultServer) -> Iterator[FaultServer]:
    with FaultServer(redirect_target=_redirect_target.base_url) as server:
        yield server


@pytest.fixture(scope="session")
def _secure(_redirect_target: FaultServer, certificates: Certificates) -> Iterator[FaultServer]:
    with FaultServer(certificates, redirect_target=_redirect_target.base_url) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def first_calls(bare_timer: None, _secure: FaultServer, certificates: Certificates) -> None:
    """Make a call in each way before a test measures one: the first imports and builds much."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificates.authority_file))
        for backend in ON_BOTH_PARSERS:
            backend.run(partial(_call_once, backend, _secure))


async def _call_once(backend: Backend, server: FaultServer) -> None:
    async with client_of(backend, server) as client:
        await mint(client, server)


@pytest.fixture
def redirect_target(_redirect_target: FaultServer) -> Iterator[FaultServer]:
    """The server of another origin, to which the redirects point."""
    _redirect_target.reset()
    yield _redirect_target
    _redirect_target.reset()


@pytest.fixture
def plain(_plain: FaultServer) -> Iterator[FaultServer]:
    _plain.reset()
    yield _plain
    _plain.reset()


@pytest.fixture
def secure(_secure: FaultServer, trusted: None) -> Iterator[FaultServer]:
    _secure.reset()
    yield _secure
    _secure.reset()


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
