"""The page's files, and the headers that they are sent with."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from openai_realtime.mint.page import page_routes


@pytest.fixture(scope="module")
def page() -> TestClient:
    return TestClient(Starlette(routes=page_routes("https://api.example:8443/v1/calls?x=1")))


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
    for path in ("/page/none.js", "/page/", "/page/..%2findex.html", "/none"):
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
