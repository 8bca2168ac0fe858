"""GPT-Live at the mock: the sessions that it starts, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from openai_realtime.dialects import api_of
from openai_realtime.errors import ParameterError
from openai_realtime.resources import live
from openai_realtime.testing.mock_sessions import as_object
from openai_realtime.testing.profiles import MockResponse, error_response
from openai_realtime.types.live import LiveVoice

if TYPE_CHECKING:
    from openai_realtime.core.strict_json import Json
    from openai_realtime.dialects import JsonObject
    from openai_realtime.resources.parameters import Parameters

_VOICES = frozenset(get_args(LiveVoice))
_MAX_INSTRUCTION_TOKENS = 16_384
_TRIGGERS = frozenset({"session.input_transcript.delta", "session.output_transcript.delta"})


class RefusedError(Exception):
    """The mock refuses a request, with `response`."""

    def __init__(self, response: MockResponse) -> None:
        super().__init__(response.status)
        self.response = response


def check_model(model: Json, *, is_live: bool) -> None:
    """Raise `RefusedError` for a model of the other API."""
    if isinstance(model, str) and (api_of({"model": model}) == "live") is not is_live:
        right = "/v1/live/sessions takes" if is_live else "only /v1/live/sessions takes"
        message = f"The model {model[:80]!r} is not for this endpoint: {right} GPT-Live models"
        raise _refused(400, message, "invalid_model", "session.model")


def checked_parameters(action: str, parameters: JsonObject, *, is_azure: bool) -> JsonObject:
    """Return the parameters of `create` or an action; raises what a server refuses."""
    types = live.CREATE if action == "create" else live.ACTIONS[action]
    checked = _strictly(types, parameters)
    session = as_object(checked.get("session"))
    if session:
        _check_session(session, is_azure=is_azure)
    if action == "accept" and session.get("type") != "live":
        message = "session.type must be live"
        raise ParameterError(message, param="session.type")
    return checked


def _strictly(types: Parameters, parameters: JsonObject) -> JsonObject:
    """Return the checked parameters; a wrong value is refused before an unknown name is."""
    types.validate(parameters, keep_unknown=True)
    try:
        return types.validate(parameters)
    except ParameterError as error:
        unknown = error.param
    raise _refused(400, f"Unknown parameter: {unknown}", "unknown_parameter", unknown)


def _check_session(session: JsonObject, *, is_azure: bool) -> None:
    if not is_azure:  # there the model is a deployment
        check_model(session["model"], is_live=True)
    voice = as_object(as_object(session.get("audio")).get("output")).get("voice")
    if isinstance(voice, str) and voice not in _VOICES:
        raise _refused(
            403, f"The voice {voice[:80]!r} is not available", "forbidden", "audio.output.voice"
        )
    # A word has one token or more.
    if len(str(session.get("instructions") or "").split()) > _MAX_INSTRUCTION_TOKENS:
        message = f"session.instructions has more than {_MAX_INSTRUCTION_TOKENS} tokens"
        raise ParameterError(message, param="session.instructions")
    if is_azure and as_object(session.get("delegation")).get("type") == "decisions":
        message = "session.delegation.type must be client or responses"
        raise ParameterError(message, param="session.delegation.type")
    _check_triggers(session.get("triggers"))


def _check_triggers(triggers: Json) -> None:
    seen: set[Json] = set()
    for trigger in map(as_object, triggers if isinstance(triggers, list) else []):
        event_type = trigger.get("event_type")
        questions = as_object(trigger.get("decisions")).get("questions")
        if (
            trigger.get("type") != "decisions"
            or event_type not in _TRIGGERS
            or event_type in seen
            or not isinstance(questions, list)
        ):
            message = "session.triggers must have one trigger with questions for each event type"
            raise ParameterError(message, param="session.triggers")
        seen.add(event_type)


def _refused(status: int, message: str, code: str, param: str | None) -> RefusedError:
    return RefusedError(error_response(status, message, code=code, param=param))
