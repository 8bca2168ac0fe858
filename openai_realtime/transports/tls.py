"""The TLS context: made once per process, on first use.

Owns: which authorities are trusted. Must not know: connections.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path

import certifi


def trusted_context() -> ssl.SSLContext:
    """Return the shared client context: TLS 1.2 or newer, certificates and host names checked.

    Trusts SSL_CERT_FILE and SSL_CERT_DIR where they are set and exist, else certifi's authorities.
    """
    return _context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


def authorities() -> list[bytes]:
    """Return the same authorities as PEM files, for an engine that has its own TLS."""
    file, folder = _existing(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    files = [Path(file)] if file else []
    files += sorted(found for found in Path(folder).iterdir() if found.is_file()) if folder else []
    contents = [found.read_bytes() for found in files]
    return [pem for pem in contents if b"-----BEGIN CERTIFICATE-----" in pem]


def _existing(file: str | None, folder: str | None) -> tuple[str | None, str | None]:
    """Return the file and the folder of authorities that exist; certifi's where neither does."""
    file = file if file and Path(file).is_file() else None
    folder = folder if folder and Path(folder).is_dir() else None
    return (file, folder) if file or folder else (certifi.where(), None)


@lru_cache(maxsize=4)
def _context(file: str | None, folder: str | None) -> ssl.SSLContext:
    cafile, capath = _existing(file, folder)
    context = ssl.create_default_context(cafile=cafile, capath=capath)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
