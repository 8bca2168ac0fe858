"""TLS as a layer of a connection, without I/O: OpenSSL between two memory buffers.

Rule for this file: an end of the connection without `close_notify` is a failure: a body that only
the connection's end frames is complete only after `close_notify`.
"""

from __future__ import annotations

import ssl
import stat
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import certifi

from openai_realtime.environment import read_variable
from openai_realtime.errors import APIConnectionError, ConfigurationError
from openai_realtime.transports.exceptions import NO_DESCRIPTORS, lost, tls_failed

_MAX_RECORD = 16 * 1024
_RECORD_HEADER = 5


class TlsLayer:
    """TLS between this client and the peer that the layer below reaches."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        except (ValueError, ssl.SSLError):
            raise APIConnectionError(
                "The host name is not valid: it, or a part of it, is empty or too long",
                hint="Check base_url and the proxy's URL",
            ) from None
        self._record = b""
        self._record_left = 0
        self.is_open: bool = False
        """Whether the handshake is done."""
        self.has_ended: bool = False
        """Whether the peer has announced the end of its data (close_notify)."""
        self.failure: ssl.SSLError | None = None
        """The failure that came after the bytes that `receive` returned last."""

    @property
    def is_between_records(self) -> bool:
        """Whether no TLS record has arrived only in part."""
        return not self._record and not self._record_left

    def start(self) -> bytes:
        """Return the bytes that begin the handshake."""
        self._handshake()
        return self._outgoing.read()

    def receive(self, data: bytes | bytearray) -> tuple[bytes, bytes]:
        """Take received bytes; return the bytes to send, and the decrypted bytes.

        Raises `APIConnectionError`: a `CertificateError` if the peer is not trusted.
        """
        self._track_records(data)
        self._incoming.write(data)
        if not self.is_open:
            self._handshake()
        plaintext = self._decrypt() if self.is_open else b""
        return self._outgoing.read() if self._outgoing.pending else b"", plaintext

    def receive_eof(self) -> None:
        """Record the end of the input, which is a failure without close_notify."""
        if not self.has_ended:
            self.failure = self.failure or ssl.SSLEOFError()

    def send(self, data: bytes | memoryview) -> bytes:
        """Return `data` encrypted; `b""` if TLS has failed."""
        remaining = memoryview(data)
        try:
            while remaining:
                remaining = remaining[self._tls.write(remaining) :]
        except ssl.SSLError as error:
            self.failure = self.failure or error.with_traceback(None)
            return b""
        return self._outgoing.read()

    def close(self, *, with_close_notify: bool) -> bytes:
        """Return the last bytes to send: an unsent alert, and close_notify if requested."""
        if with_close_notify:
            with suppress(ssl.SSLError):  # the peer's close_notify has not come yet
                self._tls.unwrap()
        return self._outgoing.read()

    def _handshake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            raise tls_failed(error, "connect") from error
        self.is_open = True

    def _decrypt(self) -> bytes:
        plaintext: list[bytes] = []
        try:
            while part := self._tls.read(_MAX_RECORD):
                plaintext.append(part)
                # A read without data raises an error, which takes longer than this check.
                if not self._incoming.pending and not self._tls.pending():
                    return b"".join(plaintext)
            self.has_ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            # The bytes before the failure count: they may be the whole response.
            self.failure = error.with_traceback(None)
        return b"".join(plaintext)

    def _track_records(self, data: bytes | bytearray) -> None:
        """Follow the lengths of records: OpenSSL does not show whether it holds a part of one."""
        position = 0
        while position < len(data):
            if self._record_left:
                taken = min(self._record_left, len(data) - position)
                self._record_left -= taken
                position += taken
                continue
            header = data[position : position + _RECORD_HEADER - len(self._record)]
            self._record += header
            position += len(header)
            if len(self._record) == _RECORD_HEADER:
                self._record_left = int.from_bytes(self._record[3:])
                self._record = b""


def trusted_context() -> ssl.SSLContext:
    """Return the shared client context: TLS 1.2 or newer, certificates and host names checked.

    Trusts SSL_CERT_FILE and SSL_CERT_DIR if they are set and exist, else certifi's authorities.
    Raises `ConfigurationError` if they cannot be read or hold no certificates, and
    `APIConnectionError` if no file descriptor is free to read them.
    """
    try:
        return _context(read_variable("SSL_CERT_FILE"), read_variable("SSL_CERT_DIR"))
    except ssl.SSLError as error:
        problem = (error.reason or type(error).__name__).replace("_", " ").lower()
    except OSError as error:
        if error.errno in NO_DESCRIPTORS:
            raise lost("connect", error) from error
        problem = error.strerror or type(error).__name__
    message = f"SSL_CERT_FILE or SSL_CERT_DIR is unusable: it must hold certificates ({problem})"
    raise ConfigurationError(message)


def _existing(file: str | None, folder: str | None) -> tuple[str | None, str | None]:
    """Return the file and the folder of authorities that exist; certifi's file if none does."""
    file = file if file and stat.S_ISREG(_mode(file)) else None
    folder = folder if folder and stat.S_ISDIR(_mode(folder)) else None
    return (file, folder) if file or folder else (certifi.where(), None)


def _mode(path: str) -> int:
    """Return the mode of a file; 0 if there is none; raises `OSError` if that cannot be found out."""
    # `Path.is_file` hides every error since Python 3.14: a file that exists would be passed over.
    try:
        return Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


@lru_cache(maxsize=4)
def _context(file: str | None, folder: str | None) -> ssl.SSLContext:
    cafile, capath = _existing(file, folder)
    context = ssl.create_default_context(cafile=cafile, capath=capath)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # the server's identity was checked once
    context.set_alpn_protocols(["http/1.1"])
    return context
