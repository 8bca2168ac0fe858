"""The events that a webhook delivers: an incoming phone call, or another event."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import Field, PrivateAttr

from openai_realtime.types.base import WireModel
from openai_realtime.types.client_secret import MAX_UNIX_SECONDS

_MAX_SIP_HEADER = 1024
"""Characters. A SIP message that fits a UDP packet has no longer header, and most have 100."""
# RFC 3261 §20.10: a display name, quoted or not, and the URI in angle brackets; or the URI alone,
# and then what follows a semicolon is the header's, not the URI's. A URI is visible ASCII (RFC 3986).
# No part of them gives back what it has matched, so that each looks at a character once.
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
    value: str
    """Its value, such as `"Alice" <sip:+14155550123@example.com>;tag=abc`."""


class IncomingCallData(WireModel):
    """What the event says about an incoming phone call."""

    call_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
    """The call's id (`rtc_…`), for `client.calls`."""
    sip_headers: list[SipHeader] = Field(default_factory=list[SipHeader])
    """The headers of the SIP INVITE, in their order. The caller's side wrote them: believe none."""
    sip_media_security: str | None = None
    """How the call's sound is protected: `srtp`, `rtp` (not at all), or None: unknown."""


class _Event(WireModel):
    _webhook_id: str = PrivateAttr(default="")

    id: Annotated[str, Field(min_length=1)]
    """The event's id, `evt_…`."""
    created_at: Annotated[int, Field(ge=0, le=MAX_UNIX_SECONDS)]
    """When it came about, in Unix seconds."""

    @property
    def webhook_id(self) -> str:
        """The delivery's `webhook-id`: the same each time that the event is delivered again."""
        return self._webhook_id

    @property
    def created_at_datetime(self) -> datetime:
        """When it came about, as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.created_at, UTC)

    def delivered_as(self, webhook_id: str) -> None:
        """Note the delivery's `webhook-id`."""
        self._webhook_id = webhook_id


class WebhookEvent(_Event):
    """A verified event of another type than `realtime.call.incoming`."""

    type: str
    """What happened, such as `batch.completed`."""
    data: object = None
    """What the event is about, as decoded JSON."""


class RealtimeCallIncoming(_Event):
    """A phone call comes in: accept, reject or refer it with `client.calls` and `call_id`.

    The signature proves that the provider sent the event. Who calls is what the telephone network
    says, which a caller can fake: let no number be a password.
    """

    type: Literal["realtime.call.incoming"]
    """Always `realtime.call.incoming`."""
    data: IncomingCallData
    """The call."""

    @property
    def call_id(self) -> str:
        """The call's id, for `client.calls`."""
        return self.data.call_id

    @property
    def sip_headers(self) -> list[SipHeader]:
        """The headers of the SIP INVITE."""
        return self.data.sip_headers

    def sip_header(self, name: str) -> str | None:
        """Return the value of the first SIP header of that name, whatever its case; None: no such.

        `From` and `To` are found by their compact names, `f` and `t`, too.
        """
        wanted = {name.lower(), _COMPACT.get(name.lower(), name.lower())}
        return next((own.value for own in self.sip_headers if own.name.lower() in wanted), None)

    @property
    def from_uri(self) -> str | None:
        """Who calls, such as `sip:+14155550123@example.com`; None: not said."""
        return _uri(self.sip_header("From"))

    @property
    def to_uri(self) -> str | None:
        """Who is called, such as `sip:proj_123@sip.api.openai.com`; None: not said."""
        return _uri(self.sip_header("To"))

    @property
    def from_number(self) -> str | None:
        """The caller's number, such as `+14155550123`; None: withheld, or no number."""
        return _phone_number(self.from_uri)

    @property
    def to_number(self) -> str | None:
        """The number called, such as `+14155550123`; None: not said, or no number."""
        return _phone_number(self.to_uri)


def _uri(header: str | None) -> str | None:
    """Return the URI in the first 1 KiB of a From or To header; None: there is none, or half of one."""
    header = header or ""
    seen = header[:_MAX_SIP_HEADER]
    if found := _NAME_AND_URI.match(seen):
        return found.group(1)
    found = _URI_ALONE.match(seen)
    is_whole = found is not None and (found.end() < len(seen) or seen == header)
    return found.group(1) if found and is_whole else None


def _phone_number(uri: str | None) -> str | None:
    scheme, _, user = (uri or "").partition(":")
    if scheme.lower() in {"sip", "sips"}:
        user, at, _ = user.partition("@")
        user = user if at else ""
    elif scheme.lower() != "tel":
        return None
    number = unquote(user.partition(";")[0]).translate(_SEPARATORS)
    return number if _NUMBER.fullmatch(number) else None
