"""Faults of TLS: bad certificates, and handshakes that do not complete."""

from __future__ import annotations

from faults.fault import fault
from faults.fault_server_dialogue import Dialogue
from faults.responses import response


@fault("handshake", certificate="expired")
def expired_certificate(dialogue: Dialogue) -> None:
    """Only the certificate or the TLS version is wrong."""


@fault("handshake", certificate="self-signed")
def self_signed_certificate(dialogue: Dialogue) -> None:
    """Only the certificate or the TLS version is wrong."""


@fault("handshake", certificate="wrong host")
def certificate_of_another_host(dialogue: Dialogue) -> None:
    """Only the certificate or the TLS version is wrong."""


@fault("handshake", certificate="TLS 1.2")
def tls_that_is_old(dialogue: Dialogue) -> None:
    """TLS 1.2 is accepted."""


@fault("handshake", certificate="TLS 1.1")
def tls_that_is_too_old(dialogue: Dialogue) -> None:
    """Only the certificate or the TLS version is wrong."""


@fault("handshake")
def plain_text_instead_of_tls(dialogue: Dialogue) -> None:
    dialogue.read_raw()
    dialogue.send(response(b"", 400))
    dialogue.finish()


@fault("handshake")
def handshake_stalls(dialogue: Dialogue) -> None:
    dialogue.listen_in_silence()


@fault("handshake")
def handshake_is_dripped(dialogue: Dialogue) -> None:
    dialogue.read_raw()
    # A handshake record that announces 16 kB, and whose bytes then arrive slowly.
    dialogue.drip(b"\x16\x03\x03\x40\x00" + b"\x02" + b"\x00" * 1000)


@fault("handshake")
def handshake_is_cut(dialogue: Dialogue) -> None:
    dialogue.read_raw()
    dialogue.finish()


@fault("handshake")
def handshake_is_reset(dialogue: Dialogue) -> None:
    dialogue.read_raw()
    dialogue.reset()
