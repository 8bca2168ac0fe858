from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from mint.service import PAGE, PATH, app_for, ask, browser, user_header
from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import endpoint, mint_endpoint
from openai_realtime.testing import MockRealtimeServer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.testclient import TestClient

JSON = {"content-type": "application/json"}


def minted(provider: MockRealtimeServer) -> int:
    return len(provider.requests)


# --- What a secret comes with ----------------------------------------------------------------


def test_the_answer_is_the_secret_and_where_to_take_it(
    provider: MockRealtimeServer, asking: TestClient
) -> None:
    answer = ask(asking, {"origin": PAGE})
    assert answer.status_code == 200
    told = answer.json()
    assert list(told) == ["value", "expires_at", "connect_url", "model"]
    assert told["value"].startswith("ek_")
    assert told["connect_url"] == f"{provider.base_url}/realtime/calls"
    assert told["model"] == "gpt-realtime"
    sent: Any = provider.requests[0].json
    assert sent == {
        "model": "gpt-realtime",
        "voice": "verse",
        "client_secret": {"expires_after": {"seconds": 60}},
    }
    assert "openai-safety-identifier" not in provider.requests[0].headers
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert len(answer.headers["x-request-id"]) == 32


def test_refusals_say_no_more_than_they_must(asking: TestClient) -> None:
    answer = ask(asking, json={"voice": "evil"})
    told = answer.json()
    assert list(told) == ["error", "message", "request_id"]
    assert told["request_id"] == answer.headers["x-request-id"]
    assert "evil" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


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
    provider: MockRealtimeServer, asking: TestClient, origin: str
) -> None:
    answer = ask(asking, {"origin": origin})
    assert (answer.status_code, answer.json()["error"]) == (403, "origin_not_allowed")
    assert [name for name in answer.headers if name.startswith("access-control")] == []
    assert answer.headers["vary"] == "Origin"
    preflight = asking.options(
        PATH, headers={"origin": origin, "access-control-request-method": "POST"}
    )
    assert preflight.status_code == 403
    assert [name for name in preflight.headers if name.startswith("access-control")] == []
    assert minted(provider) == 0


def test_two_origins_are_none(provider: MockRealtimeServer, asking: TestClient) -> None:
    answer = asking.post(
        PATH, json={}, headers=[("x-user", "a"), ("origin", PAGE), ("origin", PAGE)]
    )
    assert (answer.status_code, minted(provider)) == (403, 0)


def test_a_native_app_sends_no_origin(asking: TestClient) -> None:
    answer = ask(asking)
    assert answer.status_code == 200
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in answer.headers


def test_the_listed_page_may_read_answers_and_refusals(asking: TestClient) -> None:
    for json, status in (({}, 200), ({"voice": "x"}, 400)):
        answer = ask(asking, {"origin": PAGE}, json)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["access-control-expose-headers"] == "Retry-After, X-Request-Id"
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("credentials", [False, True])
def test_a_preflight_is_answered_exactly(
    provider: MockRealtimeServer, *, credentials: bool
) -> None:
    with browser(app_for(provider, credentials=credentials)) as page:
        answer = page.options(
            PATH,
            headers={
                "origin": PAGE,
                "access-control-request-method": "POST",
                "access-control-request-headers": "content-type, x-anything",
            },
        )
    assert (answer.status_code, answer.content) == (204, b"")
    told = {n: v for n, v in answer.headers.items() if n.startswith("access-control-allow")}
    expected = {
        "access-control-allow-origin": PAGE,
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "Authorization, Content-Type",
    }
    if credentials:
        expected["access-control-allow-credentials"] = "true"
    assert told == expected
    assert answer.headers["vary"] == "Origin"
    assert minted(provider) == 0


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": PAGE}, {"origin": PAGE, "access-control-request-method": "DELETE"}],
)
def test_what_is_no_preflight_for_a_post_is_refused(
    asking: TestClient, headers: dict[str, str]
) -> None:
    answer = asking.options(PATH, headers=headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


# --- Methods, content types, bodies ----------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"])
def test_other_methods_are_refused(
    provider: MockRealtimeServer, asking: TestClient, method: str
) -> None:
    answer = asking.request(method, PATH, content=b"{}", headers=JSON)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
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
def test_what_is_not_json_is_refused(
    provider: MockRealtimeServer, asking: TestClient, headers: dict[str, str]
) -> None:
    answer = asking.post(PATH, content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (415, "not_json")
    assert minted(provider) == 0


@pytest.mark.parametrize(
    ("encodings", "status"),
    [(["identity"], 200), (["Identity", "identity"], 200), (["identity", "gzip"], 415)],
)
def test_every_content_encoding_counts(
    asking: TestClient, encodings: list[str], status: int
) -> None:
    headers = [*JSON.items(), ("x-user", "ann"), *[("content-encoding", e) for e in encodings]]
    assert asking.post(PATH, content=b"{}", headers=headers).status_code == status


@pytest.mark.parametrize("path", [f"{PATH}/", "/healthz/"])
def test_nothing_is_redirected_to_whatever_host_says(asking: TestClient, path: str) -> None:
    answer = asking.post(path, json={}, headers={"host": "evil.example"}, follow_redirects=False)
    assert (answer.status_code, answer.headers.get("location")) == (404, None)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"'],
)
def test_json_is_taken(asking: TestClient, content_type: str) -> None:
    assert asking.post(PATH, content=b"{}", headers={"content-type": content_type}).is_success


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
    provider: MockRealtimeServer, asking: TestClient, body: bytes
) -> None:
    answer = asking.post(PATH, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error"]) == (400, "malformed_json")
    assert minted(provider) == 0


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("way", ["at once", "with a lie"])
def test_a_body_has_4_kib_at_most(
    provider: MockRealtimeServer, asking: TestClient, extra: int, way: str
) -> None:
    body = b"{}" + b" " * (4094 + extra)
    headers = {**JSON, "content-length": "2"} if way == "with a lie" else JSON
    answer = asking.post(PATH, content=body, headers=headers)
    assert answer.status_code == (413 if extra else 200)
    is_unread = extra and way == "at once"  # refused for its Content-Length
    assert answer.headers.get("connection") == ("close" if is_unread else None)
    assert minted(provider) == 1 - extra


async def who_reads(request: Request) -> str:
    await request.body()
    return "ann"


@pytest.mark.parametrize("authorize", [user_header, who_reads])
@pytest.mark.parametrize("way", ["nothing", "drop by drop"])
def test_a_body_that_does_not_come_is_not_waited_for(
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

        with anyio.fail_after(5):
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


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_the_endpoint_answers_http_alone(provider: MockRealtimeServer, kind: str) -> None:
    client = RealtimeSessionsClient(base_url=provider.base_url, api_key="sk-x")
    endpoint = mint_endpoint(client, session={"model": "m"}, authorize=user_header)
    never: Any = None
    with pytest.raises(RuntimeError, match="HTTP requests alone"):
        anyio.run(endpoint, {"type": kind}, never, never)


# --- What the page may choose ----------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
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
def test_nothing_can_be_chosen_that_is_not_listed(
    provider: MockRealtimeServer, asked: dict[str, Any]
) -> None:
    with browser(app_for(provider, allow={"voice": ["verse", "marin"], "speed": [1, 1.5]})) as page:
        answer = ask(page, json=asked)
    assert (answer.status_code, answer.json()["error"]) == (400, "choice_not_allowed")
    assert minted(provider) == 0


@pytest.mark.parametrize(
    "session",
    [
        {"model": "gpt-realtime", "voice": "verse"},
        {"type": "realtime", "model": "gpt-realtime", "audio": {"output": {"voice": "verse"}}},
    ],
)
@pytest.mark.parametrize("dialect", ["beta", "ga"])
def test_what_is_listed_can_be_chosen(session: dict[str, Any], dialect: Any) -> None:
    allow = {"voice": ["verse", "marin"], "speed": [1, 1.5], "turn_detection": [None]}
    with MockRealtimeServer(dialect=dialect) as provider:
        app = app_for(provider, session=session, allow=allow, lifetime=90)
        with browser(app) as page:
            answer = ask(page, json={"voice": "marin", "speed": 1.0, "turn_detection": None})
            plain = ask(page)
        told = answer.json()
        assert (answer.status_code, told["model"]) == (200, "gpt-realtime")
        chosen, usual = (request.json for request in provider.requests[-2:])
    assert "marin" in str(chosen)
    assert "verse" not in str(chosen)
    assert "'turn_detection': None" in str(chosen)
    assert "'seconds': 90" in str(usual)
    assert "verse" in str(usual)
    assert plain.json()["value"] != told["value"]


def test_a_transcription_session_has_no_model_of_its_own(provider: MockRealtimeServer) -> None:
    session = {
        "type": "transcription",
        "audio": {"input": {"transcription": {"model": "whisper-1"}}},
    }
    with browser(app_for(provider, session=session)) as page:
        assert ask(page).json()["model"] is None
