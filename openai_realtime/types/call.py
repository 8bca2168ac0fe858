"""The parameters of WebRTC and SIP calls, and the response that begins a WebRTC call."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, NotRequired, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from openai_realtime.core.meta import ResponseMeta
from openai_realtime.official_names import CALL, OfficialNames
from openai_realtime.types.annotations import STRICT, Between, Expect
from openai_realtime.types.base import RequestOptions
from openai_realtime.types.nested_session import NestedSessionParameters, RealtimeSessionParam

SipStatus = Annotated[int, Field(ge=300, le=699), Expect("a SIP status code from 300 to 699")]
"""The status with which a phone call is rejected."""


@with_config(STRICT)
class CallParameters(TypedDict, total=False):
    """The SDP offer and the session of a WebRTC call."""

    sdp: Required[str]
    """The WebRTC peer's SDP offer."""
    session: RealtimeSessionParam
    """The session's configuration. Not allowed with an ephemeral key: its session is configured."""
    webrtcfilter: Literal["on", "off"]
    """Only Azure: with `on`, the data channel carries transcripts, items and the starts and ends of
    speech, but no event with the session's instructions or tools. Default there: `on`."""
    dcid: Annotated[int, Between(0, 65534)]
    """The id of the data channel, if the peer made it with `negotiated: true`; 0–65534. Default:
    the peers agree on one."""


class CallCreateParams(CallParameters, RequestOptions, total=False):
    """The keyword arguments of `calls.create`."""


@with_config(STRICT)
class CallAcceptParameters(NestedSessionParameters, total=False):
    """The session of an accepted phone call."""

    type: Literal["realtime"]
    """Always `realtime`; it is sent also when it is left out."""


class CallAcceptParams(CallAcceptParameters, RequestOptions, total=False):
    """The keyword arguments of `calls.accept`: those of a nested realtime session."""


@with_config(STRICT)
class CallRejectParameters(TypedDict):
    """Why a phone call is rejected."""

    status_code: NotRequired[SipStatus]
    """The SIP status sent to the caller, such as 486 (busy). Default: 603 (decline)."""


class CallRejectParams(CallRejectParameters, RequestOptions, total=False):
    """The keyword arguments of `calls.reject`."""


@with_config(STRICT)
class CallReferParameters(TypedDict):
    """The new destination of a phone call."""

    target_uri: Annotated[
        str,
        Field(pattern=r"^(?:tel|sips?):[!-~]+$"),
        Expect("a tel: or sip: URI, such as tel:+14155550123"),
    ]
    """The new destination: `tel:+14155550123` or `sip:agent@example.com`."""


class CallReferParams(CallReferParameters, RequestOptions, total=False):
    """The keyword arguments of `calls.refer`."""


@with_config(STRICT)
class CallHangupParameters(TypedDict):
    """`calls.hangup` has no parameters."""


class CallHangupParams(CallHangupParameters, RequestOptions, total=False):
    """The keyword arguments of `calls.hangup`."""


class CallConnectParameters(TypedDict):
    """`calls.connect` has no parameters."""


class CallConnectParams(CallConnectParameters, RequestOptions, total=False):
    """The keyword arguments of `calls.connect`."""


@dataclass(frozen=True, slots=True)
class RealtimeCall(OfficialNames):
    """A WebRTC call that the server has accepted."""

    _official_names: ClassVar[Mapping[str, str]] = CALL

    id: str | None
    """The call's id (`rtc_…`), from the `Location` header; None when there is none."""
    sdp: str = field(repr=False)
    """The SDP answer for the WebRTC peer."""
    meta: ResponseMeta = field(compare=False)
    """Facts about the call of `calls.create`."""
