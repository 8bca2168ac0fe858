"""The access log and the metrics."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from typing import Any

import pytest

from mint.service import PAGE, PATH, app_for, browser, request_secret
from openai_realtime import APIStatusError, RealtimeError
from openai_realtime.logs import describe
from openai_realtime.mint.telemetry import AccessEntry, Metrics
from openai_realtime.testing import MockRealtimeServer, MockResponse

USER = "ann@example.com"
FIELDS = [field.name for field in dataclasses.fields(AccessEntry)]
NEVER = ("sk-", "ek_", USER, "Bearer hunter2")


def records(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.name == "openai_realtime.mint"]


def test_one_line_a_request_with_fields_and_no_secrets(
    provider: MockRealtimeServer, all_logs: pytest.LogCaptureFixture
) -> None:
    app = app_for(provider, safety_key="0123456789abcdef")
    with browser(app, user=USER, client=("192.0.2.1", 1)) as page:
        page.headers["authorization"] = "Bearer hunter2"
        minted = request_secret(page, {"origin": PAGE})
        request_secret(page, {"origin": "https://evil.example"})
        request_secret(page, {"x-user": ""})
        provider.respond_next(MockResponse(401, json={"error": {"message": "no: ek_abcdefghijkl"}}))
        request_secret(page)
        page.options(PATH)
    entries = records(all_logs)
    assert [record["outcome"] for record in entries] == [
        "minted",
        "origin_not_allowed",
        "unauthorized",
        "provider_failed",
        "method_not_allowed",
    ]
    first, failed = entries[0], entries[3]
    assert first["request_id"] == minted.headers["x-request-id"]
    assert (first["status"], first["http_method"], first["client_address"]) == (
        200,
        "POST",
        "192.0.2.1",
    )
    assert (first["attempts"], first["provider_request_id"]) == (1, "req_mock_1")
    identifier = provider.requests[0].headers["openai-safety-identifier"]
    assert first["principal"] == failed["principal"] == identifier
    assert [entries[1]["principal"], entries[2]["principal"]] == [None, None]
    assert 0 < first["seconds"] < 10
    assert (first["levelno"], failed["levelno"]) == (logging.INFO, logging.WARNING)
    assert "AuthenticationError" not in str(first["error"])
    assert "401" in failed["error"]
    fields = first.keys() - vars(logging.makeLogRecord({})).keys() - {"message", "asctime"}
    assert len(fields) == 10
    written = "\n".join(
        json.dumps({name: record[name] for name in fields}) + record["message"]
        for record in entries
    )
    for text in NEVER:
        assert text not in written
        assert text not in all_logs.text


def test_the_line_has_the_error_of_the_provider(
    provider: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    error = {"message": "Wrong key: sk-1234567890abcdef", "code": "invalid_api_key"}
    provider.respond_next(
        MockResponse(401, json={"error": error}, headers={"x-request-id": "req_provider"})
    )
    with browser(app_for(provider)) as page:
        response = request_secret(page)
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    request_id = response.json()["request_id"]
    begin = rf"POST 502 provider_failed in \d+\.\d{{3}} s \(request id {request_id}\): "
    assert re.match(begin + "401 invalid_api_key: Wrong key: ", line)
    assert "request id req_provider" in line
    assert "sk-123" not in line


@pytest.mark.parametrize(
    ("error", "text"),
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
def test_an_error_is_described_in_one_line(error: Exception, text: str) -> None:
    assert describe(error) == text


OPAQUE = "5f4dcc3b5aa765d61d8327deb882cf99"


def test_no_peer_can_forge_a_line_of_the_log(all_logs: pytest.LogCaptureFixture) -> None:
    """The provider repeats an opaque key and forges lines; the client sends an odd method."""
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
        responses = [request_secret(page) for _ in range(3)]
        page.request(f"ODD\x1b\n{'X' * 5000}", PATH)
    assert [response.status_code for response in responses] == [502, 502, 200]
    assert responses[2].json()["model"].startswith(r"model-**********\x1bxxx")
    assert len(responses[2].json()["model"]) == 200
    entries = records(all_logs)
    assert [record["status"] for record in entries] == [502, 502, 200, 405]
    for record in entries:
        written = [record["message"], *(str(record[name]) for name in FIELDS)]
        assert all(text.isprintable() and len(text) < 1500 for text in written)
        assert OPAQUE not in "".join(written)
        assert record["provider_request_id"] is None
    assert OPAQUE not in "".join(response.text for response in responses)


def test_an_internal_error_is_logged_with_its_traceback(
    provider: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    with browser(app_for(provider, authorize=lambda _: 1 / 0)) as page:
        response = request_secret(page)
    assert response.status_code == 500
    failure, access = records(caplog)
    assert failure["exc_info"][0] is ZeroDivisionError
    assert access["error"] == "ZeroDivisionError"
    assert response.json()["request_id"] in failure["message"]


# --- Metrics ---------------------------------------------------------------------------------

SAMPLE = re.compile(r'([a-z_:]+(?:\{[a-z]+="[^"]*"\})?) (\S+)')


def samples(text: str) -> dict[str, float]:
    """Read Prometheus' text format, strictly: every family has its HELP and TYPE before it."""
    assert text.endswith("\n")
    values: dict[str, float] = {}
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
            assert sample[1] not in values
            values[sample[1]] = float(sample[2])
    return values


def test_prometheus_reads_counts_and_durations(provider: MockRealtimeServer) -> None:
    with browser(app_for(provider, metrics=True, limits="2/minute")) as page:
        for _ in range(3):
            request_secret(page)
        request_secret(page, {"origin": "null"})
        response = page.get("/metrics")
        assert page.post("/metrics").status_code == 405
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    values = samples(response.text)
    name = "openai_realtime_mint"
    assert values[f'{name}_requests_total{{outcome="minted"}}'] == 2
    assert values[f'{name}_requests_total{{outcome="too_many_requests"}}'] == 1
    assert values[f'{name}_requests_total{{outcome="origin_not_allowed"}}'] == 1
    assert values[f"{name}_requests_in_progress"] == 0
    assert values[f"{name}_duration_seconds_count"] == 4
    assert values[f'{name}_duration_seconds_bucket{{le="+Inf"}}'] == 4
    assert 0 < values[f"{name}_duration_seconds_sum"] < 10
    buckets = [value for key, value in values.items() if "_bucket" in key]
    assert buckets == sorted(buckets)
    families = ("requests_total", "requests_in_progress", "duration_seconds_bucket")
    others = ("duration_seconds_sum", "duration_seconds_count")
    names = {key.partition("{")[0] for key in values}
    assert names == {f"{name}_{each}" for each in (*families, *others)}


def test_each_app_has_its_own_metrics(provider: MockRealtimeServer) -> None:
    apps = [app_for(provider, metrics=True, close_client=False) for _ in range(2)]
    with browser(apps[0]) as first, browser(apps[1]) as second:
        request_secret(first)
        counts = [
            samples(page.get("/metrics").text)["openai_realtime_mint_duration_seconds_count"]
            for page in (first, second)
        ]
    assert counts == [1, 0]


def test_each_duration_is_counted_in_its_bucket_and_all_larger_ones() -> None:
    ends = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]
    metrics = Metrics()
    for seconds in [*ends, 30.1]:
        metrics.began()
        metrics.ended("minted", seconds)
    found = re.findall(r'_bucket\{le="(.*)"\} (\d+)\.0\n', metrics.text())
    assert found == [(str(end), str(number)) for number, end in enumerate([*ends, "+Inf"], 1)]


def test_there_are_no_metrics_by_default(provider: MockRealtimeServer) -> None:
    with browser(app_for(provider)) as page:
        assert page.get("/metrics").status_code == 404
