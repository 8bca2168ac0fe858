"""WebRTC calls at Azure, which are two requests: a secret is minted, and the offer is sent with it."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from backends import Backend

from openai_realtime import (
    APIResponseValidationError,
    AuthenticationError,
    DroppedParameterWarning,
    InternalServerError,
    NotFoundError,
    ParameterError,
    RetryPolicy,
)
from openai_realtime.observe import AttemptSent, Event
from openai_realtime.testing import MockRealtimeServer, MockResponse

OFFER = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\n"
SESSION: Any = {"type": "realtime", "model": "my-deployment"}
MINT = "/openai/v1/realtime/client_secrets"
CALLS = "/openai/v1/realtime/calls"
QUICK = RetryPolicy(base_delay=0.001)
BUSY = MockResponse(503)


@pytest.fixture(scope="module")
def mock() -> Any:
    with MockRealtimeServer(provider="azure") as server:
        yield server


@pytest.fixture
def azure(mock: MockRealtimeServer) -> MockRealtimeServer:
    mock.requests.clear()
    mock.forget_script()
    return mock


def client_of(backend: Backend, azure: MockRealtimeServer, **options: Any) -> Any:
    settings = {"provider": azure.provider, "api_key": azure.api_key, "retry": QUICK}
    return backend.client(**{**settings, **options})


def paths(azure: MockRealtimeServer) -> list[str]:
    return [request.path.partition("?")[0] for request in azure.requests]


@pytest.mark.parametrize("auth", ["key", "token"])
def test_a_call_is_two_requests(backend: Backend, azure: MockRealtimeServer, auth: str) -> None:
    events: list[Event] = []
    provider = azure.provider
    if auth == "token":
        provider = replace(provider, auth=azure._profile.auth_schemes[1])

    async def body() -> None:
        async with client_of(backend, azure, provider=provider, on_event=events.append) as client:
            call = await client.calls.create(
                sdp=OFFER,
                session=SESSION,
                dcid=7,
                safety_identifier="someone",
                extra_headers={"X-Tenant": "t"},
                extra_query={"x": "1"},
            )
            assert call.id is not None
            assert call.id.startswith("rtc_")
            assert call.sdp.startswith("v=0")
            assert (call.meta.status, call.meta.attempts, call.meta.dropped) == (201, 2, ())
            await client.calls.hangup(call.id)

    backend.run(body)
    mint, offer, hangup = azure.requests
    assert (mint.method, mint.path, mint.json) == ("POST", MINT, {"session": SESSION})
    assert mint.headers["openai-safety-identifier"] == "someone"
    assert offer.path == f"{CALLS}?webrtcfilter=on&dcid=7&x=1"
    assert (offer.headers["content-type"], offer.body) == ("application/sdp", OFFER.encode())
    assert offer.headers["authorization"].startswith("Bearer ek_")
    assert "api-key" not in offer.headers
    for request in (mint, hangup):
        header = {"key": "api-key", "token": "authorization"}[auth]
        assert request.headers[header].endswith(azure.api_key)
    for request in (mint, offer):
        assert request.headers["x-tenant"] == "t"
    sent = [event for event in events if isinstance(event, AttemptSent)]
    assert [(event.operation, event.cause, event.attempt) for event in sent[:2]] == [
        ("calls.create", "first", 1),
        ("calls.create", "next", 2),
    ]


@pytest.mark.parametrize(
    ("params", "query"),
    [
        ({}, "webrtcfilter=on"),
        ({"webrtcfilter": "on"}, "webrtcfilter=on"),
        ({"webrtcfilter": "off"}, ""),
        ({"webrtcfilter": "off", "dcid": 1}, "dcid=1"),
        ({"extra_query": {"webrtcfilter": "maybe"}}, "webrtcfilter=maybe"),
    ],
)
def test_the_filter_can_be_switched(
    backend: Backend, azure: MockRealtimeServer, params: dict[str, Any], query: str
) -> None:
    async def body() -> None:
        async with client_of(backend, azure) as client:
            await client.calls.create(sdp=OFFER, session=SESSION, **params)
            secret = await client.client_secrets.create(session=SESSION)
            assert "webrtcfilter" not in azure.requests[-1].path
            # A secret as the key: one request, with the secret as its Bearer token.
            browser = client.with_options(api_key=str(secret.value))
            await browser.calls.create(sdp=OFFER, **params)

    backend.run(body)
    offers = [request for request in azure.requests if request.path.startswith(CALLS)]
    assert [request.path.partition("?")[2] for request in offers] == [query, query]
    assert all(request.headers["authorization"].startswith("Bearer ek_") for request in offers)
    assert azure.provider.connect_url().endswith(f"{CALLS}?webrtcfilter=on")


@pytest.mark.parametrize("dialect", ["auto", "beta", "ga"])
def test_the_secret_is_minted_in_the_nested_shape(
    backend: Backend, azure: MockRealtimeServer, dialect: str
) -> None:
    async def body() -> None:
        async with client_of(backend, azure, dialect=dialect) as client:
            await client.calls.create(sdp=OFFER, session=SESSION)

    backend.run(body)
    assert paths(azure) == [MINT, CALLS]


@pytest.mark.parametrize(
    ("responses", "sent"),
    [
        # Minting is repeated, by its own count of retries; the offer has a count of its own.
        ([BUSY, BUSY], [MINT, MINT, MINT, CALLS]),
        ([MockResponse(drop="before")], [MINT, MINT, CALLS]),
    ],
)
def test_minting_is_repeated(
    backend: Backend, azure: MockRealtimeServer, responses: list[MockResponse], sent: list[str]
) -> None:
    azure.respond_next(*responses)

    async def body() -> None:
        async with client_of(backend, azure) as client:
            call = await client.calls.create(sdp=OFFER, session=SESSION)
            assert call.meta.attempts == len(sent)
            assert call.meta.possible_orphans == sum(each.drop != "no" for each in responses)

    backend.run(body)
    assert paths(azure) == sent


SECRET = MockResponse(json={"value": "ek_opaque", "expires_at": 0})


def test_an_offer_is_repeated_only_if_the_server_permits_it(
    backend: Backend, azure: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with client_of(backend, azure) as client:
            azure.respond_next(BUSY, SECRET, BUSY)
            with pytest.raises(InternalServerError) as caught:
                await client.calls.create(sdp=OFFER, session=SESSION)
            assert caught.value.url.endswith(CALLS)
            assert caught.value.attempts == 3
            assert "ek_opaque" not in str(caught.value)
            assert paths(azure) == [MINT, MINT, CALLS]
            azure.requests.clear()
            later = MockResponse(503, headers={"retry-after": "0"})
            good = MockResponse(201, body=b"v=0")
            azure.respond_next(BUSY, BUSY, SECRET, later, later, good)
            call = await client.calls.create(sdp=OFFER, session=SESSION)
            assert (call.id, call.meta.attempts) == (None, 6)
            assert paths(azure) == [MINT, MINT, MINT, CALLS, CALLS, CALLS]

    backend.run(body)


def test_errors_name_the_request_that_failed(backend: Backend, azure: MockRealtimeServer) -> None:
    async def body() -> None:
        async with client_of(backend, azure) as client:
            azure.respond_next(MockResponse(401))
            with pytest.raises(AuthenticationError) as unauthorized:
                await client.calls.create(sdp=OFFER, session=SESSION)
            assert unauthorized.value.url.endswith(MINT)
            azure.respond_next(MockResponse(json={}))
            with pytest.raises(APIResponseValidationError, match="without a usable client secret"):
                await client.calls.create(sdp=OFFER, session=SESSION)
            azure.respond_next(SECRET, MockResponse(404))
            with pytest.raises(NotFoundError, match="no calls endpoint"):
                await client.calls.create(sdp=OFFER, session=SESSION)
            echo = MockResponse(500, json={"error": {"message": "bad ek_opaque"}})
            azure.respond_next(SECRET, echo)
            with pytest.raises(InternalServerError) as echoed:
                await client.calls.create(sdp=OFFER, session=SESSION)
            assert "ek_opaque" not in f"{echoed.value!s}{echoed.value!r}{echoed.value.body}"
            azure.requests.clear()
            for wrong in ({"session": {"type": "realtime", "voice": "x"}}, {"dcid": -1}):
                with pytest.raises(ParameterError):
                    await client.calls.create(sdp=OFFER, **wrong)

    backend.run(body)
    assert azure.requests == []


def test_the_mock_refuses_what_azure_refuses(azure: MockRealtimeServer) -> None:
    root = azure.base_url.removesuffix("/openai/v1")
    key, token = {"api-key": azure.api_key}, {"authorization": f"Bearer {azure.api_key}"}
    minted = httpx.post(f"{root}{MINT}", headers=key, json={"session": SESSION})
    secret = {"authorization": f"Bearer {minted.json()['value']}"}
    sdp = {"content-type": "application/sdp"}
    form = {"sdp": (None, OFFER, "application/sdp")}
    for headers in (key, token, {"api-key": minted.json()["value"]}, {}):
        refused = httpx.post(f"{root}{CALLS}", headers={**headers, **sdp}, content=OFFER)
        assert refused.status_code == 401
        assert refused.json()["error"]["message"] == "This operation requires ephemeral tokens"
    for headers in (key, token, secret):
        assert httpx.post(f"{root}{CALLS}", headers=headers, files=form).status_code == 401
    filtered = f"{root}{CALLS}?webrtcfilter=on"
    assert httpx.post(filtered, headers={**secret, **sdp}, content=OFFER).status_code == 201
    azure.expire_secrets()
    assert httpx.post(filtered, headers={**secret, **sdp}, content=OFFER).status_code == 401


def test_the_filter_exists_only_at_azure(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client() as client:
            with pytest.warns(DroppedParameterWarning, match="does not accept webrtcfilter"):
                call = await client.calls.create(sdp=OFFER, webrtcfilter="on")
            assert call.meta.dropped == ("webrtcfilter",)
            call = await client.calls.create(sdp=OFFER, webrtcfilter="off")
            assert call.meta.dropped == ()
            with pytest.raises(ParameterError, match="webrtcfilter"):
                await client.calls.create(sdp=OFFER, webrtcfilter="on", strict=True)

    backend.run(body)
    assert [request.path for request in realtime_server.requests] == ["/v1/realtime/calls"] * 2
