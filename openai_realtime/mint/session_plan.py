"""The session that the server chose for every secret and call, and what the page may choose in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from openai_realtime.client import RealtimeSessionsClient
from openai_realtime.dialects import JsonObject, SessionAPI, api_of, nested_request
from openai_realtime.errors import ConfigurationError
from openai_realtime.mint.request_body import Choice, Choices
from openai_realtime.resources import client_secrets, live, sessions
from openai_realtime.resources.parameters import merge_objects
from openai_realtime.types.nested_session import ClientSecretCreateResponse
from openai_realtime.types.session import RealtimeSessionCreateResponse, SessionParameters

_MIN_LIFETIME = 10
_LIVE_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "idle_timeout_s": ("idle_timeout_s",),
    "instructions": ("instructions",),
    "model": ("model",),
    "store": ("store",),
    "voice": ("audio", "output", "voice"),
}
"""The path in a GPT-Live session of each choice."""
CHOICES: Final[Mapping[SessionAPI, Collection[str]]] = {
    "realtime": SessionParameters.__annotations__.keys() - {"client_secret"},
    "live": _LIVE_CHOICES.keys(),
}
"""The names of what the page may choose, by API."""
_DATA_CHANNEL: Final[JsonObject] = {
    "allowed_client_events": [
        "session.close",
        "session.input_audio.mute",
        "session.input_audio.unmute",
    ],
    "allowed_server_events": [
        {"type": "session.input_transcript.delta"},
        {"type": "session.output_transcript.delta"},
        {"type": "session.closed"},
        {"type": "error"},
        {"type": "info"},
    ],
}
"""What the page may send and receive in a GPT-Live session, unless the session says otherwise. The
provider's own default is everything, the instructions included."""
_LIVE_TYPE: Final = ("type", "live")
_ANY_TRANSPORT: Final = {"type": "webrtc", "sdp": "v=0"}


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """The session that the server chose, of either API, and the lifetime of its secrets."""

    session: JsonObject
    """Realtime: flat or nested."""
    lifetime: int
    """Seconds."""
    api: SessionAPI = "realtime"
    """The API of the session."""

    @classmethod
    def of(
        cls,
        session: Mapping[str, object],
        lifetime: int,
        choices: Choices,
        max_lifetime: int,
        api: SessionAPI,
    ) -> SessionPlan:
        """Return the plan; raises `ConfigurationError` or `ParameterError` when it is unusable.

        Each choice is validated, so that no request fails because of it later.
        """
        if isinstance(lifetime, bool) or not _MIN_LIFETIME <= lifetime <= max_lifetime:
            message = f"lifetime is unusable: it must be {_MIN_LIFETIME} to {max_lifetime} seconds"
            raise ConfigurationError(message)
        if api == "live":
            plan = cls(_live_session(session), lifetime, api)
        elif {"client_secret", "expires_after"} & session.keys():
            message = "session: the secret's lifetime is set by lifetime=…"
            raise ConfigurationError(message)
        elif "type" in session:
            checked = client_secrets.CREATE.parameters.validate({"session": session})["session"]
            plan = cls(cast("JsonObject", checked), lifetime)
        else:
            plan = cls(sessions.CREATE.parameters.validate(session), lifetime)
        for name, value in choices.pairs():
            if name == "model" and api_of({**session, name: value}) != api_of(session):
                message = "allow: model is unusable: session and all its models must be of one API"
                raise ConfigurationError(message)
            plan.check({name: value})
        return plan

    @property
    def is_nested(self) -> bool:
        """Whether the session has the form of `client.client_secrets.create`."""
        return "type" in self.session

    @property
    def model(self) -> str | None:
        """The model of the session, or None if the provider chooses it."""
        model = self.session.get("model")
        return model if isinstance(model, str) else None

    def check(self, chosen: Mapping[str, Choice]) -> None:
        """Raise `ParameterError` if the session is unusable with these choices."""
        if self.api == "live":
            _checked_live(self._with(chosen))
            return
        sessions.CREATE.parameters.validate(chosen)
        if self.is_nested:
            client_secrets.CREATE.parameters.validate({"session": self._with(chosen)})

    async def mint(
        self,
        client: RealtimeSessionsClient,
        chosen: Mapping[str, Choice],
        safety_identifier: str | None,
    ) -> RealtimeSessionCreateResponse | ClientSecretCreateResponse:
        """Return a new secret for the session; raises what the client raises."""
        options: dict[str, Any] = {}
        if safety_identifier is not None:
            options["safety_identifier"] = safety_identifier
        session: Any = self._with(chosen)
        expires_after: Any = {"seconds": self.lifetime}
        if self.is_nested:
            return await client.client_secrets.create(
                session=session, expires_after=expires_after, **options
            )
        return await client.sessions.create(
            **session, client_secret={"expires_after": expires_after}, **options
        )

    def of_call(self, chosen: Mapping[str, Choice]) -> JsonObject:
        """Return the session with these choices as `calls.create` or `live.create` takes it."""
        session = self._with(chosen)
        if self.is_nested or self.api == "live":
            return session
        return cast("JsonObject", nested_request(session, "realtime").body["session"])

    def _with(self, chosen: Mapping[str, Choice]) -> JsonObject:
        if self.api == "live":
            session = self.session
            for name, value in chosen.items():
                session = merge_objects(session, _nested(_LIVE_CHOICES[name], value))
            return session
        flat: JsonObject = {**chosen}
        if not self.is_nested:
            return {**self.session, **flat}
        kind = cast('Literal["realtime", "transcription"]', self.session["type"])
        nested = nested_request(flat, kind).body["session"]
        return merge_objects(self.session, cast("JsonObject", nested))


def _live_session(session: Mapping[str, object]) -> JsonObject:
    """Return a checked GPT-Live session, with what the page may send and receive."""
    # As for phone calls; the type is not sent here.
    without_type = {name: session[name] for name in session if (name, session[name]) != _LIVE_TYPE}
    if "safety_identifier" in without_type:
        message = "session: safety_identifier is each person's own: safety_key=… sets it"
        raise ConfigurationError(message)
    checked = _checked_live(without_type)
    return merge_objects({"client": {"data_channel": _DATA_CHANNEL}}, checked)


def _checked_live(session: Mapping[str, object]) -> JsonObject:
    checked = live.CREATE.validate({"session": session, "transport": _ANY_TRANSPORT})["session"]
    return cast("JsonObject", checked)


def _nested(path: tuple[str, ...], value: Choice) -> JsonObject:
    *parents, name = path
    nested: JsonObject = {name: value}
    for parent in reversed(parents):
        nested = {parent: nested}
    return nested
