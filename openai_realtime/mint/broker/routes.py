"""The routes of calls: begin one, hang it up, send its heartbeat.

A call's address is a secret. Rule for this file: it is in no log, error, metric or stored value.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import Route
from typing_extensions import override

from openai_realtime.asgi import BodyLimitError, BoundedReceive
from openai_realtime.logs import describe
from openai_realtime.mint.broker.broker import Broker, Trade, call_id_of
from openai_realtime.mint.broker.provider_calls import Offer
from openai_realtime.mint.broker.registry import RegistryUnavailableError
from openai_realtime.mint.errors import (
    LIMITER_DOWN,
    OFFER,
    OFFER_TYPE,
    OTHER_PRINCIPAL,
    EndpointError,
)
from openai_realtime.mint.http_endpoint import Endpoint, EndpointSettings, cancel_on_disconnect
from openai_realtime.mint.request_body import (
    BODY_SECONDS,
    MAX_BODY_BYTES,
    check_content_type,
    check_length,
    read_object,
)
from openai_realtime.mint.telemetry import logger

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.requests import Request

    from openai_realtime.mint.request_body import Choice, Choices
    from openai_realtime.mint.telemetry import AccessEntry

MAX_OFFER_BYTES: Final = 65_536
# In JSON, each line break of an offer takes two bytes more than in the offer itself.
_MAX_JSON_BYTES: Final = 2 * MAX_OFFER_BYTES + MAX_BODY_BYTES
_SDP: Final = "application/sdp"
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_DIGITS = re.compile(r"[0-9]{1,5}", re.ASCII)
_MAX_DATA_CHANNEL_ID = 65_534
_MASKED_ADDRESS = "-"
_Choices = dict[str, "Choice"]


def call_routes(settings: EndpointSettings, broker: Broker, choices: Choices) -> list[Route]:
    """Return the routes: `/calls`, and those of one call below it."""
    return [
        Route("/calls", BeginCall(settings, broker, choices)),
        Route("/calls/{address}", HangUpByDelete(settings, broker)),
        Route("/calls/{address}/hangup", HangUp(settings, broker)),
        Route("/calls/{address}/heartbeat", Heartbeat(settings, broker)),
    ]


class BeginCall(Endpoint):
    """Trades the offer in a `POST` for an SDP answer, and says where the call can be hung up.

    method → origin → content type → authorize → body → choices → limits → trade → record
    """

    exposed_headers: ClassVar[str] = (
        "Location, Retry-After, X-Heartbeat, X-Max-Duration, X-Request-Id"
    )

    def __init__(self, settings: EndpointSettings, broker: Broker, choices: Choices) -> None:
        super().__init__(settings)
        self._broker = broker
        self._choices = choices

    @override
    async def _process(self, request: Request, entry: AccessEntry) -> Response:
        is_json = not _is_sdp(request.headers)
        if is_json:
            check_content_type(request.headers, OFFER_TYPE)
        max_bytes = _MAX_JSON_BYTES if is_json else MAX_OFFER_BYTES
        receive = BoundedReceive(request.receive, max_bytes=max_bytes, seconds=BODY_SECONDS)
        bounded = self._with_client(request, receive, entry)
        principal = await self._authorizer.principal(bounded)
        entry.principal = pseudonym = self._pseudonyms.of(principal)
        check_length(request.headers, max_bytes)
        if is_json:
            members = await read_object(bounded)
            sdp = _checked_offer(members.pop("sdp", None))
            chosen = self._choices.validate(members)
        else:
            sdp, chosen = _decoded_offer(await bounded.body()), _Choices()
        offer = Offer(sdp, _data_channel_id(request))
        trade = Trade(principal, pseudonym, offer, chosen, entry)
        answer = await cancel_on_disconnect(receive, lambda: self._broker.begin(trade))
        entry.outcome = "call_began"
        return Response(answer, 201, self._headers(request, trade.address), _SDP)

    def _headers(self, request: Request, address: str) -> dict[str, str]:
        settings = self._broker.settings
        path = f"{request.scope['path'].rstrip('/')}/{address}"
        headers = {
            "Location": quote(path, safe="/:@!$&'()*+,;=~"),
            "X-Max-Duration": f"{settings.max_duration:g}",
        }
        if settings.heartbeat is not None:
            headers["X-Heartbeat"] = f"{settings.heartbeat:g}"
        return headers


class _CallEndpoint(Endpoint):
    """Acts on the call whose address is in the path. The response is always the same."""

    outcome: ClassVar[str]

    def __init__(self, settings: EndpointSettings, broker: Broker) -> None:
        super().__init__(settings)
        self._broker = broker

    @override
    async def respond(self, request: Request, body: bytes | None = None) -> Response:
        address = request.path_params["address"]
        call_id = call_id_of(address)
        # In place: a server's access log, or an error reporter, would show the address.
        for name, value in {
            "path": request.scope["path"].replace(address, _MASKED_ADDRESS),
            "path_params": {"address": call_id},
        }.items():
            request.scope[name] = value
        request.scope["raw_path"] = quote(request.scope["path"]).encode()
        return await super().respond(request, body)

    @override
    async def _process(self, request: Request, entry: AccessEntry) -> Response:
        call_id = request.path_params["address"]
        receive = BoundedReceive(request.receive, max_bytes=0, seconds=BODY_SECONDS)
        bounded = self._with_client(request, receive, entry)
        await bounded.body()
        try:
            owner = await self._broker.registry.principal_of(call_id)
            if owner is not None:
                await self._check_principal(bounded, owner, entry)
                await self._act(call_id)
        except RegistryUnavailableError as error:
            entry.error = str(error)
            raise EndpointError(LIMITER_DOWN, retry_after=1) from None
        entry.outcome = self.outcome
        return Response(None, 204)

    async def _check_principal(self, request: Request, owner: str, entry: AccessEntry) -> None:
        """Raise `EndpointError` for a valid login of another principal. None is needed."""
        try:
            principal = await self._authorizer.principal(request)
        except EndpointError:
            return
        except Exception as error:  # noqa: BLE001 - the address alone is enough
            logger.warning("authorize failed for a call's address: %s", describe(error))
            return
        entry.principal = self._pseudonyms.of(principal)
        if entry.principal != owner:
            raise EndpointError(OTHER_PRINCIPAL)

    @abstractmethod
    async def _act(self, call_id: str) -> None:
        """Act on the call."""


class HangUp(_CallEndpoint):
    """Hangs up at a `POST` with an empty body, as `navigator.sendBeacon` sends it."""

    outcome = "hung_up"

    @override
    async def _act(self, call_id: str) -> None:
        await self._broker.hang_up([call_id], "page")


class HangUpByDelete(HangUp):
    """Hangs up at a `DELETE` of the call's address."""

    method = "DELETE"


class Heartbeat(_CallEndpoint):
    """Takes a heartbeat."""

    outcome = "heartbeat"

    @override
    async def _act(self, call_id: str) -> None:
        await self._broker.registry.beat(call_id)


def _is_sdp(headers: Headers) -> bool:
    """Return whether the body is an uncompressed SDP offer."""
    types = headers.getlist("content-type")
    return (
        len(types) == 1
        and types[0].partition(";")[0].strip().lower() == _SDP
        and all(each.lower() == "identity" for each in headers.getlist("content-encoding"))
    )


def _data_channel_id(request: Request) -> int | None:
    """Return the `dcid` in the query, as the provider takes it; raises `EndpointError`."""
    dcid = request.query_params.get("dcid")
    if dcid is None:
        return None
    if not _DIGITS.fullmatch(dcid) or int(dcid) > _MAX_DATA_CHANNEL_ID:
        raise EndpointError(OFFER)
    return int(dcid)


def _decoded_offer(body: bytes) -> str:
    try:
        return _checked_offer(body.decode())
    except UnicodeDecodeError:
        raise EndpointError(OFFER) from None


def _checked_offer(offer: object) -> str:
    """Return the SDP offer; raises `EndpointError` when it is none, `BodyLimitError` when too long."""
    if not isinstance(offer, str) or not offer.startswith("v=0") or _CONTROLS.search(offer):
        raise EndpointError(OFFER)
    if len(offer.encode()) > MAX_OFFER_BYTES:
        raise BodyLimitError(413)
    return offer
