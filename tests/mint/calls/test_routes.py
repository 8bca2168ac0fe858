"""The routes of calls: an offer for an answer, the call's address, hang-up, heartbeat."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from typing import Any, cast
from urllib.parse import urljoin

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.testclient import TestClient

from mint.calls.service import (
    MANY,
    OFFER,
    SDP,
    begin,
    begun,
    broker_for,
    caller,
    hung_up,
    metrics,
    offers,
    running,
)
from mint.service import PAGE, SESSION, app_for, browser, serving, until, user_header
from openai_realtime import ConfigurationError, RealtimeSessionsClient, providers
from openai_realtime.mint import RunningCall, call_endpoint
from openai_realtime.testing import MockRealtimeServer

BACKENDS = ["asyncio", "trio"]
KEY = "a key of the server's own"


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_offer_is_traded_and_the_call_ends_when_asked(
    provider: MockRealtimeServer, backend: str
) -> None:
    with caller(provider, backend=backend, safety_key=KEY) as page:
        response = begin(page)
        assert response.status_code == 201
        assert response.headers["content-type"] == "application/sdp"
        assert response.text.startswith("v=0")
        location = response.headers["location"]
        assert re.fullmatch(r"/calls/[A-Za-z0-9_-]{43}", location)  # 256 bits
        # The provider got the offer, the session and the pseudonym, with the server's key.
        (request,) = provider.requests
        assert request.path == "/v1/realtime/calls"
        assert request.parts["sdp"] == ("application/sdp", OFFER)
        session = json.loads(request.parts["session"][1])
        assert session == {
            "type": "realtime",
            "model": "gpt-realtime-2.1",
            "audio": {"output": {"voice": "verse"}},
        }
        pseudonym = hmac.new(KEY.encode(), b"ann", hashlib.sha256).hexdigest()
        assert request.headers["openai-safety-identifier"] == pseudonym
        # The server sees the call; the page does not get its id.
        (call,) = running(page)
        assert call == running(page, "ann")[0] or isinstance(call, RunningCall)
        assert call.pseudonym == pseudonym
        assert 3590 < call.seconds_left <= 3600
        assert running(page, "bob") == []
        assert call.call_id not in f"{response.headers}{response.text}"
        # Hanging up works once, and is always 204.
        assert page.delete(location).status_code == 204
        assert hung_up(provider) == [call.call_id]
        assert running(page) == []
        for method, path in [("DELETE", ""), ("POST", "/hangup"), ("POST", "/heartbeat")]:
            again = page.request(method, f"{location}{path}")
            assert (again.status_code, again.content) == (204, b"")
        assert hung_up(provider) == [call.call_id]
        assert metrics(page)['ended_total{reason="page"}'] == 1


def test_a_json_offer_has_choices(provider: MockRealtimeServer) -> None:
    with caller(provider, allow={"voice": ["verse", "marin"]}) as page:
        response = page.post("/calls", json={"sdp": OFFER, "voice": "marin"})
        assert response.status_code == 201
        session = json.loads(provider.requests[0].parts["session"][1])
        assert session["audio"]["output"]["voice"] == "marin"
        for body, code in [
            ({"sdp": OFFER, "voice": "ash"}, "choice_not_allowed"),
            ({"sdp": OFFER, "model": "gpt-realtime-2.1"}, "choice_not_allowed"),
            ({"sdp": 1}, "offer_not_valid"),
            ({"voice": "marin"}, "offer_not_valid"),
            ({"sdp": "v=0\r\n\x00"}, "offer_not_valid"),
            ([], "malformed_json"),
        ]:
            refused = page.post(
                "/calls", content=json.dumps(body), headers={"content-type": "application/json"}
            )
            assert (refused.status_code, refused.json()["error"]) == (400, code)
        assert offers(provider) == 1


def test_the_id_of_the_data_channel_is_passed_on(provider: MockRealtimeServer) -> None:
    with caller(provider, max_concurrent=2) as page:
        for dcid in ("0", "65534"):
            assert page.post(f"/calls?dcid={dcid}", content=OFFER, headers=SDP).status_code == 201
            assert provider.requests[-1].path == f"/v1/realtime/calls?dcid={dcid}"
        for dcid in ("65535", "-1", "1%0d%0a", "", "999999"):
            refused = page.post(f"/calls?dcid={dcid}", content=OFFER, headers=SDP)
            assert (refused.status_code, refused.json()["error"]) == (400, "offer_not_valid")
        assert offers(provider) == 2


def test_a_nested_session_is_sent_as_it_is(provider: MockRealtimeServer) -> None:
    session = {"type": "realtime", "model": "gpt-realtime", "instructions": "Be brief."}
    with caller(provider, session=session, allow={"voice": ["marin"]}) as page:
        assert page.post("/calls", json={"sdp": OFFER, "voice": "marin"}).status_code == 201
    sent = json.loads(provider.requests[0].parts["session"][1])
    assert sent == {**session, "audio": {"output": {"voice": "marin"}}}


def test_at_azure_the_service_keeps_the_secret_and_filters_what_the_page_hears() -> None:
    with (
        MockRealtimeServer(provider="azure") as azure,
        caller(azure, safety_key=KEY, allow={"voice": ["marin"]}) as page,
    ):
        response = page.post("/calls", json={"sdp": OFFER, "voice": "marin"})
        assert response.status_code == 201
        minted, traded = azure.requests
        session = cast("Any", minted.json)["session"]
        assert session["audio"]["output"]["voice"] == "marin"
        pseudonym = hmac.new(KEY.encode(), b"ann", hashlib.sha256).hexdigest()
        assert minted.headers["openai-safety-identifier"] == pseudonym
        assert traded.path.endswith("/realtime/calls?webrtcfilter=on")
        assert traded.body.decode() == OFFER
        secret = traded.headers["authorization"].removeprefix("Bearer ")
        assert secret not in f"{response.headers}{response.text}"
        (call,) = running(page)
        assert page.delete(response.headers["location"]).status_code == 204
        assert hung_up(azure) == [call.call_id]


@pytest.mark.parametrize(
    ("headers", "content", "status", "code"),
    [
        ({"content-type": "text/plain"}, OFFER, 415, "not_an_offer"),
        ({"content-type": ""}, OFFER, 415, "not_an_offer"),
        ({"content-type": "multipart/form-data; boundary=x"}, OFFER, 415, "not_an_offer"),
        ({"content-encoding": "gzip"}, OFFER, 415, "not_an_offer"),
        ({"x-user": ""}, OFFER, 401, "unauthorized"),
        ({"origin": "https://evil.example"}, OFFER, 403, "origin_not_allowed"),
        ({"origin": "null"}, OFFER, 403, "origin_not_allowed"),
        ({}, "", 400, "offer_not_valid"),
        ({}, "hello", 400, "offer_not_valid"),
        ({}, f" {OFFER}", 400, "offer_not_valid"),
        ({}, b"v=0\r\n\xff", 400, "offer_not_valid"),
    ],
)
def test_what_is_not_an_offer_is_refused(
    provider: MockRealtimeServer, headers: dict[str, str], content: Any, status: int, code: str
) -> None:
    with caller(provider) as page:
        response = begin(page, headers=headers, content=content)
        assert (response.status_code, response.json()["error"]) == (status, code)
        assert "location" not in response.headers
        assert running(page) == []
    assert provider.requests == []


def test_the_content_type_may_have_parameters(provider: MockRealtimeServer) -> None:
    with caller(provider) as page:
        headers = {"content-type": "Application/SDP; charset=utf-8"}
        assert begin(page, headers=headers).status_code == 201


def test_other_methods_are_refused(provider: MockRealtimeServer) -> None:
    with caller(provider) as page:
        location = begun(page)
        for method, path, allowed in [
            ("GET", "/calls", "POST"),
            ("POST", location, "DELETE"),
            ("GET", f"{location}/hangup", "POST"),
            ("DELETE", f"{location}/heartbeat", "POST"),
        ]:
            response = page.request(method, path)
            assert (response.status_code, response.headers["allow"]) == (405, allowed)
            assert response.json()["message"] == f"Use {allowed}."
        assert page.get("/calls/a/b/c").status_code == 404
        assert len(running(page)) == 1


def test_pages_of_other_origins(provider: MockRealtimeServer) -> None:
    with caller(provider, credentials=True) as page:
        preflight = {"origin": PAGE, "access-control-request-method": "POST"}
        allowed = page.options("/calls", headers=preflight)
        assert allowed.status_code == 204
        assert allowed.headers["access-control-allow-methods"] == "POST"
        response = begin(page, headers={"origin": PAGE})
        assert response.headers["access-control-allow-origin"] == PAGE
        exposed = response.headers["access-control-expose-headers"].split(", ")
        assert {"Location", "Retry-After", "X-Request-Id", "X-Max-Duration"} <= set(exposed)
        location = response.headers["location"]
        preflight["access-control-request-method"] = "DELETE"
        allowed = page.options(location, headers=preflight)
        assert allowed.headers["access-control-allow-methods"] == "DELETE"
        assert page.options(f"{location}/hangup", headers=preflight).status_code == 405
        evil = {"origin": "https://evil.example"}
        for method, path in [("DELETE", ""), ("POST", "/hangup"), ("POST", "/heartbeat")]:
            refused = page.request(method, f"{location}{path}", headers=evil)
            assert (refused.status_code, refused.json()["error"]) == (403, "origin_not_allowed")
        assert len(running(page)) == 1
        assert page.delete(location, headers={"origin": PAGE}).status_code == 204
        assert running(page) == []


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ],
)
def test_a_beacon_hangs_up(provider: MockRealtimeServer, content_type: str | None) -> None:
    """`navigator.sendBeacon` sends no Authorization, and a type that needs no preflight."""
    with caller(provider) as page:
        location = begun(page)
        headers = {"x-user": "", "origin": PAGE}
        if content_type is not None:
            headers["content-type"] = content_type
        assert page.post(f"{location}/hangup", headers=headers).status_code == 204
        assert len(hung_up(provider)) == 1


def test_the_address_alone_is_enough_but_not_with_the_login_of_another_principal(
    provider: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    def authorize(request: Any) -> str | None:
        if request.headers.get("x-user") == "broken":
            raise RuntimeError
        return user_header(request)

    with caller(provider, authorize=authorize, max_concurrent=5) as page:
        locations = [begun(page) for _ in range(3)]
        for path in ["/hangup", "/heartbeat"]:
            refused = page.post(f"{locations[0]}{path}", headers={"x-user": "bob"})
            assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
        assert page.delete(locations[0], headers={"x-user": "bob"}).status_code == 403
        assert len(running(page)) == 3
        for location, user in zip(locations, ["", "ann", "broken"], strict=True):
            assert page.delete(location, headers={"x-user": user}).status_code == 204
        assert running(page) == []
        # An address that is not there says nothing, whatever the login.
        assert page.delete(locations[0], headers={"x-user": "bob"}).status_code == 204
    assert "authorize failed for a call's address: RuntimeError" in caplog.text


def test_a_hang_up_has_no_body(provider: MockRealtimeServer) -> None:
    with caller(provider) as page:
        location = begun(page)
        for path in ["/hangup", "/heartbeat"]:
            response = page.post(f"{location}{path}", content="x")
            assert (response.status_code, response.json()["error"]) == (413, "body_too_large")
        assert len(running(page)) == 1


def test_the_routes_alone_in_an_app_without_a_lifespan(provider: MockRealtimeServer) -> None:
    client = RealtimeSessionsClient(base_url=provider.base_url, api_key=provider.api_key)
    endpoint = call_endpoint(
        client,
        session={"model": "gpt-realtime-2.1"},
        authorize=user_header,
        origins=[PAGE],
        max_duration=60,
    )
    app = FastAPI()
    app.mount("/voice", endpoint)
    with browser(app) as page:
        assert page.portal is not None
        page.portal.call(endpoint.aclose)  # it was not opened yet
        response = page.post("/voice/calls", content=OFFER, headers=SDP)
        assert response.status_code == 201
        assert response.headers["x-max-duration"] == "60"
        assert "x-heartbeat" not in response.headers
        location = response.headers["location"]
        assert location.startswith("/voice/calls/")
        assert page.portal is not None
        assert len(page.portal.call(endpoint.calls.running)) == 1
        assert "openai_realtime_calls_running 1.0" in endpoint.metrics.text()
        assert page.delete(location).status_code == 204
        assert page.get("/voice/other").status_code == 404
        response = page.post("/voice/calls", content=OFFER, headers=SDP)
        page.portal.call(endpoint.aclose)  # it hangs up
        assert len(hung_up(provider)) == 2
        # It works again after that.
        assert page.post("/voice/calls", content=OFFER, headers=SDP).status_code == 201
        page.portal.call(endpoint.aclose)
        page.portal.call(client.aclose)


def test_a_client_that_cannot_be_made(
    provider: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    clients = [RealtimeSessionsClient(base_url=provider.base_url, api_key=provider.api_key)]

    def make() -> RealtimeSessionsClient:
        if not clients:
            message = "no key"
            raise ConfigurationError(message)
        return clients.pop()

    endpoint = call_endpoint(
        make, session={"model": "gpt-realtime-2.1"}, authorize=user_header, limits=MANY
    )
    with browser(Starlette(routes=[*endpoint.routes])) as page:
        assert page.portal is not None
        assert begin(page).status_code == 201
        page.portal.call(endpoint.aclose)  # it hangs up, and closes the client that it made
        assert len(hung_up(provider)) == 1
        refused = begin(page)
        assert (refused.status_code, refused.json()["error"]) == (502, "provider_failed")
        assert "no key" in caplog.text
        with pytest.raises(ConfigurationError):
            page.portal.call(endpoint.open)


def test_every_request_may_have_an_event_loop_of_its_own(provider: MockRealtimeServer) -> None:
    page = TestClient(broker_for(provider, close_client=False), headers={"x-user": "ann"})
    for _ in range(2):
        # The end of an event loop is the end of its calls: nothing could end them later.
        location = begun(page)
        until(lambda: len(hung_up(provider)) == offers(provider))
        assert page.delete(location).status_code == 204


def test_secrets_and_calls_share_the_rates(provider: MockRealtimeServer) -> None:
    with caller(provider, limits="2/minute", max_concurrent=9) as page:
        assert page.post("/client-secret", json={}).status_code == 200
        begun(page)
        refused = begin(page)
        assert (refused.status_code, refused.json()["error"]) == (429, "too_many_requests")
        assert page.post("/client-secret", json={}).status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert metrics(page)["begun_total"] == 1


def test_without_the_broker_there_are_no_such_routes(provider: MockRealtimeServer) -> None:
    app = app_for(provider)
    with browser(app) as page:
        assert page.post("/calls", content=OFFER, headers=SDP).status_code == 404
        assert not hasattr(app.state, "calls")


def test_no_log_metric_or_repr_has_the_address_or_the_offer(
    provider: MockRealtimeServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither this package's logs nor uvicorn's own, nor what an error reporter reads."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="uvicorn.access")  # a server of another test may set it
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "propagate", True)
    seen: list[str] = []
    app = broker_for(provider, on_call=lambda event: seen.append(repr(event)))

    async def with_reporter(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        finally:
            seen.append(repr(scope))

    with serving(with_reporter, access_log=True) as (host, port):
        url = f"http://{host}:{port}"
        with httpx.Client(headers={"x-user": "ann"}, trust_env=False) as page:
            location = page.post(f"{url}/calls", content=OFFER, headers=SDP).headers["location"]
            address = location.rpartition("/")[2]
            assert page.post(urljoin(url, f"{location}/heartbeat")).status_code == 204
            assert page.delete(urljoin(url, location)).status_code == 204
            text = page.get(f"{url}/metrics").text
    access = [record for record in caplog.records if record.name == "uvicorn.access"]
    assert any("DELETE /calls/- " in record.getMessage() for record in access)
    logged = [record for record in caplog.records if not record.name.startswith("http")]
    everything = " ".join([*(str(record.__dict__) for record in logged), *seen, text])
    assert address not in everything
    assert "IN IP4" not in everything
    assert "began" in everything


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_duration": 0}, "max_duration is unusable: it must be 1 to 3600 seconds"),
        ({"max_duration": 3601}, "1 to 3600 seconds"),
        ({"max_duration": True}, "1 to 3600 seconds"),
        ({"max_duration": None}, "1 to 3600 seconds"),
        ({"max_duration": "900"}, "1 to 3600 seconds"),
        ({"max_duration": float("nan")}, "1 to 3600 seconds"),
        ({"max_concurrent": 0}, "max_concurrent is unusable"),
        ({"max_concurrent": 1.5}, "max_concurrent is unusable"),
        ({"max_concurrent": None}, "max_concurrent is unusable"),
        ({"global_max_concurrent": -1}, "global_max_concurrent is unusable"),
        ({"at_limit": "end_newest"}, "at_limit is unusable"),
        ({"heartbeat": 0.5}, "heartbeat is unusable"),
        ({"heartbeat": "90"}, "heartbeat is unusable"),
        ({"on_call": "me"}, "on_call must be a callable"),
        ({"session": {"type": "transcription"}}, "not a transcription session"),
        ({"max_durations": 900}, "did you mean max_duration"),
    ],
    ids=str,
)
def test_it_does_not_start_with_unusable_options(options: dict[str, Any], message: str) -> None:
    client = RealtimeSessionsClient(api_key="sk-x")
    needed: dict[str, Any] = {"session": SESSION, "authorize": user_header}
    with pytest.raises(ConfigurationError, match=message):
        call_endpoint(client, **{**needed, **options})


def test_options_of_calls_need_the_broker(provider: MockRealtimeServer) -> None:
    unusable: list[dict[str, Any]] = [
        {"heartbeat": 90},
        {"max_duration": 900, "broker": False},
        {"client_secrets": False},
    ]
    for options in unusable:
        with pytest.raises(ConfigurationError, match=r"^[a-z_]+(=False)? needs the broker"):
            app_for(provider, **options)
    with pytest.raises(ConfigurationError, match="lifetime is unusable: it is for client secrets"):
        app_for(provider, client_secrets=False, max_duration=900, lifetime=60)
    client = RealtimeSessionsClient(provider=providers.xai(), api_key="xai-x")
    with pytest.raises(ConfigurationError, match="xAI has no calls endpoint"):
        call_endpoint(client, session={"model": "gpt-realtime-2.1"}, authorize=user_header)


def test_client_secrets_may_be_switched_off(provider: MockRealtimeServer) -> None:
    with caller(provider, max_duration=900, client_secrets=False) as page:
        refused = page.post("/client-secret", json={})
        assert (refused.status_code, refused.json()["error"]) == (404, "no_client_secrets")
        assert page.post("/calls", json={"sdp": OFFER}).status_code == 201
    assert [request.path for request in provider.requests] == [
        "/v1/realtime/calls",
        f"/v1/realtime/calls/{provider.calls[0].call_id}/hangup",
    ]
