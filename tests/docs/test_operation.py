"""What the blocks of the pages about providers and operation do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import pytest
from markdown_blocks import ROOT, SKILL, execute, programs
from starlette.testclient import TestClient

from openai_realtime import GcpMetadata, RealtimeSessionsClient, providers
from openai_realtime.mint.broker.events import CallMetrics
from openai_realtime.mint.broker.life import EndReason
from openai_realtime.official_names import (
    CALL,
    CLIENT,
    ERROR,
    PACKAGE,
    RESOURCE,
    RESPONSE,
    SETTINGS,
)
from openai_realtime.testing import MockRealtimeServer

RunProgram = Callable[..., dict[str, Any]]


def page(name: str) -> str:
    return (ROOT / "docs" / "how-to" / name).read_text(encoding="utf-8")


def test_a_workload_identity_makes_a_client_that_mints(
    realtime_server: MockRealtimeServer, run_program: RunProgram
) -> None:
    names = run_program(
        "how-to/keys-and-identity.md", "RealtimeSessionsClient(api_key=identity)", without="Sync"
    )
    source = GcpMetadata(endpoint=realtime_server.metadata_url)
    identity = replace(names["identity"], token_url=realtime_server.token_url, subject_token=source)
    asyncio.run(names["client"].with_options(api_key=identity).sessions.create())
    assert len(realtime_server.identity.requests) == 2


def test_the_table_of_providers_is_true() -> None:
    rows = re.findall(r"\| `(RealtimeSessionsClient\(.*?\))` \| (.*?) \|", page("gateways.md"))
    assert len(rows) == 10
    for row, variable in rows:
        names = {**vars(providers), "RealtimeSessionsClient": RealtimeSessionsClient}
        given = {"get_token": lambda: "token", **names}
        keyed = row if "api_key" in row else re.sub(r"\)$", ", api_key='k')", row)
        client = eval(keyed.replace("(, ", "("), given)
        assert isinstance(client, RealtimeSessionsClient)
        assert variable in {f"`{client.provider.key_variable}`", "none"}


def test_the_page_about_the_official_sdk_has_every_name() -> None:
    cells = re.findall(r"^\|(.*?)\|", page("from-openai-sdk.md"), re.MULTILINE)
    named = re.findall(r"\w+", " ".join(re.findall(r"`(.*?)`", "\n".join(cells))))
    known = {*CALL, *CLIENT, *ERROR, *PACKAGE, *RESOURCE, *RESPONSE, *SETTINGS}
    assert known - {*named} == set()


@pytest.mark.parametrize("user", ["ann", None])
def test_an_app_of_the_fleet_asks_who_it_is(
    user: str | None, run_program: RunProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No Redis is there, so a user gets no secret; `examples/redis_fleet.py` has one."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("SAFETY_KEY", "0123456789abcdef")
    with TestClient(run_program("how-to/fleet.md", "SAFETY_KEY")["create_app"]()) as client:
        headers = {"origin": "https://app.example", **({"x-user": user} if user else {})}
        response = client.post("/client-secret", json={}, headers=headers)
    assert response.status_code == (503 if user else 401)


def test_the_page_about_observability_has_every_reason_and_metric_of_calls() -> None:
    first_cells = set(
        re.findall(r"^\| `(\w+)(?:\{\w+\})?` \|", page("observability.md"), re.MULTILINE)
    )
    # A call whose outcome is unknown has a metric of its own, and no event.
    assert {*get_args(EndReason), *CallMetrics.NAMES} - first_cells == {"possible_orphan"}


def test_the_skills_phone_accepts_and_rejects(
    realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = SKILL.relative_to(ROOT).as_posix()
    (program,) = [each for each in programs() if each.page == path and "greet" in each.code]
    names = execute(program, realtime_server, monkeypatch)
    (secret,) = re.findall(r"whsec_\w+", program.code)
    phone = realtime_server.phone(webhook_url="http://127.0.0.1:1", secret=secret)
    with TestClient(names["app"]) as sender:
        states = []
        for caller in ("+14155550123", "sip:anonymous@anonymous.invalid"):
            call = phone.ring(from_=caller)
            webhook = call.webhook
            sender.post("/webhooks/openai", content=webhook.body, headers=dict(webhook.headers))
            decision = call.wait_for_decision()
            states.append(decision.kind)
    assert states == ["accepted", "rejected"]


def test_the_skill_says_when_to_use_it() -> None:
    """The front matter that agents read: https://agentskills.io has its limits."""
    fields = dict(re.findall(r"^(name|description): (.*)$", SKILL.read_text("utf-8"), re.MULTILINE))
    assert fields["name"] == SKILL.parent.name
    assert "Use when" in fields["description"]
    assert len(fields["description"]) <= 1024
