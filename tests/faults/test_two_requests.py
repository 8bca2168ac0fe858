"""R1 and R6 for a call of two requests: Azure mints a secret, and takes the offer with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from backends import ON_BOTH_PARSERS, Backend

from faults.bad_responses import API_KEY
from faults.calling import client_of, ends_within
from faults.fault import FAULTS, Fault
from faults.responses import good_response
from openai_realtime import APIConnectionError, APIError, APITimeoutError, RealtimeCall
from openai_realtime.providers import azure

if TYPE_CHECKING:
    from faults.fault_server_dialogue import Dialogue
    from faults.server import FaultServer

BACKENDS = ON_BOTH_PARSERS
OFFER = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\n"


def azure_client(backend: Backend, server: FaultServer, **options: Any) -> Any:
    provider = replace(azure("https://h"), base_url=server.base_url)
    return client_of(backend, server, **{"base_url": None, "provider": provider, **options})


async def call(client: Any, **options: Any) -> RealtimeCall:
    session = {"type": "realtime", "model": "deployment"}
    result: RealtimeCall = await client.calls.create(sdp=OFFER, session=session, **options)
    return result


def on_offers(name: str) -> Fault:
    """Return a fault that only offers meet."""

    def run(dialogue: Dialogue) -> None:
        if "/calls" in dialogue.request.target:
            FAULTS[name].run(dialogue)
        else:
            dialogue.respond_normally()

    return Fault(f"{name}_on_offers", "request", run)


def paths(server: FaultServer) -> list[str]:
    return [request.target.rpartition("/")[2] for request in server.requests]


MINT, OFFERED = "client_secrets", "calls?webrtcfilter=on"


@pytest.mark.parametrize("pauses", [(0.3, 15.0), (15.0, 0.0)])
def test_r1_one_deadline_for_both_requests(
    backend: Backend, plain: FaultServer, pauses: tuple[float, float]
) -> None:
    def slow(dialogue: Dialogue) -> None:
        dialogue.pause(pauses["/calls" in dialogue.request.target])
        dialogue.respond_normally()

    async def body() -> None:
        async with azure_client(backend, plain) as client:
            plain.inject(Fault("slow", "request", slow))
            with ends_within(backend, 0.5), pytest.raises(APITimeoutError) as caught:
                await call(client, timeout=0.5)
            assert caught.value.phase == "total"
            assert caught.value.possibly_acted
            assert caught.value.url.endswith("/calls" if pauses[0] < 1 else f"/{MINT}")
            plain.clear_fault()
            assert (await call(client)).meta.attempts == 2

    backend.run(body)


@pytest.mark.parametrize("fault", ["fin_before_response", "rst_mid_body", "status_500"])
def test_r6_minting_is_repeated(backend: Backend, plain: FaultServer, fault: str) -> None:
    async def body() -> None:
        async with azure_client(backend, plain) as client:
            plain.inject(fault, times=2)
            made = await call(client)
            assert (made.meta.attempts, made.meta.possible_orphans) == (4, 2)

    backend.run(body)
    assert paths(plain) == [MINT, MINT, MINT, OFFERED]
    offer = plain.requests[-1]
    secret = offer.headers["authorization"].removeprefix("Bearer ")
    assert secret in plain.secrets
    assert "api-key" not in offer.headers
    assert [request.headers["api-key"] for request in plain.requests[:3]] == [API_KEY] * 3


@pytest.mark.parametrize(
    "fault",
    ["fin_before_response", "rst_before_response", "rst_after_headers", "status_500", "status_503"],
)
def test_r6_an_offer_that_may_have_begun_a_call_is_not_repeated(
    backend: Backend, plain: FaultServer, fault: str
) -> None:
    """The offer follows on the connection of the mint: there is no free resend either."""

    async def body() -> None:
        async with azure_client(backend, plain) as client:
            plain.inject(on_offers(fault))
            with pytest.raises(APIError) as caught:
                await call(client)
            assert caught.value.attempts == 2
            assert caught.value.url.endswith("/calls")
            if isinstance(caught.value, APIConnectionError):
                assert caught.value.possibly_acted
            shown = f"{caught.value!s}{caught.value!r}"
            assert not any(secret in shown for secret in (*plain.secrets, API_KEY, OFFER))

    backend.run(body)
    assert paths(plain) == [MINT, OFFERED]
    assert len(plain.records) == 1


def test_r6_an_offer_that_was_provably_not_sent_is_repeated(
    backend: Backend, plain: FaultServer
) -> None:
    def mint_and_close(dialogue: Dialogue) -> None:
        plain.inject("refuse")
        response = good_response(dialogue.request.target, dialogue.mint())
        dialogue.send(response.replace(b"Date:", b"Connection: close\r\nDate:", 1))
        dialogue.finish()

    async def body() -> None:
        async with azure_client(backend, plain) as client:
            plain.inject(Fault("mint_and_close", "request", mint_and_close), times=1)
            with pytest.raises(APIConnectionError) as caught:
                await call(client)
            assert (caught.value.phase, caught.value.attempts) == ("connect", 4)
            assert not caught.value.possibly_acted
            plain.clear_fault()
            await call(client)

    backend.run(body)
    assert paths(plain) == [MINT, MINT, OFFERED]
