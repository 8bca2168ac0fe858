"""respx, pytest-httpx, pytest-httpx2 and vcrpy, for real: each meets the calls made while it is on.

A client made before it began is met too, and goes back to its own connections when it ends.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_httpx
import respx
from backends import Backend

from openai_realtime import APIConnectionError, ClientClosedError, RetryPolicy
from openai_realtime.testing import MockRealtimeServer

pytest_plugins = ["pytester"]

QUICK = RetryPolicy(base_delay=0.001)
MOCKED = {"client_secret": {"value": "ek_mocked", "expires_at": 1}}


async def mint(client: Any) -> str:
    session = await client.sessions.create(voice="verse")
    secret: str = session.client_secret.value
    return secret


def secrets_around(backend: Backend, intercepted: AbstractContextManager[Any]) -> list[str]:
    """Return what is minted before, twice while, and twice after something intercepts.

    One client is made before, and one meanwhile.
    """

    async def body() -> list[str]:
        async with backend.client() as early:
            secrets = [await mint(early)]
            with intercepted:
                await early.warm_up(3)
                late = backend.client()
                secrets += [await mint(early), await mint(late)]
            secrets += [await mint(early), await mint(late)]
            await late.aclose()
            with intercepted, pytest.raises(ClientClosedError):
                await mint(late)
        return secrets

    return backend.run(body)


def assert_only_meanwhile(secrets: list[str], server: MockRealtimeServer) -> None:
    assert secrets[1:3] == ["ek_mocked", "ek_mocked"]
    assert "ek_mocked" not in {secrets[0], *secrets[3:]}
    assert len(server.requests) == 3
    before, after, _ = (request.connection for request in server.requests)
    assert before == after  # the early client's own connection waited for it


@pytest.mark.parametrize("mocker", ["httpcore", "httpx", "httpcore2"])
def test_respx(backend: Backend, realtime_server: MockRealtimeServer, mocker: str) -> None:
    """`httpcore2` is the mocker that pytest-httpx2 adds."""
    router = respx.mock(using=mocker, assert_all_called=False)
    url = f"{realtime_server.base_url}/realtime/sessions"
    route = router.post(url).respond(json=MOCKED)
    calls: list[Any] = []

    class Intercepted(AbstractContextManager[None]):
        def __enter__(self) -> None:
            router.__enter__()

        def __exit__(self, *details: object) -> None:
            calls.extend(route.calls)
            router.__exit__()

    secrets = secrets_around(backend, Intercepted())
    assert_only_meanwhile(secrets, realtime_server)
    assert len(calls) == 2
    for call in calls:
        assert call.request.headers["authorization"] == f"Bearer {realtime_server.api_key}"
        assert "cookie" not in call.request.headers


@pytest.mark.parametrize("mocker", ["httpcore", "httpx", "httpcore2"])
def test_respx_that_raises(backend: Backend, mocker: str) -> None:
    async def body() -> None:
        async with backend.client(api_key="sk-x", retry=QUICK) as client:
            with pytest.raises(APIConnectionError, match="Could not connect") as caught:
                await mint(client)
            assert (caught.value.attempts, caught.value.phase) == (3, "connect")

    with respx.mock(using=mocker) as router:
        router.post("https://api.openai.com/v1/realtime/sessions").mock(
            side_effect=httpx.ConnectError
        )
        backend.run(body)
        assert router.calls.call_count == 3


@pytest.mark.parametrize("mocker", ["httpcore", "httpx", "httpcore2"])
def test_respx_that_lets_through(
    backend: Backend, realtime_server: MockRealtimeServer, mocker: str
) -> None:
    async def body() -> None:
        async with backend.client() as client:
            for _ in range(2):
                assert (await mint(client)).startswith("ek_")

    with respx.mock(using=mocker) as router:
        router.route(host="127.0.0.1").pass_through()
        backend.run(body)
        assert router.calls.called  # httpcore's calls count twice: in the pool, and below it
    assert len(realtime_server.requests) == 2


def test_a_call_that_is_not_mocked_says_so(backend: Backend) -> None:
    with respx.mock, pytest.raises(respx.models.AllMockedAssertionError, match="not mocked"):
        backend.run(lambda: mint(backend.client(api_key="sk-x")))


def test_vcrpy(backend: Backend, realtime_server: MockRealtimeServer, tmp_path: Path) -> None:
    vcr = pytest.importorskip("vcr")
    cassette = str(tmp_path / "cassette.yaml")

    async def body() -> list[str]:
        async with backend.client() as client:
            with vcr.use_cassette(cassette, filter_headers=["authorization"]) as recorded:
                secrets = [await mint(client)]
                assert (recorded.play_count, len(realtime_server.requests)) == (0, 1)
            with vcr.use_cassette(cassette, record_mode=vcr.mode.NONE) as replayed:
                secrets.append(await mint(client))
                assert (replayed.play_count, len(realtime_server.requests)) == (1, 1)
            secrets.append(await mint(client))
            assert len(realtime_server.requests) == 2
        return secrets

    recorded, replayed, real = backend.run(body)
    assert recorded == replayed != real
    assert realtime_server.api_key not in Path(cassette).read_text("utf-8")


def test_pytest_httpx(backend: Backend, httpx_mock: pytest_httpx.HTTPXMock) -> None:
    httpx_mock.add_exception(httpx.ReadTimeout("late"))
    httpx_mock.add_response(json=MOCKED)

    async def body() -> None:
        async with backend.client(api_key="sk-x", retry=QUICK) as client:
            session = await client.sessions.create()
            assert (session.client_secret.value, session.meta.attempts) == ("ek_mocked", 2)

    backend.run(body)
    urls = {str(request.url) for request in httpx_mock.get_requests()}
    assert urls == {"https://api.openai.com/v1/realtime/sessions"}


def test_pytest_httpx2(backend: Backend, httpx2_mock: respx.MockRouter) -> None:
    url = "https://api.openai.com/v1/realtime/sessions"
    route = httpx2_mock.post(url).respond(json=MOCKED)
    assert backend.run(lambda: mint(backend.client(api_key="sk-x"))) == "ek_mocked"
    assert route.called


@pytest.mark.parametrize("given", ["transport", "http_client"])
def test_a_transport_that_was_handed_in_before(
    backend: Backend, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: Any
    if given == "transport":
        own = httpx.HTTPTransport() if backend.is_sync else httpx.AsyncHTTPTransport()
    else:
        own = httpx.Client() if backend.is_sync else httpx.AsyncClient()
    client = backend.client(api_key="sk-x", **{given: own})
    response = httpx.Response(200, json=MOCKED)

    async def async_response(*_: object) -> httpx.Response:
        return response

    # As pytest-httpx and vcrpy do.
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda *_: response)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", async_response)
    assert backend.run(lambda: mint(client)) == "ek_mocked"


PYTEST_FILE = """
import asyncio
import pytest
from openai_realtime import RealtimeSessionsClient, SyncRealtimeSessionsClient
from openai_realtime.testing import MockRealtimeServer

SESSION = {"client_secret": {"value": "ek_mocked", "expires_at": 1}}
server = MockRealtimeServer().start()
options = {"base_url": server.base_url, "api_key": server.api_key}
early = SyncRealtimeSessionsClient(**options)

def secrets():
    async def mint():
        async with RealtimeSessionsClient(**options) as client:
            return (await client.sessions.create()).client_secret.value
    return {early.sessions.create().client_secret.value, asyncio.run(mint())}

def test_before():
    assert "ek_mocked" not in secrets()
    assert len(server.requests) == 2

def test_pytest_httpx(httpx_mock):
    httpx_mock.add_response(json=SESSION, is_reusable=True)
    assert secrets() == {"ek_mocked"}
    assert len(server.requests) == 2

def test_pytest_httpx2(httpx2_mock):
    httpx2_mock.post(f"{server.base_url}/realtime/sessions").respond(json=SESSION)
    assert secrets() == {"ek_mocked"}
    assert len(server.requests) == 2

def test_respx(respx_mock):
    respx_mock.post(f"{server.base_url}/realtime/sessions").respond(json=SESSION)
    assert secrets() == {"ek_mocked"}
    assert len(server.requests) == 2

def test_after():
    assert "ek_mocked" not in secrets()
    assert server.requests[0].connection == server.requests[2].connection
    early.close()
    server.stop()
"""


def test_the_three_plugins_in_one_run(pytester: pytest.Pytester) -> None:
    """One client for a whole run, whose tests mock by one plugin each."""
    pytester.makepyfile(PYTEST_FILE)
    result = pytester.runpytest_subprocess(
        "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:xdist", timeout=120
    )
    result.assert_outcomes(passed=5)
