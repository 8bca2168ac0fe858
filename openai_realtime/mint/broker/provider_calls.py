"""The provider's side of a call: the trade of an offer for an answer, and the hang-up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from openai_realtime.errors import (
    APIError,
    ConfigurationError,
    NotFoundError,
    ParameterError,
    RealtimeError,
)
from openai_realtime.logs import describe
from openai_realtime.resources.live import checked_session_id

if TYPE_CHECKING:
    from openai_realtime.client import RealtimeSessionsClient
    from openai_realtime.client_source import ClientSource
    from openai_realtime.core.meta import ResponseMeta
    from openai_realtime.dialects import SessionAPI
    from openai_realtime.mint.broker.life import HangUpOutcome
    from openai_realtime.mint.request_body import Choice
    from openai_realtime.mint.session_plan import SessionPlan
    from openai_realtime.resources.sideband import AsyncSideband

_HANG_UP_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Offer:
    """What a page offers."""

    sdp: str = field(repr=False)
    dcid: int | None = None
    """The id of the data channel, if the page made it with `negotiated: true`."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """How an attempt to hang up went."""

    outcome: HangUpOutcome
    retry_after: float | None = None
    """How many seconds the provider asks to wait."""
    error: str | None = None
    """The failure, for operators."""


@dataclass(frozen=True, slots=True)
class BegunCall:
    """A call that the provider has begun."""

    id: str | None
    """The provider's id; None: it sent no usable one."""
    sdp: str = field(repr=False)
    """The SDP answer."""
    meta: ResponseMeta


async def _begin_realtime(
    client: RealtimeSessionsClient, offer: Offer, session: Any, options: Any
) -> BegunCall:
    dcid: Any = {} if offer.dcid is None else {"dcid": offer.dcid}
    call = await client.calls.create(sdp=offer.sdp, session=session, **dcid, **options)
    return BegunCall(call.id, call.sdp, call.meta)


async def _begin_live(
    client: RealtimeSessionsClient, offer: Offer, session: Any, options: Any
) -> BegunCall:
    transport: Any = {"type": "webrtc", "sdp": offer.sdp}
    if offer.dcid is not None:
        transport["dcid"] = offer.dcid
    begun = await client.live.create(session=session, transport=transport, **options)
    try:
        session_id = checked_session_id(begun.session.id)
    except ParameterError:
        session_id = None
    return BegunCall(session_id, begun.transport.sdp, begun.meta)


@dataclass(frozen=True, slots=True)
class ProviderAPI:
    """How calls begin and end at one of the provider's APIs."""

    endpoint: str
    """The endpoint that the provider must have: a key of `Provider.paths`."""
    maximum: float
    """After how many seconds the provider itself ends a call."""
    begin: Callable[[RealtimeSessionsClient, Offer, Any, Any], Awaitable[BegunCall]]
    """Trades an offer."""
    hang_up: Callable[[RealtimeSessionsClient, str], Awaitable[None]]
    """Hangs up a call."""
    sideband: Callable[[RealtimeSessionsClient, str], AsyncSideband]
    """Makes a call's sideband."""


APIS: Final[Mapping[SessionAPI, ProviderAPI]] = {
    "realtime": ProviderAPI(
        "calls",
        3600,
        _begin_realtime,
        lambda client, call_id: client.calls.hangup(call_id, timeout=_HANG_UP_SECONDS),
        lambda client, call_id: client.calls.connect(call_id),
    ),
    "live": ProviderAPI(
        "live",
        7200,
        _begin_live,
        lambda client, call_id: client.live.sessions.hangup(call_id, timeout=_HANG_UP_SECONDS),
        lambda client, call_id: client.live.sideband.connect(call_id),
    ),
}
"""The APIs of calls."""


class ProviderCalls:
    """Begins and hangs up calls with the server's key.

    Raises `ConfigurationError` when the provider has no calls, or the session is no call's.
    """

    def __init__(self, clients: ClientSource, plan: SessionPlan) -> None:
        if plan.session.get("type", "realtime") != "realtime":
            message = "session: a call needs a realtime session, not a transcription session"
            raise ConfigurationError(message)
        self.api: SessionAPI = plan.api
        """The API of the calls that begin here."""
        self.maximum: float = APIS[plan.api].maximum
        """After how many seconds the provider itself ends a call."""
        if clients.passed is not None:
            clients.passed.provider.url(APIS[plan.api].endpoint)
        self._clients = clients
        self._plan = plan
        self._original: RealtimeSessionsClient | None = None

    @property
    def trade_seconds(self) -> float:
        """How long a trade may take: the client's `timeout`.

        Raises what the client's factory raises.
        """
        client: RealtimeSessionsClient = self._clients.get()
        return client._configuration.timeout.total  # noqa: SLF001 - of the same package

    def _client(self) -> RealtimeSessionsClient:
        """Return a client that repeats nothing: the server could have begun a call."""
        client: RealtimeSessionsClient = self._clients.get()
        if self._original is not client:
            retry = client._configuration.retry  # noqa: SLF001 - of the same package
            self._original, self._once = (
                client,
                client.with_options(retry=replace(retry, max_retries=0)),
            )
        return self._once

    async def trade(
        self, offer: Offer, chosen: Mapping[str, Choice], safety_identifier: str | None
    ) -> BegunCall:
        """Return the call that the provider begins for an offer; raises `RealtimeError`."""
        options = {} if safety_identifier is None else {"safety_identifier": safety_identifier}
        session = self._plan.of_call(chosen)
        return await APIS[self.api].begin(self._client(), offer, session, options)

    def sideband(self, provider_id: str) -> AsyncSideband:
        """Return the sideband of a call that began here, to be opened."""
        return APIS[self.api].sideband(self._clients.get(), provider_id)

    async def hang_up(self, provider_id: str, api: SessionAPI) -> HangUp:
        """Hang up once, within 3 seconds. Raises nothing.

        With Redis a call may be of the other API: another service began it.
        """
        try:
            await APIS[api].hang_up(self._client(), provider_id)
        except NotFoundError:
            return HangUp("not_found")
        except RealtimeError as error:
            retry_after = error.retry_after if isinstance(error, APIError) else None
            return HangUp("failed", retry_after, describe(error))
        except Exception as error:  # noqa: BLE001 - the api_key callable may raise anything
            return HangUp("failed", error=describe(error))
        return HangUp("hung_up")
