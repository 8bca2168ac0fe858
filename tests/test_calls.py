"""WebRTC and phone calls, translation secrets: the endpoints beside minting sessions."""

import json
from typing import Any

import pytest
from backends import Backend

from openai_realtime import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    InternalServerError,
    NotFoundError,
    ParameterError,
    RetryPolicy,
)
from openai_realtime.providers import BEARER, compatible
from openai_realtime.testing import MockRealtimeServer, MockResponse

OFFER = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\n"
QUICK = RetryPolicy(base_delay=0.001)


def test_translation_secrets(backend: Backend, realtime_server: MockRealtimeServer) -> None:
    async def body() -> None:
        async with backend.client() as client:
            secret = await client.translations.client_secrets.create(
                expires_after={"seconds": 30},
                session={
                    "model": "gpt-realtime-translate",
                    "audio": {
                        "input": {"transcription": None, "noise_reduction": {"type": "near_field"}},
                        "output": {"language": "es"},
                    },
                },
            )
            session: Any = secret.session
            assert (session.type, session.model) == ("translation", "gpt-realtime-translate")
            assert session.audio.output.language == "es"
            assert session.audio.input.noise_reduction.type == "near_field"
            assert secret.client_secret.value.startswith("ek_")
            with pytest.raises(ParameterError, match="session is required"):
                await client.translations.client_secrets.create()  # type: ignore[call-arg]  # wrong on purpose
            with pytest.raises(ParameterError, match=r"session\.type is not a known"):
                await client.translations.client_secrets.create(
                    session={"model": "m", "type": "translation"}  # type: ignore[typeddict-unknown-key]  # wrong on purpose
                )
        assert realtime_server.requests[0].path == "/v1/realtime/translations/client_secrets"

    backend.run(body)


def test_a_call_with_a_session_is_a_form(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client() as client:
            call = await client.calls.create(
                sdp=OFFER, session={"type": "realtime", "model": "gpt-realtime-2.1"}
            )
            assert call.id is not None
            assert call.id.startswith("rtc_")
            assert call.sdp.startswith("v=0")
            assert call.meta.status == 201
            assert "v=0" not in repr(call)
        request = realtime_server.requests[0]
        assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
        assert request.headers["accept"] == "application/sdp"
        parts = request.parts
        assert parts["sdp"] == ("application/sdp", OFFER)
        assert parts["session"][0] == "application/json"
        assert json.loads(parts["session"][1]) == {"type": "realtime", "model": "gpt-realtime-2.1"}

    backend.run(body)


def test_a_call_with_an_ephemeral_key_is_bare(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client() as client:
            secret = (await client.sessions.create()).client_secret.value
            browser = client.with_options(api_key=str(secret))
            assert (await browser.calls.create(sdp=OFFER)).sdp.startswith("v=0")
            with pytest.raises(ParameterError, match="session cannot be set with an ephemeral key"):
                await browser.calls.create(sdp=OFFER, session={"type": "realtime"})
        request = realtime_server.requests[1]
        assert request.headers["content-type"] == "application/sdp"
        assert request.body == OFFER.encode()
        assert len(realtime_server.requests) == 2

    backend.run(body)


@pytest.mark.parametrize("key", ["sk-x", "ek_x", "gAAAAABopaque==", None])
def test_an_offer_without_a_session_is_sent_as_it_is(backend: Backend, key: str | None) -> None:
    """The key's look has no effect: gateways' secrets are opaque, and some servers take no key."""

    async def body(server: MockRealtimeServer) -> None:
        provider = compatible(server.base_url, auth=BEARER if key else None)
        async with backend.client(provider=provider, api_key=key) as client:
            assert (await client.calls.create(sdp=OFFER)).sdp.startswith("v=0")
            await client.calls.create(sdp=OFFER, dcid=0, extra_query={"x": "1"})
        first, second = server.requests
        assert (first.headers["content-type"], first.body) == ("application/sdp", OFFER.encode())
        assert (first.path, second.path) == (
            "/v1/realtime/calls",
            "/v1/realtime/calls?dcid=0&x=1",
        )

    with MockRealtimeServer(
        provider=None if key else "keyless", dialect="both", api_key=None
    ) as server:
        backend.run(lambda: body(server))


@pytest.mark.parametrize(
    ("code", "hint"),
    [(None, "The server has no calls endpoint"), ("model_not_found", "Check the model name")],
)
def test_the_error_of_a_server_without_calls(
    backend: Backend, realtime_server: MockRealtimeServer, code: str | None, hint: str
) -> None:
    realtime_server.respond_next(MockResponse(404, json={"error": {"message": "x", "code": code}}))

    async def body() -> None:
        async with backend.client() as client:
            with pytest.raises(NotFoundError, match=hint):
                await client.calls.create(sdp=OFFER)

    backend.run(body)


@pytest.mark.parametrize(
    ("location", "call_id"),
    [
        ("/v1/realtime/calls/rtc_1", "rtc_1"),
        ("https://h/v1/realtime/calls/rtc-2/?x=1", "rtc-2"),
        ("/v1/realtime/calls?call_id=rtc_3", "rtc_3"),
        ("/v1/realtime/calls/?call_id=bad%20id", None),
        ("/v1/realtime/calls", None),
        ("/v1/other/rtc_4", None),
        ("", None),
        ("/v1/realtime/calls/bad id", None),
    ],
)
def test_the_id_is_in_the_location(
    backend: Backend, realtime_server: MockRealtimeServer, location: str, call_id: str | None
) -> None:
    headers = {"location": location} if location else {}
    realtime_server.respond_next(MockResponse(201, body=b"v=0\r\n", headers=headers))

    async def body() -> None:
        async with backend.client() as client:
            assert (await client.calls.create(sdp=OFFER)).id == call_id

    backend.run(body)


def test_a_success_without_sdp_is_an_error(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    realtime_server.respond_next(MockResponse(201, body=b"<html>"))

    async def body() -> None:
        async with backend.client() as client:
            with pytest.raises(APIResponseValidationError, match="without an SDP answer") as caught:
                await client.calls.create(sdp=OFFER)
            assert caught.value.possibly_acted  # the call may have begun

    backend.run(body)


def test_phone_calls(backend: Backend, realtime_server: MockRealtimeServer) -> None:
    async def body() -> None:
        async with backend.client() as client:
            await client.calls.accept("rtc_1", model="gpt-realtime-2.1", instructions="Be kind.")
            await client.calls.reject("rtc_1", status_code=486)
            await client.calls.reject("rtc_1")
            await client.calls.refer("rtc_1", target_uri="tel:+14155550123")
            await client.calls.hangup("rtc_1")
        sent = [
            (request.path.removeprefix("/v1/realtime/calls/rtc_1/"), request.body)
            for request in realtime_server.requests
        ]
        assert sent == [
            (
                "accept",
                b'{"type":"realtime","model":"gpt-realtime-2.1","instructions":"Be kind."}',
            ),
            ("reject", b'{"status_code":486}'),
            ("reject", b""),
            ("refer", b'{"target_uri":"tel:+14155550123"}'),
            ("hangup", b""),
        ]
        assert "content-type" not in realtime_server.requests[-1].headers

    backend.run(body)


@pytest.mark.parametrize(
    ("action", "arguments", "params", "param", "message"),
    [
        ("hangup", ["../../files"], {}, "call_id", "call_id must be 1 to 128"),
        ("hangup", [""], {}, "call_id", "call_id"),
        ("hangup", ["rtc_1\n"], {}, "call_id", "call_id"),
        ("hangup", ["x" * 129], {}, "call_id", "call_id"),
        ("accept", ["rtc_1"], {"voice": "verse"}, "voice", "voice is audio.output.voice here"),
        ("reject", ["rtc_1"], {"status_code": 200}, "status_code", "SIP status code from 300 to"),
        ("refer", ["rtc_1"], {}, "target_uri", "target_uri is required"),
        ("refer", ["rtc_1"], {"target_uri": "http://x"}, "target_uri", "a tel: or sip: URI"),
        ("refer", ["rtc_1"], {"target_uri": "tel:1\r\n2"}, "target_uri", "a tel: or sip: URI"),
        ("hangup", ["rtc_1"], {"why": "x"}, "why", "why is not a known parameter"),
        ("create", [], {}, "sdp", "sdp is required"),
        ("create", [], {"sdp": OFFER, "dcid": 65535}, "dcid", "dcid must be"),
        ("create", [], {"sdp": OFFER, "webrtcfilter": True}, "webrtcfilter", "'on' or 'off'"),
        ("create", [], {"sdp": "v=0\ud800"}, "sdp", "sdp has a lone surrogate"),
        (
            "create",
            [],
            {"sdp": OFFER, "extra_body": {'a"\r\n': 1}},
            "extra_body",
            "names must be letters",
        ),
        ("hangup", [123], {}, "call_id", "call_id"),
    ],
)
def test_wrong_arguments_are_reported_and_not_sent(
    backend: Backend,
    realtime_server: MockRealtimeServer,
    action: str,
    arguments: list[Any],
    params: dict[str, Any],
    param: str,
    message: str,
) -> None:
    async def body() -> None:
        async with backend.client() as client:
            with pytest.raises(ParameterError, match=message) as caught:
                await getattr(client.calls, action)(*arguments, **params)
            assert caught.value.param == param

    backend.run(body)
    assert realtime_server.requests == []


def test_actions_are_not_repeated_when_they_may_have_happened(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client(retry=QUICK) as client:
            for response in (MockResponse(drop="before"), MockResponse(500)):
                realtime_server.respond_next(response)
                with pytest.raises((APIConnectionError, InternalServerError)) as caught:
                    await client.calls.hangup("rtc_1")
                assert caught.value.attempts == 1
            for response in (MockResponse(409), MockResponse(503), MockResponse(429)):
                realtime_server.respond_next(response)
                with pytest.raises(APIStatusError) as caught:
                    await client.calls.hangup("rtc_1")
                assert caught.value.attempts == 1
            realtime_server.respond_next(
                MockResponse(503, headers={"retry-after": "0"}),
                MockResponse(500, headers={"x-should-retry": "true"}),
            )
            await client.calls.hangup("rtc_1")  # both responses request a retry explicitly
        assert len(realtime_server.requests) == 8


@pytest.mark.parametrize("response", [b"<html>Sign in</html>", b'{"error": {"message": "no"}}'])
def test_a_success_with_an_error_is_an_error(
    backend: Backend, realtime_server: MockRealtimeServer, response: bytes
) -> None:
    realtime_server.respond_next(MockResponse(200, body=response))

    async def body() -> None:
        async with backend.client() as client:
            with pytest.raises(
                APIResponseValidationError, match="an HTML page or reports an error"
            ) as caught:
                await client.calls.hangup("rtc_1")
            assert caught.value.possibly_acted

    backend.run(body)


def test_the_error_of_a_call_that_is_over(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client() as client:
            realtime_server.respond_next(MockResponse(404))
            with pytest.raises(NotFoundError) as caught:
                await client.calls.hangup("rtc_1")
            assert caught.value.hint == ("The call has ended, or call_id is wrong")

    backend.run(body)


def test_a_call_is_accepted_with_or_without_its_type(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client() as client:
            await client.calls.accept(call_id="rtc_1", type="realtime", model="m")
            await client.calls.accept("rtc_1", model="m")
        first, second = (request.json for request in realtime_server.requests)
        assert first == second == {"type": "realtime", "model": "m"}

    backend.run(body)


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/plain", b"v=0", 415),
        ("application/sdp", b"nonsense", 400),
        ("multipart/form-data; boundary=x", b"--x--", 400),
    ],
)
def test_the_mock_rejects_a_wrong_offer(
    realtime_server: MockRealtimeServer, content_type: str, body: bytes, status: int
) -> None:
    import httpx  # noqa: PLC0415 - another client than ours, on purpose

    headers = {
        "content-type": content_type,
        "authorization": f"Bearer {realtime_server.api_key}",
    }
    url = f"{realtime_server.base_url}/realtime/calls"
    assert httpx.post(url, content=body, headers=headers).status_code == status
    for wrong in ("/rtc_1/explode", "/rtc_1", "/rtc_1/hangup/now"):
        assert httpx.post(url + wrong, headers=headers).status_code == 404
