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


@lru_cache(maxsize=4)
def _context(file: str | None, folder: str | None) -> ssl.SSLContext:
    cafile = file if file and Path(file).is_file() else None
    capath = folder if folder and Path(folder).is_dir() else None
    if cafile is None and capath is None:
        cafile = certifi.where()
    context = ssl.create_default_context(cafile=cafile, capath=capath)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
