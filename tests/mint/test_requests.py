from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from starlette.requests import Request

from mint.service import PAGE, PATH, app_for, browser, request_secret, user_header
from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import endpoint, mint_endpoint
from openai_realtime.testing import MockRealtimeServer

if TYPE_CHECKING:
    from starlette.testclient import TestClient

JSON = {"content-type": "application/json"}


def minted(provider: MockRealtimeServer) -> int:
    return len(provider.requests)


# --- What a secret comes with ----------------------------------------------------------------


def test_the_response_is_the_secret_and_its_connect_url(
    provider: MockRealtimeServer, page: TestClient
) -> None:
    response = request_secret(page, {"origin": PAGE})
    assert response.status_code == 200
    content = response.json()
    assert list(content) == ["value", "expires_at", "connect_url", "model"]
    assert content["value"].startswith("ek_")
    assert content["connect_url"] == f"{provider.base_url}/realtime/calls"
    assert content["model"] == "gpt-realtime-2.1"
    sent: Any = provider.requests[0].json
    assert sent == {
        "model": "gpt-realtime-2.1",
        "voice": "verse",
        "client_secret": {"expires_after": {"seconds": 60}},
    }
    assert "openai-safety-identifier" not in provider.requests[0].headers
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert len(response.headers["x-request-id"]) == 32


def test_an_error_response_repeats_nothing_of_the_request(page: TestClient) -> None:
    response = request_secret(page, json={"voice": "evil"})
    content = response.json()
    assert list(content) == ["error", "message", "request_id"]
    assert content["request_id"] == response.headers["x-request-id"]
    assert "evil" not in response.text
    assert response.headers["cache-control"] == "no-store"


# --- Origins ---------------------------------------------------------------------------------

REFUSED_ORIGINS = [
    "null",
    "",
    "*",
    "https://app.example.evil.example",
    "https://evil-app.example",
    "https://evil.app.example",
    "https://app.example:8443",
    "https://app.example:443",
    "http://app.example",
    "https://APP.EXAMPLE",
    "HTTPS://app.example",
    "https://app.example/",
    "https://app.example.",
    "https://app.example, https://evil.example",
    " https://app.example/evil",
    "https://user@app.example",
]


@pytest.mark.parametrize("origin", REFUSED_ORIGINS)
def test_other_origins_are_refused(
    provider: MockRealtimeServer, page: TestClient, origin: str
) -> None:
    response = request_secret(page, {"origin": origin})
    assert (response.status_code, response.json()["error"]) == (403, "origin_not_allowed")
    assert [name for name in response.headers if name.startswith("access-control")] == []
    assert response.headers["vary"] == "Origin"
    preflight = page.options(
        PATH, headers={"origin": origin, "access-control-request-method": "POST"}
    )
    assert preflight.status_code == 403
    assert [name for name in preflight.headers if name.startswith("access-control")] == []
    assert minted(provider) == 0


def test_two_origin_headers_are_refused(provider: MockRealtimeServer, page: TestClient) -> None:
    response = page.post(
        PATH, json={}, headers=[("x-user", "a"), ("origin", PAGE), ("origin", PAGE)]
    )
    assert (response.status_code, minted(provider)) == (403, 0)


def test_a_request_without_an_origin_is_allowed(page: TestClient) -> None:
    response = request_secret(page)
    assert response.status_code == 200
    assert response.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in response.headers


def test_an_allowed_page_may_read_responses_and_errors(page: TestClient) -> None:
    for json, status in (({}, 200), ({"voice": "x"}, 400)):
        response = request_secret(page, {"origin": PAGE}, json)
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == PAGE
        assert response.headers["access-control-expose-headers"] == "Retry-After, X-Request-Id"
        assert "access-control-allow-credentials" not in response.headers
        assert response.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        "capacitor://localhost",
        "ionic://localhost",
        "tauri://localhost",
        "https://tauri.localhost",
        "app://.",
        "chrome-extension://cjpalhdlnbpafiamejdnhcphjbkeiagm",
        "moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc",
        "safari-web-extension://E1B2F3A4-0000-4000-8000-0123456789AB",
        "http://my_app.localhost:3000",
        "http://[::1]:3000",
        "com.example.app+1://host:8443",
    ],
)
def test_an_origin_of_any_scheme_is_allowed_exactly(
    provider: MockRealtimeServer, origin: str
) -> None:
    with browser(app_for(provider, origins=[origin])) as page:
        response = request_secret(page, {"origin": origin})
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == origin
        preflight = {"access-control-request-method": "POST"}
        assert page.options(PATH, headers={"origin": origin, **preflight}).status_code == 204
        for other in (f"{origin}.evil", f"{origin}/", origin.upper(), f"x{origin}", PAGE):
            assert request_secret(page, {"origin": other}).status_code == 403


@pytest.mark.parametrize("credentials", [False, True])
def test_the_response_to_a_preflight(provider: MockRealtimeServer, *, credentials: bool) -> None:
    with browser(app_for(provider, credentials=credentials)) as page:
        response = page.options(
            PATH,
            headers={
                "origin": PAGE,
                "access-control-request-method": "POST",
                "access-control-request-headers": "content-type, x-anything",
            },
        )
    assert (response.status_code, response.content) == (204, b"")
    headers = {n: v for n, v in response.headers.items() if n.startswith("access-control-allow")}
    expected = {
        "access-control-allow-origin": PAGE,
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "Authorization, Content-Type",
    }
    if credentials:
        expected["access-control-allow-credentials"] = "true"
    assert headers == expected
    assert response.headers["vary"] == "Origin"
    assert minted(provider) == 0


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": PAGE}, {"origin": PAGE, "access-control-request-method": "DELETE"}],
)
def test_options_without_a_preflight_for_post_is_refused(
    page: TestClient, headers: dict[str, str]
) -> None:
    response = page.options(PATH, headers=headers)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


# --- Methods, content types, bodies ----------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"])
def test_other_methods_are_refused(
    provider: MockRealtimeServer, page: TestClient, method: str
) -> None:
    response = page.request(method, PATH, content=b"{}", headers=JSON)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert minted(provider) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "text/plain; application/json"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/jsonp"},
        {"content-type": "application/json, text/plain"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": ""},
    ],
)
def test_other_content_types_than_json_are_refused(
    provider: MockRealtimeServer, page: TestClient, headers: dict[str, str]
) -> None:
    response = page.post(PATH, content=b"{}", headers=headers)
    assert (response.status_code, response.json()["error"]) == (415, "not_json")
    assert minted(provider) == 0


@pytest.mark.parametrize(
    ("encodings", "status"),
    [(["identity"], 200), (["Identity", "identity"], 200), (["identity", "gzip"], 415)],
)
def test_every_content_encoding_is_checked(
    page: TestClient, encodings: list[str], status: int
) -> None:
    headers = [*JSON.items(), ("x-user", "ann"), *[("content-encoding", e) for e in encodings]]
    assert page.post(PATH, content=b"{}", headers=headers).status_code == status


@pytest.mark.parametrize("path", [f"{PATH}/", "/healthz/"])
def test_there_is_no_redirect_to_the_host_header(page: TestClient, path: str) -> None:
    response = page.post(path, json={}, headers={"host": "evil.example"}, follow_redirects=False)
    assert (response.status_code, response.headers.get("location")) == (404, None)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"'],
)
def test_json_is_accepted(page: TestClient, content_type: str) -> None:
    assert page.post(PATH, content=b"{}", headers={"content-type": content_type}).is_success


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"voice"',
        b"{",
        b"{} {}",
        b'{"voice": "verse", "voice": "verse"}',
        b'{"voice": {"id": 1, "id": 1}}',
        b'{"voice": NaN}',
        b"\xff\xfe{\x00}\x00",
        b"[" * 2000,
        b'{"a":' * 70 + b"1" + b"}" * 70,
    ],
)
def test_malformed_bodies_are_refused(
    provider: MockRealtimeServer, page: TestClient, body: bytes
) -> None:
    response = page.post(PATH, content=body, headers=JSON)
    assert (response.status_code, response.json()["error"]) == (400, "malformed_json")
    assert minted(provider) == 0


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("way", ["at once", "with a lie"])
def test_a_body_of_more_than_4_kib_is_refused(
    provider: MockRealtimeServer, page: TestClient, extra: int, way: str
) -> None:
    body = b"{}" + b" " * (4094 + extra)
    headers = {**JSON, "content-length": "2"} if way == "with a lie" else JSON
    response = page.post(PATH, content=body, headers=headers)
    assert response.status_code == (413 if extra else 200)
    is_unread = extra and way == "at once"  # refused for its Content-Length
    assert response.headers.get("connection") == ("close" if is_unread else None)
    assert minted(provider) == 1 - extra


async def who_reads(request: Request) -> str:
    await request.body()
    return "ann"


@pytest.mark.parametrize("authorize", [user_header, who_reads])
@pytest.mark.parametrize("way", ["nothing", "drop by drop"])
def test_a_body_that_does_not_arrive_in_time_is_408(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch, authorize: Any, way: str
) -> None:
    monkeypatch.setattr(endpoint, "BODY_SECONDS", 0.05)
    sent: list[Any] = []

    async def receive() -> Any:
        await (anyio.sleep_forever() if way == "nothing" else anyio.sleep(0.002))
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def body() -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        with anyio.fail_after(30):
            await app_for(provider, authorize=authorize)(scope, receive, send)

    scope: Any = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"x-user", b"ann")],
    }
    anyio.run(body)
    assert sent[0]["status"] == 408
    assert minted(provider) == 0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    ("body", "status"), [(b"{}", 200), (b"[]", 400), (b" " * 4097, 413), (None, 499)]
)
def test_respond_takes_a_body_that_a_framework_has_read(
    provider: MockRealtimeServer, backend: str, body: bytes | None, status: int
) -> None:
    """Without a body it reads one, and here the client disconnects."""

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def respond() -> None:
        async with RealtimeSessionsClient(
            base_url=provider.base_url, api_key=provider.api_key
        ) as client:
            endpoint = mint_endpoint(client, session={"model": "m"}, authorize=lambda _: "ann")
            headers = [(b"content-type", b"application/json")]
            scope = {"type": "http", "method": "POST", "path": PATH, "headers": headers}
            with anyio.fail_after(30):
                response = await endpoint.respond(Request(scope, receive), body)
        assert response.status_code == status
        assert len(response.headers["x-request-id"]) == 32

    anyio.run(respond, backend=backend)
    assert minted(provider) == (status == 200)


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_the_endpoint_handles_http_only(provider: MockRealtimeServer, kind: str) -> None:
    client = RealtimeSessionsClient(base_url=provider.base_url, api_key="sk-x")
    endpoint = mint_endpoint(client, session={"model": "m"}, authorize=user_header)
    never: Any = None
    with pytest.raises(RuntimeError, match="HTTP requests only"):
        anyio.run(endpoint, {"type": kind}, never, never)


# --- What the page may choose ----------------------------------------------------------------


@pytest.mark.parametrize(
    "requested",
    [
        {"voice": "alloy"},
        {"voice": "VERSE"},
        {"voice": None},
        {"voice": ["verse"]},
        {"voice": {"id": "voice_1"}},
        {"speed": 1.2},
        {"speed": True},
        {"temperature": True},
        {"model": "gpt-4o"},
        {"instructions": "Obey me."},
        {"tools": []},
        {"base_url": "https://evil.example"},
        {"connect_url": "https://evil.example"},
        {"extra_headers": {"a": "b"}},
        {"client_secret": {"expires_after": {"seconds": 7200}}},
        {"safety_identifier": "somebody else"},
        {"session": {"model": "gpt-4o"}},
        {"": ""},
    ],
)
def test_a_choice_that_is_not_listed_is_refused(
    provider: MockRealtimeServer, requested: dict[str, Any]
) -> None:
    with browser(app_for(provider, allow={"voice": ["verse", "marin"], "speed": [1, 1.5]})) as page:
        response = request_secret(page, json=requested)
    assert (response.status_code, response.json()["error"]) == (400, "choice_not_allowed")
    assert minted(provider) == 0


@pytest.mark.parametrize(
    "session",
    [
        {"model": "gpt-realtime-2.1", "voice": "verse"},
        {"type": "realtime", "model": "gpt-realtime-2.1", "audio": {"output": {"voice": "verse"}}},
    ],
)
@pytest.mark.parametrize("dialect", ["beta", "ga"])
def test_a_listed_choice_is_minted(session: dict[str, Any], dialect: Any) -> None:
    allow = {"voice": ["verse", "marin"], "speed": [1, 1.5], "turn_detection": [None]}
    with MockRealtimeServer(dialect=dialect) as provider:
        app = app_for(provider, session=session, allow=allow, lifetime=90)
        with browser(app) as page:
            response = request_secret(
                page, json={"voice": "marin", "speed": 1.0, "turn_detection": None}
            )
            plain = request_secret(page)
        content = response.json()
        assert (response.status_code, content["model"]) == (200, "gpt-realtime-2.1")
        chosen, usual = (request.json for request in provider.requests[-2:])
    assert "marin" in str(chosen)
    assert "verse" not in str(chosen)
    assert "'turn_detection': None" in str(chosen)
    assert "'seconds': 90" in str(usual)
    assert "verse" in str(usual)
    assert plain.json()["value"] != content["value"]


def test_a_transcription_session_has_no_model(provider: MockRealtimeServer) -> None:
    session = {
        "type": "transcription",
        "audio": {"input": {"transcription": {"model": "gpt-transcribe"}}},
    }
    with browser(app_for(provider, session=session)) as page:
        assert request_secret(page).json()["model"] is None
