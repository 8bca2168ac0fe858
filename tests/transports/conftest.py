"""Fixtures of the transports' tests: a certificate authority, and a TLS server that it certifies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from authorities import new_authority

from transports.tls_server import TlsServer

if TYPE_CHECKING:
    import trustme


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return new_authority()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


@pytest.fixture
def tls(authority: trustme.CA) -> Iterator[TlsServer]:
    server = TlsServer(authority.issue_cert("localhost"))
    yield server
    server.stop()
