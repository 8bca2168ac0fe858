"""The parameters of GPT-Live sessions, and the response that starts one.

The server refuses unknown fields, so these types have none but the API's own.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, NotRequired, Required, cast

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from openai_realtime.types.annotations import AS_LIST, STRICT, Between, Expect, JsonParam
from openai_realtime.types.base import RequestOptions, ResponseModel, WireModel
from openai_realtime.types.call import CallHangupParameters, CallReferParameters, SipStatus
from openai_realtime.types.live_delegation import LiveDelegationParam

LiveVoice = Literal[
    "alloy",
    "ash",
    "ballad",
    "beacon",
    "bossa",
    "cedar",
    "cinder",
    "coral",
    "delta",
    "echo",
    "gleam",
    "marin",
    "meridian",
    "quartz",
    "ripple",
    "sage",
    "shida",
    "shimmer",
    "stone",
    "tempo",
    "verse",
    "vesper",
    "willow",
]
"""The voices of GPT-Live."""
if TYPE_CHECKING:
    LiveModel = Literal["gpt-live-1", "gpt-live-1.1"] | str
    """A model of GPT-Live; any other text is sent as it is."""
    LiveVoiceName = LiveVoice | str
    """The name of a voice of GPT-Live; any other text is sent as it is."""
else:  # At run time every string is valid, and a union with literals would only be slower.
    LiveModel = LiveVoiceName = str

_EVENT_TYPE = r"^(?:error|info|[a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)+)$"


class LiveCustomVoiceParam(TypedDict):
    """A custom voice, by its id."""

    id: Annotated[
        str, Field(min_length=1, max_length=128), Expect("a voice's id of 1 to 128 characters")
    ]
    """The voice's id, 1 to 128 characters."""


class LiveAudioOutputParam(TypedDict, total=False):
    """The audio that the model produces."""

    voice: LiveVoiceName | LiveCustomVoiceParam
    """The voice, such as `marin` (default), or `{"id": …}` for a custom one. It cannot change later."""


class LiveAudioParam(TypedDict, total=False):
    """Audio out. WebRTC and SIP negotiate its encoding."""

    output: LiveAudioOutputParam
    """The audio that the model produces."""


def _refuse_plain_string(value: object) -> object:
    if isinstance(value, str):
        kind = "unexpected_value"
        message = "must be an object such as {'type': 'session.closed'}, not a string"
        raise PydanticCustomError(kind, message)
    return value


def _check_response_event(value: dict[str, str]) -> dict[str, str]:
    if (value["type"] == "response.event") is not ("response_event" in value):
        kind = "unexpected_value"
        message = "must have response_event if its type is response.event, and only then"
        raise PydanticCustomError(kind, message)
    return value


LiveEventType = Annotated[
    str,
    Field(pattern=_EVENT_TYPE, max_length=256),
    Expect("an event's type of at most 256 characters, such as session.close"),
]


class LiveServerEventParam(TypedDict):
    """One type of server event that the data channel may carry."""

    type: LiveEventType
    """The event's type, such as `session.closed`; `response.event` for those of Responses."""
    response_event: NotRequired[LiveEventType]
    """The inner event's type, such as `response.done`: required for `response.event`, and only there."""


LiveServerEvent = Annotated[
    LiveServerEventParam,
    BeforeValidator(_refuse_plain_string),
    AfterValidator(_check_response_event),
]


def _all_or_list(value: object) -> str:
    return "All" if isinstance(value, str) else "Listed"


class LiveDataChannelParam(TypedDict, total=False):
    """What the browser may send and receive. Without it: everything."""

    allowed_client_events: Annotated[
        Annotated[Literal["all"], Expect("'all' or a list of event types"), Tag("All")]
        | Annotated[
            Sequence[LiveEventType],
            Field(max_length=256),
            AS_LIST,
            Tag("Listed"),
        ],
        Discriminator(_all_or_list),
    ]
    """What the browser may send: `"all"` (default) or at most 256 event types; `[]`: nothing. An
    event that is not allowed is answered with the error `event_not_allowed`."""
    allowed_server_events: Annotated[
        Annotated[Literal["all"], Expect("'all' or a list of objects"), Tag("All")]
        | Annotated[
            Sequence[LiveServerEvent],
            Field(max_length=256),
            AS_LIST,
            Tag("Listed"),
        ],
        Discriminator(_all_or_list),
    ]
    """What the browser receives: `"all"` (default) or at most 256 objects, such as
    `{"type": "session.closed"}`; `[]`: nothing."""


class LiveClientParam(TypedDict):
    """What the browser may do. Servers, which join by the sideband, may always do everything."""

    data_channel: LiveDataChannelParam
    """What the browser may send and receive.

    Warning: if it is absent, the browser receives every event and may send every event. It then sees
    `session.started`, which holds the instructions, the tools and the history, and it may change the
    session with `session.update`. Restrict it wherever these are not for the user's eyes."""


class LiveInputTextParam(TypedDict):
    """The text of a developer's or a user's message."""

    text: str
    """The text."""
    type: NotRequired[Literal["input_text"]]
    """Always `input_text`."""


class LiveOutputTextParam(TypedDict):
    """The text of an assistant's message."""

    text: str
    """The text."""
    type: Literal["text", "output_text"]
    """`output_text` or `text`."""


class _Message(TypedDict, total=False):
    id: str | None
    """An id for the message. Default, and None: no id."""
    status: Literal["incomplete", "completed"] | None
    """Whether the message is complete. An incomplete one is not continued. Default: not given."""
    type: Literal["message"]
    """Always `message`."""


class LiveInputMessageParam(_Message):
    """A message of the developer or the user."""

    role: Required[Literal["developer", "user"]]
    """Who wrote it. There is no role `system`."""
    content: Required[
        Annotated[Sequence[LiveInputTextParam], Field(min_length=1, max_length=1), AS_LIST]
    ]
    """A list of exactly one text."""


class LiveAssistantMessageParam(_Message):
    """A message of the assistant."""

    role: Required[Literal["assistant"]]
    """Always `assistant`."""
    content: Required[
        Annotated[Sequence[LiveOutputTextParam], Field(min_length=1, max_length=1), AS_LIST]
    ]
    """A list of exactly one text."""


def _author(value: object) -> str | None:
    role = cast("dict[str, object]", value).get("role") if isinstance(value, dict) else None
    return {"assistant": "Assistant", "developer": "Input", "user": "Input"}.get(str(role))


LiveMessageParam = Annotated[
    Annotated[LiveInputMessageParam, Tag("Input")]
    | Annotated[LiveAssistantMessageParam, Tag("Assistant")],
    Discriminator(
        _author,
        custom_error_type="unexpected_value",
        custom_error_message="must be an object whose role is developer, user or assistant",
    ),
]
"""A message of the history with which a session starts."""


class LiveWakePolicyParam(TypedDict):
    """What ends a pause of the session."""

    type: Literal["speech"]
    """Always `speech`."""
    vad_threshold: NotRequired[Annotated[float, Between(0, 1)]]
    """How sure speech must be to end the pause, 0–1. Default 0.5."""


class LiveSessionParameters(TypedDict, total=False):
    """What configures a session of either kind, WebRTC or phone."""

    model: Required[LiveModel]
    """The model: `gpt-live-1`, `gpt-live-1.1`; at Azure the deployment's name."""
    instructions: str | None
    """How the model speaks and when it delegates; at most 16,384 tokens. They cannot change later.
    Default, None and blank: the server's."""
    audio: LiveAudioParam
    """The voice."""
    delegation: LiveDelegationParam | None
    """Who does the tasks that the model delegates. Default, and None: your application, by the
    session's events (`{"type": "client"}`). Its type cannot change later."""
    input: Annotated[Sequence[LiveMessageParam], Field(max_length=128), AS_LIST]
    """The history: at most 128 messages, and by default 8,192 tokens. Default: none."""
    triggers: Annotated[Sequence[JsonParam], AS_LIST]
    """Questions that are decided at each piece of a transcript, as plain dicts: `{"type":
    "decisions", "event_type": …, "decisions": {"questions": […]}}`, at most one for each
    `event_type`. Default: none."""
    safety_identifier: str | None
    """A stable, pseudonymous id of the person who will speak; the option of the same name sets it too.
    Default, and None: none."""
    store: bool
    """Whether the provider stores the session, for its recording and for forks. Default: false."""


class LiveSessionParam(LiveSessionParameters, total=False):
    """The session of `live.create`."""

    client: LiveClientParam
    """What the browser may do. Without it the browser sees everything, your instructions included,
    and may send everything: see `LiveClientParam.data_channel`."""
    idle_timeout_s: Annotated[int, Between(0)]
    """After how many whole seconds without activity the model pauses, with a `wake_policy`. Default:
    never."""
    wake_policy: LiveWakePolicyParam
    """What ends such a pause. Default: there is no pause."""


class LiveAcceptSessionParam(LiveSessionParameters, total=False):
    """The session of an accepted phone call."""

    type: Literal["live"]
    """Always `live`; it is sent also when it is left out."""


class LiveTransportParam(TypedDict):
    """The WebRTC peer's offer."""

    type: Literal["webrtc"]
    """Always `webrtc`."""
    sdp: Annotated[str, Field(min_length=1), Expect("an SDP offer, which is not empty")]
    """The peer's SDP offer."""
    dcid: NotRequired[Annotated[int, Between(0, 65534)]]
    """The id of the data channel, if the peer made it with `negotiated: true`; 0–65534. Default: the
    peers agree on one."""


@with_config(STRICT)
class LiveCreateParameters(TypedDict):
    """The session and the WebRTC offer of `live.create`."""

    session: LiveSessionParam
    """The session's configuration. `client.data_channel` in it limits what the browser sees."""
    transport: LiveTransportParam
    """The WebRTC peer's offer: `{"type": "webrtc", "sdp": …}`."""


class LiveCreateParams(LiveCreateParameters, RequestOptions):
    """The keyword arguments of `live.create`."""


@with_config(STRICT)
class LiveAcceptParameters(TypedDict):
    """The session of `live.sessions.accept`."""

    session: LiveAcceptSessionParam
    """The session's configuration."""


class LiveAcceptParams(LiveAcceptParameters, RequestOptions):
    """The keyword arguments of `live.sessions.accept`."""


@with_config(STRICT)
class LiveRejectParameters(TypedDict):
    """Why a phone call is rejected."""

    status_code: SipStatus
    """The SIP status sent to the caller, 300–699, such as 486 (busy). There is no default."""


class LiveRejectParams(LiveRejectParameters, RequestOptions):
    """The keyword arguments of `live.sessions.reject`."""


class LiveReferParams(CallReferParameters, RequestOptions):
    """The keyword arguments of `live.sessions.refer`."""


class LiveHangupParams(CallHangupParameters, RequestOptions):
    """The keyword arguments of `live.sessions.hangup`."""


@with_config(STRICT)
class LiveConnectParameters(TypedDict):
    """How a sideband joins a session."""

    graceful_close: NotRequired[bool]
    """Whether the server ends the sideband with a WebSocket close frame when the session ends. The
    iteration ends without one too: at `session.closed`. Default: the server's own."""


class LiveConnectParams(LiveConnectParameters, RequestOptions, total=False):
    """The keyword arguments of `live.sideband.connect`."""


class LiveSession(WireModel):
    """A session that was started."""

    id: Annotated[str, Field(min_length=1)]
    """The session's id, `live_…`, for `client.live.sessions`: an opaque text."""


class LiveTransport(WireModel):
    """The server's end of the WebRTC connection."""

    type: Literal["webrtc"] | str = "webrtc"
    """Always `webrtc`."""
    sdp: Annotated[str, Field(pattern=r"^v=0")]
    """The SDP answer for the WebRTC peer. The repr does not show it."""

    def __rich_repr__(self) -> Iterator[tuple[str, object]]:
        """Yield what is shown: everything but `sdp`, which holds addresses and passwords."""
        return (pair for pair in super().__rich_repr__() if pair[0] != "sdp")


class LiveCreateResponse(ResponseModel):
    """A GPT-Live session that was started by WebRTC."""

    session: LiveSession
    """The session, with its `id`."""
    transport: LiveTransport
    """The server's end of the connection, with its `sdp`."""
