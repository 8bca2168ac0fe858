"""A call whose time is over opens no socket."""

import socket

import httpcore
import pytest

from openai_realtime.core.deadline import Deadline
from openai_realtime.transports.deadline_network import DeadlineNetwork


def test_nothing_is_begun_when_the_time_is_over() -> None:
    over = DeadlineNetwork(Deadline(at=0.0, clock=lambda: 1.0))
    with pytest.raises(httpcore.ConnectTimeout):
        over.connect_tcp("127.0.0.1", 1, timeout=5)


def test_every_operation_is_cut_to_what_is_left() -> None:
    now = [0.0]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        network = DeadlineNetwork(Deadline(at=10.0, clock=lambda: now[0]))
        stream = network.connect_tcp("127.0.0.1", listener.getsockname()[1], timeout=None)
        stream.write(b"x", timeout=5)
        now[0] = 9.99
        with pytest.raises(httpcore.ReadTimeout):
            stream.read(1, timeout=5)
        now[0] = 10.0
        with pytest.raises(httpcore.WriteTimeout):
            stream.write(b"x", timeout=5)
        stream.close()
