"""From names to sockets: look-ups that hang, addresses that do not respond, plain http on loopback."""

from __future__ import annotations

import gc
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from faults.machine_delays import Stopwatch

from openai_realtime import APIConnectionError, APITimeoutError, Timeout
from openai_realtime.testing import MockResponse
from openai_realtime.transports import sockets
from openai_realtime.transports.sockets import Address, Lookup, look_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backends import Backend

    from openai_realtime.testing import MockRealtimeServer

V4, V6 = socket.AF_INET, socket.AF_INET6


def names(monkeypatch: pytest.MonkeyPatch, **known: list[str] | float) -> None:
    """Resolve `known` hosts to what is given: to addresses, or after so many seconds to nothing."""
    usual = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *arguments: Any, **options: Any) -> Any:
        found = known.get(host)
        if found is None:
            return usual(host, port, *arguments, **options)
        if isinstance(found, float):
            time.sleep(found)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        families = [V6 if ":" in address else V4 for address in found]
        return [
            (family, socket.SOCK_STREAM, 6, "", (address, port, 0, 0)[: 4 if family == V6 else 2])
            for family, address in zip(families, found, strict=True)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def reach(server: MockRealtimeServer, host: str) -> dict[str, Any]:
    return {"base_url": server.base_url.replace("127.0.0.1", host), "allow_http": True}


@contextmanager
def black_hole(address: str, port: int) -> Iterator[None]:
    """Let a listener's backlog be full: a client that connects gets no reply."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((address, port))
        time.sleep(0.05)
        yield


def test_each_black_hole_costs_a_fraction_of_a_second(
    backend: Backend, realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(realtime_server.base_url.rpartition(":")[2].partition("/")[0])
    names(monkeypatch, far=["127.0.0.2", "127.0.0.3", "127.0.0.1"])

    async def body() -> None:
        async with backend.client(**reach(realtime_server, "far")) as client:
            with Stopwatch() as watch:
                await client.sessions.create(timeout=5)
            # Linux sends a SYN again after one second: to be faster, another address was tried.
            watch.assert_within(0.45, 0.95)

    with black_hole("127.0.0.2", port), black_hole("127.0.0.3", port):
        backend.run(body)


def test_a_black_hole_alone_is_a_timeout(
    backend: Backend, realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(realtime_server.base_url.rpartition(":")[2].partition("/")[0])
    names(monkeypatch, far=["127.0.0.2", "127.0.0.3"])
    limits = Timeout(connect=0.4)

    async def body() -> APITimeoutError:
        async with backend.client(max_retries=0, **reach(realtime_server, "far")) as client:
            with pytest.raises(APITimeoutError) as caught:
                await client.sessions.create(timeout=limits)
            return caught.value

    with black_hole("127.0.0.2", port), black_hole("127.0.0.3", port):
        error = backend.run(body)
    assert (error.phase, error.possibly_acted) == ("connect", False)


def test_one_that_refuses_beside_a_black_hole(
    backend: Backend, realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first may still accept: it is waited for."""
    port = int(realtime_server.base_url.rpartition(":")[2].partition("/")[0])
    names(monkeypatch, far=["127.0.0.2", "127.0.0.4"])

    async def body() -> APITimeoutError:
        async with backend.client(max_retries=0, **reach(realtime_server, "far")) as client:
            with pytest.raises(APITimeoutError) as caught:
                await client.sessions.create(timeout=Timeout(connect=0.6))
            return caught.value

    with black_hole("127.0.0.2", port):
        assert backend.run(body).phase == "connect"


def test_an_address_that_refuses_costs_nothing(
    backend: Backend, realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, far=["127.0.0.2", "::1", "127.0.0.1"], gone=["127.0.0.2", "127.0.0.3"])

    async def body() -> None:
        async with backend.client(**reach(realtime_server, "far")) as client:
            with Stopwatch() as watch:
                await client.sessions.create(timeout=5)
            watch.assert_within(0, sockets.STAGGER_SECONDS)
        async with backend.client(max_retries=0, **reach(realtime_server, "gone")) as client:
            with pytest.raises(APIConnectionError, match="Connection refused") as caught:
                await client.sessions.create(timeout=5)
            assert caught.value.phase == "connect"
            assert isinstance(caught.value.__cause__, ConnectionRefusedError)

    backend.run(body)


def test_a_name_without_any_address_here_is_not_loopback(
    backend: Backend, realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`x.localhost` is a name like any other, until it has been resolved."""
    names(
        monkeypatch,
        **{
            "far.localhost": ["192.0.2.1", "2001:db8::1"],
            "near.localhost": ["192.0.2.1", "127.0.0.1"],
        },
    )

    async def body() -> None:
        base_url = reach(realtime_server, "far.localhost")["base_url"]
        for spelt in (base_url, base_url.replace("http:", "HTTP:")):
            async with backend.client(base_url=spelt) as client:
                for call in (client.sessions.create, client.warm_up):
                    with pytest.raises(APIConnectionError, match="not this machine") as caught:
                        await call()
                    assert (caught.value.phase, caught.value.retryable) == ("connect", False)
        base_url = reach(realtime_server, "near.localhost")["base_url"]
        async with backend.client(base_url=base_url) as client:
            await client.sessions.create()

    backend.run(body)


def test_the_families_take_turns() -> None:
    four = [Address(V4, (f"192.0.2.{number}", 1)) for number in range(3)]
    six = [Address(V6, (f"2001:db8::{number}", 1, 0, 0)) for number in range(2)]
    found = Lookup("h", [*six, *four, four[0]]).addresses(loopback_only=False)
    assert found == [six[0], four[0], six[1], four[1], four[2]]
    assert Lookup("h", four[:1]).addresses(loopback_only=False) == four[:1]
    assert Lookup("h", [Address(V6, ("::1%lo", 1, 0, 1))]).addresses(loopback_only=True)


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", V4), ("::1", V6), ("192.0.2.1", V4)])
def test_an_address_is_not_looked_up(
    host: str, family: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    assert look_up(host, 443).outcome == [Address(family, (host, 443))]


@pytest.mark.parametrize("host", ["x" * 64 + ".example", "a..b"])
def test_what_cannot_be_a_name(host: str) -> None:
    lookup = look_up(host, 443)
    lookup.wait(10)
    with pytest.raises(APIConnectionError, match="could not be resolved"):
        lookup.addresses(loopback_only=False)


def test_callers_of_one_host_share_a_thread_and_hosts_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> Any:
        released.wait(10)
        return [(V4, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    before = threading.active_count()
    woken: list[str] = []
    try:
        first = look_up("h0", 443)
        assert look_up("h0", 443) is first
        first.call_when_done(lambda: woken.append("h0"))
        forgotten: Callable[[], None] = lambda: woken.append("forgotten")  # noqa: E731
        first.call_when_done(forgotten)
        first.forget(forgotten)
        others = [look_up(f"h{number}", 443) for number in range(1, 64)]
        assert threading.active_count() == before + 64
        with pytest.raises(APIConnectionError, match="64 look-ups are under way") as caught:
            look_up("one more", 443)
        assert caught.value.retryable
    finally:
        released.set()
    for lookup in [first, *others]:
        lookup.wait(10)
    assert woken == ["h0"]
    first.call_when_done(lambda: woken.append("at once"))
    assert woken[1:] == ["at once"]
    assert look_up("h0", 443) is not first


def test_no_thread_for_a_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    for _ in range(2):
        with pytest.raises(APIConnectionError, match="no thread can be started"):
            look_up("h.example", 443)


HANGING = """
import socket, sys, time
def getaddrinfo(*arguments, **options):
    if options.get("flags", 0) or arguments[0] != "h.localhost":
        return usual(*arguments, **options)
    time.sleep(60)
usual, socket.getaddrinfo = socket.getaddrinfo, getaddrinfo
from backends import Backend
from faults.machine_delays import Stopwatch
from openai_realtime import APITimeoutError
backend = Backend.parse(sys.argv[1])
async def body():
    async with backend.client(base_url="http://h.localhost:9", api_key="sk-x") as client:
        try:
            await client.sessions.create(timeout=0.2)
        except APITimeoutError:
            print("timed out")
backend.run(body)
"""


def test_the_interpreter_ends_while_a_look_up_hangs(backend: Backend) -> None:
    process = subprocess.run(
        [sys.executable, "-c", HANGING, str(backend)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "timed out\n", "")


def test_no_descriptor_is_left(backend: Backend, realtime_server: MockRealtimeServer) -> None:
    """A call without any is an error that says so, and a later one with some succeeds."""

    async def body() -> None:
        async with backend.client(max_retries=0) as client:
            secret = {"client_secret": {"value": "ek_1"}}
            realtime_server.respond_next(MockResponse(json=secret, headers={"connection": "close"}))
            await client.sessions.create()
            realtime_server.hang_up()  # the server's descriptors are this process's too
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all
            fillers: list[int] = []
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
            try:
                with suppress(OSError):
                    while True:
                        fillers.append(os.open(os.devnull, os.O_RDONLY))
                with pytest.raises(APIConnectionError, match="Too many open files") as caught:
                    await client.sessions.create()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                for filler in fillers:
                    os.close(filler)
            assert "ulimit -n" in str(caught.value)
            assert (caught.value.phase, caught.value.possibly_acted) == ("connect", False)
            await client.sessions.create()

    backend.run(body)
    gc.collect()
