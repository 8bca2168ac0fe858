"""`models.retrieve`, the only GET request."""

import pytest
from backends import Backend

from openai_realtime import (
    APIConnectionError,
    APIResponseValidationError,
    NotFoundError,
    ParameterError,
    RetryPolicy,
)
from openai_realtime.testing import MockRealtimeServer, MockResponse


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gpt-realtime-2.1", "gpt-realtime-2.1"),
        ("ft:gpt-realtime-2.1:org", "ft:gpt-realtime-2.1:org"),
        ("openai/gpt-realtime-2.1?x=1#y", "openai%2Fgpt-realtime-2.1%3Fx%3D1%23y"),
    ],
)
def test_a_model_is_read(
    backend: Backend, realtime_server: MockRealtimeServer, model: str, path: str
) -> None:
    async def body() -> None:
        async with backend.client() as client:
            found = await client.models.retrieve(model)
            assert (found.id, found.owned_by, found.shutdown_date) == (model, "mock", None)
            assert found.created == 1_700_000_000
            assert found.meta.status == 200
            realtime_server.respond_next(
                MockResponse(json={"id": "m", "shutdown_date": "2027-01-31", "other": 1})
            )
            ending = await client.models.retrieve("m")
            assert (ending.shutdown_date, ending.created) == ("2027-01-31", None)
        request = realtime_server.requests[0]
        assert (request.method, request.path, request.body) == ("GET", f"/v1/models/{path}", b"")
        assert not {"content-length", "content-type"} & request.headers.keys()

    backend.run(body)


def test_reading_is_repeated_and_leaves_no_orphan(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client(retry=RetryPolicy(base_delay=0.001)) as client:
            await client.models.retrieve("m")
            realtime_server.respond_next(MockResponse(drop="before"), MockResponse(500))
            found = await client.models.retrieve("m")
            assert found.meta.attempts == 3
            assert found.meta.possible_orphans == 0
            realtime_server.respond_next(*[MockResponse(drop="before")] * 4)
            with pytest.raises(APIConnectionError) as caught:
                await client.models.retrieve("m")
            assert caught.value.possible_orphans == 0

    backend.run(body)


def test_errors(backend: Backend, realtime_server: MockRealtimeServer) -> None:
    async def body() -> None:
        async with backend.client() as client:
            realtime_server.respond_next(
                MockResponse(404, json={"error": {"message": "x", "code": "model_not_found"}}),
                MockResponse(body=b"<html>"),
                MockResponse(json={"error": "no"}),
            )
            with pytest.raises(NotFoundError):
                await client.models.retrieve("m")
            for _ in range(2):
                with pytest.raises(APIResponseValidationError, match="without a model"):
                    await client.models.retrieve("m")
            for wrong in ("", ".", "..", None, 5, "\ud800"):
                with pytest.raises(ParameterError) as caught:
                    await client.models.retrieve(wrong)  # type: ignore[arg-type]  # wrong on purpose
                assert caught.value.param == "model"
            with pytest.raises(ParameterError, match="a GET request has no body"):
                await client.models.retrieve("m", extra_body={"a": 1})
            with pytest.raises(ParameterError, match="timeuot is not a known parameter"):
                await client.models.retrieve("m", timeuot=1)  # type: ignore[call-arg]  # wrong on purpose
        assert len(realtime_server.requests) == 3

    backend.run(body)


def test_the_mock_only_reads_models(realtime_server: MockRealtimeServer) -> None:
    import httpx  # noqa: PLC0415 - another client than ours, on purpose

    headers = {"authorization": f"Bearer {realtime_server.api_key}"}
    url = f"{realtime_server.base_url}/models"
    assert httpx.post(f"{url}/m", headers=headers).status_code == 405
    assert httpx.get(f"{url}/m").status_code == 401
    assert httpx.get(url, headers=headers).status_code == 404
