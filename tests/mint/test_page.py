"""The page's files, and the headers that they are sent with."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from openai_realtime.mint.page import PageSettings, page_routes


def page_with(**settings: Any) -> TestClient:
    connect_url = "https://api.example:8443/v1/calls?x=1"
    return TestClient(Starlette(routes=page_routes(PageSettings(connect_url, **settings))))


@pytest.fixture(scope="module")
def page() -> TestClient:
    return page_with()


@pytest.mark.parametrize(
    ("path", "content_type", "beginning"),
    [
        ("/", "text/html; charset=utf-8", "<!doctype html>"),
        ("/page/app.js", "text/javascript; charset=utf-8", ""),
        ("/page/style.css", "text/css; charset=utf-8", ""),
        ("/page/icon.svg", "image/svg+xml", "<svg"),
    ],
)
def test_a_file_is_sent_with_its_type(
    page: TestClient, path: str, content_type: str, beginning: str
) -> None:
    response = page.get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, content_type)
    assert response.text.lower().startswith(beginning)
    assert len(response.text) > 100


def test_there_is_nothing_else(page: TestClient) -> None:
    for path in ("/page/none.js", "/page/index.html", "/page/", "/page/..%2findex.html", "/none"):
        assert page.get(path).status_code == 404
    assert page.get("/page/none.js").text == "Not found"
    assert page.post("/").status_code == 405


def test_the_browser_lets_it_talk_to_this_service_and_the_provider_alone(page: TestClient) -> None:
    for path in ("/", "/page/app.js", "/page/none.js"):
        headers = page.get(path).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["connect-src"] == "'self' https://api.example:8443"
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == "'self'"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("settings", "attributes"),
    [
        ({}, {"access": "open", "mock": "none", "transcription": "off", "api": "realtime"}),
        ({"api": "live", "has_broker": True}, {"api": "live", "broker": "on"}),
        ({"asks_for_token": True}, {"access": "token"}),
        ({"mock": "calls"}, {"mock": "calls"}),
        ({"mock": "no-calls"}, {"mock": "no-calls"}),
        ({"transcription_model": "gpt-live-transcribe"}, {"transcription": "on"}),
    ],
    ids=str,
)
def test_the_page_knows_its_settings_before_a_call(
    settings: dict[str, Any], attributes: dict[str, str]
) -> None:
    text = page_with(**settings).get("/").text
    assert "$" not in text
    for name, value in attributes.items():
        assert f'data-{name}="{value}"' in text


@pytest.mark.parametrize(
    ("settings", "cost"),
    [
        (
            {"transcription_model": "gpt-transcribe"},
            "The provider bills this in addition to the session: $0.0045 a minute of speech at OpenAI.",
        ),
        (
            {"transcription_model": "gpt-transcribe", "mock": "calls"},
            "gpt-transcribe. A real provider bills this in addition to the session: $0.0045 a minute",
        ),
        (
            {"transcription_model": "<my-model>"},
            "&lt;my-model&gt;. The provider bills this in addition to the session.",
        ),
    ],
    ids=str,
)
def test_the_page_says_what_transcription_costs(settings: dict[str, Any], cost: str) -> None:
    text = page_with(**settings).get("/").text
    assert cost in re.sub("<[^>]*>", "", text)


def test_the_page_loads_nothing_from_other_hosts_and_has_no_inline_script(
    page: TestClient,
) -> None:
    text = page.get("/").text
    assert not re.search(
        r"""\b(?:https?:)?//[a-z]|\bstyle=|\bon[a-z]+=|<style|<script(?! type="module" src=)""",
        text,
    )
    named = set(re.findall(r'(?:src|href)="(page/[^"]+)"', text))
    for name in ("app", "call"):
        script = page.get(f"/page/{name}.js").text
        named |= {f"page/{each}" for each in re.findall(r'from "\./([^"]+)"', script)}
    assert "page/signalling.js" in named
    for name in named:
        file = page.get(f"/{name}")
        assert file.status_code == 200
        assert not re.search("https?://(?!localhost|www.w3.org/2000/svg)", file.text)


def test_a_service_that_begins_the_calls_is_all_that_its_page_talks_to() -> None:
    response = page_with(has_broker=True).get("/")
    policy = response.headers["content-security-policy"]
    assert policy.endswith("connect-src 'self'")
    assert "api.example" not in policy
    assert 'data-broker="on"' in response.text
