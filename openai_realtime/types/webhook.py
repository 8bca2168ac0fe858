"""The events that a webhook delivers: an incoming phone call, a GPT-Live session, or another event."""

import re
from abc import abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Final, Literal
from urllib.parse import unquote

from pydantic import Field, PrivateAttr

from openai_realtime.types.annotations import DefaultWhenWrong, OmitWhenWrong
from openai_realtime.types.base import WireModel
from openai_realtime.types.client_secret import MAX_UNIX_SECONDS

_MAX_SIP_HEADER = 1024
"""Characters. A header in a SIP message of one UDP packet is shorter; most have about 100."""
# RFC 3261 §20.10: a display name, quoted or not, and the URI in angle brackets; or the URI alone,
# then the text after a semicolon belongs to the header, not to the URI. A URI is visible ASCII
# (RFC 3986). The quantifiers are possessive, so that matching takes linear time.
_NAME_AND_URI = re.compile(r'(?:\s*+"(?:[^"\\]|\\.)*+"\s*+|[^"<]*+)<([!-;=?-~]++)>', re.DOTALL)
_URI_ALONE = re.compile(r"\s*+((?:sips?|tel):[!#-+\--:=?-~]++)(?=[\s;,]|\Z)", re.IGNORECASE)
_NUMBER = re.compile(r"\+?[0-9]{2,15}", re.ASCII)
_SEPARATORS = str.maketrans("", "", "-.() ")
_COMPACT = {"from": "f", "to": "t"}
"""RFC 3261 §7.3.3."""


class SipHeader(WireModel):
    """One header of a phone call's SIP INVITE."""

    name: str
    """Its name, such as `From`."""
    value: Annotated[str, DefaultWhenWrong("")] = ""
    """Its value, such as `"Alice" <sip:+14155550123@example.com>;tag=abc`."""


class IncomingCallData(WireModel):
    """The data of an incoming phone call."""

    call_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
    """The call's id (`rtc_…`), for `client.calls`."""
    sip_headers: Annotated[
        list[Annotated[SipHeader, OmitWhenWrong()]], DefaultWhenWrong(list[SipHeader]())
    ] = Field(default_factory=list[SipHeader])
    """The headers of the SIP INVITE in their order. The caller wrote them: do not trust them."""
    sip_media_security: Annotated[Literal["srtp", "rtp"] | str | None, DefaultWhenWrong(None)] = (
        None
    )
    """How the call's audio is sent: `srtp` (encrypted), `rtp` (not encrypted), or None: unknown."""


class LiveIncomingData(WireModel):
    """The data of a phone call that may be accepted as a GPT-Live session."""

    type: Annotated[Literal["sip"] | str, DefaultWhenWrong("sip")] = "sip"
    """Always `sip`."""
    session_id: Annotated[str, Field(min_length=1)]
    """The session's id (`live_…`), for `client.live.sessions`."""
    sip_headers: Annotated[
        list[Annotated[SipHeader, OmitWhenWrong()]], DefaultWhenWrong(list[SipHeader]())
    ] = Field(default_factory=list[SipHeader])
    """The headers of the SIP INVITE in their order. The caller wrote them: do not trust them."""
    sip_media_security: Annotated[Literal["srtp", "rtp"] | str | None, DefaultWhenWrong(None)] = (
        None
    )
    """How the call's audio is sent: `srtp` (encrypted), `rtp` (not encrypted), or None: unknown."""


class LiveConnectedData(WireModel):
    """The data of a GPT-Live session that has begun by WebRTC."""

    type: Annotated[Literal["webrtc"] | str, DefaultWhenWrong("webrtc")] = "webrtc"
    """Always `webrtc`."""
    session_id: Annotated[str, Field(min_length=1)]
    """The session's id (`live_…`)."""


class SafetyIdentifierBlockedData(WireModel):
    """The data of a request that was blocked for its safety identifier."""

    safety_identifier: str
    """The identifier with which the request was sent."""
    safety_category: str
    """Why it was blocked, such as `bio` or `cyber`."""
    model: Annotated[str | None, DefaultWhenWrong(None)] = None
    """The request's model; None: unknown."""
    project_id: Annotated[str | None, DefaultWhenWrong(None)] = None
    """The request's project; None: unknown."""
    request_id: Annotated[str | None, DefaultWhenWrong(None)] = None
    """The provider's id of the request; None: unknown."""


class _Event(WireModel):
    _webhook_id: str = PrivateAttr(default="")

    id: Annotated[str, Field(min_length=1)]
    """The event's id, `evt_…`."""
    object: Annotated[Literal["event"] | str | None, DefaultWhenWrong(None)] = None
    """Always `event`."""
    created_at: Annotated[int, Field(ge=0, le=MAX_UNIX_SECONDS)]
    """When the event happened, in Unix seconds."""

    @property
    def webhook_id(self) -> str:
        """The delivery's `webhook-id`: the same each time that the event is delivered again."""
        return self._webhook_id

    @property
    def created_at_datetime(self) -> datetime:
        """When the event happened, as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.created_at, UTC)

    def delivered_as(self, webhook_id: str) -> None:
        """Set `webhook_id`."""
        self._webhook_id = webhook_id


class WebhookEvent(_Event):
    """A verified event of a type that has no class of its own."""

    type: str
    """What happened, such as `batch.completed`."""
    data: object = None
    """What the event is about, as decoded JSON."""


class _IncomingCall(_Event):
    """A phone call, with its SIP headers."""

    @abstractmethod
    def _sip_headers(self) -> list[SipHeader]:
        """Return the headers of the SIP INVITE."""

    @property
    def sip_headers(self) -> list[SipHeader]:
        """The headers of the SIP INVITE."""
        return self._sip_headers()

    def sip_header(self, name: str) -> str | None:
        """Return the value of the first SIP header with this name; None if there is none.

        Case is ignored. `From` and `To` also match their compact names, `f` and `t`.
        """
        names = {name.lower(), _COMPACT.get(name.lower(), name.lower())}
        return next((each.value for each in self.sip_headers if each.name.lower() in names), None)

    @property
    def from_uri(self) -> str | None:
        """The caller's URI, such as `sip:+14155550123@example.com`; None if there is none."""
        return _uri(self.sip_header("From"))

    @property
    def to_uri(self) -> str | None:
        """The called URI, such as `sip:proj_123@sip.api.openai.com`; None if there is none."""
        return _uri(self.sip_header("To"))

    @property
    def from_number(self) -> str | None:
        """The caller's number, such as `+14155550123`; None if withheld, or not a number."""
        return _phone_number(self.from_uri)

    @property
    def to_number(self) -> str | None:
        """The called number, such as `+14155550123`; None if missing, or not a number."""
        return _phone_number(self.to_uri)


class RealtimeCallIncoming(_IncomingCall):
    """An incoming phone call: accept, reject or refer it with `client.calls` and `call_id`.

    The signature proves that the provider sent the event. The caller's number comes from the
    telephone network, where a caller can fake it: do not use a number as a password.
    """

    type: Literal["realtime.call.incoming"]
    """Always `realtime.call.incoming`."""
    data: IncomingCallData
    """The call."""

    @property
    def call_id(self) -> str:
        """The call's id, for `client.calls`."""
        return self.data.call_id

    def _sip_headers(self) -> list[SipHeader]:
        return self.data.sip_headers


class LiveTransportIncoming(_IncomingCall):
    """An incoming phone call: accept, reject or refer it with `client.live.sessions` and `session_id`.

    The same call may come as a `RealtimeCallIncoming` too, with an id of its own: the first accept
    decides. What `RealtimeCallIncoming` says about the caller's number is true here too.
    """

    type: Literal["live.transport.incoming", "live.call.incoming"]
    """`live.transport.incoming`, or its older name `live.call.incoming`."""
    data: LiveIncomingData
    """The call."""

    @property
    def session_id(self) -> str:
        """The session's id, for `client.live.sessions`."""
        return self.data.session_id

    def _sip_headers(self) -> list[SipHeader]:
        return self.data.sip_headers


class LiveTransportConnected(_Event):
    """A GPT-Live session that has begun by WebRTC."""

    type: Literal["live.transport.connected"]
    """Always `live.transport.connected`."""
    data: LiveConnectedData
    """The session."""

    @property
    def session_id(self) -> str:
        """The session's id, for `client.live.sessions`."""
        return self.data.session_id


class SafetyIdentifierBlocked(_Event):
    """A request that was blocked for its safety identifier."""

    type: Literal["safety_identifier.blocked"]
    """Always `safety_identifier.blocked`."""
    data: SafetyIdentifierBlockedData
    """The request."""


IncomingCall = RealtimeCallIncoming | LiveTransportIncoming
"""A phone call that rings."""
AnyWebhookEvent = IncomingCall | LiveTransportConnected | SafetyIdentifierBlocked | WebhookEvent
"""A verified event."""
EVENTS: Final[Mapping[str, type[AnyWebhookEvent]]] = MappingProxyType(
    {
        "realtime.call.incoming": RealtimeCallIncoming,
        "live.transport.incoming": LiveTransportIncoming,
        "live.call.incoming": LiveTransportIncoming,
        "live.transport.connected": LiveTransportConnected,
        "safety_identifier.blocked": SafetyIdentifierBlocked,
    }
)
"""The class of each type; other types are a `WebhookEvent`."""


def _uri(header: str | None) -> str | None:
    """Return the URI in the first 1 KiB of a From or To header; None if it has no complete URI."""
    header = header or ""
    beginning = header[:_MAX_SIP_HEADER]
    if match := _NAME_AND_URI.match(beginning):
        return match.group(1)
    match = _URI_ALONE.match(beginning)
    is_complete = match is not None and (match.end() < len(beginning) or beginning == header)
    return match.group(1) if match and is_complete else None


def _phone_number(uri: str | None) -> str | None:
    scheme, _, user = (uri or "").partition(":")
    if scheme.lower() in {"sip", "sips"}:
        user, at, _ = user.partition("@")
        user = user if at else ""
    elif scheme.lower() != "tel":
        return None
    number = unquote(user.partition(";")[0]).translate(_SEPARATORS)
    return number if _NUMBER.fullmatch(number) else None
