"""The token cache driven by hand: no engine, and a clock that stands still."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from openai_realtime import APIConnectionError, APIError, ConfigurationError
from openai_realtime.core.deadline import Deadline
from openai_realtime.secrets import ApiKey
from openai_realtime.token_cache import AwaitRenewal, CallSource, TokenCache, TokenIssuer, Work

if TYPE_CHECKING:
    from openai_realtime.core.issued_token import IssuedToken
    from openai_realtime.providers import Provider
    from openai_realtime.testing import MockRealtimeServer


class Issuer(TokenIssuer):
    """Each token needs one operation, whose result is the token."""

    refresh_buffer = 1200.0

    def check_provider(self, provider: Provider) -> None:
        raise NotImplementedError

    def issue(self, deadline: Deadline) -> Work[tuple[ApiKey, float]]:
        token = yield CallSource(str, deadline)
        return ApiKey(token), 3600.0


class World:
    def __init__(self) -> None:
        self.now = 1000.0
        self.cache = TokenCache(Issuer(), self.clock)

    def clock(self) -> float:
        return self.now

    def get(self, seconds: float = 30) -> Work[IssuedToken]:
        return self.cache.get(Deadline(self.now + seconds, self.clock))

    def issue(self, token: str = "first") -> IssuedToken:
        work = self.get()
        next(work)
        issued: IssuedToken = result_of(work, token)
        return issued


def result_of(work: Work[Any], result: object) -> Any:
    with pytest.raises(StopIteration) as end:
        work.send(result)
    return end.value.value


def failure() -> APIError:
    return APIConnectionError("no", step="token_exchange")


def test_a_token_is_issued_once_and_renewed_after_40_minutes() -> None:
    world = World()
    assert world.cache.fresh() is None
    first = world.issue()
    assert (first.token, first.header) == ("first", (b"Authorization", b"Bearer first"))
    world.now += 2399
    assert world.cache.fresh() is first
    world.now += 1
    assert world.cache.fresh() is None
    assert world.issue("second").token == "second"
    assert world.cache.fresh() is not None


def test_the_others_wait_for_the_first_and_take_its_token() -> None:
    world = World()
    leader, follower = world.get(), world.get()
    assert isinstance(next(leader), CallSource)
    operation = next(follower)
    assert isinstance(operation, AwaitRenewal)
    assert not operation.renewal.done()
    token = result_of(leader, "shared")
    assert operation.renewal.result(0) is None
    assert result_of(follower, None) is token


def test_the_others_get_a_copy_of_its_error() -> None:
    world = World()
    leader, follower = world.get(), world.get()
    next(leader)
    operation = next(follower)
    assert isinstance(operation, AwaitRenewal)
    error = failure()
    with pytest.raises(APIConnectionError) as first:
        leader.throw(error)
    assert first.value is error
    with pytest.raises(APIConnectionError) as second:
        follower.send(operation.renewal.result(0))
    assert second.value is not error
    assert (str(second.value), second.value.step) == (str(error), "token_exchange")
    assert world.issue().token == "first"  # nothing is left over


@pytest.mark.parametrize(
    ("error", "passed"),
    [(KeyboardInterrupt(), 0), (ConfigurationError("no"), 0), (failure(), 30)],
    ids=["interrupted", "unusable", "its own deadline"],
)
def test_another_call_goes_on_when_the_first_gave_up(error: BaseException, passed: float) -> None:
    world = World()
    leader, follower = world.get(), world.get(60)
    next(leader)
    operation = next(follower)
    assert isinstance(operation, AwaitRenewal)
    world.now += passed
    with pytest.raises(type(error)):
        leader.throw(error)
    assert operation.renewal.result(0) is None
    assert isinstance(follower.send(None), CallSource)
    assert result_of(follower, "its own").token == "its own"


def test_a_call_that_is_dropped_leaves_the_renewal_to_the_next() -> None:
    world = World()
    leader = world.get()
    next(leader)
    leader.close()
    assert world.issue().token == "first"


def test_while_the_old_token_is_valid_one_call_renews_and_the_others_use_it() -> None:
    world = World()
    old = world.issue()
    world.now += 2400
    leader = world.get()
    operation = next(leader)
    assert isinstance(operation, CallSource)
    assert operation.deadline.at == world.now + 10
    assert result_of(world.get(), None) is old  # before any operation
    new = result_of(leader, "new")
    assert world.cache.fresh() is new


def test_the_old_token_is_used_when_its_renewal_fails(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    old = world.issue("the-old-token")
    world.now += 2400
    leader = world.get()
    next(leader)
    with caplog.at_level(logging.WARNING), pytest.raises(StopIteration) as end:
        leader.throw(failure())
    assert end.value.value is old
    (record,) = caplog.records
    assert record.getMessage() == (
        "The access token is used although its renewal failed: no (attempt 1)"
    )
    assert world.cache.fresh() is old  # for half a minute
    world.now += 30
    assert world.cache.fresh() is None


def test_an_expired_token_is_not_used_when_its_renewal_fails() -> None:
    world = World()
    world.issue()
    world.now += 2400
    leader = world.get(2000)
    next(leader)
    world.now += 1200
    with pytest.raises(APIConnectionError):
        leader.throw(failure())


def test_a_refused_token_is_not_used_again() -> None:
    world = World()
    old = world.issue()
    old.is_refused = True
    assert world.cache.fresh() is None
    leader = world.get()
    operation = next(leader)
    assert isinstance(operation, CallSource)
    assert operation.deadline.at == world.now + 30
    with pytest.raises(APIConnectionError):
        leader.throw(failure())


def test_a_forked_child_does_not_wait_for_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process id is all that tells: the call of the parent goes on, and the child has its own."""
    world = World()
    parent = world.get()
    next(parent)
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        assert world.issue("of the child").token == "of the child"
    assert result_of(parent, "of the parent").token == "of the parent"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_that_forks_during_an_exchange(server: MockRealtimeServer) -> None:
    process = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "identity.forked_client",
         server.base_url, server.token_url],
        cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (process.returncode, process.stderr) == (0, "")
    assert (len(server.identity.requests), len(server.requests)) == (2, 2)
