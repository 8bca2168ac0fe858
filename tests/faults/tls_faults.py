"""Faults of TLS: certificates that are no good, and handshakes that do not come to their end.

Owns: what is done instead of a handshake. Must not know: HTTP, nor what the client ought to make of
it.
"""

from __future__ import annotations

from faults.fault import fault
from faults.fault_server_dialogue import Dialogue
from faults.responses import answer


@fault("handshake", certificate="expired")
def expired_certificate(talk: Dialogue) -> None:
    """Nothing else is wrong."""


@fault("handshake", certificate="self-signed")
def self_signed_certificate(talk: Dialogue) -> None:
    """Nothing else is wrong."""


@fault("handshake", certificate="wrong host")
def certificate_of_another_host(talk: Dialogue) -> None:
    """Nothing else is wrong."""


@fault("handshake", certificate="TLS 1.2")
def tls_that_is_old(talk: Dialogue) -> None:
    """Nothing is wrong."""


@fault("handshake", certificate="TLS 1.1")
def tls_that_is_too_old(talk: Dialogue) -> None:
    """Nothing else is wrong."""


@fault("handshake")
def plain_text_instead_of_tls(talk: Dialogue) -> None:
    talk.read_raw()
    talk.send(answer(b"", 400))
    talk.finish()


@fault("handshake")
def handshake_stalls(talk: Dialogue) -> None:
    talk.listen_in_silence()


@fault("handshake")
def handshake_is_dripped(talk: Dialogue) -> None:
    talk.read_raw()
    # A record that says 16 kB will follow, of type "handshake", and then comes too slowly.
    talk.drip(b"\x16\x03\x03\x40\x00" + b"\x02" + b"\x00" * 1000)


@fault("handshake")
def handshake_is_cut(talk: Dialogue) -> None:
    talk.read_raw()
    talk.finish()


@fault("handshake")
def handshake_is_reset(talk: Dialogue) -> None:
    talk.read_raw()
    talk.reset()
