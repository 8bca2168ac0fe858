"""The session that the server chose, with a person's choices laid into it, as a call to mint it.

Owns: the flat and the nested way to write `session`, and its lifetime. Must not know: HTTP requests,
limits, principals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from openai_realtime.dialects import nested_request
from openai_realtime.errors import ConfigurationError
from openai_realtime.resources import client_secrets, sessions
from openai_realtime.resources.parameters import merge_objects

if TYPE_CHECKING:
    from openai_realtime.client import RealtimeSessionsClient
    from openai_realtime.dialects import JsonObject
    from openai_realtime.mint.choices import Choice, Choices
    from openai_realtime.types.nested_session import ClientSecretCreateResponse
    from openai_realtime.types.session import RealtimeSessionCreateResponse

_SHORTEST, _LONGEST = 10, 7200


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """What is minted when nothing is chosen, and what becomes of a choice."""

    session: JsonObject
    lifetime: int
    """Seconds."""

    @classmethod
    def of(cls, session: Mapping[str, object], lifetime: int, choices: Choices) -> SessionPlan:
        """Return the plan; raises `ConfigurationError` or `ParameterError` when it cannot work.

        Every value that may be chosen is tried, so that none fails when somebody chooses it.
        """
        if isinstance(lifetime, bool) or not _SHORTEST <= lifetime <= _LONGEST:
            message = f"lifetime is unusable: it is {_SHORTEST} to {_LONGEST} seconds"
            raise ConfigurationError(message)
        if {"client_secret", "expires_after"} & session.keys():
            message = "session: the secret's lifetime is set by lifetime=…"
            raise ConfigurationError(message)
        if "type" in session:
            checked = client_secrets.CREATE.parameters.validate({"session": session})["session"]
            plan = cls(cast("JsonObject", checked), lifetime)
        else:
            plan = cls(sessions.CREATE.parameters.validate(session), lifetime)
        for name, value in choices.everything():
            plan.check({name: value})
        return plan

    @property
    def is_nested(self) -> bool:
        """Whether the session is written as `client.client_secrets.create` takes it."""
        return "type" in self.session

    @property
    def model(self) -> str | None:
        """The model that the server chose; None: it left that to the provider."""
        model = self.session.get("model")
        return model if isinstance(model, str) else None

    def check(self, chosen: Mapping[str, Choice]) -> None:
        """Raise `ParameterError` when the session would be none with these choices."""
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
        if self.is_nested:
            return await client.client_secrets.create(
                session=session, expires_after={"seconds": self.lifetime}, **options
            )
        return await client.sessions.create(
            **session, client_secret={"expires_after": {"seconds": self.lifetime}}, **options
        )

    def _with(self, chosen: Mapping[str, Choice]) -> JsonObject:
        flat: JsonObject = {**chosen}
        if not self.is_nested:
            return {**self.session, **flat}
        kind = cast('Literal["realtime", "transcription"]', self.session["type"])
        nested = nested_request(flat, kind).body["session"]
        return merge_objects(self.session, cast("JsonObject", nested))
