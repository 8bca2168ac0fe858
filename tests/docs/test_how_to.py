"""What the programs of the how-to pages do, beyond running: `test_blocks.py` runs them all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from executables import program
from markdown_blocks import BLOCKS, run_process
from starlette.testclient import TestClient

from openai_realtime.testing import MockRealtimeServer, MockResponse

RunProgram = Callable[..., dict[str, Any]]
OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


def test_a_user_signs_in_and_gets_a_secret_of_their_own_app(run_program: RunProgram) -> None:
    names = run_program("how-to/fastapi.md", "OAuth2PasswordBearer")
    with TestClient(names["app"]) as page:
        headers = {"origin": "https://app.example", "authorization": "Bearer the token of ann"}
        assert page.post("/voice/client-secret", json={}, headers=headers).status_code == 200
        headers["authorization"] = "Bearer made-up"
        response = page.post("/voice/client-secret", json={}, headers=headers)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


def test_the_broker_greets_answers_and_ends_with_the_browser(
    run_program: RunProgram, realtime_server: MockRealtimeServer
) -> None:
    names = run_program("how-to/broker.md", "on_sideband=")
    with TestClient(names["app"]) as page:
        headers = {"content-type": "application/sdp", "x-user": "ann"}
        assert page.post("/calls", content=OFFER, headers=headers).status_code == 201
        call = realtime_server.calls[-1]
        assert "Greet the person" in call.wait_for_speech().text
        asked = call.model_calls("opening_hours", {"day": "Sunday"})
        assert call.wait_for_output(asked) == "closed"


def test_the_broker_begins_a_gpt_live_session(
    run_program: RunProgram, realtime_server: MockRealtimeServer
) -> None:
    names = run_program("how-to/gpt-live.md", "mint_app(")
    with TestClient(names["app"]) as page:
        headers = {"content-type": "application/sdp", "x-user": "ann"}
        response = page.post("/voice/calls", content=OFFER, headers=headers)
    assert (response.status_code, response.headers["x-max-duration"]) == (201, "900")
    assert realtime_server.requests[0].path == "/v1/live/sessions"


def test_gpt_lives_route_returns_the_answer(
    run_program: RunProgram, realtime_server: MockRealtimeServer
) -> None:
    names = run_program("how-to/gpt-live.md", '@app.post("/live")')
    with TestClient(names["app"]) as page:
        response = page.post("/live", content=OFFER)
        assert (response.status_code, response.text[:3]) == (201, "v=0")
        realtime_server.respond_next(MockResponse(403, json={"error": {"message": "org-123"}}))
        response = page.post("/live", content=OFFER)
    assert (response.status_code, "org-123" in response.text) == (502, False)


@pytest.mark.parametrize(("provider", "status"), [(MockResponse(403), 502), (None, 200)])
def test_a_lambda_function_mints(
    provider: MockResponse | None,
    status: int,
    run_program: RunProgram,
    realtime_server: MockRealtimeServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = run_program("how-to/serverless.md", "def handler(event")
    if provider is not None:
        realtime_server.respond_next(provider)
    event = {"requestContext": {"authorizer": {"jwt": {"claims": {"sub": "ann"}}}}}
    response = names["handler"](event, None)
    assert response["statusCode"] == status
    assert ("ek_" in response["body"]) == (status == 200)
    assert (capsys.readouterr().out != "") == (status != 200)
    names["client"]().close()


def test_nginx_accepts_the_configuration(tmp_path: Path) -> None:
    nginx = program("nginx")
    trustme = pytest.importorskip("trustme")
    issued = trustme.CA().issue_cert("voice.example")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "fullchain.pem")
    issued.private_key_pem.write_to_path(tmp_path / "privkey.pem")
    (shown,) = [block.code for block in BLOCKS if block.title == "nginx.conf"]
    for folder in ("/etc/letsencrypt/live/voice.example", "/var/log/nginx"):
        shown = shown.replace(folder, str(tmp_path))
    (tmp_path / "nginx.conf").write_text(f"pid pid;\nevents {{}}\nhttp {{\n{shown}}}\n")
    command = [nginx, "-t", "-p", f"{tmp_path}/", "-e", "stderr", "-c", "nginx.conf"]
    done = run_process(command, tmp_path)
    assert done.returncode == 0, done.stderr
