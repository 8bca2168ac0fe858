"""`client.live`: starts a GPT-Live session by WebRTC; accepts, rejects, refers, hangs up, or joins one.

Rule for this file: no request is repeated unless it was certainly not sent, or the server permits
it, because each request starts or changes a session that is paid for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Unpack, cast

from pydantic import ValidationError

from openai_realtime.configuration import Configuration
from openai_realtime.core.error_responses import NO_ENDPOINT
from openai_realtime.core.exchange import Call
from openai_realtime.core.meta import ResponseMeta
from openai_realtime.core.wire import Response
from openai_realtime.dialects import JsonObject
from openai_realtime.errors import (
    APIResponseValidationError,
    ConfigurationError,
    ParameterError,
)
from openai_realtime.providers import NO_QUERY
from openai_realtime.resources import parameter_errors
from openai_realtime.resources.parameters import (
    Parameters,
    merge_extra_body,
    tool_credentials,
)
from openai_realtime.resources.requests import (
    CallArguments,
    require_fresh_connection,
    safety_identifier,
)
from openai_realtime.resources.resource import AsyncResource, SyncResource, takes
from openai_realtime.resources.responses import read_nothing
from openai_realtime.resources.sideband import AsyncSideband, Sideband
from openai_realtime.resources.sideband_protocol import LiveProtocol, handshake_call
from openai_realtime.transports.drivers import AsyncDriver, SyncDriver
from openai_realtime.transports.websocket import UpgradedResponse
from openai_realtime.types.call import CallHangupParameters, CallReferParameters
from openai_realtime.types.live import (
    LiveAcceptParameters,
    LiveAcceptParams,
    LiveConnectParameters,
    LiveConnectParams,
    LiveCreateParameters,
    LiveCreateParams,
    LiveCreateResponse,
    LiveHangupParams,
    LiveReferParams,
    LiveRejectParameters,
    LiveRejectParams,
)

# Session ids are opaque; these characters have no other meaning in a URL.
_SESSION_ID = re.compile(r"(?!\.+\Z)[A-Za-z0-9._~:@!$&'()*+,;=-]{1,256}", re.ASCII)
_NO_SECRETS = (
    "GPT-Live takes the API key of a project: it has no client secrets, and no access for "
    "subscriptions"
)
_CREATE_HINTS: Mapping[int | str, str] = {
    401: f"Check the API key. {_NO_SECRETS}",
    403: f"Check that the key's project may use GPT-Live and this model. {_NO_SECRETS}",
    NO_ENDPOINT: "The server has no GPT-Live endpoint (OpenAI and Azure OpenAI have): check base_url",
}
_ACTION_HINTS: Mapping[int | str, str] = dict.fromkeys(
    (404, NO_ENDPOINT), "The session has ended, or session_id is wrong"
)

_CONNECT = Parameters(LiveConnectParameters)
CREATE = Parameters(LiveCreateParameters, parameter_errors.LIVE)
ACTIONS = {
    "accept": Parameters(LiveAcceptParameters, parameter_errors.LIVE_ACCEPT),
    "reject": Parameters(LiveRejectParameters),
    "refer": Parameters(CallReferParameters),
    "hangup": Parameters(CallHangupParameters),
}


def create_call(
    configuration: Configuration, params: Mapping[str, object]
) -> Call[LiveCreateResponse]:
    """Return the call of `live.create`."""
    arguments = CallArguments.split(configuration, params)
    arguments, parameters = _session_parameters(arguments, CREATE)
    request = arguments.post_parameters(_url(configuration), parameters)
    return Call(
        "live.create",
        require_fresh_connection(request),
        _read_session,
        arguments.timeout,
        repeatable=False,
        hints={**_CREATE_HINTS, **arguments.retired_hints(parameters)},
        secrets=tool_credentials(parameters),
    )


def action_call(
    configuration: Configuration, action: str, session_id: str, params: Mapping[str, object]
) -> Call[None]:
    """Return the call of `live.sessions.accept`, `.reject`, `.refer` or `.hangup`."""
    url = _url(configuration, checked_session_id(session_id), action)
    arguments = CallArguments.split(configuration, params)
    if action == "accept":
        arguments, parameters = _session_parameters(arguments, ACTIONS[action])
        parameters["session"] = {"type": "live", **cast("JsonObject", parameters["session"])}
    else:
        parameters = ACTIONS[action].validate(arguments.parameters, arguments.extra_body)
    return Call(
        f"live.sessions.{action}",
        require_fresh_connection(arguments.post_parameters(url, parameters)),
        read_nothing,
        arguments.timeout,
        repeatable=False,
        hints={**arguments.retired_hints(parameters), **_ACTION_HINTS},
        secrets=tool_credentials(parameters),
    )


def connect_session(
    configuration: Configuration, session_id: str, params: Mapping[str, object]
) -> Call[UpgradedResponse]:
    """Return the handshake of `live.sideband.connect`."""
    arguments = CallArguments.split(configuration, params)
    parameters = _CONNECT.validate(arguments.parameters)
    query = {name: json.dumps(value) for name, value in parameters.items()}
    url = _url(configuration, checked_session_id(session_id), "attach", query=query)
    hint = "The session has ended, session_id is wrong, or it belongs to another project"
    return handshake_call("live.sideband.connect", arguments, url, hint)


def checked_session_id(session_id: object) -> str:
    """Return a session's id; raises `ParameterError` for what cannot be a part of a URL's path."""
    if isinstance(session_id, str) and _SESSION_ID.fullmatch(session_id):
        return session_id
    message = "session_id must be 1 to 256 letters, digits and marks such as _ and -: live_123"
    raise ParameterError(message, param="session_id")


def _url(configuration: Configuration, *below: str, query: Mapping[str, str] = NO_QUERY) -> str:
    provider = configuration.provider
    if "live" not in provider.paths:
        message = f"{provider.name} has no GPT-Live: OpenAI and Azure OpenAI have it"
        raise ConfigurationError(message)
    return provider.url("live", *below, query=query)


def _session_parameters(
    arguments: CallArguments, parameters: Parameters
) -> tuple[CallArguments, JsonObject]:
    """Return the arguments and the checked parameters; the safety identifier is in the session."""
    checked = parameters.validate(arguments.parameters)
    options = arguments.options.copy()
    if "safety_identifier" in options:
        # GPT-Live reads it from the body; its header is Realtime's.
        identifier = safety_identifier(options.pop("safety_identifier"))
        session = cast("JsonObject", checked["session"])
        checked["session"] = {"safety_identifier": identifier, **session}
    merged = merge_extra_body(checked, arguments.extra_body)
    if not isinstance(merged["session"], dict):
        message = "extra_body must have an object as session"
        raise ParameterError(message, param="extra_body")
    return arguments._replace(options=options), merged


def _read_session(response: Response, meta: ResponseMeta) -> LiveCreateResponse:
    try:
        return LiveCreateResponse.model_validate_json(response.body).with_meta(meta)
    except ValidationError as error:
        lacking = ", ".join(
            {".".join(map(str, problem["loc"])) or "JSON" for problem in error.errors()}
        )
    message = f"The server responded with success, but without a usable session ({lacking})"
    raise APIResponseValidationError(message, possibly_acted=True)


class AsyncLiveSessions(AsyncResource):
    """`client.live.sessions` of the async client."""

    @takes(LiveAcceptParams)
    async def accept(self, session_id: str, **params: Unpack[LiveAcceptParams]) -> None:
        """Accept a phone call: `POST {base_url}/live/sessions/{session_id}/accept`.

        `session` is its configuration, with at least `model` (`LiveAcceptSessionParam`); the options
        are those of `live.create`. Returns once the session is set up.

        The same call may ring at the Realtime API too: the first successful accept decides. Raises
        `APIStatusError` with the code `decision_already_made` after that, `NotFoundError` when the
        call has ended, and otherwise what `live.create` raises.
        """
        await self._driver.run(action_call(self._configuration, "accept", session_id, params))

    @takes(LiveRejectParams)
    async def reject(self, session_id: str, **params: Unpack[LiveRejectParams]) -> None:
        """Reject a phone call: `POST {base_url}/live/sessions/{session_id}/reject`.

        `status_code` is the SIP status for the caller, 300–699; it has no default. The options and
        errors are those of `accept`.
        """
        await self._driver.run(action_call(self._configuration, "reject", session_id, params))

    @takes(LiveReferParams)
    async def refer(self, session_id: str, **params: Unpack[LiveReferParams]) -> None:
        """Transfer a phone call: `POST {base_url}/live/sessions/{session_id}/refer`.

        `target_uri` is the new destination, a `tel:` or `sip:` URI. The options and errors are
        those of `accept`.
        """
        await self._driver.run(action_call(self._configuration, "refer", session_id, params))

    @takes(LiveHangupParams)
    async def hangup(self, session_id: str, **params: Unpack[LiveHangupParams]) -> None:
        """End a session, by phone or by WebRTC: `POST {base_url}/live/sessions/{session_id}/hangup`.

        Raises `NotFoundError` with the code `session_id_not_found` when it has ended before. The
        options and other errors are those of `accept`.
        """
        await self._driver.run(action_call(self._configuration, "hangup", session_id, params))


class LiveSessions(SyncResource):
    """`client.live.sessions` of the sync client."""

    @takes(LiveAcceptParams)
    def accept(self, session_id: str, **params: Unpack[LiveAcceptParams]) -> None:
        """Accept a phone call: `POST {base_url}/live/sessions/{session_id}/accept`.

        `session` is its configuration, with at least `model` (`LiveAcceptSessionParam`); the options
        are those of `live.create`. Returns once the session is set up.

        The same call may ring at the Realtime API too: the first successful accept decides. Raises
        `APIStatusError` with the code `decision_already_made` after that, `NotFoundError` when the
        call has ended, and otherwise what `live.create` raises.
        """
        self._driver.run(action_call(self._configuration, "accept", session_id, params))

    @takes(LiveRejectParams)
    def reject(self, session_id: str, **params: Unpack[LiveRejectParams]) -> None:
        """Reject a phone call: `POST {base_url}/live/sessions/{session_id}/reject`.

        `status_code` is the SIP status for the caller, 300–699; it has no default. The options and
        errors are those of `accept`.
        """
        self._driver.run(action_call(self._configuration, "reject", session_id, params))

    @takes(LiveReferParams)
    def refer(self, session_id: str, **params: Unpack[LiveReferParams]) -> None:
        """Transfer a phone call: `POST {base_url}/live/sessions/{session_id}/refer`.

        `target_uri` is the new destination, a `tel:` or `sip:` URI. The options and errors are
        those of `accept`.
        """
        self._driver.run(action_call(self._configuration, "refer", session_id, params))

    @takes(LiveHangupParams)
    def hangup(self, session_id: str, **params: Unpack[LiveHangupParams]) -> None:
        """End a session, by phone or by WebRTC: `POST {base_url}/live/sessions/{session_id}/hangup`.

        Raises `NotFoundError` with the code `session_id_not_found` when it has ended before. The
        options and other errors are those of `accept`.
        """
        self._driver.run(action_call(self._configuration, "hangup", session_id, params))


class AsyncLiveSidebands(AsyncResource):
    """`client.live.sideband` of the async client."""

    @takes(LiveConnectParams)
    def connect(self, session_id: str, **params: Unpack[LiveConnectParams]) -> AsyncSideband:
        """Join a running session as a server: its sideband, `{base_url}/live/sessions/…/attach`.

            async with client.live.sideband.connect(session_id=session_id) as sideband:
                async for event in sideband:
                    ...

        Returns a context manager, which connects when its block begins: it sends events and iterates
        over those that come (`AsyncSideband`), until `session.closed` or the end of the connection. The
        server repeats the last 3 seconds of events: join soon after `create` or `accept`. A 404 is
        tried again for 5 seconds: the session may not be set up yet. The options are those of
        `accept`, without `extra_body`; `timeout` limits each handshake. Needs the extra `sideband`.

        Raises `ParameterError` for an unusable `session_id`, and `ConfigurationError` for a provider
        without GPT-Live; its block raises what `live.create` raises.
        """
        call = connect_session(self._configuration, session_id, params)
        return AsyncSideband(self._driver, self._configuration, call, LiveProtocol())


class LiveSidebands(SyncResource):
    """`client.live.sideband` of the sync client."""

    @takes(LiveConnectParams)
    def connect(self, session_id: str, **params: Unpack[LiveConnectParams]) -> Sideband:
        """Join a running session as a server: its sideband, `{base_url}/live/sessions/…/attach`.

            with client.live.sideband.connect(session_id=session_id) as sideband:
                for event in sideband:
                    ...

        Returns a context manager, which connects when its block begins: it sends events and iterates
        over those that come (`Sideband`), until `session.closed` or the end of the connection. The
        server repeats the last 3 seconds of events: join soon after `create` or `accept`. A 404 is
        tried again for 5 seconds: the session may not be set up yet. The options are those of
        `accept`, without `extra_body`; `timeout` limits each handshake. Needs the extra `sideband`.

        Raises `ParameterError` for an unusable `session_id`, and `ConfigurationError` for a provider
        without GPT-Live; its block raises what `live.create` raises.
        """
        call = connect_session(self._configuration, session_id, params)
        return Sideband(self._driver, self._configuration, call, LiveProtocol())


class AsyncLive(AsyncResource):
    """`client.live` of the async client."""

    sessions: AsyncLiveSessions
    """Sessions by their ids: `accept`, `reject`, `refer`, `hangup`."""
    sideband: AsyncLiveSidebands
    """The sidebands of running sessions: `connect`."""

    def __init__(self, driver: AsyncDriver, configuration: Configuration) -> None:
        super().__init__(driver, configuration)
        self.sessions = AsyncLiveSessions(driver, configuration)
        self.sideband = AsyncLiveSidebands(driver, configuration)

    @takes(LiveCreateParams)
    async def create(self, /, **params: Unpack[LiveCreateParams]) -> LiveCreateResponse:
        """Start a GPT-Live session by WebRTC: `POST {base_url}/live/sessions`.

            created = client.live.create(  # await it in the async client
                session={"model": "gpt-live-1.1", "client": {"data_channel": {…}}},
                transport={"type": "webrtc", "sdp": offer},
            )

        GPT-Live has no client secrets: the browser sends its SDP offer to your server, and your
        server sends it here. Returns `session.id`, which `live.sessions` takes, and `transport.sdp`,
        the answer for the browser. `LiveCreateParams` documents the parameters. Fields that the API
        does not have are errors here; `extra_body` sends those that this version does not know.

        Warning: without `session["client"]["data_channel"]` the browser sees every event, also
        `session.started` with your instructions, tools and history, and may send every event.

        Price: OpenAI bills 15 seconds of the session at once, at $0.05 a minute (2026-11); they
        count towards the session's time. A session lasts at most 2 hours. So a create is not sent
        twice unless it was certainly not sent, or the server permits it.

        The options are those of `sessions.create`; `safety_identifier` is sent as the session's
        field. Raises `ConfigurationError` for a provider without GPT-Live, `ParameterError` before
        anything is sent when a parameter is wrong, and otherwise an `APIError`, as
        `sessions.create` does.
        """
        return await self._driver.run(create_call(self._configuration, params))


class Live(SyncResource):
    """`client.live` of the sync client."""

    sessions: LiveSessions
    """Sessions by their ids: `accept`, `reject`, `refer`, `hangup`."""
    sideband: LiveSidebands
    """The sidebands of running sessions: `connect`."""

    def __init__(self, driver: SyncDriver, configuration: Configuration) -> None:
        super().__init__(driver, configuration)
        self.sessions = LiveSessions(driver, configuration)
        self.sideband = LiveSidebands(driver, configuration)

    @takes(LiveCreateParams)
    def create(self, /, **params: Unpack[LiveCreateParams]) -> LiveCreateResponse:
        """Start a GPT-Live session by WebRTC: `POST {base_url}/live/sessions`.

            created = client.live.create(  # await it in the async client
                session={"model": "gpt-live-1.1", "client": {"data_channel": {…}}},
                transport={"type": "webrtc", "sdp": offer},
            )

        GPT-Live has no client secrets: the browser sends its SDP offer to your server, and your
        server sends it here. Returns `session.id`, which `live.sessions` takes, and `transport.sdp`,
        the answer for the browser. `LiveCreateParams` documents the parameters. Fields that the API
        does not have are errors here; `extra_body` sends those that this version does not know.

        Warning: without `session["client"]["data_channel"]` the browser sees every event, also
        `session.started` with your instructions, tools and history, and may send every event.

        Price: OpenAI bills 15 seconds of the session at once, at $0.05 a minute (2026-11); they
        count towards the session's time. A session lasts at most 2 hours. So a create is not sent
        twice unless it was certainly not sent, or the server permits it.

        The options are those of `sessions.create`; `safety_identifier` is sent as the session's
        field. Raises `ConfigurationError` for a provider without GPT-Live, `ParameterError` before
        anything is sent when a parameter is wrong, and otherwise an `APIError`, as
        `sessions.create` does.
        """
        return self._driver.run(create_call(self._configuration, params))
