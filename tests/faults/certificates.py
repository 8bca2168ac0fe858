"""A test authority, and the good and bad certificates that a server presents."""

from __future__ import annotations

import ssl
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from authorities import new_authority

if TYPE_CHECKING:
    import trustme


HOST = "127.0.0.1"


class Certificates:
    """Server-side TLS contexts by name; clients that trust `authority_file` accept `good` alone."""

    def __init__(self, folder: Path) -> None:
        authority = new_authority()
        self.authority_file = folder / "authority.pem"
        authority.cert_pem.write_to_path(self.authority_file)
        good = authority.issue_cert(HOST)
        yesterday = datetime.now(UTC) - timedelta(days=1)
        self._contexts = {
            "good": _context(good),
            "expired": _context(authority.issue_cert(HOST, not_after=yesterday)),
            "wrong host": _context(authority.issue_cert("other-host.test")),
            # No client trusts its authority, as with a self-signed certificate.
            "self-signed": _context(new_authority().issue_cert(HOST)),
            "TLS 1.2": _context(good, ssl.TLSVersion.TLSv1_2),
            "TLS 1.1": _old_context(good),
        }

    def context(self, name: str) -> ssl.SSLContext:
        return self._contexts[name]


def _context(
    certificate: trustme.LeafCert, newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest
    certificate.configure_cert(context)
    return context


def _old_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = _context(certificate)
    with warnings.catch_warnings():
        # Python deprecates TLS 1.0 and 1.1, which this test needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context
