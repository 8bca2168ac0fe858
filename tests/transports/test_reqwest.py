"""What the fast engine has of its own: choosing it, its pools, what its exceptions mean, HTTP/2."""

import asyncio
import gc
import importlib.util
import os
import socket
import subprocess
import threading
import time
import weakref
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from flavours import ON_REQWEST, Flavour
from programs import program
from pyreqwest import exceptions
from pyreqwest.client import SyncClient, SyncClientBuilder

from openai_realtime import (
    APIConnectionError,
    APITimeoutError,
    CertificateError,
    ClientClosedError,
    ConfigurationError,
    RealtimeSessionsClient,
    SyncRealtimeSessionsClient,
    Timeout,
)
from openai_realtime.core.wire import Request
from openai_realtime.testing import MockRealtimeServer
from openai_realtime.transports import reqwest, reqwest_clients
from openai_realtime.transports.blocking_lane_engine import SyncLaneEngine
from openai_realtime.transports.lane_engine import AsyncLaneEngine
from openai_realtime.transports.proxies import ProxyRules
from openai_realtime.transports.reqwest import AsyncReqwestEngine, SyncReqwestEngine
from openai_realtime.transports.reqwest_clients import Key, Pools, configured
from openai_realtime.transports.reqwest_errors import is_unanswered, translate
from transports.talking import served

FLAVOURS = ON_REQWEST
CLIENTS: list[Any] = [RealtimeSessionsClient, SyncRealtimeSessionsClient]


@pytest.mark.parametrize("client", CLIENTS)
def test_the_engine_is_chosen(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lanes, fast = (AsyncLaneEngine, SyncLaneEngine), (AsyncReqwestEngine, SyncReqwestEngine)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    assert isinstance(client()._engine, lanes)
    assert isinstance(client(transport="reqwest")._engine, fast)
    monkeypatch.setenv("OPENAI_REALTIME_TRANSPORT", "reqwest")
    assert isinstance(client()._engine, fast)
    assert isinstance(client(transport=None)._engine, fast)
    assert isinstance(client(transport="httpx")._engine, lanes)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"transport": "aiohttp"}, "transport is unusable: it is httpx or reqwest"),
        ({"http2": True}, 'http2=True needs transport="reqwest"'),
        ({"transport": "reqwest", "http_client": object()}, "transport=… or http_client=…"),
        ({"http2": True, "http_client": object()}, "http2=… or http_client=…"),
    ],
)
def test_what_cannot_be_chosen(client: Any, options: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        client(api_key="sk-x", **options)


def test_the_environment_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_REALTIME_TRANSPORT", "carrier pigeon")
    with pytest.raises(ConfigurationError, match="OPENAI_REALTIME_TRANSPORT is unusable"):
        SyncRealtimeSessionsClient(api_key="sk-x")


def test_a_missing_package_is_told_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openai_realtime.transports.engines.find_spec", lambda _name: None)
    assert importlib.util.find_spec("pyreqwest")
    with pytest.raises(ConfigurationError, match=r"pip install 'openai-realtime\[fast\]'"):
        SyncRealtimeSessionsClient(api_key="sk-x", transport="reqwest")


@pytest.mark.parametrize("name", ["transport", "http2"])
def test_it_is_fixed_when_the_client_is_made(name: Any) -> None:
    options: Any = {name: "httpx"}
    with pytest.raises(ConfigurationError, match=f"{name}: fixed when a client is made"):
        SyncRealtimeSessionsClient(api_key="sk-x").with_options(**options)


def test_trio_is_told_at_the_first_call(realtime_server: MockRealtimeServer) -> None:
    async def body() -> None:
        async with RealtimeSessionsClient(transport="reqwest") as client:
            with pytest.raises(ConfigurationError, match='on trio use transport="httpx"'):
                await client.sessions.create()
            with pytest.raises(ConfigurationError, match='on trio use transport="httpx"'):
                await client.warm_up()

    Flavour("trio").run(body)
    assert realtime_server.requests == []


def a_request(**changes: Any) -> Request:
    return Request("POST", "https://h.example/v1", (), b"", **changes)


def make(key: Key) -> SyncClient:
    return configured(SyncClientBuilder(), key, http2=False).build()


def test_one_pool_for_each_combination_of_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reqwest_clients, "_MAX_POOLS", 3)
    pools = Pools(make, ProxyRules())
    first = pools.pool(a_request(), Timeout())
    assert first is pools.pool(a_request(), Timeout(total=7, pool=1))
    others = [
        pools.pool(a_request(max_idle=1.0), Timeout()),
        pools.pool(a_request(), Timeout(connect=1)),
        pools.pool(a_request(), Timeout(read=1)),
    ]
    assert len({first, *others}) == 4
    assert first is not pools.pool(a_request(), Timeout()), "the oldest makes room"
    assert others[-1] is not None
    pools.retire(others[-1])
    assert pools.pool(a_request(), Timeout(read=1)) is not others[-1]


def test_what_is_kept_for_the_next_request_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reqwest_clients, "_MAX_URLS", 2)
    monkeypatch.setattr(reqwest_clients, "_MAX_HEADERS", 2)
    pools = Pools(make, ProxyRules())
    for number in range(5):
        target = pools.target(f"https://h{number}.example/")
        assert target is pools.target(f"https://h{number}.example/")
        headers = pools.headers(((b"Authorization", b"Bearer sk-%d" % number),))
        assert "sk-" not in repr(headers)
        assert "sk-" not in repr(vars(pools))
        assert headers["authorization"] == f"Bearer sk-{number}"
    assert len(pools._targets) <= 2
    assert len(pools._headers) <= 2


def test_authorities_that_are_none(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = "-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n"
    (tmp_path / "broken.pem").write_text(broken, encoding="ascii")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))

    async def body() -> None:
        async with flavour.client(api_key="sk-x") as client:
            with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
                await client.sessions.create()

    flavour.run(body)


CONNECT = "client error (Connect)"
TABLE: list[tuple[str, list[str], type[APIConnectionError], str, bool, bool, bool]] = [
    # exception, causes, ours, phase, possibly acted, retryable, unanswered
    ("ConnectTimeoutError", [CONNECT], APITimeoutError, "connect", False, True, False),
    ("ConnectTimeoutError", ["timed out"], APITimeoutError, "receive", True, True, False),
    ("WriteTimeoutError", [], APITimeoutError, "send", True, True, False),
    ("ReadTimeoutError", [], APITimeoutError, "receive", True, True, False),
    ("PoolTimeoutError", [], APITimeoutError, "receive", True, True, False),
    ("ConnectError", [CONNECT, "refused"], APIConnectionError, "connect", False, True, False),
    (
        "ConnectError",
        [CONNECT, "Connection reset"],
        APIConnectionError,
        "connect",
        False,
        True,
        False,
    ),
    ("ConnectError", [CONNECT, "tunnel error"], APIConnectionError, "connect", False, False, False),
    (
        "ConnectError",
        [CONNECT, "dns error", "Temporary failure"],
        APIConnectionError,
        "connect",
        False,
        True,
        False,
    ),
    (
        "ConnectError",
        [CONNECT, "dns error", "not known"],
        APIConnectionError,
        "connect",
        False,
        False,
        False,
    ),
    (
        "ConnectError",
        [CONNECT, "received fatal alert: x"],
        APIConnectionError,
        "connect",
        False,
        False,
        False,
    ),
    (
        "ConnectError",
        [CONNECT, "invalid peer certificate: Expired"],
        CertificateError,
        "connect",
        False,
        False,
        False,
    ),
    (
        "ConnectError",
        [CONNECT, "invalid peer certificate: other"],
        CertificateError,
        "connect",
        False,
        False,
        False,
    ),
    (
        "ConnectError",
        ["connection closed before message completed"],
        APIConnectionError,
        "receive",
        True,
        True,
        True,
    ),
    ("RequestError", ["client error (Canceled)"], APIConnectionError, "receive", True, True, True),
    (
        "RequestError",
        ["invalid HTTP header parsed"],
        APIConnectionError,
        "receive",
        True,
        False,
        False,
    ),
    ("ReadError", ["Connection reset by peer"], APIConnectionError, "receive", True, True, False),
    ("BodyDecodeError", ["invalid chunk size"], APIConnectionError, "receive", True, False, False),
    ("BuilderError", [], APIConnectionError, "connect", False, False, False),
    ("RequestPanicError", [], APIConnectionError, "receive", True, False, False),
]


@pytest.mark.parametrize(
    ("name", "causes", "kind", "phase", "acted", "retryable", "unanswered"), TABLE
)
def test_what_every_exception_means(
    name: str,
    causes: list[str],
    kind: type[APIConnectionError],
    phase: str,
    acted: bool,
    retryable: bool,
    unanswered: bool,
) -> None:
    told = ["error sending request for url (https://h.example/?key=sk-1)", *causes]
    theirs = getattr(exceptions, name)("x", {"causes": [{"message": text} for text in told]})
    assert is_unanswered(theirs) is unanswered
    ours = translate(theirs)
    assert type(ours) is kind
    assert (ours.phase, ours.possibly_acted, ours.retryable) == (phase, acted, retryable)
    for error in (ours, theirs):
        assert "sk-1" not in f"{error} {error!r} {error.__dict__}"


def test_what_is_not_pyreqwests_passes_untouched() -> None:
    assert translate(ValueError("x")) is None
    assert not is_unanswered(ValueError("x"))


NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/certificate.pem;
    location / {{ return 200 '{{"client_secret": {{"value": "ek_$server_protocol"}}}}'; }}
  }}
}}
"""


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(("http2", "spoken"), [(True, "2.0"), (False, "1.1")])
def test_http_2(
    flavour: Flavour,
    authority: trustme.CA,
    tmp_path: Path,
    http2: bool,
    spoken: str,
) -> None:
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "certificate.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        (tmp_path / "nginx.conf").write_text(NGINX.format(folder=tmp_path, port=port))
        nginx = subprocess.Popen(
            [program("nginx"), "-c", str(tmp_path / "nginx.conf")],
            env={"NGINX": f"{listener.fileno()};"},  # its way to inherit a socket
            pass_fds=[listener.fileno()],
            stderr=subprocess.DEVNULL,
        )

    async def body() -> None:
        base_url = f"https://localhost:{port}/v1"
        async with flavour.client(base_url=base_url, api_key="sk-x", http2=http2) as client:
            for _ in range(3):
                session = await client.sessions.create()
                assert session.client_secret.value == f"ek_HTTP/{spoken}"

    try:
        flavour.run(body)
    finally:
        nginx.terminate()
        nginx.wait()


def test_warming_up_sends_no_key(flavour: Flavour, realtime_server: MockRealtimeServer) -> None:
    async def body() -> None:
        async with flavour.client() as client:
            for number in (3, 3, 1):
                await client.warm_up(number)
            await client.sessions.create()

    flavour.run(body)
    *warming, minting = realtime_server.requests
    assert 3 <= len(warming) <= 6, "one that was quick may have served twice"
    assert {request.method for request in warming} == {"GET"}
    assert not any("authorization" in request.headers for request in warming)
    assert minting.connection in {request.connection for request in warming}


def test_where_pyreqwest_refuses_the_default_engine_takes_over(
    flavour: Flavour, realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a forked child; `tests/faults/test_sharing.py` forks for real."""

    def refuse(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("initialized before fork()")

    async def body() -> None:
        async with flavour.client() as client:
            await client.sessions.create()
            process = os.getpid() + 1
            with monkeypatch.context() as child:
                child.setattr(os, "getpid", lambda: process)
                child.setattr(reqwest, "configured", refuse)
                for _ in range(2):
                    await client.sessions.create()
                await client.aclose()
                with pytest.raises(ClientClosedError):
                    await client.sessions.create()

    flavour.run(body)
    first, second, third = (request.connection for request in realtime_server.requests)
    assert first != second == third


def test_warming_up_tells_what_went_wrong(flavour: Flavour) -> None:
    async def body() -> None:
        async with flavour.client(api_key="sk-x", base_url="http://127.0.0.1:1/v1") as client:
            with pytest.raises(APIConnectionError, match="Could not connect"):
                await client.warm_up(2)

    flavour.run(body)


def test_a_url_that_rust_cannot_read(flavour: Flavour) -> None:
    engine = flavour.engine(flavour.client(api_key="sk-x"))
    with pytest.raises(ConfigurationError, match="base_url is unusable") as caught:
        engine._pools.target("https://exa mple/?key=sk-1")
    assert "sk-1" not in f"{caught.value} {caught.value.__cause__}"


LATER = 30.0
LONG = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 7000) for number in range(10))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            b"HTTP/1.1 200 OK\r\n" + LONG + b"Content-Length: 0\r\n\r\n",
            "more than 64 KiB of headers",
        ),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "another protocol was not asked for",
        ),
    ],
)
def test_an_answer_that_nobody_can_use(flavour: Flavour, answer: bytes, told: str) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    async def body() -> None:
        with served(talk) as port:
            base_url = f"http://127.0.0.1:{port}/v1"
            async with flavour.client(api_key="sk-x", base_url=base_url, max_retries=0) as client:
                with pytest.raises(APIConnectionError, match=told):
                    await client.sessions.create()

    flavour.run(body)


def test_a_call_that_pyreqwest_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have a timer for the deadline, and either may be the first."""
    monkeypatch.setattr(reqwest, "timedelta", lambda *_: timedelta(seconds=LATER))
    is_over = threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        is_over.wait(LATER)

    async def body() -> None:
        with served(talk) as port:
            base_url = f"http://127.0.0.1:{port}/v1"
            async with Flavour("asyncio", "reqwest").client(
                api_key="sk-x", base_url=base_url
            ) as client:
                with pytest.raises(APITimeoutError) as raised:
                    await client.sessions.create(timeout=0.1)
                is_over.set()
        assert (raised.value.phase, raised.value.possibly_acted) == ("total", True)

    asyncio.run(body())


def test_a_client_that_cannot_be_built(flavour: Flavour, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise ValueError("out of something")

    async def body() -> None:
        monkeypatch.setattr(reqwest, "configured", refuse)
        for base_url, told in (("http://127.0.0.1:1/v1", "descriptors"), ("https://h/v1", "SSL_")):
            async with flavour.client(api_key="sk-x", base_url=base_url) as client:
                with pytest.raises(ConfigurationError, match=told):
                    await client.sessions.create()

    flavour.run(body)


def test_an_event_loop_that_is_dropped_is_not_kept(realtime_server: MockRealtimeServer) -> None:
    client = RealtimeSessionsClient(transport="reqwest")
    event_loop = asyncio.new_event_loop()

    async def body() -> None:
        await client.sessions.create()

    event_loop.run_until_complete(body())
    event_loop.close()
    kept = weakref.ref(event_loop)
    del event_loop
    for _ in range(100):  # pyreqwest's thread lets go of the request when it has time
        gc.collect()
        if kept() is None:
            break
        time.sleep(0.02)
    assert kept() is None
    asyncio.run(body())
    assert len(realtime_server.requests) == 2
