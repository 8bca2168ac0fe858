"""A client with a workload identity against real loopback servers, on asyncio, trio and threads."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import httpx
import pytest
from authorities import new_authority
from backends import Backend
from faults.leak_checks import assert_nowhere, shown_by, shown_by_logs
from transports.tls_server import TlsServer

from identity.conftest import SUBJECT, cache_of, client_of, identity_of
from openai_realtime import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APITimeoutError,
    AuthenticationError,
    CertificateError,
    RealtimeSessionsClient,
    RetryPolicy,
    SyncRealtimeSessionsClient,
)
from openai_realtime.testing import MockRealtimeServer, MockResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from openai_realtime.core.events import Event

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


async def together(
    backend: Backend, count: int, call: Callable[[], Coroutine[Any, Any, object]]
) -> None:
    """Make calls at once: in tasks, or in threads for the sync client."""
    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            if backend.is_sync:
                tasks.start_soon(anyio.to_thread.run_sync, partial(anyio.run, call))
            else:
                tasks.start_soon(call)


def test_a_call_carries_the_access_token(backend: Backend, server: MockRealtimeServer) -> None:
    async def body() -> None:
        async with client_of(backend, server, project="proj_1") as client:
            session = await client.sessions.create(model="gpt-realtime")
            assert session.meta.attempts == 1
            await client.with_options(timeout=20).calls.create(sdp=OFFER)

    backend.run(body)
    (exchange,) = server.identity.requests
    assert exchange.json == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": SUBJECT,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "identity_provider_id": "idp-123",
        "service_account_id": "sa-456",
    }
    assert (exchange.method, exchange.path) == ("POST", "/oauth/token")
    assert exchange.headers["content-type"] == "application/json"
    assert not {"authorization", "openai-project", "api-key"} & exchange.headers.keys()
    keys = {request.headers["authorization"] for request in server.requests}
    assert len(server.requests) == 2
    assert len(keys) == 1
    assert SUBJECT not in keys.pop()


def test_one_exchange_serves_all_threads_and_tasks(
    backend: Backend, server: MockRealtimeServer
) -> None:
    subjects = []

    def subject_token() -> str:
        subjects.append(threading.get_ident())
        time.sleep(0.05)  # the others come meanwhile
        return SUBJECT

    async def body() -> None:
        async with client_of(backend, server, api_key=identity_of(server, subject_token)) as client:
            await together(backend, 30, client.sessions.create)

    backend.run(body)
    assert len(server.requests) == 30
    assert len(server.identity.requests) == len(subjects) == 1
    # A sync callable does not block the event loop.
    assert backend.is_sync or subjects[0] != threading.get_ident()


def test_one_exchange_serves_event_loops_on_several_threads(server: MockRealtimeServer) -> None:
    server.identity.respond_next()
    is_exchanging, may_go_on = threading.Event(), threading.Event()

    def subject_token() -> str:
        is_exchanging.set()
        assert may_go_on.wait(20)
        return SUBJECT

    client = RealtimeSessionsClient(
        base_url=server.base_url, api_key=identity_of(server, subject_token)
    )

    async def mint() -> None:
        await client.sessions.create()

    with ThreadPoolExecutor() as threads:
        calls = [threads.submit(partial(anyio.run, mint, backend="asyncio"))]
        assert is_exchanging.wait(20)
        calls += [
            threads.submit(partial(anyio.run, mint, backend=name)) for name in ("trio", "asyncio")
        ]
        time.sleep(0.2)  # they wait by then; if they do not yet, the test proves less
        may_go_on.set()
        for call in calls:
            call.result(20)
    assert (len(server.identity.requests), len(server.requests)) == (1, 3)


def test_each_client_has_its_own_token(backend: Backend, server: MockRealtimeServer) -> None:
    identity = identity_of(server)

    async def body() -> None:
        for _ in range(2):
            async with client_of(backend, server, api_key=identity) as client:
                await client.sessions.create()

    backend.run(body)
    assert len(server.identity.requests) == 2


def test_a_token_is_renewed_after_half_its_lifetime(
    backend: Backend, server: MockRealtimeServer
) -> None:
    server.identity.lifetime = 0.4

    async def body() -> None:
        async with client_of(backend, server) as client:
            for _ in range(2):
                await client.sessions.create()
                await anyio.sleep(0.25)

    backend.run(body)
    assert len(server.identity.requests) == 2
    assert len({request.headers["authorization"] for request in server.requests}) == 2


RENEWAL_FAILURES = {
    "refused": MockResponse(400, {"error": "invalid_grant"}),
    "unavailable": MockResponse(503),
    "closed": MockResponse(drop="before"),
    "silent": MockResponse(delay=20),
}


@pytest.mark.parametrize("failure", RENEWAL_FAILURES)
def test_a_valid_token_is_used_when_its_renewal_fails(
    backend: Backend, server: MockRealtimeServer, failure: str
) -> None:
    async def body() -> None:
        async with client_of(backend, server, timeout=2, max_retries=0) as client:
            await client.sessions.create()
            cache_of(client)._token.renew_at = 0
            server.identity.respond_next(RENEWAL_FAILURES[failure])
            for _ in range(3):  # one of them tries to renew it
                await client.sessions.create()

    backend.run(body)
    assert len(server.identity.requests) == 2
    assert len({request.headers["authorization"] for request in server.requests}) == 1


def test_other_calls_do_not_wait_for_a_renewal(
    backend: Backend, server: MockRealtimeServer
) -> None:
    is_renewing, may_go_on = threading.Event(), threading.Event()
    exchanges = []

    def subject_token() -> str:
        exchanges.append(SUBJECT)
        if len(exchanges) > 1:
            is_renewing.set()
            assert may_go_on.wait(20)
        return SUBJECT

    async def body() -> None:
        async with client_of(backend, server, api_key=identity_of(server, subject_token)) as client:
            await client.sessions.create()
            cache_of(client)._token.renew_at = 0
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(together, backend, 1, client.sessions.create)
                await anyio.to_thread.run_sync(is_renewing.wait, 20)
                await client.sessions.create()
                assert len(server.identity.requests) == 1
                may_go_on.set()

    backend.run(body)
    assert (len(exchanges), len(server.requests)) == (2, 3)


@pytest.mark.parametrize("operation", ["sessions", "calls"])
def test_a_refused_token_is_replaced_once(
    backend: Backend, server: MockRealtimeServer, operation: str
) -> None:
    events: list[Event] = []

    async def body() -> None:
        async with client_of(backend, server, max_retries=0, on_event=events.append) as client:
            await client.sessions.create()
            server.identity.revoke()
            if operation == "sessions":
                assert (await client.sessions.create()).meta.attempts == 2
            else:  # which may not be repeated after other errors
                assert (await client.calls.create(sdp=OFFER)).meta.attempts == 2

    backend.run(body)
    assert len(server.identity.requests) == 2
    causes = [getattr(event, "cause", None) for event in events]
    assert [cause for cause in causes if cause] == ["first", "first", "renewal"]


def test_a_second_401_is_returned(backend: Backend, server: MockRealtimeServer) -> None:
    async def body() -> None:
        async with client_of(backend, server) as client:
            server.respond_next(*[MockResponse(401, {"error": {"message": "no access"}})] * 2)
            with pytest.raises(AuthenticationError, match="no access") as caught:
                await client.sessions.create()
            assert (caught.value.step, caught.value.attempts) == (None, 2)
            await client.sessions.create()

    backend.run(body)
    assert (len(server.identity.requests), len(server.requests)) == (2, 3)


def test_calls_whose_token_is_refused_together_share_one_new_token(
    backend: Backend, server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with client_of(backend, server) as client:
            await client.sessions.create()
            server.identity.revoke()
            await together(backend, 10, client.sessions.create)

    backend.run(body)
    assert len(server.identity.requests) == 2


def test_a_key_that_is_not_issued_is_not_replaced(
    backend: Backend, server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client(base_url=server.base_url, api_key=lambda: "wrong-key") as client:
            with pytest.raises(AuthenticationError):
                await client.sessions.create()

    backend.run(body)
    assert len(server.requests) == 1


OAUTH = {"error": "invalid_subject_token", "error_description": f"{SUBJECT} is expired"}
GOOD = {"access_token": "access-token-0123456789", "expires_in": 3600}
EXCHANGE_FAILURES: dict[str, tuple[MockResponse, type[APIError], str]] = {
    "400": (MockResponse(400, OAUTH), AuthenticationError, "400 invalid_subject_token"),
    "401": (MockResponse(401, OAUTH), AuthenticationError, "401 invalid_subject_token"),
    "403": (
        MockResponse(403, {"error": "invalid_grant"}),
        AuthenticationError,
        "403 invalid_grant",
    ),
    "403 page": (MockResponse(403, body=b"<h1>No</h1>"), AuthenticationError, "403: "),
    "302": (
        MockResponse(302, headers={"location": "https://evil.example/"}),
        APIConnectionError,
        "302: ",
    ),
    "404": (MockResponse(404, {"detail": "no"}), APIConnectionError, "404: no"),
    "429": (MockResponse(429, OAUTH), APIConnectionError, "429 invalid_subject_token"),
    "500": (MockResponse(500, {"error": SUBJECT}), APIConnectionError, "500: "),
    "closed": (MockResponse(drop="before"), APIConnectionError, "The connection was lost"),
    "no object": (MockResponse(json=[SUBJECT]), APIResponseValidationError, "not a JSON object"),
    "no JSON": (MockResponse(body=b"{"), APIResponseValidationError, "not a JSON object"),
    "empty": (MockResponse(body=b""), APIResponseValidationError, "not a JSON object"),
    "no token": (
        MockResponse(json={**GOOD, "access_token": None}),
        APIResponseValidationError,
        "there is no token",
    ),
    "blank token": (
        MockResponse(json={**GOOD, "access_token": " "}),
        APIResponseValidationError,
        "there is no token",
    ),
    "two lines": (
        MockResponse(json={**GOOD, "access_token": "access-token\r\n0123456789"}),
        APIResponseValidationError,
        "not visible ASCII",
    ),
    "no lifetime": (
        MockResponse(json={"access_token": "access-token-0123456789"}),
        APIResponseValidationError,
        "expires_in",
    ),
    "no time": (
        MockResponse(json={**GOOD, "expires_in": 0}),
        APIResponseValidationError,
        "expires_in",
    ),
    "true": (
        MockResponse(json={**GOOD, "expires_in": True}),
        APIResponseValidationError,
        "expires_in",
    ),
    "endless": (
        MockResponse(json={**GOOD, "expires_in": "9" * 5000}),
        APIResponseValidationError,
        "expires_in",
    ),
}


@pytest.mark.parametrize("failure", EXCHANGE_FAILURES)
def test_an_error_of_the_exchange(
    backend: Backend,
    server: MockRealtimeServer,
    failure: str,
    all_logs: pytest.LogCaptureFixture,
) -> None:
    response, kind, message = EXCHANGE_FAILURES[failure]
    error: APIError | None = None

    async def body() -> None:
        nonlocal error
        async with client_of(backend, server, max_retries=0) as client:
            server.identity.respond_next(EXCHANGE_FAILURES[failure][0])
            with pytest.raises(APIError) as caught:
                await client.sessions.create()
            error = caught.value
            await client.sessions.create()  # the client stays usable

    backend.run(body)
    assert error is not None
    assert type(error) is kind
    assert message in str(error)
    assert f"Token exchange at {server.token_url}: " in str(error)
    assert (error.step, error.attempts, error.possibly_acted) == ("token_exchange", 0, False)
    assert error.possible_orphans == 0
    if isinstance(error, AuthenticationError):
        assert error.status_code == response.status
        oauth = response.json if isinstance(response.json, dict) else {}
        assert error.code == oauth.get("error")
    assert len(server.requests) == 1
    secrets = [SUBJECT, "access-token-0123456789", "evil.example"]
    assert_nowhere(secrets, shown_by(error))
    assert_nowhere(secrets, shown_by_logs(all_logs))


def test_a_passing_failure_of_the_exchange_is_retried(
    backend: Backend, server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with client_of(backend, server) as client:
            server.identity.respond_next(MockResponse(503), MockResponse(drop="before"))
            call = await client.calls.create(sdp=OFFER)  # the request itself was never sent
            assert (call.meta.attempts, call.meta.possible_orphans) == (1, 0)
            budget = getattr(client, "wrapped", client)._budget
            assert budget.tokens == 500

    backend.run(body)
    assert len(server.identity.requests) == 3


@pytest.mark.parametrize("where", ["source", "exchange"])
def test_the_exchange_ends_at_the_deadline_of_the_call(
    backend: Backend, server: MockRealtimeServer, where: str
) -> None:
    def subject_token() -> str:
        if where == "source":
            time.sleep(0.6)
        return SUBJECT

    async def body() -> None:
        identity = identity_of(server, subject_token)
        async with client_of(backend, server, api_key=identity, timeout=0.3) as client:
            server.identity.respond_next(MockResponse(delay=20))
            with pytest.raises(APITimeoutError) as caught:
                await client.sessions.create()
            assert (caught.value.phase, caught.value.attempts) == ("total", 0)
            is_source = where == "source" and not backend.is_sync
            assert caught.value.step == ("subject_token" if is_source else "token_exchange")
            assert str(caught.value).startswith(
                "Subject token: " if is_source else "Token exchange at"
            )

    backend.run(body)
    assert not server.requests


def test_a_call_that_waits_for_anothers_exchange_has_its_own_deadline(
    backend: Backend, server: MockRealtimeServer
) -> None:
    is_exchanging, may_go_on = threading.Event(), threading.Event()

    def subject_token() -> str:
        is_exchanging.set()
        assert may_go_on.wait(20)
        return SUBJECT

    async def body() -> None:
        identity = identity_of(server, subject_token)
        async with (
            client_of(backend, server, api_key=identity) as client,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(together, backend, 1, client.sessions.create)
            await anyio.to_thread.run_sync(is_exchanging.wait, 20)
            with pytest.raises(APITimeoutError, match="another call's was not done") as caught:
                await client.sessions.create(timeout=0.1)
            assert (caught.value.phase, caught.value.step) == ("total", "token_exchange")
            may_go_on.set()

    backend.run(body)
    assert (len(server.identity.requests), len(server.requests)) == (1, 1)


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_when_the_task_that_exchanges_is_cancelled_another_one_goes_on(
    library: str, server: MockRealtimeServer
) -> None:
    server.identity.respond_next(MockResponse(delay=20))

    async def body() -> None:
        async with (
            client_of(Backend(library), server) as client,
            anyio.create_task_group() as tasks,
        ):
            cancelled = anyio.CancelScope()

            async def first() -> None:
                with cancelled:
                    await client.sessions.create()

            tasks.start_soon(first)
            while not server.identity.requests:
                await anyio.sleep(0.01)
            for _ in range(3):
                tasks.start_soon(client.sessions.create)
            await anyio.sleep(0.05)
            cancelled.cancel()

    anyio.run(body, backend=library)
    assert (len(server.identity.requests), len(server.requests)) == (2, 3)


def test_a_waiting_task_of_an_event_loop_that_has_ended_is_forgotten(
    server: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    is_exchanging, may_go_on = threading.Event(), threading.Event()

    def subject_token() -> str:
        is_exchanging.set()
        assert may_go_on.wait(20)
        return SUBJECT

    client = RealtimeSessionsClient(
        base_url=server.base_url, api_key=identity_of(server, subject_token)
    )

    async def wait_briefly() -> None:
        with pytest.raises(APITimeoutError):
            await client.sessions.create(timeout=0.05)

    async def mint() -> None:
        await client.sessions.create()

    with ThreadPoolExecutor() as threads:
        call = threads.submit(partial(anyio.run, mint))
        assert is_exchanging.wait(20)
        anyio.run(wait_briefly, backend="trio")
        anyio.run(wait_briefly, backend="asyncio")
        may_go_on.set()
        call.result(20)
    assert len(server.identity.requests) == 1
    assert not caplog.records


def test_the_exchange_goes_through_the_clients_own_http_client(
    backend: Backend, server: MockRealtimeServer
) -> None:
    sent: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(str(request.url))
        if request.url.host == "auth.openai.com":
            assert "authorization" not in request.headers
            assert "x-of-the-client" not in request.headers
            return httpx.Response(200, json=GOOD)
        assert request.headers["authorization"] == "Bearer access-token-0123456789"
        return httpx.Response(200, json={"client_secret": {"value": "ek_1", "expires_at": 4e9}})

    async def body() -> None:
        kind: Any = httpx.Client if backend.is_sync else httpx.AsyncClient
        http_client = kind(transport=httpx.MockTransport(respond), headers={"x-of-the-client": "1"})
        identity = identity_of(server, token_url="https://auth.openai.com/oauth/token")
        async with backend.client(api_key=identity, http_client=http_client) as client:
            await client.sessions.create()

    backend.run(body)
    assert sent[0] == "https://auth.openai.com/oauth/token"
    assert sent[1].startswith("https://api.openai.com/v1/realtime/")


def test_the_exchange_goes_through_the_clients_proxy(
    backend: Backend, server: MockRealtimeServer
) -> None:
    """No name `auth.invalid` exists: without the proxy, its look-up would fail."""

    async def body() -> None:
        identity = identity_of(server, token_url="https://auth.invalid/oauth/token")
        async with client_of(
            backend, server, api_key=identity, proxy="http://127.0.0.1:1", max_retries=0
        ) as client:
            with pytest.raises(APIConnectionError, match="Connection refused") as caught:
                await client.sessions.create()
            assert caught.value.step == "token_exchange"
            assert "the proxy" in str(caught.value.hint)

    backend.run(body)


def test_the_exchange_checks_certificates(backend: Backend, server: MockRealtimeServer) -> None:
    tls = TlsServer(new_authority().issue_cert("localhost"))

    async def body() -> None:
        identity = identity_of(server, token_url=f"https://localhost:{tls.port}/oauth/token")
        async with client_of(backend, server, api_key=identity) as client:
            with pytest.raises(CertificateError, match="Token exchange at https") as caught:
                await client.sessions.create()
            assert "SSL_CERT_FILE" in str(caught.value.hint)

    try:
        backend.run(body)
    finally:
        tls.stop()
    assert (tls.connections, tls.requests) == (1, 0)


def test_a_pool_has_the_identity_of_its_client(
    backend: Backend, server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with client_of(backend, server) as client, client.secret_pool(size=2) as pool:
            assert (await pool.acquire()).client_secret.value

    backend.run(body)
    assert len(server.identity.requests) == 1


def test_the_sync_client_keeps_its_token_over_a_thread_pool(server: MockRealtimeServer) -> None:
    with (
        SyncRealtimeSessionsClient(
            base_url=server.base_url, api_key=identity_of(server), retry=RetryPolicy(base_delay=0)
        ) as client,
        ThreadPoolExecutor(16) as threads,
    ):
        for call in [threads.submit(client.sessions.create) for _ in range(100)]:
            call.result(20)
    assert (len(server.identity.requests), len(server.requests)) == (1, 100)
    assert json.dumps(server.identity.requests[0].json)
