from __future__ import annotations

import asyncio
import re
import warnings
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import respx

from openai_realtime import (
    APIStatusError,
    NotFoundError,
    RealtimeSessionsClient,
    RetiringWarning,
    SyncRealtimeSessionsClient,
    providers,
)
from openai_realtime.core.retirements import (
    NOTICE,
    RETIREMENTS,
    Retirement,
    RetirementNotices,
    find_retirements,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_realtime.providers import Provider

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs" / "how-to" / "retirements.md"
ROWS = {row.name: row for row in RETIREMENTS}
DAY = date(2027, 1, 20)
"""The day on which gpt-realtime is shut down."""
OFFER = "v=0\r\n"


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[date], None]:
    """Set today's date, in a process without earlier warnings."""

    def set_today(today: date) -> None:
        notices = RetirementNotices(lambda: today)
        monkeypatch.setattr("openai_realtime.resources.requests.NOTICES", notices)

    return set_today


def client(
    status: int = 200, provider: Provider | None = None, **error: object
) -> SyncRealtimeSessionsClient:
    def respond(request: httpx.Request) -> httpx.Response:
        if status != 200:
            return httpx.Response(status, json={"error": {"message": "No", **error}})
        if request.url.path.endswith("/calls"):
            return httpx.Response(201, text=OFFER)
        return httpx.Response(200, json={"value": "ek_1", "expires_at": 2_000_000_000})

    return SyncRealtimeSessionsClient(
        api_key="sk-1",
        provider=provider or providers.openai(),
        max_retries=0,
        transport=httpx.MockTransport(respond),
    )


def mint(client: SyncRealtimeSessionsClient, model: str) -> None:
    client.client_secrets.create(session={"type": "realtime", "model": model})


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, []),
        ({"model": "gpt-realtime-2.1"}, []),
        ({"model": "gpt-realtime", "voice": "gpt-realtime"}, ["gpt-realtime"]),
        ({"input_audio_transcription": {"model": "whisper-1"}}, ["whisper-1"]),
        ({"input_audio_transcription": None, "prompt": None}, []),
        ({"prompt": {"id": "pmpt_1"}}, ["prompt"]),
        (
            {
                "session": {
                    "prompt": {"id": "pmpt_1"},
                    "model": "gpt-realtime-mini",
                    "audio": {"input": {"transcription": {"model": "whisper-1"}}},
                }
            },
            ["prompt", "gpt-realtime-mini", "whisper-1"],
        ),
        ({"session": [], "model": ["gpt-realtime"], "audio": {"input": "whisper-1"}}, []),
        ({"tools": [{"parameters": {"properties": {"model": "gpt-realtime"}}}]}, []),
    ],
    ids=repr,
)
def test_what_a_request_names(body: dict[str, Any], names: list[str]) -> None:
    assert [row.name for row in find_retirements(body)] == names


@pytest.mark.parametrize(
    ("today", "warning"),
    [
        (DAY - NOTICE - timedelta(1), None),
        (DAY - NOTICE, "OpenAI shuts down the model gpt-realtime on 2027-01-20: "),
        (DAY - timedelta(1), "OpenAI shuts down the model gpt-realtime on 2027-01-20: "),
        (DAY, "OpenAI shut down the model gpt-realtime on 2027-01-20: "),
        (DAY + timedelta(9999), "OpenAI shut down the model gpt-realtime on 2027-01-20: "),
    ],
    ids=str,
)
def test_a_warning_from_180_days_before(
    today: date, warning: str | None, on: Callable[[date], None]
) -> None:
    on(today)
    with warnings.catch_warnings(record=True) as caught, client() as opened:
        warnings.simplefilter("always")
        mint(opened, model="gpt-realtime")
    assert [each.category for each in caught] == [RetiringWarning] * bool(warning)
    for each in caught:
        assert str(each.message) == (
            f"{warning}use gpt-realtime-2.1 instead (https://platform.openai.com/docs/deprecations)"
        )


def test_each_name_once_in_a_process(on: Callable[[date], None]) -> None:
    on(DAY)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for model in ("gpt-realtime", "gpt-realtime", "gpt-realtime-mini"):
            with client() as opened:
                mint(opened, model=model)
                opened.calls.create(sdp=OFFER, session={"type": "realtime", "model": model})
                opened.sessions.create(model=model, prompt={"id": "pmpt_1"})
                opened.calls.accept("rtc_1", model=model)
    named = [str(each.message).partition(" on 20")[0].split()[-1] for each in caught]
    assert named == ["gpt-realtime", "prompt", "gpt-realtime-mini"]


@pytest.mark.parametrize("is_sync", [True, False])
def test_the_warning_points_at_the_callers_line(is_sync: bool, on: Callable[[date], None]) -> None:
    on(DAY)
    handler = httpx.MockTransport(lambda _: httpx.Response(200, json={"value": "ek_1"}))

    async def create() -> None:
        async with RealtimeSessionsClient(api_key="sk-1", transport=handler) as opened:
            await opened.sessions.create(model="gpt-realtime")  # the caller's line

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if is_sync:
            with SyncRealtimeSessionsClient(api_key="sk-1", transport=handler) as opened:
                opened.sessions.create(model="gpt-realtime")  # the caller's line
        else:
            asyncio.run(create())
    (warning,) = caught
    assert warning.filename == __file__
    line = Path(__file__).read_text("utf-8").splitlines()[warning.lineno - 1]
    assert line.endswith("# the caller's line")


@pytest.mark.parametrize(
    ("provider", "is_openai"),
    [
        (providers.openai(), True),
        (providers.openai(region="eu"), True),
        (providers.compatible("https://API.openai.com:443/v1/"), True),
        (providers.compatible("https://api.openai.com"), True),
        (providers.compatible("https://mtls-eu.api.openai.com/v1"), True),
        (providers.compatible("https://api.openai.com.example/v1"), False),
        (providers.compatible("https://gateway.example/api.openai.com/v1"), False),
        (providers.azure("https://mine.openai.azure.com"), False),
        (providers.azure_preview("https://mine.openai.azure.com", "gpt-realtime"), False),
        (providers.litellm("https://litellm.example"), False),
        (providers.compatible("http://127.0.0.1:8000/v1"), False),
    ],
    ids=lambda value: getattr(value, "base_url", value),
)
def test_only_openai_itself_is_checked(
    provider: Provider, is_openai: bool, on: Callable[[date], None]
) -> None:
    on(DAY)
    assert provider.is_openai is is_openai
    with warnings.catch_warnings(record=True) as caught, client(provider=provider) as opened:
        warnings.simplefilter("always", RetiringWarning)
        opened.sessions.create(model="gpt-realtime")
    assert [each for each in caught if each.category is RetiringWarning] == caught[: int(is_openai)]
    assert len(caught) == is_openai


@pytest.mark.filterwarnings("ignore::openai_realtime.RetiringWarning")
@pytest.mark.parametrize(
    ("status", "code", "today", "is_hinted"),
    [
        (404, "model_not_found", DAY, True),
        (400, None, DAY, True),
        (403, "model_not_found", DAY, True),
        (404, "model_not_found", DAY - timedelta(1), False),
        (401, None, DAY, False),
        (429, None, DAY, False),
        (500, None, DAY, False),
    ],
)
def test_after_the_day_an_errors_hint_says_what_replaced_it(
    status: int, code: str | None, today: date, is_hinted: bool, on: Callable[[date], None]
) -> None:
    on(today)
    hint = "OpenAI shut down the model gpt-realtime on 2027-01-20: use gpt-realtime-2.1 instead"
    with client(status, code=code) as opened:
        for call in (
            lambda: mint(opened, model="gpt-realtime"),
            lambda: opened.sessions.create(model="gpt-realtime"),
            lambda: opened.calls.accept("rtc_1", model="gpt-realtime"),
            lambda: opened.calls.create(
                sdp=OFFER, session={"type": "realtime", "model": "gpt-realtime"}
            ),
        ):
            with pytest.raises(APIStatusError) as failed:
                call()
            assert (hint in (failed.value.hint or "")) is is_hinted
            assert (hint in str(failed.value)) is is_hinted


@pytest.mark.filterwarnings("ignore::openai_realtime.RetiringWarning")
def test_a_call_that_has_ended_is_not_a_retired_parameter(on: Callable[[date], None]) -> None:
    on(DAY)
    with client(404) as opened, pytest.raises(APIStatusError) as failed:
        opened.calls.accept("rtc_1", prompt={"id": "pmpt_1"})
    assert failed.value.hint == "The call has ended, or call_id is wrong"


@pytest.mark.parametrize(("dialect", "is_warned"), [("auto", False), ("ga", False), ("beta", True)])
def test_the_flat_endpoint_is_named_by_who_insists_on_it(
    dialect: Any, is_warned: bool, on: Callable[[date], None]
) -> None:
    on(DAY)
    with warnings.catch_warnings(record=True) as caught, client() as opened:
        warnings.simplefilter("always")
        opened.with_options(dialect=dialect).transcription_sessions.create()
    assert ["/realtime/transcription_sessions on 2026-05-12" in str(w.message) for w in caught] == [
        True
    ] * is_warned


def test_the_table() -> None:
    assert len(ROWS) == len(RETIREMENTS)
    assert all(row.source.startswith("https://") for row in RETIREMENTS)
    models = {row.name for row in RETIREMENTS if row.kind == "model"}
    assert {row.replacement for row in RETIREMENTS if row.kind == "model"}.isdisjoint(models)
    assert ROWS["prompt"] == Retirement("parameter", "prompt", date(2026, 11, 30), "instructions")


def test_the_page_has_the_table() -> None:
    rows = re.findall(
        r"^\| (\d.*?) \| (.*?) \| `(.*?)` \| (.*?) \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    assert rows == [
        (str(row.day), row.kind, row.name, row.replacement)
        for row in sorted(RETIREMENTS, key=lambda row: (row.day, row.replacement))
    ]


def test_no_default_and_no_example_names_what_is_shut_down() -> None:
    """It does not depend on today: who adds a row to the table looks for its names."""
    models = "|".join(re.escape(row.name) for row in RETIREMENTS if row.kind == "model")
    named = re.compile(rf"(?<![\w./-])(?:{models})(?![\w./-])")
    files = [
        PROJECT / "README.md",
        *(PROJECT / "docs").rglob("*.md"),
        *(PROJECT / "examples").glob("*.py"),
        *(PROJECT / "openai_realtime").rglob("*.py"),
        *(PROJECT / "openai_realtime").rglob("*.js"),
        *(PROJECT / "benchmarks").rglob("*.py"),
    ]
    files.remove(PROJECT / "openai_realtime/core/retirements.py")
    files.remove(PAGE)
    literal = re.compile(r"^ +\"[\w.-]+\",$", re.MULTILINE)  # a line of the types
    for path in files:
        found = named.findall(literal.sub("", path.read_text("utf-8")))
        assert found == [], path


@respx.mock
def test_openai_itself_is_not_asked_in_the_flat_shape_that_it_has_shut_down(
    recwarn: pytest.WarningsRecorder,
) -> None:
    route = respx.post("https://api.openai.com/v1/realtime/client_secrets").respond(404)
    with (
        SyncRealtimeSessionsClient(api_key="sk-any", max_retries=0) as client,
        pytest.raises(NotFoundError) as caught,
    ):
        client.client_secrets.create(session={"type": "realtime", "model": "gpt-realtime-2.1"})
    assert (route.call_count, caught.value.attempts) == (1, 1)
    assert "realtime/sessions" not in str(caught.value)
    assert not recwarn.list
