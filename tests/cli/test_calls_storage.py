"""`openai-realtime calls list` and `calls hangup` with the storage of a mint service."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mint.calls.service import begun, caller, hung_up, running
from mint.redis_process import RedisProcess
from mint.service import until

from openai_realtime.mint import CallEvent
from openai_realtime.testing import MockRealtimeServer

if TYPE_CHECKING:
    from cli.command_runners import Invoke


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    process = RedisProcess(tmp_path)
    process.start()
    yield process
    process.kill()


@pytest.mark.redis
def test_an_operator_lists_calls_and_hangs_one_up(
    invoke: Invoke, redis: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[CallEvent] = []
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    options = {"storage": redis.url, "max_duration": 900, "on_call": told.append}
    with MockRealtimeServer() as provider, caller(provider, **options) as page:
        assert invoke("calls", "list", "--storage", redis.url).stdout == ""
        begun(page, "ann")
        begun(page, "bob")
        first, second = running(page)
        listed = invoke("calls", "list", "--storage", redis.url)
        assert listed.exit_code == 0, listed.stderr
        lines = [line.split() for line in listed.stdout.splitlines()]
        assert [(line[0], line[-1]) for line in lines] == [
            (call.call_id, call.pseudonym) for call in (first, second)
        ]
        assert re.search(r" (900|89\d) s left", listed.stdout)
        monkeypatch.setenv("OPENAI_REALTIME_SERVE_STORAGE", redis.url)
        (_, call) = json.loads(invoke("calls", "list", "--json").stdout)
        assert (call["call_id"], call["pseudonym"]) == (second.call_id, second.pseudonym)
        assert 890 < call["seconds_left"] <= 900
        # The service hangs up, and tells of it: with its own principal.
        result = invoke("calls", "hangup", first.call_id)
        assert result.exit_code == 0
        assert result.stdout == f"Asked the mint service to hang up {first.call_id}\n"
        until(lambda: hung_up(provider) == [first.call_id])
        until(lambda: told[-1].type == "ended")
        assert (told[-1].principal, told[-1].reason) == ("ann", "server")
        assert running(page)[0].call_id == second.call_id
        result = invoke("calls", "hangup", "rtc_other")
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == "error: The mint service has no call with this id\n"


def test_without_redis(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "redis://:hunter2@127.0.0.1:1/0"
    for words in (["list"], ["hangup", "rtc_1"]):
        result = invoke("calls", *words, "--storage", url)
        assert result.exit_code == 1
        assert result.stderr.startswith("error: Redis does not work: ")
        assert result.stderr.endswith(". Check its URL, and that it runs\n")
        assert "hunter2" not in result.stderr
        for unusable in ("memory://", "redis://"):
            result = invoke("calls", *words, "--storage", unusable)
            assert (result.exit_code, result.stdout) == (3, "")
            assert result.stderr.startswith("error: storage is unusable: ")
    monkeypatch.delenv("OPENAI_REALTIME_SERVE_STORAGE", raising=False)
    assert invoke("calls", "list").exit_code == 2
