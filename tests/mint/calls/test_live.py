"""GPT-Live behind the routes of calls: what is sent, what the page may do, what ends a session."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any, cast

import pytest

from mint.calls.service import MANY, OFFER, SDP, begin, begun, caller, hung_up, metrics, running
from mint.redis_process import RedisProcess
from mint.service import SESSION, app_for, browser, request_secret, until, user_header
from openai_realtime import (
    ConfigurationError,
    ParameterError,
    RealtimeSessionsClient,
    providers,
)
from openai_realtime.mint import (
    CallEvent,
    call_endpoint,
    mint_app,
    mint_endpoint,
    wsgi_endpoint,
)
from openai_realtime.mint.broker import broker as broker_module
from openai_realtime.mint.broker import life
from openai_realtime.testing import MockRealtimeServer, MockResponse

KEY = "a key of the server's own"
LIVE: dict[str, Any] = {"model": "gpt-live-1.1", "instructions": "Keep the secret."}
DATA_CHANNEL = {
    "allowed_client_events": [
        "session.close",
        "session.input_audio.mute",
        "session.input_audio.unmute",
    ],
    "allowed_server_events": [
        {"type": "session.input_transcript.delta"},
        {"type": "session.output_transcript.delta"},
        {"type": "session.closed"},
        {"type": "error"},
        {"type": "info"},
    ],
}
ENDED = MockResponse(404, json={"error": {"message": "no", "code": "session_id_not_found"}})


def sent(provider: MockRealtimeServer) -> Any:
    """Return the body of the only offer that the provider got."""
    (request,) = [each for each in provider.requests if each.path.endswith("/live/sessions")]
    return request.json


def created(**changes: Any) -> MockResponse:
    """Return a provider's 201, with other members."""
    members = {
        "session": {"id": "live_late"},
        "transport": {"type": "webrtc", "sdp": "v=0\r\n"},
        **changes,
    }
    return MockResponse(201, json={k: v for k, v in members.items() if v is not None})


def test_an_offer_is_traded_and_the_session_ends_when_asked(provider: MockRealtimeServer) -> None:
    told: list[CallEvent] = []
    with caller(provider, session=LIVE, safety_key=KEY, on_call=told.append) as page:
        response = page.post("/calls?dcid=7", content=OFFER, headers=SDP)
        assert response.status_code == 201
        assert response.headers["content-type"] == "application/sdp"
        assert response.text.startswith("v=0")
        assert response.headers["x-max-duration"] == "7200"
        location = response.headers["location"]
        assert re.fullmatch(r"/calls/[A-Za-z0-9_-]{43}", location)
        pseudonym = hmac.new(KEY.encode(), b"ann", hashlib.sha256).hexdigest()
        assert sent(provider) == {
            "session": {
                **LIVE,
                "client": {"data_channel": DATA_CHANNEL},
                "safety_identifier": pseudonym,
            },
            "transport": {"type": "webrtc", "sdp": OFFER, "dcid": 7},
        }
        assert "openai-safety-identifier" not in provider.requests[0].headers
        (call,) = running(page, "ann")
        assert (call.api, call.pseudonym) == ("live", pseudonym)
        assert call.call_id.startswith("live_")
        assert 7190 < call.seconds_left <= 7200
        assert "live_" not in f"{response.headers}{response.text}"
        assert begin(page).json()["error"] == "too_many_calls"
        for _ in range(2):
            assert page.delete(location).status_code == 204
        assert hung_up(provider) == [call.call_id]
        assert provider.requests[-1].path == f"/v1/live/sessions/{call.call_id}/hangup"
        until(lambda: len(told) == 2)
        assert [(event.api, event.reason) for event in told] == [("live", None), ("live", "page")]
        begun(page)


@pytest.mark.parametrize(
    ("client", "sent_client"),
    [
        ({"data_channel": {}}, DATA_CHANNEL),
        # What the session says holds; what it leaves out is not "all".
        (
            {"data_channel": {"allowed_client_events": []}},
            {**DATA_CHANNEL, "allowed_client_events": []},
        ),
        (
            {"data_channel": {"allowed_server_events": "all"}},
            {**DATA_CHANNEL, "allowed_server_events": "all"},
        ),
        (
            {"data_channel": {"allowed_client_events": "all", "allowed_server_events": "all"}},
            {"allowed_client_events": "all", "allowed_server_events": "all"},
        ),
    ],
)
def test_what_the_page_may_send_and_receive(
    provider: MockRealtimeServer, client: Any, sent_client: Any
) -> None:
    with caller(provider, session={**LIVE, "client": client}) as page:
        begun(page)
    assert sent(provider)["session"]["client"] == {"data_channel": sent_client}


def test_the_page_chooses_only_what_is_listed(provider: MockRealtimeServer) -> None:
    allow: dict[str, list[Any]] = {
        "voice": ["marin", "cedar"],
        "model": ["gpt-live-1", "gpt-live-1.1"],
        "store": [True],
        "idle_timeout_s": [60],
        "instructions": ["Be brief."],
    }
    session: dict[str, Any] = {**LIVE, "audio": {"output": {"voice": {"id": "voice_1"}}}}
    with caller(provider, session=session, allow=allow, max_concurrent=2) as page:
        for name, value in [
            ("voice", "verse"),
            ("model", "gpt-realtime-2.1"),
            ("store", 1),
            ("session", {"model": "gpt-live-1"}),
            ("client", {"data_channel": {"allowed_server_events": "all"}}),
            ("delegation", None),
            ("safety_identifier", "bob"),
            ("transport", {"type": "sip"}),
            ("type", "live"),
        ]:
            refused = page.post("/calls", json={"sdp": OFFER, name: value})
            assert (refused.status_code, refused.json()["error"]) == (400, "choice_not_allowed")
        assert provider.requests == []
        chosen = {name: values[-1] for name, values in allow.items()}
        assert page.post("/calls", json={"sdp": OFFER, **chosen}).status_code == 201
    assert sent(provider)["session"] == {
        "model": "gpt-live-1.1",
        "audio": {"output": {"voice": "cedar"}},
        "store": True,
        "idle_timeout_s": 60,
        "instructions": "Be brief.",
        "client": {"data_channel": DATA_CHANNEL},
    }


def test_azure_names_its_models_itself() -> None:
    for session in ({"model": "my-voice"}, {"type": "live", "model": "my-voice"}):
        api = {} if "type" in session else {"api": "live"}
        with (
            MockRealtimeServer(provider="azure") as azure,
            caller(azure, session=session, allow={"model": ["other-voice"]}, **api) as page,
        ):
            location = begun(page)
            (request,) = azure.requests  # a key is enough here: there are no two steps
            assert request.path == "/openai/v1/live/sessions"
            assert request.headers["api-key"] == azure.api_key
            assert sent(azure)["session"]["model"] == "my-voice"
            assert "type" not in sent(azure)["session"]
            (call,) = running(page)
            assert page.delete(location).status_code == 204
            assert hung_up(azure) == [call.call_id]


def test_a_deployment_may_have_the_name_of_another_model() -> None:
    with (
        MockRealtimeServer(provider="azure") as azure,
        caller(azure, session={"model": "gpt-live-2"}, api="realtime") as page,
    ):
        # The mock does not believe it.
        assert begin(page).json()["error"] == "provider_failed"
        assert azure.requests[0].path == "/openai/v1/realtime/client_secrets"


@pytest.mark.parametrize(
    ("response", "status"),
    [
        (MockResponse(500), 502),
        (MockResponse(201, drop="before"), 503),
        (MockResponse(201, body=b"v=0\r\n"), 502),
        (created(session=None), 502),
        (created(session={"id": ""}), 502),
        (created(transport=None), 502),
        (created(transport={"type": "webrtc", "sdp": "<html>"}), 502),
    ],
)
def test_a_trade_whose_outcome_is_unknown_is_not_repeated(
    provider: MockRealtimeServer,
    monkeypatch: pytest.MonkeyPatch,
    response: MockResponse,
    status: int,
) -> None:
    """Each create is billed."""
    monkeypatch.setattr(broker_module, "RESERVATION_GRACE", 0.3)
    with caller(provider, session=LIVE, client={"timeout": 0.7}) as page:
        provider.respond_next(response)
        assert begin(page).status_code == status
        assert len(provider.requests) == 1
        assert begin(page).json()["error"] == "too_many_calls"
        until(lambda: metrics(page)["possible_orphans_total"] == 1)
        assert hung_up(provider) == []
        begun(page)


@pytest.mark.parametrize("session_id", ["a/b", "..", "live_1\r\nx: y", "x" * 257, "live 1"])
def test_a_201_with_an_unusable_id_has_no_answer(
    provider: MockRealtimeServer, session_id: str
) -> None:
    with caller(provider, session=LIVE) as page:
        provider.respond_next(created(session={"id": session_id}))
        response = begin(page)
        assert (response.status_code, response.json()["error"]) == (503, "call_not_recorded")
        assert "v=0" not in response.text
        assert metrics(page)["possible_orphans_total"] == 1
        assert hung_up(provider) == []
        begun(page)


def test_a_404_is_final_only_when_the_session_must_be_set_up(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life, "SETUP_SECONDS", 1.5)
    told: list[CallEvent] = []
    with caller(provider, session=LIVE, on_call=told.append) as page:
        location = begun(page)
        provider.respond_next(ENDED, ENDED, ENDED)
        page.delete(location)
        until(lambda: len(told) == 2)
        assert len(hung_up(provider)) == 3
        assert metrics(page)['hang_ups_total{outcome="not_found"}'] == 3


def test_line_breaks_and_json_in_an_offer_change_nothing(provider: MockRealtimeServer) -> None:
    tricks = [
        '"},"session":{"model":"evil"},"x":{"y":"',
        "\r\nAuthorization: Bearer sk-evil\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\nPOST /v1/live/sessions HTTP/1.1\r\n\r\n",
        '\\"}}',
        "\u2028\ud7ff",
    ]
    offer = OFFER + "".join(tricks)
    with caller(provider, session=LIVE) as page:
        assert page.post("/calls", json={"sdp": offer}).status_code == 201
    assert sent(provider)["transport"] == {"type": "webrtc", "sdp": offer}
    assert sent(provider)["session"]["instructions"] == LIVE["instructions"]
    assert provider.requests[0].headers["authorization"] == f"Bearer {provider.api_key}"


def test_there_are_no_secrets(provider: MockRealtimeServer) -> None:
    with caller(provider, session=LIVE) as page:
        refused = request_secret(page)
        assert (refused.status_code, refused.json()["error"]) == (404, "no_client_secrets")
        assert "/calls" in refused.json()["message"]
        evil = request_secret(page, headers={"origin": "https://evil.example"})
        assert (evil.status_code, evil.json()["error"]) == (403, "origin_not_allowed")
        assert page.get("/readyz").json()["limiter"] == "usable"
    assert provider.requests == []
    client = RealtimeSessionsClient(api_key="sk-x")
    needed: Any = {"session": LIVE, "authorize": user_header}
    for make in (mint_app, mint_endpoint, wsgi_endpoint):
        with pytest.raises(ConfigurationError, match=r"no client secrets: .* with broker=True"):
            cast("Any", make)(client, **needed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_duration": 7201}, "max_duration is unusable: it must be 1 to 7200 seconds for GPT"),
        ({"heartbeat": 7201}, "heartbeat is unusable: it must be 1 to 7200 seconds for GPT-Live"),
        ({"session": SESSION, "max_duration": 3601}, "max_duration is unusable: .* 3600 seconds$"),
        ({"api": "both"}, "api is unusable: it must be one of realtime, live"),
        ({"lifetime": 60}, "lifetime is unusable: GPT-Live has no client secrets"),
        ({"connect_url": None}, "connect_url is unusable: GPT-Live has no client secrets"),
        ({"allow": {"speed": [1]}}, "allow: speed .* one of idle_timeout_s, instructions, model"),
        ({"allow": {"model": ["gpt-realtime"]}}, "allow: model .* must be of one API"),
        ({"session": SESSION, "allow": {"model": ["gpt-live-1"]}}, "must be of one API"),
        ({"allow": {"store": ["yes"]}}, "store must be True or False"),
        ({"session": {**LIVE, "safety_identifier": "x"}}, "safety_key=… sets it"),
        ({"session": {**LIVE, "voice": "marin"}}, r"voice is session\.audio\.output\.voice here"),
        ({"session": {**LIVE, "temperature": 1}}, "does not exist in GPT-Live: leave it out"),
        ({"session": {**LIVE, "client_secret": {}}}, "GPT-Live has no client secrets"),
        (
            {"session": {**LIVE, "client": {"data_channel": {"allowed_server_events": ["x"]}}}},
            "must be an object such as",
        ),
        ({"session": {}, "api": "live"}, "model is required"),
    ],
    ids=str,
)
def test_it_does_not_start_with_unusable_options(
    provider: MockRealtimeServer, options: dict[str, Any], message: str
) -> None:
    with pytest.raises((ConfigurationError, ParameterError), match=message):
        app_for(provider, **{"session": LIVE, "broker": True, "limits": MANY, **options})


def test_a_transcription_model_is_not_gpt_live(provider: MockRealtimeServer) -> None:
    session = {**SESSION, "input_audio_transcription": {"model": "gpt-live-transcribe"}}
    with browser(app_for(provider, session=session)) as page:
        assert request_secret(page).status_code == 200


def test_the_provider_must_have_gpt_live() -> None:
    client = RealtimeSessionsClient(provider=providers.xai(), api_key="xai-x")
    with pytest.raises(ConfigurationError, match="xAI has no live endpoint"):
        call_endpoint(client, session=cast("Any", LIVE), authorize=user_header)


@pytest.mark.redis
def test_services_of_both_apis_share_a_redis(
    provider: MockRealtimeServer, redis: RedisProcess
) -> None:
    """Each ends the other's calls, at the API that the call has."""
    shared: dict[str, Any] = {"storage": redis.url, "max_concurrent": 2}
    with (
        caller(provider, session=LIVE, **shared) as live,
        caller(provider, **shared) as realtime,
    ):
        of_live, of_realtime = begun(live), begun(realtime)
        assert begin(realtime).json()["error"] == "too_many_calls"
        apis = {call.call_id[:4]: call.api for call in running(live)}
        assert apis == {"live": "live", "rtc_": "realtime"}
        assert realtime.delete(of_live).status_code == 204
        assert live.delete(of_realtime).status_code == 204
        paths = [request.path for request in provider.requests if "hangup" in request.path]
        assert [path.split("_")[0] for path in paths] == [
            "/v1/live/sessions/live",
            "/v1/realtime/calls/rtc",
        ]
        assert running(live) == []
