"""Faults of the connection: refused, cut, stalled, dripped, endless.

Owns: what is done to the socket, and when. Must not know: what an answer's JSON means
(`bad_answers.py` does), nor what the client ought to make of it (`table.py` does).
"""

from __future__ import annotations

from faults.fault import fault
from faults.fault_server_dialogue import Dialogue, OverError
from faults.responses import answer, chunked, encoded, head, session

_CHUNKED = ("Transfer-Encoding", "chunked")


@fault("refuse")
def refuse(talk: Dialogue) -> None:
    """Nothing listens on the port."""


@fault("accept")
def silence_from_the_start(talk: Dialogue) -> None:
    talk.neither_read_nor_write()


@fault("accept")
def slow_to_accept(talk: Dialogue) -> None:
    talk.pause(0.05)


@fault("accept")
def fin_on_accept(talk: Dialogue) -> None:
    talk.finish()


@fault("accept")
def rst_on_accept(talk: Dialogue) -> None:
    talk.reset()


@fault("request")
def silence_after_the_request(talk: Dialogue) -> None:
    talk.listen_in_silence()


@fault("request")
def fin_before_the_answer(talk: Dialogue) -> None:
    talk.finish()


@fault("request")
def rst_before_the_answer(talk: Dialogue) -> None:
    talk.reset()


@fault("request")
def fin_mid_headers(talk: Dialogue) -> None:
    talk.send(b"HTTP/1.1 200 OK\r\nContent-Le")
    talk.finish()


@fault("request")
def rst_mid_headers(talk: Dialogue) -> None:
    talk.send(b"HTTP/1.1 200 OK\r\nContent-Le")
    talk.pause(0.02)  # a reset that is as fast as the bytes would take their place
    talk.reset()


@fault("request")
def rst_after_headers(talk: Dialogue) -> None:
    talk.send(head(200, ("Content-Length", "100")))
    talk.pause(0.02)
    talk.reset()


@fault("request")
def silence_after_headers(talk: Dialogue) -> None:
    talk.send(head(200, ("Content-Length", "100")))
    talk.listen_in_silence()


@fault("request")
def rst_mid_body(talk: Dialogue) -> None:
    talk.send(_cut(answer(session(talk.mint()))))
    talk.pause(0.02)
    talk.reset()


@fault("request")
def fin_mid_body(talk: Dialogue) -> None:
    talk.send(_cut(answer(session(talk.mint()))))
    talk.finish()


@fault("request")
def silence_mid_body(talk: Dialogue) -> None:
    talk.send(_cut(answer(session(talk.mint()))))
    talk.listen_in_silence()


@fault("request")
def fin_mid_chunks(talk: Dialogue) -> None:
    talk.send(head(200, _CHUNKED), chunked(session(talk.mint())))
    talk.finish()


@fault("request")
def http_0_9(talk: Dialogue) -> None:
    """A page without any header, as servers sent it before there were any."""
    talk.send(b"<html>hello</html>\r\n")
    talk.finish()


@fault("request")
def fin_mid_unframed_body(talk: Dialogue) -> None:
    """No length was told, so that only the JSON can say that something is missing."""
    talk.send(head(), session(talk.mint())[:-10])
    talk.finish()


def _cut(whole: bytes) -> bytes:
    return whole[:-10]


@fault("request")
def in_pieces(talk: Dialogue) -> None:
    """A good answer, in pieces that may end anywhere."""
    whole = answer(session(talk.mint()))
    for start in range(0, len(whole), 40):
        talk.send(whole[start : start + 40])
        talk.pause(0.001)


@fault("request")
def answer_and_another_record(talk: Dialogue) -> None:
    """Over TLS, the second answer may be decrypted when somebody asks for it, and not sooner."""
    talk.send_together(answer(session(talk.mint())), answer(session(talk.mint())))


@fault("request")
def dripped_headers(talk: Dialogue) -> None:
    talk.drip(head(200, *[(f"X-Drip-{number}", "drop") for number in range(100)]))


@fault("request")
def dripped_body(talk: Dialogue) -> None:
    talk.send(head(200, ("Content-Length", "10000")))
    talk.drip(b" " * 10_000)


@fault("request")
def dripped_chunks(talk: Dialogue) -> None:
    talk.send(head(200, _CHUNKED))
    for _ in range(1000):
        talk.send(chunked(b" "))
        talk.pause(0.02)


@fault("request")
def dripped_interim_answers(talk: Dialogue) -> None:
    while True:
        talk.send(head(100))
        talk.pause(0.03)


@fault("request")
def endless_interim_answers(talk: Dialogue) -> None:
    while True:
        talk.send(head(100) * 100)


@fault("request")
def endless_early_hints(talk: Dialogue) -> None:
    while True:
        talk.send(head(103, ("Link", "</style.css>; rel=preload")) * 50)


@fault("request")
def endless_headers(talk: Dialogue) -> None:
    talk.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        talk.send(b"X-Filler: " + b"x" * 1000 + b"\r\n")


@fault("request")
def endless_header_line(talk: Dialogue) -> None:
    talk.send(b"HTTP/1.1 200 OK\r\nX-Filler: ")
    while True:
        talk.send(b"x" * 4096)


@fault("request")
def endless_status_line(talk: Dialogue) -> None:
    talk.send(b"HTTP/1.1 200 ")
    while True:
        talk.send(b"x" * 4096)


@fault("request")
def endless_chunk_size(talk: Dialogue) -> None:
    talk.send(head(200, _CHUNKED))
    while True:
        talk.send(b"0" * 4096)


@fault("request")
def endless_trailers(talk: Dialogue) -> None:
    talk.send(head(200, _CHUNKED), chunked(encoded({})), b"0\r\n")
    while True:
        talk.send(b"X-Filler: " + b"x" * 1000 + b"\r\n")


@fault("request")
def endless_body(talk: Dialogue) -> None:
    talk.send(head())
    while True:
        talk.send(b" " * 65536)


@fault("request")
def endless_chunks(talk: Dialogue) -> None:
    talk.send(head(200, _CHUNKED))
    while True:
        talk.send(chunked(b" " * 65536))


@fault("request")
def endless_error_body(talk: Dialogue) -> None:
    talk.send(head(400))
    while True:
        talk.send(b" " * 65536)


@fault("read")
def request_is_not_read(talk: Dialogue) -> None:
    talk.read_little_at_once()
    talk.neither_read_nor_write()


@fault("read")
def request_is_read_slowly(talk: Dialogue) -> None:
    """There is always a little room for more, and never enough."""
    talk.read_little_at_once()
    while talk.read_raw(16384):
        talk.pause(0.02)


@fault("read")
def refused_before_it_was_read(talk: Dialogue) -> None:
    """The rest of the request meets a closed connection, which resets it."""
    too_large = encoded({"error": {"message": "too large", "code": "too_large"}})
    talk.send(answer(too_large, 413, ("Connection", "close")))
    talk.pause(0.02)
    talk.close()
    raise OverError


@fault("read")
def refused_before_it_was_read_and_kept(talk: Dialogue) -> None:
    """The server goes on to hold the connection, and reads no more."""
    talk.read_little_at_once()
    talk.send(answer(encoded({"error": {"message": "too large"}}), 413))
    talk.neither_read_nor_write()


@fault("idle")
def idle_fin(talk: Dialogue) -> None:
    talk.finish()


@fault("idle")
def idle_rst(talk: Dialogue) -> None:
    talk.reset()


@fault("idle")
def idle_answer(talk: Dialogue) -> None:
    """Answer a request that nobody has made yet."""
    talk.send(answer(session(talk.mint())))


@fault("idle")
def idle_timeout_answer(talk: Dialogue) -> None:
    """Say 408 before hanging up, as some proxies do."""
    talk.send(answer(encoded({"error": {"message": "idle"}}), 408, ("Connection", "close")))
    talk.finish()


@fault("read")
def rst_when_written_to(talk: Dialogue) -> None:
    talk.reset()
