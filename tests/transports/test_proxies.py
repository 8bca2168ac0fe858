"""Proxies: by argument or environment, for https alone, through a real one on loopback."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import respx
from backends import ON_BOTH_PARSERS, Backend

from openai_realtime import APIConnectionError, ConfigurationError, SyncRealtimeSessionsClient
from openai_realtime.testing import MockRealtimeServer
from openai_realtime.transports import proxies
from openai_realtime.transports.proxies import Origin, Proxy, ProxyRules
from transports.tls_server import TlsServer

if TYPE_CHECKING:
    import trustme

BACKENDS = ON_BOTH_PARSERS


@pytest.fixture(autouse=True)
def no_proxies_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "all_proxy", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("environment", "host", "proxy"),
    [
        ({}, "h.example", None),
        ({"HTTPS_PROXY": "http://p:1"}, "h.example", "http://p:1"),
        ({"https_proxy": "p:1"}, "h.example", "http://p:1"),
        ({"ALL_PROXY": "http://p:1"}, "h.example", "http://p:1"),
        ({"ALL_PROXY": "http://a:1", "HTTPS_PROXY": "http://p:1"}, "h.example", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, "h.example", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "h.example"}, "h.example", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "x, .example"}, "api.h.example", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example"}, "H.EXAMPLE", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "ample"}, "h.example", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, "h.example", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": ","}, "h.example", "http://p:1"),
        ({"HTTPS_PROXY": "socks://p"}, "h.example", "socks5://p:1080"),
        ({"HTTPS_PROXY": "socks5h://p:1"}, "h.example", "socks5://p:1"),
        ({"ALL_PROXY": "nonsense://", "HTTPS_PROXY": "http://p:1"}, "h.example", "http://p:1"),
        ({"HTTPS_PROXY": "nonsense://", "NO_PROXY": "h.example"}, "h.example", None),
        ({"https_proxy": "", "HTTPS_PROXY": "http://p:1"}, "h.example", None),
    ],
)
def test_the_environment(
    environment: dict[str, str], host: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = ProxyRules.of(None, trust_env=True)  # the environment is read when it is needed
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_url(rules, "https", host) == proxy
    assert proxy_url(rules, "http", host) is None
    assert proxy_url(ProxyRules.of(None, trust_env=False), "https", host) is None
    mine = ProxyRules.of("http://mine:1", trust_env=True)
    assert proxy_url(mine, "https", host) == "http://mine:1"
    assert proxy_url(mine, "http", host) is None


def proxy_url(rules: ProxyRules, scheme: str, host: str, port: int = 443) -> str | None:
    found = rules.proxy_for(Origin(scheme, host, port))
    return found.url if found else None


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "is_exempt"),
    [
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.9.9.9/8", "10.1.2.3", 443, True),
        ("10.0.0.1", "10.0.0.1", 443, True),
        ("fd00::/8", "fd00::1", 443, True),
        ("[fd00::1]", "fd00::1", 443, True),
        ("[fd00::1]:8443", "fd00::1", 8443, True),
        ("[fd00::1]:8443", "fd00::1", 443, False),
        ("fd00::1", "fd00::1", 443, True),
        ("h.example:8443", "h.example", 8443, True),
        ("h.example:8443", "h.example", 443, False),
        ("*.example", "h.example", 443, True),
        ("*.example", "example", 443, True),
        ("*.example:8443", "h.example", 443, False),
        ("h.example.", "h.example", 443, True),
        ("h.example", "h.example.", 443, True),
        ("example/8", "10.0.0.1", 443, False),
        ("10.0.0.0/8", "10.example", 443, False),
        (" h.example , x", "h.example", 443, True),
        ("*.", "h.example", 443, False),
        ("h.example:0443", "h.example", 443, True),
        ("h.example:" + "9" * 5000, "h.example", 443, False),
    ],
)
def test_no_proxy(
    no_proxy: str, host: str, port: int, is_exempt: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://p:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    found = proxy_url(ProxyRules.of(None, trust_env=True), "https", host, port)
    assert (found is None) is is_exempt


@pytest.mark.parametrize(
    ("url", "where", "auth"),
    [
        ("http://user:p%40ss@p:1", "http://p:1", ("user", "p@ss")),
        ("https://user@p", "https://p:443", ("user", "")),
        ("socks5://[::1]:1080", "socks5://[::1]:1080", None),
    ],
)
def test_addresses_and_credentials(url: str, where: str, auth: Any) -> None:
    proxy = Proxy.parse(url)
    assert (proxy.url, proxy.auth) == (where, auth)
    assert "p@ss" not in repr(proxy)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://p",
        "http://",
        "http://p:port",
        "http://é",
        "http://[p",
        "http://p:0",
        "http://p\x00q:1",
    ],
)
def test_what_is_no_proxy(url: str) -> None:
    with pytest.raises(ConfigurationError, match="proxy is unusable"):
        SyncRealtimeSessionsClient(api_key="sk-x", proxy=url)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_wrong_variable_is_named_when_it_applies(
    backend: Backend,
    name: str,
    realtime_server: MockRealtimeServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(name, "ftp://user:secret@p")

    async def body() -> None:
        async with backend.client() as client:
            await client.sessions.create()  # plain http, to which no proxy applies
        async with backend.client(base_url="https://h.example", api_key="sk-x") as client:
            for call in (client.sessions.create, client.warm_up):
                with pytest.raises(ConfigurationError, match=f"^{name} is unusable") as caught:
                    await call()
                assert "secret" not in str(caught.value)

    backend.run(body)


def test_socks_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"httpx\[socks\]"):
        Proxy.parse("socks5://p:1")


class ConnectProxy:
    """A proxy that takes CONNECT or SOCKS 5, plainly or over TLS, and records what it was asked."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.context = context
        port = self.listener.getsockname()[1]
        self.url = f"https://localhost:{port}" if context else f"http://127.0.0.1:{port}"
        self.asked: list[bytes] = []
        self.status = b"200 Connection established"
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.context is not None:
                client = self.context.wrap_socket(client, server_side=True)
            self._threads.append(threading.Thread(target=self._tunnel, args=(client,)))
            self._threads[-1].start()

    def _tunnel(self, client: socket.socket) -> None:
        with client:
            head = client.recv(65536)
            self.asked.append(head)
            if head.startswith(b"\x05"):
                host, port = self._greet(client)
            else:
                client.sendall(b"HTTP/1.1 " + self.status + b"\r\n\r\n")
                if not self.status.startswith(b"200"):
                    return
                host, _, port = head.split()[1].decode().rpartition(":")
            with socket.create_connection((host, int(port))) as server:
                back = threading.Thread(target=_pump, args=(server, client))
                back.start()
                _pump(client, server)
                back.join(5)

    def _greet(self, client: socket.socket) -> tuple[str, str]:
        """Speak SOCKS 5 (RFC 1928) without authentication, for a host that is named."""
        client.sendall(b"\x05\x00")
        wanted = client.recv(65536)
        assert wanted[:4] == b"\x05\x01\x00\x03"
        client.sendall(b"\x05\x00\x00\x01" + bytes(6))
        return wanted[5:-2].decode(), str(int.from_bytes(wanted[-2:]))

    def stop(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self._threads:
            thread.join(5)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(request: pytest.FixtureRequest, authority: trustme.CA) -> Iterator[ConnectProxy]:
    context: ssl.SSLContext | None = None
    if getattr(request, "param", None) == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
    server = ConnectProxy(context)
    yield server
    server.stop()


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("is_warm", [False, True])
@pytest.mark.parametrize(
    ("by", "proxy"),
    [("environment", None), ("argument", None), ("socks", None), ("argument", "tls")],
    indirect=["proxy"],
)
def test_https_goes_through_the_proxy_and_stays_encrypted(
    backend: Backend,
    tls: TlsServer,
    proxy: ConnectProxy,
    by: str,
    *,
    is_warm: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options: dict[str, Any] = {}
    if by == "environment":
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("http://", "http://user:pass@"))
    else:
        options["proxy"] = proxy.url.replace("http:", "socks5:") if by == "socks" else proxy.url

    async def body() -> None:
        base_url = f"https://localhost:{tls.port}/v1"
        async with backend.client(base_url=base_url, api_key="sk-secret", **options) as client:
            if is_warm:
                await client.warm_up()
            for _ in range(2):
                assert (await client.sessions.create()).client_secret.value == "ek_tls"

    backend.run(body)
    (head,) = proxy.asked  # one tunnel for both calls
    if by == "socks":
        return
    assert head.startswith(b"CONNECT localhost:%d HTTP/1.1" % tls.port)
    assert b"sk-secret" not in head
    assert (b"proxy-authorization: basic dxnlcjpwyxnz" in head.lower()) is (by == "environment")


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("proxy", [None, "tls"], indirect=True)
def test_what_an_interceptor_lets_through_goes_the_same_way(
    backend: Backend, tls: TlsServer, proxy: ConnectProxy
) -> None:
    async def body() -> None:
        base_url = f"https://localhost:{tls.port}/v1"
        url = proxy.url.replace("://", "://user:pass@")
        async with backend.client(base_url=base_url, api_key="sk-secret", proxy=url) as client:
            assert (await client.sessions.create()).client_secret.value == "ek_tls"

    # respx's mocker of httpcore lets no request through to a proxy.
    with respx.mock(using="httpx") as router:
        router.route().pass_through()
        backend.run(body)
    (head,) = proxy.asked
    assert head.startswith(b"CONNECT localhost:%d HTTP/1.1" % tls.port)
    assert b"sk-secret" not in head
    assert b"proxy-authorization: basic dxnlcjpwyxnz" in head.lower()


def test_a_proxy_that_refuses(backend: Backend, proxy: ConnectProxy) -> None:
    proxy.status = b"407 Proxy Authentication Required"

    async def body() -> None:
        async with backend.client(
            base_url="https://h.example", api_key="sk-x", proxy=proxy.url
        ) as client:
            with pytest.raises(
                APIConnectionError, match="proxy .* refused .* 407 Proxy Auth"
            ) as caught:
                await client.sessions.create()
            assert caught.value.attempts == 1

    backend.run(body)


def test_plain_http_is_never_sent_through_a_proxy(
    backend: Backend, realtime_server: MockRealtimeServer, proxy: ConnectProxy
) -> None:
    async def body() -> None:
        async with backend.client(proxy=proxy.url) as client:
            await client.sessions.create()

    backend.run(body)
    assert proxy.asked == []
