"""The messages of exceptions, and that exceptions survive pickling and copying."""

import copy
import inspect
import pickle

import pytest

from openai_realtime import errors

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.RealtimeError)
]


def test_the_message_has_every_known_detail() -> None:
    error = errors.RateLimitError(
        "Slow down",
        status_code=429,
        code="rate_limit_exceeded",
        method="POST",
        url="https://h/v1/realtime/sessions",
        request_id="req_1",
        attempts=3,
        retry_after=1.5,
        hint="Wait",
    )
    assert str(error) == (
        "429 rate_limit_exceeded: Slow down (POST https://h/v1/realtime/sessions, "
        "request id req_1, attempt 3, retry after 1.5 s). Wait"
    )
    assert str(errors.APIError("No")) == "No (attempt 1)"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_is_documented_and_survives_copying(kind: type[errors.RealtimeError]) -> None:
    assert kind.__doc__
    assert kind.__name__ in (errors.__doc__ or "")
    error = kind("What happened")
    error.__dict__["request_id"] = "req_1"
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is kind
        assert (str(twin), twin.__dict__) == (str(error), error.__dict__)


def test_the_tree_is_that_of_the_official_sdk() -> None:
    assert issubclass(errors.APITimeoutError, errors.APIConnectionError)
    assert issubclass(errors.RateLimitError, errors.APIStatusError)
    assert issubclass(errors.APIStatusError, errors.APIError)
    assert issubclass(errors.ParameterError, ValueError)
