"""Faults of the connection: it is refused, cut, stalled, dripped or endless."""

from __future__ import annotations

from faults.fault import fault
from faults.fault_server_dialogue import Dialogue, OverError
from faults.responses import chunked, encoded, head, response, session

_CHUNKED = ("Transfer-Encoding", "chunked")


@fault("refuse")
def refuse(dialogue: Dialogue) -> None:
    """Nothing listens on the port."""


@fault("accept")
def silence_from_the_start(dialogue: Dialogue) -> None:
    dialogue.neither_read_nor_write()


@fault("accept")
def slow_to_accept(dialogue: Dialogue) -> None:
    dialogue.pause(0.05)


@fault("accept")
def fin_on_accept(dialogue: Dialogue) -> None:
    dialogue.finish()


@fault("accept")
def rst_on_accept(dialogue: Dialogue) -> None:
    dialogue.reset()


@fault("request")
def silence_after_the_request(dialogue: Dialogue) -> None:
    dialogue.listen_in_silence()


@fault("request")
def fin_before_response(dialogue: Dialogue) -> None:
    dialogue.finish()


@fault("request")
def rst_before_response(dialogue: Dialogue) -> None:
    dialogue.reset()


@fault("request")
def fin_mid_headers(dialogue: Dialogue) -> None:
    dialogue.send(b"HTTP/1.1 200 OK\r\nContent-Le")
    dialogue.finish()


@fault("request")
def rst_mid_headers(dialogue: Dialogue) -> None:
    dialogue.send(b"HTTP/1.1 200 OK\r\nContent-Le")
    dialogue.pause(0.02)  # a reset right after the bytes would discard them
    dialogue.reset()


@fault("request")
def rst_after_headers(dialogue: Dialogue) -> None:
    dialogue.send(head(200, ("Content-Length", "100")))
    dialogue.pause(0.02)
    dialogue.reset()


@fault("request")
def silence_after_headers(dialogue: Dialogue) -> None:
    dialogue.send(head(200, ("Content-Length", "100")))
    dialogue.listen_in_silence()


@fault("request")
def rst_mid_body(dialogue: Dialogue) -> None:
    dialogue.send(_cut(response(session(dialogue.mint()))))
    dialogue.pause(0.02)
    dialogue.reset()


@fault("request")
def fin_mid_body(dialogue: Dialogue) -> None:
    dialogue.send(_cut(response(session(dialogue.mint()))))
    dialogue.finish()


@fault("request")
def silence_mid_body(dialogue: Dialogue) -> None:
    dialogue.send(_cut(response(session(dialogue.mint()))))
    dialogue.listen_in_silence()


@fault("request")
def fin_mid_chunks(dialogue: Dialogue) -> None:
    dialogue.send(head(200, _CHUNKED), chunked(session(dialogue.mint())))
    dialogue.finish()


@fault("request")
def http_0_9(dialogue: Dialogue) -> None:
    """A page without headers, as HTTP/0.9 servers sent it."""
    dialogue.send(b"<html>hello</html>\r\n")
    dialogue.finish()


@fault("request")
def fin_mid_unframed_body(dialogue: Dialogue) -> None:
    """There is no Content-Length, so only the JSON shows that the body is incomplete."""
    dialogue.send(head(), session(dialogue.mint())[:-10])
    dialogue.finish()


def _cut(whole: bytes) -> bytes:
    return whole[:-10]


@fault("request")
def in_pieces(dialogue: Dialogue) -> None:
    """A good response in pieces of 40 bytes."""
    whole = response(session(dialogue.mint()))
    for start in range(0, len(whole), 40):
        dialogue.send(whole[start : start + 40])
        dialogue.pause(0.001)


@fault("request")
def two_responses_in_two_records(dialogue: Dialogue) -> None:
    """Over TLS, the client may decrypt the second response only when it reads again."""
    dialogue.send_together(response(session(dialogue.mint())), response(session(dialogue.mint())))


@fault("request")
def dripped_headers(dialogue: Dialogue) -> None:
    dialogue.drip(head(200, *[(f"X-Drip-{number}", "drop") for number in range(100)]))


@fault("request")
def dripped_body(dialogue: Dialogue) -> None:
    dialogue.send(head(200, ("Content-Length", "10000")))
    dialogue.drip(b" " * 10_000)


@fault("request")
def dripped_chunks(dialogue: Dialogue) -> None:
    dialogue.send(head(200, _CHUNKED))
    for _ in range(1000):
        dialogue.send(chunked(b" "))
        dialogue.pause(0.02)


@fault("request")
def dripped_interim_responses(dialogue: Dialogue) -> None:
    while True:
        dialogue.send(head(100))
        dialogue.pause(0.03)


@fault("request")
def endless_interim_responses(dialogue: Dialogue) -> None:
    while True:
        dialogue.send(head(100) * 100)


@fault("request")
def endless_early_hints(dialogue: Dialogue) -> None:
    while True:
        dialogue.send(head(103, ("Link", "</style.css>; rel=preload")) * 50)


@fault("request")
def endless_headers(dialogue: Dialogue) -> None:
    dialogue.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        dialogue.send(b"X-Filler: " + b"x" * 1000 + b"\r\n")


@fault("request")
def endless_header_line(dialogue: Dialogue) -> None:
    dialogue.send(b"HTTP/1.1 200 OK\r\nX-Filler: ")
    while True:
        dialogue.send(b"x" * 4096)


@fault("request")
def endless_status_line(dialogue: Dialogue) -> None:
    dialogue.send(b"HTTP/1.1 200 ")
    while True:
        dialogue.send(b"x" * 4096)


@fault("request")
def endless_chunk_size(dialogue: Dialogue) -> None:
    dialogue.send(head(200, _CHUNKED))
    while True:
        dialogue.send(b"0" * 4096)


@fault("request")
def endless_trailers(dialogue: Dialogue) -> None:
    dialogue.send(head(200, _CHUNKED), chunked(encoded({})), b"0\r\n")
    while True:
        dialogue.send(b"X-Filler: " + b"x" * 1000 + b"\r\n")


@fault("request")
def endless_body(dialogue: Dialogue) -> None:
    dialogue.send(head())
    while True:
        dialogue.send(b" " * 65536)


@fault("request")
def endless_chunks(dialogue: Dialogue) -> None:
    dialogue.send(head(200, _CHUNKED))
    while True:
        dialogue.send(chunked(b" " * 65536))


@fault("request")
def endless_error_body(dialogue: Dialogue) -> None:
    dialogue.send(head(400))
    while True:
        dialogue.send(b" " * 65536)


@fault("read")
def request_is_not_read(dialogue: Dialogue) -> None:
    dialogue.read_little_at_once()
    dialogue.neither_read_nor_write()


@fault("read")
def request_is_read_slowly(dialogue: Dialogue) -> None:
    """The socket accepts a little at a time, and never the whole request."""
    dialogue.read_little_at_once()
    while dialogue.read_raw(16384):
        dialogue.pause(0.02)


@fault("read")
def refused_before_it_was_read(dialogue: Dialogue) -> None:
    """The rest of the request arrives at a closed socket, which resets the connection."""
    too_large = encoded({"error": {"message": "too large", "code": "too_large"}})
    dialogue.send(response(too_large, 413, ("Connection", "close")))
    dialogue.pause(0.02)
    dialogue.close()
    raise OverError


@fault("read")
def refused_before_it_was_read_and_kept(dialogue: Dialogue) -> None:
    """The server keeps the connection open, and reads no more of the request."""
    dialogue.read_little_at_once()
    dialogue.send(response(encoded({"error": {"message": "too large"}}), 413))
    dialogue.neither_read_nor_write()


@fault("idle")
def idle_fin(dialogue: Dialogue) -> None:
    dialogue.finish()


@fault("idle")
def idle_rst(dialogue: Dialogue) -> None:
    dialogue.reset()


@fault("idle")
def idle_response(dialogue: Dialogue) -> None:
    """Send a response before there is a request."""
    dialogue.send(response(session(dialogue.mint())))


@fault("idle")
def idle_timeout_response(dialogue: Dialogue) -> None:
    """Send a 408 and close the idle connection, as some proxies do."""
    dialogue.send(response(encoded({"error": {"message": "idle"}}), 408, ("Connection", "close")))
    dialogue.finish()


@fault("read")
def rst_when_written_to(dialogue: Dialogue) -> None:
    dialogue.reset()
