"""A small HTTP/2 server on loopback, over TLS: every request gets the same session."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import h2.events

from transports.server_dialogue import served
from transports.tls_server import SESSION

if TYPE_CHECKING:
    import trustme


@contextmanager
def http2_served(certificate: trustme.LeafCert, paths: list[str]) -> Iterator[int]:
    """Serve HTTP/2 and nothing else; yields the port, and notes each request's path."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2"])
    certificate.configure_cert(context)

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as stream:
            assert stream.selected_alpn_protocol() == "h2"
            protocol = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
            protocol.initiate_connection()
            stream.sendall(protocol.data_to_send())
            while data := stream.recv(65536):
                for event in protocol.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        headers = dict(event.headers or [])
                        paths.append(headers[b":path"].decode())
                    if isinstance(event, h2.events.StreamEnded):
                        protocol.send_headers(event.stream_id, [(":status", "200")])
                        protocol.send_data(event.stream_id, SESSION, end_stream=True)
                stream.sendall(protocol.data_to_send())

    with served(talk) as port:
        yield port
