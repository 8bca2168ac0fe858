"""S1, S3, S6 and S7: no key, secret or cookie is shown or sent where it does not belong.

The matrix searches every error and log for keys. `tests/test_configuration.py` tests settings that are
rejected (S2, S4), `tests/transports/test_proxies.py` proxies (S5), `tests/test_secrets.py` the masks of
single values, `tests/test_calls.py` ids in paths (S7), and the matrix and
`tests/transports/test_engines.py` TLS (S8).
"""

from __future__ import annotations

import copy
import pickle
import signal
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from backends import ON_BOTH_PARSERS, Backend

from faults.bad_responses import API_KEY, LOCATION_SECRET, REDIRECTS
from faults.calling import assert_no_new_descriptors, client_of, mint, open_descriptors, wait_until
from faults.fault import Fault
from faults.leak_checks import assert_nowhere, shown_by, shown_by_logs
from faults.responses import encoded, response, session
from openai_realtime import (
    APIError,
    APIStatusError,
    AuthenticationError,
    ParameterError,
    RedirectError,
    SyncRealtimeSessionsClient,
)

if TYPE_CHECKING:
    from faults.fault_server_dialogue import Dialogue
    from faults.server import FaultServer

BACKENDS = ON_BOTH_PARSERS
OFFER = "v=0\r\n"


def everything_in(value: Any) -> str:
    """Return a value and everything inside it as text, as a careless log would show it."""
    if hasattr(value, "items"):
        return " ".join(f"{name}: {everything_in(member)}" for name, member in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return " ".join(everything_in(member) for member in value)
    return f"{value} {value!r}"


@pytest.mark.parametrize("status", REDIRECTS)
def test_s1_a_location_is_redacted(
    backend: Backend,
    plain: FaultServer,
    redirect_target: FaultServer,
    status: int,
    all_logs: pytest.LogCaptureFixture,
) -> None:
    """The Location has a secret, which the error does not show."""

    async def body() -> list[APIError]:
        raised: list[APIError] = []
        async with client_of(backend, plain) as client:
            plain.inject(f"status_{status}")
            for call in (client.sessions.create(), client.calls.create(sdp=OFFER)):
                with pytest.raises(RedirectError) as caught:
                    await call
                raised.append(caught.value)
        return raised

    for error in backend.run(body):
        assert error.attempts == 1
        assert_nowhere([LOCATION_SECRET], shown_by(error))
        assert_nowhere([LOCATION_SECRET], [("attributes", everything_in(vars(error)))])
    assert_nowhere([LOCATION_SECRET], shown_by_logs(all_logs))
    assert len(plain.requests) == 2
    assert redirect_target.records == []


OVERRIDES = [
    "Authorization",
    "authorization",
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Content-Type",
    "Cookie",
    "Expect",
    "Upgrade",
    "TE",
    "Proxy-Authorization",
]


def test_s3_headers_of_ours_cannot_be_overridden(backend: Backend, plain: FaultServer) -> None:
    async def body() -> None:
        async with client_of(backend, plain) as client:
            for name in OVERRIDES:
                with pytest.raises(ParameterError):
                    await client.sessions.create(extra_headers={name: "chunked"})
            for name, value in (("X-A", "b\r\nHost: c"), ("X-A\r\nHost", "b"), ("Host ", "b")):
                with pytest.raises(ParameterError):
                    await client.sessions.create(extra_headers={name: value})
            assert plain.records == []
            await mint(client, plain)

    backend.run(body)
    names = plain.requests[0].header_names
    assert len(names) == len(set(names))
    assert plain.requests[0].headers["authorization"] == f"Bearer {API_KEY}"
    assert plain.requests[0].headers["host"] == f"127.0.0.1:{plain.port}"


def echo_the_key(dialogue: Dialogue) -> None:
    """Send the key in every part of a response."""
    key = dialogue.request.headers["authorization"]
    body = encoded(
        {"error": {"message": key, "code": key, "param": key, "type": key, key: [key]}, key: key}
    )
    echo = response(body, 401, ("X-Request-Id", key), ("X-Echo", key), (key.replace(" ", "-"), "x"))
    dialogue.send(echo.replace(b"Reason", key.encode(), 1))


def test_s6_a_key_that_is_echoed(
    backend: Backend, plain: FaultServer, all_logs: pytest.LogCaptureFixture
) -> None:
    plain.inject(Fault("echo", "request", echo_the_key))

    async def body() -> AuthenticationError:
        async with client_of(backend, plain) as client:
            with pytest.raises(AuthenticationError) as caught:
                await client.sessions.create()
            return caught.value

    error = backend.run(body)
    assert_nowhere([API_KEY], shown_by(error))
    assert_nowhere([API_KEY], [("attributes", everything_in(vars(error)))])
    assert_nowhere([API_KEY], shown_by_logs(all_logs))


def test_s6_a_secret_that_is_echoed_in_a_success(
    backend: Backend, plain: FaultServer, all_logs: pytest.LogCaptureFixture
) -> None:
    """Only the field of the secret has it; everywhere else it is masked or removed."""

    def echo_the_secret(dialogue: Dialogue) -> None:
        secret = dialogue.mint()
        dialogue.send(response(session(secret), 200, ("X-Request-Id", secret), ("X-Echo", secret)))

    plain.inject(Fault("echo", "request", echo_the_secret))

    async def body() -> Any:
        async with client_of(backend, plain) as client:
            return await mint(client, plain)

    minted = backend.run(body)
    assert_nowhere([*plain.secrets, API_KEY], [("repr", f"{minted!r} {minted} {minted.meta!r}")])
    assert_nowhere([*plain.secrets, API_KEY], shown_by_logs(all_logs))


def test_s6_copies_keep_the_mask_and_pickles_are_refused(
    backend: Backend, plain: FaultServer
) -> None:
    async def body() -> None:
        async with client_of(backend, plain) as client:
            minted = await mint(client, plain)
            own: Any = client.wrapped if backend.is_sync else client  # type: ignore[attr-defined]  # the sync client inside
            for holder in (own, own.with_options(timeout=1), minted, minted.client_secret):
                for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                    with pytest.raises(TypeError, match="cannot be pickled"):
                        pickle.dumps(holder, protocol)
            for same in (copy.copy(minted), copy.deepcopy(minted), minted.model_copy(deep=True)):
                assert same == minted
                assert_nowhere(plain.secrets, [("a copy", f"{same!r} {same}")])
                assert same.client_secret.value == minted.client_secret.value
                assert type(same.client_secret.value) is type(minted.client_secret.value)

    backend.run(body)


HANGING = ["handshake_stalls", "request_is_not_read", "silence_after_the_request", "dripped_body"]


@pytest.mark.parametrize("backend_name", ["asyncio", "trio"])
@pytest.mark.parametrize("fault", HANGING)
def test_s6_a_cancellation_shows_no_key(backend_name: str, secure: FaultServer, fault: str) -> None:
    """A cancelled call has a traceback too, through frames whose locals hold the key."""
    shown: list[str] = []
    params = {"instructions": "x" * (6_000_000 if fault == "request_is_not_read" else 1)}

    async def call(client: Any) -> None:
        try:
            await client.sessions.create(**params)
        except BaseException as error:
            captured = traceback.TracebackException.from_exception(error, capture_locals=True)
            shown.extend(captured.format())
            raise

    async def body() -> None:
        async with client_of(Backend(backend_name), secure) as client:
            secure.inject(fault)
            async with anyio.create_task_group() as group:
                group.start_soon(call, client)
                while not secure.injections:
                    await anyio.sleep(0.005)
                await anyio.sleep(0.02)
                group.cancel_scope.cancel()

    anyio.run(body, backend=backend_name)
    assert "Cancelled" in "".join(shown[-5:])
    assert_nowhere([API_KEY], [("traceback", "".join(shown))])


@pytest.mark.parametrize("fault", HANGING)
def test_s6_an_interrupt_shows_no_key_and_leaves_nothing_open(
    secure: FaultServer, fault: str
) -> None:
    """Ctrl-C in the sync client: users read the traceback, and may send it to others."""
    before = open_descriptors()
    params: Any = {"instructions": "x" * (6_000_000 if fault == "request_is_not_read" else 1)}
    main_thread = threading.main_thread().ident
    assert main_thread is not None

    def interrupt() -> None:
        if wait_until(lambda: secure.injections > 0):
            time.sleep(0.05)
            signal.pthread_kill(main_thread, signal.SIGINT)

    with SyncRealtimeSessionsClient(base_url=secure.base_url, api_key=API_KEY) as client:
        secure.inject(fault)
        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        with pytest.raises(KeyboardInterrupt) as caught:
            client.sessions.create(timeout=5, **params)
        interrupter.join()
        secure.clear_fault()
        client.sessions.create()
    assert_nowhere([API_KEY], shown_by(caught.value))
    secure.hang_up()
    assert_no_new_descriptors(before, secure)


def test_s7_no_cookie_is_kept(backend: Backend, plain: FaultServer) -> None:
    async def body() -> None:
        async with client_of(backend, plain) as client:
            plain.inject("set_cookie", times=1)
            await mint(client, plain)
            await mint(client, plain)
            await client.with_options(timeout=5).sessions.create()

    backend.run(body)
    assert len(plain.requests) == 3
    assert all("cookie" not in request.headers for request in plain.requests)


@pytest.mark.parametrize(
    "call_id", ["../sessions", "a/b", "a?b", "a#b", "a b", "a\r\nX: y", "", "é", "a%2fb", "x" * 129]
)
def test_s7_ids_are_checked_before_they_enter_a_path(
    backend: Backend, plain: FaultServer, call_id: str
) -> None:
    async def body() -> None:
        async with client_of(backend, plain) as client:
            for action in (client.calls.hangup, client.calls.reject):
                with pytest.raises(ParameterError):
                    await action(call_id)

    backend.run(body)
    assert plain.records == []


def test_s6_status_errors_have_headers_to_look_at(backend: Backend, plain: FaultServer) -> None:
    """Harmless text stays, because a mask that hides everything would prove nothing."""

    async def body() -> APIStatusError:
        async with client_of(backend, plain, max_retries=0) as client:
            plain.inject("status_429_retry_soon")
            with pytest.raises(APIStatusError) as caught:
                await client.sessions.create()
            return caught.value

    error = backend.run(body)
    assert error.headers["retry-after"] == "0"
    assert "Incorrect API key" in str(error)
