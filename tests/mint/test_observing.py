from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from mint.service import PAGE, PATH, SESSION, app_for, ask, browser, until
from openai_realtime import APIStatusError, RealtimeError, RealtimeSessionsClient
from openai_realtime.mint import mint_app, readiness
from openai_realtime.mint.access_log import AccessEntry, described
from openai_realtime.mint.metrics import Metrics
from openai_realtime.testing import MockRealtimeServer, MockResponse

if TYPE_CHECKING:
    from starlette.testclient import TestClient

USER = "ann@example.com"
FACTS = [field.name for field in dataclasses.fields(AccessEntry)]
NEVER = ("sk-", "ek_", USER, "Bearer hunter2")


def records(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.name == "openai_realtime.mint"]


def test_one_line_a_request_with_facts_and_no_secrets(
    provider: MockRealtimeServer, all_logs: pytest.LogCaptureFixture
) -> None:
    app = app_for(provider, safety_key="0123456789abcdef")
    with browser(app, user=USER, client=("192.0.2.1", 1)) as page:
        page.headers["authorization"] = "Bearer hunter2"
        minted = ask(page, {"origin": PAGE})
        ask(page, {"origin": "https://evil.example"})
        ask(page, {"x-user": ""})
        provider.respond_next(MockResponse(401, json={"error": {"message": "no: ek_abcdefghijkl"}}))
        ask(page)
        page.options(PATH)
    told = records(all_logs)
    assert [record["outcome"] for record in told] == [
        "minted",
        "origin_not_allowed",
        "unauthorized",
        "provider_failed",
        "method_not_allowed",
    ]
    first, failed = told[0], told[3]
    assert first["request_id"] == minted.headers["x-request-id"]
    assert (first["status"], first["http_method"], first["client_address"]) == (
        200,
        "POST",
        "192.0.2.1",
    )
    assert (first["attempts"], first["provider_request_id"]) == (1, "req_mock_1")
    identifier = provider.requests[0].headers["openai-safety-identifier"]
    assert first["principal"] == failed["principal"] == identifier
    assert [told[1]["principal"], told[2]["principal"]] == [None, None]
    assert 0 < first["seconds"] < 10
    assert (first["levelno"], failed["levelno"]) == (logging.INFO, logging.WARNING)
    assert "AuthenticationError" not in str(first["error"])
    assert "401" in failed["error"]
    fields = first.keys() - vars(logging.makeLogRecord({})).keys() - {"message", "asctime"}
    assert len(fields) == 10
    written = "\n".join(
        json.dumps({name: record[name] for name in fields}) + record["message"] for record in told
    )
    for text in NEVER:
        assert text not in written
        assert text not in all_logs.text


def test_a_providers_failure_stands_in_the_line(
    provider: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    error = {"message": "Wrong key: sk-1234567890abcdef", "code": "invalid_api_key"}
    provider.respond_next(
        MockResponse(401, json={"error": error}, headers={"x-request-id": "req_provider"})
    )
    with browser(app_for(provider)) as page:
        answer = ask(page)
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    ours = answer.json()["request_id"]
    begin = rf"POST 502 provider_failed in \d+\.\d{{3}} s \(request id {ours}\): "
    assert re.match(begin + "401 invalid_api_key: Wrong key: ", line)
    assert "request id req_provider" in line
    assert "sk-123" not in line


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RealtimeError("no\r\nPOST 200 minted\tin"), "no POST 200 minted in"),
        (RealtimeError("\x1b[31mred\x00\x85\u202eder\ud800"), r"\x1b[31mred\x00 \u202eder\ud800"),
        (RealtimeError("Schlüssel"), "Schlüssel"),
        (RealtimeError("x" * 1_000_000), "x" * 1000),
        (APIStatusError("no", status_code=500, code="c" * 1_000_000), f"500 {'c' * 996}"),
        (ConnectionError("redis://:hunter2@host"), "ConnectionError"),
    ],
    ids=["lines", "controls", "letters", "long", "long code", "another's"],
)
def test_an_error_is_told_in_one_line(error: Exception, told: str) -> None:
    assert described(error) == told


OPAQUE = "5f4dcc3b5aa765d61d8327deb882cf99"


def test_nobody_writes_the_log_but_the_service(all_logs: pytest.LogCaptureFixture) -> None:
    """A provider that repeats an opaque key and forges lines, and a client with an odd method."""
    forged = f"no: {OPAQUE}\n2026-11-26 INFO all is well\x1b[2J\u202e"
    details = {"message": forged, "code": forged, "type": forged, "param": forged}
    headers = {"x-request-id": OPAQUE, "x-echo": OPAQUE}
    good = {"client_secret": {"value": "opaque-secret"}, "model": f"model-{OPAQUE}\x1b" + "x" * 900}
    with MockRealtimeServer(api_key=OPAQUE) as provider, browser(app_for(provider)) as page:
        provider.respond_next(
            MockResponse(401, json={"error": details}, headers=headers),
            MockResponse(200, json={"error": details}, headers=headers),
            MockResponse(200, json=good, headers=headers),
        )
        answers = [ask(page) for _ in range(3)]
        page.request(f"ODD\x1b\n{'X' * 5000}", PATH)
    assert [answer.status_code for answer in answers] == [502, 502, 200]
    assert answers[2].json()["model"].startswith(r"model-**********\x1bxxx")
    assert len(answers[2].json()["model"]) == 200
    told = records(all_logs)
    assert [record["status"] for record in told] == [502, 502, 200, 405]
    for record in told:
        written = [record["message"], *(str(record[name]) for name in FACTS)]
        assert all(text.isprintable() and len(text) < 1500 for text in written)
        assert OPAQUE not in "".join(written)
        assert record["provider_request_id"] is None
    assert OPAQUE not in "".join(answer.text for answer in answers)


def test_a_failure_of_our_own_is_told_with_its_traceback(
    provider: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    with browser(app_for(provider, authorize=lambda _: 1 / 0)) as page:
        answer = ask(page)
    assert answer.status_code == 500
    failure, access = records(caplog)
    assert failure["exc_info"][0] is ZeroDivisionError
    assert access["error"] == "ZeroDivisionError"
    assert answer.json()["request_id"] in failure["message"]


# --- Metrics ---------------------------------------------------------------------------------

SAMPLE = re.compile(r'([a-z_:]+(?:\{[a-z]+="[^"]*"\})?) (\S+)')


def samples(text: str) -> dict[str, float]:
    """Read Prometheus' text format, strictly: every family has its HELP and TYPE before it."""
    assert text.endswith("\n")
    told: dict[str, float] = {}
    family, kind = "", ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split()[2]
        elif line.startswith("# TYPE "):
            assert line.split()[2] == family
            kind = line.split()[3]
            assert kind in {"counter", "gauge", "histogram"}
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            name = sample[1].partition("{")[0]
            parts = {"_bucket", "_sum", "_count"} if kind == "histogram" else {""}
            assert name.removeprefix(family) in parts
            assert sample[1] not in told
            told[sample[1]] = float(sample[2])
    return told


def test_prometheus_reads_counts_and_durations(provider: MockRealtimeServer) -> None:
    with browser(app_for(provider, metrics=True, limits="2/minute")) as page:
        for _ in range(3):
            ask(page)
        ask(page, {"origin": "null"})
        answer = page.get("/metrics")
        assert page.post("/metrics").status_code == 405
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    told = samples(answer.text)
    name = "openai_realtime_mint"
    assert told[f'{name}_requests_total{{outcome="minted"}}'] == 2
    assert told[f'{name}_requests_total{{outcome="too_many_requests"}}'] == 1
    assert told[f'{name}_requests_total{{outcome="origin_not_allowed"}}'] == 1
    assert told[f"{name}_requests_in_progress"] == 0
    assert told[f"{name}_duration_seconds_count"] == 4
    assert told[f'{name}_duration_seconds_bucket{{le="+Inf"}}'] == 4
    assert 0 < told[f"{name}_duration_seconds_sum"] < 10
    buckets = [value for key, value in told.items() if "_bucket" in key]
    assert buckets == sorted(buckets)


def test_every_duration_is_counted_up_to_the_bucket_it_is_in() -> None:
    ends = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]
    metrics = Metrics()
    for seconds in [*ends, 30.1]:
        metrics.began()
        metrics.ended("minted", seconds)
    found = re.findall(r'_bucket\{le="(.*)"\} (\d+)', metrics.text())
    assert found == [(str(end), str(number)) for number, end in enumerate([*ends, "+Inf"], 1)]


def test_metrics_are_not_there_unless_asked_for(provider: MockRealtimeServer) -> None:
    with browser(app_for(provider)) as page:
        assert page.get("/metrics").status_code == 404


# --- Health ----------------------------------------------------------------------------------


def test_alive_and_ready_without_minting(provider: MockRealtimeServer) -> None:
    with browser(app_for(provider)) as page:
        assert (page.get("/healthz").status_code, page.get("/healthz").text) == (200, "ok")
        ready = page.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ready",
        "client": "open",
        "descriptors": "available",
        "limiter": "usable",
        "provider": "reachable",
    }
    assert ready.headers["cache-control"] == "no-store"
    assert provider.requests == []


def test_alive_but_not_ready_without_its_provider(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "_KEPT_SECONDS", 0.0)
    with browser(app_for(provider)) as page:
        assert page.get("/readyz").status_code == 200
        provider.stop()
        answer = page.get("/readyz")
        assert page.get("/healthz").status_code == 200
    assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
    assert (answer.json()["provider"], answer.json()["limiter"]) == ("unreachable", "usable")


def test_readiness_is_kept_for_a_second(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    async def reachable(client: RealtimeSessionsClient) -> bool:
        asked.append(client)
        return True

    monkeypatch.setattr(readiness, "is_provider_reachable", reachable)
    with browser(app_for(provider)) as page:
        for _ in range(5):
            page.get("/readyz")
    assert len(asked) == 1


def unready(page: TestClient) -> dict[str, str]:
    """Return what `/readyz` names as being in the way."""
    answer = page.get("/readyz")
    told: dict[str, str] = answer.json()
    assert (answer.status_code, told.pop("status")) == (503, "not ready")
    return {name: state for name, state in told.items() if state != readiness.READY[name]}


@pytest.mark.parametrize("closing", ["the client", "its http_client"])
def test_not_ready_with_a_client_that_is_closed(provider: MockRealtimeServer, closing: str) -> None:
    own = httpx.AsyncClient(trust_env=False)
    given: Any = {"http_client": own} if closing == "its http_client" else {}
    client = RealtimeSessionsClient(base_url=provider.base_url, api_key="sk-x", **given)
    options: Any = {"session": SESSION, "authorize": lambda _: "ann"}
    anyio.run(own.aclose if given else client.aclose)
    with browser(mint_app(client, **options)) as page:
        assert unready(page) == {"client": "closed", **({"provider": "not asked"} if given else {})}
        assert ask(page).status_code == 503


@contextmanager
def few_descriptors() -> Iterator[Callable[[], None]]:
    """Let this process have few file descriptors; gives what takes all that are left."""
    resource = pytest.importorskip("resource")  # Windows has no such limit
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.open(os.devnull, os.O_RDONLY)]

    def take_all() -> None:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))

    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 8, before[1]))
        yield take_all
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for descriptor in taken:
            os.close(descriptor)


def test_not_ready_without_a_descriptor(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "_KEPT_SECONDS", 0.0)
    with browser(app_for(provider)) as page:
        with few_descriptors() as take_all:

            def is_exhausted() -> bool:
                take_all()  # again: what else runs in this process may just have given one back
                answer = page.get("/readyz")
                return (answer.status_code, answer.json()) == (
                    503,
                    {
                        **readiness.READY,
                        "status": "not ready",
                        "descriptors": "exhausted",
                        "provider": "not asked",
                    },
                )

            until(is_exhausted)
        assert page.get("/readyz").status_code == 200


@pytest.mark.parametrize("given", ["http_client", "transport"])
def test_a_client_with_connections_of_its_own_is_believed(given: str) -> None:
    """What was handed in may know a way that nothing else does: a proxy, a Unix socket, a mock."""
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, json={"client_secret": {"value": "ek_of_a_mock"}})
    )
    own: Any = httpx.AsyncClient(transport=transport) if given == "http_client" else transport
    client = RealtimeSessionsClient(
        base_url="https://gateway.invalid/v1", api_key="sk-x", **{given: own}
    )
    options: Any = {"session": SESSION, "authorize": lambda _: "ann"}
    with browser(mint_app(client, **options)) as page:
        assert ask(page).json()["value"] == "ek_of_a_mock"
        answer = page.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (200, "ready")
        assert answer.json()["provider"] == "not asked"
        anyio.run(client.aclose)


def test_a_provider_that_shakes_no_hands_in_time_is_not_reachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "_SECONDS", 0.2)

    async def is_reachable(port: int) -> bool:
        async with RealtimeSessionsClient(
            base_url=f"https://127.0.0.1:{port}", api_key="sk-x"
        ) as client:
            return await readiness.is_provider_reachable(client)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not anyio.run(is_reachable, silent.getsockname()[1])
